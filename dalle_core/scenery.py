"""Where things are, told as the grounds that captions know: “a rocket in space” as “a rocket in the night sky”,
花园里的猫 as 草地上的猫.

A model that learned of four grounds and of colours leaves any other out, or paints it as a second thing. Knows words; a
prompt that says no such place, or says it as captions do, stays as it is.
"""

import re

from dalle_core.phrases import MEASURE

_SKY, _SAND = "on a light blue background", "on a yellow background"
_WATERS = "seaside|sea|ocean|seas|oceans|water|waves|lake|river|pond"
_ENGLISH = (
    ("on the sea", "in|on|at|over|across|through|above", _WATERS, True),
    ("on the sea", "by|near|beside|next to|under", _WATERS, False),
    ("in the night sky", "in|through|across|under|at|on|into|to",
     "night sky|starry night|starry sky|starlight|moonlight|night|midnight|outer space|space|galaxy|universe", True),
    ("on the grass", "in|on|at|through|across", "grass|lawn|meadow|fields?|garden|park|yard|backyard|pasture", True),
    ("on the grass", "in|on|at|through|across", "farm|forest|woods|jungle|countryside|hills?", False),
    ("in the snow", "in|on|at|through|across", "snow|winter|ice|snowstorm|blizzard|north pole|arctic", True),
    (_SKY, "in|through|across|under|into", "sky|skies|air", False),
    (_SAND, "on|at|in|by|across", "beach|sand|desert|dunes", False),
    ("on a gradient from orange to pink", "at|in", "sunset|sunrise|dusk|dawn", False),
    ("on a black background", "in", "dark|darkness", False),
)  # fmt: skip
"""What captions say, how else one may be there, and whether that is but another word for it."""
_DOING = (
    "swimming|sailing|floating|flying|sitting|standing|walking|running|playing|jumping|sleeping|resting|lying|growing|"
    "drifting|skating|blooming"
)
_SAID_OF = r"(?:(?:deep|blue|open|calm|cloudy|sunny|clear|green|snowy|sandy|cold|dark|big|beautiful|bright|starry) )*"
_END = r"(?=[.!?]*\Z|,)"
_NIGHTLY = re.compile(r".*\b(?:stars?|moon|fireworks?|planets?|comet|satellite|dark|starry)\b", re.IGNORECASE)
_STATED = re.compile(r"\b(?:background|gradient)\b|背景|渐变", re.IGNORECASE)
_SOMEBODY = r"(?<!\bperson)(?<!\bpeople)(?<!\bman)(?<!\bwoman)"  # “person running” is a name
_THING = (
    r"(?<=\w)(?<!\bbridge)(?<!\bbridges)(?<!\bcityscape)(?<!\bcityscapes)(?<!\bface)"  # “bridge at night” is a name
)
_PLACES = [
    (
        ground,
        alike,
        re.compile(
            rf"{_THING}(?: (?:is|are))?(?:{_SOMEBODY} (?:{_DOING}))? (?:{ways}) "
            rf"(?:(?:the|an?|some) )?{_SAID_OF}(?:{words}){_END}",
            re.IGNORECASE,
        ),
    )
    for ground, ways, words, alike in _ENGLISH
]
_PLACES.append(
    (
        "on the sea",
        True,
        re.compile(rf"(?<=\w)(?:{_SOMEBODY} (?:{_DOING}))? (?:underwater|at sea){_END}", re.IGNORECASE),
    )
)
_GROUNDS_ZH = (
    ("海面上", "(?:大海|海洋|海|水|河|湖|池塘|海水|水面|湖面|河面)[上里中]", True),
    ("海面上", "海底|水下|[海河湖水]边", False),
    ("夜空中", "(?:外太空|太空|宇宙|银河|星空|夜空)[里中下上]?|黑?夜[里中]|夜晚|晚上|深夜|月光下", True),
    ("草地上", "(?:草坪|草丛|草原|草地|花园|田野|田|公园|院子)[里中上]", True),
    ("草地上", "(?:森林|树林|农场|山坡)[里中上]", False),
    ("雪地里", "(?:雪|雪地|冰雪|冰)[里中上]|冬天里?|冬季", True),
    ("浅蓝色", "(?:蓝天|天空|空)[里中下上]|天上|云端", False),
    ("黄色", "(?:沙滩|海滩|沙漠|沙子)[里中上]", False),
    ("黑色", "黑暗中", False),
)
_NIGHTLY_ZH = re.compile(".*(?:星|月|烟花)")
_WITHIN_ZH = "[面边]?"
_POSE_ZH = "(?:正?(?:[坐躺趴]|(?<![车油铁间])站|(?<!欲)睡)?在)"
_DOES_ZH = "(?:游泳|游|玩耍|玩|飞翔|飞|跑步|跑|睡觉|航行|散步)?"
_FIRST_ZH = [
    (ground, alike, re.compile(
        rf"(?:[一1]{MEASURE})?(?:{_POSE_ZH})?(?:{places}){_WITHIN_ZH}(?:的|有)(?P<rest>[^，,].*)", re.DOTALL
    ))
    for ground, places, alike in _GROUNDS_ZH
]  # fmt: skip
_LAST_ZH = [
    (ground, alike, re.compile(
        rf"(?P<rest>[^，,]*?[^，,在]){_POSE_ZH}(?:{places}){_WITHIN_ZH}{_DOES_ZH}(?P<more>[。！!]*|[，,].*)", re.DOTALL
    ))
    for ground, places, alike in _GROUNDS_ZH
]  # fmt: skip


def grounded(text: str) -> tuple[str, str]:
    """The text with its place told as captions tell one, and what that is, where it is more than another word for it.
    As it is where it says none, or says it so.
    """
    told, place = _grounded_english(text) or _grounded_chinese(text) or (text, "")
    return (text, "") if told.lower() == text.lower() else (told, place)


def _grounded_english(text: str) -> tuple[str, str] | None:
    for ground, alike, pattern in _PLACES:
        if found := pattern.search(text):
            head, rest = text[: found.start()], text[found.end() :]
            for _, _, other in _PLACES:  # in the snow at night: one of them
                if (more := other.search(head)) and more.end() == len(head):
                    head = head[: more.start()]
            if _STATED.search(rest):
                return head + rest, ""
            if ground == _SKY and (_NIGHTLY.match(head) or _NIGHTLY.match(found[0])):
                ground = "in the night sky"
            return f"{head} {ground}{rest}", "" if alike else ground
    return None


def _grounded_chinese(text: str) -> tuple[str, str] | None:
    for ground, alike, pattern in _FIRST_ZH:
        if found := pattern.fullmatch(text):
            if _STATED.search(found["rest"]):
                return found["rest"], ""
            where = _upon(ground, found["rest"])
            return f"{where}的{found['rest']}", "" if alike else where
    for ground, alike, pattern in _LAST_ZH:
        if found := pattern.fullmatch(text):
            more = found["more"].lstrip("。！!")
            if _STATED.search(more):
                return found["rest"] + more, ""
            where = _upon(ground, found["rest"])
            place = f"，{where.removesuffix('上')}" if where.endswith("背景上") else f"在{where}"
            return f"{found['rest']}{place}{more}", "" if alike else place.removeprefix("，")
    return None


def _upon(ground: str, thing: str) -> str:
    """A star in the sky is in the night sky."""
    if not ground.endswith("色"):
        return ground
    return "夜空中" if ground == "浅蓝色" and _NIGHTLY_ZH.match(thing) else f"{ground}背景上"
