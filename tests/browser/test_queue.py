"""The queue in real browsers: every page shows the same, at once, and it can be reordered, pruned and put back."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.studio import Studio
from dalle_core.request import GenerationRequest
from tests.browser.conftest import Served, Visit, wait_until_final
from tests.fakes import FakeModel, fake_studio

pytestmark = pytest.mark.browser
SLOW = 0.04  # seconds a digit: what is painted lasts longer than any test here


@pytest.fixture
def busy(served: Served) -> Iterator[Served]:
    """Something is being painted for as long as the test lasts."""
    served.model.step_seconds = SLOW
    served.studio.submit(GenerationRequest("a slow picture", count=64, keep=1))
    yield served
    served.studio.clear_queue()


def expect_queue(page: Page, *prompts: str) -> None:
    expect(page.locator(".queue-prompt")).to_have_text(list(prompts))


def test_two_browsers_see_the_same_queue_at_once(busy: Served, visit: Callable[[str], Visit]) -> None:
    first, second = visit(busy.url), visit(busy.url)
    first.open()
    second.open()
    for prompt in ("one", "two", "three"):
        first.paint(prompt, count=2)
        expect(first.page.locator(".queue-prompt").last).to_have_text(prompt)
    expect_queue(second.page, "one", "two", "three")
    expect(second.page.locator(".queue-now")).to_have_text("Painting: a slow picture")
    second.page.get_by_role("button", name="To the front: three").click()
    expect_queue(first.page, "three", "one", "two")
    second.page.get_by_role("button", name="Down: three").click()
    expect_queue(first.page, "one", "three", "two")
    first.page.get_by_role("button", name="Remove: three").click()
    expect_queue(second.page, "one", "two")
    expect(second.page.locator(".stop").first).to_be_enabled()
    assert first.errors == second.errors == []


def test_an_idle_page_sees_a_job_of_another_without_a_reload(served: Served, visit: Callable[[str], Visit]) -> None:
    page = visit(served.url).open()
    expect(page.locator(".stop").first).to_be_disabled()
    served.model.step_seconds = SLOW / 10
    wait_until_final(served.studio, served.studio.submit(GenerationRequest("from elsewhere", count=2, keep=2)))
    run = page.locator(".run").filter(has_text="from elsewhere")
    expect(run).to_have_attribute("data-status", "done")
    expect(run.locator(".tile[data-state=done]")).to_have_count(2)
    expect(page.locator(".stop").first).to_be_disabled()


def test_the_keyboard_moves_and_removes(busy: Served, visit: Callable[[str], Visit]) -> None:
    for prompt in ("one", "two", "three"):
        busy.studio.submit(GenerationRequest(prompt, count=1, keep=1))
    page = visit(busy.url).open()
    page.get_by_role("button", name="Up: three").focus()
    page.keyboard.press("Enter")
    expect_queue(page, "one", "three", "two")
    expect(page.get_by_role("button", name="Up: three")).to_be_focused()
    page.keyboard.press("Enter")
    expect_queue(page, "three", "one", "two")
    expect(page.get_by_role("button", name="Down: three")).to_be_focused()
    page.get_by_role("button", name="Remove: three").focus()
    page.keyboard.press("Enter")
    expect_queue(page, "one", "two")
    expect(page.get_by_role("button", name="Remove: one")).to_be_focused()


def test_a_cleared_queue_can_be_put_back(busy: Served, visit: Callable[[str], Visit]) -> None:
    for prompt in ("one", "two"):
        busy.studio.submit(GenerationRequest(prompt, count=3, keep=1, seed=5))
    page = visit(busy.url).open()
    page.get_by_role("button", name="Clear the queue").click()
    expect(page.locator(".queue-foot")).to_contain_text("2 removed.")
    expect_queue(page)
    page.get_by_role("button", name="Put back").click()
    expect_queue(page, "one", "two")
    expect(page.locator(".queue-foot")).to_be_hidden()
    assert [view.request.seed for view in busy.studio.queue()] == [5, 5]


def test_a_page_that_was_hidden_catches_up(served: Served, visit: Callable[[str], Visit]) -> None:
    served.model.step_seconds = SLOW
    page = visit(served.url).open()
    job_id = served.studio.submit(GenerationRequest("seen before", count=2, keep=2))
    run = page.locator(".run").filter(has_text="seen before")
    run.locator(".tile[data-state=painting]").first.wait_for()
    _show(page, False)
    served.model.step_seconds = 0.0
    wait_until_final(served.studio, job_id)
    served.model.step_seconds = SLOW
    served.studio.submit(GenerationRequest("begun meanwhile", count=2, keep=2))
    expect(run).to_have_attribute("data-status", "running")
    _show(page, True)
    expect(run).to_have_attribute("data-status", "done")
    expect(page.locator(".run").filter(has_text="begun meanwhile")).to_have_attribute("data-status", "running")


def test_a_studio_that_is_gone_is_told_and_so_is_its_return(served: Served, visit: Callable[[str], Visit]) -> None:
    visitor = visit(served.url)
    page, status = visitor.open(), visitor.page.locator(".model-status")
    page.set_viewport_size({"width": 390, "height": 844})
    page.route("**/events", lambda route: route.abort())
    _show(page, False)
    _show(page, True)
    expect(status).to_have_attribute("data-state", "silent")
    expect(status.locator("span")).to_have_text("The studio does not answer.")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.unroute("**/events")
    expect(status).to_have_attribute("data-state", "ready")


def test_a_page_that_leaves_stops_listening(served: Served, visit: Callable[[str], Visit]) -> None:
    listeners = served.studio._bell._listeners
    with_patience(lambda: not listeners)  # the pages of other tests have gone
    page = visit(served.url).open()
    with_patience(lambda: len(listeners) == 1)
    page.close()
    with_patience(lambda: not listeners)


def test_an_interrupted_job_is_found_at_the_start_and_goes_on(
    tmp_path: Path, serve_studio: Callable[[Studio], str], visit: Callable[[str], Visit]
) -> None:
    before = fake_studio(tmp_path, FakeModel(step_seconds=SLOW / 8), open_browser=False)
    job_id = before.submit(GenerationRequest("half a picture", count=8, keep=2, batch_width=2))
    with_patience(lambda: before.job(job_id).finished >= 2)
    before.close()
    studio = fake_studio(tmp_path, open_browser=False)
    visitor = visit(serve_studio(studio))
    page = visitor.open()
    run = page.locator(".run").filter(has_text="half a picture")
    expect(run.locator(".run-state")).to_contain_text("Interrupted")
    expect(run.locator(".tile[data-state=done]").first).to_be_visible()
    before_again = {tile.image_id for tile in studio.job(job_id).tiles}
    run.get_by_role("button", name="Paint the rest").click()
    expect(run).to_have_attribute("data-status", "done")
    expect(run.locator(".grid.best .tile")).to_have_count(2)
    expect(run.locator(".tile")).to_have_count(8)
    expect(run.get_by_role("button", name="Paint the rest")).to_be_hidden()
    expect(page.locator(".run")).to_have_count(1)
    assert before_again < {tile.image_id for tile in studio.job(job_id).tiles}
    assert visitor.errors == []


def with_patience(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _show(page: Page, shown: bool) -> None:
    """What a browser does when the artist turns to another tab and back."""
    page.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        not shown,
    )
