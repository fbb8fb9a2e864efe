"""Grading, with a grader that tells shapes by their outline: real scenes pass, and every kind of mistake is found."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dalle_core.hues import HUES
from dalle_core.phrases import PLACES
from dalle_core.rerank import square
from dalle_core.training.art import ArtSet, Picture
from dalle_core.training.compose import paint
from dalle_core.training.grader import Marks
from dalle_core.training.grading import Grading, ground_colour, hues, right
from dalle_core.training.iconeval import Wish
from dalle_core.training.lookalikes import Lineups
from dalle_core.training.scenes import Scene

SIZE = 64
CONCEPTS = ("bar", "box", "pole")
WIDTHS = {"bar": (56, 20), "box": (48, 48), "pole": (20, 56)}
BAR, BOX, POLE = range(3)


def icon(width: int, height: int) -> np.ndarray:
    """A red rectangle in the middle."""
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[32 - height // 2 : 32 + height // 2, 32 - width // 2 : 32 + width // 2] = (222, 30, 30, 255)
    return rgba


class Outline(nn.Module):
    """Names a shape by the sides of what differs from the ground; counts as it is told to."""

    styles = ("blob", "noto")

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.told = 1

    def forward(self, images: Tensor) -> Marks:
        named = torch.zeros(len(images), len(CONCEPTS))
        for i, image in enumerate(images):
            apart = (image - ground_colour(image)[:, None, None]).abs().amax(0) > 0.1
            width, height = int(apart.any(0).sum()), int(apart.any(1).sum())
            shape = "bar" if width > 1.5 * height else "pole" if height > 1.5 * width else "box"
            named[i, CONCEPTS.index(shape)] = 9
        count = 9.0 * torch.eye(4)[self.told - 1].expand(len(images), 4)
        return Marks(named, torch.tensor([[0.0, 1.0]]).expand(len(images), 2), count)


ART = ArtSet(
    np.stack([icon(*WIDTHS[name]) for name in CONCEPTS]),
    tuple(Picture(f"noto/{name}", "noto", name, (name,), (), hue=0.0) for name in CONCEPTS),
)


@pytest.fixture
def grading() -> Grading:
    grader: Any = Outline()
    return Grading(grader, Lineups(CONCEPTS, (0, 1, 2), 3), ART)


def tell(grading: Grading, count: int) -> None:
    """What the outline's grader counts from now on."""
    grader: Any = grading.grader
    grader.told = count


def wish(row: int = BAR, counted: bool = False, **scene: Any) -> Wish:
    return Wish(row, Scene(**scene), "", heldout=False, counted=counted)


def shown(asked: Wish, **changes: Any) -> Tensor:
    """A picture of what was asked, with some of it changed."""
    row = changes.pop("row", asked.row)
    return paint(ART, np.array([row]), [replace(asked.scene, **changes)], SIZE)[0]


PAIR: dict[str, Any] = {"other": POLE, "scale": 1.0}
ASKED = {
    "alone": wish(),
    "three": wish(counted=True, count=3, scale=1.0),
    "hue": wish(hue="blue"),
    "ground": wish(ground=6),
    "beside": wish(relation="beside", **PAIR),
    "above": wish(relation="above", **PAIR),
    "bound": wish(relation="beside", hue="green", other_hue="purple", **PAIR),
}


@pytest.mark.parametrize("name", list(ASKED))
def test_what_was_asked_for_is_right(grading: Grading, name: str):
    asked = ASKED[name]
    tell(grading, asked.scene.count)
    assert right(grading.verdict(asked, shown(asked))).tolist() == [True]


@pytest.mark.parametrize(
    ("name", "changes", "wrong"),
    [
        ("alone", {"row": BOX}, {"object"}),
        ("three", {"row": POLE}, {"object"}),
        ("hue", {"hue": "green"}, {"colour"}),
        ("hue", {"hue": "green", "row": BOX}, {"colour", "object"}),
        ("ground", {"ground": 8}, {"ground"}),
        ("beside", {"row": BOX}, {"objects"}),
        ("beside", {"other": BAR}, {"objects"}),
        ("above", {"relation": "below"}, {"places"}),
        ("above", {"relation": "left of"}, {"places"}),
        ("above", {"other": BOX}, {"objects", "places"}),
        ("bound", {"hue": "purple", "other_hue": "green"}, {"colours of each"}),
        ("bound", {"other_hue": "green"}, {"colours of each"}),
    ],
)
def test_a_mistake_is_found(grading: Grading, name: str, changes: dict[str, Any], wrong: set[str]):
    asked = ASKED[name]
    tell(grading, asked.scene.count)
    verdict = grading.verdict(asked, shown(asked, **changes))
    assert {part for part, fine in verdict.items() if not fine[0]} == wrong


def test_a_wrong_number_is_found(grading: Grading):
    tell(grading, 2)
    verdict = grading.verdict(ASKED["three"], shown(ASKED["three"]))
    assert {part: bool(fine[0]) for part, fine in verdict.items()} == {"count": False, "object": True}


@pytest.mark.parametrize("relation", ["left of", "right of", "above", "below"])
def test_two_objects_may_stand_anyhow(grading: Grading, relation: str):
    asked = ASKED["beside"]
    assert right(grading.verdict(asked, shown(asked, relation=relation))).tolist() == [True]


def test_candidates_are_graded_one_by_one(grading: Grading):
    asked = ASKED["above"]
    both = torch.cat([shown(asked), shown(asked, relation="below")])
    assert right(grading.verdict(asked, both)).tolist() == [True, False]


def test_what_is_seen_is_told(grading: Grading):
    tell(grading, 2)
    assert grading.seen(ASKED["three"], shown(ASKED["three"])[0]) == "2 of bar"
    assert grading.seen(ASKED["above"], shown(ASKED["above"], other=BOX)[0]) == "bar | box"
    assert grading.seen(ASKED["hue"], shown(ASKED["hue"], hue="green")[0]) == "bar, green"
    assert grading.seen(ASKED["ground"], shown(ASKED["ground"])[0]) == "bar, on green"


def test_a_square_shows_what_stands_there_twice_as_large():
    image = torch.ones(1, 3, SIZE, SIZE)
    image[:, :, 36:44, 4:20] = 0  # in the middle of the left half, a little below
    seen = square(image, PLACES[2][0])[0, 0] < 0.5
    ys, xs = (seen.any(axis).nonzero().flatten() for axis in (1, 0))
    assert [int(v) for v in (xs[0], xs[-1] + 1, ys[0], ys[-1] + 1)] == pytest.approx([8, 40, 40, 56], abs=1)


def test_an_object_is_known_in_another_colour_by_its_own(grading: Grading, monkeypatch: pytest.MonkeyPatch):
    """The grader, which has seen red bars, is shown the blue one in red."""
    asked, outline = ASKED["hue"], grading.grader.forward
    seen: list[Tensor] = []

    def watched(images: Tensor) -> Marks:
        seen.append(images)
        return outline(images)

    monkeypatch.setattr(grading.grader, "forward", watched)
    grading.verdict(asked, shown(asked))
    torch.testing.assert_close(seen[0], shown(asked, hue=None), atol=0.02, rtol=0)


@pytest.mark.parametrize("hue", list(HUES))
def test_the_hue_of_an_object_is_told_on_any_ground(hue: str):
    for ground in (0, 1, 2):
        seen = hues(shown(wish(BOX), hue=hue, ground=ground))
        assert seen.tolist() == [list(HUES).index(hue)]


def test_what_has_no_hue_is_grey():
    assert hues(torch.full((1, 3, SIZE, SIZE), 0.4)).tolist() == [-1]


def test_ranks_are_among_all_concepts(grading: Grading):
    images, _ = paint(ART, np.array([BAR, BOX]), [Scene(scale=1.0)] * 2, SIZE)
    assert grading.ranks(images, BAR).tolist() == [1, 2]
