"""Pictures between Pillow and tensors, and the one place where a foreign picture file is opened."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from dalle_core.errors import ImageError

MAX_PIXELS = 64_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


def to_pil(image: Tensor) -> Image.Image:
    """(3, H, W) in [0, 1] → an RGB picture."""
    if image.ndim != 3 or image.shape[0] != 3:
        raise ImageError(f"expected a picture of shape (3, H, W), found {tuple(image.shape)}")
    pixels = (image.detach().cpu().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def from_pil(image: Image.Image, size: int) -> Tensor:
    """A picture's central square, resized, on white where it is transparent → (3, size, size) in [0, 1]."""
    rgba = ImageOps.fit(image.convert("RGBA"), (size, size), Image.Resampling.LANCZOS)
    ground = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    pixels = np.asarray(Image.alpha_composite(ground, rgba).convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def open_image(source: Path | bytes) -> Image.Image:
    """Open a foreign picture: known formats only, upright, at most MAX_PIXELS; raises ImageError."""
    name = source.name if isinstance(source, Path) else "the picture"
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(
                    f"{name} is {image.width}×{image.height}; at most {MAX_PIXELS // 10**6} megapixels are read"
                )
            upright = ImageOps.exif_transpose(image)
            upright.load()
            return _eight_bits(upright)
    except FileNotFoundError as error:
        raise ImageError(f"no such picture: {name}") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"{name} cannot be read as a picture ({', '.join(FORMATS)}): {error}") from error


def _eight_bits(image: Image.Image) -> Image.Image:
    """Sixteen-bit greys scaled down; Pillow's own conversion would clip them to white."""
    if not image.mode.startswith("I;16"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
