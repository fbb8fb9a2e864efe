"""Words for a picture: names, synonyms, styles, colours and grounds, in English and in Chinese.

Knows a picture's row and the scene it was put in; chooses among the true things one could say of it.
"""

import re
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from dalle_core.training.art import Picture
from dalle_core.training.palette import BACKDROPS, BACKGROUNDS, ZH, hue_name
from dalle_core.training.scenes import Scene

if TYPE_CHECKING:
    import inflect

CHINESE_SHARE = 0.35
STYLE_SHARE = 0.7  # of captions name the style; one without may be painted in any
OWN_COLOUR_SHARE = 0.12
NUMBERS = {2: "two", 3: "three", 4: "four"}
NUMBERS_ZH = {2: "两", 3: "三", 4: "四"}
PLURAL = re.compile(r"[^isu]s$")  # unlike a bus, a dress or tennis
WHERE_ZH = {"left of": "左边", "right of": "右边", "above": "上面", "below": "下面"}
OPPOSITE = {"left": "right", "right": "left"}
COLOUR_WORDS = re.compile(r"\b(red|orange|yellow|green|blue|light blue|purple|pink|brown|black|white|grey)\b")
COLOUR_WORDS_ZH = re.compile(
    r"(?:红|橙|黄|绿|青|浅蓝|蓝|紫|粉|棕|黑|白|灰)(?:色的?|(?=心|圈|苹果|玫瑰|灯笼|信封|盒子|辣椒))"
)  # a colour, not part of a name: 黄瓜 is a cucumber, 西红柿 a tomato, 口红 a lipstick

AROUND = (
    "two", "three", "four", "tiny", "small", "little", "beside", "next to", "left", "right", "above", "over", "below",
    "under", "style", "background", "gradient", "小小的", "旁边", "左边", "右边", "上面", "下面", "风格", "背景",
    "渐变背景", "到",
)  # fmt: skip
"""What captions say of things and between them, besides what they are called and where they stand."""


def caption(row: Picture, scene: Scene, rng: np.random.Generator, other: Picture | None = None) -> str:
    """One true caption, drawn from many: half of them plain, so that a bare name is a prompt the model knows.

    `other` is the second picture of a scene that has one.
    """
    chinese = bool(row.zh) and (other is None or bool(other.zh)) and rng.random() < CHINESE_SHARE
    return _chinese(row, scene, rng, other) if chinese else _english(row, scene, rng, other)


def _name(names: tuple[str, ...], rng: np.random.Generator, grouped: bool) -> str:
    """The label mostly; now and then a synonym, or for a lone picture the label with a synonym beside it."""
    draw = rng.random()
    if len(names) == 1 or draw < 0.72 or (grouped and draw < 0.9):
        return names[0]
    synonym = names[int(rng.integers(1, len(names)))]
    return synonym if draw > 0.9 else f"{names[0]}, {synonym}"


def _own_colour(row: Picture, named_already: bool, rng: np.random.Generator) -> str | None:
    """Now and then the colour a picture has anyway, unless its name holds one."""
    tell = rng.random() < OWN_COLOUR_SHARE
    return hue_name(row.hue) if tell and row.hue is not None and not named_already else None


def _pick(rng: np.random.Generator, *choices: str) -> str:
    return choices[int(rng.integers(len(choices)))]


def _english(row: Picture, scene: Scene, rng: np.random.Generator, other: Picture | None) -> str:
    name = _thing_english(row, scene.hue, rng, scene.grouped)
    if scene.tiny:
        name = f"{_pick(rng, 'tiny', 'small', 'little')} {name}"
    if other is not None:
        second = with_article(_thing_english(other, scene.other_hue, rng, scene.grouped))
        name = _related_english(with_article(name), second, scene.relation, rng)
    elif scene.count > 1:
        name = f"{NUMBERS[scene.count]} {plural(name)}"
    elif "," not in name and rng.random() < 0.4:
        name = with_article(name)
    words = [name]
    if row.style and rng.random() < STYLE_SHARE:
        first = f"{name} in {row.style}" if scene.grouped else f"{row.style} {name}"
        words = [_pick(rng, f"{name}, {row.style} style", f"{name}, {row.style}", first,
                       f"{name} in {row.style} style")]  # fmt: skip
    if ground := _ground_english(scene, rng):
        words.append(ground)
    return _pick(rng, " ", ", ").join(words)


def _thing_english(row: Picture, hue: str | None, rng: np.random.Generator, grouped: bool) -> str:
    """What a picture shows, in its colour, without an article."""
    name = _name(row.en, rng, grouped)
    name = name if rng.random() < 0.3 else name.lower()
    colour = hue or _own_colour(row, COLOUR_WORDS.search(name) is not None, rng)
    if colour:
        name, found = COLOUR_WORDS.subn(colour, name)
        name = name if found else f"{colour} {name}"
    return name


def with_article(name: str) -> str:
    """ "a cat", "an apple"; by the first letter."""
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _related_english(first: str, second: str, relation: str, rng: np.random.Generator) -> str:
    if relation == "beside":
        return _pick(rng, f"{first} and {second}", f"{first} beside {second}", f"{first} next to {second}")
    if relation in ("left of", "right of"):
        side = relation.removesuffix(" of")
        return _pick(rng, f"{first} {relation} {second}", f"{first} to the {relation} {second}",
                     f"{first} on the {side}, {second} on the {OPPOSITE[side]}")  # fmt: skip
    return f"{first} {_pick(rng, relation, 'over' if relation == 'above' else 'under', relation)} {second}"


def plural(name: str) -> str:
    """More than one of it; a name that is plural already ("chopsticks") stays."""
    head, *rest = re.split(r"(?= (?:of|with|without|in|on)\b|,)", name, maxsplit=1)
    return name if PLURAL.search(head) else "".join([_inflections().plural_noun(head), *rest])


@cache
def _inflections() -> "inflect.engine":
    import inflect  # only training needs it

    return inflect.engine()


def _ground_english(scene: Scene, rng: np.random.Generator) -> str:
    colour = BACKGROUNDS[scene.ground].en
    if scene.gradient is not None:
        other = BACKGROUNDS[scene.gradient].en
        return _pick(rng, f"on a {colour} to {other} gradient", f"on a gradient from {colour} to {other}")
    if scene.backdrop:
        return BACKDROPS[scene.backdrop].en
    if scene.ground == 0:
        return "on a white background" if rng.random() < 0.12 else ""
    return _pick(rng, f"on a {colour} background", f"on {colour}", f"{colour} background", f"on a {colour} background")


def grounds() -> tuple[str, ...]:
    """What captions call colours and grounds, in both languages."""
    colours = [text for colour in BACKGROUNDS for text in (colour.en, colour.zh)]
    return (*colours, *(text for backdrop in BACKDROPS.values() for text in (backdrop.en, backdrop.zh)))


def _chinese(row: Picture, scene: Scene, rng: np.random.Generator, other: Picture | None) -> str:
    name = _thing_chinese(row, scene.hue, rng, scene.grouped)
    if scene.tiny:
        name = f"小小的{name}"
    if other is not None:
        second = _thing_chinese(other, scene.other_hue, rng, scene.grouped)
        name = _related_chinese(name, second, scene.relation, rng)
    elif scene.count > 1:
        name = f"{NUMBERS_ZH[scene.count]}{_pick(rng, '个', '个', '只')}{name}"
    elif "，" not in name and rng.random() < 0.3:
        name = f"{_pick(rng, '一个', '一个', '一只')}{name}"
    if row.style and rng.random() < STYLE_SHARE:
        name = _pick(rng, f"{name}，{row.style} 风格", f"{row.style} 风格的{name}", f"{name}，{row.style}")
    return _pick(rng, "，", "").join(_ground_chinese(name, scene, rng))


def _thing_chinese(row: Picture, hue: str | None, rng: np.random.Generator, grouped: bool) -> str:
    name = _name(row.zh, rng, grouped).replace(", ", "，")
    colour = hue or _own_colour(row, COLOUR_WORDS_ZH.search(name) is not None, rng)
    if colour:
        name, found = COLOUR_WORDS_ZH.subn(ZH[colour], name)
        name = name if found else f"{ZH[colour]}的{name}"
    return name


def _related_chinese(first: str, second: str, relation: str, rng: np.random.Generator) -> str:
    if relation == "beside":
        return _pick(rng, f"{first}和{second}", f"{first}在{second}旁边", f"{second}旁边的{first}")
    where = WHERE_ZH[relation]
    return _pick(rng, f"{first}在{second}的{where}", f"{second}{where}的{first}")


def _ground_chinese(name: str, scene: Scene, rng: np.random.Generator) -> list[str]:
    colour = BACKGROUNDS[scene.ground].zh
    if scene.gradient is not None:
        return [name, f"{colour}到{BACKGROUNDS[scene.gradient].zh}渐变背景"]
    if scene.backdrop:
        place = BACKDROPS[scene.backdrop].zh
        return [f"{place}的", name] if rng.random() < 0.5 else [name, f"在{place}"]
    if scene.ground == 0:
        return [name, "白色背景"] if rng.random() < 0.12 else [name]
    return [f"{colour}背景上的", name] if rng.random() < 0.3 else [name, f"{colour}背景"]
