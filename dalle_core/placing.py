"""What things do with one another, told as where they stand: “a cat on a car” and “a cat driving a car” as “a cat above
a car”, “a dog wearing a hat” as “a hat above a dog”, 拿着花的男孩 as 男孩和花.

A model that learned of things beside and above one another paints one creature of two that stand otherwise. Knows
words; whether they name things, and which, it is told.
"""

import re
from collections.abc import Callable

from dalle_core.everyday import bare
from dalle_core.phrases import HUE_ZH, MEASURE
from dalle_core.wording import NAMELESS, an

_POSES = "sitting|sits|standing|stands|lying|sleeping|sleeps|resting|perched|jumping|dancing|walking|playing|floating"
_ABOVE = (
    rf"(?:(?:{_POSES}|riding|driving|flying|climbing) )?(?:on|upon|in|inside(?: of)?)|"
    rf"(?:{_POSES}|flying|flies|hovering|jumps|leaping) (?:over|above|onto|on top of|across)|"
    "riding|rides|driving|drives|flying"
)
_BELOW = rf"(?:(?:{_POSES}|hiding|hanging|hangs) )(?:under|underneath|beneath|below|from)"
_BESIDE = (
    r"holding|holds|carrying|eating|eats|drinking|drinks|kicking|throwing|hugging|kissing|watching|chasing|chases|"
    r"pushing|pulling|reading|reads|catching|feeding|playing(?: with)?|looking at|climbing|climbs|"
    rf"(?:(?:{_POSES}) )?(?:near|by|close to|in front of|behind)"
)
DOING = re.compile(rf".* (?:{_POSES}|flying|hovering|leaping|hiding|hanging)", re.IGNORECASE)
_DETERMINER = r"(?:an?|the|my)"
_TOLD = re.compile(
    rf"(?:(?P<first>{_DETERMINER}|one) )?(?P<one>[^,.!?]+?) "
    rf"(?:is |are )?(?:(?P<beside>{_BESIDE})|(?P<above>{_ABOVE})|(?P<below>{_BELOW})|(?P<worn>wearing|wears|with)) "
    rf"(?:(?P<second>{_DETERMINER}) )?(?P<two>[^,.!?]+?)(?P<rest>,.*| (?:on|in|against) .*|[.!?]*)",
    re.IGNORECASE | re.DOTALL,
)
_GROUND = re.compile(
    r"(?:.* )?(?:sky|space|sea|ocean|water|snow|grass|lawn|meadow|beach|sand|street|road|floor|ground|wall|rain|dark|"
    r"background|fire|love|style|shirt|paper)",
    re.IGNORECASE,
)  # no thing in a picture, but what is behind or around all of it, or what is printed on
_VESSEL = re.compile(
    r"(?:.* )?(?:box|car|cup|mug|basket|boat|ship|bowl|bag|bucket|bus|train|truck|van|taxi|bathtub|bed|nest|jar|bottle|"
    r"pot|vase|tree|plane|airplane|helicopter|rocket|spaceship|ufo|canoe|cart|chair|sofa|suitcase|backpack|hat|balloon)",
    re.IGNORECASE,
)  # what one sits in and is seen
_KITE = re.compile(r"(?:.* )?(?:kite|balloon|flag)", re.IGNORECASE)
_TALKED_ON = re.compile(r"(?:.* )?(?:phone|telephone|computer|laptop)", re.IGNORECASE)
_HEADWEAR = re.compile(r"(?:.* )?(?:hat|cap|crown|helmet)|.*[帽冠盔]子?", re.IGNORECASE)
_OUT_OF_A_HAT = re.compile(r"(?:.* )?(?:rabbit|bunny|feather|flower|egg|fish|mouse|dove)", re.IGNORECASE)
_OF_BODY = re.compile(
    r"(?:.* )?(?:hands?|heads?|foot|feet|legs?|back|mouth|eyes?|ears?|nose|arms?|fingers?|face|tail|tongue)|"
    r".*[手头身脸背脚腿嘴]上?",
    re.IGNORECASE,
)
_SOMEBODY = {"in", "on", "with", "and", "person", "worker", "creature"}  # in labels
_INNER = re.compile(r"\b(?:an?|the) ", re.IGNORECASE)

_AN_ZH = f"(?:[一两二三四几1-4]{MEASURE})?"
_NAMED_ZH = f"(?:{HUE_ZH}的)?[^，,。]+?"
_ONE_ZH, _TWO_ZH = rf"{_AN_ZH}(?P<one>{_NAMED_ZH})", rf"{_AN_ZH}(?P<two>{_NAMED_ZH})"
_REST_ZH = "(?P<rest>[，,].*|[。.!！?？]*)"
_AT = "[坐站躺睡趴飞停]?在"
_RIDE = r"(?:正?在?(?P<how>[骑坐乘]|开(?=着?(?:[红橙黄绿蓝紫粉棕黑白灰]色的)?[^，,的]*(?:[车机船]|火箭)))着?)"
_WEAR = "(?:戴|穿)着?"
_HOLD = "(?:正?在?(?:[拿抱举捧吃喝玩踢弹追牵]|看(?![门家]))着?)"
_ON, _IN = "(?P<on>上)", "(?:里面|里边|里|中)"
_AT_FIRST = "(?:在)?"
_UNDER = "(?:下面|下边|下方|底下|下)"
_VESSEL_ZH = re.compile(".*(?:[箱盒杯篮袋桶罐瓶锅碗包车船机床窝]|沙发|浴缸|火箭|气球)子?")
_TOLD_ZH = {
    "above": (
        f"{_ONE_ZH}{_AT}{_TWO_ZH}(?:{_ON}|{_IN})",
        f"{_AN_ZH}(?:{_AT})?{_TWO_ZH}(?:{_ON}|{_IN})的{_ONE_ZH}",
        f"{_AT_FIRST}{_TWO_ZH}(?:{_ON}|{_IN})有{_ONE_ZH}",
        f"{_ONE_ZH}{_RIDE}{_TWO_ZH}",
        f"{_AN_ZH}{_RIDE}{_TWO_ZH}的{_ONE_ZH}",
    ),
    "below": (
        f"{_ONE_ZH}{_AT}{_TWO_ZH}{_UNDER}",
        f"{_AT_FIRST}{_TWO_ZH}{_UNDER}有{_ONE_ZH}",
        f"{_AN_ZH}(?:{_AT})?{_TWO_ZH}{_UNDER}的{_ONE_ZH}",
    ),
    "worn": (f"{_AN_ZH}{_WEAR}{_TWO_ZH}的{_ONE_ZH}", f"{_ONE_ZH}{_WEAR}{_TWO_ZH}"),
    "beside": (
        f"{_ONE_ZH}{_AT}{_TWO_ZH}(?:前面|后面|附近|边上)",
        f"{_AN_ZH}{_HOLD}{_TWO_ZH}的{_ONE_ZH}",
        f"{_ONE_ZH}{_HOLD}{_TWO_ZH}",
    ),
}
_WAYS_ZH = [(how, re.compile(pattern + _REST_ZH, re.DOTALL)) for how, ways in _TOLD_ZH.items() for pattern in ways]
_GROUND_ZH = re.compile(".*(?:[天空海水雪地路街墙雨夜光衣服裙衫纸]|草原|沙滩|地面|背景)")
_HUED_ZH = re.compile(f"^({HUE_ZH})的?")

Knows = Callable[[str], bool]


def placed(text: str, knows: Knows, reads: Callable[[str], str]) -> str:
    """The text so told, if it is of two different things that are known, as `reads` has them; else nothing. What is
    known as a whole, as the sun behind a cloud, stays.
    """

    def are_two(one: str, other: str) -> bool:
        labels = reads(one).lower(), reads(other).lower()
        alone = all(_is_alone(name, label) for name, label in zip((one, other), labels, strict=True))
        return alone and knows(one) and knows(other) and not _same(*labels)

    return _placed_english(text, knows, are_two) or _placed_chinese(text, knows, are_two)


def _is_alone(name: str, label: str) -> bool:
    """Whether it is not read as somebody with it: a tuxedo is a person in one."""
    return bool(_VESSEL.fullmatch(name)) or not (_SOMEBODY & set(label.split())) - {name}


def _same(one: str, other: str) -> bool:
    """A letter in an envelope may be but an envelope."""
    return one in other or other in one


def _placed_english(text: str, knows: Knows, are_two: Callable[[str, str], bool]) -> str:
    found = _TOLD.fullmatch(text)
    if found is None:
        return ""
    one, two, rest = found["one"], found["two"], found["rest"].strip(".!?")
    above, worn = found["above"] or "", bool(found["worn"])
    if found["first"] and found["above"] and not (found["second"] or _HEADWEAR.fullmatch(two)):
        return ""  # "in love", "on fire"
    if found["worn"] == "with" and not _HEADWEAR.fullmatch(two):
        return ""  # they are put together otherwise
    within = re.search(r"\bin(?:side)?\b", above, re.IGNORECASE)
    on_head = _HEADWEAR.fullmatch(two) and (worn or (within and not _OUT_OF_A_HAT.fullmatch(one)))
    if _GROUND.fullmatch(two) or _OF_BODY.fullmatch(two) or NAMELESS.fullmatch(bare(two).lower()):
        return ""
    if within and not on_head and not _VESSEL.fullmatch(two):
        return ""  # a dress, a forest, a style, a frame
    doing = next(filter(None, found.group("above", "below", "worn", "beside"))).split()[0]
    whole = bare(text[: found.start("rest")])
    if any(map(knows, (whole, _INNER.sub("", whole), f"{one} {doing}"))):
        return ""
    if not are_two(bare(one).lower(), bare(two).lower()):
        return ""
    if on_head or (doing.lower() == "flying" and _KITE.fullmatch(two)):
        return f"{an(two)} above {an(one)}{rest}"
    if found["below"]:
        return f"{an(one)} below {an(two)}{rest}"
    beside = not above or (doing.lower() == "on" and _TALKED_ON.fullmatch(two))
    return f"{an(one)} {'beside' if beside else 'above'} {an(two)}{rest}"


def _placed_chinese(text: str, knows: Knows, are_two: Callable[[str, str], bool]) -> str:
    for way, pattern in _WAYS_ZH:
        if not (found := pattern.fullmatch(text)):
            continue
        told = found.groupdict()
        one, two, rest = told["one"], told["two"], told["rest"].strip("。.!！?？")
        if told.get("how") == "骑" and two == "车":
            two = "自行车"
        if not are_two(_HUED_ZH.sub("", one), _HUED_ZH.sub("", two)):
            continue
        within = "on" in told and not told["on"]
        if _GROUND_ZH.fullmatch(two) or _OF_BODY.fullmatch(two) or (within and not _VESSEL_ZH.fullmatch(two)):
            continue
        if knows(text[: found.start("rest")]):
            return ""
        one, two = (_HUED_ZH.sub(r"\1的", name) for name in (one, two))
        if way == "worn" and _HEADWEAR.fullmatch(two):
            return f"{two}在{one}的上面{rest}"
        stands = {"above": "上面", "below": "下面"}.get(way)
        return f"{one}在{two}的{stands}{rest}" if stands else f"{one}和{two}{rest}"
    return ""
