"""Hues: their names, how much of a thing is of one, and pictures with their colours turned.

A network that learned what bananas look like takes a purple one for a plum. What a thing is and what colour it has can
be told one by one, though: the one once its hue is turned back, the other by its pixels.
"""

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor

HUES = {
    "red": 0.0,
    "orange": 28.0,
    "yellow": 50.0,
    "green": 115.0,
    "blue": 215.0,
    "purple": 272.0,
    "pink": 328.0,
}
"""Centre of each named hue, in degrees."""

APART = 0.12  # how far a channel is from the ground's where a thing is seen
NARROW = 6.0  # of the von Mises kernel: the next name on the circle, some 28 degrees away, counts half
GREY = 0.08  # mean chroma below which a thing is of no hue, rather than wholly of one

_ZH = {"红": "red", "橙": "orange", "黄": "yellow", "绿": "green", "蓝": "blue", "紫": "purple", "粉": "pink"}
_ENGLISH = re.compile(rf"\b(?:(?:light|dark|bright|pale) )?(?P<hue>{'|'.join(HUES)}) (?=\S)", re.IGNORECASE)
_CHINESE = re.compile(rf"[浅深]?(?P<hue>[{''.join(_ZH)}])色的?(?=\S)")
_ARTICLE = re.compile(r"^(?:an?|the|one) ", re.IGNORECASE)
_OTHERS = re.compile(r"\b(?:brown|black|white|gr[ae]y)\b|[棕黑白灰]色", re.IGNORECASE)


@dataclass(frozen=True)
class Coloured:
    """A thing's name, "banana", and the hue it is to have, "purple"."""

    name: str
    hue: str


def coloured(phrase: str) -> Coloured | None:
    """ "a purple banana" or 紫色的香蕉; None where no hue is named, or more colours than one."""
    found = [*_ENGLISH.finditer(phrase), *_CHINESE.finditer(phrase)]
    if len(found) != 1 or _OTHERS.search(phrase):
        return None
    (match,) = found
    hue = match["hue"].lower()
    name = _ARTICLE.sub("", phrase[: match.start()]) + phrase[match.end() :]
    return Coloured(name, _ZH.get(hue, hue))


def hue_and_chroma(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 3, H, W) in [0, 1] → hue in sixths of the circle and chroma, (B, H, W) each, of the HSV hexagon."""
    value, chroma = rgb.amax(1), rgb.amax(1) - rgb.amin(1)
    r, g, b = rgb.unbind(1)
    safe = chroma.clamp_min(1e-6)
    hue = torch.where(value == r, (g - b) / safe % 6, torch.where(value == g, (b - r) / safe + 2, (r - g) / safe + 4))
    return hue, chroma


def rotate_hue(rgb: Tensor, degrees: Tensor) -> Tensor:
    """Turn the hue of (B, 3, H, W) in [0, 1] by (B,) degrees, keeping the HSV saturation and value of every pixel."""
    hue, chroma = hue_and_chroma(rgb)
    value, hue = rgb.amax(1), (hue + degrees.view(-1, 1, 1) / 60) % 6
    turned = [value - chroma * ((n + hue) % 6).clamp_max(4 - (n + hue) % 6).clamp(0, 1) for n in (5, 3, 1)]
    return torch.stack(turned, dim=1)


def things(images: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] → (B, H, W) bool: what differs from the ground, which each row's ends show."""
    edge = max(1, images.shape[-1] // 32)
    ends = torch.cat([images[..., :edge], images[..., -edge:]], dim=-1)
    ground = ends.median(dim=-1, keepdim=True).values  # (B, 3, H, 1)
    return (images - ground).abs().amax(1) > APART


def share_of_hue(rgb: Tensor, thing: Tensor, hue: str) -> Tensor:
    """(B,) in [0, 1]: how much of the colour of (B, 3, H, W) pictures is of the named hue, where (B, H, W) `thing` is.

    Each pixel counts by its chroma, and by how near its hue is.
    """
    seen, chroma = hue_and_chroma(rgb)
    chroma = chroma * thing
    near = (NARROW * ((seen * (math.pi / 3) - math.radians(HUES[hue])).cos() - 1)).exp()
    total = chroma.sum((1, 2)).clamp_min(GREY * thing.sum((1, 2)))
    return (chroma * near).sum((1, 2)) / total.clamp_min(1e-6)
