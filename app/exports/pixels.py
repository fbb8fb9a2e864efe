"""Arithmetic on arrays of pixels: blurs, discs, floods, and how far apart two colours look. Knows no files."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32)
_WHITE = np.array([0.9505, 1.0, 1.089], np.float32)  # D65
_LINEAR_BELOW = (6 / 29) ** 3


def to_lab(rgb: Floats) -> Floats:
    """sRGB in [0, 255] → CIE L*a*b*, whose distances are about as large as they look. Colours are the last axis."""
    unit = rgb / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4).astype(np.float32)
    xyz = linear @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > _LINEAR_BELOW, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1).astype(np.float32)


def blur(values: Floats, sigma: float) -> Floats:
    """A Gaussian blur over the first two axes; the edges continue outwards."""
    radius = max(1, round(3 * sigma))
    weights = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    for axis in (0, 1):
        values = _weighted(values, axis, radius, weights.tolist())
    return values


def _weighted(values: Floats, axis: int, radius: int, weights: list[float]) -> Floats:
    length = values.shape[axis]
    padding = [(radius, radius) if i == axis else (0, 0) for i in range(values.ndim)]
    padded = np.moveaxis(np.pad(values, padding, "edge"), axis, 0)
    total = np.zeros_like(padded[:length])
    for offset, weight in enumerate(weights):
        total += np.float32(weight) * padded[offset : offset + length]
    return np.moveaxis(total, 0, axis)


def neighbours(values: Floats) -> tuple[Floats, Floats]:
    """The lowest and the highest value of each pixel and the four beside it, channel by channel."""
    rows, columns = values.shape[:2]
    padded = np.pad(values, [(1, 1), (1, 1), *[(0, 0)] * (values.ndim - 2)], "edge")
    lowest, highest = values.copy(), values.copy()
    for top, left in ((0, 1), (2, 1), (1, 0), (1, 2)):
        beside = padded[top : top + rows, left : left + columns]
        np.minimum(lowest, beside, out=lowest)
        np.maximum(highest, beside, out=highest)
    return lowest, highest


def spread(values: Floats, radius: int) -> Floats:
    """The highest value within a square of `radius` around each pixel of (rows, columns)."""
    for axis in (0, 1):
        length = values.shape[axis]
        padding = [(radius, radius) if i == axis else (0, 0) for i in range(2)]
        padded = np.moveaxis(np.pad(values, padding, "edge"), axis, 0)
        highest = padded[:length].copy()
        for offset in range(1, 2 * radius + 1):
            np.maximum(highest, padded[offset : offset + length], out=highest)
        values = np.moveaxis(highest, 0, axis)
    return values


def grow(mask: Mask, radius: int) -> Mask:
    """The pixels within `radius` of those in `mask`; what lies beyond the edge is in none."""
    grown = mask.copy()
    height = len(mask)
    for down in range(-radius, radius + 1):
        wide = _widen(mask, int((radius**2 - down**2) ** 0.5))
        grown[max(0, down) : height + min(0, down)] |= wide[max(0, -down) : height - max(0, down)]
    return grown


def _widen(mask: Mask, reach: int) -> Mask:
    """Grow along the rows alone: a pixel is in where any within `reach` of it is."""
    sums = np.cumsum(np.pad(mask, ((0, 0), (reach + 1, reach))), axis=1, dtype=np.int32)
    return sums[:, 2 * reach + 1 :] > sums[:, : -2 * reach - 1]


def flood(open_: Mask, start: Mask) -> Mask:
    """What can be reached from `start` through `open_` pixels, by rows and columns in turn until nothing is new."""
    reached = start & open_
    while True:
        wider = _fill_runs(_fill_runs(reached, open_).T, open_.T).T
        if np.array_equal(wider, reached):
            return reached
        reached = wider


def _fill_runs(reached: Mask, open_: Mask) -> Mask:
    """In each row, all of a run of open pixels where any of it is reached."""
    walls = np.pad(~open_, ((0, 0), (1, 0)), constant_values=True)  # a row begins a run of its own
    runs = np.cumsum(walls).reshape(walls.shape)[:, 1:]
    touched = np.zeros(int(runs[-1, -1]) + 1, bool)
    touched[runs[reached]] = True
    return touched[runs] & open_
