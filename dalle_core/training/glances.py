"""Squares cut around one of several icons and enlarged: how graders and rerankers look at each by itself."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dalle_core.device import moved
from dalle_core.phrases import Place
from dalle_core.rerank import square
from dalle_core.training.art import ArtSet
from dalle_core.training.captions import caption
from dalle_core.training.compose import Batch
from dalle_core.training.scenes import Part, parts

JITTER = 0.03  # of the side: how far off a square may be


def near(part: Part, rng: np.random.Generator) -> Place:
    """The middle of a square around an icon."""
    off = rng.uniform(-JITTER, JITTER, 2)
    return part.shift[0] + float(off[0]), part.shift[1] + float(off[1])


def glanced(images: Tensor, places: Mapping[int, Place]) -> Tensor:
    """(B, 3, S, S) with the square around its place instead of each picture that has one."""
    if not places:
        return images
    where = moved(torch.tensor(list(places)), images.device)
    return images.index_copy(0, where, square(images[where], *places.values()))


def with_glances(art: ArtSet, batch: Batch, share: float, seed: tuple[int, ...],
                 first: int) -> tuple[Batch, list[Part | None]]:  # fmt: skip
    """Of a `share` of the pictures of several icons only one is seen, and told of by itself. And what each picture
    shows: a thing, be there several of it, or None where there are two.

    `seed` names the stream, `first` is the number in it of the batch's first picture.
    """
    places, captions, shown = {}, list(batch.captions), list[Part | None]()
    for i, (row, scene) in enumerate(zip(batch.rows.tolist(), batch.scenes, strict=True)):
        placed = parts(row, scene)
        shown.append(placed[0] if scene.other is None else None)
        if not scene.grouped:
            continue
        rng = np.random.default_rng((*seed, first + i))
        if rng.random() < share:
            part = placed[int(rng.integers(len(placed)))]
            alone = replace(scene, hue=part.hue, count=1, other=None, other_hue=None, relation="")
            places[i], captions[i] = near(part, rng), caption(art.rows[part.row], alone, rng)
            shown[i] = part
    return replace(batch, images=glanced(batch.images, places), captions=captions), shown
