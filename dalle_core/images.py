"""Pictures between Pillow and tensors, and the one place where a foreign picture file is opened."""

import io
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from dalle_core.errors import ImageError

MAX_PIXELS = 64_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
HEAD_BYTES = 4096


def to_pil(image: Tensor) -> Image.Image:
    """(3, H, W) in [0, 1] → an RGB picture."""
    if image.ndim != 3 or image.shape[0] != 3:
        raise ImageError(f"expected a picture of shape (3, H, W), found {tuple(image.shape)}")
    pixels = (image.detach().cpu().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def from_pil(image: Image.Image, size: int) -> Tensor:
    """A picture's central square, resized, on white where it is transparent → (3, size, size) in [0, 1]."""
    fitted = ImageOps.fit(image.convert("RGBA"), (size, size), Image.Resampling.LANCZOS)
    pixels = np.asarray(flatten(fitted), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def crop_square(image: Image.Image, x: float, y: float, side: float) -> Image.Image:
    """The square of `side` times the shorter edge; `x` and `y` say where its room to move puts it, 0 to 1 each."""
    edge = max(1, round(side * min(image.size)))
    left, top = round(x * (image.width - edge)), round(y * (image.height - edge))
    return image.crop((left, top, left + edge, top + edge))


def letterbox(image: Image.Image) -> Image.Image:
    """The whole picture, RGB, in a square; each bar has the mean colour of the edge it continues."""
    edge = max(image.size)
    left, top = (edge - image.width) // 2, (edge - image.height) // 2
    square = Image.new("RGB", (edge, edge))
    for strip, bar in (
        ((0, 0, image.width, 1), (0, 0, edge, top)),
        ((0, image.height - 1, image.width, image.height), (0, top + image.height, edge, edge)),
        ((0, 0, 1, image.height), (0, 0, left, edge)),
        ((image.width - 1, 0, image.width, image.height), (left + image.width, 0, edge, edge)),
    ):
        width, height = bar[2] - bar[0], bar[3] - bar[1]
        if width and height:
            mean = image.resize((1, 1), Image.Resampling.BOX, box=strip)
            square.paste(mean.resize((width, height)), bar[:2])
    square.paste(image, (left, top))
    return square


def flatten(image: Image.Image) -> Image.Image:
    """RGB, on white where it is transparent."""
    rgba = image.convert("RGBA")
    ground = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(ground, rgba).convert("RGB")


def open_image(source: Path | bytes) -> Image.Image:
    """Open a foreign picture: known formats only, the first frame, upright, eight bits, at most MAX_PIXELS.

    Raises ImageError, which says what was found.
    """
    name = source.name if isinstance(source, Path) else "This file"
    try:
        head = _first_bytes(source)
    except OSError as error:
        raise ImageError(f"There is no picture to read at {name} ({error.strerror or error}).") from error
    if not head:
        raise ImageError(f"{name} cannot be read as a picture: it is empty.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower
            return _decode(io.BytesIO(source) if isinstance(source, bytes) else source, name)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        found = f"it is {_kind(head)}. Save it as {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        raise ImageError(f"{name} cannot be read as a picture: {found}.") from error
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{name} holds too large a picture; at most {MAX_PIXELS // 10**6} megapixels are read."
        ) from error
    except Exception as error:  # on foreign bytes a decoder raises whatever it likes
        raise ImageError(f"{name} cannot be read as a picture: it is damaged or cut short ({error}).") from error


def _decode(file: Path | io.BytesIO, name: str) -> Image.Image:
    with Image.open(file, formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ImageError(
                f"{name} has {image.width} × {image.height} pixels; at most {MAX_PIXELS // 10**6} megapixels are read."
            )
        if image.mode in {"I", "F"}:
            raise ImageError(f"{name} stores 32-bit values; save it with 8 or 16 bits a channel.")
        upright = ImageOps.exif_transpose(image)
        upright.load()
        eight = _eight_bits(upright)
        return eight if eight.mode in {"1", "L", "LA", "P", "RGB", "RGBA"} else eight.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Sixteen-bit greys scaled down; Pillow's own conversion would clip them to white."""
    if not image.mode.startswith("I;16"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _first_bytes(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:HEAD_BYTES]
    with source.open("rb") as file:
        return file.read(HEAD_BYTES)


def _kind(head: bytes) -> str:
    """What a file that is none of our formats seems to be."""
    if b"<svg" in head.lower():
        return "an SVG drawing"
    return "something else"
