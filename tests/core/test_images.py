"""Foreign pictures: what is handled, what is refused and in which words; and how a square is cut."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dalle_core.errors import ImageError
from dalle_core.images import crop_square, flatten, letterbox, open_image

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def two_halves(width: int = 40, height: int = 20) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def huge_png(width: int, height: int) -> bytes:
    """The header of a picture too large to make; its data never comes into play."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "This file cannot be read as a picture: it is empty"),
        (b"just some words", "it is something else. Save it as PNG, JPEG"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "it is an SVG drawing. Save it as PNG"),
        (saved(Image.effect_noise((64, 64), 50))[:900], "damaged or cut short"),
        (saved(Image.effect_noise((64, 64), 50), "JPEG")[:700], "damaged or cut short"),
        (huge_png(9_000, 9_000), r"9000 × 9000 pixels; at most 64 megapixels"),
        (huge_png(20_000, 20_000), "too large a picture; at most 64 megapixels"),
        (saved(Image.new("F", (4, 4)), "TIFF"), "32-bit values; save it with 8 or 16 bits"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, words: str):
    with pytest.raises(ImageError, match=words):
        open_image(data)


def test_a_file_is_called_by_its_name(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ImageError, match=r"^notes\.txt cannot be read"):
        open_image(tmp_path / "notes.txt")
    with pytest.raises(ImageError, match=r"no picture to read at gone\.png"):
        open_image(tmp_path / "gone.png")


def test_a_rotated_photograph_comes_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: what it saw as left is the top
    upright = open_image(saved(two_halves(), "JPEG", exif=exif, quality=95, subsampling=0))
    assert upright.size == (20, 40)
    pixels = np.asarray(upright.convert("RGB")).astype(int)
    assert np.abs(pixels[:16] - RED).max() < 20
    assert np.abs(pixels[-16:] - BLUE).max() < 20


def test_cmyk_becomes_rgb():
    image = open_image(saved(two_halves().convert("CMYK"), "JPEG", quality=95, subsampling=0))
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image)[:, :16].astype(int) - RED).max() < 20


def test_sixteen_bits_keep_their_greys():
    grey = open_image(saved(Image.fromarray(np.full((4, 4), 0x8000, dtype=np.uint16))))
    assert np.asarray(grey.convert("RGB")).tolist() == [[[128, 128, 128]] * 4] * 4


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_counts(kind: str):
    options = {"lossless": True} if kind == "WEBP" else {}
    frames = [Image.new("RGB", (8, 8), BLUE)]
    data = saved(Image.new("RGB", (8, 8), RED), kind, save_all=True, append_images=frames, **options)
    assert open_image(data).convert("RGB").getpixel((4, 4)) == RED


def test_what_is_transparent_is_on_white():
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (255, 0, 0, 255))
    flat = flatten(open_image(saved(image)))
    assert [flat.getpixel((0, 0)), flat.getpixel((1, 0))] == [WHITE, RED]


@pytest.mark.parametrize(("x", "colour"), [(0.0, RED), (1.0, BLUE)])
def test_a_square_lies_where_its_room_to_move_puts_it(x: float, colour: tuple[int, ...]):
    square = crop_square(two_halves(), x, 0.5, 0.5)
    assert square.size == (10, 10)
    assert set(square.get_flattened_data()) == {colour}


def test_the_smallest_square_is_a_pixel():
    assert crop_square(two_halves(), 0.5, 0.5, 0.01).size == (1, 1)


def test_bars_continue_the_edge_they_touch():
    square = letterbox(two_halves(4, 8))
    assert square.size == (8, 8)
    assert [square.getpixel((0, 3)), square.getpixel((7, 3))] == [RED, BLUE]
    assert [square.getpixel((2, 0)), square.getpixel((5, 7))] == [RED, BLUE]
