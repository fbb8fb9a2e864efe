"""OpenAI's discrete VAE of DALL·E: pictures ↔ grids of 8192 codes, each of 8 × 8 pixels. Knows nothing of text.

Source: Ramesh et al. (2102.12092, section 2.1 and appendix A), as in openai/DALL-E. Its parts carry the names they are
published under.
"""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dalle_core.config import OpenAIDVAEConfig

EPSILON = 0.1  # of the logit-Laplace distribution: pixels are kept this far from 0 and 1
GROUPS = 4
SCALE = 2 ** (GROUPS - 1)  # pixels a side of one token


def map_pixels(images: Tensor) -> Tensor:
    """[0, 1] → [ε, 1 − ε]."""
    return (1 - 2 * EPSILON) * images + EPSILON


def unmap_pixels(images: Tensor) -> Tensor:
    """The inverse of `map_pixels`, clamped to [0, 1]."""
    return ((images - EPSILON) / (1 - 2 * EPSILON)).clamp(0, 1)


class Block(nn.Module):
    """Residual bottleneck of four convolutions with the given kernels, added with a small gain."""

    def __init__(self, width: int, out: int, kernels: tuple[int, int, int, int], gain: float) -> None:
        super().__init__()
        widths = (width, out // 4, out // 4, out // 4, out)
        self.gain = gain
        self.id_path = nn.Conv2d(width, out, 1) if width != out else nn.Identity()
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        for i, kernel in enumerate(kernels, start=1):
            parts[f"relu_{i}"] = nn.ReLU()
            parts[f"conv_{i}"] = nn.Conv2d(widths[i - 1], widths[i], kernel, padding=kernel // 2)
        self.res_path = nn.Sequential(parts)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.id_path(x) + self.gain * self.res_path(x)
        return out


def _stack(config: OpenAIDVAEConfig, widths: list[int], kernels: tuple[int, int, int, int],
           resize: tuple[str, nn.Module]) -> OrderedDict[str, nn.Module]:  # fmt: skip
    """Four groups of blocks, of widths[1:] each, with a resize after all but the last."""
    gain = 1 / (GROUPS * config.blocks) ** 2
    groups: OrderedDict[str, nn.Module] = OrderedDict()
    for group in range(1, GROUPS + 1):
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        for block in range(1, config.blocks + 1):
            before = widths[group - 1] if block == 1 else widths[group]
            parts[f"block_{block}"] = Block(before, widths[group], kernels, gain)
        if group < GROUPS:
            parts.update([resize])
        groups[f"group_{group}"] = nn.Sequential(parts)
    return groups


class Encoder(nn.Module):
    """(B, 3, S, S) mapped pixels → (B, K, S/8, S/8) logits."""

    def __init__(self, config: OpenAIDVAEConfig) -> None:
        super().__init__()
        width = config.width
        output = OrderedDict(relu=nn.ReLU(), conv=nn.Conv2d(8 * width, config.codebook_size, 1))
        self.blocks = nn.Sequential(OrderedDict(
            input=nn.Conv2d(3, width, 7, padding=3),
            **_stack(config, [width, width, 2 * width, 4 * width, 8 * width], (3, 3, 3, 1), ("pool", nn.MaxPool2d(2))),
            output=nn.Sequential(output),
        ))  # fmt: skip

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.blocks(pixels)
        return logits


class Decoder(nn.Module):
    """(B, h, w) tokens → (B, 6, 8h, 8w): the distribution's means, before the sigmoid, and the logs of its widths."""

    def __init__(self, config: OpenAIDVAEConfig) -> None:
        super().__init__()
        width = config.width
        output = OrderedDict(relu=nn.ReLU(), conv=nn.Conv2d(width, 6, 1))
        widths = [config.decoder_width, 8 * width, 4 * width, 2 * width, width]
        self.blocks = nn.Sequential(OrderedDict(
            input=nn.Conv2d(config.codebook_size, config.decoder_width, 1),
            **_stack(config, widths, (1, 3, 3, 3), ("upsample", nn.Upsample(scale_factor=2, mode="nearest"))),
            output=nn.Sequential(output),
        ))  # fmt: skip

    def forward(self, tokens: Tensor) -> Tensor:
        first, *rest = self.blocks
        assert isinstance(first, nn.Conv2d)
        assert first.bias is not None
        codes = first.weight[:, :, 0, 0].T  # a 1 × 1 convolution of a one-hot map is a look-up
        x = (F.embedding(tokens, codes) + first.bias).permute(0, 3, 1, 2)
        for part in rest:
            x = part(x)
        return x


class OpenAIDVAE(nn.Module):
    """Pictures to tokens and back."""

    def __init__(self, config: OpenAIDVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] → (B, h·w) int64, in raster order."""
        expected = (3, self.config.image_size, self.config.image_size)
        if images.ndim != 4 or tuple(images.shape[1:]) != expected:
            raise ValueError(
                f"expected images of shape (B, {', '.join(map(str, expected))}), got {tuple(images.shape)}"
            )
        return torch.as_tensor(self.encoder(map_pixels(images)).argmax(1).flatten(1))

    def decode(self, tokens: Tensor) -> Tensor:
        """(B, h·w) int64 → (B, 3, S, S) in [0, 1]; of the first rows of tokens alone, as many rows of pixels."""
        grid = self.config.grid
        if tokens.ndim != 2 or tokens.shape[1] % grid or not 0 < tokens.shape[1] <= grid * grid:
            raise ValueError(
                f"expected tokens of shape (B, {grid * grid}), got {tuple(tokens.shape)}, no rows of {grid} either"
            )
        means = self.decoder(tokens.view(len(tokens), -1, grid))[:, :3]
        return unmap_pixels(torch.sigmoid(means))
