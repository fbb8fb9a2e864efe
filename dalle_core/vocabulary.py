"""Which words a model has learned: the names of what it paints, by which it can be searched, and the words that it was
told them in. A small model knows a few thousand words, and what it makes of any other is left to chance; so whoever
writes a prompt is told which of its words those are, and what is near them.

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
from dalle_core.everyday import bare
from dalle_core.glossary import GLOSSARY, Glossary
from dalle_core.phrases import HUE_ZH, MEASURE

VOCABULARY = "vocabulary.json"  # in a model's folder, where it has one
WORD = re.compile(r"[^\W\d_\u3400-\u9fff]+(?:['’][^\W\d_\u3400-\u9fff]+)*")
_OWN = re.compile(r"['’]s?$")  # a cat's
HAN = re.compile(r"[\u3400-\u9fff]+")
READABLE = 1000  # characters of a prompt that are looked at; a longer one is cut long before
MOST_THINGS = 2  # that are put together in one of the pictures that it learns from
QUOTED = 6  # words in one sentence
_CLOSE, _CLOSE_LONG, _LONG = 0.79, 0.7, 7  # of the letters of two words, by which one may be the other misspelt
_LONGER = 1  # letters that it may be longer or shorter then
_MISSPELT = 5  # letters that a word has at least, to be another misspelt: four are too often a word of its own
_CLOSE_ZH = 0.6
UNLIKE = 10  # of a name that has nothing of a query
_NAMED = 4  # letters that a name has at least, to be looked for in a longer word

# Of these a sentence is built; to a model that paints things they tell nothing, and nobody expects them to.
_BETWEEN = re.compile(
    r"[,，、;；]|\b(?:and|with|beside|next to|above|over|below|under|(?:to the )?(?:left|right) of|on|in|at|against)\b|"
    "[和与在]|旁边|[左右上下][边面]"
)  # things and grounds
_COUNT = re.compile(f"^(?:(?:two|three|four|[234]) |[一两二三四1-4]{MEASURE})?(?:{HUE_ZH}的?)?")
_SMALL = re.compile(
    "an?|the|and|or|of|in|on|at|to|from|by|with|into|onto|for|as|so|is|are|be|am|was|being|has|have|having|its?|i|me|my|"
    "we|our|you|your|he|him|his|she|her|they|them|their|this|that|these|those|some|any|each|very|just|please|one|who|"
    "which|while|there"
)
_SMALL_ZH = frozenset("大小的了着过地得是有很太和与跟在把被让给请我你他她它们这那上下里中边面吧吗呢啊")
_DOING_ZH = frozenset("骑吃喝拿穿戴看睡坐站唱打抱追踢开跳飞跑走")  # words by themselves, known or not
_COUNTED = {f"{number}{measure}" for number in "一二两三四" for measure in MEASURE.strip("[]")}


@dataclass(frozen=True)
class Name:
    """What one thing is called, its label first and then its synonyms; none in a language that the art has not."""

    en: tuple[str, ...]
    zh: tuple[str, ...] = ()


class Vocabulary:
    """`names` of what is painted, and `words` that captions have besides, of colours, counts, grounds; Chinese ones as
    they stand in a sentence. `kinds` are words that were not learned, each with the label of something like it. A
    prompt is read by the `glossary` first.
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
        words = f"Words that the model has not learned: {quoted(unknown)}" if unknown else ""
        return tuple(filter(None, (words, self.crowded(prompt))))

    def crowded(self, prompt: str) -> str:
        """Of a prompt that puts more things together than pictures have."""
        things = self.things(prompt)
        if len(things) <= MOST_THINGS:
            return ""
        return f"The model paints two different things at most. Some of these will be missing: {quoted(things)}"

    def unknown(self, prompt: str) -> tuple[str, ...]:
        """Words of a prompt that the model never learned, as they are written there, each once."""
        said = prompt[:READABLE]
        read = self.glossary.read(self.glossary.worded(said))
        strange = [word for word in WORD.findall(read) if not self._knows(word.lower())]
        as_written = "".join(self._unknown_han(said))  # a name of which a part was read otherwise is known
        strange += [part for part in self._unknown_han(read) if set(part) & set(as_written)]
        strange = [word for word in dict.fromkeys(strange) if word in said]  # and not by how it was read
        return tuple(sorted(strange, key=said.index))

    def things(self, prompt: str) -> tuple[str, ...]:
        """Labels of the different things that a prompt puts together, in its order."""
        text = self.glossary.read(self.glossary.worded(prompt[:READABLE])).lower()
        parts = [part for chunk in self._whole.split(text) for part in self._parts_of(chunk)]
        return tuple(dict.fromkeys(filter(None, map(self._label_of, parts))))

    def _parts_of(self, chunk: str) -> list[str]:
        return [chunk] if self._whole.fullmatch(chunk) else _BETWEEN.split(chunk)

    def _label_of(self, part: str) -> str:
        """Of a phrase that is a thing and nothing else; empty for any other."""
        name = bare(_COUNT.sub("", part.strip(" .!。！的")))
        name = self.glossary.everyday.plurals.get(name, name)
        name = self.glossary.everyday.words.get(name, name)
        return name if name in self._by_label else self._by_chinese.get(name, "")

    def _knows(self, word: str) -> bool:
        return bool(_SMALL.fullmatch(word)) or _OWN.sub("", word) in self._english

    def _unknown_han(self, text: str) -> list[str]:
        return [part for run in HAN.findall(text) for part in self._unknown_in(run)]

    def _unknown_in(self, run: str) -> list[str]:
        """Parts of an unbroken row of characters that no names and words make up. A name of one character beside such a
        part belongs to it: there is fire in 火龙果, and a dragon, but it is a fruit.
        """
        best: list[tuple[int, int]] = [(0, 0)]  # to each place: how many are left over, and the last piece's length
        for end in range(1, len(run) + 1):
            ways = [(best[end - 1][0] + (run[end - 1] not in _SMALL_ZH), 0)]
            starts = range(max(0, end - self._longest), end)
            ways += [(best[start][0], end - start) for start in starts if run[start:end] in self._chinese]
            best.append(min(ways, key=lambda way: (way[0], -way[1])))
        pieces, end = list[tuple[str, bool]](), len(run)
        while end:
            length = best[end][1]
            start = end - max(length, 1)
            pieces.append((run[start:end], bool(length) or run[start] in _SMALL_ZH))
            end = start
        return _joined(pieces[::-1], self._grammar)

    # --- what is like it ---

    def near(self, word: str, most: int = 3) -> tuple[str, ...]:
        """What to say instead of an unknown word: a thing of its kind, what is spelt almost so, names that it is made
        of.
        """
        word = word.lower()
        kind = [name for key, label in self.kinds.items() if key == word or (HAN.match(key) and key in word)
                for name in self._called(label, word)]  # fmt: skip
        if HAN.fullmatch(word):
            inside = [name for name in self._chinese_names if len(name) > 1 and (name in word or word in name)]
            ratios = [(SequenceMatcher(None, word, name).ratio(), name) for name in self._chinese_names]
            spelt = [name for ratio, name in sorted(ratios, reverse=True) if ratio >= _CLOSE_ZH]
        else:
            spelt = self._misspelt(word)[:most]
            inside = [
                name
                for name in self._spelt
                if len(name) >= _NAMED and name != word and (word.startswith(name) or word.endswith(name))
            ]
        return tuple(dict.fromkeys([*kind, *spelt, *sorted(inside, key=len, reverse=True)]))[:most]

    def _misspelt(self, word: str) -> list[str]:
        if len(word) < _MISSPELT:
            return []
        alike = [each for each in self._spelt if each[0] == word[0] and abs(len(each) - len(word)) <= _LONGER]
        return get_close_matches(word, alike, cutoff=_CLOSE if len(word) < _LONG else _CLOSE_LONG)

    def _called(self, label: str, word: str) -> list[str]:
        """The thing's label, in the language of a word."""
        name = self._by_label.get(label)
        return [] if name is None else list(name.zh[:1]) if HAN.match(word) else [label]

    def find(self, query: str, most: int, first: int = 0) -> list[Name]:
        """Names that are the query, then those of which it is a word, then those that begin with it, have a word that
        does, or hold it; by labels before synonyms. For an empty one all names, mixed up, so that the first few are a
        sample.
        """
        wanted = " ".join(query.lower().split())
        if not wanted:
            return self._mixed[first : first + most]
        ranks = [self._rank(name, wanted) for name in self.names]
        ranked = [(rank, number) for number, rank in enumerate(ranks) if rank < UNLIKE]
        return [self.names[number] for _, number in sorted(ranked)[first : first + most]]

    def _rank(self, name: Name, wanted: str) -> int:
        """0 is best."""
        labels = [text.lower() for text in (*name.en[:1], *name.zh[:1])]
        synonyms = [text.lower() for text in (*name.en[1:], *name.zh[1:])] + self._said.get(labels[0], [])
        return min(
            [_how_unlike(text, wanted) for text in labels] + [_how_unlike(text, wanted) + 1 for text in synonyms]
        )

    # --- tables ---

    @cached_property
    def _said(self) -> dict[str, list[str]]:
        """What is said every day, by the label that it is read as."""
        said: dict[str, list[str]] = {}
        for word, label in self.glossary.everyday.words.items():
            said.setdefault(label, []).append(word)
        return said

    @cached_property
    def _mixed(self) -> list[Name]:
        return sorted(self.names, key=lambda name: crc32(name.en[0].encode()))

    @cached_property
    def _by_label(self) -> dict[str, Name]:
        return {name.en[0].lower(): name for name in self.names}

    @cached_property
    def _whole(self) -> re.Pattern[str]:
        """Labels that hold what things are put together by."""
        labels = sorted(filter(_BETWEEN.search, self._by_label), key=len, reverse=True)
        return re.compile(f"({'|'.join(map(re.escape, labels)) or '(?!)'})")

    @cached_property
    def _by_chinese(self) -> dict[str, str]:
        return {text: name.en[0].lower() for name in self.names for text in name.zh[:1]}

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        names = [text for name in self.names for text in (*name.en, *name.zh)]
        everyday = self.glossary.everyday
        return (*names, *self.words, *everyday.words, *everyday.plurals, *self.glossary.names)

    @cached_property
    def _english(self) -> frozenset[str]:
        return frozenset(word for text in self._texts for word in WORD.findall(text.lower()))

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
        return tuple(dict.fromkeys(text for text in self._texts if HAN.fullmatch(text) and text not in self._grammar))

    @cached_property
    def _grammar(self) -> frozenset[str]:
        """What no name begins or ends with."""
        return frozenset(part for word in self.words for part in HAN.findall(word)) | _SMALL_ZH | _COUNTED

    @cached_property
    def _chinese(self) -> frozenset[str]:
        """With names without their colour, which a prompt may change."""
        parts = [part for text in self._texts for part in HAN.findall(text)]
        return frozenset([*parts, *(re.sub(f"^{HUE_ZH}的?", "", part) for part in parts)]) - {""} | self._grammar

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._chinese), default=0)

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
            _texts_of([*kinds, *kinds.values()])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path.name}: expected names in English and Chinese, and words ({error})") from error
        return cls(names, words, kinds, glossary)


def quoted(words: Sequence[str]) -> str:
    """The first few, for a sentence."""
    return ", ".join(f"“{word}”" for word in words[:QUOTED]) + (", …" if len(words) > QUOTED else "")


def _joined(pieces: Sequence[tuple[str, bool]], grammar: frozenset[str]) -> list[str]:
    """The unknown ones of pieces in a row, each with the names of one character on either side of it."""
    alone = grammar | _DOING_ZH
    strange = [not known for _, known in pieces]
    for order in (range(1, len(pieces)), range(len(pieces) - 2, -1, -1)):
        for at in order:
            beside, text = at - order.step, pieces[at][0]
            joins = strange[beside] and pieces[beside][0] not in alone
            strange[at] = strange[at] or (joins and len(text) == 1 and text not in alone)
    parts, last = list[str](), ""
    for (text, _), odd in zip(pieces, strange, strict=True):
        if odd and last and not {text, last} & _DOING_ZH:
            parts[-1] += text
        elif odd:
            parts.append(text)
        last = text if odd else ""
    return parts


def _how_unlike(text: str, wanted: str) -> int:
    if text == wanted:
        return 0
    if wanted not in text:
        return UNLIKE
    words = f" {text} "
    return 2 if f" {wanted} " in words else 4 if text.startswith(wanted) else 6 if f" {wanted}" in words else 8


def _texts_of(values: object, least: int = 0) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise TypeError("a list of texts was expected")
    if len(values) < least:
        raise TypeError(f"at least {least} was expected")
    return tuple(values)
