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
    levels: tuple[int, ...] = (4, 4, 4, 4, 4)  # of the FSQ digits; a plain codebook of K codes is (K,)
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
    levels: tuple[int, ...] = (4, 4, 4, 4, 4)  # digits of one image token; a plain codebook is (K,)
    layers: int = 6
    width: int = 256
    heads: int = 4
    hidden: int = 704  # of the SwiGLU; 8/3 of the width, rounded up to 64
    dropout: float = 0.0
    attention: tuple[str, ...] = ("dense",)  # patterns, repeated over the layers; see layers.attention_mask
    attention_kernel: int = 5  # side of the "conv" pattern's window
    sentence: int = 0  # width of a feature of the whole text, told to every image position; 0 has none
    phrases: bool = False  # whether the features of what a text names are told where it is to stand
    outline: float = 0.0  # weight, in painting, of what the text alone says of a token; wants veiled training

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
    dropout: float = 0.0  # of what the image encoder sees, in training


@dataclass(frozen=True)
class VQGANConfig(NetworkConfig):
    """A VQGAN of the published shape. Down-sampling is 2^(len(multipliers) - 1)."""

    image_size: int = 256
    channels: int = 128
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)  # of the channels, from the pixels down to the token grid
    blocks: int = 2  # residual blocks a level of the encoder; the decoder has one more
    attention_sizes: tuple[int, ...] = (16,)  # sides of the maps on which every residual block is followed by attention
    latent_channels: int = 256
    code_channels: int = 256
    codebook_size: int = 16384
    quantizer: str = "nearest"  # the nearest code, or "gumbel": the likeliest of a classifier's
    signed_pixels: bool = False  # whether the networks speak [-1, 1] instead of [0, 1]
    has_encoder: bool = True

    @property
    def scale(self) -> int:
        """Pixels a side of one token."""
        side: int = 2 ** (len(self.multipliers) - 1)
        return side

    @property
    def grid(self) -> int:
        """Side of the token grid."""
        return self.image_size // self.scale


@dataclass(frozen=True)
class BartConfig(NetworkConfig):
    """DALL·E mini's pair of transformers: an encoder of text and a decoder of image tokens, of one shape."""

    layers: int = 12  # of each
    heads: int = 16
    width: int = 1024
    hidden: int = 2730  # of the gated feed-forward layer
    text_vocab: int = 50264
    text_length: int = 64
    image_vocab: int = 16384  # the start token apart: embedding and head have one row more
    codebook_size: int = 16384  # how many of them are codes; only these are sampled
    image_length: int = 256
    start_token: int = 16383


@dataclass(frozen=True)
class OpenAIDVAEConfig(NetworkConfig):
    """OpenAI's discrete VAE. Down-sampling is 8."""

    image_size: int = 256
    width: int = 256  # of the first group of blocks; each next one is twice as wide
    decoder_width: int = 128  # of a code, before the decoder's first block
    blocks: int = 2  # a group
    codebook_size: int = 8192

    @property
    def grid(self) -> int:
        """Side of the token grid."""
        return self.image_size // 8

    @property
    def levels(self) -> tuple[int, ...]:
        return (self.codebook_size,)


@dataclass(frozen=True)
class MalevichConfig(NetworkConfig):
    """Sizes of the published model unless said otherwise. `vocab_size` is without the learned pads, one a position."""

    layout: str = "v3"
    vocab_size: int = 16384
    text_length: int = 128
    grid: int = 32
    codebook_size: int = 8192
    layers: int = 24
    width: int = 2048
    heads: int = 16
    kernel: int = 11

    @property
    def padded_vocab_size(self) -> int:
        return self.vocab_size + self.text_length

    @property
    def text_places(self) -> int:
        """Of the stream, before its first image token."""
        return self.text_length + (self.layout == "v2")

    @property
    def length(self) -> int:
        return self.text_places + self.grid**2
