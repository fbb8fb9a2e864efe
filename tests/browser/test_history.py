"""The History tab and the picture dialog in a real browser."""

import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from app.studio import Studio
from app.ui import browser_calls
from dalle_core.request import GenerationRequest
from tests.browser.conftest import Served, Visit
from tests.fakes import fake_studio

pytestmark = pytest.mark.browser


def test_the_history_outlives_the_app_and_can_be_searched(
    tmp_path: Path, serve_studio: Callable[[Studio], str], visit: Callable[[str], Visit]
) -> None:
    before = fake_studio(tmp_path, open_browser=False)
    _paint(before, "red apple")
    _paint(before, "蓝色的猫")
    before.close()
    visitor = visit(serve_studio(fake_studio(tmp_path, open_browser=False)))
    page = _history(visitor)
    expect(page.locator(".card")).to_have_count(4)
    expect(page.locator(".card").first).to_contain_text("蓝色的猫")
    page.get_by_label("Search the history").fill("apple")
    expect(page.locator(".card")).to_have_count(2)
    page.get_by_label("Show every candidate").check()
    expect(page.locator(".card")).to_have_count(3)
    page.get_by_label("Search the history").fill('no "such')
    expect(page.locator(".history-note")).to_contain_text("Nothing matches")
    assert visitor.errors == []


def test_older_pictures_come_when_asked(
    served: Served, visit: Callable[[str], Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_calls, "PAGE", 5)
    _paint(served.studio, "page by page", count=12, keep=12)
    page = _history(visit(served.url))
    page.get_by_label("Search the history").fill("page by page")
    page.keyboard.press("Enter")
    page.locator(".shelf[aria-busy=false]").wait_for()
    expect(page.locator(".card")).to_have_count(5)
    for shown in (10, 12):
        page.get_by_role("button", name="Load more").click()
        expect(page.locator(".card")).to_have_count(shown)
    expect(page.get_by_role("button", name="Load more")).to_be_hidden()


def test_a_picture_opens_and_gives_its_seed_recipe_and_file(served: Served, visit: Callable[[str], Visit]) -> None:
    _paint(served.studio, "paper lantern", seed=41)
    visitor = visit(served.url)
    page = _history(visitor)
    page.get_by_label("Search the history").fill("paper lantern")
    expect(page.locator(".card")).to_have_count(2)
    page.locator(".card").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("paper lantern")
    expect(dialog).to_contain_text("of random pairs")
    seed = dialog.locator(".seed").inner_text().removeprefix("Seed ")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dialog.get_by_role("button", name="Copy recipe").click()
    expect(dialog.get_by_role("status")).to_have_text("Recipe copied.")
    recipe = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert recipe["request"]["prompt"] == "paper lantern"
    assert recipe["request"]["seed"] == int(seed)
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Save").click()
    assert download.value.suggested_filename == f"paper-lantern-{seed}.png"
    with Image.open(io.BytesIO(download.value.path().read_bytes())) as image:
        assert image.format == "PNG"
        assert "parameters" in image.info
    dialog.get_by_role("button", name="Use settings").click()
    expect(page.locator("#prompt textarea")).to_have_value("paper lantern")
    expect(page.locator("#seed input, #seed textarea")).to_have_value("41")
    assert visitor.errors == []


def test_the_dialog_turns_pages_and_gives_focus_back(served: Served, visit: Callable[[str], Visit]) -> None:
    visitor = visit(served.url)
    page = visitor.open()
    visitor.paint("two boats", count=2)
    tiles = page.locator(".grid.best .tile:not(:disabled)")
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    tiles.first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Rank 1 of 2")
    page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text("Rank 2 of 2")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(tiles.first).to_be_focused()


def _history(visitor: Visit) -> Page:
    page = visitor.open()
    page.get_by_role("tab", name="History").click()
    page.locator(".card").first.wait_for()
    return page


def _paint(studio: Studio, prompt: str, count: int = 3, keep: int = 2, seed: int = 7) -> str:
    job_id = studio.submit(GenerationRequest(prompt, count=count, keep=keep, seed=seed))
    wait_until_final(studio, job_id)
    return job_id


def wait_until_final(studio: Studio, job_id: str) -> None:
    deadline = time.monotonic() + 30
    while not studio.job(job_id).final:
        assert time.monotonic() < deadline, "the job does not end"
        time.sleep(0.01)


def test_results_are_counted_and_empty_shelves_say_what_to_do(
    tmp_path: Path, serve_studio: Callable[[Studio], str], visit: Callable[[str], Visit]
) -> None:
    studio = fake_studio(tmp_path, open_browser=False)
    visitor = visit(serve_studio(studio))
    page = visitor.open()
    page.get_by_role("tab", name="History").click()
    expect(page.locator(".history-note")).to_contain_text("Nothing here yet")
    _paint(studio, "猫 on a Café table", count=3, keep=2)
    _paint(studio, "红苹果")
    expect(page.locator(".history-count")).to_have_text("4 pictures")
    search = page.get_by_label("Search the history")
    for query, count in (("猫", 2), ("苹果", 2), ("cafe", 2), ("caf", 2), ('"tab', 2)):
        search.fill(query)
        expect(page.locator(".history-count")).to_have_text(f"{count} pictures match")
        expect(page.locator(".card").first).to_contain_text("红苹果" if query == "苹果" else "猫")
    search.fill("<b>nothing</b>")
    expect(page.locator(".history-note")).to_contain_text("Nothing matches “<b>nothing</b>”")
    page.get_by_role("button", name="Show all").click()
    expect(page.locator(".card")).to_have_count(4)
    for image in studio.images():
        studio.keep(image.id, False)
    search.fill("table")
    page.get_by_role("button", name="Show every candidate").click()
    expect(page.locator(".card")).to_have_count(3)
    assert visitor.errors == []


def test_unkept_candidates_are_cleared_away_after_a_question_with_numbers(
    tmp_path: Path, serve_studio: Callable[[Studio], str], visit: Callable[[str], Visit]
) -> None:
    studio = fake_studio(tmp_path, open_browser=False)
    _paint(studio, "a lantern", count=5, keep=2)
    visitor = visit(serve_studio(studio))
    page = _history(visitor)
    room, question = page.locator(".history-space"), page.get_by_role("dialog")
    expect(room).to_contain_text("5 pictures on disk")
    page.get_by_label("Show every candidate").check()
    expect(page.locator(".card")).to_have_count(5)
    room.get_by_role("button", name="Clear away 3 candidates").click()
    expect(question).to_contain_text("Delete 3 candidates that nobody kept?")
    expect(question).to_contain_text("kB")
    question.get_by_role("button", name="Leave them").click()
    assert studio.images_count(kept_only=False) == 5
    room.get_by_role("button").click()
    question.get_by_role("button", name="Delete them").click()
    expect(room).to_contain_text("2 pictures on disk")
    expect(page.locator(".card")).to_have_count(2)
    expect(room.get_by_role("button")).to_be_hidden()
    assert visitor.errors == []
