"""An ImageModel without networks, for tests of the generation loop: every value of every digit is equally likely.

Its clock is its own: each step takes one second of `clock`, nothing else takes any.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dalle_core.families.base import Conditioning, ModelSpec, Pace

SPEC = ModelSpec(
    name="uniform",
    family="mock",
    image_size=8,
    rows=4,
    cols=3,
    levels=(3, 2),
    text_length=8,
    languages=("en",),
    licence="MIT",
    can_encode=False,
    sha256="0" * 64,
)
STEPS = SPEC.token_count * len(SPEC.levels)


@dataclass
class UniformModel:
    """`widths` are the widths of its micro-batches, `prompts` what it was given, `steps` how many steps it took."""

    spec: ModelSpec = SPEC
    pace: Pace = field(default_factory=Pace)
    notes: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    widths: list[int] = field(default_factory=list)
    prefixes: list[list[int]] = field(default_factory=list)
    previewed: list[tuple[int, int]] = field(default_factory=list)
    steps: int = 0

    def clock(self) -> float:
        return float(self.steps)

    def encode_prompts(self, prompts: Sequence[str]) -> Conditioning:
        self.prompts = tuple(prompts)
        return Conditioning(self.prompts, len(prompts), self.notes)

    def image_to_tokens(self, images: Tensor) -> Tensor:
        raise AssertionError("the generation loop has no business encoding pictures")

    def tokens_to_images(self, tokens: Tensor, filled: int) -> Tensor:
        """The share of each token value in a picture's red, so that different tokens give different pictures."""
        self.previewed.append((len(tokens), filled))
        known = torch.where(torch.arange(self.spec.token_count) < filled, tokens, 0)
        place = torch.arange(1, self.spec.token_count + 1)
        value = (known * place).sum(1) / (self.spec.codebook_size * place.sum())
        return value.view(-1, 1, 1, 1).expand(-1, 3, 8, 8)

    def prefill(self, conditioning: Conditioning, prefix_tokens: Tensor, count: int) -> tuple["UniformState", Tensor]:
        self.widths.append(count)
        self.prefixes.append(prefix_tokens.tolist())
        state = UniformState(conditioning.value, count, len(prefix_tokens) * len(self.spec.levels))
        return state, self._logits(state)

    def next_logits(self, state: "UniformState", digits: Tensor) -> Tensor:
        previous = self.spec.levels[state.digit % len(self.spec.levels)]
        assert digits.shape == (state.width,)
        assert bool(((digits >= 0) & (digits < previous)).all())
        state.digit += 1
        return self._logits(state)

    def forced_logits(self, conditioning: Conditioning, tokens: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.zeros(conditioning.value, len(tokens), level) for level in self.spec.levels)

    def _logits(self, state: "UniformState") -> Tensor:
        self.steps += 1
        return torch.zeros(state.groups, state.width, self.spec.levels[state.digit % len(self.spec.levels)])


@dataclass
class UniformState:
    groups: int
    width: int
    digit: int


class RedReranker:
    """Prefers red, or as much red as another picture has. Remembers the texts it was asked about."""

    name = "red"

    def __init__(self, surprisal_weight: float = 0.0) -> None:
        self.surprisal_weight = surprisal_weight
        self.texts: list[str] = []

    def score(self, images: Tensor, text: str) -> Tensor:
        self.texts.append(text)
        return images[:, 0].mean((1, 2))

    def likeness(self, images: Tensor, picture: Tensor) -> Tensor:
        return -(images[:, 0].mean((1, 2)) - picture[0].mean()).abs()

    def notes(self, text: str) -> tuple[str, ...]:
        return tuple(f"red reads one word of “{text}”" for _ in text.split()[1:2])

    def percentile(self, score: float) -> float | None:
        return None
