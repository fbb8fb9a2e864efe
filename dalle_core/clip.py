"""A small CLIP: an image encoder and a text encoder into one space, used to rerank what the transformer paints.

Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2103.00020).
Knows nothing of the generator, and is never trained on its pictures.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dalle_core.config import CLIPConfig
from dalle_core.layers import Block, downsampling_stages, init_transformer


class ImageEncoder(nn.Module):
    """(B, 3, S, S) in [0, 1] → (B, dim). Convolutional: at 64 px that learns from few pictures what a ViT does not."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        widths = config.channels
        stages = downsampling_stages(config.patch, widths, config.image_blocks)
        self.stages = nn.Sequential(*stages, nn.GroupNorm(8, widths[-1]), nn.SiLU())
        side = config.image_size // (config.patch * 2 ** (len(widths) - 1))
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear(widths[-1] * side * side, config.dim)  # keeps where things are: "above", "small"

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.project(self.dropout(self.stages(images * 2 - 1).flatten(1)))
        return features


class TextEncoder(nn.Module):
    """(B, T) ids → (B, dim): a bidirectional transformer, averaged over the text's own positions."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.text_width)
        self.position = nn.Embedding(config.text_length, config.text_width)
        self.blocks = nn.ModuleList(
            Block(config.text_width, config.text_heads, 2 * config.text_width, causal=False)
            for _ in range(config.text_layers)
        )
        self.norm = nn.RMSNorm(config.text_width)
        self.project = nn.Linear(config.text_width, config.dim)
        init_transformer(self, config.text_layers)

    def forward(self, text: Tensor, pad_id: int) -> Tensor:
        real = text != pad_id  # (B, T)
        x = self.embedding(text) + self.position.weight
        for block in self.blocks:
            x = block(x, mask=real[:, None, None, :])
        weights = real.unsqueeze(-1).float()
        features: Tensor = self.project((self.norm(x) * weights).sum(1) / weights.sum(1))
        return features


class CLIP(nn.Module):
    """The pair of encoders and the learned temperature."""

    MAX_SCALE = math.log(100)

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = ImageEncoder(config)
        self.text_encoder = TextEncoder(config)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, images: Tensor, text: Tensor, pad_id: int) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, S, S) pictures and (N, T) text ids → features (B, dim) and (N, dim), and the scale () of cosines."""
        return self.encode_images(images), self.encode_texts(text, pad_id), self.scale

    @property
    def scale(self) -> Tensor:
        """() of cosines: what makes logits of them."""
        return self.log_scale.clamp_max(self.MAX_SCALE).exp()

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] → (B, dim), unit length."""
        return F.normalize(self.image_encoder(images), dim=-1)

    def encode_texts(self, text: Tensor, pad_id: int) -> Tensor:
        """(B, T) ids → (B, dim), unit length."""
        return F.normalize(self.text_encoder(text, pad_id), dim=-1)


def contrastive_loss(logits: Tensor) -> Tensor:
    """Symmetric cross-entropy over a (B, B) matrix whose diagonal holds the true pairs."""
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
