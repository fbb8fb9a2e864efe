"""The benchmark of the public families: each of them painted small, and what it does where one fails."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import families
from benchmarks.published import BUILDERS, build
from dalle_core.families.convert import KINDS

pytest.importorskip("transformers", reason="pip install -r requirements-models.txt")
CPU = torch.device("cpu")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", BUILDERS)
def test_a_family_painted_small(name: str, tmp_path: Path) -> None:
    out = tmp_path / "figures.jsonl"
    assert families.main(["--device", "cpu", "--tiny", "--count", "2", "--only", name, "--out", str(out)]) == 0
    where, figures = lines(out)
    assert where["tiny"] is True
    assert (figures["family"], figures["count"], figures["peak_gb"]) == (name, 2, None)
    seconds = [value for key, value in figures.items() if key.endswith("_seconds")]
    assert len(seconds) >= 4
    assert all(isinstance(value, float) and value >= 0 for value in seconds), "previews among them"


def test_what_fails_is_told_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, device: torch.device, tiny: bool) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setitem(BUILDERS, "dalle-mega", broken)
    out = tmp_path / "figures.jsonl"
    arguments = ["--device", "cpu", "--tiny", "--only", "dalle-mega", "openai-dvae", "--count", "1"]
    assert families.main([*arguments, "--out", str(out)]) == 1
    _, failed, done = lines(out)
    assert failed["error"] == "RuntimeError: out of memory"
    assert "picture_seconds" in done


def test_numbers_that_overflowed_are_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    built = build("dalle-mini", CPU, tiny=True)
    for parameter in built.networks[1].parameters():
        parameter.fill_(torch.nan)
    monkeypatch.setattr(families, "build", lambda *_, **__: built)
    with pytest.raises(ArithmeticError):
        families.measure("dalle-mini", CPU, 1)


def test_the_families_are_ones_that_can_be_had() -> None:
    assert BUILDERS.keys() <= set(KINDS)
