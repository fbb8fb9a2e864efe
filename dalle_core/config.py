"""Frozen settings of the networks: what a checkpoint's config.json holds, and nothing a run can change."""

import json
from dataclasses import asdict, dataclass, fields
from math import prod
from typing import Any, Self

from dalle_core.errors import CheckpointError


@dataclass(frozen=True)
class NetworkConfig:
    """Reads and writes itself as plain JSON values; unknown or missing fields are refused by name."""

    def to_dict(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        known = {field.name for field in fields(cls)}
        if unknown := sorted(values.keys() - known):
            raise CheckpointError(f"{cls.__name__}: unknown fields {unknown}; expected {sorted(known)}")
        try:
            return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})
        except TypeError as error:
            raise CheckpointError(f"{cls.__name__}: {error}") from error


@dataclass(frozen=True)
class DVAEConfig(NetworkConfig):
    """A convolutional discrete autoencoder. Down-sampling is patch · 2^(len(channels) - 1)."""

    image_size: int = 64
    patch: int = 4
    channels: tuple[int, ...] = (64, 192)  # widths from the patch grid down to the token grid
    encoder_blocks: tuple[int, ...] = (2, 2)
    decoder_blocks: tuple[int, ...] = (2, 3)
    sharpen_channels: int = 32  # width of the decoder's last stage, at twice the patch grid
    sharpen_blocks: int = 1
    quantizer: str = "fsq"
    levels: tuple[int, ...] = (8, 8, 8, 6, 5)  # of the FSQ digits; a plain codebook of K codes is (K,)
    embed_dim: int = 128  # of a learned codebook's codes; FSQ has none
    likelihood: str = "pixels"  # what the decoder says of a pixel: its value, or a "logit-laplace" distribution

    @property
    def grid(self) -> int:
        """Side of the token grid."""
        side: int = self.image_size // (self.patch * 2 ** (len(self.channels) - 1))
        return side

    @property
    def codebook_size(self) -> int:
        return prod(self.levels)


@dataclass(frozen=True)
class TransformerConfig(NetworkConfig):
    """A decoder over one stream of text tokens, then image tokens in raster order."""

    vocab_size: int = 4096
    text_length: int = 24
    rows: int = 8
    cols: int = 8
    levels: tuple[int, ...] = (8, 8, 8, 6, 5)  # digits of one image token; a plain codebook is (K,)
    layers: int = 6
    width: int = 256
    heads: int = 4
    hidden: int = 704  # of the SwiGLU; 8/3 of the width, rounded up to 64
    dropout: float = 0.0
    attention: tuple[str, ...] = ("dense",)  # patterns, repeated over the layers; see layers.attention_mask
    attention_kernel: int = 5  # side of the "conv" pattern's window

    @property
    def image_length(self) -> int:
        return self.rows * self.cols

    @property
    def length(self) -> int:
        return self.text_length + self.image_length


@dataclass(frozen=True)
class CLIPConfig(NetworkConfig):
    """A contrastive pair: a convolutional image encoder and a transformer text encoder into one space."""

    image_size: int = 64
    patch: int = 4
    channels: tuple[int, ...] = (64, 128, 256)
    image_blocks: tuple[int, ...] = (1, 1, 1)
    vocab_size: int = 4096
    text_length: int = 24
    text_layers: int = 3
    text_width: int = 192
    text_heads: int = 4
    dim: int = 192
