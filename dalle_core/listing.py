"""Lists of different things, “two cats, a red dog and a bird”, 月亮、星星和火箭: three or four stand in one picture.

Knows words; whether they name things, and which, it is told.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from dalle_core.phrases import AND_ZH, HUE_ZH, LEAD_ZH, LISTED, MEASURE
from dalle_core.wording import COLOURS

MOST = 4  # things in one picture
_AND = rf"\band\b|{AND_ZH}|还有|以及|[与跟]"
_BETWEEN = re.compile(
    rf"\s*(?:[,，、;；{LISTED}]\s*(?P<and>{_AND})?|(?P<plus>[&+/]|{_AND}|\bas well as\b|\bplus\b))\s*", re.IGNORECASE
)
_HUED = rf"(?:{COLOURS}|light blue)"
_GROUND = re.compile(
    r" (?:on|against|in) (?:an? |the )?"
    rf"(?:[\w ]*\b(?:background|gradient)|{_HUED}|sea|grass|snow|night sky|[\w ]+ style)\b.*|"
    r"在[^在、]{1,8}[上中里]$",
    re.IGNORECASE | re.DOTALL,
)
_PLACED = re.compile(
    rf"(?:(?:夜空中|草地上|雪地里|海面上|{HUE_ZH}(?:到{HUE_ZH}渐变)?背景上?)的[，,]?)?(?:[a-z ]+风格的)?", re.IGNORECASE
)
_FIRST = re.compile(
    rf"(?P<ground>{HUE_ZH}(?:到{HUE_ZH}渐变)?背景|夜空中|草地上|雪地里|海面上|[a-z ]+(?:风格| style))"
    r"[，,]\s*(?P<rest>.+)",
    re.IGNORECASE | re.DOTALL,
)
_COUNTED = re.compile(rf"(?:an?|the|my|some|one|two|three|four) |[一两二三四几1-9]{MEASURE}", re.IGNORECASE)
_MOOD = re.compile(
    "(?:winter|summer|spring|autumn|fall|night|day|morning|evening|midnight|sunset|sunrise|birthday|christmas|halloween|"
    "easter|wedding|party|love|peace|joy|forest|jungle|beach|sea|ocean|space|galaxy|universe|sky|city|garden|"
    "冬天|夏天|春天|秋天|夜晚|晚上|夜里|白天|早上|早晨|傍晚|黄昏|日落|日出|生日|圣诞|圣诞节|万圣节|新年|婚礼|派对|节日|爱|快乐|森林|沙滩|海边|大海|"
    "海洋|太空|宇宙|天空|城市|花园)",
    re.IGNORECASE,
)  # said of a picture rather than put into it, at its end
_ENDS = ".!?。！？,，"
_STACKED = (
    re.compile(r"(?P<above>.+?) (?:above|over|on top of|atop) (?P<below>.+)", re.IGNORECASE | re.DOTALL),
    re.compile(r"(?P<below>.+?) (?:below|under|underneath|beneath) (?P<above>.+)", re.IGNORECASE | re.DOTALL),
    re.compile(r"(?P<above>.+)在(?P<below>.+?)的?上[面边方]", re.DOTALL),
    re.compile(r"(?P<below>.+)在(?P<above>.+?)的?下[面边方]", re.DOTALL),
)

Item = Callable[[str], tuple[str, int]]
Alike = Callable[[str, str], bool]


@dataclass(frozen=True)
class Listing:
    """Different things, each as captions name one of it, as often as there are of it, and four at most; and what is
    said before and behind them. `asked` is how many were asked for.
    """

    lead: str
    things: tuple[str, ...]
    tail: str
    asked: int

    def told(self, between: str = LISTED) -> str:
        return f"{self.lead}{between.join(self.things)}{self.tail}"


def is_several(name: str) -> bool:
    """Whether a name holds what things are listed by, as “bow and arrow” does."""
    return bool(_BETWEEN.search(name))


def listed(text: str, item: Item, alike: Alike) -> Listing | None:
    """The text so read, if it is of three things or more, told apart; else None.

    `item` has what captions call one of a thing and how many there are, and nothing for a phrase that it does not know;
    `alike` tells whether of two such names the second may be said of the first, as in “flower, rose”. What is unknown
    behind a comma, or tells of a mood, is said of all. One thing above two, or two above two, stand so.
    """
    lead = LEAD_ZH.match(text)[0]  # type: ignore[index]
    if not _PLACED.fullmatch(lead):
        return None
    told = text[len(lead) :]
    first = None if lead else _FIRST.fullmatch(told)
    if first:
        told = first["rest"]
    ground = _GROUND.search(told)
    end = ground.start() if ground else len(told)
    reads = _Reader(item, alike)
    things, rest = reads.stacked(told[:end]) or reads.things(told[:end])
    if len(things) < 3:
        return None
    tail = rest + told[end:].rstrip(_ENDS) + (f", {first['ground']}" if first else "")
    return Listing(lead, things if len(things) <= MOST else _fitting(things), tail, len(things))


@dataclass(frozen=True)
class _Reader:
    item: Item
    alike: Alike

    def stacked(self, text: str) -> tuple[tuple[str, ...], str] | None:
        """As they stand in their squares, if it is of one or two things above two."""
        for pattern in _STACKED:
            if found := pattern.fullmatch(text):
                (above, behind), (below, rest) = (self.things(found[name].strip(), 1) for name in ("above", "below"))
                inside = behind if found.start("above") < found.start("below") else rest
                if len(below) == 2 and 0 < len(above) <= 2 and not inside:
                    return above + below, behind or rest
        return None

    def things(self, text: str, least: int = 2) -> tuple[tuple[str, ...], str]:
        """Each as often as there are of it, and what is said behind them; nothing for any other text, and for one of
        fewer phrases than that.
        """
        text = text.rstrip(_ENDS)
        joints = list(_BETWEEN.finditer(text))
        starts = [0, *(joint.end() for joint in joints)]
        stops = [*(joint.start() for joint in joints), len(text)]
        phrases = [text[start:stop].rstrip(_ENDS) for start, stop in zip(starts, stops, strict=True)]
        commas = [False, *(not (joint["and"] or joint["plus"] or LISTED in joint[0]) for joint in joints)]
        found = [self.item(phrase) for phrase in phrases]
        bare = [not _COUNTED.match(phrase) and count <= 1 for phrase, (_, count) in zip(phrases, found, strict=True)]
        known = len(found)
        while known and commas[known - 1] and bare[known - 1] and self._is_said(known - 1, phrases, found, commas):
            known -= 1
        if known < least or not all(name for name, _ in found[:known]):
            return (), ""
        for number in range(1, known):
            if commas[number] and bare[number] and self.alike(found[number - 1][0], found[number][0]):
                return (), ""
        rest = text[stops[known - 1] :] if known < len(found) else ""
        return tuple(name for name, count in found[:known] for _ in range(count)), rest

    def _is_said(self, number: int, phrases: list[str], found: list[tuple[str, int]], commas: list[bool]) -> bool:
        """Whether a phrase behind a comma is no thing: unknown, a mood, or what follows the last of a list."""
        joined = any(not comma for comma in commas[1:number])
        return not found[number][0] or joined or bool(_MOOD.fullmatch(phrases[number]))


def _fitting(things: tuple[str, ...]) -> tuple[str, ...]:
    """The first four kinds, each as often as there are of it; one less of what there is most of, until they fit."""
    left = {name: things.count(name) for name in list(dict.fromkeys(things))[:MOST]}
    while sum(left.values()) > MOST:
        left[max(reversed(left), key=lambda name: left[name])] -= 1
    return tuple(name for name, count in left.items() for _ in range(count))
