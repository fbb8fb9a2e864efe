"""What the grader learns from: every picture and square with the labels that are true of it, and no others."""

import shutil

import numpy as np
import pytest
import torch

from dalle_core.training.art import ArtSet, Picture
from dalle_core.training.grader import Grader, GraderObjective, Lesson
from dalle_core.training.naming import UNKNOWN
from dalle_core.training.objectives import BatchStream
from dalle_core.training.scenes import MAX_COUNT, Mixture

COLOURS = {"apple": (222, 30, 30), "leaf": (30, 160, 30), "sea": (30, 30, 222), "red heart": (240, 0, 0)}
CONCEPTS = tuple(sorted(COLOURS))


def icon(colour: tuple[int, int, int]) -> np.ndarray:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[8:56, 8:56] = (*colour, 255)
    return rgba


ROWS = tuple(
    Picture(f"{style}/{name}", style, name, (name,), (), split="heldout" if style == "noto" else "train", hue=0.0)
    for style in ("blob", "noto")
    for name in COLOURS
)
ART = ArtSet(np.stack([icon(colour) for _ in range(2) for colour in COLOURS.values()]), ROWS)


def objective(mixture: Mixture) -> GraderObjective:
    return GraderObjective(Grader(CONCEPTS, ("blob", "noto"), 32), BatchStream(ART, 32, mixture))


@pytest.fixture(scope="module")
def held() -> list[Lesson]:
    return objective(Mixture()).held


def shown(image: torch.Tensor) -> str:
    """The concept whose colour most of the middle of a picture has."""
    middle = image[:, 12:20, 12:20].mean(dim=(1, 2)) * 255
    return min(COLOURS, key=lambda name: float((middle - torch.tensor(COLOURS[name])).abs().sum()))


def test_single_icons_are_named_and_counted(held: list[Lesson]):
    assert [CONCEPTS[i] for i in held[0].concept.tolist()] == [shown(image) for image in held[0].images]
    assert held[0].count.tolist() == [0] * len(held[0].count)


def test_a_square_of_a_pair_is_named_after_what_stands_there(held: list[Lesson]):
    assert [CONCEPTS[i] for i in held[1].concept.tolist()] == [shown(image) for image in held[1].images]
    assert held[1].count.tolist() == [UNKNOWN] * len(held[1].count)


def test_several_are_counted_or_one_of_them_is_named(held: list[Lesson]):
    for number, lesson in enumerate(held[2:], start=1):
        counted = lesson.count != UNKNOWN
        assert set(lesson.count[counted].tolist()) <= {number}
        assert bool(((lesson.concept == UNKNOWN) == counted).all())
    assert len(held) == 1 + MAX_COUNT


def test_what_its_name_calls_red_and_was_turned_has_no_name_any_more():
    taught = objective(Mixture(recolour=1.0, tiny=0, moved=0, plain_ground=1.0))
    batch = taught.stream.at(0, 64, 0)
    turned = torch.tensor([scene.hue is not None for scene in batch.scenes])
    named_red = torch.tensor([ART.rows[i].concept == "red heart" for i in batch.rows])
    made = taught.lesson(batch, np.random.default_rng(0))
    assert bool((turned & named_red).any())
    assert bool(((made.concept == UNKNOWN) == (turned & named_red)).all())


def test_marks_are_one_a_concept_a_style_and_a_count():
    marks = Grader(CONCEPTS, ("blob", "noto"), 32)(torch.rand(3, 3, 32, 32))
    assert [tuple(part.shape) for part in marks] == [(3, len(CONCEPTS)), (3, 2), (3, MAX_COUNT)]


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for a CPU by g++")
def test_compiled_in_half_precision_it_learns_textures():
    torch.manual_seed(0)
    grader = Grader(["apple", "key"], ["noto"], 32)
    with torch.autocast("cpu", torch.bfloat16):
        torch.compile(grader.textures)(torch.rand(4, 3, 32, 32)).square().sum().backward()
    gradients = [weight.grad for weight in grader.texture.parameters()]
    assert all(gradient is not None and bool(gradient.isfinite().all()) for gradient in gradients)
