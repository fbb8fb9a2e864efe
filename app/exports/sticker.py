"""Stickers: the white rim around one, and many of them on a sheet. Knows no files and no history."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from app.errors import ExportError
from app.exports.pixels import grow
from app.exports.spec import ExportSpec, Outline, Page

RIMS: dict[Outline, float] = {"none": 0.0, "thin": 1 / 48, "wide": 1 / 20}  # of the sticker's longer side
PAPER: dict[Page, tuple[int, int]] = {"a4": (2480, 3508), "letter": (2550, 3300)}  # pixels
DPI = 300
MIN_CELL = 64
MAX_PIXELS = 40_000_000
LARGE_RIM = 24  # pixels: wider ones are made at half the size, which nobody sees


@dataclass(frozen=True)
class Grid:
    """Where stickers go: square cells of `cell` pixels, row by row from `left` and `top`, `gap` apart."""

    width: int
    height: int
    cell: int
    left: int
    top: int
    columns: int
    gap: int

    def place(self, index: int) -> tuple[int, int]:
        row, column = divmod(index, self.columns)
        return self.left + column * (self.cell + self.gap), self.top + row * (self.cell + self.gap)


def rim(art: Image.Image, outline: Outline) -> Image.Image:
    """RGBA art on a white rim, in a frame that is larger by it."""
    width = round(max(art.size) * RIMS[outline])
    if not width:
        return art
    framed = Image.new("RGBA", (art.width + 2 * width, art.height + 2 * width))
    framed.paste(art, (width, width))
    white = Image.new("RGBA", framed.size, (255, 255, 255, 0))
    white.putalpha(_grown(framed.getchannel("A"), width))
    return Image.alpha_composite(white, framed)


def _grown(alpha: Image.Image, radius: int) -> Image.Image:
    if radius > LARGE_RIM:
        half = alpha.resize((alpha.width // 2, alpha.height // 2), Image.Resampling.BOX)
        return _grown(half, radius // 2).resize(alpha.size, Image.Resampling.BICUBIC)
    solid = grow(np.asarray(alpha) > 127, max(1, radius - 1))
    return Image.fromarray(solid.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(0.8))


def trimmed(art: Image.Image) -> Image.Image:
    """Without the transparent margins; all of it where nothing is left."""
    box = art.getchannel("A").point(lambda value: 255 if value > 8 else 0).getbbox()
    return art.crop(box) if box else art


def grid(spec: ExportSpec, count: int) -> Grid:
    """Raises ExportError where so many do not fit."""
    columns = min(spec.columns, count)
    rows = -(-count // columns)
    if spec.page == "fit":
        width, height = (2 * spec.margin + n * spec.cell + (n - 1) * spec.gap for n in (columns, rows))
        if width * height > MAX_PIXELS:
            raise ExportError(
                f"This sheet would have {width} × {height} pixels; at most {MAX_PIXELS // 10**6} megapixels are made."
            )
        return Grid(width, height, spec.cell, spec.margin, spec.margin, columns, spec.gap)
    width, height = PAPER[spec.page]
    room = [(side - 2 * spec.margin - (n - 1) * spec.gap) // n for side, n in ((width, columns), (height, rows))]
    cell = min(room)
    if cell < MIN_CELL:
        raise ExportError(
            f"{count} stickers in {columns} columns do not fit on this page. Take more columns, or fewer."
        )
    left = (width - columns * cell - (columns - 1) * spec.gap) // 2
    return Grid(width, height, cell, left, spec.margin, columns, spec.gap)


def sheet(stickers: Sequence[Image.Image], spec: ExportSpec) -> Image.Image:
    """RGBA stickers in the cells of a grid, each as large as fits there."""
    plan = grid(spec, len(stickers))
    opaque = spec.ground == "white" or spec.file == "pdf"
    page = Image.new("RGBA", (plan.width, plan.height), (255, 255, 255, 255 if opaque else 0))
    for index, sticker in enumerate(stickers):
        fitted = _fitted(sticker, plan.cell)
        left, top = plan.place(index)
        at = left + (plan.cell - fitted.width) // 2, top + (plan.cell - fitted.height) // 2
        page.alpha_composite(fitted, at)
    return page


def _fitted(sticker: Image.Image, cell: int) -> Image.Image:
    scale = cell / max(sticker.size)
    size = max(1, round(sticker.width * scale)), max(1, round(sticker.height * scale))
    return sticker.resize(size, Image.Resampling.LANCZOS)
