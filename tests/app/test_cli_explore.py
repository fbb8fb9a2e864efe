"""`explore` on the command line, and prompts with choices on `generate`."""

import json
from pathlib import Path

import pytest
from PIL import Image

from app.cli import main
from app.explore_command import SHEET
from app.recipes import read_recipe
from tests.app.conftest import StartStudio, quick_model
from tests.fakes import FakeModel, fake_loader

QUICK = ["--seed", "7", "--guidance", "1", "--device", "cpu"]
AXES = ["--x", "temperature=0.5, 1", "--y", "seed=1..2"]


def run(*argv: str, model: FakeModel | None = None) -> int:
    return main(argv, load_model=fake_loader(model or quick_model()))


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_sheet_is_written_cell_by_cell_and_as_one_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data-dir", str(tmp_path / "data")]
    assert run("explore", "fox", *AXES, *QUICK, "--out", str(tmp_path / "out"), *data, "--json") == 0
    cells = told(capsys)
    assert [(cell["column"], cell["row"]) for cell in cells] == [("0.5", "1"), ("1", "1"), ("0.5", "2"), ("1", "2")]
    recipes = [read_recipe(Path(str(cell["path"]))) for cell in cells]
    assert [(one.request.temperature, one.seed) for one in recipes] == [(0.5, 1), (1, 1), (0.5, 2), (1, 2)]
    with Image.open(tmp_path / "out" / SHEET) as sheet:
        assert "fox" in str(sheet.info)
    assert not (tmp_path / "data").exists()


def test_a_stopped_sheet_goes_on_and_no_other_is_painted_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, seedless = tmp_path / "out", ["--guidance", "1", "--device", "cpu"]
    axes, model = ["--x", "temperature=0.5, 1, 2"], quick_model()
    assert run("explore", "fox", *axes, *seedless, "--out", str(out)) == 0
    before = {path.name: path.read_bytes() for path in out.glob("cell-*.png")}
    (out / "cell-01-02.png").unlink()
    kept = (out / "cell-01-01.png").stat().st_mtime_ns
    assert run("explore", "fox", *axes, *seedless, "--out", str(out), model=model) == 0
    assert {path.name: path.read_bytes() for path in out.glob("cell-*.png")} == before
    assert (out / "cell-01-01.png").stat().st_mtime_ns == kept
    capsys.readouterr()
    assert run("explore", "cat", *axes, *seedless, "--out", str(out)) == 1
    assert "of another sheet" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.glob("cell-*.png")} == before


def test_without_a_folder_it_is_a_sheet_of_the_history(
    tmp_path: Path, start_studio: StartStudio, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "red.png"
    Image.new("RGB", (64, 64), "red").save(picture)
    data = ["--data-dir", str(tmp_path / "data"), "--picture", str(picture)]
    assert run("explore", "fox", "--x", "strength=0.3, 0.8", *QUICK, *data, "--json") == 0
    cells = told(capsys)
    assert [cell["column"] for cell in cells] == ["0.3", "0.8"]
    assert run("history", "search", "fox", "--data-dir", str(tmp_path / "data")) == 0
    found = capsys.readouterr().out
    assert [str(cell["path"]) in found for cell in cells] == [True, True]
    open_one = start_studio()
    assert run("explore", "fox", *AXES, "--model", "fake", "--data-dir", str(open_one.settings.data_dir)) == 1
    assert "--out DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "--x KIND=VALUES"),
        (["--x", "guidance"], "'guidance'; expected KIND=VALUES"),
        (["--x", "colour=red"], "KIND is one of"),
        (["--y", "temperature=hot"], "'hot'; expected numbers"),
        (["--x", "seed=1-500"], "more than 200 values"),
        (["--x", "strength=0.5"], "needs a picture"),
    ],
)
def test_axes_that_are_none_are_refused(
    argv: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("explore", "fox", *argv, *QUICK, "--out", str(tmp_path / "out")) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_each_variation_of_a_prompt_is_painted_in_its_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = ["--out", str(tmp_path / "out"), "--data-dir", str(tmp_path / "data")]
    colours = tmp_path / "data" / "wildcards" / "colour.txt"
    colours.parent.mkdir(parents=True)
    colours.write_text("red\nblue\n")
    argv = ["--count", "2", "--keep", "1", *QUICK, *folders, "--json"]
    assert run("generate", "a {cat|dog}, __colour__", *argv) == 0
    painted = told(capsys)
    assert [one["prompt"] for one in painted] == ["a cat, red", "a cat, blue", "a dog, red", "a dog, blue"]
    assert run("generate", "a {cat|dog}, __colour__", "--variations", "2", *argv) == 0
    drawn = [one["prompt"] for one in told(capsys)]
    assert len(drawn) == 2
    assert set(drawn) < {one["prompt"] for one in painted}
    for prompt, words in (
        ("{cat", "brace"),
        ("__sky__", "sky"),
        ("{1-99$$" + "|".join("abcdefghij") + "}", "--variations N"),
    ):
        assert run("generate", prompt, *argv) == 2
        assert words in capsys.readouterr().err


def test_variations_of_a_prompt_go_into_the_history_each_as_a_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--count", "1", *QUICK, "--data-dir", str(tmp_path), "--json"]
    assert run("generate", "a {cat|dog}", *argv) == 0
    assert [one["prompt"] for one in told(capsys)] == ["a cat", "a dog"]
