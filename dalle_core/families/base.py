"""What every checkpoint family implements, so that nothing above needs to know which one is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How a model's publishers draw from it; the names are those of a request."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    guidance_scale: float = 1.0


@dataclass(frozen=True)
class ModelSpec:
    """What there is to know about a model before using it.

    `levels` are the digits one image token is written in, most significant first: (K,) for a plain codebook of K
    codes; (8, 8, 8, 6, 5) for FSQ codes that are predicted digit by digit. `sha256` is that of all
    files that decide what is painted. `preview_rows` is after how many token rows the unfinished picture is worth
    decoding; a `text_length` of 0 says that no text is read: a tokenizer alone. `reranker` names the
    one that suits a model which brings none of its own; `sampling` is None for one that suits this project's defaults.
    """

    name: str
    family: str
    image_size: int
    rows: int
    cols: int
    levels: tuple[int, ...]
    text_length: int
    languages: tuple[str, ...]
    licence: str
    can_encode: bool
    sha256: str
    styles: tuple[str, ...] = ()
    preview_rows: int = 1
    reranker: str = ""
    sampling: Sampling | None = None

    @property
    def codebook_size(self) -> int:
        return prod(self.levels)

    @property
    def token_count(self) -> int:
        return self.rows * self.cols


@dataclass(frozen=True)
class Conditioning:
    """Encoded prompts: one, or two when guidance is on (the second is steered away from).

    `notes` are things the artist should know, such as a prompt that was cut. `kinds` is how many things a picture is
    painted of one by one, each of which takes about as long as a picture.
    """

    prompts: tuple[str, ...]
    value: Any
    notes: tuple[str, ...] = ()
    kinds: int = 1


@dataclass
class Pace:
    """The last measured speed of a model: seconds a token row took, by batch width, for each kind of thing that was
    painted by itself. Used for honest time left.
    """

    seconds_per_row: dict[int, float] = field(default_factory=dict)


class ImageTokenizer(Protocol):
    """Turns pictures into tokens and back. One that paints as well is an ImageModel."""

    @property
    def spec(self) -> ModelSpec: ...

    def image_to_tokens(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] → (B, rows·cols) int64."""
        ...

    def tokens_to_images(self, tokens: Tensor, filled: int) -> Tensor:
        """(B, rows·cols) int64, of which the first `filled` are real, → (B, 3, H, W) in [0, 1], on the CPU."""
        ...


class ImageModel(ImageTokenizer, Protocol):
    """An autoregressive text-to-image model. B is the batch's width, P the prefix's length in tokens."""

    @property
    def pace(self) -> Pace: ...

    def encode_prompts(self, prompts: Sequence[str]) -> Conditioning:
        """One prompt, or two for guidance. The empty prompt is the unconditional one."""
        ...

    def prefill(self, conditioning: Conditioning, prefix_tokens: Tensor, count: int) -> tuple[Any, Tensor]:
        """Run prompt and (P,) int64 given tokens once for `count` pictures → (state, logits).

        Logits are (G, B, L): G is 1, or 2 with guidance (conditional, then unconditional); L is the number of values
        of the digit that comes next.
        """
        ...

    def next_logits(self, state: Any, digits: Tensor) -> Tensor:
        """Take the (B,) digits chosen; give the (G, B, L) logits of the next digit, of this token or of the next."""
        ...

    def forced_logits(self, conditioning: Conditioning, tokens: Tensor) -> tuple[Tensor, ...]:
        """Teacher forcing: what would be said of a picture of (N,) int64 tokens, in one pass.

        For each digit of a token its (G, N, L) logits at all tokens, each given all that comes before it.
        """
        ...


class Reranker(Protocol):
    """Scores how well pictures match a text, or how much they are like another picture."""

    @property
    def name(self) -> str: ...

    @property
    def surprisal_weight(self) -> float:
        """What each nat a token, by which a picture surprises the model that painted it, counts against its score in
        ranking by the words it was painted to; 0 for nothing.
        """
        ...

    def score(self, images: Tensor, text: str) -> Tensor:
        """(B, 3, H, W) in [0, 1] and one text → (B,) similarity, higher is a better match."""
        ...

    def likeness(self, images: Tensor, picture: Tensor) -> Tensor:
        """(B, 3, H, W) and one (3, H, W), all in [0, 1] → (B,) similarity, higher is more alike."""
        ...

    def notes(self, text: str) -> tuple[str, ...]:
        """Things the artist should know about ranking by this text, such as that it is too long to be read whole."""
        ...

    def percentile(self, score: float) -> float | None:
        """Share (0..100) of random picture-text pairs that score lower, or None where it was never measured."""
        ...
