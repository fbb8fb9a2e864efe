"""The studio killed in the middle of a job, as `kill -9` or a power cut does it, and opened again."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from app.recipes import read_recipe
from app.settings import PROJECT_FOLDER
from app.studio import JobView, Studio
from tests.app.conftest import StartStudio, painted, request, wait_until, watched

STUDIO = """
import pathlib, sys
from tests.app.conftest import quick_model, request
from tests.fakes import fake_studio

studio = fake_studio(pathlib.Path(sys.argv[1]), quick_model(step_seconds=0.002))
print(studio.submit(request(count=40, keep=1)), studio.submit(request("blue pear", count=1, keep=1)), flush=True)
sys.stdin.read()
"""


def test_a_killed_studio_loses_nothing_that_was_finished(tmp_path: Path, start_studio: StartStudio) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", STUDIO, str(tmp_path)],
        cwd=PROJECT_FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with child:
        assert child.stdout is not None
        running, waiting = child.stdout.readline().split()
        images = tmp_path / "data" / "images"
        wait_until(lambda: len(list(images.rglob("*.png"))) >= 6)
        os.kill(child.pid, signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL

    studio = start_studio()
    view = studio.job(running)
    assert view.status == "interrupted"
    assert [found.id for found in studio.interrupted()] == [running]
    files = {path.stem for path in images.rglob("*.png")}
    assert {tile.image_id for tile in view.tiles} <= files
    assert len(view.tiles) >= 5  # the last file may have been written and its row not yet
    assert all(tile.kept for tile in view.tiles)
    for tile in view.tiles:
        assert tile.image_id is not None
        assert read_recipe(studio.image_path(tile.image_id)).seed == tile.seed
    assert watched(studio, waiting)[-1].status == "done"
    connection = sqlite3.connect(studio.settings.database)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()

    finished = {tile.index: tile.image_id for tile in view.tiles}
    assert studio.requeue(running) == running
    again = watched(studio, running)[-1]
    assert (again.status, again.finished) == ("done", 40)
    assert again.request == view.request == request(count=40, keep=1)
    assert finished.items() <= {tile.index: tile.image_id for tile in again.tiles}.items()
    assert sorted(tile.rank or 0 for tile in again.tiles) == list(range(1, 41))
    at_once = painted(studio, count=40, keep=1)
    assert tokens(studio, again) == tokens(studio, at_once)
    assert studio.interrupted() == []


def tokens(studio: Studio, view: JobView) -> dict[int, tuple[int, ...]]:
    """Of every picture of a job, by its seed."""
    recipes = [read_recipe(studio.image_path(tile.image_id or "")) for tile in view.tiles]
    return {recipe.seed: recipe.tokens for recipe in recipes}
