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
SHARP = 40.0  # of the von Mises kernels by which a hue is shared among the names: nearly all is the nearest one's
GREY = 0.15  # mean chroma below which a thing counts as grey in part: a penguin is not orange for its feet

_SHADE = "(?:light|dark|bright|pale) "
_MORE = (  # nothing that says more than a name
    r"(?!.*(?:\b(?:and|or|with|of|on|in|at|against|from|wearing|holding|background|gradient)\b|[:,]))"
)
_ENGLISH = re.compile(
    rf"{_MORE}(?:(?:an?|the|one) )?(?P<before>(?:\S+ ){{0,2}}?)(?:{_SHADE})?(?P<hue>{'|'.join(HUES)}) (?P<name>\S.*)",
    re.IGNORECASE,
)
_ZH = {"红": "red", "橙": "orange", "黄": "yellow", "绿": "green", "蓝": "blue", "紫": "purple", "粉": "pink"}
_CHINESE = re.compile(rf"[浅深]?(?P<hue>[{''.join(_ZH)}])(?:(?<=粉)红)?色的?(?P<name>[^在和，,：:]+)")  # 粉红色 is pink
_OTHERS = re.compile(
    rf"\b(?:{'|'.join(HUES)}|brown|black|white|gr[ae]y|gold|silver)\b .|[红橙黄绿蓝紫粉棕黑白灰]色|背景", re.IGNORECASE
)


@dataclass(frozen=True)
class Coloured:
    """A thing's name, "banana", and the hue it is to have, "purple"."""

    name: str
    hue: str


def coloured(phrase: str) -> Coloured | None:
    """ "a purple banana" or 紫色的香蕉; None where no hue is named, more than one, or one of a part or of a ground."""
    if found := _CHINESE.fullmatch(phrase):
        name, hue = found["name"], _ZH[found["hue"]]
    elif found := _ENGLISH.fullmatch(phrase):
        name, hue = found["before"] + found["name"], found["hue"].lower()
    else:
        return None
    return None if _OTHERS.search(name) else Coloured(name, hue)


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
    """(B, 3, H, W) in [0, 1] → (B, H, W) bool: what differs from the ground.

    Each row's ground is what it begins or ends with, whichever is more like the picture's border.
    """
    edge = max(1, images.shape[-1] // 32)
    border = torch.cat([images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]], dim=-1)
    usual = border.median(dim=-1).values[..., None, None]  # (B, 3, 1, 1)
    first, last = (ends.median(dim=-1, keepdim=True).values for ends in (images[..., :edge], images[..., -edge:]))
    nearer = (first - usual).abs().sum(1, keepdim=True) <= (last - usual).abs().sum(1, keepdim=True)
    ground = torch.where(nearer, first, last)  # (B, 3, H, 1)
    return (images - ground).abs().amax(1) > APART


def share_of_hue(rgb: Tensor, thing: Tensor, hue: str) -> Tensor:
    """(B,) in [0, 1]: how much of the colour of (B, 3, H, W) pictures is of the named hue, where (B, H, W) `thing` is.

    Each pixel counts by its chroma.
    """
    seen, chroma = hue_and_chroma(rgb)
    chroma = chroma * thing
    centres = torch.tensor(list(HUES.values()), device=rgb.device, dtype=rgb.dtype).deg2rad().view(-1, 1, 1, 1)
    shares = (SHARP * (seen * (math.pi / 3) - centres).cos()).softmax(0)  # (hues, B, H, W)
    total = chroma.sum((1, 2)).clamp_min(GREY * thing.sum((1, 2)))
    return (chroma * shares[list(HUES).index(hue)]).sum((1, 2)) / total.clamp_min(1e-6)
