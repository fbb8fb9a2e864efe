"""Enlarges pictures. `crisp` is for flat art: smooth contours with clean edges, where Lanczos leaves them soft.

Its edges come from a shock filter (Osher and Rudin 1990): on either side of an edge, found where the second derivative
along the gradient changes its sign, each pixel takes a step towards its lowest or highest neighbour. A little blur
after each doubling rounds off the stairs of the original's pixels.
"""

from typing import Literal

import numpy as np
from PIL import Image

from app.exports.pixels import Floats, blur, neighbours

Edges = Literal["crisp", "smooth", "pixels"]
MAX_FACTOR = 8  # edges as clean as this resolution shows them; the rest is plain scaling
MAX_CRISP = 1024  # pixels a side; the work grows with their number
FIRST = 4  # the first step upwards: sharpened at twice the size, stairs would stay
FIRST_STEPS, STEPS = 7, 4
STEP = 0.4
ROUND = 1.2
SIGMA = 1.8


def enlarge(image: Image.Image, size: tuple[int, int], edges: Edges) -> Image.Image:
    """An RGB picture at another size of the same shape."""
    if image.size == size:
        return image
    return work_up(image, 2 * max(size), edges).resize(size, sampling(edges))


def sampling(edges: Edges) -> Image.Resampling:
    return Image.Resampling.NEAREST if edges == "pixels" else Image.Resampling.LANCZOS


def work_up(image: Image.Image, side: int, edges: Edges) -> Image.Image:
    """At a size that edges are well worked on at, where `side` pixels are wanted: a whole number of times as large."""
    factor = 1 if edges == "pixels" else _factor(max(image.size), side)
    size = (image.width * factor, image.height * factor)
    return _crisp(image, size[0]) if edges == "crisp" else image.resize(size, Image.Resampling.LANCZOS)


def _factor(own: int, side: int) -> int:
    """A power of two: as much as `side` needs, at least FIRST where there is room and at most MAX_FACTOR."""
    factor = 1
    while factor < MAX_FACTOR and 2 * factor * own <= MAX_CRISP and (factor < FIRST or factor * own < side):
        factor *= 2
    return factor


def _crisp(image: Image.Image, width: int) -> Image.Image:
    step = min(FIRST, width // image.width)
    while image.width < width:
        larger = image.resize((image.width * step, image.height * step), Image.Resampling.BICUBIC)
        image, step = _sharpened(larger, FIRST_STEPS if step > 2 else STEPS), 2
    return image


def _sharpened(image: Image.Image, steps: int) -> Image.Image:
    pixels = blur(np.asarray(image, np.float32), ROUND)
    for _ in range(steps):
        slope = _slopes(blur(pixels, SIGMA))
        lowest, highest = neighbours(pixels)
        pixels += STEP * np.where(slope < 0, slope * (pixels - highest), slope * (lowest - pixels))
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def _slopes(soft: Floats) -> Floats:
    """In [-1, 1], channel by channel: above 0 on the low side of an edge, below it on the high side."""
    down, right = np.gradient(soft, axis=(0, 1))
    down_down, down_right = np.gradient(down, axis=(0, 1))
    right_right = np.gradient(right, axis=1)
    along = right_right * right**2 + 2 * down_right * right * down + down_down * down**2
    typical = np.abs(along).mean((0, 1), keepdims=True) + 1e-6
    slopes: Floats = np.tanh(2 * along / typical).astype(np.float32)
    return slopes
