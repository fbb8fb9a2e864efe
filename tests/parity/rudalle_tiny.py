"""A ruDALL-E small enough to compare in a test: its sizes, and weights that every machine draws alike.

`record_rudalle.py` fills the reference with them; `test_rudalle.py` fills ours.
"""

import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from dalle_core.config import MalevichConfig, VQGANConfig

MALEVICH = MalevichConfig(vocab_size=400, text_length=24, grid=14, codebook_size=32, layers=4, width=16, heads=2)
GUMBEL = VQGANConfig(
    image_size=112, channels=32, multipliers=(1, 1, 1, 1), blocks=1, attention_sizes=(14,), latent_channels=16,
    code_channels=16, codebook_size=32, quantizer="gumbel", signed_pixels=True,
)  # fmt: skip
PROMPT = "рыжий кот в шляпе"


def draws(name: str, *shape: int) -> Tensor:
    """Uniform in [0, 1), decided by the name: Philox gives the same stream everywhere."""
    return torch.from_numpy(np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode()))).random(shape)).float()


def seeded_state(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Matrices of deviation about √(2/inputs), scales about 1, biases about 0."""
    state = {}
    for name, shape in shapes.items():
        spread = 2 * draws(name, *shape) - 1
        if len(shape) > 1:
            state[name] = spread * (6 / spread[0].numel()) ** 0.5 if "embed" not in name else spread
        else:
            state[name] = 0.2 * spread + (1 if name.endswith("weight") else 0)
    return state


def example_tokens() -> Tensor:
    """(1, N) int64."""
    return (draws("tokens", 1, MALEVICH.grid**2) * MALEVICH.codebook_size).long()


def example_image() -> Tensor:
    """(1, 3, S, S) in [0, 1]."""
    coarse = draws("image", 1, 3, 14, 14)
    return torch.nn.functional.interpolate(coarse, size=GUMBEL.image_size, mode="bilinear")
