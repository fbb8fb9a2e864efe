"""Explore in a real browser, and the prompt's variations on Create: grids that fill in, stop, go on and are saved."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.browser.conftest import Served, Visit

pytestmark = pytest.mark.browser
STEP = 0.002
Visiting = Callable[[str], Visit]


def explore(visitor: Visit) -> Page:
    page = visitor.open()
    page.get_by_role("tab", name="Explore").click()
    return page


def choose(page: Page, axis: str, kind: str, values: str) -> None:
    field = page.locator(f"[data-axis={axis}]")
    field.locator("select").select_option(kind)
    if kind:
        field.locator("input").fill(values)


def test_a_sheet_fills_in_stops_goes_on_and_is_saved(served: Served, visit: Visiting) -> None:
    visitor = visit(served.url)
    page = explore(visitor)
    page.locator("#explore-prompt textarea").fill("a lighthouse")
    page.locator("#explore-seed textarea, #explore-seed input").fill("7")
    choose(page, "x", "temperature", "0.2-1.0 [4]")
    choose(page, "y", "style", "noto, pixel")
    plan = page.locator(".sheet-plan")
    expect(plan).to_contain_text("8 cells, 4 across and 2 down")
    served.model.step_seconds = STEP
    page.locator("#explore-paint").click()
    table = page.locator(".sheet-scroll table")
    expect(table.get_by_role("columnheader")).to_have_text(["Temperature →Style ↓", "0.2", "0.466667", "0.733333", "1"])
    expect(table.get_by_role("rowheader")).to_have_text(["noto", "pixel"])
    page.locator(".sheet .tile[data-state=painting] img").first.wait_for()
    page.locator(".sheet .tile[data-state=done] img").first.wait_for()
    page.get_by_role("button", name="Stop the sheet").click()
    expect(page.locator(".sheet")).to_have_attribute("data-status", "stopped")
    expect(page.locator(".sheet .run-state")).to_contain_text("Stopped.")
    served.model.step_seconds = 0.0
    page.reload()
    page.get_by_role("tab", name="Explore").click()
    page.get_by_role("button", name="Use its words and axes").click()
    expect(page.locator("#explore-prompt textarea")).to_have_value("a lighthouse")
    expect(page.locator("[data-axis=y] input")).to_have_value("noto, pixel")
    page.get_by_role("button", name="Paint what is missing").click()
    expect(page.locator(".sheet")).to_have_attribute("data-status", "done")
    expect(page.locator(".sheet .tile img")).to_have_count(8)
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save as one picture").click()
    assert saved.value.suggested_filename == "a-lighthouse.png"
    with Image.open(io.BytesIO(Path(saved.value.path()).read_bytes())) as image:
        assert image.width > 4 * 192
    page.locator(".sheet .tile").nth(1).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("a lighthouse, noto")
    expect(dialog.get_by_role("button", name="Open its sheet")).to_be_visible()
    assert visitor.errors == []
    assert visitor.strays == []


def test_an_answer_that_is_late_does_not_undo_what_was_heard_since(served: Served, visit: Visiting) -> None:
    visitor = visit(served.url)
    page = explore(visitor)
    page.locator("#explore-prompt textarea").fill("a lighthouse")
    choose(page, "x", "temperature", "0.2-1.0 [4]")
    served.model.step_seconds = STEP
    page.locator("#explore-paint").click()
    page.locator(".sheet .tile[data-state=done] img").first.wait_for()
    page.get_by_role("button", name="Stop the sheet").click()
    expect(page.locator(".sheet")).to_have_attribute("data-status", "stopped")
    first: list[Route] = []
    held: list[APIResponse] = []

    def hold_the_first(route: Route) -> None:
        if not first and "show_sheet" in (route.request.post_data or ""):
            first.append(route)  # before it is fetched: other requests come meanwhile
            held.append(route.fetch())
        else:
            route.continue_()

    page.route("**/component_server**", hold_the_first)
    page.get_by_role("button", name="Paint what is missing").click()
    while not held or any(card.state != "done" for card in served.studio.sheets.listed()):
        page.wait_for_timeout(50)
    assert '"running"' in held[0].text() or '"queued"' in held[0].text()
    first[0].fulfill(response=held[0])
    expect(page.locator(".sheet")).to_have_attribute("data-status", "done")
    expect(page.locator(".sheet .tile img")).to_have_count(4)
    page.wait_for_timeout(300)
    expect(page.locator(".sheet .tile img")).to_have_count(4)
    assert visitor.errors == []


def test_what_is_wrong_along_an_axis_is_said_before_and_when_painting(served: Served, visit: Visiting) -> None:
    page = explore(visit(served.url))
    page.locator("#explore-prompt textarea").fill("a cat")
    choose(page, "x", "temperature", "hot")
    expect(page.locator(".sheet-plan.wrong")).to_contain_text("Temperature has 'hot'; expected numbers")
    page.locator("#explore-paint").click()
    expect(page.locator(".exploring .message")).to_contain_text("Temperature has 'hot'")
    expect(page.locator(".sheet-plan")).to_be_empty()  # once is enough
    page.locator("[data-axis=x] input").fill("0.5, 1")
    expect(page.locator(".sheet-plan")).to_contain_text("2 cells")
    expect(page.locator(".exploring .message")).to_be_empty()
    assert served.studio.queue_order() == []


def test_an_older_plan_does_not_take_a_newer_one_s_place(served: Served, visit: Visiting) -> None:
    page = explore(visit(served.url))
    page.locator("#explore-prompt textarea").fill("a cat")
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held or '"hot"' not in (route.request.post_data or ""):
            route.continue_()
        else:
            held.append(route)

    page.route("**/gradio_api/queue/join**", hold_the_first)
    choose(page, "x", "temperature", "hot")
    while not held:
        page.wait_for_timeout(20)
    page.locator("#explore-paint").click()
    expect(page.locator(".exploring .message")).to_contain_text("Temperature has 'hot'")
    held[0].continue_()
    page.wait_for_timeout(500)  # for what must not happen
    expect(page.locator(".exploring .message")).to_contain_text("Temperature has 'hot'")
    expect(page.locator(".sheet-plan")).to_be_empty()


def test_a_picture_s_rows_are_kept_along_an_axis(served: Served, visit: Visiting) -> None:
    visitor = visit(served.url)
    page = visitor.open()
    visitor.paint("a blue door", count=1)
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    page.locator(".grid.best .tile").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Explore from here").click()
    expect(page.locator(".axes-source")).to_be_visible()
    expect(page.locator("#explore-prompt textarea")).to_have_value("a blue door")
    choose(page, "x", "rows", "0, 4, 7")
    choose(page, "y", "", "")
    expect(page.locator(".sheet-plan")).to_contain_text("3 cells")
    page.locator("#explore-paint").click()
    expect(page.locator(".sheet")).to_have_attribute("data-status", "done")
    expect(page.locator(".sheet-line figcaption")).to_have_text(["0", "4", "7"])
    assert visitor.errors == []


class TestPromptVariations:
    def test_a_template_is_counted_shown_and_one_of_it_painted(self, served: Served, visit: Visiting) -> None:
        visitor = visit(served.url)
        page = visitor.open()
        page.locator("#prompt textarea").fill("{red|blue} {cat|dog}")
        expect(page.locator(".expansions-count")).to_contain_text("4 variations")
        expect(page.locator(".variation")).to_have_text(["red cat", "red dog", "blue cat", "blue dog"])
        page.get_by_role("button", name="blue cat").click()
        page.locator("#count input").fill("2")
        page.locator("#paint").click()
        expect(page.get_by_role("heading", name="blue cat")).to_be_visible()
        expect(page.locator(".run")).to_have_attribute("data-status", "done")
        assert visitor.errors == []

    def test_two_places_become_a_labelled_grid(self, served: Served, visit: Visiting) -> None:
        visitor = visit(served.url)
        page = visitor.open()
        page.locator("#prompt textarea").fill("{red|green} {fox|owl|<b>bat</b>}")
        page.get_by_role("button", name="Paint all 6 as a grid").click()
        expect(page.locator(".sheet")).to_have_attribute("data-status", "done")
        expect(page.locator(".sheet thead th")).to_have_text(
            ["Second place →First place ↓", "fox", "owl", "<b>bat</b>"]
        )
        expect(page.locator(".sheet tbody th")).to_have_text(["red", "green"])
        page.get_by_role("tab", name="Create").click()
        expect(page.locator(".run")).to_have_count(0)  # cells are in their sheet
        assert visitor.errors == []

    def test_a_click_makes_a_prompt_vary_and_a_broken_one_is_explained(self, served: Served, visit: Visiting) -> None:
        page = visit(served.url).open()
        prompt = page.locator("#prompt textarea")
        prompt.fill("red apple, noto")
        page.locator(".varying").get_by_role("button", name="style").click()
        expect(prompt).to_have_value("red apple, {noto|pixel}")
        expect(page.locator(".variation")).to_have_text(["red apple, noto", "red apple, pixel"])
        prompt.fill("{red|blue apple")
        expect(page.locator(".varying-error")).to_contain_text("is never closed")
        page.locator("#paint").click()
        expect(page.locator(".message").first).to_contain_text("is never closed")
        expect(prompt).to_have_value("{red|blue apple")

    def test_wildcards_are_listed_with_their_folder(self, served: Served, visit: Visiting) -> None:
        folder = served.studio.settings.wildcards
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "animals.txt").write_text("cat\ndog\n")
        page = visit(served.url).open()
        page.get_by_role("button", name="Wildcards").click()
        expect(page.locator(".wildcard-list")).to_contain_text(str(folder))
        page.get_by_role("button", name="__animals__").click()
        expect(page.locator(".variation")).to_have_text(["cat", "dog"])
