"""DALL·E mini's networks: an encoder reads the text once, a decoder writes image tokens while looking at it.

Knows neither words nor pixels. Source: BART (Lewis et al., 1910.13461) with NormFormer's extra norms (2110.09456) and
gated feed-forward layers (2002.05202), as in borisdayma/dalle-mini; tensors carry the names that kuprel/min-dalle
publishes them under. Its pad id is 1; padding is never attended to.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dalle_core.config import BartConfig
from dalle_core.layers import KVCache

PAD = 1


class GLU(nn.Module):
    """Gated feed-forward layer with a norm before and inside. (..., C) → (..., C)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.ln0 = nn.LayerNorm(width)
        self.fc0 = nn.Linear(width, hidden, bias=False)
        self.fc1 = nn.Linear(width, hidden, bias=False)
        self.ln1 = nn.LayerNorm(hidden)
        self.fc2 = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.ln0(x)
        out: Tensor = self.fc2(self.ln1(F.gelu(self.fc0(x)) * self.fc1(x)))
        return out


class Attention(nn.Module):
    """The four projections of multi-head attention, and the splitting into heads between them."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.out_proj = nn.Linear(width, width, bias=False)

    def queries(self, x: Tensor) -> Tensor:
        return self._split(self.q_proj(x))

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._split(self.k_proj(x)), self._split(self.v_proj(x))

    def join(self, attended: Tensor) -> Tensor:
        """(B, H, T, D) → (B, T, C)."""
        out: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, H, T, D)."""
        B, T, C = x.shape
        return x.view(B, T, self.heads, C // self.heads).transpose(1, 2)


class EncoderLayer(nn.Module):
    def __init__(self, config: BartConfig) -> None:
        super().__init__()
        self.pre_self_attn_layer_norm = nn.LayerNorm(config.width)
        self.self_attn = Attention(config.width, config.heads)
        self.self_attn_layer_norm = nn.LayerNorm(config.width)
        self.glu = GLU(config.width, config.hidden)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        h = self.pre_self_attn_layer_norm(x)
        keys, values = self.self_attn.keys_values(h)
        attended = F.scaled_dot_product_attention(self.self_attn.queries(h), keys, values, attn_mask=mask)
        x = x + self.self_attn_layer_norm(self.self_attn.join(attended))
        out: Tensor = x + self.glu(x)
        return out


class TextEncoder(nn.Module):
    """(G, S) text ids → (G, S, C) states, and what may be attended to, (G, 1, 1, S)."""

    def __init__(self, config: BartConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.text_vocab, config.width)
        self.embed_positions = nn.Embedding(config.text_length, config.width)
        self.layernorm_embedding = nn.LayerNorm(config.width)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        self.final_ln = nn.LayerNorm(config.width)

    def forward(self, text: Tensor) -> tuple[Tensor, Tensor]:
        mask = (text != PAD)[:, None, None, :]
        x = self.layernorm_embedding(self.embed_tokens(text) + self.embed_positions.weight[: text.shape[1]])
        for layer in self.layers:
            x = layer(x, mask)
        return self.final_ln(x), mask


@dataclass
class DecodeState:
    """What decoding R = G·B sequences needs: G texts' keys and values for each layer, and the sequences' own."""

    text: list[tuple[Tensor, Tensor]]  # each (G, H, S, D)
    mask: Tensor  # (G, 1, 1, S)
    cache: KVCache


class DecoderLayer(nn.Module):
    def __init__(self, config: BartConfig) -> None:
        super().__init__()
        self.pre_self_attn_layer_norm = nn.LayerNorm(config.width)
        self.self_attn = Attention(config.width, config.heads)
        self.self_attn_layer_norm = nn.LayerNorm(config.width)
        self.pre_encoder_attn_layer_norm = nn.LayerNorm(config.width)
        self.encoder_attn = Attention(config.width, config.heads)
        self.encoder_attn_layer_norm = nn.LayerNorm(config.width)
        self.glu = GLU(config.width, config.hidden)

    def forward(self, x: Tensor, state: DecodeState, layer: int) -> Tensor:
        x = x + self.self_attn_layer_norm(self._look_back(self.pre_self_attn_layer_norm(x), state.cache, layer))
        x = x + self.encoder_attn_layer_norm(self._look_at_text(self.pre_encoder_attn_layer_norm(x), state, layer))
        out: Tensor = x + self.glu(x)
        return out

    def read(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """(G, S, C) texts → the keys and values that every position looks at."""
        return self.encoder_attn.keys_values(encoded)

    def _look_back(self, x: Tensor, cache: KVCache, layer: int) -> Tensor:
        """(R, T, C) kept: T new positions see themselves and what the cache holds."""
        T = x.shape[1]
        keys, values = cache.extend(layer, *self.self_attn.keys_values(x))
        assert T == 1 or keys.shape[2] == T, "a cache takes the whole prefix first, then single positions"
        queries = self.self_attn.queries(x)
        return self.self_attn.join(F.scaled_dot_product_attention(queries, keys, values, is_causal=T > 1))

    def _look_at_text(self, x: Tensor, state: DecodeState, layer: int) -> Tensor:
        """(R, T, C) kept. All pictures of a prompt look at the same text: they are queries of one long sequence."""
        keys, values = state.text[layer]
        queries = self.encoder_attn.queries(x.reshape(len(keys), -1, x.shape[2]))  # (G, H, B·T, D)
        attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=state.mask)
        return self.encoder_attn.join(attended).view_as(x)


class ImageDecoder(nn.Module):
    """Image tokens, one after another."""

    def __init__(self, config: BartConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.image_vocab + 1, config.width)
        self.embed_positions = nn.Embedding(config.image_length, config.width)
        self.layernorm_embedding = nn.LayerNorm(config.width)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.layers))
        self.final_ln = nn.LayerNorm(config.width)
        self.lm_head = nn.Linear(config.width, config.image_vocab + 1, bias=False)

    def prefill(self, encoded: Tensor, mask: Tensor, prefix: Tensor) -> tuple[DecodeState, Tensor]:
        """(G, S, C) texts and (R, P) given tokens → the state and the (R, K) logits of the next token."""
        state, hidden = self._begin(encoded, mask, prefix)
        return state, self._logits(hidden[:, -1])

    def next_logits(self, state: DecodeState, tokens: Tensor) -> Tensor:
        """Take the (R,) tokens chosen; (R, K) logits of the next."""
        return self._logits(self._read(state, tokens.unsqueeze(1))[:, -1])

    def forced_logits(self, encoded: Tensor, mask: Tensor, tokens: Tensor) -> Tensor:
        """(G, S, C) texts and (R, N) tokens → the (R, N, K) logits of each token, given those before it."""
        return self._logits(self._begin(encoded, mask, tokens[:, :-1])[1])

    def _begin(self, encoded: Tensor, mask: Tensor, prefix: Tensor) -> tuple[DecodeState, Tensor]:
        config = self.config
        text = [layer.read(encoded) for layer in self.layers]  # type: ignore[operator]  # a list of modules knows no more
        head_dim = config.width // config.heads
        cache = KVCache(config.layers, len(prefix), config.heads, config.image_length, head_dim, encoded)
        state = DecodeState(text, mask, cache)
        start = prefix.new_full((len(prefix), 1), config.start_token)
        return state, self._read(state, torch.cat([start, prefix], dim=1))

    def _read(self, state: DecodeState, tokens: Tensor) -> Tensor:
        """(R, T) more tokens → (R, T, C)."""
        begin, T = state.cache.filled, tokens.shape[1]
        x = self.embed_tokens(tokens) + self.embed_positions.weight[begin : begin + T]
        x = self.layernorm_embedding(x)
        for layer, block in enumerate(self.layers):
            x = block(x, state, layer)
        state.cache.filled += T
        hidden: Tensor = x
        return hidden

    def _logits(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.lm_head(self.final_ln(hidden))
        return logits[..., : self.config.codebook_size]
