"""What an image tokenizer that does not paint makes of a picture: into its tokens and back.

The model that paints takes no part, nor does its thread.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from app.sources import WHOLE, Source, cut_square, encode

if TYPE_CHECKING:
    from PIL import Image


def reconstruct(folder: Path, image: "Image.Image") -> Source:
    """The picture's middle square, and what the tokenizer in `folder` makes of it. Raises CheckpointError.

    It is loaded for this alone, on the CPU, and let go: its weights stay in their file, so that this takes a moment.
    """
    from dalle_core.device import pick_device
    from dalle_core.families.registry import load_tokenizer

    return encode(load_tokenizer(folder, pick_device("cpu")), cut_square(image, WHOLE))
