"""Lists of different things, “two cats, a red dog and a bird”, 月亮、星星和火箭: three or four stand in one picture.

Knows words; whether they name things, and which, it is told.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from dalle_core.phrases import AND_ZH, LEAD_ZH, LISTED

MOST = 4  # things in one picture
_BETWEEN = re.compile(
    rf"\s*(?:[,，、;；&+]\s*(?:(?:and\b|{AND_ZH}|还有|以及)\s*)?|\band\b|{AND_ZH}|还有|以及|[与跟])\s*", re.IGNORECASE
)
_GROUND = re.compile(r" (?:on(?! top of)|in|at|against) .*|在[^在、]{1,8}[上中里]$", re.DOTALL)
_COMMAS = (",", "，")
_STACKED = (
    re.compile(r"(?P<above>.+?) (?:above|over|on top of|atop) (?P<below>.+)", re.IGNORECASE | re.DOTALL),
    re.compile(r"(?P<below>.+?) (?:below|under|underneath|beneath) (?P<above>.+)", re.IGNORECASE | re.DOTALL),
    re.compile(r"(?P<above>.+)在(?P<below>.+?)的?上[面边方]", re.DOTALL),
    re.compile(r"(?P<below>.+)在(?P<above>.+?)的?下[面边方]", re.DOTALL),
)

Item = Callable[[str], tuple[str, int]]
Knows = Callable[[str], bool]


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


def listed(text: str, item: Item, knows: Knows) -> Listing | None:
    """The text so read, if it is of three things or more and not all alike; else None. `item` has what captions call
    one of a thing and how many there are, and nothing for a phrase that it does not know. What is known as a whole is
    no list, and what is unknown behind a comma is said of all. One thing above two, or two above two, stand so.
    """
    lead = LEAD_ZH.match(text)[0]  # type: ignore[index]
    ground = _GROUND.search(text, len(lead))
    end = ground.start() if ground else len(text)
    reads = _Reader(item, knows)
    things, rest = reads.stacked(text[len(lead) : end]) or reads.things(text[len(lead) : end])
    if len(things) < 3 or len(set(things)) < 2:
        return None
    return Listing(lead, things if len(things) <= MOST else _fitting(things), rest + text[end:], len(things))


@dataclass(frozen=True)
class _Reader:
    item: Item
    knows: Knows

    def stacked(self, text: str) -> tuple[tuple[str, ...], str] | None:
        """As they stand in their squares, if it is of one or two things above two."""
        for pattern in _STACKED:
            if found := pattern.fullmatch(text):
                (above, behind), (below, rest) = (self.things(found[name].strip()) for name in ("above", "below"))
                if len(below) == 2 and 0 < len(above) <= 2 and not behind:
                    return above + below, rest
        return None

    def things(self, text: str) -> tuple[tuple[str, ...], str]:
        """Each as often as there are of it, and what is said behind them; nothing for any other text."""
        joints = [found.span() for found in _BETWEEN.finditer(text)]
        starts, stops = [0, *(behind for _, behind in joints)], [*(before for before, _ in joints), len(text)]
        phrases = [text[start:stop].rstrip(".!。！") for start, stop in zip(starts, stops, strict=True)]
        found = [self.item(phrase) for phrase in phrases]
        known = next((number for number, (name, _) in enumerate(found) if not name), len(found))
        if not known or (known < len(found) and text[stops[known - 1] : starts[known]].strip() not in _COMMAS):
            return (), ""
        for number in range(known - 1):
            if self.knows(f"{found[number][0]}{text[stops[number] : starts[number + 1]]}{phrases[number + 1]}"):
                return (), ""
        rest = text[stops[known - 1] :] if known < len(found) else ""
        return tuple(name for name, count in found[:known] for _ in range(count)), rest


def _fitting(things: tuple[str, ...]) -> tuple[str, ...]:
    """The first four kinds, each as often as there are of it; one less of what there is most of, until they fit."""
    left = {name: things.count(name) for name in list(dict.fromkeys(things))[:MOST]}
    while sum(left.values()) > MOST:
        left[max(reversed(left), key=lambda name: left[name])] -= 1
    return tuple(name for name, count in left.items() for _ in range(count))
