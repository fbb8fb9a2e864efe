"""The colours that captions can name, in English and Chinese, and how to find the name of a colour.

Knows colours and nothing else; the composer paints with it and the evaluation reads backgrounds with it.
"""

from dataclasses import dataclass

import numpy as np

from dalle_core.hues import HUES


@dataclass(frozen=True)
class Colour:
    en: str
    zh: str
    rgb: tuple[int, int, int]


BACKGROUNDS = (
    Colour("white", "白色", (255, 255, 255)),
    Colour("black", "黑色", (24, 24, 27)),
    Colour("grey", "灰色", (150, 153, 158)),
    Colour("red", "红色", (222, 49, 49)),
    Colour("orange", "橙色", (250, 148, 40)),
    Colour("yellow", "黄色", (253, 222, 74)),
    Colour("green", "绿色", (76, 175, 80)),
    Colour("light blue", "浅蓝色", (160, 214, 250)),
    Colour("blue", "蓝色", (42, 108, 216)),
    Colour("purple", "紫色", (128, 70, 190)),
    Colour("pink", "粉色", (250, 160, 195)),
    Colour("brown", "棕色", (121, 76, 47)),
)
"""Grounds a picture can stand on; far enough apart that the nearest one is never in doubt."""


@dataclass(frozen=True)
class Backdrop:
    """A simple scene: the sky's colours from top to horizon, the ground's, where the horizon lies (as a share of the
    side), and the colour and number of what is strewn about, if anything.
    """

    en: str
    zh: str
    sky: tuple[tuple[int, int, int], tuple[int, int, int]]
    ground: tuple[int, int, int]
    horizon: float
    speck: tuple[int, int, int] = (255, 255, 255)
    specks: int = 0


BACKDROPS = {
    "night sky": Backdrop("in the night sky", "夜空中", ((14, 18, 48), (40, 48, 104)), (40, 48, 104), 1.0, specks=26),
    "grass": Backdrop("on the grass", "草地上", ((140, 204, 248), (206, 234, 252)), (112, 184, 84), 0.66),
    "sea": Backdrop(
        "on the sea", "海面上", ((164, 216, 250), (222, 240, 252)), (44, 122, 190), 0.6, (120, 182, 226), 12
    ),
    "snow": Backdrop("in the snow", "雪地里", ((158, 178, 206), (204, 216, 232)), (246, 249, 252), 0.68, specks=30),
}
"""Grounds that are more than a colour, by the name that prompts and tests know them by."""

ZH = {colour.en: colour.zh for colour in BACKGROUNDS}


def nearest_background(rgb: np.ndarray) -> int:
    """Index in BACKGROUNDS of the colour nearest to `rgb` (3 values in 0..255), by the redmean distance.

    Source of the distance: https://www.compuphase.com/cmetric.htm (a low-cost approximation of perceived difference).
    """
    table = np.array([colour.rgb for colour in BACKGROUNDS], dtype=np.float64)
    red_mean = (table[:, 0] + rgb[0]) / 2
    delta = table - np.asarray(rgb, dtype=np.float64)
    weights = np.stack([2 + red_mean / 256, np.full_like(red_mean, 4.0), 2 + (255 - red_mean) / 256], axis=1)
    return int(np.argmin((weights * delta**2).sum(axis=1)))


def hue_name(degrees: float) -> str:
    """The named hue nearest on the colour circle."""
    return min(HUES, key=lambda name: abs((HUES[name] - degrees + 180) % 360 - 180))


def dominant_hue(rgba: np.ndarray) -> float | None:
    """The hue (degrees) that most of a picture has, or None where colour is weak or mixed.

    `rgba` is (H, W, 4) uint8. Each opaque pixel votes with its saturation times its brightness; the picture has a
    dominant hue when the votes agree (mean resultant length of at least 0.8) and are a fair share of the area.
    """
    pixels = rgba.reshape(-1, 4)[::3].astype(np.float32) / 255
    pixels = pixels[pixels[:, 3] > 0.5]
    if len(pixels) == 0:
        return None
    mean, agreement, chroma = _mean_hue(pixels[:, :3])
    return mean if chroma >= 0.3 and agreement >= 0.8 else None


def mean_hue(rgb: np.ndarray) -> float | None:
    """The mean hue (degrees) of (N, 3) colours in [0, 1], or None where they are grey on the whole."""
    if len(rgb) == 0:
        return None
    mean, agreement, chroma = _mean_hue(rgb)
    return mean if agreement * chroma > 0.02 else None


def _mean_hue(rgb: np.ndarray) -> tuple[float, float, float]:
    """In degrees, weighted by chroma, which is saturation times value; the agreement (mean resultant length, 0 to 1);
    and the mean chroma.
    """
    hue, chroma = _hue_and_chroma(rgb)
    angle = np.radians(hue)
    x, y = float((chroma * np.cos(angle)).sum()), float((chroma * np.sin(angle)).sum())
    agreement = np.hypot(x, y) / max(float(chroma.sum()), 1e-6)
    return float(np.degrees(np.arctan2(y, x)) % 360), float(agreement), float(chroma.mean())


def _hue_and_chroma(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) in [0, 1] → hue in degrees and chroma, (N,) each, of the HSV hexagon."""
    r, g, b = rgb.T
    value, chroma = rgb.max(axis=1), np.ptp(rgb, axis=1)
    safe = np.maximum(chroma, 1e-6)
    sixth = np.where(value == r, (g - b) / safe % 6, np.where(value == g, (b - r) / safe + 2, (r - g) / safe + 4))
    return 60 * sixth, chroma
