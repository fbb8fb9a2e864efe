"""The parts of the evaluation: IconEval's rows, nearest training pictures, seams, and sheets to look at."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dalle_core.families.bundled import load_bundled
from dalle_core.generate import GenerationRequest
from dalle_core.training.calibrating import calibrated
from dalle_core.training.compose import as_drawn
from dalle_core.training.continuations import seam
from dalle_core.training.evaluate import drawn
from dalle_core.training.grading import Verdict
from dalle_core.training.iconeval import Category, Prompt, Wish
from dalle_core.training.neighbours import Neighbours, neighbour_rows, neighbours
from dalle_core.training.painting import Easel, painted
from dalle_core.training.scenes import Scene
from dalle_core.training.scoring import Result, icon_rows
from dalle_core.training.sheets import RIGHT, WRONG, Judged, judged_sheet
from dalle_core.training.workshop import Workshop

BLANK = torch.ones(3, 8, 8)


def result(category: Category, candidates: list[int], real: int, *, chinese: bool = False, seed: int = 0,
           style: str = "", part: str = "object") -> Result:  # fmt: skip
    """`candidates`, best first, and the real counterpart are right or not."""

    def verdict(*fine: int) -> Verdict:
        return {part: np.array(fine, dtype=bool)}

    prompt = Prompt(category, Wish(0, Scene(), style, heldout=chinese), "x", chinese, seed)
    styled = np.array([*candidates, real], dtype=bool)
    ranks = np.array([1 if fine else 3 + 3 * place for place, fine in enumerate([*candidates, real])])
    return Result(prompt, "x", verdict(*candidates), verdict(real), styled, ranks, BLANK)


RESULTS = [
    result("single object", [1, 0, 0, 0], 1, style="noto"),
    result("single object", [0, 1, 0, 0], 1, chinese=True),
    result("counting", [1, 1, 1, 1], 1, seed=1, part="count"),
    result("counting", [0, 0, 0, 0], 0, chinese=True, seed=1, part="count"),
]
ROWS = {row["name"]: row for row in icon_rows(RESULTS, 4)}


class TestRows:
    @pytest.mark.parametrize(
        ("name", "value", "ceiling"),
        [
            ("single object, best of 4", 0.5, 1),
            ("single object, best of 1", 0.25, 1),
            ("single object, any of 4", 1, 1),
            ("counting, any of 4", 0.5, 0.5),
            ("single object: first of all concepts, best of 4", 0.5, 1),
            ("single object: first of all concepts, best of 1", 0.25, 1),
            ("single object: among the first five of all, best of 4", 1, 1),
            ("single object: among the first five of all, best of 1", 0.375, 1),
            ("counting, best of 4", 0.5, 0.5),
            ("counting: the number alone, best of 4", 0.5, 0.5),
            ("style as named, best of 4", 1, 1),
            ("all six categories, best of 4", 0.5, 0.75),
            ("in English, best of 4", 1, 1),
            ("in Chinese, best of 4", 0, 0.5),
            ("combinations that training never shows, best of 4", 0, 0.5),
            ("pairs of concept and style seen, best of 4", 1, 1),
        ],
    )
    def test_share_and_ceiling(self, name: str, value: float, ceiling: float):
        assert (ROWS[name]["value"], ROWS[name]["ceiling"]) == (value, ceiling)

    def test_the_gain_is_over_a_candidate_at_random(self):
        assert ROWS["gain by reranking, best of 4, in points"]["value"] == pytest.approx(0.125)
        assert ROWS["the same, composed categories"]["value"] == 0

    def test_a_category_without_prompts_says_so(self):
        assert ROWS["position, best of 4"]["text"] == "nothing to measure it on"


class TestEasel:
    def test_what_was_painted_is_found_again_and_ranked_as_the_reranker_there_is_ranks(
        self, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        model, request = (
            load_bundled(model_folder, torch.device("cpu")),
            GenerationRequest("a cat", count=3, keep=1, seed=5),
        )
        at_once = painted(model, request)
        assert torch.allclose(Easel(model, tmp_path).painted(request), at_once, atol=1e-6)
        monkeypatch.setattr("dalle_core.training.painting.generate", None)  # nothing is painted any more
        again = Easel(load_bundled(model_folder, torch.device("cpu")), tmp_path)
        assert torch.allclose(again.painted(request), at_once, atol=1e-6)
        score = model.reranker.score
        monkeypatch.setattr(again.model.reranker, "score", lambda images, text: -score(images, text))
        assert torch.allclose(again.painted(request), at_once.flip(0), atol=1e-6)

    def test_what_other_weights_painted_is_left_alone(self, model_folder: Path, tmp_path: Path):
        model, request = (
            load_bundled(model_folder, torch.device("cpu")),
            GenerationRequest("a cat", count=1, keep=1, seed=5),
        )
        Easel(model, tmp_path).painted(request)
        with torch.no_grad():
            next(model.transformer.parameters()).add_(1)
        Easel(model, tmp_path).painted(request)
        assert len(list(tmp_path.glob("*/*.npz"))) == 2


class TestNeighbours:
    def test_a_training_picture_is_its_own_nearest_and_counts_as_repeated(self, workshop: Workshop, model_folder: Path):
        grading, model = calibrated(workshop), load_bundled(model_folder, torch.device("cpu"))
        rows = grading.art.where("train")[3:6]
        images = as_drawn(grading.art, rows, model.spec.image_size)
        found = neighbours(model, grading, images)
        assert found.rows.tolist() == rows.tolist()
        assert found.repeated.all()
        sheet = found.beside(images, grading.art, 2)
        torch.testing.assert_close(sheet, images[[0, 1, 0, 1, 2, 2]])

    def test_farther_than_reconstructions_is_new(self):
        found = Neighbours(np.arange(3), np.array([1.0, 2.0, 6.0]), np.array([4.0]), by_heart=1.5)
        repeated, distance = neighbour_rows(found)
        assert repeated["text"] == "1 of 3"
        assert distance["value"] == 0.5


def test_a_seam_is_the_step_between_the_halves():
    images = torch.zeros(2, 3, 8, 8)
    images[0, :, 4:] = 0.5
    images[1, :, 5:] = 0.5
    assert seam(images).tolist() == [0.5, 0]


@pytest.mark.parametrize("each", [17, 40, 48])
def test_the_pictures_to_check_are_of_all_categories_in_both_languages(each: int):
    asked = [(category, chinese) for category in range(6) for _ in range(each) for chinese in (False, True)]
    chosen = drawn(asked, 100)
    assert len(chosen) == 100
    assert min(chosen.count(kind) for kind in set(asked)) >= 3
    assert drawn(asked[:3], 100) == asked[:3]
    assert drawn([], 100) == []


def test_judged_pictures_stand_in_green_and_red(tmp_path: Path):
    pictures = [Judged(BLANK, "an apple", "apple", True), Judged(BLANK, "a long sentence " * 9, "pear", False)]
    with Image.open(judged_sheet(pictures, tmp_path / "judged.png", columns=2)) as sheet:
        frames = [sheet.getpixel((x + 6, 7)) for x in (0, sheet.width // 2)]
        assert frames == [RIGHT, WRONG]
