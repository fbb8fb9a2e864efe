"""What a CLIP learns names and colours by: labels of what is seen, softened pictures, and what is left behind."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dalle_core.clip import CLIP
from dalle_core.config import CLIPConfig
from dalle_core.hues import HUES
from dalle_core.training.art import ArtSet, Picture
from dalle_core.training.compose import compose
from dalle_core.training.glances import with_glances
from dalle_core.training.naming import UNKNOWN, NamedCLIP, concepts_of, hues_of, in_all_hues, softened
from dalle_core.training.objectives import BatchStream, CLIPObjective
from dalle_core.training.presets import preset
from dalle_core.training.scenes import Mixture, Part
from dalle_core.training.workshop import Workshop

TINY = CLIPConfig(
    image_size=32, channels=(8, 16), image_blocks=(1, 1), vocab_size=300, text_length=8, text_layers=1, text_width=16,
    text_heads=2, dim=16, dropout=0.3,
)  # fmt: skip


def part(row: int, hue: str | None = None) -> Part:
    return Part(row, hue, 1.0, (0.0, 0.0), flip=False)


@pytest.fixture
def art() -> ArtSet:
    rows = [("red heart", 0.0), ("cat", 30.0), ("cloud", None), ("red heart", 2.0)]
    pictures = tuple(Picture(f"{i}", f"style {i}", name, (name,), (), hue=hue) for i, (name, hue) in enumerate(rows))
    return ArtSet(np.zeros((len(rows), 2, 2, 4), np.uint8), pictures)


def test_concepts_are_those_that_training_shows(art: ArtSet) -> None:
    assert art.concepts == {"red heart": [0, 3], "cat": [1], "cloud": [2]}


def test_what_is_seen_is_named_unless_its_name_holds_another_colour(art: ArtSet) -> None:
    seen = [part(0), part(3), part(1, "blue"), part(0, "blue"), None]
    assert concepts_of(art, seen).tolist() == [0, 0, 1, UNKNOWN, UNKNOWN]


def test_a_hue_is_the_one_that_was_chosen_or_its_own(art: ArtSet) -> None:
    """A red heart's own is in its name; a grey cloud has none."""
    names = list(HUES)
    found = hues_of(art, [part(1), part(1, "blue"), part(0), part(0, "blue"), part(2), None])
    assert found.tolist() == [names.index("orange"), names.index("blue"), UNKNOWN, names.index("blue"), *[UNKNOWN] * 2]


def test_a_thing_is_told_of_in_all_hues(art: ArtSet) -> None:
    assert in_all_hues(art.rows[0]) == [f"{hue} heart" for hue in HUES]
    assert in_all_hues(art.rows[1])[0] == "red cat"


def test_some_pictures_are_softened_each_by_its_own_stream() -> None:
    images = torch.rand(40, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def streams(*numbers: int) -> list[np.random.Generator]:
        return [np.random.default_rng((0, number)) for number in numbers]

    whole = softened(images, streams(*range(40)))
    changed = (whole != images).flatten(1).any(1)
    assert 0.3 < changed.float().mean() < 0.75
    assert whole.amin() >= 0
    assert whole.amax() <= 1
    part = softened(images[20:], streams(*range(20, 40)))
    torch.testing.assert_close(part, whole[20:])


def test_what_it_was_learned_by_is_left_behind() -> None:
    torch.manual_seed(0)
    learner, images = NamedCLIP(TINY, 5).eval(), torch.rand(3, 3, 32, 32)
    clip = learner.plain()
    assert type(clip) is CLIP
    assert not any("prox" in name or "sharp" in name for name in clip.state_dict())
    torch.testing.assert_close(clip.encode_images(images), learner.encode_images(images))
    logits = learner.name(learner.encode_images(images))
    assert logits.shape == (3, 5)
    assert logits.abs().max() <= learner.log_sharpness.exp()


def test_names_are_learned_from_single_things_and_from_squares(project: Path) -> None:
    """Of the project's pictures, each concept by its own proxy; what holds two things teaches no name."""
    workshop = Workshop(preset("test"), project / "art", project / "runs", torch.device("cpu"))
    stream = BatchStream(workshop.art, 32, Mixture(paired=0.5))
    torch.manual_seed(0)
    learner = workshop.build("clip")
    assert isinstance(learner, NamedCLIP)
    objective = CLIPObjective(learner, workshop.tokenizer(), stream)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=3e-3)
    learner.train()
    for step in range(60):
        loss, _ = objective.loss(step, 16, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    learner.eval()
    rows = workshop.art.where("train")
    batch, parts = with_glances(workshop.art, compose(workshop.art, rows, 32, (5,), None), 0.0, (0,), 0)
    with torch.inference_mode():
        named = learner.name(learner.encode_images(batch.images)).argmax(1)
    labels = concepts_of(workshop.art, parts)
    assert len(set(labels.tolist())) > 2
    assert float((named == labels).float().mean()) > 2 / len(workshop.art.concepts)
