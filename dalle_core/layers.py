"""Building blocks that import nothing above them."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Pre-activation residual block (He et al., 1603.05027): two 3×3 convolutions at one width. (B, C, H, W) kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.norm2 = nn.GroupNorm(8, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]  # the block starts as the identity

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return x + h


def downsampling_stages(patch: int, widths: Sequence[int], blocks: Sequence[int]) -> list[nn.Module]:
    """(B, 3, S, S) → (B, widths[-1], S/f, S/f), f = patch · 2^(len(widths) - 1): patches, then wider levels."""
    stages: list[nn.Module] = [nn.PixelUnshuffle(patch), nn.Conv2d(3 * patch**2, widths[0], 3, padding=1)]
    for level, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        if level:
            stages.append(nn.Conv2d(widths[level - 1], width, 2, stride=2))
        stages += [ResidualBlock(width) for _ in range(count)]
    return stages


def attention_mask(pattern: str, text_length: int, rows: int, cols: int, kernel: int) -> Tensor | None:
    """(T, T) bool, True where position i (down) may look at position j (across); None is dense causal attention.

    Text is causal; an image token sees all of the text, and of the image tokens before it those of the pattern (DALL·E,
    2102.12092, appendix B.1, after the Sparse Transformer's, 1904.10509): `row` the last `cols` before it and itself,
    `column` those above it, `conv` those within half a `kernel` in each direction.
    """
    if pattern == "dense":
        return None
    place = torch.arange(rows * cols)
    back = place[:, None] - place[None, :]  # how far behind j lies, in raster order
    up = place[:, None] // cols - place[None, :] // cols
    aside = (place[:, None] % cols - place[None, :] % cols).abs()
    sees = {
        "row": back <= cols,
        "column": back % cols == 0,
        "conv": (up <= kernel // 2) & (aside <= kernel // 2),
    }
    if pattern not in sees:
        raise ValueError(f"unknown attention pattern {pattern!r}; expected one of {['dense', *sees]}")
    mask = torch.ones(text_length + rows * cols, text_length + rows * cols, dtype=torch.bool).tril()
    mask[text_length:, text_length:] &= sees[pattern]
    return mask


class SwiGLU(nn.Module):
    """Gated feed-forward layer (Shazeer, 2002.05202). (..., C) → (..., C)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        out: Tensor = self.down(F.silu(gate) * up)
        return out


class KVCache:
    """Keys and values of every layer, allocated once: (layers, B, H, T, D) each."""

    def __init__(self, layers: int, batch: int, heads: int, length: int, head_dim: int, like: Tensor) -> None:
        self.keys = like.new_zeros(layers, batch, heads, length, head_dim)
        self.values = torch.zeros_like(self.keys)
        self.filled = 0

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write (B, H, T', D) at `filled` and return all there is up to and with it. `filled` moves once a pass."""
        end = self.filled + keys.shape[2]
        self.keys[layer, :, :, self.filled : end] = keys
        self.values[layer, :, :, self.filled : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def repeat(self, count: int) -> None:
        """Hold `count` copies of each row, one after another: (layers, B·count, H, T, D)."""
        self.keys = self.keys.repeat_interleave(count, dim=1)
        self.values = self.values.repeat_interleave(count, dim=1)


class Attention(nn.Module):
    """Multi-head self-attention with normalised queries and keys (Henry et al., 2010.04245). (B, T, C) → (B, T, C)."""

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_q = nn.RMSNorm(width // heads)
        self.norm_k = nn.RMSNorm(width // heads)

    def forward(self, x: Tensor, cache: KVCache | None = None, layer: int = 0, mask: Tensor | None = None) -> Tensor:
        """With a cache, T is the new positions only: the whole prefix on the first pass, then one at a time.

        A `mask`, broadcast to (B, H, T, keys), stands in for the causal one.
        """
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)  # each (B, H, T, D)
        q, k = self.norm_q(q), self.norm_k(k)
        if cache is not None:
            k, v = cache.extend(layer, k, v)
        causal = self.causal and T > 1 and mask is None
        assert not (causal and k.shape[2] != T), "a cache takes the whole prefix first, then single positions"
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        out: Tensor = self.out(y.transpose(1, 2).reshape(B, T, C))
        return out


class Block(nn.Module):
    """Pre-norm transformer block: attention, then SwiGLU, each added to the stream. (B, T, C) kept."""

    def __init__(self, width: int, heads: int, hidden: int, *, causal: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.RMSNorm(width)
        self.attention = Attention(width, heads, causal=causal)
        self.norm2 = nn.RMSNorm(width)
        self.feed_forward = SwiGLU(width, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cache: KVCache | None = None, layer: int = 0, mask: Tensor | None = None) -> Tensor:
        attended: Tensor = x + self.dropout(self.attention(self.norm1(x), cache, layer, mask))
        out: Tensor = attended + self.dropout(self.feed_forward(self.norm2(attended)))
        return out


def init_transformer(module: nn.Module, layers: int) -> None:
    """GPT-2's scheme: normal weights of deviation 0.02, projections back into the stream smaller by √(2·layers)."""
    for name, parameter in module.named_parameters():
        if parameter.ndim < 2:
            continue
        into_stream = name.endswith(("attention.out.weight", "feed_forward.down.weight"))
        nn.init.normal_(parameter, std=0.02 / (2 * layers) ** 0.5 if into_stream else 0.02)
