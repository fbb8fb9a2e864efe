"""What a prompt names, and where it should be seen: "a cat above a dog", "two apples", "a tiny boat", 猫在狗的左边; and
猫﹐狗﹐鸟, which a model that never saw three different things paints square by square.

A contrastive model puts a whole text into one vector, for which a cat above a dog is as good as a dog above a cat. So a
reranker also looks for each phrase by itself, in the squares of the picture where the prompt has it, and a transformer
is told each phrase's vector where it paints it. Knows words and squares; a prompt that it cannot read is left whole.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Place = tuple[float, float]  # a square's middle, in shares of the picture's side from the picture's own

SIDE = 0.5  # of a square, in sides of the picture
LEFT, RIGHT, TOP, BOTTOM = (-0.25, 0.0), (0.25, 0.0), (0.0, -0.25), (0.0, 0.25)
PLACES: dict[int, tuple[Place, ...]] = {
    2: ((-0.25, 0.0), (0.25, 0.0)),
    3: ((0.0, -0.24), (-0.25, 0.24), (0.25, 0.24)),
    4: ((-0.24, -0.24), (0.24, -0.24), (-0.24, 0.24), (0.24, 0.24)),
}  # where two, three, four of one thing stand
MIDDLE = (0.0, 0.08)  # where a small thing stands: a little below the picture's own, as on grass or snow
ARRANGED = {"left": (LEFT, RIGHT), "right": (RIGHT, LEFT), "above": (TOP, BOTTOM), "below": (BOTTOM, TOP)}


@dataclass(frozen=True)
class Phrase:
    """One thing, and the squares in which it is to be seen; none of them where it is the whole picture's."""

    text: str
    places: tuple[Place, ...]


Reading = tuple[Phrase, ...]

_ARTICLE = r"(?:an?|the|one)"
_ONE, _TWO = rf"(?P<one>{_ARTICLE} \S.*?)", rf"(?P<two>{_ARTICLE} \S.*)"
_SIDES = {
    "over": "above",
    "under": "below",
    "beneath": "below",
    "左": "left",
    "右": "right",
    "上": "above",
    "下": "below",
}
_COUNTS = {"two": 2, "three": 3, "four": 4, "两": 2, "二": 2, "三": 3, "四": 4, "2": 2, "3": 3, "4": 4}
_ENGLISH = [
    re.compile(rf"{_ONE} on the (?P<side>left),? (?:and )?{_TWO} on the right", re.IGNORECASE),
    re.compile(rf"{_ONE} on the (?P<side>right),? (?:and )?{_TWO} on the left", re.IGNORECASE),
    re.compile(rf"{_ONE} (?:to the )?(?P<side>left|right) of {_TWO}", re.IGNORECASE),
    re.compile(rf"{_ONE} (?P<side>above|over|below|under|beneath) {_TWO}", re.IGNORECASE),
    re.compile(rf"{_ONE} (?:and|beside|next to) {_TWO}", re.IGNORECASE),
    re.compile(r"(?P<count>two|three|four|[234]) (?!leaf )(?P<one>[^\W\d].*)", re.IGNORECASE),
    re.compile(rf"(?:{_ARTICLE} )?(?P<small>tiny|small|little) (?P<one>\S.*)", re.IGNORECASE),
]
_MEASURED = "个只朵辆条张件顶把颗棵座艘架"
MEASURE = f"[{_MEASURED}台本部头匹位名支根双杯瓶块片盏幅束串]"
HUE_ZH = "浅?[红橙黄绿青蓝紫粉棕黑白灰]色"
_AN = f"(?:[一1]{MEASURE}|[{_MEASURED}])"  # a rarer one by itself is a part of another word
AND_ZH = "(?<!弓)和(?![平服尚国弦睦谐的]|果子)"  # and no part of a word: peace, kimono, "soft"
_CHINESE = [
    re.compile(r"(?P<one>.+?)在(?P<two>.+?)的?(?P<side>[左右上下])[边面方]"),
    re.compile(r"(?P<two>.+?)(?P<side>[左右上下])[边面方]的(?P<one>.+)"),
    re.compile(r"(?P<one>.+?)在(?P<two>.+?)旁边"),
    re.compile(r"(?P<two>.+?)旁边的(?P<one>.+)"),
    re.compile(rf"(?P<one>{_AN}.+?){AND_ZH}(?P<two>{_AN}.+)"),
    re.compile(rf"(?P<one>.+?){AND_ZH}(?P<two>.+)"),
    re.compile(rf"(?P<count>[两二三四234]){MEASURE}(?P<one>.+)"),
    re.compile(rf"(?:{_AN})?(?P<small>小小的|小的)(?P<one>.+)"),
]
_ENGLISH_TAIL = re.compile(r",.*| (?:on|in) (?:an? |the )?\w.*", re.IGNORECASE | re.DOTALL)
_GROUND_ZH = rf"(?![一二两三四1-4]{MEASURE})[^，,、﹐在的]{{1,8}}[上中里]的"  # 夜空中的, 蓝色背景上的
LEAD_ZH = re.compile(rf"^(?:[^，,]*的[，,]|{_GROUND_ZH})?(?:[a-z ]+风格的)?", re.IGNORECASE)
_CHINESE_TAIL = re.compile(
    rf"[，,].*| (?:on|in) (?:an? |the )?\w.*|{HUE_ZH}(?:到{HUE_ZH}渐变)?背景$|在[^在]{{1,8}}[上中里]$", re.DOTALL
)
LISTED = "﹐"  # between three or four things that are known: a comma to a tokenizer, and typed by nobody
_LIST_TAIL = re.compile(r"[,，].*| (?:on|in|at|against) .*|在[^在、]{1,8}[上中里]$", re.DOTALL | re.IGNORECASE)
_GROUND_TAIL = re.compile(rf"{HUE_ZH}(?:到{HUE_ZH}渐变)?背景$")
_BARE = re.compile(
    rf"(?:{_ARTICLE} |[a-z ]+风格的)?(?P<one>[^,，.!。！]+)(?:, ?[a-z ]+ style|，[a-z ]+风格)?[.!。！]?", re.IGNORECASE
)
_PLACED = re.compile(r"\b(?:on|in|at|against|with|background|gradient)\b|背景|在|[上中里]的", re.IGNORECASE)
_LEADING = re.compile(rf"^{_AN}")
_ARTICLED = re.compile(rf"^{_ARTICLE} ", re.IGNORECASE)


def readings(prompt: str) -> tuple[Reading, ...]:
    """The ways in which a prompt's things may stand; none where it names but one, not small, or is not read.

    Two things without a side may stand either way round, side by side or one above the other.
    """
    text = prompt.strip()
    if listed := _listed(text):
        return (listed.reading,)
    for pattern in _ENGLISH:
        if found := pattern.match(text):
            return _arranged(found.groupdict(), _plain_english)
    whole = _CHINESE_TAIL.sub("", LEAD_ZH.sub("", text))
    for pattern in _CHINESE:
        if found := pattern.fullmatch(whole):
            return _arranged(found.groupdict(), _plain_chinese)
    return ()


@dataclass(frozen=True)
class _Listed:
    """Things in the squares of as many, in their order, and what is said before and behind all of them."""

    lead: str
    things: tuple[str, ...]
    tail: str

    @property
    def places(self) -> tuple[Place, ...]:
        return PLACES[len(self.things)]

    @property
    def reading(self) -> Reading:
        """One phrase for all that are called alike."""
        placed = list(zip(self.things, self.places, strict=True))
        return tuple(
            Phrase(thing, tuple(place for other, place in placed if other == thing))
            for thing in dict.fromkeys(self.things)
        )


def _listed(text: str) -> _Listed | None:
    if LISTED not in text:
        return None
    lead = LEAD_ZH.match(text)[0]  # type: ignore[index]
    rest = text[len(lead) :]
    found = _LIST_TAIL.search(rest) or _GROUND_TAIL.search(rest)
    end = found.start() if found else len(rest)
    things = tuple(thing.strip() for thing in rest[:end].rstrip(".。!！").split(LISTED))
    return _Listed(lead, things, rest[end:]) if len(things) in (3, 4) and all(things) else None


@dataclass(frozen=True)
class Division:
    """A picture of different things as prompts of one of them each, and for each of its tokens, in raster order, which
    prompt's it is: that of the thing which stands nearest.

    `owners` (N,) counts from 0.
    """

    prompts: tuple[str, ...]
    owners: np.ndarray


def division(prompt: str, rows: int, cols: int) -> Division | None:
    """Of a list of three or four things; None for any other prompt. 猫﹐狗﹐狗 is divided into 三个猫 and 三个狗:
    of each, painted as several of one, the ones in its places are taken.
    """
    listed = _listed(prompt.strip())
    if listed is None:
        return None
    count = " 两三四"[len(listed.things) - 1]
    kinds = list(dict.fromkeys(listed.things))
    down, across = np.meshgrid(_middles(rows), _middles(cols), indexing="ij")
    away = np.stack([(across - x) ** 2 + (down - y) ** 2 for x, y in listed.places])
    nearest = away.argmin(0).ravel()
    owners = np.array([kinds.index(thing) for thing in listed.things])[nearest]
    names = (_ARTICLED.sub("", _LEADING.sub("", kind)) for kind in kinds)
    return Division(tuple(f"{listed.lead}{count}个{name}{listed.tail}" for name in names), owners)


def bare(prompt: str) -> str:
    """What a prompt of one thing calls it, without article and style; empty where it says more, as of a ground."""
    found = _BARE.fullmatch(prompt.strip())
    return _LEADING.sub("", found["one"]) if found and not _PLACED.search(found["one"]) else ""


@dataclass(frozen=True)
class Layout:
    """The phrases of a prompt, and for each of a picture's tokens, in raster order, which of them it belongs to.

    `owners` (N,) counts them from 1; 0 is the ground's.
    """

    phrases: tuple[str, ...]
    owners: np.ndarray


def layout(prompt: str, rows: int, cols: int) -> Layout:
    """By the first of the prompt's readings; without one, all is ground, and so it is of a list, which is divided."""
    owners = np.zeros((rows, cols), dtype=np.int64)
    ways = () if _listed(prompt.strip()) else readings(prompt)
    reading = ways[0] if ways else ()
    for number, phrase in enumerate(reading, start=1):
        for across, down in phrase.places:
            owners[np.ix_(_covered(down, rows), _covered(across, cols))] = number
    return Layout(tuple(phrase.text for phrase in reading), owners.ravel())


def _covered(middle: float, count: int) -> np.ndarray:
    """Which of `count` cells of a side have their middle in the square around `middle`."""
    covered: np.ndarray = np.flatnonzero(np.abs(_middles(count) - middle) <= SIDE / 2)
    return covered


def _middles(count: int) -> np.ndarray:
    """Of the cells of a side, in shares of it from the picture's own."""
    return (np.arange(count) + 0.5) / count - 0.5


def _arranged(found: dict[str, str | None], plain: Callable[[str], str]) -> tuple[Reading, ...]:
    one = plain(found["one"] or "")
    if count := found.get("count"):
        return ((Phrase(one, PLACES[_COUNTS[count.lower()]]),),)
    if found.get("small"):
        return ((Phrase(one, (MIDDLE,)),),)
    other, side = plain(found["two"] or ""), (found.get("side") or "").lower()
    ways = [ARRANGED[_SIDES.get(side, side)]] if side else list(ARRANGED.values())
    return tuple((Phrase(one, (here,)), Phrase(other, (there,))) for here, there in ways)


def _plain_english(phrase: str) -> str:
    return _ENGLISH_TAIL.sub("", phrase).strip()


def _plain_chinese(phrase: str) -> str:
    return _LEADING.sub("", phrase).strip("的 .。!！")
