"""Which words a model has learned: the names of what it paints, by which it can be searched, and the words that it was
told them in. A small model knows a few thousand words, and what it makes of any other is left to chance; so whoever
writes a prompt is told which of its words those are, and what to say instead.

Knows words alone; how a prompt is read before it is encoded is its glossary's.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from functools import cached_property
from pathlib import Path
from zlib import crc32

from dalle_core.checkpoints import read_json, write_json
from dalle_core.errors import CheckpointError
from dalle_core.everyday import bare, named
from dalle_core.glossary import GLOSSARY, Glossary
from dalle_core.phrases import HUE_ZH, LISTED, MEASURE
from dalle_core.segments import HAN, Segmenter
from dalle_core.wording import looks

VOCABULARY = "vocabulary.json"  # in a model's folder, where it has one
READABLE = 1000  # characters of a prompt that are looked at; a longer one is cut long before
MOST_THINGS = 2  # that are put together in one of the pictures that it learns from
QUOTED = 6  # words in one sentence

_LETTERS = r"[^\W\d_\u3400-\u9fff]"
WORD = re.compile(rf"(?<!\w){_LETTERS}++(?:['’-]{_LETTERS}++)*+(?!['’-]?\d)")  # no part of “3d” or “cat2”
_PARTS = re.compile(rf"{_LETTERS}+")
_OWN = re.compile(r"['’]s?$")  # a cat's
_GROUNDS = re.compile(
    r" (?:on the (?:sea|grass)|in the (?:snow|night sky))\b|在?(?:海面上|草地上|雪地里|夜空中)的?[，,]?"
)
# Of these a sentence is built; to a model that paints things they tell nothing, and nobody expects them to.
_SMALL = re.compile(
    "an?|the|and|or|but|of|in|on|at|to|from|by|with|without|into|onto|for|as|so|is|are|be|am|was|being|has|have|having|"
    "its?|i|me|my|we|our|you|your|he|him|his|she|her|they|them|their|this|that|these|those|some|any|each|every|all|both|"
    "very|really|just|please|one|two|three|four|who|which|what|while|there|here|near|nearby|between|inside|outside|"
    "through|around|among|across|along|against|towards?|after|before|behind|during|about|another|other|more|most|much|"
    "many|few|lots?|no|not|made|want|give|show|draw|paint|picture|drawing|painting|illustration|image|photo|icon|emoji|"
    "sticker|logo|style|can|could|would|like|looking|beautiful|lovely|pretty|nice|adorable|kawaii|cool|simple|let|do|"
    "vector|minimal|minimalist|isolated|plain|best|quality|outline|cartoon|colou?r|colou?red|colou?rful|golden|clip|art|"
    r"does|\w|\w+n['’]t|(?:it|he|she|that|there|here|what|who|let|i|we|you|they)['’]\w+"
)
_BETWEEN = re.compile(
    rf"[,，、;；{LISTED}]|"
    r"\b(?:and|beside|next to|above|over|below|under|(?:to the )?(?:left|right) of|on|in|at|against)\b|"
    "[和与在]|旁边|[左右上下][边面]"
)  # things and grounds
_OF_BODY = re.compile("eyes?|ear|nose|mouth|tongue|tooth|leg|foot|wing|brain|lungs|paw prints|footprints")
_COUNT = re.compile(f"^(?:(?:two|three|four|[234]) |[一两二三四1-4]{MEASURE})?(?:{HUE_ZH}的?)?")
_TOO_MANY = re.compile(
    r"(?:^|\band |[,，、和]\s*)(?P<number>(?:five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundred|dozens?|"
    r"(?:a|two) dozen|[5-9]|[1-9]\d+)(?= [a-z])"
    r"(?! (?:o|hours?|points?|bit|euros?|dollars?|pounds?|fingers?|pointed|to)\b)|"
    rf"(?:[一二三四]?[五六七八九十百][一二三四五六七八九]?|[5-9]|[1-9]\d+)(?={MEASURE}))",
    re.IGNORECASE,
)
_MANY = re.compile("five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundreds?|dozens?|numbers?")

_CLOSE, _CLOSE_SHORT, _SHORT = 0.78, 0.85, 5  # of the letters of two words, by which one may be the other misspelt
_NO_ERROR = re.compile(
    "beard|shorts?|china|sale|boom|shoulder|bitter|butler|stairs?|badge|matte|buckle|seesaw|soon|shelf|towel|watercolor|"
    "furry|wooden|blanket|twister|twitter|toaster|flour|angle|plan|plant|month|north|south|stage|storm|story|style|scale"
)  # spelt as they should be
_LONGER = 1  # letters that it may be longer or shorter then
_LEAST = 3  # letters of a word that may be misspelt, and of a name inside of a longer word
_CLOSE_ZH, _LONGEST_ZH = 0.7, 8
_SINGULAR = (("ies", "y"), ("ves", "f"), ("es", ""), ("s", ""))
UNLIKE = 9  # of a name that has nothing of a query


@dataclass(frozen=True)
class Name:
    """What one thing is called, its label first and then its synonyms; none in a language that the art has not."""

    en: tuple[str, ...]
    zh: tuple[str, ...] = ()


class Vocabulary:
    """`names` of what is painted, and `words` that captions have besides, of colours, counts, grounds. `kinds` are what
    was not learned, each with what to say instead: the label of something like it, another word, or nothing. A prompt
    is read by the `glossary` first.
    """

    def __init__(self, names: Sequence[Name], words: Iterable[str] = (), kinds: Mapping[str, str] | None = None,
                 glossary: Glossary | None = None) -> None:  # fmt: skip
        self.names = tuple(names)
        self.words = tuple(words)
        self.kinds = dict(kinds or {})
        self.glossary = glossary or Glossary()

    @classmethod
    def of_model(cls, folder: Path) -> "Vocabulary | None":
        """That of the model in a folder, with its glossary; None where it has none. Raises CheckpointError."""
        if not (folder / VOCABULARY).is_file():
            return None
        glossary = Glossary.load(folder / GLOSSARY) if (folder / GLOSSARY).is_file() else None
        return cls.load(folder / VOCABULARY, glossary)

    # --- what a prompt holds ---

    def notes(self, prompt: str) -> tuple[str, ...]:
        """What the artist should know of a prompt, a sentence each."""
        unknown = self.unknown(prompt)
        words = (f"Words that the model has not learned: {quoted(unknown)}",) if unknown else ()
        return words + self.limits(prompt)

    def unknown(self, prompt: str) -> tuple[str, ...]:
        """Words of a prompt that the model never learned, as they are written there, each once."""
        said = prompt[:READABLE]
        strange = self._long_kinds.findall(said)
        rest = self._long_names.sub(",", self._long_kinds.sub(",", said))
        read = self.glossary.read(self.glossary.worded(rest))
        strange += [_OWN.sub("", word) for word in WORD.findall(read) if not self._knows(word.lower())]
        as_written = "".join(self._chinese.strange(said))  # a name of which a part was read otherwise is known
        strange += [part for part in self._chinese.strange(read) if set(part) & set(as_written)]
        found = {word.lower(): word for word in reversed(strange) if word in said}  # and not by how it was read
        return tuple(sorted(found.values(), key=said.index))

    def _knows(self, word: str) -> bool:
        """Without its parts, if it is hyphenated; and what is told apart from its kind is not known."""
        if _SMALL.fullmatch(word) or _MANY.fullmatch(word):
            return True
        word = _OWN.sub("", word)
        if word in self.kinds:
            return False
        parts = _PARTS.findall(word)
        return word in self._english or (len(parts) > 1 and all(map(self._knows, parts)))

    def limits(self, prompt: str) -> tuple[str, ...]:
        """What the model cannot put into a picture, a sentence each."""
        said, told = prompt[:READABLE], list[str]()
        listed, count = self.glossary.listed(said), len(self.things(prompt))
        if listed and listed.asked > len(listed.things):
            read = listed.told("、" if HAN.search(said) else ", ")
            told.append(f"Of different things the model paints four at most. This is read as: “{read}”")
        elif count > MOST_THINGS and not listed:
            told.append(
                f"The model paints up to four things that are just listed. Of these {count} some will be missing."
            )
        if not listed and self.glossary.one_each(said):
            told.append("Of things that stand somehow the model paints one each.")
        elif not listed and (read := self.glossary.placed(said)):
            told.append(f"The model sets things beside or above one another. This is read as: “{read}”")
        elif place := self.glossary.grounded(said):
            told.append(f"Of places the model knows the sea, grass, snow and the night sky. Read as: “{place}”")
        if said_of := self.glossary.left_out(said):
            told.append(
                f"Of what things are like the model knows colours, and small ones. Left out: “{', '.join(said_of)}”"
            )
        if left_out := looks(said):
            told.append(f"The model knows the styles of its art and no others. Left out: “{', '.join(left_out)}”")
        many = _TOO_MANY.search(said)
        if many and not listed and not said[many.start("number") :].lower().startswith(self._numbered):
            told.append(f"The model counts to four. It cannot tell how many this is: “{many['number']}”")
        return tuple(told)

    def things(self, prompt: str) -> tuple[str, ...]:
        """Labels of the different things that a prompt puts together, in its order."""
        text = _GROUNDS.sub("", self.glossary.read(self.glossary.worded(prompt[:READABLE])).lower())
        parts = [part for chunk in self._whole.split(text) for part in self._parts_of(chunk)]
        return tuple(dict.fromkeys(filter(None, map(self._label_of, parts))))

    def _parts_of(self, chunk: str) -> list[str]:
        return [chunk] if self._whole.fullmatch(chunk) else [part.split(" with ")[0] for part in _BETWEEN.split(chunk)]

    def _label_of(self, part: str) -> str:
        """Of a phrase that is a thing and nothing else; empty for any other."""
        name = bare(_COUNT.sub("", part.strip(" .!。！的")))
        name = self.glossary.everyday.plurals.get(name, name)
        name = self.glossary.everyday.words.get(name, name)
        label = name if name in self._by_label else self._by_chinese.get(name, "")
        return "" if _OF_BODY.fullmatch(label) else label

    # --- what is like it ---

    def near(self, word: str, most: int = 3) -> tuple[str, ...]:
        """What to say instead of an unknown word: a thing of its kind; else what it may be misspelt for, or the names
        that it is made of.
        """
        word = _OWN.sub("", word.lower())
        if kind := self._kind(word):
            return kind
        if HAN.search(word):
            return self._near_chinese(word)[:most]
        return tuple(dict.fromkeys([*self._misspelt(word), *self._inside(word)]))[:most]

    def _kind(self, word: str) -> tuple[str, ...]:
        if word in self.kinds:
            return self._called(self.kinds[word], word)
        singulars = (word.removesuffix(end) + put for end, put in _SINGULAR if word.endswith(end))
        kinds = (self.kinds[one] for one in singulars if self.kinds.get(one))
        return tuple(self._plurals.get(kind, kind) for kind in kinds)[:1]

    def _called(self, instead: str, word: str) -> tuple[str, ...]:
        """In the language of a word, if it is a label."""
        name = self._by_label.get(instead)
        return name.zh[:1] if name and HAN.match(word) else tuple(filter(None, [instead]))

    def _misspelt(self, word: str) -> list[str]:
        if len(word) < _LEAST or word.endswith(("ing", "ed")) or _NO_ERROR.fullmatch(word):
            return []
        alike = [each for each in self._spelt if each[0] == word[0] and abs(len(each) - len(word)) <= _LONGER]
        swapped = [each for each in alike if sorted(each) == sorted(word)]
        close = get_close_matches(word, alike, cutoff=_CLOSE_SHORT if len(word) <= _SHORT else _CLOSE)
        return swapped or [each for each in close if len(word) > _LEAST and len(each) > _LEAST]

    def _inside(self, word: str) -> list[str]:
        """Names that a word begins or ends with, if the rest is a word, too."""
        cuts = [(word[:at], word[at:]) for at in range(_LEAST, len(word) - _LEAST + 1)]
        whole = [half for half in cuts if all(part in self._english for part in half)]
        return [part for half in whole for part in half if part in self._spelt]

    def _near_chinese(self, word: str) -> tuple[str, ...]:
        if not 1 < len(word) <= _LONGEST_ZH:
            return ()
        inside = [name for name in self._chinese_names if len(name) > 1 and name in word]
        shared = [name for name in self._chinese_names if len(set(name) & set(word)) > 1]
        ratios = [(SequenceMatcher(None, word, name).ratio(), name) for name in shared]
        spelt = [name for ratio, name in sorted(ratios, reverse=True) if ratio >= _CLOSE_ZH]
        return tuple(dict.fromkeys([*spelt, *sorted(inside, key=len, reverse=True)]))

    def find(self, query: str, most: int, first: int = 0) -> list[Name]:
        """Names that are the query, then those of which it is a word, then those that begin with it, have a word that
        does, or hold it; labels before synonyms. What is like it where there is none. For an empty query all names,
        mixed up, so that the first few are a sample.
        """
        wanted = named(_COUNT.sub("", _plain(query)))
        if not wanted:
            return self._mixed[first : first + most]
        one = self.glossary.everyday.plurals.get(wanted, wanted)
        found = self._ranked(one)
        last = one.split()[-1]
        for other in () if found else (*self.near(one), *(self.near(last) if last != one else ()), last):
            found += [name for name in self._ranked(_plain(other)) if name not in found]
        return found[first : first + most]

    def _ranked(self, wanted: str) -> list[Name]:
        ranked = sorted((_rank(*said, wanted), number) for number, said in enumerate(self._said))
        return [self.names[number] for rank, number in ranked if rank < UNLIKE]

    # --- tables ---

    @cached_property
    def _mixed(self) -> list[Name]:
        return sorted(self.names, key=lambda name: crc32(name.en[0].encode()))

    @cached_property
    def _said(self) -> list[tuple[list[str], list[str]]]:
        """Of each name what it is called, and what else is said for it, every day's words among it."""
        said: dict[str, list[str]] = {}
        for word, label in self.glossary.everyday.words.items():
            said.setdefault(label, []).append(word)
        return [
            (
                [_plain(text) for text in (*name.en[:1], *name.zh[:1])],
                [_plain(text) for text in (*name.en[1:], *name.zh[1:])] + said.get(name.en[0].lower(), []),
            )
            for name in self.names
        ]

    @cached_property
    def _by_label(self) -> dict[str, Name]:
        return {name.en[0].lower(): name for name in self.names}

    @cached_property
    def _numbered(self) -> tuple[str, ...]:
        """What begins with a number that counts nothing."""
        return tuple(text.lower() for text in self._texts if _TOO_MANY.match(text))

    @cached_property
    def _plurals(self) -> dict[str, str]:
        return {one: many for many, one in self.glossary.everyday.plurals.items()}

    @cached_property
    def _by_chinese(self) -> dict[str, str]:
        return {text: name.en[0].lower() for name in self.names for text in name.zh[:1]}

    @cached_property
    def _whole(self) -> re.Pattern[str]:
        """Labels that hold what things are put together by."""
        labels = sorted(filter(_BETWEEN.search, self._by_label), key=len, reverse=True)
        return re.compile(f"({'|'.join(map(re.escape, labels)) or '(?!)'})")

    @cached_property
    def _long_kinds(self) -> re.Pattern[str]:
        """Those of several words, which are told as they stand: a guinea pig is no pig."""
        kinds = [re.escape(kind) for kind in self.kinds if " " in kind]
        return re.compile(rf"\b(?:{'|'.join(kinds) or '(?!)'})(?:s|es)?\b", re.IGNORECASE)

    @cached_property
    def _long_names(self) -> re.Pattern[str]:
        """Those that hold what is not known by itself: table tennis."""
        names = [
            text for text in self._texts if " " in text and any(word in self.kinds for word in text.lower().split())
        ]
        return re.compile(rf"\b(?:{'|'.join(map(re.escape, names)) or '(?!)'})\b", re.IGNORECASE)

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        names = [text for name in self.names for text in (*name.en, *name.zh)]
        everyday = self.glossary.everyday
        return (*names, *self.words, *everyday.words, *everyday.plurals, *self.glossary.names)

    @cached_property
    def _english(self) -> frozenset[str]:
        """With the parts of those that are hyphenated."""
        words = [word for text in self._texts for word in WORD.findall(text.lower())]
        return frozenset(part for word in words for part in (word, *_PARTS.findall(word)))

    @cached_property
    def _spelt(self) -> tuple[str, ...]:
        """English words that name something, as singulars; neither synonyms, which are mere tags of the art mostly, nor
        words of longer names.
        """
        names = [name.en[0].lower() for name in self.names]
        words = [word for text in self.words for word in WORD.findall(text) if not _SMALL.fullmatch(word)]
        texts = dict.fromkeys([*names, *words, *self.glossary.everyday.words])
        return tuple(text for text in texts if WORD.fullmatch(text))

    @cached_property
    def _chinese_names(self) -> tuple[str, ...]:
        """Labels, and what is said for them every day."""
        names = [text for name in self.names for text in name.zh[:1]]
        texts = dict.fromkeys([*names, *self.glossary.everyday.words])
        return tuple(text for text in texts if HAN.fullmatch(text))

    @cached_property
    def _chinese(self) -> Segmenter:
        """With names without their colour, which a prompt may change."""
        parts = [part for text in self._texts for part in HAN.findall(text)]
        bare_parts = (re.sub(f"^{HUE_ZH}的?", "", part) for part in parts)
        return Segmenter({*parts, *filter(None, bare_parts)}, set(filter(HAN.fullmatch, self.kinds)))

    # --- files ---

    def save(self, path: Path) -> None:
        names = [{"en": list(name.en), "zh": list(name.zh)} for name in self.names]
        write_json(path, {"names": names, "words": list(self.words), "kinds": self.kinds})

    @classmethod
    def load(cls, path: Path, glossary: Glossary | None = None) -> "Vocabulary":
        """Raises CheckpointError where the file holds anything else."""
        found = read_json(path)
        try:
            names = [Name(_texts_of(each["en"], 1), _texts_of(each["zh"])) for each in found["names"]]
            words, kinds = _texts_of(found["words"]), dict(found["kinds"])
            _texts_of([*kinds, *filter(None, kinds.values())])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path.name}: expected names in English and Chinese, and words ({error})") from error
        return cls(names, words, kinds, glossary)


def quoted(words: Sequence[str]) -> str:
    """The first few, for a sentence."""
    return ", ".join(f"“{word}”" for word in words[:QUOTED]) + (", …" if len(words) > QUOTED else "")


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[-,.!?;，。！？；]", " ", text.lower()).split())


def _rank(labels: list[str], synonyms: list[str], wanted: str) -> int:
    """0 is best: a label that is the query."""
    by_label = (0, 2, 3, 4, 7, UNLIKE)
    by_synonym = (1, 5, 6, 6, 8, UNLIKE)
    return min(
        *(by_label[_how_unlike(text, wanted)] for text in labels),
        *(by_synonym[_how_unlike(text, wanted)] for text in synonyms),
        UNLIKE,
    )


def _how_unlike(text: str, wanted: str) -> int:
    """The same, a word of it, its beginning, a word's beginning, inside of a word, nothing of it."""
    if text == wanted:
        return 0
    if wanted not in text:
        return 5
    if f" {wanted} " in f" {text} ":
        return 1
    if text.startswith(wanted):
        return 2
    if f" {wanted}" in text:
        return 3
    return 4 if len(wanted) > _LEAST or HAN.search(wanted) else 5


def _texts_of(values: object, least: int = 0) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise TypeError("a list of texts was expected")
    if len(values) < least:
        raise TypeError(f"at least {least} was expected")
    return tuple(values)
