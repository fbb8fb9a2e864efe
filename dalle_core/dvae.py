"""The discrete VAE: a convolutional encoder and decoder around a quantizer; pictures ↔ grids of tokens.

Knows nothing of text or of the transformer. Source of the idea: van den Oord et al., "Neural Discrete Representation
Learning" (1711.00937) and DALL·E (2102.12092, section 2.1); of the quantizer that ships: Mentzer et al., "Finite
Scalar Quantization" (2309.15505). The paper's own dVAE is quantizer "gumbel" with likelihood "logit-laplace".
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dalle_core.config import DVAEConfig
from dalle_core.layers import ResidualBlock, downsampling_stages
from dalle_core.quantizers import Quantizer, build_quantizer


class Encoder(nn.Module):
    """(B, 3, S, S) in [0, 1] → (B, D, S/f, S/f), D being what the quantizer takes."""

    def __init__(self, config: DVAEConfig, code_dim: int) -> None:
        super().__init__()
        widths = config.channels
        stages = downsampling_stages(config.patch, widths, config.encoder_blocks)
        stages += [nn.GroupNorm(8, widths[-1]), nn.SiLU(), nn.Conv2d(widths[-1], code_dim, 1)]
        self.stages = nn.Sequential(*stages)

    def forward(self, images: Tensor) -> Tensor:
        codes: Tensor = self.stages(images * 2 - 1)
        return codes


class Decoder(nn.Module):
    """(B, D, h, w) codes → (B, 3 · parameters, S, S): what the likelihood wants to know of each colour value."""

    def __init__(self, config: DVAEConfig, embed_dim: int, parameters: int) -> None:
        super().__init__()
        widths = config.channels
        stages: list[nn.Module] = [nn.Conv2d(embed_dim, widths[-1], 3, padding=1)]
        for level in reversed(range(len(widths))):
            stages += [ResidualBlock(widths[level]) for _ in range(config.decoder_blocks[level])]
            below = widths[level - 1] if level else config.sharpen_channels
            stages += [nn.Conv2d(widths[level], below * 4, 1), nn.PixelShuffle(2)]
        width = config.sharpen_channels
        stages += [ResidualBlock(width) for _ in range(config.sharpen_blocks)]
        patch = config.patch // 2
        stages += [
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, 3 * parameters * patch**2, 3, padding=1),
            nn.PixelShuffle(patch),
        ]
        self.stages = nn.Sequential(*stages)

    def forward(self, codes: Tensor) -> Tensor:
        outputs: Tensor = self.stages(codes)
        return outputs


class DiscreteVAE(nn.Module):
    """Pictures to tokens and back."""

    def __init__(self, config: DVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.quantizer: Quantizer = build_quantizer(config)
        self.likelihood = build_likelihood(config.likelihood)
        self.encoder = Encoder(config, self.quantizer.code_dim)
        self.decoder = Decoder(config, self.quantizer.embed_dim, self.likelihood.parameters)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, S, S) → reconstruction (B, 3, S, S), tokens (B, h, w), loss () to be minimised."""
        quantized, tokens, auxiliary = self.quantizer(self.encoder(images))
        outputs = self.decoder(quantized)
        return self.likelihood.pixels(outputs), tokens, self.likelihood.loss(outputs, images) + auxiliary

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] → (B, h·w) int64, in raster order."""
        expected = (3, self.config.image_size, self.config.image_size)
        if images.ndim != 4 or tuple(images.shape[1:]) != expected:
            raise ValueError(
                f"expected images of shape (B, {', '.join(map(str, expected))}), got {tuple(images.shape)}"
            )
        return self.quantizer.to_tokens(self.encoder(images)).flatten(1)

    def decode(self, tokens: Tensor) -> Tensor:
        """(B, h·w) int64 → (B, 3, S, S) in [0, 1]; of the first rows of tokens alone, as many rows of pixels."""
        grid = self.config.grid
        if tokens.ndim != 2 or tokens.shape[1] % grid or not 0 < tokens.shape[1] <= grid * grid:
            raise ValueError(
                f"expected tokens of shape (B, {grid * grid}), got {tuple(tokens.shape)}, no rows of {grid} either"
            )
        outputs = self.decoder(self.quantizer.from_tokens(tokens.view(len(tokens), -1, grid)))
        return self.likelihood.pixels(outputs).clamp(0, 1)


class Pixels:
    """The decoder gives the value itself, and is judged by `reconstruction_loss`."""

    parameters = 1

    def pixels(self, outputs: Tensor) -> Tensor:
        """(B, 3 · parameters, S, S) → (B, 3, S, S), unclamped."""
        return outputs * 0.5 + 0.5

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        return reconstruction_loss(self.pixels(outputs), target)


class LogitLaplace:
    """The decoder gives μ and ln b of a Laplace distribution whose sigmoid is the value (2102.12092, appendix A.3).

    Values are squeezed into [ε, 1 - ε] first, since the density is zero at 0 and at 1. The loss is in nats a value.
    """

    parameters = 2
    EPSILON = 0.1

    def pixels(self, outputs: Tensor) -> Tensor:
        mean, _ = outputs.chunk(2, dim=1)
        return (torch.sigmoid(mean) - self.EPSILON) / (1 - 2 * self.EPSILON)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        mean, log_scale = outputs.float().chunk(2, dim=1)
        value = (1 - 2 * self.EPSILON) * target + self.EPSILON
        surprise = (torch.logit(value) - mean).abs() * torch.exp(-log_scale)
        nll: Tensor = surprise + math.log(2) + log_scale + torch.log(value * (1 - value))
        return nll.mean()


def build_likelihood(name: str) -> Pixels | LogitLaplace:
    """By the name a config carries."""
    kinds: dict[str, type[Pixels | LogitLaplace]] = {"pixels": Pixels, "logit-laplace": LogitLaplace}
    if name not in kinds:
        raise ValueError(f"unknown likelihood {name!r}; expected one of {sorted(kinds)}")
    return kinds[name]()


def reconstruction_loss(output: Tensor, target: Tensor) -> Tensor:
    """L1 + 2·MSE + L1 of the image gradients: the last term keeps edges, which is what icons are made of."""

    def slope(x: Tensor, dim: int) -> Tensor:
        return x.diff(dim=dim)

    edges = sum(
        (F.l1_loss(slope(output, dim), slope(target, dim)) for dim in (2, 3)),
        start=torch.zeros((), device=output.device),
    )
    return F.l1_loss(output, target) + 2 * F.mse_loss(output, target) + edges
