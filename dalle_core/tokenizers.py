"""Text ↔ ids: byte-level BPE over English and Chinese. Knows no network; the `tokenizers` library does the work.

Source: Sennrich et al. (1508.07909) for BPE, on bytes as in GPT-2; Provilkov et al. (1910.13267) for BPE dropout.
"""

import json
import random
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from dalle_core.errors import CheckpointError
from dalle_core.glossary import Glossary

PAD, END = "<pad>", "<end>"
WORDS = re.compile(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+")  # a Chinese character is a word of its own


@dataclass(frozen=True)
class EncodedText:
    """`ids` (text_length,): the text, an end mark, padding. `cut` is what did not fit, or empty."""

    ids: tuple[int, ...]
    cut: str


class TextTokenizer:
    """A trained BPE with a fixed text length, which reads names by a glossary."""

    def __init__(self, tokenizer: Tokenizer, text_length: int, glossary: Glossary | None = None) -> None:
        self.library = tokenizer
        self.text_length = text_length
        self.glossary = glossary or Glossary()
        self.pad_id = _required_id(tokenizer, PAD)
        self.end_id = _required_id(tokenizer, END)
        merges = json.loads(tokenizer.to_str())["model"]["merges"]
        self._ranks = {tuple(pair): rank for rank, pair in enumerate(merges)}

    @property
    def vocab_size(self) -> int:
        size: int = self.library.get_vocab_size()
        return size

    def encode(self, text: str) -> EncodedText:
        """Text that is too long is cut at the end of a word."""
        kept, cut = cut_to_fit(text, lambda part: len(self._ids(part)) < self.text_length)
        return EncodedText(self._padded(self._ids(kept)), cut)

    def encode_with_dropout(self, text: str, dropout: float, seed: int) -> tuple[int, ...]:
        """Like `encode`, each merge skipped with probability `dropout`; seeded, as the library's own cannot be."""
        rng = random.Random(seed)
        normal = self.library.normalizer.normalize_str(self.glossary.read(text))
        pieces = [piece for piece, _ in self.library.pre_tokenizer.pre_tokenize_str(normal)]
        ids = [_required_id(self.library, part) for piece in pieces for part in self._merge(piece, dropout, rng)]
        return self._padded(ids[: self.text_length - 1])

    def batch(self, texts: Iterable[str]) -> Tensor:
        """Texts → (B, text_length) int64, whatever does not fit cut off."""
        return torch.tensor([self.encode(text).ids for text in texts], dtype=torch.int64)

    def decode(self, ids: Iterable[int]) -> str:
        text: str = self.library.decode([i for i in ids if i not in (self.pad_id, self.end_id)])
        return text.strip()

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.library.encode(self.glossary.read(text)).ids
        return ids

    def _padded(self, ids: list[int]) -> tuple[int, ...]:
        return (*ids, self.end_id, *[self.pad_id] * (self.text_length - len(ids) - 1))

    def _merge(self, piece: str, dropout: float, rng: random.Random) -> list[str]:
        """BPE of one word: again and again the best-ranked pair that is not dropped this round."""
        parts = list(piece)
        while len(parts) > 1:
            pairs = [(self._ranks[pair], i) for i in range(len(parts) - 1)
                     if (pair := (parts[i], parts[i + 1])) in self._ranks and rng.random() >= dropout]  # fmt: skip
            if not pairs:
                break
            _, i = min(pairs)
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        return parts

    # --- files ---

    def save(self, path: Path) -> None:
        self.library.save(str(path))

    @classmethod
    def load(
        cls, path: Path, text_length: int, vocab_size: int | None = None, glossary: Glossary | None = None
    ) -> "TextTokenizer":
        """Given the model's `vocab_size`, refuses a tokenizer of another size."""
        library = read_tokenizer(path)
        if vocab_size is not None and library.get_vocab_size() != vocab_size:
            raise CheckpointError(
                f"{path.name}: expected a vocabulary of {vocab_size}, as the model has; "
                f"found {library.get_vocab_size()}"
            )
        return cls(library, text_length, glossary)


def read_tokenizer(path: Path) -> Tokenizer:
    """The library's own file, or a CheckpointError."""
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise CheckpointError(f"{path.name}: not a readable tokenizer ({error})") from error


def cut_to_fit(text: str, fits: Callable[[str], bool]) -> tuple[str, str]:
    """As much of a text as `fits`, cut at the end of a word, and what was left out."""
    if fits(text):
        return text, ""
    ends = [0, *(match.end() for match in WORDS.finditer(text))]
    end = ends[bisect_left(ends[1:], True, key=lambda end: not fits(text[:end]))]
    return text[:end], text[end:].strip()


def without_marks(library: Tokenizer, text: str) -> str:
    """A text without the tokenizer's own marks, such as the one that ends a text: spelled out, they are no words."""
    marks = sorted((token.content for token in library.get_added_tokens_decoder().values()), key=len, reverse=True)
    for mark in marks:
        text = text.replace(mark, " ")
    return text


def _required_id(tokenizer: Tokenizer, token: str) -> int:
    found: int | None = tokenizer.token_to_id(token)
    if found is None:
        raise CheckpointError(f"the tokenizer lacks {token}; it belongs to another model")
    return found


def train_tokenizer(texts: Iterable[str], vocab_size: int, text_length: int) -> TextTokenizer:
    """Learn the merges. Chinese characters are kept apart, so a phrase never hides the words it is made of."""
    library = Tokenizer(models.BPE())
    library.normalizer = normalizers.Sequence([
        normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip(),
    ])  # fmt: skip
    library.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"[\u3400-\u9fff]"), "isolated"),
        pre_tokenizers.Split(Regex(r"\s+"), "removed"),
        pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True),
    ])  # fmt: skip
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        show_progress=False,
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    library.train_from_iterator(texts, trainer)
    return TextTokenizer(library, text_length)
