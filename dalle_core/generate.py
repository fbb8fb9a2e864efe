"""The one generation loop: a request in, a stream of events out. UI, command line, benchmarks and tests all use it.

Knows no family, no widgets and no files. Works in micro-batches of one width, the last one padded, since floating
point depends on the width and the row: a picture painted again in the same row of as wide a batch comes out the same.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from dalle_core.errors import RequestError
from dalle_core.families.base import Conditioning, ImageModel, Reranker
from dalle_core.quantizers import split_digits
from dalle_core.request import GenerationRequest
from dalle_core.sampling import combine_guidance, sample, surprisal, uniform_streams
from dalle_core.variation import Pull, fixed_firmness, measured_firmness

__all__ = [
    "Candidate",
    "CandidateFinished",
    "Event",
    "Finished",
    "GenerationRequest",
    "Preview",
    "Progress",
    "Started",
    "check",
    "generate",
    "measure_pace",
    "never",
    "ranked",
    "rerank",
    "wanted",
]

MEASURED_STEPS, MEASURED_SECONDS = 8, 0.4  # at most, to learn a pace


@dataclass(frozen=True)
class Candidate:
    """One finished picture. `image` is (3, H, W) in [0, 1]; `score` and `rank` (1 is best) are None until reranked.

    `surprisal` is in nats a token: −log p of what was painted, by the model's logits for the prompt before guidance,
    shared among all of a picture's tokens. None where it is not known, as of what an earlier run painted.
    """

    index: int
    seed: int
    tokens: Tensor  # (rows·cols,) int64
    image: Tensor
    seconds: float
    surprisal: float | None = None
    score: float | None = None
    rank: int | None = None


@dataclass(frozen=True)
class Started:
    """The first event. `notes` are things to show the artist, such as a prompt that was cut."""

    request: GenerationRequest
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Progress:
    """`row` of `rows` token rows of the micro-batch are done; `finished` of `count` candidates are complete.

    The micro-batch holds candidates first, first + 1, …
    """

    first: int
    finished: int
    count: int
    row: int
    rows: int
    seconds_left: float | None


@dataclass(frozen=True)
class Preview:
    """The pictures of the running micro-batch as they stand: (B, 3, H, W) for candidates first, first + 1, …"""

    first: int
    row: int
    images: Tensor


@dataclass(frozen=True)
class CandidateFinished:
    candidate: Candidate


@dataclass(frozen=True)
class Finished:
    """The last event. Candidates best first (by index where there is no rank); `cancelled` when cut short."""

    candidates: tuple[Candidate, ...]
    seconds: float
    cancelled: bool = False


Event = Started | Progress | Preview | CandidateFinished | Finished


def never() -> bool:
    return False


def generate(
    model: ImageModel,
    request: GenerationRequest,
    reranker: Reranker | None = None,
    cancelled: Callable[[], bool] = never,
    *,
    previews: bool = True,
    earlier: Sequence[Candidate] = (),
) -> Iterator[Event]:
    """Paint `request` with `model`. Cancelling takes effect within one decode step and keeps finished candidates.

    `previews` off saves decoding the picture after every row, for who only waits for the end. `earlier` are candidates
    that an earlier run of this request finished: only the others are painted, as they would have come out then, and all
    are ranked together.

    Raises RequestError, before anything is painted, where the request does not fit the model.
    """
    check(model, request)
    conditioning = model.encode_prompts(_prompts(request))
    yield Started(request, conditioning.notes + _ranking_notes(reranker, request))
    started = time.monotonic()
    painter = _Painter(model, request, conditioning, cancelled, previews, frozenset(each.index for each in earlier))
    finished = list(earlier)
    for first in painter.starts:
        yield from painter.paint(first)
        if painter.stopped:
            break
        finished += painter.batch
        yield from (CandidateFinished(candidate) for candidate in painter.batch)
    finished.sort(key=lambda candidate: candidate.index)
    cut_short = painter.stopped or cancelled()
    if reranker is not None and finished and not cut_short:
        finished = ranked(model, request, reranker, finished, conditioning)
    yield Finished(tuple(finished), time.monotonic() - started, cut_short)


def _ranking_notes(reranker: Reranker | None, request: GenerationRequest) -> tuple[str, ...]:
    text = request.rerank_text or request.prompt
    return reranker.notes(text) if reranker is not None and text.strip() else ()


def wanted(model: ImageModel, request: GenerationRequest) -> str | Tensor:
    """What the request's candidates are ranked by: a text, or where it has none the varied picture, (3, H, W)."""
    text = request.rerank_text or request.prompt
    if text.strip():
        return text
    return model.tokens_to_images(torch.tensor([request.source_tokens]), model.spec.token_count)[0]


def rerank(
    reranker: Reranker, wanted: str | Tensor, candidates: Sequence[Candidate], surprisal_weight: float = 0.0
) -> list[Candidate]:
    """The same candidates with scores and ranks, best first; equals keep their order.

    A score is the match alone. Ranks count surprisal, too, by that weight; then it has to be known of all of them.
    """
    images = torch.stack([candidate.image for candidate in candidates])
    scored = reranker.score(images, wanted) if isinstance(wanted, str) else reranker.likeness(images, wanted)
    scores = scored.tolist()
    merits = [
        score - surprisal_weight * (each.surprisal or 0.0) for score, each in zip(scores, candidates, strict=True)
    ]
    order = sorted(range(len(candidates)), key=lambda i: (-merits[i], candidates[i].index))
    return [replace(candidates[i], score=float(scores[i]), rank=rank) for rank, i in enumerate(order, start=1)]


def ranked(
    model: ImageModel,
    request: GenerationRequest,
    reranker: Reranker,
    candidates: Sequence[Candidate],
    conditioning: Conditioning | None = None,
) -> list[Candidate]:
    """What this model painted of `request`, by what that is ranked by; best first.

    Surprisal counts for what was painted freely to the words it is ranked by. Where it is unknown it is found again, by
    a pass over the tokens, to some 1e-4 nats. Without a `conditioning` the prompts are read anew.
    """
    target = wanted(model, request)
    own_words = isinstance(target, str) and target == request.prompt
    weight = reranker.surprisal_weight if own_words and not request.varies else 0.0
    if weight and any(candidate.surprisal is None for candidate in candidates):
        read = model.encode_prompts(_prompts(request)) if conditioning is None else conditioning
        candidates = [_with_surprisal(model, request, read, candidate) for candidate in candidates]
    return rerank(reranker, target, candidates, weight)


def _with_surprisal(
    model: ImageModel, request: GenerationRequest, conditioning: Conditioning, candidate: Candidate
) -> Candidate:
    if candidate.surprisal is not None:
        return candidate
    given = len(request.prefix_tokens)
    digits = split_digits(candidate.tokens, model.spec.levels)[given:]  # (N − P, D)
    forced = model.forced_logits(conditioning, candidate.tokens)
    nats = sum(surprisal(logits[:, given:], digit).sum().item() for logits, digit in zip(forced, digits.T, strict=True))
    return replace(candidate, surprisal=nats / model.spec.token_count)


def _prompts(request: GenerationRequest) -> list[str]:
    """One where there is nothing to be guided away from, else two."""
    guided = request.guidance_scale != 1 and request.prompt != request.negative_prompt
    return [request.prompt, request.negative_prompt] if guided else [request.prompt]


def measure_pace(model: ImageModel, request: GenerationRequest) -> None:
    """Time the request's first few steps, for an estimate before anything was painted. What they write is dropped."""
    times: list[float] = []

    def enough() -> bool:
        times.append(time.monotonic())
        return len(times) > MEASURED_STEPS or (len(times) > 2 and times[-1] - times[0] > MEASURED_SECONDS)

    conditioning = model.encode_prompts(_prompts(request))
    painter = _Painter(model, request, conditioning, enough, previews=False, done=frozenset())
    for _ in painter.paint(0):
        pass
    if painter.stopped:
        step = (times[-1] - times[1]) / (len(times) - 2)  # the first one reads the prompt, too
        row = step * model.spec.cols * len(model.spec.levels)
        model.pace.seconds_per_row[request.batch_width] = row / conditioning.kinds


def check(model: ImageModel, request: GenerationRequest) -> None:
    """Raises RequestError where the tokens that are given do not fit the model: whole rows of valid ones at the top,
    which leave something to paint; of a picture that is varied, all.
    """
    spec, prefix, source = model.spec, request.prefix_tokens, request.source_tokens
    if len(prefix) % spec.cols or len(prefix) >= spec.token_count:
        raise RequestError(
            f"The kept top holds {len(prefix)} tokens; {spec.name} needs whole rows of {spec.cols}, "
            f"at most {spec.rows - 1} rows."
        )
    if request.varies and not source:
        raise RequestError("There is no picture to vary. Choose one, or set the strength to 1.")
    if source and len(source) != spec.token_count:
        raise RequestError(
            f"The picture to vary has {len(source)} tokens; pictures of {spec.name} have {spec.token_count}."
        )
    for what, given in (("kept tokens", prefix), ("tokens of the picture to vary", source)):
        if given and not 0 <= min(given) <= max(given) < spec.codebook_size:
            raise RequestError(f"The {what} must lie in 0..{spec.codebook_size - 1}, the codebook of {spec.name}.")


def _pull(model: ImageModel, request: GenerationRequest, conditioning: Conditioning) -> Pull:
    """Towards the source, as firmly as its strength asks of this model for these words, below what is given."""
    source, levels = torch.tensor(request.source_tokens), model.spec.levels
    if request.strength_version == 1:
        return Pull(source, levels, fixed_firmness(request.strength))
    given = len(request.prefix_tokens)
    tokens = torch.cat([torch.tensor(request.prefix_tokens, dtype=torch.int64), source[given:]])
    forced = [
        combine_guidance(logits[:, given:].float(), request.guidance_scale)
        for logits in model.forced_logits(conditioning, tokens)
    ]
    return Pull(
        source, levels, measured_firmness(request.strength, forced, source[given:], levels, request.temperature)
    )


@dataclass
class _Painter:
    """Paints one micro-batch at a time, telling how far it is."""

    model: ImageModel
    request: GenerationRequest
    conditioning: Conditioning
    cancelled: Callable[[], bool]
    previews: bool
    done: frozenset[int]  # candidates that are there already
    batch: list[Candidate] = field(default_factory=list)
    stopped: bool = False

    def __post_init__(self) -> None:
        """A micro-batch that lacks any candidate is painted whole: each keeps its row beside the same others."""
        request, count, width = self.request, self.request.count, self.request.batch_width
        lacking = set(range(count)) - self.done
        self.starts = sorted({index - index % width for index in lacking})
        self.left = len(self.starts)
        self.finished = len(self.done)
        self.prefix = torch.tensor(request.prefix_tokens, dtype=torch.int64)
        self.pull = _pull(self.model, request, self.conditioning) if request.varies else None

    def paint(self, first: int) -> Iterator[Event]:
        """Candidates first, first + 1, …: progress and a preview after each row; `batch` holds the new ones then."""
        spec, width = self.model.spec, self.request.batch_width
        real = min(width, self.request.count - first)
        slot = self.request.slot
        shown = slice(slot, slot + real)  # the other rows are padding, painted and thrown away
        seeds = [self.request.seed + first + min(max(i - slot, 0), real - 1) for i in range(width)]
        tokens = torch.zeros(width, spec.token_count, dtype=torch.int64)
        tokens[:, : len(self.prefix)] = self.prefix
        nats = torch.zeros(width, dtype=torch.float64)
        kept, started = len(self.prefix) // spec.cols, time.monotonic()
        yield self._progress(first, kept, started)
        if kept:
            yield from self._preview(first, kept, tokens, shown)
        for row in self._write_rows(tokens, nats, seeds):
            if row < spec.rows:
                yield self._progress(first, row, started)
                if row % spec.preview_rows == 0:
                    yield from self._preview(first, row, tokens, shown)
        if self.stopped:
            return
        images = self.model.tokens_to_images(tokens, spec.token_count)[shown]
        spent = time.monotonic() - started
        self.model.pace.seconds_per_row[width] = spent / (spec.rows - kept) / self.conditioning.kinds
        surprisals = (nats[shown] / spec.token_count).tolist()
        self.batch = [
            Candidate(first + i, seeds[slot + i], tokens[slot + i], images[i], spent / real, surprisals[i])
            for i in range(real)
            if first + i not in self.done
        ]
        self.finished += len(self.batch)
        self.left -= 1
        yield self._progress(first, spec.rows, started)

    def _preview(self, first: int, row: int, tokens: Tensor, shown: slice) -> Iterator[Preview]:
        if self.previews:
            yield Preview(first, row, self.model.tokens_to_images(tokens, row * self.model.spec.cols)[shown])

    def _write_rows(self, tokens: Tensor, nats: Tensor, seeds: list[int]) -> Iterator[int]:
        """Write (B, rows·cols) `tokens` in place behind the prefix, and add to the (B,) `nats` by which they surprise;
        yields how many rows are full.
        """
        model, request, spec = self.model, self.request, self.model.spec
        draws = uniform_streams(seeds, spec.token_count * len(spec.levels)).view(*tokens.shape, len(spec.levels))
        state: Any = None
        chosen = tokens[:, 0]
        for position in range(len(self.prefix), spec.token_count):
            for digit, level in enumerate(spec.levels):
                if self.cancelled():
                    self.stopped = True
                    return
                if state is None:
                    state, logits = model.prefill(self.conditioning, self.prefix, len(tokens))
                else:
                    logits = model.next_logits(state, chosen)
                chosen = sample(
                    logits,
                    draws[:, position, digit],
                    guidance_scale=request.guidance_scale,
                    temperature=request.temperature,
                    top_k=request.top_k,
                    top_p=request.top_p,
                    pull=None if self.pull is None else self.pull(position, digit),
                ).cpu()
                nats += surprisal(logits, chosen)
                tokens[:, position] = tokens[:, position] * level + chosen
            if (position + 1) % spec.cols == 0:
                yield (position + 1) // spec.cols

    def _progress(self, first: int, row: int, started: float) -> Progress:
        spec, request = self.model.spec, self.request
        kept = len(self.prefix) // spec.cols
        done = row - kept
        complete = row == spec.rows
        known = self.model.pace.seconds_per_row.get(request.batch_width)
        each = (time.monotonic() - started) / done if done else known and known * self.conditioning.kinds
        rows_left = self.left * (spec.rows - kept) - (0 if complete else done)
        left = None if each is None else max(0.0, each * rows_left)
        return Progress(first, self.finished, request.count, row, spec.rows, left)
