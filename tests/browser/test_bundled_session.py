"""An artist's session with the program itself and the bundled model: nothing here is a stand-in.

Every flow has its own tests, with a fake model; this shows that the real one goes through all of them.
"""

import json
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from app.models import DEFAULT_MODEL
from app.recipes import Recipe, read_recipe
from app.settings import PROJECT_FOLDER, Settings
from dalle_core.families.registry import read_spec
from dalle_core.request import even_width
from tests.browser.conftest import PATIENCE_MS, Visit
from tests.browser.test_recipe_drop import drop

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG_MS = 120_000  # a batch takes seconds here, and much longer on a busy machine
COUNT = 9  # the fewest that need a second batch
WIDTH = even_width(COUNT)
SPEC = read_spec(Settings.models_dir / DEFAULT_MODEL)
KEPT_ROWS = 3 * SPEC.rows // 4


@dataclass
class Program:
    """`python app.py` on one data folder and port."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        flags = ["--no-browser", "--port", str(self.port), "--data-dir", str(self.folder)]
        self.process = subprocess.Popen([sys.executable, "app.py", *flags], cwd=PROJECT_FOLDER)
        deadline = time.monotonic() + LONG_MS / 1000
        while not self._answers():
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def pictures(self) -> dict[str, Recipe]:
        return {path.stem: read_recipe(path) for path in (self.folder / "images").rglob("*.png")}

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture(autouse=True)
def patience(browser: Browser) -> Iterator[None]:
    expect.set_options(timeout=LONG_MS)
    yield
    expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Program(tmp_path / "data", port)
    program.start()
    yield program
    program.kill()


def test_a_job_is_seen_everywhere_and_outlives_a_reload_and_a_kill(
    program: Program, visit: Callable[[str], Visit]
) -> None:
    desk, phone = visit(program.url), visit(program.url)
    page = _patient(desk)
    desk.paint("red apple, noto", count=COUNT)
    desk.paint("一只猫", count=1)
    _shown(page, "red apple").locator(".tile[data-state=painting] img").first.wait_for()
    phone.page.set_viewport_size({"width": 390, "height": 844})
    phone.page.emulate_media(color_scheme="dark")
    page.reload()
    for seen in (page, _patient(phone)):
        _shown(seen, "red apple").locator(".tile[data-state=painting]").first.wait_for()
        expect(seen.locator(".queue").filter(visible=True)).to_contain_text("一只猫")
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    _shown(page, "red apple").locator(".tile[data-state=done]").first.wait_for()
    assert desk.errors == phone.errors == []

    program.kill()
    finished = program.pictures()
    assert 0 < len(finished) < COUNT
    program.start()
    page.reload()
    run = _shown(page, "red apple")
    expect(run.locator(".run-state")).to_contain_text("Interrupted")
    assert {_id(tile) for tile in run.locator(".tile").all()} <= finished.keys()
    run.get_by_role("button", name="Paint the rest").click()
    for prompt in ("一只猫", "red apple"):
        expect(_shown(page, prompt)).to_have_attribute("data-status", "done")
    expect(run.locator(".tile")).to_have_count(COUNT)
    expect(_shown(phone.page, "red apple")).to_have_attribute("data-status", "done")  # it was never reloaded
    assert finished.items() <= program.pictures().items()
    connection = sqlite3.connect(program.folder / "db" / "history.sqlite3")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    assert desk.strays == phone.strays == []


def test_stop_complete_rank_reproduce_and_find_again(program: Program, visit: Callable[[str], Visit]) -> None:
    visitor = visit(program.url)
    page, dialog = _patient(visitor), visitor.page.get_by_role("dialog")
    visitor.paint("grinning face, twemoji", count=COUNT)
    run = _shown(page, "grinning face")
    run.locator(".tile[data-state=done]").first.wait_for()
    page.locator("#stop").click()
    expect(run).to_have_attribute("data-status", "cancelled")
    expect(run.locator(".run-state")).to_contain_text(f"Stopped. {WIDTH} of {COUNT}")

    run.get_by_role("button", name="Rank by other words").click()
    run.get_by_label("Rank these pictures by").fill("crying face")
    page.keyboard.press("Enter")
    expect(run.locator(".ranked-by")).to_contain_text("Ranked by “crying face”")
    best = run.locator(".grid.best .tile").first
    expect(best).to_contain_text("of random pairs")

    parent = _id(best)
    best.click()
    dialog.get_by_role("button", name="Paint it again").click()
    expect(dialog.locator(".compared")).to_have_text("Painted again: identical, every token and every pixel.")
    dialog.get_by_role("button", name="Complete from here").click()
    page.locator(".made:not(.stale) img").wait_for()
    page.get_by_label("Keep the top").fill(str(KEPT_ROWS))
    page.locator("#complete-count input").fill("2")
    page.locator("#complete-paint").click()
    expect(page.locator(".completing .run").first).to_have_attribute("data-status", "done")
    pictures = program.pictures()
    children = [recipe for recipe in pictures.values() if recipe.parents == (parent,)]
    assert len(children) == 2
    given = children[0].request.prefix_tokens
    assert len(given) == KEPT_ROWS * SPEC.cols
    assert {child.tokens[: len(given)] for child in children} == {pictures[parent].tokens[: len(given)]} == {given}

    page.get_by_role("tab", name="Gallery").click()
    page.get_by_label("Search the gallery").fill("grin")
    page.locator(".card").first.wait_for()
    page.get_by_role("tab", name="Create").click()
    (file,) = (program.folder / "images").rglob(f"{parent}.png")
    drop(page, "#prompt", file.read_bytes())
    page.get_by_role("button", name="Only the seed").click()
    expect(page.locator("#seed input, #seed textarea")).to_have_value(json.dumps(pictures[parent].seed))
    assert visitor.errors == []
    assert visitor.strays == []


def _patient(visitor: Visit) -> Page:
    visitor.page.set_default_timeout(LONG_MS)
    return visitor.open()


def _shown(page: Page, prompt: str) -> Locator:
    return page.locator(".run").filter(visible=True).filter(has_text=prompt)


def _id(tile: Locator) -> str:
    return str(tile.get_attribute("data-image"))
