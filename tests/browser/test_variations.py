"""The Variations tab in a real browser: a picture comes in, is varied, and stands beside what came of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from app.history import Edge
from app.views import VARIATION
from dalle_core.request import GenerationRequest
from tests.browser.conftest import Served, Visit, wait_until_final

pytestmark = pytest.mark.browser
RED = 7 * 64 * 30  # in the fake model's tokens


def test_an_uploaded_picture_is_varied_without_words_beside_its_original(
    served: Served, visit: Callable[[str], Visit], tmp_path: Path
) -> None:
    visitor = visit(served.url)
    page = visitor.open()
    page.get_by_role("tab", name="Variations").click()
    Image.new("RGB", (80, 80), "red").save(tmp_path / "red.png")
    page.locator(".variations .bench input[type=file]").set_input_files(tmp_path / "red.png")
    page.locator(".variations .made:not(.stale) img").wait_for()
    expect(page.locator(".strength-words")).to_have_text("50%, a cousin")
    page.get_by_label("Strength").fill("30")
    expect(page.locator(".strength-words")).to_have_text("30%, a sibling")
    page.locator("#variations-count input").fill("3")
    page.locator("#variations-paint").click()
    run = page.locator(".variations .run")
    expect(run).to_have_attribute("data-status", "done")
    expect(run.get_by_role("heading")).to_have_text("Without words")
    expect(run.locator(".run-settings")).to_contain_text("strength 30%")
    expect(run.locator(".caption .match").first).to_contain_text("Likeness")
    expect(run.locator(".original img")).to_have_js_property("naturalWidth", 512)  # shown larger, as its variations are
    newest = served.studio.images()[0]
    assert (newest.prompt, newest.request.strength) == ("", 0.3)
    assert set(newest.request.source_tokens) == {RED}
    _check_map(page)
    assert visitor.errors == []
    assert visitor.strays == []


def _check_map(page: Page) -> None:
    """Of the latest run, and of a picture in the dialog."""
    run = page.locator(".variations .run").first
    run.get_by_role("button", name="What changed").click()
    expect(run.locator(".tile .heat")).to_have_count(3)
    run.get_by_role("button", name="What changed").click()
    expect(run.locator(".tile .heat")).to_have_count(0)
    run.locator(".tile").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("another picture, strength 30%")
    dialog.get_by_role("button", name="What changed").click()
    expect(dialog.locator(".heat")).to_have_count(1)
    dialog.get_by_role("button", name="Close").click()


def test_more_like_any_picture_is_one_click_or_key_away(served: Served, visit: Callable[[str], Visit]) -> None:
    visitor = visit(served.url)
    page = visitor.open()
    visitor.paint("green pear, noto", count=2)
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    parent = page.locator(".grid.best .tile").first.get_attribute("data-image") or ""
    tile = page.locator(f'.tile[data-image="{parent}"]')
    tile.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="What changed")).to_be_hidden()
    dialog.get_by_role("button", name="More like this").click()
    expect(dialog).to_contain_text("They appear under Variations.")
    dialog.get_by_role("button", name="Close").click()
    expect(page.locator(".run")).to_have_count(2)
    expect(page.locator(".run").first).to_have_attribute("data-status", "done")
    tile.hover()
    page.locator(".more-like").filter(visible=True).click()
    tile.focus()
    page.keyboard.press("v")
    page.get_by_role("tab", name="Gallery").click()
    page.locator(f'.card[data-id="{parent}"]').hover()
    page.locator(".gallery .more-like").click()
    expect(page.locator(".toast")).to_contain_text("They appear under Variations.")
    page.get_by_role("tab", name="Variations").click()
    runs = page.locator(".variations .run")
    expect(runs).to_have_count(4)
    for run in runs.all():
        expect(run).to_have_attribute("data-status", "done")
    child = served.studio.images()[0]
    assert served.studio.history.edges(child.id) == [Edge(parent, VARIATION)]
    assert (child.prompt, child.request.strength) == ("green pear, noto", 0.5)
    assert visitor.errors == []


def test_a_variation_s_settings_come_back_here_with_what_it_varies(
    served: Served, visit: Callable[[str], Visit]
) -> None:
    visitor = visit(served.url)
    page = visitor.open()
    visitor.paint("green pear, noto", count=1)
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    parent = page.locator(".grid.best .tile").first.get_attribute("data-image") or ""
    page.locator(".grid.best .tile").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Use settings").click()  # of no variation: they stay here
    expect(page.locator("#keep input")).to_have_value("1")
    page.locator("#prompt textarea").fill("a draft")
    page.get_by_role("tab", name="Variations").click()
    page.locator(".variations .drop").wait_for()
    source = served.studio.prepare_source(image_id=parent)
    job = served.studio.variations.start(GenerationRequest("", count=1, keep=1, seed=5, strength=0.25), source)
    wait_until_final(served.studio, job)
    page.locator(".variations .run .tile").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Use settings").click()
    expect(page.locator(".strength-words")).to_have_text("25%, a sibling")
    expect(page.locator("#variations-seed input, #variations-seed textarea")).to_have_value("5")
    expect(page.locator("#variations-prompt textarea")).to_have_value("")
    page.locator("#variations-paint").click()
    expect(page.locator(".variations .run")).to_have_count(2)
    expect(page.locator(".variations .run").first).to_have_attribute("data-status", "done")
    again, first = [served.studio.image(image.id) for image in served.studio.images(limit=2)]
    assert again.request == first.request
    page.get_by_role("tab", name="Create").click()
    expect(page.locator("#prompt textarea")).to_have_value("a draft")
    assert visitor.errors == []


def test_any_result_can_be_sent_here(served: Served, visit: Callable[[str], Visit]) -> None:
    visitor = visit(served.url)
    page = visitor.open()
    visitor.paint("green pear, noto", count=1)
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    page.locator(".grid.best .tile").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Vary from here").click()
    expect(page.locator("#variations-prompt textarea")).to_have_value("green pear, noto")
    page.locator(".variations .made:not(.stale) img").wait_for()
    page.get_by_label("Strength").fill("100")
    expect(page.locator(".strength-words")).to_have_text("100%, a stranger: only the prompt counts")
    page.locator("#variations-prompt textarea").fill("")
    page.locator("#variations-paint").click()
    expect(page.get_by_role("alert").filter(has_text="The prompt is empty")).to_be_visible()
    page.reload()
    page.get_by_role("tab", name="Variations").click()
    page.locator(".variations .made:not(.stale) img").wait_for()
    expect(page.get_by_label("Strength")).to_have_value("100")
    assert visitor.errors == []
