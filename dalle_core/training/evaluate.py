"""How good a model is: on held-out art, on IconEval's prompts, and on real pictures that it takes further.

Brings the parts together and writes what they find; each part measures its own matter.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from dalle_core.checkpoints import write_json
from dalle_core.errors import TrainingError
from dalle_core.families.bundled import BundledModel
from dalle_core.training.bundle import assemble
from dalle_core.training.calibrating import calibrated, grader_rows
from dalle_core.training.continuations import completion_rows, originals, variation_rows
from dalle_core.training.figures import Row, row
from dalle_core.training.grading import Grading
from dalle_core.training.neighbours import neighbour_rows, neighbours
from dalle_core.training.objectives import TransformerObjective, reconstruction
from dalle_core.training.painting import Easel
from dalle_core.training.scoring import Result, icon_rows, score
from dalle_core.training.sheets import Judged, judged_sheet, save_grid
from dalle_core.training.workshop import Workshop

T = TypeVar("T")
JUDGED = 100  # pictures on the sheet that people check the graders by


@dataclass(frozen=True)
class Extent:
    """How much is painted: prompts a category, candidates each; pictures completed and varied; samples traced."""

    prompts: int = 96
    candidates: int = 16
    pictures: int = 48
    variations: int = 8
    samples: int = 24


FULL, QUICK = Extent(), Extent(prompts=8, pictures=8)


def evaluate(workshop: Workshop, extent: Extent, model: BundledModel | None = None) -> dict[str, Any]:
    """All figures, of `model` or else of what the runs hold. Writes evaluation.json and two sheets into the runs.

    What was painted is kept there, too: a run that was stopped goes on, and a larger one starts from a smaller one's.
    """
    started = time.monotonic()
    model = model or assemble(workshop)
    if model.spec.image_size != workshop.preset.dvae.image_size:
        raise TrainingError(
            f"{model.spec.name} paints {model.spec.image_size} px, the graders of {workshop.preset.name} see "
            f"{workshop.preset.dvae.image_size}; choose another --preset"
        )
    grading = calibrated(workshop)
    given = originals(grading.art, model, extent.pictures)
    easel = Easel(model, workshop.folder / "painted")
    results = score(easel, grading, extent.prompts, extent.candidates)
    rows = [
        *_stream_rows(workshop, model),
        *grader_rows(grading, model.spec.image_size),
        *icon_rows(results, extent.candidates),
    ]
    rows += completion_rows(easel, grading, given, extent.candidates)
    rows += variation_rows(easel, grading, given, extent.variations)
    rows += _traced(workshop, model, grading, results, extent.samples)
    _judged(workshop, grading, results)
    figures = {"model": model.spec.name, "sha256": model.spec.sha256, "rows": rows, "how": _how(grading, extent),
               **vars(extent), "seconds": round(time.monotonic() - started)}  # fmt: skip
    write_json(workshop.folder / "evaluation.json", figures)
    return figures


def _how(grading: Grading, extent: Extent) -> str:
    return (
        f"IconEval: up to {extent.prompts} prompts a category, half of them Chinese, half of them combinations that "
        f"training never shows; {extent.candidates} candidates each at the default settings, best of 1 being their "
        "mean. Every prompt names concepts by pictures that no network learned from: the ceiling is what the graders "
        "make of those pictures, put together as the prompt says. The graders learned from real art alone, take no "
        f"part in training or reranking, and pick what was asked for from a line-up of {grading.lineups.size} among "
        f"{grading.lineups.count} classes of look-alike concepts. "
        "95 % intervals by bootstrap over what is asked for, its two languages together."
    )


@torch.inference_mode()
def _stream_rows(workshop: Workshop, model: BundledModel) -> list[Row]:
    stream = workshop.stream("test")
    objective = TransformerObjective(model.transformer, model.dvae, model.tokenizer, stream, model.reranker.clip)
    rebuilt = reconstruction(
        objective.held, lambda images: model.dvae.decode(model.dvae.encode(images.to(model.device)))
    )
    bits = objective.evaluate()
    return [
        row("reconstruction PSNR, whole picture", rebuilt["psnr"], f"{rebuilt['psnr']:.1f} dB"),
        row("reconstruction PSNR, object alone", rebuilt["psnr_object"], f"{rebuilt['psnr_object']:.1f} dB"),
        row("held-out bits per image token", bits["bits_per_token"], f"{bits['bits_per_token']:.2f}"),
    ]


def _traced(workshop: Workshop, model: BundledModel, grading: Grading, results: list[Result], count: int) -> list[Row]:
    """Of the best pictures of single objects: nearest training pictures, also as a sheet, each below its sample."""
    alone = [result.best for result in results if result.prompt.category == "single object"][:count]
    if not alone:
        return []
    images = torch.stack(alone)
    found = neighbours(model, grading, images)
    columns = min(12, len(alone))
    save_grid(found.beside(images, grading.art, columns), columns, workshop.folder / "nearest.png")
    return neighbour_rows(found)


def _judged(workshop: Workshop, grading: Grading, results: list[Result]) -> None:
    pictures = [
        Judged(result.best, result.english, grading.seen(result.prompt.wish, result.best), result.right)
        for result in drawn(results, JUDGED)
    ]
    if pictures:
        judged_sheet(pictures, workshop.folder / "judged.png")


def drawn(results: Sequence[T], count: int) -> list[T]:
    """At most `count` of them, in their order, always the same: a fixed step would fall on one language alone."""
    chosen = np.random.default_rng(0).permutation(len(results))[:count]
    return [results[i] for i in sorted(chosen)]
