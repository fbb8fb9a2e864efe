"""Draws the app's icon: a sheet of tokens, painted from the top. `python assets/ui/icon.py` writes all files."""

from pathlib import Path

from PIL import Image, ImageDraw

FOLDER = Path(__file__).resolve().parent
SIDE, UNIT = 512, 16  # the drawing is 32 units wide
SEAL, PAINTED, WAITING = "#c2371f", "#ffffff", "#db8a7d"
CELLS = [(x, y) for y in (7, 13.5, 20) for x in (7, 13.5, 20)]
CELL, PAINTED_COUNT, CORNER = 5, 5, 8
SMALL = 192


def svg() -> str:
    cells = "".join(
        f'<rect x="{x:g}" y="{y:g}" width="{CELL}" height="{CELL}" fill="{PAINTED if i < PAINTED_COUNT else WAITING}"/>'
        for i, (x, y) in enumerate(CELLS)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<rect width="32" height="32" rx="{CORNER}" fill="{SEAL}"/>{cells}</svg>\n'
    )


def png(side: int = SIDE, corner: int = CORNER) -> Image.Image:
    """A `corner` of 0 fills the square: what systems cut to a shape of their own keeps the cells whole."""
    large = Image.new("RGBA", (SIDE * 2, SIDE * 2))
    pen = ImageDraw.Draw(large)
    scale = 2 * UNIT
    pen.rounded_rectangle((0, 0, 2 * SIDE - 1, 2 * SIDE - 1), corner * scale, fill=SEAL)
    for i, (x, y) in enumerate(CELLS):
        corners = (x * scale, y * scale, (x + CELL) * scale - 1, (y + CELL) * scale - 1)
        pen.rectangle(corners, fill=PAINTED if i < PAINTED_COUNT else WAITING)
    return large.resize((side, side), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    (FOLDER / "icon.svg").write_text(svg(), encoding="utf-8")
    png().save(FOLDER / "icon.png", optimize=True)
    png(SMALL).save(FOLDER / "icon-192.png", optimize=True)
    for side in (SMALL, SIDE):
        png(side, corner=0).convert("RGB").save(FOLDER / f"icon-maskable-{side}.png", optimize=True)
