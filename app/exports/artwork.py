"""One picture as it is to be exported: enlarged, cut out, rimmed or drawn. Knows no files and no history."""

from PIL import Image

from app.errors import ExportError
from app.exports.cutout import cut_out
from app.exports.enlarge import enlarge, sampling, work_up
from app.exports.spec import ExportSpec
from app.exports.sticker import rim, trimmed
from app.exports.trace import TRACED, trace

MAX_SIDE = 4096
MAX_CUT = 2048  # pixels a side; a cut-out holds several numbers for each pixel at once


def picture(image: Image.Image, spec: ExportSpec) -> Image.Image:
    """An RGB picture as RGB, or RGBA where something of it is transparent. Raises ExportError."""
    size = (image.width * spec.scale, image.height * spec.scale)
    if max(size) > MAX_SIDE:
        raise ExportError(f"This picture would have {size[0]} × {size[1]} pixels; at most {MAX_SIDE} a side are made.")
    if spec.transparent:
        return rim(_cut(image, 2 * max(size), spec).resize(size, sampling(spec.edges)), spec.outline)
    art = enlarge(image, size, spec.edges)
    return art if spec.outline == "none" else rim(art.convert("RGBA"), spec.outline)


def sticker(image: Image.Image, spec: ExportSpec, side: int) -> Image.Image:
    """A picture for a sheet: RGBA, good for `side` pixels, cut out up to its own edges where the ground is to go.

    Raises ExportError.
    """
    if spec.transparent:
        return trimmed(_cut(image, side, spec))
    return work_up(image, side, spec.edges).convert("RGBA")


def drawing(image: Image.Image, spec: ExportSpec) -> str:
    """A picture as SVG. Raises ExportError."""
    art = _cut(image, TRACED, spec) if spec.transparent else work_up(image, TRACED, spec.edges)
    if spec.outline != "none":
        art = rim(art.convert("RGBA"), spec.outline)
    return trace(art, spec.colours)


def _cut(image: Image.Image, side: int, spec: ExportSpec) -> Image.Image:
    if max(image.size) > MAX_CUT:
        raise ExportError(f"Pictures of up to {MAX_CUT} pixels a side are cut out; this one has {max(image.size)}.")
    large = work_up(image, side, spec.edges)
    return cut_out(large, large.width // image.width, spec.holes)
