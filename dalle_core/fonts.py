"""The system's fonts, for writing on pictures: the first that has every character of a text."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Looked for by name where each system keeps its fonts; those with Chinese last.
FONTS = (
    ("NotoSans-Regular.ttf", 0), ("DejaVuSans.ttf", 0), ("segoeui.ttf", 0), ("Arial.ttf", 0), ("Helvetica.ttc", 0),
    ("NotoSansCJK-Regular.ttc", 2), ("NotoSansSC-Regular.otf", 0), ("NotoSansCJKsc-Regular.otf", 0),
    ("SourceHanSansSC-Regular.otf", 0), ("PingFang.ttc", 0), ("Hiragino Sans GB.ttc", 0), ("STHeiti Light.ttc", 0),
    ("msyh.ttc", 0), ("simhei.ttf", 0), ("wqy-microhei.ttc", 0), ("wqy-zenhei.ttc", 0),
    ("DroidSansFallbackFull.ttf", 0), ("DroidSansFallback.ttf", 0), ("Arial Unicode.ttf", 0),
)  # fmt: skip
UNASSIGNED = "\U0010fffd"  # what a font shows for this, it shows for every character it lacks


def can_draw(font: Font, text: str) -> bool:
    """Whether the font has every character of `text`."""
    lacking = _glyph(font, UNASSIGNED)
    return all(character.isspace() or _glyph(font, character) != lacking for character in set(text))


@lru_cache(maxsize=4096)
def _glyph(font: Font, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


@lru_cache(maxsize=8)
def system_fonts(size: int) -> tuple[Font, ...]:
    """All that were found, in order; the last one, Pillow's own, is always there."""
    return tuple(_found(size))


def _found(size: int) -> Iterator[Font]:
    for name, index in FONTS:
        try:
            yield ImageFont.truetype(name, size, index)
        except OSError:
            continue
    yield ImageFont.load_default(size)


def font_for(text: str, size: int, fonts: Sequence[Font] = ()) -> Font | None:
    """The first of `fonts`, or without them of the system's, that can draw `text`; None if there is none."""
    return next((font for font in fonts or system_fonts(size) if can_draw(font, text)), None)
