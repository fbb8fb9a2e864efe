"""Ranks a job's finished pictures by a text or a picture, as rows for the history. Knows no worker, no job's state.

Also says which reranker a model is loaded with; the one that was chosen last is remembered here.
"""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from app.history import ImageRow, Ranking
from app.history.files import write_file
from app.settings import Settings
from dalle_core.errors import CheckpointError, ImageError, RequestError
from dalle_core.families.catalogue import OFFERS
from dalle_core.families.registry import CONFIG
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
    model: "ImageModel",
    request: GenerationRequest,
    candidates: "list[Candidate]",
    image_ids: Mapping[int, str],
    painted_by: str | None,
) -> list[Ranking]:
    """Score and order the candidates by what `request` wants; `painted_by` is the hash of the model that painted them.

    Raises RequestError where the model has no reranker.
    """
    from dalle_core.generate import ranked, rerank, wanted

    reranker: Reranker | None = getattr(model, "reranker", None)
    if reranker is None:
        raise RequestError(f"{model.spec.name} has no reranker, so its pictures cannot be ranked.")
    if painted_by == model.spec.sha256:
        return as_rows(reranker, request, ranked(model, request, reranker, candidates), image_ids)
    return as_rows(reranker, request, rerank(reranker, wanted(model, request), candidates), image_ids)


def give_reranker(model: "ImageModel", settings: Settings, device: "torch.device") -> None:
    """Have a model rank by the reranker the settings name; else by its own; else by the one that suits it, where this
    machine has it. Raises CheckpointError where the one that was asked for cannot be had."""
    name = settings.reranker or ("" if getattr(model, "reranker", None) else model.spec.reranker)
    if not name:
        return
    from dalle_core.families.rerankers import load_reranker

    try:
        place = settings.own_rerankers if has_come(settings, name) else settings.rerankers
        model.reranker = load_reranker(name, place, device)  # type: ignore[attr-defined]
    except CheckpointError as error:
        if settings.reranker and name in OFFERS and not has_come(settings, name):
            raise CheckpointError(f"{error} To fetch it: python app.py models download {name}") from error
        if settings.reranker:
            raise
        logger.warning("pictures stay without a rank: %s", error)


def give_chosen(model: "ImageModel", settings: Settings, device: "torch.device", chosen: str) -> str:
    """Like `give_reranker`, by the one `chosen` on the page. Where that can no longer be loaded, it is forgotten.

    Returns what models rank by from now on, as `chosen_reranker` does.
    """
    try:
        give_reranker(model, replace(settings, reranker=chosen), device)
    except Exception as error:
        if chosen == settings.reranker:
            raise
        logger.warning("%s cannot be loaded and ranks no more: %s", chosen, error)
        remember_reranker(settings, "")
        give_reranker(model, settings, device)
        return settings.reranker
    return chosen


def chosen_reranker(settings: Settings) -> str:
    """The one asked for at the start, else the one chosen last, if still here; empty for what suits each model."""
    if settings.reranker:
        return settings.reranker
    with contextlib.suppress(OSError, ValueError):
        chosen = settings.chosen_reranker.read_text(encoding="utf-8").strip()
        if chosen in rerankers_here(settings):
            return chosen
        remember_reranker(settings, "")
    return ""


def remember_reranker(settings: Settings, name: str) -> None:
    """For the next start. A disk that is full costs only this."""
    with contextlib.suppress(OSError):
        if name:
            write_file(settings.chosen_reranker, f"{name}\n".encode())
        else:
            settings.chosen_reranker.unlink(missing_ok=True)


def rerankers_here(settings: Settings) -> tuple[str, ...]:
    """The names of those that any model can rank by, fetched or put here by hand."""
    places = (settings.rerankers, settings.own_rerankers)
    return tuple(sorted({config.parent.name for place in places for config in place.glob(f"*/{CONFIG}")}))


def has_come(settings: Settings, name: str) -> bool:
    """Whether a reranker is among those that were fetched."""
    return (settings.own_rerankers / name / CONFIG).is_file()
