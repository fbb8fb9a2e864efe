"""What people say, for what a model knows by another name: “a bike” as “a bicycle”, “strawberries” as three of them, “a
cat with a dog” and “cats and dogs” as “a cat and a dog”.

A word is read so only where it stands by itself: a toy car is no automobile, and the road under a car is its ground.
Knows words; a prompt that it cannot read stays as it is.
"""

import re
from collections.abc import Mapping

from dalle_core.phrases import readings
from dalle_core.wording import COLOURS, QUALITIES

_LETTERS = r"[^\W_\u3400-\u9fff]+"
_WORD = re.compile(rf"{_LETTERS}(?:[-'’]{_LETTERS})*")
_B = r"(?<![A-Za-z0-9_])"  # a word begins, behind 个, too
_DETERMINERS = "an?|the|one|two|three|four|some|my|our|your|his|her|its|their|this|that|these|those"
_QUALIFIED = re.compile(rf"^(?:(?:{QUALITIES}) )*", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:an?|the|one) ", re.IGNORECASE)
_TAIL = 64  # letters before a word that say whether it stands by itself
_BEGINS = re.compile(
    r"(?:^|[^\w\s,，、;；]\s*|[\u3400-\u9fff]\s*|"
    rf"{_B}(?:{_DETERMINERS}|and|or|beside|above|over|below|under|beneath|to|of|near|{QUALITIES}) )\Z",
    re.IGNORECASE,
)  # what may stand before an everyday word: any other makes another thing of it, as of a toy car
_ENDS = re.compile(
    r"\s*(?:\Z|[^\w\s'’-]|[\u3400-\u9fff])| (?:(?:and|or|on|in|at|against|with|beside|next|near|behind|above|over|"
    rf"below|under|beneath|to|left|right)\b|(?:light |dark )?(?:{COLOURS}) (?:background|to)\b)",
    re.IGNORECASE,
)  # … and behind it: table tennis is no table
_WHERE = rf"(?:(?:{_DETERMINERS}) )?(?:(?:{QUALITIES}) )*\Z"
_GROUND = re.compile(rf"\b(?:in|on|at|with|to|into|onto|through|from|of) {_WHERE}", re.IGNORECASE)
_RELATED = re.compile(rf"\b(?:next to|(?:left|right|top|side) of) {_WHERE}", re.IGNORECASE)
_TITLE = re.compile(r"\b(?!An? |The |Some |One )[A-Z]\w* \Z")  # “Angry Birds”
_COLOUR = re.compile(rf"\b(?:{COLOURS})\b", re.IGNORECASE)
_OWN_COLOUR = re.compile(rf"^(?:{COLOURS}) ", re.IGNORECASE)
_COLOURED = re.compile(rf"(?:{_B}(?:{COLOURS}),? (?:(?:{QUALITIES}),? )*|[的色])\Z", re.IGNORECASE)
_HUED = re.compile(
    rf"(?:{_B}(?:red|orange|yellow|green|blue|purple|pink),? (?:(?:{QUALITIES}),? )*|[红橙黄绿蓝紫粉]色的?)\Z",
    re.IGNORECASE,
)
_IN_COLOUR = re.compile(rf" in (?:{COLOURS})\b", re.IGNORECASE)
_AN = re.compile(r"(?<![^\W_])(an?) \Z", re.IGNORECASE)

_JOINED = re.compile(
    r"(?P<one>an? [^,.!]+?)(?: (?P<how>with) |, (?:and )?)(?P<two>an? [^,.!]+?)"
    r"(?P<rest>,.*| (?:on|in|at|against) .*|[.!]?)",
    re.IGNORECASE | re.DOTALL,
)
_MORE = re.compile(r",? (?:and )?an? |.*\b(?:and|its|his|her|their|it)\b", re.IGNORECASE | re.DOTALL)
_PART = re.compile(
    r".*\b(?:smil(?:e|ey)|frown|grin|moustache|mustache|nose|tongue|eye|ear|head|horn|beak|wing|tail|handle|hole|mouth|"
    r"tooth|foot|leg|hand|leaf|diamond|cherry|muscle|label|footprint)"
)  # of what it is with
_KIND = re.compile(r"(?:fish|bird|flower|tree|plant|person|man|woman|picture|painting|film|movie)")  # “a whale, a fish”

_SOME = re.compile(
    r"(?:(?P<told>some|several|a few|a lot of|lots of|many|a group of|a pair of|a couple of|"
    r"the|these|those|my|our|your) )?(?P<rest>.+)",
    re.IGNORECASE | re.DOTALL,
)
_TOLD = {"many": 4, "a lot of": 4, "lots of": 4, "a group of": 4, "a pair of": 2, "a couple of": 2}
_PAIRS = ("shoe", "sneaker", "sandal", "boot", "high heel", "hand", "foot", "ear", "wing", "leg", "glove", "lung")
_ALONE = re.compile(r"[.!]?\Z|,| (?:on|in|at|against) ", re.IGNORECASE)
_READABLE = 300  # characters; a longer prompt is cut long before


class Everyday:
    """`words` are read as the labels that they stand for; `plurals` are of labels and of such words, and a label that
    is a plural itself, as scissors are, is its own. All in lower case.
    """

    def __init__(self, words: Mapping[str, str] | None = None, plurals: Mapping[str, str] | None = None) -> None:
        self.words = dict(words or {})
        self.plurals = dict(plurals or {})
        self.things = {*self.words, *self.words.values(), *self.plurals.values()}
        self._longest = max((len(_WORD.findall(name)) for name in self.things), default=0)

    def knows(self, phrase: str) -> bool:
        return bare(phrase).lower() in self.things or named(phrase).lower() in self.things

    def read(self, text: str) -> str:
        """With “an automobile” for “a car”; the longest name at any place is taken for what is meant there."""
        words = list(_WORD.finditer(text)) if self.words else []
        parts, at, first = list[str](), 0, 0
        while first < len(words):
            last = self._last_of_name(text, words, first)
            start, end = words[first].start(), words[last].end()
            meant = self.meaning(text[start:end].lower(), text[max(0, start - _TAIL) : start])
            if meant and _stands_alone(text, start, end) and self.agrees(meant, text, start, end):
                before = text[at:start]
                if found := _AN.search(before):
                    before = f"{before[: found.start()]}{found[1][0]}{'n' * (meant[0] in 'aeiou')} "
                parts += [before, meant]
                at = end
            first = last + 1
        return "".join([*parts, text[at:]])

    def _last_of_name(self, text: str, words: list[re.Match[str]], first: int) -> int:
        """Number of the last word of the longest name that begins with word `first`, be it that one."""
        for last in range(min(first + self._longest, len(words)) - 1, first, -1):
            if text[words[first].start() : words[last].end()].lower() in self.things:
                return last
        return first

    def meaning(self, word: str, before: str) -> str:
        """What a word is read as behind such words: a blue hat as what “coloured hat” is, where there is that, without
        the colour that it may have.
        """
        hued = _HUED.search(before) and (self.words.get(f"coloured {word}") or self.words.get(f"彩色的{word}"))
        return _OWN_COLOUR.sub("", hued) if hued else self.words.get(word, "")

    def agrees(self, meant: str, text: str, start: int, end: int) -> bool:
        """Whether nothing around a word names a colour, if what it is read as has one of its own."""
        if not _COLOUR.search(meant):
            return True
        return not (_COLOURED.search(text[max(0, start - _TAIL) : start]) or _IN_COLOUR.match(text, end))

    # --- several things ---

    def paired(self, text: str) -> str:
        """ "a cat with a dog" and "a cat, a dog" as “a cat and a dog”, where both are known things and no third one
        together, as a “cup with straw” is; and of “a cats and a dogs” one each.
        """
        if len(text) > _READABLE:
            return text
        if joined := _JOINED.fullmatch(text):
            one, two, rest = joined["one"], joined["two"], joined["rest"]
            if joined["how"] and f"{bare(one)} with {bare(two)}".lower() in self.things:
                return f"{one} with {bare(two)}{rest}"
            if (self._together if joined["how"] else self._apart)(one, two) and not _MORE.match(rest):
                return f"{one} and {two}{rest}"
        for phrase in dict.fromkeys(phrase.text for way in readings(text) for phrase in way):
            name = self._name_in(phrase)
            one = self.plurals.get(name.lower(), name)
            if _ARTICLE.match(phrase) and one != name.lower() and name.lower() not in self.words:
                single = phrase.removesuffix(name) + one
                text = re.sub(rf"\b{re.escape(phrase)}(?!\w)", lambda _, single=single: single, text, count=1)  # type: ignore[misc]
        return text

    def _name_in(self, phrase: str) -> str:
        """Without what is said of it, unless that is a part of its name: “hot springs”."""
        words = named(phrase).split(" ")
        names = (" ".join(words[first:]) for first in range(len(words)))
        return next((name for name in names if name.lower() in self.things), bare(phrase))

    def _together(self, one: str, two: str) -> bool:
        """Whether the second is a thing beside the first, and not a part of it."""
        known = self.knows(one) and self.knows(two)
        return known and not _PART.fullmatch(bare(two).lower()) and not self._reads(one).endswith(self._reads(two))

    def _apart(self, one: str, two: str) -> bool:
        """Whether the second is not said of the first: “a rose, a red flower”."""
        first, second = self._reads(one), self._reads(two)
        said_of = named(two) != bare(two) or _KIND.fullmatch(bare(two).lower())
        return self.knows(one) and self.knows(two) and not said_of and first not in second and second not in first

    def _reads(self, phrase: str) -> str:
        name = bare(phrase).lower()
        return self.words.get(name, name)

    def several(self, text: str) -> tuple[int, str]:
        """How many “strawberries”, “some cats” or “many stars” are, and the text with one of them in their place; 0 and
        the text itself where it names no such. Glasses are one thing, and flowers, unless they are “some”, a bouquet.
        """
        found = _SOME.fullmatch(text[:_READABLE]) if self.plurals else None
        if not found:
            return 0, text
        told, rest = found["told"] or "", text[found.start("rest") :]
        words = list(_WORD.finditer(rest))
        for first, word in enumerate(words[: self._longest]):
            start = word.start()
            if not _QUALIFIED.fullmatch(rest, 0, start):
                break
            for last in range(min(first + self._longest, len(words)) - 1, first - 1, -1):
                end = words[last].end()
                name = rest[start:end].lower()
                one = self.plurals.get(name, name)
                if one == name and name in self.things:
                    return 0, text
                if one != name and (told or name not in self.words):
                    if not _ALONE.match(rest, end) or self._is_list(rest[end:]) or _is_title(told, rest[:end]):
                        return 0, text
                    count = _TOLD.get(told.lower(), 2 if one in _PAIRS else 3)
                    return count, f"{rest[:start]}{one}{rest[end:]}"
        return 0, text

    def _is_list(self, rest: str) -> bool:
        """Whether more things are told behind a comma."""
        parts = re.split("[,，]", rest)[1:]
        plurals = (word[0].lower() for part in parts for word in _WORD.finditer(part))
        return any(map(self.knows, map(str.strip, parts))) or any(
            self.plurals.get(word, word) != word for word in plurals
        )


def named(phrase: str) -> str:
    """Without an article."""
    return _ARTICLE.sub("", phrase)


def bare(phrase: str) -> str:
    """Without an article, and without words that name nothing by themselves."""
    return _QUALIFIED.sub("", named(phrase), count=1)


def _stands_alone(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - _TAIL) : start]
    if not _BEGINS.search(before) or not _ENDS.match(text, end):
        return False
    if _GROUND.search(before) and not _RELATED.search(before):
        return False
    return not (text[start].isupper() and _TITLE.search(before))


def _is_title(told: str, name: str) -> bool:
    """ "Angry Birds", "The Doors"."""
    words = [*told.split(), *name.split()]
    return len(words) > 1 and all(word[0].isupper() for word in words) and not name.isupper()
