"""The benchmark of the reranker against grades: what it reads, what it counts, and that it knows its own candidates."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import ranking
from dalle_core.families.bundled import load_bundled
from dalle_core.training.painting import Easel


def graded(*marks: str, category: str = "position") -> ranking.Graded:
    fields = {"prompt": "a cat", "category": category, "seed": 4, "tokens": "", "grades": " ".join(marks)}
    return ranking._graded(fields)


def test_a_thing_of_another_colour_is_never_right() -> None:
    each = graded("3,2", "3,1", "3x,3", "0,3")
    assert each.grades.tolist() == [[3, 2], [3, 1], [-1, 3], [0, 3]]
    assert each.right(1).tolist() == [True, True, False, False]
    assert each.right(2).tolist() == [True, False, False, False]


def test_the_grades_that_come_along_are_of_all_categories_and_of_all_candidates() -> None:
    grades = ranking.read_grades()
    assert {len(each.grades) for each in grades} == {ranking.CANDIDATES}
    assert {each.grades.shape[1] for each in grades if each.category in {"position", "colour binding"}} == {2}
    assert {count >= 75 for count in Counter(each.category for each in grades).values()} == {True}
    assert len({(each.prompt, each.seed) for each in grades}) == len(grades)


def test_it_counts_what_is_put_first() -> None:
    two = [graded("3,3", "0,3"), graded("1,3", "2,2"), graded("3", "0", category="colours")]
    found = [{"so": np.array([2.0, 1.0])}, {"so": np.array([2.0, 1.0])}, {"so": np.array([1.0, 2.0])}]
    table = {line[:52].strip(): line[52:].split(" (")[0].strip() for line in ranking.report(two, found)}
    assert table["drawn right, composed: random"] == "50.0 %"
    assert table["drawn right, composed: so, AUC 0.500"] == "50.0 %"
    assert table["recognisable, composed: random"] == "75.0 %"
    assert table["recognisable, composed: so, gain"] == "25.0 points"
    assert table["drawn right, single: so, AUC 0.000"] == "0.0 %"
    assert table["drawn right, all: so, gain"] == "-16.7 points"


@pytest.mark.parametrize("same", [True, False])
def test_it_measures_the_candidates_that_were_graded_and_no_others(
    same: bool, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = graded(*["3,3", "0,0"] * 8)
    tokens = ranking.fingerprint(
        Easel(load_bundled(model_folder, torch.device("cpu")), tmp_path).candidates(asked.request)
    )
    line = {"prompt": "a cat", "category": "position", "seed": 4, "tokens": tokens if same else "another"}
    path = tmp_path / "grades.jsonl"
    path.write_text(json.dumps(line | {"grades": " ".join(["3,3", "0,0"] * 8)}) + "\n")
    status = ranking.main([str(model_folder), "--grades", str(path), "--painted", str(tmp_path)])
    told = capsys.readouterr().out
    assert status == (0 if same else 1)
    assert f"{int(same)} of 1 prompts" in told
    assert ("drawn right, composed: random" in told) == same
