"""Turning a plain prompt into a template with one click: every colour, every background, every style in one place.

Knows words in English and Chinese, those that the bundled model's captions use, and nothing of how templates are read.
"""

import re
from collections.abc import Sequence
from typing import Literal, get_args

from dalle_core.errors import RequestError

Swap = Literal["style", "colour", "background"]
SWAPS: tuple[Swap, ...] = get_args(Swap)
MOST_STYLES = 12

GROUNDS = {
    "white": "白色",
    "black": "黑色",
    "grey": "灰色",
    "red": "红色",
    "orange": "橙色",
    "yellow": "黄色",
    "green": "绿色",
    "light blue": "浅蓝色",
    "blue": "蓝色",
    "purple": "紫色",
    "pink": "粉色",
    "brown": "棕色",
}
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink")

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_NAMES = "|".join(sorted(GROUNDS, key=len, reverse=True))
_NAMES_ZH = "|".join(sorted(GROUNDS.values(), key=len, reverse=True))
_GROUND = re.compile(rf"\b({_NAMES})(?= background\b)|(?<=\bon )({_NAMES})\b|(?<=\bon a )({_NAMES})\b", re.IGNORECASE)
_GROUND_ZH = re.compile(rf"({_NAMES_ZH})(?=的?背景)")
_GROUND_CHOICE = re.compile(r"\bon (?:an? )?\{[^{}]*\}|\{[^{}]*\}(?:的?背景| background)", re.IGNORECASE)
_COLOUR = re.compile(rf"\b({_NAMES})\b", re.IGNORECASE)
_COLOUR_ZH = re.compile(rf"({_NAMES_ZH})")
_ARTICLE = re.compile(r"(an?|the|one|two|three|tiny|small|little)\s+", re.IGNORECASE)


def vary(prompt: str, what: str, styles: Sequence[str] = ()) -> str:
    """`prompt` as a template over all styles, colours or backgrounds: in place of the one it names, or added to it.

    The one it names comes first. One that varies already stays as it is. Raises RequestError.
    """
    if what not in SWAPS:
        raise RequestError(f"A prompt varies by {', '.join(SWAPS)}; {what!r:.40} is none of these.")
    if what == "style":
        return _vary_style(prompt.strip(), styles[:MOST_STYLES])
    chinese = _CHINESE.search(prompt) is not None
    return (_vary_ground if what == "background" else _vary_colour)(prompt.strip(), chinese)


def with_style(prompt: str, style: str, styles: Sequence[str]) -> str:
    """`prompt` in another style: in place of the one it names, or added to it. Without a style, in none."""
    named = _style_pattern(styles).search(prompt) if styles else None
    if named and style:
        return prompt[: named.start()] + style + prompt[named.end() :]
    if named:  # with the comma and the word that go with it
        left = re.sub(r"[\s,，]*$", "", prompt[: named.start()])
        return left + re.sub(r"^\s*(style|风格的?)", "", prompt[named.end() :])
    if not style:
        return prompt
    return f"{prompt}，{style}" if _CHINESE.search(prompt) else f"{prompt}, {style}"


def _vary_style(prompt: str, styles: Sequence[str]) -> str:
    if not styles:
        raise RequestError("The open model names no styles to choose from.")
    if _varies(prompt, styles):
        return prompt
    named = _style_pattern(styles).search(prompt)
    return with_style(prompt, _choice(styles, named[0] if named else ""), styles)


def _vary_ground(prompt: str, chinese: bool) -> str:
    names = tuple(GROUNDS.values()) if chinese else tuple(GROUNDS)
    if named := (_GROUND_ZH if chinese else _GROUND).search(prompt):
        return prompt[: named.start()] + _choice(names, named[0]) + prompt[named.end() :]
    if _GROUND_CHOICE.search(prompt):
        return prompt
    return f"{prompt}，{_choice(names)}背景" if chinese else f"{prompt} on a {_choice(names)} background"


def _vary_colour(prompt: str, chinese: bool) -> str:
    """The thing's own colour: the first that is not a background's."""
    names = tuple(GROUNDS[name] for name in COLOURS) if chinese else COLOURS
    grounds = {found.start() for found in (_GROUND_ZH if chinese else _GROUND).finditer(prompt)}
    ground_choice = _GROUND_CHOICE.search(prompt)
    own = prompt.replace(ground_choice[0], "") if ground_choice else prompt
    if _varies(own, names):
        return prompt
    braced = ground_choice.span() if ground_choice else (0, 0)
    for named in (_COLOUR_ZH if chinese else _COLOUR).finditer(prompt):
        if named.start() not in grounds and not braced[0] <= named.start() < braced[1]:
            return prompt[: named.start()] + _choice(names, named[0]) + prompt[named.end() :]
    choice = _choice(names)
    if chinese:
        return f"{choice}的{prompt}"
    article = _ARTICLE.match(prompt)
    at = article.end() if article else 0
    return f"{prompt[:at]}{choice} {prompt[at:]}"


def _choice(names: Sequence[str], first: str = "") -> str:
    """A template's choice; what is there already comes first, as it is written."""
    others = [name for name in names if name.lower() != first.lower()]
    return "{" + "|".join([first, *others] if first else others) + "}"


def _varies(prompt: str, names: Sequence[str]) -> bool:
    """Whether one of the prompt's choices is among these."""
    choices = [choice.split("|") for choice in re.findall(r"\{([^{}]*)\}", prompt)]
    return any(option.strip().lower() in names for choice in choices for option in choice)


def _style_pattern(styles: Sequence[str]) -> re.Pattern[str]:
    """Any of the styles where a prompt names one: after a comma, or with the word style."""
    names = "|".join(re.escape(style) for style in sorted(styles, key=len, reverse=True))
    end = r"(?![\w}|-])"
    return re.compile(rf"(?:(?<=,)|(?<=, )|(?<=，))(?:{names}){end}|\b(?:{names})(?=\s*(?:style|风格))", re.IGNORECASE)
