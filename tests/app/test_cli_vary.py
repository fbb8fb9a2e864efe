"""`generate --vary`: into a folder, into the history, through an open studio."""

import json
from pathlib import Path

import pytest

from app.recipes import read_recipe
from app.views import VARIATION
from tests.app.conftest import StartStudio
from tests.app.test_cli import FAKE, QUICK, files, run
from tests.app.test_cli_prefix import recipes
from tests.app.test_sources import BLUE, COLS, RED, file, picture

OWN = (RED,) * (2 * COLS) + (BLUE,) * (2 * COLS)


@pytest.fixture
def vary(tmp_path: Path) -> list[str]:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "whole.png").write_bytes(file(picture()))
    return ["--vary", str(tmp_path / "in" / "whole.png")]


def test_into_a_folder(tmp_path: Path, vary: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("generate", *QUICK, *vary, "--strength", "0.3", "--json", "--out", str(tmp_path / "out")) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(line["prompt"], line["percentile"]) for line in lines} == {("", None)}
    assert lines[0]["score"] >= lines[1]["score"]
    made = [read_recipe(path).request for path in files(tmp_path / "out")]
    assert {(request.source_tokens, request.strength) for request in made} == {(OWN, 0.3)}


def test_into_the_history(tmp_path: Path, vary: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("generate", "fox", *QUICK, *FAKE, *vary, "--data-dir", str(tmp_path / "data")) == 0
    made = [recipe.request for recipe in recipes(capsys)]
    assert {(request.prompt, request.source_tokens, request.strength) for request in made} == {("fox", OWN, 0.5)}


def test_through_an_open_studio(start_studio: StartStudio, vary: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    studio = start_studio()
    assert run("generate", *QUICK, *FAKE, *vary, "--data-dir", str(studio.settings.data_dir)) == 0
    assert {recipe.request.source_tokens for recipe in recipes(capsys)} == {OWN}
    job = studio.job(studio.images()[0].job_id)
    assert (job.kind, job.ranked_by) == (VARIATION, "")
