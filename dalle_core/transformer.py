"""The decoder that writes pictures: one causal stream of text tokens, then image tokens in raster order.

Knows neither words nor pixels. Source: DALL·E (2102.12092, section 2.2): text and image in one stream, row and column
embeddings, a loss on both. Differences: RMSNorm, normalised queries and keys, SwiGLU, dense attention unless the config
asks for the paper's patterns (at 64 to 256 image tokens it is no slower), and image tokens read and written digit by
digit.

Digits: an FSQ code is a mixed-radix number whose digits mean something each, so a token is embedded as the sum of its
digits' embeddings, and its digits are predicted one after another: exact chain rule, p(d₁)·p(d₂|d₁)·…, from the
trunk's state at that position. A plain codebook of K codes is the case of a single digit, levels (K,).

Sentence: what a text says as a whole is slow to learn through attention alone from few thousand pictures, so a feature
of the text (CLIP's, as DALL·E 2 gives it its decoder; 2204.06125, section 2.1) may be added wherever an image token is
predicted.

Phrases: such a feature does not say which of two things stands left. So where a text says what stands where
(phrases.py), the feature of each thing's own phrase may be added to the places where it is to stand, much as GLIGEN
(2301.07093) grounds a phrase in its box.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dalle_core.config import TransformerConfig
from dalle_core.layers import Block, KVCache, attention_mask, init_transformer
from dalle_core.quantizers import split_digits


class DigitEmbedding(nn.Module):
    """(..., D) digits → (..., C): the sum of one embedding a digit."""

    def __init__(self, levels: tuple[int, ...], width: int) -> None:
        super().__init__()
        offsets = [sum(levels[:i]) for i in range(len(levels))]
        self.table = nn.Embedding(sum(levels), width)
        self.register_buffer("offsets", torch.tensor(offsets), persistent=False)
        self.offsets: Tensor

    def forward(self, digits: Tensor) -> Tensor:
        return F.embedding(digits + self.offsets, self.table.weight).sum(-2)

    def one(self, digit: Tensor, place: int) -> Tensor:
        """(...) values of the digit at `place` → (..., C)."""
        return F.embedding(digit + self.offsets[place], self.table.weight)


class DigitHead(nn.Module):
    """Predicts a token's digits in turn. Each stage: a residual MLP, logits, then the chosen digit is added in."""

    def __init__(self, levels: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.levels = levels
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in levels)
        self.up = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in levels)
        self.down = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in levels)
        self.out_norms = nn.ModuleList(nn.RMSNorm(width) for _ in levels)
        self.out = nn.ModuleList(nn.Linear(width, level) for level in levels)
        self.embedding = DigitEmbedding(levels, width)

    def stage(self, state: Tensor, place: int) -> tuple[Tensor, Tensor]:
        """(..., C) → the state after this stage's MLP (..., C) and the logits of its digit (..., L)."""
        state = state + self.down[place](F.silu(self.up[place](self.norms[place](state))))
        return state, self.out[place](self.out_norms[place](state))

    def forced_logits(self, state: Tensor, digits: Tensor) -> Iterator[Tensor]:
        """(..., C) states and (..., D) true digits → the (..., L) logits of each digit, given those before it."""
        for place in range(len(self.levels)):
            state, logits = self.stage(state, place)
            yield logits
            state = state + self.embedding.one(digits[..., place], place)

    def losses(self, state: Tensor, digits: Tensor) -> Tensor:
        """(..., C) states and (..., D) true digits → (...) negative log-likelihood of the token, in nats."""
        total = torch.zeros(digits.shape[:-1], device=state.device)
        for place, logits in enumerate(self.forced_logits(state, digits)):
            true = digits[..., place]
            total = total + F.cross_entropy(logits.flatten(0, -2).float(), true.flatten(), reduction="none").view_as(
                total
            )
        return total


@dataclass
class DecodeState:
    """Where a batch of sequences stands: its cache, the trunk's state at this position, and the digits taken so far."""

    cache: KVCache
    hidden: Tensor  # (R, C), R rows: conditional ones, then unconditional ones
    position: int  # of the image token being written
    digits: list[Tensor]
    told: Tensor  # (R, N, C), or one that broadcasts to it: what each image token is told before it is predicted
    shown: Tensor | None = None  # (R, N) bool: the image tokens that a row may see; None for all


class Outline:
    """What a text says of every image token where none is seen, read digit by digit beside a decoding.

    A network trained with veiled tokens knows it: rather a place's colour than its pattern. Against what another text
    says, it is evidence for the first, as the difference of logits is in classifier-free guidance (2207.12598).
    """

    def __init__(self, head: DigitHead, states: Tensor, batch: int, position: int) -> None:
        """`states` (2, N, C) are the trunk's for the text and for the other one; `position` is the first to be read."""
        self.head = head
        self.states = states.unsqueeze(2).expand(-1, -1, batch, -1)  # (2, N, B, C)
        self.position = position
        self.place = 0
        self.hidden = self.states[:, position]  # (2, B, C)

    def evidence(self) -> Tensor:
        """(B, L) logits of the next digit: the text's less the other's."""
        self.hidden, logits = self.head.stage(self.hidden, self.place)
        return logits[0] - logits[1]

    def take(self, digit: Tensor) -> None:
        """Go on from the (B,) digit chosen."""
        self.hidden = self.hidden + self.head.embedding.one(digit, self.place)
        self.place += 1
        if self.place == len(self.head.levels):
            self.place = 0
            self.position += 1
            self.hidden = self.states[:, self.position]


class Transformer(nn.Module):
    """Text and image tokens in one stream."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.text_embedding = nn.Embedding(config.vocab_size, config.width)
        self.text_position = nn.Embedding(config.text_length, config.width)
        self.image_embedding = DigitEmbedding(config.levels, config.width)
        self.row_position = nn.Embedding(config.rows, config.width)
        self.col_position = nn.Embedding(config.cols, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.hidden, causal=True, dropout=config.dropout)
            for _ in range(config.layers)
        )
        self.norm = nn.RMSNorm(config.width)
        self.sentence = nn.Linear(config.sentence, config.width, bias=False) if config.sentence else None
        self.phrase = nn.Linear(config.sentence, config.width, bias=False) if config.phrases else None
        self.head = DigitHead(config.levels, config.width)
        for pattern in set(config.attention):
            mask = attention_mask(pattern, config.text_length, config.rows, config.cols, config.attention_kernel)
            self.register_buffer(f"mask_{pattern}", mask, persistent=False)
        init_transformer(self, config.layers)

    # --- training ---

    def forward(self, text: Tensor, tokens: Tensor, sentence: Tensor | None = None, shown: Tensor | None = None,
                phrases: Tensor | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
        """(B, T) text ids and (B, N) image tokens → negative log-likelihoods (B, T-1) and (B, N), in nats.

        A text position's loss is that of the following text token; every image token has one, the first being
        predicted from the last text position. `sentence` is (B, F) features of unit length, F being the config's; None
        where that is 0. `shown` (B, N) marks the image tokens that later ones may see; None shows all.
        `phrases` (B, N, F) are features of what stands in each image token's place, 0 where nothing does; None where
        the config has none.
        """
        self._check(text, tokens)
        digits = split_digits(tokens, self.config.levels)  # (B, N, D)
        shown = None if shown is None else shown[:, :-1]
        stream = self._stream(text, digits[:, :-1], self._told(sentence, phrases, len(text)), shown)  # (B, T+N-1, C)
        hidden = self._trunk(self.dropout(stream))
        T = text.shape[1]
        return self._text_losses(hidden[:, : T - 1], text[:, 1:]), self.head.losses(hidden[:, T - 1 :], digits)

    def _text_losses(self, hidden: Tensor, following: Tensor) -> Tensor:
        logits = hidden @ self.text_embedding.weight.T  # tied with the input embedding
        return F.cross_entropy(logits.flatten(0, 1).float(), following.flatten(), reduction="none").view_as(following)

    def _check(self, text: Tensor, tokens: Tensor) -> None:
        expected = (self.config.text_length, self.config.image_length)
        if (text.shape[1], tokens.shape[1]) != expected:
            raise ValueError(f"expected (text, image) lengths {expected}, got {(text.shape[1], tokens.shape[1])}")

    def _stream(self, text: Tensor, digits: Tensor, told: Tensor, shown: Tensor | None = None) -> Tensor:
        """(B, T) and (B, n, D) → (B, T+n, C). What a token is told stands one position before it."""
        words = self._embed_text(text)
        image = self._embed_image(digits, shown=shown) + told[:, 1 : digits.shape[1] + 1]
        return torch.cat([words[:, :-1], words[:, -1:] + told[:, :1], image], dim=1)

    def _told(self, sentence: Tensor | None, phrases: Tensor | None, batch: int) -> Tensor:
        """(B, F) and (B, N, F) → (B, N, C); a zero for each token where the config has neither."""
        N, F = self.config.image_length, self.config.sentence
        _check_features("sentence", sentence, (batch, F) if self.sentence is not None else None)
        _check_features("phrase", phrases, (batch, N, F) if self.phrase is not None else None)
        if self.sentence is None or sentence is None:
            return self.norm.weight.new_zeros(1, 1, 1).expand(batch, N, 1)
        told: Tensor = self.sentence(sentence * F**0.5).unsqueeze(1).expand(-1, N, -1)  # to a mean square of 1
        return told if self.phrase is None or phrases is None else told + self.phrase(phrases * F**0.5)

    def _embed_text(self, text: Tensor) -> Tensor:
        embedded: Tensor = self.text_embedding(text) + self.text_position.weight
        return embedded

    def _embed_image(self, digits: Tensor, start: int = 0, shown: Tensor | None = None) -> Tensor:
        """(B, n, D) digits of the tokens at start, start+1, … → (B, n, C). Of one not shown only the place is told."""
        place = torch.arange(start, start + digits.shape[1], device=digits.device)
        where = self.row_position(place // self.config.cols) + self.col_position(place % self.config.cols)
        seen: Tensor = self.image_embedding(digits)
        embedded: Tensor = where + (seen if shown is None else seen * shown.unsqueeze(-1))
        return embedded

    def _trunk(self, x: Tensor, cache: KVCache | None = None) -> Tensor:
        start = 0 if cache is None else cache.filled
        for layer, block in enumerate(self.blocks):
            x = block(x, cache, layer, self._mask(layer, start, start + x.shape[1]))
        if cache is not None:
            cache.filled += x.shape[1]
        out: Tensor = self.norm(x)
        return out

    def _mask(self, layer: int, start: int, end: int) -> Tensor | None:
        """What positions start…end-1 may look at, (n, end) bool; None for dense attention."""
        patterns = self.config.attention
        mask: Tensor | None = getattr(self, f"mask_{patterns[layer % len(patterns)]}")
        return None if mask is None else mask[start:end, :end]

    # --- decoding ---

    def prefill(self, text: Tensor, prefix: Tensor, sentence: Tensor | None = None, count: int = 1,
                phrases: Tensor | None = None, shown: Tensor | None = None) -> tuple[DecodeState, Tensor]:  # fmt: skip
        """(R, T) text ids, (R, P) given tokens, (R, F) sentence and (R, N, F) phrase features or None → the state of
        `count` pictures each, and the (R·count, L) logits of the next token's first digit. What pictures have in common
        is read once. `shown` (R, N) marks the image tokens that a row's later ones may see; None shows all.
        """
        config, told = self.config, self._told(sentence, phrases, len(text))
        given = None if shown is None else shown[:, : prefix.shape[1]]
        stream = self._stream(text, split_digits(prefix, config.levels), told, given)
        cache = KVCache(config.layers, len(text), config.heads, config.length, config.width // config.heads, stream)
        hidden = self._trunk(stream, cache)[:, -1]
        if count > 1:
            cache.repeat(count)
            hidden = hidden.repeat_interleave(count, dim=0)
            told = told.repeat_interleave(count, dim=0)
            shown = None if shown is None else shown.repeat_interleave(count, dim=0)
        state = DecodeState(cache, hidden, prefix.shape[1], [], told, shown)
        return state, self._digit_logits(state)

    def outlines(self, text: Tensor, sentence: Tensor | None = None, phrases: Tensor | None = None) -> Tensor:
        """(R, T) text ids, (R, F) sentence and (R, N, F) phrase features or None → (R, N, C) states for an Outline."""
        N = self.config.image_length
        digits = text.new_zeros(len(text), N - 1, len(self.config.levels))
        hidden_tokens = torch.zeros(len(text), N - 1, dtype=torch.bool, device=text.device)
        stream = self._stream(text, digits, self._told(sentence, phrases, len(text)), hidden_tokens)
        return self._trunk(stream)[:, text.shape[1] - 1 :]

    def forced_logits(self, text: Tensor, tokens: Tensor, sentence: Tensor | None = None,
                      phrases: Tensor | None = None, shown: Tensor | None = None) -> list[Tensor]:  # fmt: skip
        """(R, T) text ids, (R, N) tokens, (R, F) sentence and (R, N, F) phrase features or None → the (R, N, L) logits
        of each digit, given all that comes before it and is `shown` (R, N).
        """
        digits = split_digits(tokens, self.config.levels)
        shown = None if shown is None else shown[:, :-1]
        hidden = self._trunk(self._stream(text, digits[:, :-1], self._told(sentence, phrases, len(text)), shown))
        return list(self.head.forced_logits(hidden[:, text.shape[1] - 1 :], digits))

    def next_logits(self, state: DecodeState, digit: Tensor) -> Tensor:
        """Take the (R,) digit chosen; (R, L) logits of the next. A full token costs a pass of the trunk."""
        place = len(state.digits)
        state.digits.append(digit)
        if place + 1 < len(self.config.levels):
            state.hidden = state.hidden + self.head.embedding.one(digit, place)
        else:
            token = torch.stack(state.digits, dim=-1).unsqueeze(1)  # (R, 1, D)
            here = slice(state.position, state.position + 1)
            shown = None if state.shown is None else state.shown[:, here]
            embedded = self._embed_image(token, state.position, shown)
            state.position += 1
            told = state.told[:, state.position : state.position + 1]
            state.hidden = self._trunk(embedded + told, state.cache)[:, -1]
            state.digits = []
        return self._digit_logits(state)

    def _digit_logits(self, state: DecodeState) -> Tensor:
        state.hidden, logits = self.head.stage(state.hidden, len(state.digits))
        return logits


def _check_features(what: str, features: Tensor | None, expected: tuple[int, ...] | None) -> None:
    found = None if features is None else tuple(features.shape)
    if found != expected:
        raise ValueError(f"expected {what} features of shape {expected}, got {found}")
