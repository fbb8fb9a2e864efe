"""Whether pictures are new: each beside the training picture that is nearest to it in the grader's features.

As near as training pictures are to what their own tokens make of them counts as learnt by heart.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dalle_core.families.bundled import BundledModel
from dalle_core.training.art import ArtSet
from dalle_core.training.compose import as_drawn
from dalle_core.training.figures import Row, row
from dalle_core.training.grading import Grading

BY_HEART = 0.95  # quantile of the distances between training pictures and their reconstructions
SAMPLED = 192  # training pictures whose reconstructions are measured, and held-out ones at most
CHUNK = 128


@dataclass(frozen=True)
class Neighbours:
    """For each of N pictures the nearest training picture and its distance."""

    rows: np.ndarray  # (N,) of the art
    distances: np.ndarray  # (N,)
    real: np.ndarray  # distances of held-out art from its nearest
    by_heart: float  # up to this distance a picture is a training picture, repeated

    @property
    def repeated(self) -> np.ndarray:
        return self.distances <= self.by_heart

    def beside(self, images: Tensor, art: ArtSet, columns: int) -> Tensor:
        """Rows of `columns` pictures, each row followed by the training pictures nearest to them."""
        near = as_drawn(art, self.rows, images.shape[-1])
        starts = range(0, len(images), columns)
        return torch.cat([some[i : i + columns] for i in starts for some in (images, near)])


def neighbours(model: BundledModel, grading: Grading, images: Tensor) -> Neighbours:
    art = grading.art
    train, held = art.where("train"), art.heldout("test")[:SAMPLED]
    known = _features(art, grading, train, model)
    rows, distances = _nearest(grading.features(images), known)
    _, real = _nearest(_features(art, grading, held, model), known)
    some = np.random.default_rng(13).permutation(len(train))[:SAMPLED]
    again = torch.cat([grading.features(_rebuilt(model, part)) for part in _plain(art, train[some], model)])
    own = (again - known[some]).norm(dim=1).numpy()
    return Neighbours(train[rows], distances, real, float(np.quantile(own, BY_HEART)))


def neighbour_rows(found: Neighbours) -> list[Row]:
    count, repeated, total = int(found.repeated.sum()), float(found.repeated.mean()), len(found.distances)
    ratio = float(np.median(found.distances) / np.median(found.real))
    return [
        row("samples that repeat a training picture", repeated, f"{count} of {total}"),
        row("distance from the nearest training picture, held-out art's being 1", ratio, f"{ratio:.2f}"),
    ]


def _plain(art: ArtSet, rows: np.ndarray, model: BundledModel) -> list[Tensor]:
    chunks = np.array_split(rows, max(1, -(-len(rows) // CHUNK)))
    return [as_drawn(art, chunk, model.spec.image_size) for chunk in chunks]


def _features(art: ArtSet, grading: Grading, rows: np.ndarray, model: BundledModel) -> Tensor:
    return torch.cat([grading.features(images) for images in _plain(art, rows, model)])


def _rebuilt(model: BundledModel, images: Tensor) -> Tensor:
    return model.tokens_to_images(model.image_to_tokens(images), model.spec.token_count)


def _nearest(features: Tensor, known: Tensor) -> tuple[np.ndarray, np.ndarray]:
    distances, rows = torch.cdist(features, known).min(dim=1)
    return rows.numpy(), distances.numpy()
