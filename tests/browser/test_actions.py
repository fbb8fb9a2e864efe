"""What can be done with finished pictures: rank by other words, star, keep, reproduce, take over, paint again."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from dalle_core.request import GenerationRequest
from tests.browser.conftest import Served, Visit, wait_until_final

pytestmark = pytest.mark.browser
SLOW = 0.02  # seconds a digit


def test_a_run_is_ranked_by_other_words_and_back_on_every_page(served: Served, visit: Callable[[str], Visit]) -> None:
    first, second = visit(served.url), visit(served.url)
    first.open()
    second.open()
    first.paint("one lantern", count=5)
    run, other = (visitor.page.locator(".run").filter(has_text="one lantern") for visitor in (first, second))
    expect(run).to_have_attribute("data-status", "done")
    before = run.locator(".grid.best .match").all_inner_texts()
    run.get_by_role("button", name="Rank by other words").click()
    run.get_by_label("Rank these pictures by").fill("<b>night</b>")
    first.page.keyboard.press("Enter")
    for seen in (run, other):
        expect(seen.locator(".ranked-by")).to_contain_text("Ranked by “<b>night</b>”")
        assert seen.locator(".grid.best .match").all_inner_texts() != before
    run.locator(".grid.best .tile").first.click()
    expect(first.page.get_by_role("dialog").locator(".match")).to_contain_text("for “<b>night</b>”")
    first.page.keyboard.press("Escape")
    run.get_by_role("button", name="Rank by the prompt again").click()
    for seen in (run, other):
        expect(seen.locator(".ranked-by")).to_be_hidden()
        expect(seen.locator(".grid.best .match")).to_have_text(before)
    run.get_by_label("Rank these pictures by").fill("   ")
    run.get_by_role("button", name="Rank", exact=True).click()
    expect(run.get_by_role("alert")).to_contain_text("empty")
    assert first.errors == second.errors == []


def test_a_star_shows_in_tile_and_history_and_a_rest_can_be_kept(served: Served, visit: Callable[[str], Visit]) -> None:
    visitor = visit(served.url)
    page, dialog = visitor.open(), visitor.page.get_by_role("dialog")
    visitor.paint("a star to keep", count=6)
    run = page.locator(".run")
    expect(run).to_have_attribute("data-status", "done")
    run.get_by_role("button", name="Show the rest (2)").click()
    run.locator(".grid.rest .tile").first.click()
    dialog.get_by_role("button", name="Star").click()
    expect(dialog.get_by_role("button", name="Starred")).to_have_attribute("aria-pressed", "true")
    expect(run.locator(".grid.rest .tile .star").first).to_be_visible()
    dialog.get_by_role("button", name="Keep", exact=True).click()
    expect(dialog.get_by_role("button", name="Don't keep")).to_be_visible()
    expect(run.locator(".grid.best .tile")).to_have_count(5)
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Gallery").click()
    page.get_by_label("Search the gallery").fill("a star to keep")
    expect(page.locator(".card.starred").filter(visible=True)).to_have_count(1)
    assert visitor.errors == []


def test_a_picture_painted_again_is_identical(served: Served, visit: Callable[[str], Visit]) -> None:
    job_id = served.studio.submit(GenerationRequest("twice the same", count=5, keep=5, batch_width=3, seed=11))
    wait_until_final(served.studio, job_id)
    visitor = visit(served.url)
    page, dialog = visitor.open(), visitor.page.get_by_role("dialog")
    _open_from_history(page, "twice the same")
    served.model.step_seconds = SLOW / 10
    dialog.get_by_role("button", name="Paint it again").click()
    expect(dialog.locator(".compared")).to_contain_text("Painting it again")
    expect(dialog.locator(".compared")).to_have_text("Painted again: identical, every token and every pixel.")
    assert page.locator(".run").count() == 0  # what is painted only to compare is not on the board
    page.keyboard.press("ArrowRight")
    expect(dialog.locator(".compared")).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    expect(dialog.locator(".compared")).to_contain_text("identical")
    assert visitor.errors == []


def test_settings_come_back_whole_and_paint_the_same(served: Served, visit: Callable[[str], Visit]) -> None:
    top = tuple(range(8))
    request = GenerationRequest("a whole recipe", count=3, keep=3, seed=21, batch_width=2, prefix_tokens=top)
    wait_until_final(served.studio, served.studio.submit(request))
    visitor = visit(served.url)
    page, dialog = visitor.open(), visitor.page.get_by_role("dialog")
    _open_from_history(page, "a whole recipe")
    dialog.get_by_role("button", name="Use settings").click()
    expect(page.locator("#prompt textarea")).to_have_value("a whole recipe")
    expect(_seed(page)).to_have_value("21")
    expect(page.locator(".restored")).to_contain_text("the given top of the picture; a batch width of 2")
    page.locator("#paint").click()
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    assert _latest(served) == request
    page.get_by_role("button", name="Forget what was restored").click()
    expect(page.locator(".restored")).to_be_hidden()
    page.locator("#paint").click()
    expect(page.locator(".run[data-status=done]")).to_have_count(2)
    assert (_latest(served).prefix_tokens, _latest(served).batch_width) == ((), 3)
    assert visitor.errors == []


def test_the_prompt_or_the_seed_alone_is_taken_over(served: Served, visit: Callable[[str], Visit]) -> None:
    request = GenerationRequest("only these words", count=1, keep=1, seed=99)
    wait_until_final(served.studio, served.studio.submit(request))
    visitor = visit(served.url)
    page, dialog = visitor.open(), visitor.page.get_by_role("dialog")
    _open_from_history(page, "only these words")
    dialog.get_by_role("button", name="Use prompt").click()
    expect(page.locator("#prompt textarea")).to_have_value("only these words")
    expect(_seed(page)).to_have_value("")
    _open_from_history(page, "only these words")
    dialog.get_by_role("button", name="Use seed").click()
    expect(_seed(page)).to_have_value("99")
    visitor.paint("the same chances for other words", count=2)
    page.locator("#dice").click()
    page.locator(".run").get_by_role("button", name="Use seed").click()
    expect(_seed(page)).to_have_value("99")
    expect(_seed(page)).to_be_focused()


def test_stopped_and_failed_runs_are_painted_again(served: Served, visit: Callable[[str], Visit]) -> None:
    visitor = visit(served.url)
    page = visitor.open()
    served.model.fail_on = "unlucky"
    served.model.failure = MemoryError()
    visitor.paint("unlucky clover", count=2)
    run = page.locator(".run").filter(has_text="unlucky clover")
    expect(run.locator(".run-state").first).to_contain_text("not enough memory")
    served.model.fail_on = ""
    run.get_by_role("button", name="Paint again").click()
    expect(page.locator(".run[data-status=done]")).to_have_count(1)
    served.model.step_seconds = SLOW
    visitor.paint("stopped clover", count=2)
    stopped = page.locator(".run").filter(has_text="stopped clover")
    stopped.locator(".tile[data-state=painting]").first.wait_for()
    page.locator("#stop").click()
    expect(stopped).to_have_attribute("data-status", "cancelled")
    served.model.step_seconds = 0.0
    stopped.get_by_role("button", name="Paint again").click()
    expect(page.locator(".run[data-status=done]")).to_have_count(2)
    assert visitor.errors == []


def _open_from_history(page: Page, prompt: str) -> None:
    page.get_by_role("tab", name="Gallery").click()
    page.get_by_label("Search the gallery").fill(prompt)
    card = page.locator(".card").filter(has_text=prompt).first
    card.wait_for()
    page.locator(".shelf[aria-busy=false]").wait_for()
    card.click()
    expect(page.get_by_role("dialog").locator(".prompt")).to_have_text(prompt)


def _seed(page: Page) -> Locator:
    return page.locator("#seed input, #seed textarea")


def _latest(served: Served) -> GenerationRequest:
    return served.studio.images(limit=1)[0].request
