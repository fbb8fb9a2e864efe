"""Quantizers behind one interface: continuous codes ↔ integer tokens. They know nothing of the networks around them."""

from abc import ABC, abstractmethod
from math import prod

import torch
from torch import Tensor, nn


class Quantizer(nn.Module, ABC):
    """Maps (B, D, h, w) codes to tokens in [0, codebook_size) and back."""

    code_dim: int
    codebook_size: int

    @abstractmethod
    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, D, h, w) → quantized (B, D, h, w) with a gradient, tokens (B, h, w) int64, auxiliary loss ()."""

    @abstractmethod
    def to_tokens(self, codes: Tensor) -> Tensor:
        """(B, D, h, w) → (B, h, w) int64."""

    @abstractmethod
    def from_tokens(self, tokens: Tensor) -> Tensor:
        """(B, h, w) int64 → (B, D, h, w)."""


class FSQ(Quantizer):
    """Finite scalar quantization (2309.15505): each channel is squashed to L values and rounded; no codebook to learn.

    The squash is 2·sigmoid(1.6x) − 1, nearly the normal distribution's own CDF, so that levels are used evenly; a
    token's number is mixed radix, the first channel being the most significant digit.
    """

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        if not levels or min(levels) < 2:
            raise ValueError(f"FSQ needs at least one level count, each 2 or more; got {levels}")
        self.levels = levels
        self.code_dim = len(levels)
        self.codebook_size = prod(levels)
        place = [prod(levels[i + 1 :]) for i in range(len(levels))]
        self.register_buffer("top", torch.tensor([n - 1.0 for n in levels]).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("radix", torch.tensor(levels).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("place", torch.tensor(place).view(1, -1, 1, 1), persistent=False)
        self.top: Tensor
        self.radix: Tensor
        self.place: Tensor

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        unit = torch.sigmoid(1.6 * codes) * self.top  # (B, D, h, w) in [0, L-1]
        digits = unit.round()
        quantized = unit + (digits - unit).detach()  # straight-through
        tokens = (digits.long() * self.place).sum(1)
        return quantized * 2 / self.top - 1, tokens, codes.new_zeros(())

    def to_tokens(self, codes: Tensor) -> Tensor:
        return ((torch.sigmoid(1.6 * codes) * self.top).round().long() * self.place).sum(1)

    def from_tokens(self, tokens: Tensor) -> Tensor:
        digits = tokens.unsqueeze(1) // self.place % self.radix
        return digits / self.top * 2 - 1


def build_quantizer(name: str, levels: tuple[int, ...]) -> Quantizer:
    """By the name a config carries."""
    kinds = {"fsq": FSQ}
    if name not in kinds:
        raise ValueError(f"unknown quantizer {name!r}; expected one of {sorted(kinds)}")
    return kinds[name](levels)
