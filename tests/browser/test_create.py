"""The Create tab in a real browser: painting, ranking, stopping, coming back, and what it says when it cannot."""

import json
import re
from collections.abc import Callable

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from app.recipes import Recipe, to_png
from app.ui.examples import example_prompts
from dalle_core.request import GenerationRequest
from tests.browser.conftest import Served, Visit
from tests.browser.test_recipe_drop import drop

pytestmark = pytest.mark.browser
STEP = 0.004  # seconds a digit: a batch of pictures then takes about a second and a half
# Collects how far the page jumps, as browsers measure it, unless the artist has just pressed something.
JUMPS = """new PerformanceObserver(list => {
    for (const jump of list.getEntries().filter(jump => !jump.hadRecentInput))
        (window.jumps ??= []).push(jump.value);
}).observe({ type: 'layout-shift' })"""


def test_the_page_opens_quietly_and_asks_nobody_else(served: Served, visit: Callable[[str], Visit]) -> None:
    visitor = visit(served.url)
    page = visitor.open()
    expect(page).to_have_title("Dalle Studio")
    expect(page.get_by_role("heading", name="Dalle Studio")).to_be_visible()
    expect(page.locator("footer")).not_to_be_visible()
    assert json.loads(page.request.get(f"{served.url}manifest.json").body())["name"] == "Dalle Studio"
    assert visitor.errors == []
    assert visitor.strays == []


def test_candidates_paint_live_then_the_best_come_first(served: Served, visit: Callable[[str], Visit]) -> None:
    served.model.step_seconds = STEP
    visitor = visit(served.url)
    page = visitor.open()
    page.locator("#prompt textarea").fill("red apple")
    page.keyboard.press("Control+Enter")
    page.locator(".tile[data-state=painting] img").first.wait_for()
    assert "/media/preview/" in str(page.locator(".tile[data-state=painting] img").first.evaluate("i => i.src"))
    page.evaluate(JUMPS)
    expect(page.locator(".run-state")).to_contain_text("left")
    served.model.step_seconds = 0.0
    best = page.locator(".grid.best .tile")
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    expect(best).to_have_count(4)
    expect(best.locator(".rank")).to_have_text(["#1", "#2", "#3", "#4"])
    expect(best.first).to_contain_text("of random pairs")
    assert sum(page.evaluate("window.jumps ?? []")) < 0.005
    for tile in best.all():
        expect(tile).to_have_attribute("style", re.compile(r"--painted: ?1(?![\d.])"))
        expect(tile.locator("img")).to_have_js_property("naturalWidth", 512)  # shown larger than it is
    page.get_by_role("button", name="Show the rest (5)").click()
    expect(page.locator(".grid.rest .tile")).to_have_count(5)
    expect(page.locator(".grid.rest .tile").first).to_be_visible()
    assert visitor.errors == []
    assert visitor.strays == []


def test_in_the_dark_no_slider_shines(served: Served, visit: Callable[[str], Visit]) -> None:
    visitor = visit(served.url)
    visitor.page.emulate_media(color_scheme="dark")
    page = visitor.open()
    page.locator(".drawer > button").first.click()
    slider = page.get_by_role("slider").first
    track, line = (
        slider.evaluate(f"node => getComputedStyle(node).getPropertyValue('{name}')")
        for name in ("--neutral-200", "--line-strong")
    )
    assert track == line != ""


def test_stop_keeps_what_is_finished(served: Served, visit: Callable[[str], Visit]) -> None:
    served.model.step_seconds = STEP
    visitor = visit(served.url)
    page = visitor.open()
    visitor.paint("blue whale", count=20)
    page.locator(".tile[data-state=done]").first.wait_for()
    page.locator("#stop").click()
    expect(page.locator(".run")).to_have_attribute("data-status", "cancelled")
    expect(page.locator(".run-state")).to_contain_text("Stopped. 7 of 20")
    expect(page.locator(".grid.best .tile")).to_have_count(7)
    expect(page.locator("#stop")).to_be_disabled()


def test_a_reload_and_a_second_browser_find_the_running_job(served: Served, visit: Callable[[str], Visit]) -> None:
    served.model.step_seconds = 10 * STEP  # still painting when the second page has opened
    first, second = visit(served.url), visit(served.url)
    first.open()
    first.paint("green pear", count=16)
    first.page.locator(".tile[data-state=painting]").first.wait_for()
    for page in (second.open(), _reloaded(first.page)):
        expect(page.get_by_role("heading", name="green pear")).to_be_visible()
        page.locator(".tile[data-state=painting]").first.wait_for()
        expect(page.locator("#stop")).to_be_enabled()
    expect(first.page.locator("#prompt textarea")).to_have_value("green pear")
    served.model.step_seconds = 0.0
    for page in (first.page, second.page):
        expect(page.locator(".run")).to_have_attribute("data-status", "done")


def test_a_bad_request_is_explained_and_nothing_is_lost(served: Served, visit: Callable[[str], Visit]) -> None:
    visitor = visit(served.url)
    page = visitor.open()
    message = page.get_by_role("alert").filter(visible=True)
    visitor.paint("   ")
    expect(message).to_contain_text("The prompt is empty")
    page.locator("#seed input, #seed textarea").fill("seven")
    visitor.paint("a lantern", count=3)
    expect(message).to_contain_text("whole number")
    expect(page.locator("#prompt textarea")).to_have_value("a lantern")
    expect(page.locator(".run")).to_have_count(0)
    page.locator("#dice").click()
    expect(page.locator("#seed input, #seed textarea")).not_to_have_value("seven")
    page.locator("#paint").click()
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    expect(message).to_have_count(0)


def test_a_prompt_is_text_and_a_cut_is_told(served: Served, visit: Callable[[str], Visit]) -> None:
    visitor = visit(served.url)
    page = visitor.open()
    prompt = "<img src=x onerror=alert(1)> ${1+1} {{value}} " + "word " * 24
    served.studio.submit(GenerationRequest(prompt.strip(), count=1, keep=1))  # typed, its braces would be a template
    expect(page.locator(".run h2")).to_have_text(prompt.strip())
    expect(page.locator(".notes li")).to_have_text("The prompt was cut after 24 tokens.")
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    assert page.locator(".run h2 img").count() == 0
    assert visitor.errors == []


def test_chips_write_the_prompt(served: Served, visit: Callable[[str], Visit]) -> None:
    page = visit(served.url).open()
    prompt, style = page.locator("#prompt textarea"), page.get_by_role("button", name="noto", exact=True)
    example = next(text for text in example_prompts()["en"] if "," not in text)  # one that names no style
    page.get_by_role("button", name=example, exact=True).click()
    style.click()
    expect(prompt).to_have_value(f"{example}, noto")
    expect(style).to_have_attribute("aria-pressed", "true")
    style.click()
    expect(prompt).to_have_value(example)
    expect(style).to_have_attribute("aria-pressed", "false")
    drop(
        page, "#prompt", to_png(Image.new("RGB", (8, 8)), Recipe(GenerationRequest("a boat, noto"), 0, 0, "x", "", ()))
    )
    page.get_by_role("button", name="Only the prompt").click()
    expect(prompt).to_have_value("a boat, noto")
    expect(style).to_have_attribute("aria-pressed", "true")
    for name, number in (("count", "3"), ("keep", "2"), ("seed", "41")):
        page.locator(f"#{name} input, #{name} textarea").fill(number)
    page.reload()
    expect(prompt).to_have_value("a boat, noto")
    expect(style).to_have_attribute("aria-pressed", "true")
    page.locator("#paint").click()
    expect(page.locator(".run-settings")).to_contain_text("3 candidates · seed 41")
    expect(page.locator("#keep input")).to_have_value("2")


def test_a_narrow_screen_needs_no_sideways_scrolling(served: Served, visit: Callable[[str], Visit]) -> None:
    visitor = visit(served.url)
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    page = visitor.open()
    visitor.paint("an umbrella", count=3)
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def _reloaded(page: Page) -> Page:
    page.reload()
    return page
