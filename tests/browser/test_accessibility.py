"""axe-core finds no serious or critical violation: in every tab, in the picture's dialog, light and dark."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Served, Visit
from tests.browser.test_recipe_drop import PICTURE, drop

pytestmark = pytest.mark.browser
GRAVE = {"serious", "critical"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_tab_and_no_dialog_shuts_anyone_out(
    scheme: str, language: str, served: Served, visit: Callable[[str], Visit]
) -> None:
    visitor = visit(served.url)
    visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    visitor.page.add_init_script(f"localStorage.setItem('dalle-studio-language', '{language}')")
    page = visitor.open()
    visitor.paint("a lighthouse", count=5)
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    page.locator(".drawer > button").first.click()
    found = {name: violations(page) for name in visitor.show_tabs()}
    page.get_by_role("tab").first.click()
    page.locator(".grid.best .tile").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("a lighthouse")
    found["dialog"] = violations(page)
    assert found == {place: [] for place in found}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_no_question_no_error_and_no_queue_shuts_anyone_out(
    scheme: str, width: int, served: Served, visit: Callable[[str], Visit]
) -> None:
    visitor, found = visit(served.url), {}
    visitor.page.set_viewport_size({"width": width, "height": 844})
    visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page, dialog = visitor.open(), visitor.page.get_by_role("dialog")
    visitor.paint("")
    page.get_by_role("alert").filter(visible=True).wait_for()
    found["error"] = violations(page)
    for name, data in (("recipe", PICTURE), ("no recipe", b"<svg></svg>")):
        drop(page, "#prompt", data)
        dialog.wait_for()
        found[name] = violations(page)
        page.keyboard.press("Escape")
    visitor.paint("a lighthouse", count=5)
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    served.model.step_seconds = 0.04
    visitor.paint("slow", count=16)
    page.get_by_role("heading", name="slow").wait_for()
    for prompt in ("waiting", "unwanted"):  # each once the one before is there: a second click in a hurry is none
        visitor.paint(prompt, count=16)
        page.get_by_role("button", name=f"Remove: {prompt}").wait_for()
    page.get_by_role("button", name="Remove: unwanted").click()
    page.get_by_role("button", name="Put back").wait_for()
    found["queue"] = violations(page)
    page.get_by_role("tab", name="Complete").click()
    page.locator(".bench input[type=file]").set_input_files(
        {"name": "a.svg", "mimeType": "image/svg+xml", "buffer": b"<svg></svg>"}
    )
    page.locator(".bench-error").wait_for()
    page.locator(".suggested button").first.wait_for()
    found["bench"] = violations(page)
    page.get_by_role("tab", name="Gallery").click()
    page.get_by_role("button", name="Clear away").click()
    dialog.wait_for()
    found["purge"] = violations(page)
    assert found == {place: [] for place in found}


def violations(page: Page) -> list[str]:
    """What is broken, and where: one line an element."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in violations
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]
