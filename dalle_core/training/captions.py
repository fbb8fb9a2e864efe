"""Words for a picture: names, synonyms, styles, colours and grounds, in English and in Chinese.

Knows a picture's row and the scene it was put in; chooses among the true things one could say of it.
"""

import re
from dataclasses import dataclass

import numpy as np

from dalle_core.training.art import Picture
from dalle_core.training.palette import BACKGROUNDS, ZH, hue_name

CHINESE_SHARE = 0.35
STYLE_SHARE = 0.7  # of captions name the style; one without may be painted in any
OWN_COLOUR_SHARE = 0.12
COLOUR_WORDS = re.compile(r"\b(red|orange|yellow|green|blue|light blue|purple|pink|brown|black|white|grey)\b")
COLOUR_WORDS_ZH = re.compile(
    r"(?:红|橙|黄|绿|青|浅蓝|蓝|紫|粉|棕|黑|白|灰)(?:色的?|(?=心|圈|苹果|玫瑰|灯笼|信封|盒子|辣椒))"
)  # a colour, not part of a name: 黄瓜 is a cucumber, 西红柿 a tomato, 口红 a lipstick


@dataclass(frozen=True)
class Scene:
    """What was done to an icon. `ground` and `gradient` index BACKGROUNDS; `shift` is a share of the side."""

    ground: int = 0
    gradient: int | None = None
    jitter: tuple[float, ...] = (0.0,) * 6
    hue: str | None = None
    scale: float = 0.9
    shift: tuple[float, float] = (0.0, 0.0)
    flip: bool = False
    tiny: bool = False


def caption(row: Picture, scene: Scene, rng: np.random.Generator) -> str:
    """One true caption, drawn from many: half of them plain, so that a bare name is a prompt the model knows."""
    chinese = bool(row.zh) and rng.random() < CHINESE_SHARE
    return _chinese(row, scene, rng) if chinese else _english(row, scene, rng)


def _name(names: tuple[str, ...], rng: np.random.Generator) -> str:
    """The label mostly; now and then with a synonym beside it, or the synonym alone."""
    draw = rng.random()
    if len(names) == 1 or draw < 0.72:
        return names[0]
    synonym = names[int(rng.integers(1, len(names)))]
    return synonym if draw > 0.9 else f"{names[0]}, {synonym}"


def _own_colour(row: Picture, named_already: bool, rng: np.random.Generator) -> str | None:
    """Now and then the colour a picture has anyway, unless its name holds one."""
    tell = rng.random() < OWN_COLOUR_SHARE
    return hue_name(row.hue) if tell and row.hue is not None and not named_already else None


def _pick(rng: np.random.Generator, *choices: str) -> str:
    return choices[int(rng.integers(len(choices)))]


def _english(row: Picture, scene: Scene, rng: np.random.Generator) -> str:
    name = _name(row.en, rng)
    name = name if rng.random() < 0.3 else name.lower()
    colour = scene.hue or _own_colour(row, COLOUR_WORDS.search(name) is not None, rng)
    if colour:
        name, found = COLOUR_WORDS.subn(colour, name)
        name = name if found else f"{colour} {name}"
    if scene.tiny:
        name = f"{_pick(rng, 'tiny', 'small', 'little')} {name}"
    if "," not in name and rng.random() < 0.4:
        name = f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
    words = [name]
    if row.style and rng.random() < STYLE_SHARE:
        words = [_pick(rng, f"{name}, {row.style} style", f"{name}, {row.style}", f"{row.style} {name}",
                       f"{name} in {row.style} style")]  # fmt: skip
    if ground := _ground_english(scene, rng):
        words.append(ground)
    return _pick(rng, " ", ", ").join(words)


def _ground_english(scene: Scene, rng: np.random.Generator) -> str:
    colour = BACKGROUNDS[scene.ground].en
    if scene.gradient is not None:
        other = BACKGROUNDS[scene.gradient].en
        return _pick(rng, f"on a {colour} to {other} gradient", f"on a gradient from {colour} to {other}")
    if scene.ground == 0:
        return "on a white background" if rng.random() < 0.12 else ""
    return _pick(rng, f"on a {colour} background", f"on {colour}", f"{colour} background", f"on a {colour} background")


def _chinese(row: Picture, scene: Scene, rng: np.random.Generator) -> str:
    name = _name(row.zh, rng).replace(", ", "，")
    colour = scene.hue or _own_colour(row, COLOUR_WORDS_ZH.search(name) is not None, rng)
    if colour:
        name, found = COLOUR_WORDS_ZH.subn(ZH[colour], name)
        name = name if found else f"{ZH[colour]}的{name}"
    if scene.tiny:
        name = f"小小的{name}"
    if "，" not in name and rng.random() < 0.3:
        name = f"{_pick(rng, '一个', '一个', '一只')}{name}"
    if row.style and rng.random() < STYLE_SHARE:
        name = _pick(rng, f"{name}，{row.style} 风格", f"{row.style} 风格的{name}", f"{name}，{row.style}")
    return _pick(rng, "，", "").join(_ground_chinese(name, scene, rng))


def _ground_chinese(name: str, scene: Scene, rng: np.random.Generator) -> list[str]:
    colour = BACKGROUNDS[scene.ground].zh
    if scene.gradient is not None:
        return [name, f"{colour}到{BACKGROUNDS[scene.gradient].zh}渐变背景"]
    if scene.ground == 0:
        return [name, "白色背景"] if rng.random() < 0.12 else [name]
    return [f"{colour}背景上的", name] if rng.random() < 0.3 else [name, f"{colour}背景"]
