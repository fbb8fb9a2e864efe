"""Prompts in the words that captions use: “cat & dog” is read as “a cat and a dog”, 3个苹果 as 三个苹果.

A transformer that learned from one way of saying a thing takes another for another thing: of two objects without
articles it paints a mixture. Only how things are counted and put together is changed, never what they are called. Knows
words; a prompt that it cannot read, and one that is worded so already, stays as it is.
"""

import re
from collections.abc import Iterable

from dalle_core.phrases import MEASURE

_PICTURE = (
    "picture|image|pic|drawing|painting|illustration|artwork|icon|emoji|sticker|logo|sketch|cartoon|photo|"
    "photograph|portrait|render|rendering|clip ?art"
)
_LOOK = (
    "detailed|realistic|hand[- ]drawn|anime|pixel[- ]art|pixel|3d|2d|watercolou?r|oil|pencil|ink|crayon|charcoal|line"
)
_MEDIUM = rf"simple|minimalist|minimal|cute|colou?rful|beautiful|nice|digital|vector|cartoon|{_LOOK}"
_ASKED = re.compile(
    r"^(?:please |(?:can|could) you |"
    r"(?:(?:draw|paint|make|create|generate|design|show|give)(?: me)?|"
    r"i(?: want|(?: woul|['’])d like| need)(?: to see)?|there(?: is|'s|’s| are)) "
    r"(?=(?:an?|the|one|two|three|four|some|[234]) )|"
    rf"(?:an? |the |some )?(?:(?:{_MEDIUM}),? )*(?:{_PICTURE})s? of (?=\S))+",
    re.IGNORECASE,
)
_KINDLY = re.compile(r"(?<=\w), ?please(?=[.!?]*$)", re.IGNORECASE)
_KIND = re.compile(
    r"(?<=\w)(?<!\ba)(?<!\ban)(?<!\bthe) (?:emoji|icon|sticker|logo|clip ?art)s?(?=[.,!]|$| (?:on|in|with) )",
    re.IGNORECASE,
)  # “cat emoji”
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {"2": "two", "3": "three", "4": "four"}
_COUNTED = re.compile(r"(?:^|(?<=\band ))[234](?= [^\W\d])", re.IGNORECASE)
_RELATIONS = {
    "and": r"&|\+",
    "next to": r"alongside|by the side of",
    "above": r"on top of|atop",
    "below": r"underneath|beneath",
    "left of": r"(?:on )?the left (?:side )?of|to the left side of",
    "right of": r"(?:on )?the right (?:side )?of|to the right side of",
}  # what captions say, and what else may be said for it
_SAID = r"and|next to|beside|above|over|below|under|(?:to the )?(?:left|right) of"
HOW = rf"{_SAID}|{'|'.join(_RELATIONS.values())}"
_DETERMINER = re.compile(r"^(?:an?|the|one|some|my|your|this|that) ", re.IGNORECASE)
_ARTICLE = re.compile(r"^an? ", re.IGNORECASE)
_THING = r"[^\W\d][^\W_]*(?:[-'’][^\W_]+)*(?: [^\W\d][^\W_]*(?:[-'’][^\W_]+)*){0,4}"
_JOINED = re.compile(
    rf"(?P<one>{_THING}?) (?P<how>{HOW}) (?P<two>{_THING}?)"
    r"(?P<rest>,.*| (?:on|in|at|against) .*|[.!]?)",
    re.IGNORECASE | re.DOTALL,
)
_JOINING = re.compile(rf"\b(?:{HOW}|on|in|with|from)\b", re.IGNORECASE)
_DOING = re.compile(r"\b(?:wearing|holding|carrying|riding|eating|drinking|reading|playing)\b", re.IGNORECASE)
COLOURS = "red|orange|yellow|green|blue|purple|pink|brown|black|white|grey|gray|gold|golden|silver"
QUALITIES = (
    f"{COLOURS}|dark|light|bright|pale|big|small|large|huge|tiny|little|old|young|new|happy|sad|angry|hot|cold|long|short|"
    "round|cute|adorable|lovely|pretty|beautiful|nice|funny|simple|shiny|fast|cartoon|fluffy|chubby|fat|kawaii|cool|sleepy|wild"
)
NAMELESS = re.compile(f"{QUALITIES}|up|down|left|right")  # of themselves: “black and white cat” is one thing

_ASKED_ZH = re.compile(
    rf"^(?:请?[帮给为]?我?(?:画|绘制|生成|设计)(?:一下)?|我(?:想要|想看|想画|需要|要)|有)(?=[一1两二三四几234]?{MEASURE})"
)
_PICTURE_ZH = re.compile(
    r"^(?:[一1]?[张幅个枚副])?(?P<of>[^，,。]*?[^\W_])"
    r"(?:(?<!框)的(?:图片|图像|图标|图案|照片|插画|插图|表情包?|贴纸|画|图|头像|标志))+(?=[，,。！!]|$)"
)
_COUNTED_ZH = re.compile(rf"(?:(?<![\d一-龥])|(?<=的))(?P<number>[234二两三四])(?P<measure>{MEASURE})")
_SEVERAL_ZH = re.compile(
    rf"(?:(?<![\d一-龥])|(?<=的))(?:(?P<many>很多|许多|好多|一群|一堆)|一些|几{MEASURE})(?=[^\W\d_的了])"
)
_GROUND_ZH = re.compile(r"(?P<colour>浅蓝|[红橙黄绿蓝紫粉棕黑白灰])色?底(?![片部座盘])色?(?P<of>的)?")  # 白底
_NUMBERS_ZH = {"2": "两", "二": "两", "3": "三", "4": "四"}
_AN_ZH = rf"[一1]{MEASURE}"
_JOINED_ZH = re.compile(rf"(?:{_AN_ZH})?(?P<one>[^，,和在与跟]+)(?P<how>和|与|跟|以及|还有|在)(?:{_AN_ZH})(?P<two>.+)")


def plain(prompt: str, names: Iterable[str] = ()) -> str:
    """The prompt, worded as captions are. `names`, in lower case, are of one thing each, whatever words they hold:
    “bow and arrow”.
    """
    text = _KINDLY.sub("", _ASKED.sub("", " ".join(prompt.split())))
    text = _PICTURE_ZH.sub(r"\g<of>", _ASKED_ZH.sub("", text))
    if any(name in text.lower() for name in names):
        return text
    text = _KIND.sub("", text, count=1)
    text = _COUNTED.sub(lambda found: _NUMBERS[found[0]], text)
    text = _COUNTED_ZH.sub(_counted_zh, text)
    text = _GROUND_ZH.sub(lambda found: f"{found['colour']}色背景{'上的' if found['of'] else ''}", text)
    text = _SEVERAL_ZH.sub(lambda found: "四个" if found["many"] else "三个", text)
    if (joined := _JOINED_ZH.fullmatch(text)) and not _COUNTED_ZH.match(text):
        return f"{joined['one']}{'在' if joined['how'] == '在' else '和'}{joined['two']}"
    if joined := _JOINED.fullmatch(text):
        one, two = joined["one"], joined["two"]
        if _is_thing(one, two) and _is_thing(two) and not _DOING.search(one):  # "wearing a hat and glasses"
            return f"{an(one)} {relation(joined['how'])} {an(two)}{joined['rest']}"
    return text


def looks(prompt: str) -> tuple[str, ...]:
    """What a picture was to look like by the words that ask for it, which are left out: “watercolor” of “a watercolor
    painting of a cat”.
    """
    asked = _ASKED.match(" ".join(prompt.split()))
    return tuple(re.findall(rf"\b(?:{_LOOK})\b", asked[0], re.IGNORECASE)) if asked else ()


def several(names: Iterable[str]) -> tuple[str, ...]:
    """Those that hold a word by which things are put together or counted."""
    return tuple(name for name in names if _JOINING.search(name) or _COUNTED_ZH.match(name))


def _counted_zh(found: re.Match[str]) -> str:
    """By one of the two measure words that captions know: 三颗星 as 三个星."""
    number, measure = found["number"], found["measure"]
    return _NUMBERS_ZH.get(number, number) + (measure if measure in "个只" else "个")


def _is_thing(phrase: str, other: str = "") -> bool:
    """Whether it ends in what may be a noun, and is neither several nor holds a second thing. An orange beside one word
    more is a fruit: “orange and apple”, but “orange and blue ball”.
    """
    words = _DETERMINER.sub("", phrase).lower().split()
    if words[0] in NUMBERS[1:] or _JOINING.search(" ".join(words)):
        return False
    return not NAMELESS.fullmatch(words[-1]) or (words[-1] == "orange" and len(other.split()) == 1)


def an(phrase: str) -> str:
    """With an article, which it may have already."""
    if _ARTICLE.match(phrase):
        return phrase
    named = _DETERMINER.sub("", phrase)
    return f"{'an' if named[0].lower() in 'aeiou' else 'a'} {named}"


def relation(how: str) -> str:
    """What captions say for it."""
    return next((name for name, ways in _RELATIONS.items() if re.fullmatch(ways, how, re.IGNORECASE)), how)
