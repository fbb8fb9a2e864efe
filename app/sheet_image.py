"""A sheet as one PNG: pictures in a grid, rows and columns labelled. Knows Pillow and texts, nothing of jobs.

Labels that no font here can draw become numbers, and the file's description, which image viewers show, says what they
stand for.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from dalle_core.fonts import Font, can_draw, font_for, system_fonts

Labels = tuple[str, Sequence[str]]  # an axis' title, and its values'

CELL = 144  # the least that a picture takes, in pixels
GAP = 8
MARGIN = 28
ROW_HEAD = 190
LINES = 3
PAPER, INK, SOFT, WELL = "#ffffff", "#1d2023", "#565d62", "#e6e8e8"


@dataclass(frozen=True)
class Block:
    """Wrapped text: its lines, and the font that can draw them."""

    lines: tuple[str, ...]
    font: Font
    height: int


def draw_sheet(
    name: str, summary: str, x: Labels, y: Labels, paths: Mapping[tuple[int, int], Path], fonts: Sequence[Font] = ()
) -> bytes:
    """A PNG. `paths` are the pictures' files by column and row; a place without one is left empty.

    Without `fonts` the system's are taken.
    """
    numbered: list[str] = []
    x_title, x_labels = x[0], _drawable(x[1], numbered, x[0], fonts)
    y_title, y_labels = y[0], _drawable(y[1], numbered, y[0], fonts)
    notes = ["Labels are numbered: no font here has all of their characters. This file's description lists them."]
    heading = [*_paragraph(name, 22, INK, fonts), *_paragraph(summary, 14, SOFT, fonts)]
    heading += _paragraph(notes[0], 14, SOFT, fonts) if numbered else []
    cell = _cell_side(paths)
    if not x_title or not y_title:
        grid = _line_of(cell, x_labels if x_title else y_labels, {max(at): path for at, path in paths.items()}, fonts)
    else:
        grid = _table(cell, (x_title, x_labels), (y_title, y_labels), paths, fonts)
    return _to_png(_under(heading, grid), name, numbered)


def _drawable(labels: Sequence[str], numbered: list[str], title: str, fonts: Sequence[Font]) -> list[str]:
    """The labels, or their numbers where no font can draw them all; then `numbered` says what they stand for."""
    if all(font_for(label, 14, fonts) for label in labels):
        return list(labels)
    numbered += [f"{title} {number}: {label}" for number, label in enumerate(labels, start=1)]
    return [str(number) for number in range(1, len(labels) + 1)]


def _cell_side(paths: Mapping[tuple[int, int], Path]) -> int:
    """Pictures keep their pixels: small ones are drawn a whole number of times as large."""
    with Image.open(next(iter(paths.values())), formats=("PNG",)) as image:
        side = max(image.size)
    return side * max(1, ceil(CELL / side))


def _table(
    cell: int, x: Labels, y: Labels, paths: Mapping[tuple[int, int], Path], fonts: Sequence[Font]
) -> Image.Image:
    columns = [_block(label, cell, 14, fonts) for label in x[1]]
    rows = [_block(label, ROW_HEAD - GAP, 14, fonts) for label in y[1]]
    corner = [_block(title, ROW_HEAD - GAP, 13, fonts) for title in (x[0], y[0])]
    top = max(20 + max(block.height for block in columns), 40) + GAP
    step = cell + GAP
    image = Image.new("RGB", (ROW_HEAD + len(columns) * step, top + len(rows) * step), PAPER)
    _write(image, (ROW_HEAD, 0), corner[0], SOFT)
    _write(image, (0, top - GAP - corner[1].height), corner[1], SOFT)
    for i, block in enumerate(columns):
        _write(image, (ROW_HEAD + i * step, 20), block, INK)
    for i, block in enumerate(rows):
        _write(image, (0, top + i * step), block, INK)
    for i, j in ((i, j) for j in range(len(rows)) for i in range(len(columns))):
        _paste(image, (ROW_HEAD + i * step, top + j * step), cell, paths.get((i, j)))
    return image


def _line_of(cell: int, labels: Sequence[str], paths: Mapping[int, Path], fonts: Sequence[Font]) -> Image.Image:
    """Along one axis only: as many rows as make it about square, each picture over its label."""
    across = max(1, min(len(labels), ceil(sqrt(len(labels)))))
    blocks = [_block(label, cell, 14, fonts) for label in labels]
    step, drop = cell + GAP, cell + 6 + max(block.height for block in blocks) + 2 * GAP
    image = Image.new("RGB", (across * step - GAP, ceil(len(labels) / across) * drop), PAPER)
    for i, block in enumerate(blocks):
        at = (i % across * step, i // across * drop)
        _paste(image, at, cell, paths.get(i))
        _write(image, (at[0], at[1] + cell + 6), block, INK)
    return image


def _paste(image: Image.Image, at: tuple[int, int], cell: int, path: Path | None) -> None:
    if path is None:
        ImageDraw.Draw(image).rectangle((*at, at[0] + cell - 1, at[1] + cell - 1), fill=WELL)
        return
    with Image.open(path, formats=("PNG",)) as picture:
        image.paste(picture.convert("RGB").resize((cell, cell), Image.Resampling.NEAREST), at)


def _under(heading: Sequence[tuple[str, Font, str, int]], grid: Image.Image) -> Image.Image:
    """The grid below its heading, with a margin all round; long headings are wrapped to the grid's width."""
    width = max(grid.width, 420)
    blocks = [(_wrap(text, font, width, 4), font, colour, line) for text, font, colour, line in heading]
    height = sum(len(lines) * line + 6 for lines, _, _, line in blocks) + 10
    image = Image.new("RGB", (width + 2 * MARGIN, height + grid.height + 2 * MARGIN), PAPER)
    draw, top = ImageDraw.Draw(image), MARGIN
    for lines, font, colour, line in blocks:
        for text in lines:
            draw.text((MARGIN, top), text, fill=colour, font=font)
            top += line
        top += 6
    image.paste(grid, (MARGIN, top + 10))
    return image


def _paragraph(text: str, size: int, colour: str, fonts: Sequence[Font]) -> list[tuple[str, Font, str, int]]:
    """Text with its font, colour and line height; without the characters that no font has."""
    font = font_for(text, size, fonts)
    if font is None:
        font = (fonts or system_fonts(size))[-1]
        text = "".join(character if can_draw(font, character) else "·" for character in text)
    return [(text, font, colour, round(size * 1.4))] if text else []


def _block(text: str, width: int, size: int, fonts: Sequence[Font]) -> Block:
    font = font_for(text, size, fonts) or (fonts or system_fonts(size))[-1]
    lines = _wrap(text, font, width, LINES)
    return Block(tuple(lines), font, len(lines) * round(size * 1.35))


def _write(image: Image.Image, at: tuple[int, int], block: Block, colour: str) -> None:
    draw, line = ImageDraw.Draw(image), block.height // max(1, len(block.lines))
    for i, text in enumerate(block.lines):
        draw.text((at[0], at[1] + i * line), text, fill=colour, font=block.font)


def _wrap(text: str, font: Font, width: int, most: int) -> list[str]:
    """Lines no wider than `width`, broken between words where there are any, the last one cut short."""
    lines = [""]
    for word in _words(text):
        if font.getlength((lines[-1] + word).rstrip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += word if lines[-1] else word.lstrip()
    lines = [line.rstrip() for line in lines]
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1] + "…"]
        while font.getlength(lines[-1]) > width and len(lines[-1]) > 1:
            lines[-1] = lines[-1][:-2] + "…"
    return lines


def _words(text: str) -> Iterator[str]:
    """Words with the space after them; a character by itself where a script has no spaces, and in long words."""
    for word in text.split():
        if len(word) > 16 or any(character > "\u2e7f" for character in word):
            yield from word
            yield " "
        else:
            yield word + " "


def _to_png(image: Image.Image, name: str, numbered: Sequence[str]) -> bytes:
    chunks = PngInfo()
    chunks.add_itxt("Title", name)
    if numbered:
        chunks.add_itxt("Description", "\n".join(numbered))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()
