"""One of several icons by itself: cut out around it, enlarged, and told of alone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dalle_core.phrases import LEFT, RIGHT
from dalle_core.rerank import square
from dalle_core.training.art import ArtSet, load_art
from dalle_core.training.compose import Batch, compose
from dalle_core.training.glances import glanced, with_glances
from dalle_core.training.scenes import Mixture


@pytest.fixture(scope="module")
def art(project: Path) -> ArtSet:
    return load_art(project / "art")


@pytest.fixture(scope="module")
def batch(art: ArtSet) -> Batch:
    return compose(art, np.resize(art.where("train"), 24), 32, (0, 1), Mixture(counted=0.4, paired=0.4))


def test_each_picture_is_cut_around_its_own_place() -> None:
    images = torch.rand(3, 3, 16, 16)
    seen = glanced(images, {0: LEFT, 2: RIGHT})
    assert torch.equal(seen[0], square(images[:1], LEFT)[0])
    assert torch.equal(seen[1], images[1])
    assert torch.equal(seen[2], square(images[2:], RIGHT)[0])


def test_only_pictures_of_several_are_looked_at_closely(art: ArtSet, batch: Batch) -> None:
    seen, _ = with_glances(art, batch, 1.0, (0,), 0)
    changed = [not torch.equal(one, other) for one, other in zip(seen.images, batch.images, strict=True)]
    assert changed == [scene.grouped for scene in batch.scenes]
    assert {True, False} == set(changed)
    for scene, before, after in zip(batch.scenes, batch.captions, seen.captions, strict=True):
        assert (before == after) or scene.grouped


def test_a_glance_is_told_of_alone(art: ArtSet, batch: Batch) -> None:
    words = {" and ", " left of ", " right of ", " above ", " below ", " over ", " under ", "two ", "three ", "four "}
    seen, _ = with_glances(art, batch, 1.0, (0,), 0)
    assert [text for text in batch.captions if any(word in text for word in words)]
    assert not [text for text in seen.captions if any(word in text for word in words)]


def test_a_part_of_a_batch_is_looked_at_as_the_whole_is(art: ArtSet, batch: Batch) -> None:
    """So several processes see what one does."""
    whole, _ = with_glances(art, batch, 0.5, (0,), 0)
    half = slice(12, None)
    part = Batch(batch.images[half], batch.alpha[half], batch.captions[half], batch.rows[half], batch.scenes[half])
    later, _ = with_glances(art, part, 0.5, (0,), 12)
    assert later.captions == whole.captions[half]
    torch.testing.assert_close(later.images, whole.images[half])
