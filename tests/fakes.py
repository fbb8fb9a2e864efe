"""A model and a reranker without networks: quick, deterministic, and with faults on demand."""

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from app.settings import Settings, load_settings
from app.studio import Studio
from dalle_core.families.base import Conditioning, ModelSpec, Pace

SPEC = ModelSpec(
    name="fake",
    family="fake",
    image_size=64,
    rows=8,
    cols=8,
    levels=(8, 8, 8, 6, 5),
    text_length=24,
    languages=("en", "zh"),
    licence="MIT",
    can_encode=True,
    sha256="f" * 64,
    styles=("noto", "pixel"),
)
QUICK_SPEC = replace(SPEC, rows=4, cols=4, levels=(8, 8, 8))  # a seventh of the steps, for tests that count seconds


class FakeReranker:
    """Prefers light pictures; the text only shifts every score. Pictures are alike where their pixels are."""

    name = "fake-clip"
    surprisal_weight = 0.0

    def score(self, images: Tensor, text: str) -> Tensor:
        return images.mean((1, 2, 3)) + (zlib.crc32(text.encode()) % 100) / 1000

    def likeness(self, images: Tensor, picture: Tensor) -> Tensor:
        return 1 - (images - picture).abs().mean((1, 2, 3))

    def notes(self, text: str) -> tuple[str, ...]:
        return ()

    def percentile(self, score: float) -> float | None:
        return max(0.0, min(100.0, 100 * score))


@dataclass
class FakeState:
    """Where decoding stands, and the logits of every digit to come: (digits, B, 8)."""

    digit: int
    logits: Tensor


@dataclass
class FakeModel:
    """An ImageModel whose pictures are coloured squares, one a token, drawn from noise seeded by the prompt.

    The first three digits of a token are its red, green and blue, of 8 levels each.

    `step_seconds` slows each digit down; `fail_at` raises `failure` at that digit of a micro-batch (0 is the first).
    """

    step_seconds: float = 0.0
    fail_at: int | None = None
    failure: BaseException = field(default_factory=lambda: RuntimeError("the fake model broke"))
    fail_on: str = ""  # only for prompts that hold this text
    reranker: FakeReranker = field(default_factory=FakeReranker)
    pace: Pace = field(default_factory=Pace)
    spec: ModelSpec = SPEC

    def encode_prompts(self, prompts: Sequence[str]) -> Conditioning:
        notes = ("The prompt was cut after 24 tokens.",) if len(prompts[0].split()) > self.spec.text_length else ()
        return Conditioning(tuple(prompts), None, notes)

    def image_to_tokens(self, images: Tensor) -> Tensor:
        cells = torch.nn.functional.adaptive_avg_pool2d(images, (self.spec.rows, self.spec.cols))  # (B, 3, rows, cols)
        red, green, blue = (cells * 7).round().long().flatten(2).unbind(1)  # (B, rows·cols) each
        return ((red * 8 + green) * 8 + blue) * prod(self.spec.levels[3:])

    def tokens_to_images(self, tokens: Tensor, filled: int) -> Tensor:
        colours = tokens // prod(self.spec.levels[3:])
        digits = torch.stack([colours // 64, colours // 8 % 8, colours % 8], 1)  # (B, 3, rows·cols)
        cells = digits / 7
        cells[..., filled:] = 0.5
        grid = cells.view(-1, 3, self.spec.rows, self.spec.cols)
        return torch.nn.functional.interpolate(grid, size=self.spec.image_size, mode="nearest")

    def prefill(self, conditioning: Conditioning, prefix_tokens: Tensor, count: int) -> tuple[FakeState, Tensor]:
        logits = self._noise(conditioning).expand(-1, -1, count, -1)  # (digits, G, B, 8)
        state = FakeState(len(prefix_tokens) * len(self.spec.levels), 3 * logits)
        return state, self._logits(state, conditioning.prompts[0])

    def next_logits(self, state: FakeState, digits: Tensor) -> Tensor:
        state.digit += 1
        return self._logits(state, "")

    def forced_logits(self, conditioning: Conditioning, tokens: Tensor) -> tuple[Tensor, ...]:
        """The noise minds no token."""
        levels, noise = self.spec.levels, 3 * self._noise(conditioning)  # (digits, G, 1, 8)
        at = noise[:, :, 0].unflatten(0, (-1, len(levels))).transpose(0, 2)  # (G, D, N, 8)
        return tuple(at[:, place, :, :level] for place, level in enumerate(levels))

    def _noise(self, conditioning: Conditioning) -> Tensor:
        digits = self.spec.token_count * len(self.spec.levels)
        noise = [
            torch.randn(digits, 1, 8, generator=torch.Generator().manual_seed(zlib.crc32(prompt.encode())))
            for prompt in conditioning.prompts
        ]
        return torch.stack(noise, 1)

    def _logits(self, state: FakeState, prompt: str) -> Tensor:
        if self.step_seconds:
            time.sleep(self.step_seconds)
        if self.fail_at == state.digit or (self.fail_on and self.fail_on in prompt):
            raise self.failure
        levels = self.spec.levels
        return state.logits[state.digit][..., : levels[state.digit % len(levels)]]


def fake_settings(tmp_path: Path, **flags: object) -> Settings:
    """Settings whose data folder lies under `tmp_path` and whose model is the fake one."""
    return load_settings({"data_dir": tmp_path / "data", "model": "fake", "device": "cpu", **flags}, {})


def fake_loader(model: FakeModel | None = None) -> Callable[[Path, torch.device], FakeModel]:
    """What Studio takes as `load_model`."""
    return lambda folder, device: FakeModel() if model is None else model


def fake_studio(tmp_path: Path, model: FakeModel | None = None, **flags: object) -> Studio:
    """A started Studio over a fake model. The caller closes it; a second one on the same folder sees its history."""
    studio = Studio(fake_settings(tmp_path, **flags), load_model=fake_loader(model))
    studio.start()
    return studio
