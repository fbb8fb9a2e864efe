"""The decoder of ruDALL-E Malevich: one stream of text and image tokens under three masks. Knows no words, no pixels.

Source: the published description of ruDALL-E, after DALL·E (2102.12092) with CogView's sandwich normalisation
(2105.13290). Tensors carry the published names. Two layouts exist with the same tensors: v3, and the older v2, which
begins with a second BOS, so that every image token stands one place later than its masks take it to, and whose
convolutional mask wraps around the picture's edges.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dalle_core.config import MalevichConfig
from dalle_core.layers import KVCache

LAYOUTS = ("v2", "v3")
BOS = 2


def build_mask(kind: str, config: MalevichConfig) -> Tensor:
    """(length, length) bool: may the row's token attend to the column's? All of the text before it, always.

    `row`: image tokens no more than one picture row back. `column`: whole picture rows back. `convolution`: itself and
    the square of `kernel` places around it. Places are counted as if the first image token stood at `text_length`.
    """
    place = torch.arange(config.length, device="cpu")  # a mask is worked out where weights are only described
    query, key = place.unsqueeze(1), place.unsqueeze(0)
    back = query - key
    if kind == "row":
        near = back <= config.grid
    elif kind == "column":
        near = back % config.grid == 0
    else:
        near = (back == 0) | (_apart(query, key, config) <= config.kernel // 2)
    return (back >= 0) & (near | (key < config.text_length))


def _apart(query: Tensor, key: Tensor, config: MalevichConfig) -> Tensor:
    """The larger of the distances in rows and in columns; on a torus in v2."""
    distances = []
    for step, cells in ((config.grid, config.grid), (1, config.grid)):
        a, b = ((place - config.text_length) // step % cells for place in (query, key))
        distance = (a - b).abs()
        distances.append(torch.minimum(distance, cells - distance) if config.layout == "v2" else distance)
    return torch.maximum(*distances)


def mask_of_layer(layer: int, layers: int) -> str:
    if (layer - 1) % 4 == 0:
        return "column"
    return "convolution" if layer == layers - 1 else "row"


class Attention(nn.Module):
    """Multi-head attention from one fused projection, under a mask. (B, T, C) → (B, T, C)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.dense = nn.Linear(width, width)

    def forward(self, x: Tensor, cache: KVCache, layer: int, mask: Tensor) -> Tensor:
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.query_key_value(x).chunk(3, -1))
        keys, values = cache.extend(layer, k, v)
        attended = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
        out: Tensor = self.dense(attended.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(width, 4 * width)
        self.dense_4h_to_h = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.dense_4h_to_h(F.gelu(self.dense_h_to_4h(x), approximate="tanh"))
        return out


class Layer(nn.Module):
    """Normalised before and behind each part: the sandwich that kept CogView's training stable."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.before_first_addition_layernorm = nn.LayerNorm(width)
        self.post_attention_layernorm = nn.LayerNorm(width)
        self.mlp = FeedForward(width)
        self.before_second_addition_layernorm = nn.LayerNorm(width)

    def forward(self, x: Tensor, cache: KVCache, layer: int, mask: Tensor) -> Tensor:
        attended = self.attention(self.input_layernorm(x), cache, layer, mask)
        x = x + self.before_first_addition_layernorm(attended)
        out: Tensor = x + self.before_second_addition_layernorm(self.mlp(self.post_attention_layernorm(x)))
        return out


class Stack(nn.Module):
    """The layers, each with its mask."""

    def __init__(self, config: MalevichConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config.width, config.heads) for _ in range(config.layers))
        self.final_layernorm = nn.LayerNorm(config.width)
        self.kinds = [mask_of_layer(layer, config.layers) for layer in range(config.layers)]
        self.masks = {kind: build_mask(kind, config) for kind in set(self.kinds)}

    def forward(self, x: Tensor, cache: KVCache) -> Tensor:
        rows, cols = slice(cache.filled, cache.filled + x.shape[1]), slice(cache.filled + x.shape[1])
        masks = {kind: mask[rows, cols].to(x.device) for kind, mask in self.masks.items()}
        for i, layer in enumerate(self.layers):
            x = layer(x, cache, i, masks[self.kinds[i]])
        cache.filled += x.shape[1]
        out: Tensor = self.final_layernorm(x)
        return out


class Malevich(nn.Module):
    """Text and image tokens to the next image token."""

    def __init__(self, config: MalevichConfig) -> None:
        super().__init__()
        if config.layout not in LAYOUTS:
            raise ValueError(f"unknown layout {config.layout!r}; expected one of {', '.join(LAYOUTS)}")
        self.config = config
        self.text_embeddings = nn.Embedding(config.padded_vocab_size, config.width)
        self.image_embeddings = nn.Embedding(config.codebook_size, config.width)
        self.text_pos_embeddings = nn.Embedding(config.text_length + 1, config.width)
        self.image_row_embeddings = nn.Embedding(config.grid, config.width)
        self.image_col_embeddings = nn.Embedding(config.grid, config.width)
        self.transformer = Stack(config)
        outputs = config.padded_vocab_size + config.codebook_size
        self.to_logits = nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, outputs))

    def prefill(self, text: Tensor, prefix: Tensor) -> tuple[KVCache, Tensor]:
        """(R, T) text ids with 0 for padding, (R, P) given tokens → the cache and the (R, K) logits of the next."""
        cache, hidden = self._begin(text, prefix)
        return cache, self._logits(hidden[:, -1])

    def next_logits(self, cache: KVCache, tokens: Tensor) -> Tensor:
        """Take the (R,) tokens chosen; (R, K) logits of the next."""
        position = cache.filled - self.config.text_places
        return self._logits(self.transformer(self._embed_image(tokens.unsqueeze(1), position), cache)[:, -1])

    def forced_logits(self, text: Tensor, tokens: Tensor) -> Tensor:
        """(R, T) text ids, (R, N) tokens → the (R, N, K) logits of each token, given those before it."""
        _, hidden = self._begin(text, tokens[:, :-1])
        return self._logits(hidden[:, self.config.text_places - 1 :])

    def _begin(self, text: Tensor, prefix: Tensor) -> tuple[KVCache, Tensor]:
        config = self.config
        stream = torch.cat([self._embed_text(text), self._embed_image(prefix, 0)], dim=1)
        # the last token is never read
        cache = KVCache(config.layers, len(text), config.heads, config.length - 1, config.width // config.heads, stream)
        return cache, self.transformer(stream, cache)

    def _logits(self, hidden: Tensor) -> Tensor:
        norm, head = self.to_logits
        assert isinstance(head, nn.Linear)
        image = slice(self.config.padded_vocab_size, None)  # the rows before it write text
        return F.linear(norm(hidden), head.weight[image], head.bias[image])

    def _embed_text(self, text: Tensor) -> Tensor:
        pads = torch.arange(self.config.text_length, device=text.device) + self.config.vocab_size
        text = torch.where(text == 0, pads, text)
        if self.config.layout == "v2":
            text = F.pad(text, (1, 0), value=BOS)
        embedded: Tensor = self.text_embeddings(text) + self.text_pos_embeddings.weight[: text.shape[1]]
        return embedded

    def _embed_image(self, tokens: Tensor, start: int) -> Tensor:
        place = torch.arange(start, start + tokens.shape[1], device=tokens.device)
        grid = self.config.grid
        where = self.image_row_embeddings(place // grid) + self.image_col_embeddings(place % grid)
        embedded: Tensor = self.image_embeddings(tokens) + where
        return embedded
