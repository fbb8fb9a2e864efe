"""The VQGAN that DALL·E mini and ruDALL-E paint with: pictures ↔ grids of tokens. Knows nothing of text.

Source: Esser et al., "Taming Transformers for High-Resolution Image Synthesis" (2012.09841). Tensors carry the names
of the published checkpoints, so that converting one renames next to nothing.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dalle_core.config import VQGANConfig

GROUPS, EPSILON = 32, 1e-6
QUANTIZERS = ("nearest", "gumbel")


class ResnetBlock(nn.Module):
    """Pre-activation residual block. (B, C, H, W) → (B, C', H, W)."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, width, EPSILON)
        self.conv1 = nn.Conv2d(width, out, 3, padding=1)
        self.norm2 = nn.GroupNorm(GROUPS, out, EPSILON)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        if width != out:
            self.nin_shortcut = nn.Conv2d(width, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        out: Tensor = (x if x.shape[1] == h.shape[1] else self.nin_shortcut(x)) + h
        return out


class AttentionBlock(nn.Module):
    """One head of self-attention over all places of a map. (B, C, H, W) kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width, EPSILON)
        self.q = nn.Conv2d(width, width, 1)
        self.k = nn.Conv2d(width, width, 1)
        self.v = nn.Conv2d(width, width, 1)
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (project(h).flatten(2).mT.unsqueeze(1) for project in (self.q, self.k, self.v))  # (B, 1, H·W, C)
        attended = F.scaled_dot_product_attention(q, k, v).squeeze(1).mT.reshape(x.shape)
        out: Tensor = x + self.proj_out(attended)
        return out


class Middle(nn.Module):
    """Block, attention, block, at the token grid. (B, C, H, W) kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(width, width)
        self.attn_1 = AttentionBlock(width)
        self.block_2 = ResnetBlock(width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block_2(self.attn_1(self.block_1(x)))
        return out


class Downsample(nn.Module):
    """Halves the sides; padded at the right and at the bottom alone, as the published networks are."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(F.pad(x, (0, 1, 0, 1)))
        return out


class Upsample(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))
        return out


class Level(nn.Module):
    """The residual blocks of one size of map, each followed by attention where the config wants it, then a resize."""

    def __init__(self, widths: list[int], *, attends: bool, resize: tuple[str, nn.Module] | None) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResnetBlock(a, b) for a, b in pairwise(widths))
        self.attn = nn.ModuleList(AttentionBlock(width) for width in widths[1:] if attends)
        if resize:
            self.add_module(*resize)
        self.resize = resize[0] if resize else ""

    def forward(self, x: Tensor) -> Tensor:
        for i, block in enumerate(self.block):
            x = block(x)
            if self.attn:
                x = self.attn[i](x)
        return getattr(self, self.resize)(x) if self.resize else x


def _levels(config: VQGANConfig) -> Iterator[tuple[int, int, int, bool]]:
    """Of each level: its number, its width, that of the level above it, and whether it attends."""
    for level, multiplier in enumerate(config.multipliers):
        above = config.multipliers[level - 1] if level else 1
        attends = config.image_size // 2**level in config.attention_sizes
        yield level, config.channels * multiplier, config.channels * above, attends


class Encoder(nn.Module):
    """(B, 3, S, S) → (B, latent_channels, S/f, S/f)."""

    def __init__(self, config: VQGANConfig) -> None:
        super().__init__()
        last = len(config.multipliers) - 1
        width = config.channels * config.multipliers[-1]
        self.conv_in = nn.Conv2d(3, config.channels, 3, padding=1)
        self.down = nn.ModuleList(
            Level(
                [above] + [here] * config.blocks,
                attends=attends,
                resize=("downsample", Downsample(here)) if level < last else None,
            )
            for level, here, above, attends in _levels(config)
        )
        self.mid = Middle(width)
        self.norm_out = nn.GroupNorm(GROUPS, width, EPSILON)
        self.conv_out = nn.Conv2d(width, config.latent_channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv_in(images)
        for level in self.down:
            x = level(x)
        out: Tensor = self.conv_out(F.silu(self.norm_out(self.mid(x))))
        return out


class Decoder(nn.Module):
    """(B, latent_channels, h, w) → (B, 3, h·f, w·f), unclamped."""

    def __init__(self, config: VQGANConfig) -> None:
        super().__init__()
        width = config.channels * config.multipliers[-1]
        below = [config.channels * multiplier for multiplier in (*config.multipliers[1:], config.multipliers[-1])]
        self.conv_in = nn.Conv2d(config.latent_channels, width, 3, padding=1)
        self.mid = Middle(width)
        self.up = nn.ModuleList(
            Level(
                [below[level]] + [here] * (config.blocks + 1),
                attends=attends,
                resize=("upsample", Upsample(here)) if level else None,
            )
            for level, here, _, attends in _levels(config)
        )
        self.norm_out = nn.GroupNorm(GROUPS, config.channels * config.multipliers[0], EPSILON)
        self.conv_out = nn.Conv2d(config.channels * config.multipliers[0], 3, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        x = self.mid(self.conv_in(latents))
        for level in reversed(self.up):
            x = level(x)
        out: Tensor = self.conv_out(F.silu(self.norm_out(x)))
        return out


class VQGAN(nn.Module):
    """Pictures to tokens and back; without the encoder, tokens to pictures only."""

    def __init__(self, config: VQGANConfig) -> None:
        super().__init__()
        if config.quantizer not in QUANTIZERS:
            raise ValueError(f"unknown quantizer {config.quantizer!r}; expected one of {', '.join(QUANTIZERS)}")
        self.config = config
        self.codebook = nn.Embedding(config.codebook_size, config.code_channels)
        self.post_quant_conv = nn.Conv2d(config.code_channels, config.latent_channels, 1)
        self.decoder = Decoder(config)
        if config.has_encoder:
            self.encoder = Encoder(config)
            self.quant_conv = nn.Conv2d(config.latent_channels, config.code_channels, 1)
            if config.quantizer == "gumbel":
                self.classifier = nn.Conv2d(config.code_channels, config.codebook_size, 1)

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] → (B, h·w) int64, in raster order."""
        expected = (3, self.config.image_size, self.config.image_size)
        if images.ndim != 4 or tuple(images.shape[1:]) != expected:
            raise ValueError(
                f"expected images of shape (B, {', '.join(map(str, expected))}), got {tuple(images.shape)}"
            )
        codes = self.quant_conv(self.encoder(images * 2 - 1 if self.config.signed_pixels else images))
        if self.config.quantizer == "gumbel":
            return torch.as_tensor(self.classifier(codes).flatten(2).argmax(1))
        return nearest_codes(codes.flatten(2).mT, self.codebook.weight)

    def decode(self, tokens: Tensor) -> Tensor:
        """(B, r·w) int64, the top r rows of the grid, → (B, 3, r·f, S) in [0, 1]."""
        grid = self.config.grid
        rows, rest = divmod(tokens.shape[-1], grid)
        if tokens.ndim != 2 or rest or not 1 <= rows <= grid:
            raise ValueError(f"expected tokens of shape (B, {grid} to {grid * grid}, whole rows of {grid}), "
                             f"got {tuple(tokens.shape)}")  # fmt: skip
        codes = self.codebook(tokens).mT.unflatten(2, (rows, grid))  # (B, D, r, w)
        images: Tensor = self.decoder(self.post_quant_conv(codes))
        return (images * 0.5 + 0.5 if self.config.signed_pixels else images).clamp(0, 1)


def nearest_codes(codes: Tensor, codebook: Tensor) -> Tensor:
    """(B, N, D) codes and a (K, D) codebook → (B, N) int64, the nearest by Euclidean distance."""
    return (codebook.pow(2).sum(1) - 2 * codes @ codebook.T).argmin(-1)  # the code's own length is the same for all
