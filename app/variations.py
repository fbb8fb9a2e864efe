"""Variations of a picture: queued by strength, and where each departs from what it varies. Knows no widgets.

The picture may be one of the history or a foreign one; with no words to it, results are ranked by likeness.
"""

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from app.errors import NotFound
from app.history import History
from app.models import OWN_SAMPLING
from app.sources import WHOLE, Source, Sources, painted
from app.views import IMPORT, VARIATION, Departure
from app.worker import Worker
from dalle_core.request import STRENGTH_VERSION, GenerationRequest

if TYPE_CHECKING:
    from dalle_core.families.base import ImageModel, ModelSpec

MORE_LIKE_THIS = 0.5  # the strength where nobody said another
COUNT, KEEP = 9, 4
RANDOM_SEEDS = 2**32

Submit = Callable[[GenerationRequest, str, str | None, str | None], str]


class Variations:
    """Of one studio's pictures. `submit` queues a request: its kind, the picture it is about, its tokens' model."""

    def __init__(self, history: History, worker: Worker, sources: Sources, submit: Submit) -> None:
        self._history = history
        self._worker = worker
        self._sources = sources
        self._submit = submit

    def start(self, request: GenerationRequest, source: Source) -> str:
        """Queue variations of `source`, as strong as `request` says; returns the job's id. Raises RequestError."""
        given = replace(request, source_tokens=source.tokens)
        return self._submit(given, VARIATION, source.parent_id, source.model_sha256)

    def more_like(self, image_id: str, strength: float = MORE_LIKE_THIS) -> str:
        """Queue variations of a picture of the history by its own prompt and settings; returns the job's id.

        Of a picture by another model, its settings are those that suit this one. One that came from elsewhere has only
        a name: its variations go by likeness. Waits for the model. Raises NotFound, RequestError, ImageError or
        CheckpointError.
        """
        row, status = self._history.image(image_id), self._worker.status
        own = GenerationRequest("", strength=strength) if row.kind == IMPORT else row.request
        if row.model != status.name:
            own = replace(own, **asdict(status.sampling or OWN_SAMPLING))
        request = replace(
            own, strength=strength, count=COUNT, keep=KEEP, seed=secrets.randbelow(RANDOM_SEEDS), batch_width=0, slot=0,
            prefix_tokens=(), rerank_text=None, strength_version=STRENGTH_VERSION,
        )  # fmt: skip
        return self.start(request, self._sources.prepare(None, image_id, None, WHOLE))

    def varied(self, image_id: str) -> str | None:
        """The picture that this one varies; None for any other, and where that is gone or was not taken whole."""
        row = self._history.image(image_id)
        if not row.request.varies:
            return None
        for edge in self._history.edges(image_id):
            with contextlib.suppress(NotFound):
                parent = self._history.image(edge.parent_id)
                if parent.tokens == row.request.source_tokens and parent.model_sha256 == row.model_sha256:
                    return parent.id
        return None

    def departure(self, image_id: str) -> Departure | None:
        """Where a variation departs from its original; None for any other picture, and one of another model's."""
        row, spec = self._history.image(image_id), self._worker.status.spec
        source = row.request.source_tokens
        if spec is None or row.model_sha256 != spec.sha256 or not (_fits(source, spec) and _fits(row.tokens, spec)):
            return None
        import torch

        from dalle_core.variation import departure

        shares = departure(torch.tensor(row.tokens), torch.tensor(source), spec.levels)
        return Departure(spec.rows, spec.cols, tuple(shares.tolist()))

    def original(self, job_id: str) -> bytes:
        """PNG of the picture that a job varies, as the model has it. Raises NotFound, CheckpointError, StudioClosed."""
        row = self._history.job(job_id)
        tokens = row.request.source_tokens

        def paint(model: "ImageModel") -> bytes:
            if row.model_sha256 != model.spec.sha256 or not _fits(tokens, model.spec):
                raise NotFound("This job varies no picture of the model that is loaded.")
            return painted(model, tokens)

        return self._worker.run_errand(paint)


def _fits(tokens: tuple[int, ...], spec: "ModelSpec") -> bool:
    return len(tokens) == spec.token_count and 0 <= min(tokens) <= max(tokens) < spec.codebook_size
