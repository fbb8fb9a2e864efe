"""Flat art as SVG: few colours, each area one path. What the tracing library writes is read strictly and written anew.

So a file holds paths with a fill and nothing else: no scripts, no links, no styles, nothing to load.
"""

import io
import re

import numpy as np
from PIL import Image, ImageFilter

from app.errors import ExportError
from app.exports.pixels import to_lab

TRACED = 256  # pixels a side at most; the time grows with their number
SPECKLE = 4  # pixels a side, below which an area is no area
SAME = 4.0  # as far apart two colours may be in L*a*b* that nobody tells from each other side by side
MAX_BYTES = 8 * 2**20
# vtracer writes `<path d="…" fill="#rrggbb" transform="translate(x,y)"/>`, one a line, and a frame around them.
PATH = re.compile(
    r'<path d="([MLCZ0-9 ,.\-]+)" fill="(#[0-9A-Fa-f]{6})" transform="translate\((-?[\d.]+),(-?[\d.]+)\)"/>'
)
FRAME = re.compile(r"<\?xml[^<>]*\?>|<!--[^<>]*-->|<svg [^<>]*>|</svg>|\s+")


def trace(art: Image.Image, colours: int) -> str:
    """An SVG drawing of RGB or RGBA art in so many colours at most."""
    import vtracer

    buffer = io.BytesIO()
    small = art.copy()
    small.thumbnail((TRACED, TRACED), Image.Resampling.LANCZOS)
    _flattened(small, colours).save(buffer, "PNG", compress_level=1)
    traced: str = vtracer.convert_raw_image_to_svg(
        buffer.getvalue(),
        "png",
        filter_speckle=SPECKLE,
        color_precision=8,
        layer_difference=1,
        length_threshold=5.0,
        path_precision=1,
    )
    return write_svg(traced, small.size)


def write_svg(traced: str, size: tuple[int, int]) -> str:
    """The paths of `traced` in a frame of our own. Raises ExportError where there is anything but paths."""
    paths = PATH.findall(traced)
    rest = FRAME.sub("", PATH.sub("", traced))
    if rest or not paths or len(traced) > MAX_BYTES:
        raise ExportError("This picture cannot be drawn in paths. Try fewer colours.")
    width, height = size
    lines = [f'<path d="{d}" fill="{fill}" transform="translate({x},{y})"/>' for d, fill, x, y in paths]
    frame = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return "\n".join([frame, *lines, "</svg>", ""])


def _flattened(art: Image.Image, colours: int) -> Image.Image:
    """In few colours, without slivers between them, every pixel opaque or not there. The palette is of what is seen."""
    rgb = art.convert("RGB")
    seen = np.asarray(art.getchannel("A")) > 127 if art.mode == "RGBA" else np.ones((art.height, art.width), bool)
    pixels = np.asarray(rgb)[seen]
    palette = Image.fromarray(pixels.reshape(1, -1, 3)).quantize(colours, kmeans=2, dither=Image.Dither.NONE)
    flat = _merged(rgb.quantize(palette=palette, dither=Image.Dither.NONE)).filter(ImageFilter.ModeFilter(5))
    flat = flat.convert("RGB")
    if seen.all():
        return flat
    flat = flat.convert("RGBA")
    flat.putalpha(Image.fromarray(seen.astype(np.uint8) * 255))
    return flat


def _merged(flat: Image.Image) -> Image.Image:
    """Colours of the palette that look the same as an earlier one become that one: no slivers between twins."""
    colours = to_lab(np.array(flat.getpalette("RGB"), np.float32).reshape(-1, 3))
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    earliest = (apart < SAME).argmax(axis=1).astype(np.uint8)
    merged = Image.fromarray(earliest[np.asarray(flat)], "P")
    merged.putpalette(flat.getpalette("RGB") or [])
    return merged
