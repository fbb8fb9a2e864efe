"""What the model makes of real pictures: their lower halves painted anew, and variations of them.

Knows a model, grading and held-out art.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from dalle_core.families.bundled import BundledModel
from dalle_core.generate import GenerationRequest
from dalle_core.training.art import ArtSet
from dalle_core.training.compose import as_drawn
from dalle_core.training.figures import Row, row, share, unmeasured
from dalle_core.training.grading import Grading
from dalle_core.training.painting import Easel

STRENGTH = 0.3


@dataclass(frozen=True)
class Original:
    """A held-out picture, its own words, and what its tokens make of it."""

    row: int
    text: str
    image: Tensor  # (3, S, S)
    tokens: tuple[int, ...]
    rebuilt: Tensor


def originals(art: ArtSet, model: BundledModel, count: int, seed: int = 3) -> list[Original]:
    rows = np.random.default_rng(seed).permutation(art.heldout("test"))[:count]
    images = as_drawn(art, rows, model.spec.image_size)
    tokens = model.image_to_tokens(images)
    rebuilt = model.tokens_to_images(tokens, model.spec.token_count)
    return [
        Original(int(i), _words(art, int(i)), image, tuple(ids.tolist()), again)
        for i, image, ids, again in zip(rows, images, tokens, rebuilt, strict=True)
    ]


def _words(art: ArtSet, i: int) -> str:
    picture = art.rows[i]
    return picture.en[0] + (f", {picture.style} style" if picture.style else "")


def completion_rows(easel: Easel, grading: Grading, given: list[Original], candidates: int) -> list[Row]:
    """The lower half painted given the upper half, against pictures painted from the same words and seeds alone."""
    spec = easel.model.spec
    half = spec.rows // 2 * spec.cols
    with_top: list[np.ndarray] = []
    without: list[np.ndarray] = []
    seams: list[float] = []
    for number, original in enumerate(tqdm(given, desc="complete", unit="picture")):
        for top, hits in ((original.tokens[:half], with_top), ((), without)):
            request = GenerationRequest(original.text, count=candidates, keep=1, seed=500_000 + 1000 * number,
                                        batch_width=min(16, candidates), prefix_tokens=top)  # fmt: skip
            images = easel.painted(request)
            hits.append(grading.shows(images, original.row))
            if top:
                seams.append(float(seam(images).mean()))
    best, alone = (np.array([each[0] for each in hits], dtype=float) for hits in (with_top, without))
    stacked = torch.stack([original.image for original in given])
    real = np.array([grading.shows(original.image[None], original.row)[0] for original in given])
    painted_step, real_step = float(np.mean(seams)), float(seam(stacked).mean())
    return [
        share(f"lower half painted to a real upper half: object, best of {candidates}", best, real.astype(float)),
        share(f"the same words without the upper half: object, best of {candidates}", alone, real.astype(float)),
        share("gain by the upper half", best - alone, points=True),
        row(
            "step across the seam, of 1", painted_step, f"{painted_step:.3f}; real art {real_step:.3f}", real=real_step
        ),
    ]


def seam(images: Tensor) -> Tensor:
    """(B, 3, H, W) → (B,): the mean step from the last row of the upper half to the first of the lower."""
    middle = images.shape[2] // 2
    return (images[:, :, middle] - images[:, :, middle - 1]).abs().mean(dim=(1, 2))


def variation_rows(easel: Easel, grading: Grading, given: list[Original], candidates: int) -> list[Row]:
    """Variations by the picture's own words: is the object still what it was, and how far is it from the original?"""
    kept, far, own = [], [], []
    for number, original in enumerate(tqdm(given, desc="vary", unit="picture")):
        request = GenerationRequest(
            original.text, count=candidates, keep=1, seed=700_000 + 1000 * number,
            batch_width=min(16, candidates), source_tokens=original.tokens, strength=STRENGTH,
        )  # fmt: skip
        images, shown = easel.painted(request), original.rebuilt[None]
        kept.append(grading.shows(images, original.row).mean())
        own.append(grading.shows(shown, original.row)[0])
        far.append(float(distances(grading, images, shown).mean()))
    held = share(f"variations of strength {STRENGTH}: object kept", np.array(kept), np.array(own, dtype=float))
    name, unit = (
        "their distance from the original, two pictures of one concept being 1",
        two_of_a_concept(grading, given),
    )
    if unit is None:
        return [held, unmeasured(name)]
    ratio = float(np.mean(far)) / unit
    return [held, row(name, ratio, f"{ratio:.2f}")]


def distances(grading: Grading, images: Tensor, others: Tensor) -> Tensor:
    """(B,) between (B, 3, S, S) and as many others, or one, in the grader's features."""
    far: Tensor = torch.linalg.vector_norm(grading.features(images) - grading.features(others), dim=1)
    return far


def two_of_a_concept(grading: Grading, given: list[Original]) -> float | None:
    """The mean distance between the originals and training's pictures of the same concepts, if there are any."""
    art, size = grading.art, given[0].image.shape[-1]
    by_concept: dict[str, list[int]] = {}
    for i in art.where("train").tolist():
        by_concept.setdefault(art.rows[i].concept, []).append(i)
    pairs = [(original, i) for original in given for i in by_concept.get(art.rows[original.row].concept, [])]
    if not pairs:
        return None
    others = as_drawn(art, np.array([i for _, i in pairs]), size)
    return float(distances(grading, torch.stack([original.image for original, _ in pairs]), others).mean())
