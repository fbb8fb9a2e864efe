"""Tabs in the address: a reload, a link and the browser's Back find the one that was shown."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.app.histories import paint
from tests.browser.conftest import Served, Visit

pytestmark = pytest.mark.browser


def test_a_reload_a_link_and_back_find_the_tab(empty: Served, visit: Callable[[str], Visit]) -> None:
    paint(empty.studio.history, "apple")
    visitor = visit(empty.url)
    page = visitor.open()
    page.get_by_role("tab", name="Gallery").click()
    page.locator(".card").click()
    page.get_by_role("dialog").get_by_role("button", name="Complete from here").click()
    expect_tab(page, "Complete")  # which a script shows
    page.get_by_role("tab", name="Models").click()
    page.reload()
    expect_tab(page, "Models")
    for tab in ("Complete", "Gallery"):
        page.go_back()
        expect_tab(page, tab)
    page.locator(".card").click()
    page.go_back()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect_tab(page, "Gallery")
    page.go_back()
    expect_tab(page, "Create")
    page.go_forward()
    expect_tab(page, "Gallery")
    page.goto("about:blank")
    page.goto(f"{empty.url}#nothing-of-ours")
    expect_tab(page, "Create")
    assert visitor.errors == []


def expect_tab(page: Page, name: str) -> None:
    expect(page.get_by_role("tab", selected=True)).to_have_text(name)
