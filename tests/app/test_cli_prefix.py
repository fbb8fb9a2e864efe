"""`generate --prefix`: into a folder, into the history, through an open studio, and what it says when it cannot."""

from pathlib import Path

import pytest

from app.history import Edge
from app.recipes import Recipe, read_recipe
from tests.app.conftest import StartStudio, painted
from tests.app.test_cli import FAKE, QUICK, files, run
from tests.app.test_sources import COLS, RED, file, picture


@pytest.fixture
def prefix(tmp_path: Path) -> list[str]:
    """A picture, red at the top, of which two rows are kept."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "top.png").write_bytes(file(picture()))
    return ["--prefix", str(tmp_path / "in" / "top.png"), "--prefix-rows", "2"]


def recipes(capsys: pytest.CaptureFixture[str]) -> list[Recipe]:
    """Of the pictures whose paths were printed."""
    return [read_recipe(Path(line)) for line in capsys.readouterr().out.splitlines()]


def test_into_a_folder(tmp_path: Path, prefix: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("generate", "fox", *QUICK, *prefix, "--out", str(tmp_path / "out")) == 0
    made = recipes(capsys)
    assert [recipe.tokens[: 2 * COLS] for recipe in made] == [(RED,) * (2 * COLS)] * 2
    assert made[0].tokens != made[1].tokens
    assert len(files(tmp_path / "out")) == 2


def test_into_the_history(tmp_path: Path, prefix: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("generate", "fox", *QUICK, *FAKE, *prefix, "--data-dir", str(tmp_path / "data")) == 0
    assert [recipe.request.prefix_tokens for recipe in recipes(capsys)] == [(RED,) * (2 * COLS)] * 2


def test_through_an_open_studio(
    start_studio: StartStudio, prefix: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    studio = start_studio()
    assert run("generate", "fox", *QUICK, *FAKE, *prefix, "--data-dir", str(studio.settings.data_dir)) == 0
    assert [recipe.request.prefix_tokens for recipe in recipes(capsys)] == [(RED,) * (2 * COLS)] * 2
    assert studio.job(studio.images()[0].job_id).kind == "complete"


def test_a_picture_of_the_history_is_known_and_keeps_its_tokens(
    start_studio: StartStudio, capsys: pytest.CaptureFixture[str]
) -> None:
    studio = start_studio()
    parent = str(painted(studio).tiles[0].image_id)
    given = ["--prefix", str(studio.image_path(parent)), "--prefix-rows", "3"]
    assert run("generate", "fox", *QUICK, *FAKE, *given, "--data-dir", str(studio.settings.data_dir)) == 0
    own = studio.history.image(parent).tokens
    for recipe in recipes(capsys):
        assert recipe.tokens[: 3 * COLS] == own[: 3 * COLS]
        assert recipe.parents == (parent,)
    assert studio.history.edges(studio.images()[0].id) == [Edge(parent, "complete", 3)]


@pytest.mark.parametrize(
    ("content", "given", "status", "words"),
    [
        (None, ["--prefix", "top.png"], 2, "--prefix IMG and --prefix-rows R go together"),
        (None, ["--prefix-rows", "2"], 2, "--prefix IMG and --prefix-rows R go together"),
        (None, ["--prefix", "gone.png", "--prefix-rows", "2"], 1, "gone.png cannot be read: No such file"),
        (file(picture()), ["--prefix", "top.png", "--prefix-rows", "0"], 2, "0 rows are to be kept; expected a number"),
        (file(picture()), ["--prefix", "top.png", "--prefix-rows", "4"], 2, "expected a number from 1 to 3"),
        (file(picture()), ["--prefix", "top.png", "--prefix-rows", "two"], 2, "--prefix-rows"),
        (b"<svg/>", ["--prefix", "top.png", "--prefix-rows", "2"], 1, "an SVG drawing"),
        (b"", ["--prefix", "top.png", "--prefix-rows", "2"], 1, "it is empty"),
    ],
)
@pytest.mark.parametrize("into", ["--out", "--data-dir"])
def test_what_cannot_be_kept_is_told_in_one_line(
    content: bytes | None, given: list[str], status: int, words: str, into: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("top.png").write_bytes(content)
    assert run("generate", "fox", *QUICK, *FAKE, *given, into, str(tmp_path / "made")) == status
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert words in error
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob("made/**/*.png"))
