"""Ranks a job's finished pictures by a text or a picture, as rows for the history. Knows no worker, no job's state.

Also says which reranker a model is loaded with.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from app.history import ImageRow, Ranking
from app.settings import Settings
from dalle_core.errors import CheckpointError, ImageError, RequestError
from dalle_core.request import GenerationRequest

if TYPE_CHECKING:
    import torch

    from dalle_core.families.base import ImageModel, Reranker
    from dalle_core.generate import Candidate

logger = logging.getLogger(__name__)


def as_rows(
    reranker: "Reranker", request: GenerationRequest, candidates: "Sequence[Candidate]", image_ids: Mapping[int, str]
) -> list[Ranking]:
    """Rows for the candidates that have a rank, the best of them kept; `image_ids` by candidate's index.

    The text is empty where they were ranked by likeness to a picture, which beats no random texts.
    """
    text = request.rerank_text or request.prompt
    return [
        Ranking(
            image_id=image_ids[candidate.index],
            reranker=reranker.name,
            text=text,
            score=candidate.score,
            percentile=reranker.percentile(candidate.score) if text else None,
            rank=candidate.rank,
            kept=candidate.rank <= request.keep,
        )
        for candidate in candidates
        if candidate.score is not None and candidate.rank is not None
    ]


def load_candidates(pictures: Sequence[tuple[ImageRow, Path]]) -> "list[Candidate]":
    """Pictures of one job, from their files, as they were before they were ranked. Raises ImageError."""
    import torch

    from dalle_core.generate import Candidate
    from dalle_core.images import from_pil

    candidates = []
    for row, path in pictures:
        try:
            with Image.open(path, formats=("PNG",)) as image:
                pixels = from_pil(image, row.width)
        except (OSError, SyntaxError, ValueError) as error:
            raise ImageError(f"The file of picture {row.id} is damaged: {error}.") from error
        candidates.append(Candidate(row.position, row.seed, torch.tensor(row.tokens), pixels, row.seconds))
    return candidates


def rank(
    model: "ImageModel", request: GenerationRequest, candidates: "list[Candidate]", image_ids: Mapping[int, str]
) -> list[Ranking]:
    """Score and order the candidates by what `request` wants. Raises RequestError where the model has no reranker."""
    from dalle_core.generate import rerank, wanted

    reranker: Reranker | None = getattr(model, "reranker", None)
    if reranker is None:
        raise RequestError(f"{model.spec.name} has no reranker, so its pictures cannot be ranked.")
    return as_rows(reranker, request, rerank(reranker, wanted(model, request), candidates), image_ids)


def with_reranker(
    load_model: "Callable[[Path, torch.device], ImageModel]", settings: Settings
) -> "Callable[[Path, torch.device], ImageModel]":
    """A loader whose models rank by the reranker the settings name; else by their own; else by the one that suits them,
    where this machine has it. Raises CheckpointError where the one that was asked for cannot be had."""

    def load(folder: Path, device: "torch.device") -> "ImageModel":
        model = load_model(folder, device)
        wanted = settings.reranker or ("" if getattr(model, "reranker", None) else model.spec.reranker)
        if wanted:
            model.reranker = _reranker(wanted, settings, device)  # type: ignore[attr-defined]
        return model

    return load


def _reranker(name: str, settings: Settings, device: "torch.device") -> "Reranker | None":
    from dalle_core.families.rerankers import load_reranker

    try:
        own = (settings.own_rerankers / name).is_dir()
        return load_reranker(name, settings.own_rerankers if own else settings.rerankers, device)
    except CheckpointError as error:
        if settings.reranker:
            raise
        logger.warning("pictures stay without a rank: %s", error)
        return None
