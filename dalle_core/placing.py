"""What things do with one another, told as where they stand: “a cat on a car” and “a cat driving a car” as “a cat above
a car”, “a dog wearing a hat” as “a hat above a dog”, 拿着花的男孩 as 男孩和花.

A model that learned of things beside and above one another paints one creature of two that stand otherwise. Knows
words; whether they name things it is told.
"""

import re
from collections.abc import Callable, Iterator

from dalle_core.everyday import bare
from dalle_core.phrases import HUE_ZH, MEASURE
from dalle_core.wording import NAMELESS, an

_POSES = "sitting|standing|lying|sleeping|resting|perched|jumping|dancing|walking|playing|hiding|swimming|floating"
_ABOVE = rf"(?:(?:{_POSES}|riding|driving|flying|climbing) )?(?:on|upon|in|inside(?: of)?)|riding|driving|flying"
_BESIDE = (
    r"holding|carrying|eating|drinking|kicking|throwing|hugging|kissing|watching|chasing|pushing|pulling|reading|"
    r"catching|feeding|playing(?: with)?|looking at|"
    rf"(?:(?:{_POSES}) )?(?:near|by|close to|in front of|behind)"
)
_DETERMINER = r"(?:an?|the|one|my|its|his|her|their)"
_TOLD = re.compile(
    rf"(?:(?P<first>{_DETERMINER}) )?(?P<one>[^,.!]+?) "
    rf"(?:is )?(?:(?P<above>{_ABOVE})|(?P<worn>wearing)|(?P<beside>{_BESIDE})) "
    rf"(?:(?P<second>{_DETERMINER}) )?(?P<two>[^,.!]+?)(?P<rest>,.*| (?:on|in|against) .*|[.!]?)",
    re.IGNORECASE | re.DOTALL,
)
_GROUND = re.compile(
    r"(?:.* )?(?:sky|space|sea|ocean|water|snow|grass|lawn|meadow|beach|sand|street|road|floor|ground|wall|rain|dark|"
    r"background|fire|love|style)",
    re.IGNORECASE,
)  # no thing in a picture, but what is behind or around all of it
_HEADWEAR = re.compile(r"(?:.* )?(?:hat|cap|crown|helmet)|.*[帽冠盔]子?", re.IGNORECASE)

_AN_ZH = f"(?:[一1]{MEASURE})?"
_ONE_ZH, _TWO_ZH = rf"{_AN_ZH}(?P<one>[^，,。]+?)", rf"{_AN_ZH}(?P<two>[^，,。]+?)"
_REST_ZH = "(?P<rest>[，,。].*)?"
_RIDE, _WEAR = "(?:正?在?(?:[骑坐乘]|开(?![心花放门始水关口]))着?)", "(?:戴|穿)着?"
_HOLD = "(?:正?在?[拿抱举捧吃喝玩踢弹看追牵]着?)"
_INSIDE = "(?:里面|里边|上|里|中)"
_TOLD_ZH = {
    "above": (
        f"{_ONE_ZH}[坐站躺睡趴飞停]?在{_TWO_ZH}{_INSIDE}",
        f"{_TWO_ZH}{_INSIDE}的{_ONE_ZH}",
        f"{_ONE_ZH}{_RIDE}{_TWO_ZH}",
        f"{_RIDE}{_TWO_ZH}的{_ONE_ZH}",
    ),
    "worn": (f"{_WEAR}{_TWO_ZH}的{_ONE_ZH}", f"{_ONE_ZH}{_WEAR}{_TWO_ZH}"),
    "beside": (
        f"{_ONE_ZH}[坐站躺睡趴飞停]?在{_TWO_ZH}(?:前面|后面|附近|边上)",
        f"{_HOLD}{_TWO_ZH}的{_ONE_ZH}",
        f"{_ONE_ZH}{_HOLD}{_TWO_ZH}",
    ),
}
_WAYS_ZH = [(how, re.compile(pattern + _REST_ZH, re.DOTALL)) for how, ways in _TOLD_ZH.items() for pattern in ways]
_GROUND_ZH = re.compile(".*(?:天空|夜空|天|空|海|水|雪|雪地|草地|草原|沙滩|地|地面|路|街|墙|雨|背景|夜)")
_HUED_ZH = re.compile(f"^{HUE_ZH}的?")


Knows = Callable[[str], bool]


def placed(text: str, knows: Knows, alone: Knows) -> str:
    """The text so told, if it is of two different things that are known, each `alone`; else nothing. What is known as a
    whole, as the sun behind a cloud, stays.
    """
    return next(iter((*_placed_english(text, knows, alone), *_placed_chinese(text, knows, alone))), "")


def _placed_english(text: str, knows: Knows, alone: Knows) -> Iterator[str]:
    found = _TOLD.fullmatch(text)
    if found is None:
        return
    alike = bool(found["first"]) == bool(found["second"])  # otherwise it is "in love" or "on fire"
    if not (alike or found["worn"] or _HEADWEAR.fullmatch(found["two"])):
        return
    one, two = found["one"], found["two"]
    things = [bare(one).lower(), bare(two).lower()]
    if things[0] == things[1] or _GROUND.fullmatch(two) or not all(map(alone, things)):
        return
    doing = next(filter(None, found.group("above", "worn", "beside"))).split()[0]
    if NAMELESS.fullmatch(things[1]) or knows(bare(text[: found.start("rest")])) or knows(f"{one} {doing}"):
        return
    within = re.search(r"\bin(?:side)?\b", found["above"] or "", re.IGNORECASE)
    if _HEADWEAR.fullmatch(two) and (found["worn"] or within):
        yield f"{an(two)} above {an(one)}{found['rest']}"
    elif found["above"]:
        yield f"{an(one)} above {an(two)}{found['rest']}"
    else:
        yield f"{an(one)} beside {an(two)}{found['rest']}"


def _placed_chinese(text: str, knows: Knows, alone: Knows) -> Iterator[str]:
    for how, pattern in _WAYS_ZH:
        if not (found := pattern.fullmatch(text)):
            continue
        one, two, rest = found["one"], found["two"], found["rest"] or ""
        things = [_HUED_ZH.sub("", each) for each in (one, two)]
        if things[0] == things[1] or _GROUND_ZH.fullmatch(two) or not all(map(alone, things)):
            continue
        if knows(text.removesuffix(rest)):
            return
        if how == "worn" and _HEADWEAR.fullmatch(two):
            yield f"{two}在{one}的上面{rest}"
        elif how == "above":
            yield f"{one}在{two}的上面{rest}"
        else:
            yield f"{one}和{two}{rest}"
