"""Takes a plain ground away: what is like the border's colour and can be reached from the border becomes transparent.

Colours are compared in CIE L*a*b*. A pixel at an edge is a mixture of object and ground, so it belongs to the ground
when it is nearer to that than to the strongest colour beside it; its own colour is then drawn from inside the object,
so that no halo of the old ground is left.
"""

import numpy as np
from PIL import Image

from app.errors import ExportError
from app.exports.pixels import Floats, Mask, blur, flood, grow, spread, to_lab

PLAIN_SHARE = 0.7  # of the border that is to be of one colour; an object may touch the rest
PLAIN_WITHIN = 12.0  # in L*a*b*, of the border's median
AT_LEAST, AT_MOST = 5.0, 14.0  # how far a ground's own texture may stray
HAZE = 26.0  # as far a glow around the object may be from the ground
COLOURED = 25.0  # a ground's own distance from grey
SHADED = 0.5  # how much a coloured ground's shades count
MAX_CLEARED = 0.995


def cut_out(image: Image.Image, detail: int, holes: bool) -> Image.Image:
    """RGBA with the ground transparent. `detail` is how many of its pixels one of the original's has.

    `holes` takes away what is like the ground and enclosed, too. Raises ExportError where the ground is not plain.
    """
    pixels = np.asarray(image.convert("RGB"), np.float32)
    distance, tolerance = _distance_to_ground(to_lab(pixels))
    ground = _ground(np.pad(distance, detail), tolerance, detail, holes)[detail:-detail, detail:-detail]
    if ground.mean() > MAX_CLEARED:
        raise ExportError("There is nothing to cut out: all of this picture looks like its ground.")
    alpha = _soft_edge(ground, detail)
    colours = _from_inside(pixels, ground, detail)
    both = np.dstack([colours, 255 * alpha]).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(both, "RGBA")


def _distance_to_ground(lab: Floats) -> tuple[Floats, float]:
    """How far each pixel is from the border's colour, and how far the ground itself strays. Raises ExportError."""
    border = np.concatenate([lab[0], lab[-1], lab[1:-1, 0], lab[1:-1, -1]])
    colour = np.median(border, axis=0)
    strays = _apart(border, colour)
    plain = strays < PLAIN_WITHIN
    if plain.mean() < PLAIN_SHARE:
        raise ExportError(
            f"The ground of this picture is not plain: {100 * plain.mean():.0f} % of its border have one colour, "
            f"and cutting out needs {100 * PLAIN_SHARE:.0f} %."
        )
    tolerance = float(np.clip(2.5 * np.percentile(strays[plain], 95), AT_LEAST, AT_MOST))
    return _apart(lab, colour), tolerance


def _apart(lab: Floats, ground: Floats) -> Floats:
    """How far colours look from the ground's. On one that is coloured, its own shades and shadows count for less."""
    away = lab - ground
    if np.hypot(ground[1], ground[2]) < COLOURED:
        return _length(away)
    shade = np.array([ground[0] + 16, ground[1], ground[2]], np.float32)  # where it goes in more and in less light
    shade /= np.linalg.norm(shade)
    along = away @ shade
    across = away - along[..., None] * shade
    return _length(np.concatenate([across, SHADED * along[..., None]], -1))


def _length(vectors: Floats) -> Floats:
    lengths: Floats = np.linalg.norm(vectors, axis=-1).astype(np.float32)
    return lengths


def _ground(distance: Floats, tolerance: float, detail: int, holes: bool) -> Mask:
    """Where the ground is; some of it lies around the picture too, so that none is caught between object and frame."""
    like_ground = distance < tolerance
    ground = flood(like_ground, _frame(like_ground.shape))
    if holes:
        ground |= _enclosed(like_ground, ground, detail)
    return _to_the_edge(ground, distance, detail)


def _frame(shape: tuple[int, ...]) -> Mask:
    frame = np.ones(shape, bool)
    frame[1:-1, 1:-1] = False
    return frame


def _enclosed(like_ground: Mask, ground: Mask, detail: int) -> Mask:
    """Islands of ground inside the object, without those of less than about a pixel of the original."""
    islands = like_ground & ~ground
    cores = ~grow(~islands, max(1, detail // 2))
    return flood(islands, cores)


def _to_the_edge(ground: Mask, distance: Floats, detail: int) -> Mask:
    """The ground with what is mixed into it at the object's edges, and without crumbs of the object elsewhere."""
    near, far = max(1, round(0.75 * detail)), max(1, round(1.5 * detail))
    haze = (distance < HAZE) & (distance < spread(distance, 2 * far) / 4) & grow(ground, far)
    ground = flood(ground | haze, ground)
    ground |= grow(ground, near) & (distance < spread(distance, near) / 2)
    return ~flood(~ground, ~grow(ground, near))


def _soft_edge(ground: Mask, detail: int) -> Floats:
    """Opacity in [0, 1]: a contour without stairs, one pixel soft."""
    if detail < 2:
        return (~ground).astype(np.float32)
    softness = detail / 3
    return ((blur((~ground).astype(np.float32), softness) - 0.5) * 2.5 * softness + 0.5).clip(0, 1)


def _from_inside(pixels: Floats, ground: Mask, detail: int) -> Floats:
    """Colours of the object, carried outwards from where no ground is mixed in, further where the object is thin."""
    inside = ~grow(ground, max(1, round(0.6 * detail)))
    result, known = np.where(inside[..., None], pixels, 0), inside
    for reach in (0.7 * detail, 2 * detail):
        weight = blur(known.astype(np.float32), reach)
        there = ~known & (weight > 0.01)
        carried = blur(result, reach)
        result[there] = carried[there] / weight[there][:, None]
        known = known | there
    result[~known] = pixels[~known]
    return result
