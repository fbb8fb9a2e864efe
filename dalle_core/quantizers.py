"""Quantizers behind one interface: continuous codes ↔ integer tokens. They know nothing of the networks around them."""

import math
from abc import ABC, abstractmethod
from math import prod

import torch
from torch import Tensor, nn

from dalle_core.config import DVAEConfig


class Quantizer(nn.Module, ABC):
    """Maps an encoder's (B, code_dim, h, w) to tokens in [0, codebook_size), and those to (B, embed_dim, h, w)."""

    code_dim: int
    embed_dim: int
    codebook_size: int

    @abstractmethod
    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, code_dim, h, w) → (B, embed_dim, h, w) with a gradient, tokens (B, h, w) int64, auxiliary loss ()."""

    @abstractmethod
    def to_tokens(self, codes: Tensor) -> Tensor:
        """(B, code_dim, h, w) → (B, h, w) int64."""

    @abstractmethod
    def from_tokens(self, tokens: Tensor) -> Tensor:
        """(B, h, w) int64 → (B, embed_dim, h, w)."""

    def anneal(self, progress: float) -> None:
        """Set what changes over a training run of which the share `progress`, in [0, 1], is done."""


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
        self.code_dim = self.embed_dim = len(levels)
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


class GumbelSoftmax(Quantizer):
    """The paper's relaxation (DALL·E, 2102.12092, section 2.1 and appendix A.2): an encoder gives logits of K codes.

    In training the decoder sees a mixture of codes, drawn by the Gumbel-softmax trick (1611.00712, 1611.01144), ever
    closer to a single one as the temperature falls; else the likeliest. The auxiliary loss is the ELBO's second part:
    β·KL(q‖uniform) a token, over the `values_per_token` colour values that a token stands for, as the likelihood is a
    mean over those. The paper's schedules: temperature 1 → 1/16 along a cosine, β 0 → 6.6 in the first thirtieth of it.
    """

    COOLEST = 1 / 16
    KL_WEIGHT = 6.6
    KL_WARMUP = 1 / 30  # 5,000 updates, where the temperature falls over 150,000

    def __init__(self, codebook_size: int, embed_dim: int, values_per_token: int) -> None:
        super().__init__()
        self.code_dim = self.codebook_size = codebook_size
        self.embed_dim = embed_dim
        self.values_per_token = values_per_token
        self.codebook = nn.Embedding(codebook_size, embed_dim)
        self.register_buffer("temperature", torch.ones(()), persistent=False)
        self.register_buffer("kl_weight", torch.zeros(()), persistent=False)
        self.temperature: Tensor
        self.kl_weight: Tensor

    def anneal(self, progress: float) -> None:
        cosine = (1 + math.cos(math.pi * min(progress, 1.0))) / 2
        self.temperature.fill_(self.COOLEST + (1 - self.COOLEST) * cosine)
        self.kl_weight.fill_(self.KL_WEIGHT * min(1.0, progress / self.KL_WARMUP))

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        tokens = self.to_tokens(codes)
        log_q = codes.log_softmax(dim=1)  # (B, K, h, w)
        kl = (log_q.exp() * (log_q + math.log(self.codebook_size))).sum(1).mean()
        auxiliary = self.kl_weight * kl / self.values_per_token
        if not self.training:
            return self.from_tokens(tokens), tokens, auxiliary
        gumbel = -torch.empty_like(log_q).exponential_().log()
        mixture = ((log_q + gumbel) / self.temperature).softmax(dim=1)
        return torch.einsum("bkhw,kd->bdhw", mixture, self.codebook.weight), tokens, auxiliary

    def to_tokens(self, codes: Tensor) -> Tensor:
        return codes.argmax(dim=1)

    def from_tokens(self, tokens: Tensor) -> Tensor:
        embedded: Tensor = self.codebook(tokens)
        return embedded.permute(0, 3, 1, 2)


def build_quantizer(config: DVAEConfig) -> Quantizer:
    """The one that a config names."""
    if config.quantizer == "fsq":
        return FSQ(config.levels)
    if config.quantizer == "gumbel":
        return GumbelSoftmax(config.codebook_size, config.embed_dim, 3 * (config.image_size // config.grid) ** 2)
    raise ValueError(f"unknown quantizer {config.quantizer!r}; expected one of ['fsq', 'gumbel']")


def split_digits(tokens: Tensor, levels: tuple[int, ...]) -> Tensor:
    """(...) tokens → (..., D) digits, most significant first."""
    digits = [tokens // prod(levels[i + 1 :]) % level for i, level in enumerate(levels)]
    return torch.stack(digits, dim=-1)
