"""The export dialog in a real browser: what is shown is what is saved."""

import io
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from app.recipes import read_recipe
from tests.browser.conftest import Served, Visit

pytestmark = pytest.mark.browser


def saved(page: Page, dialog: Locator) -> tuple[str, bytes]:
    """Name and bytes of what Save gives, once the preview stands."""
    expect(dialog.locator(".export-stage")).to_have_attribute("aria-busy", "false")
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Save").click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def test_a_picture_is_previewed_and_saved_larger_as_svg_and_never_without_a_plain_ground(
    served: Served, visit: Callable[[str], Visit]
) -> None:
    visitor = visit(served.url)
    page = visitor.open()
    visitor.paint("two kites", count=2)
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    page.locator(".grid.best .tile").first.click()
    page.get_by_role("button", name="Export").click()
    dialog = page.locator("dialog.export")
    expect(dialog.locator(".export-said")).to_contain_text("256 × 256 pixels")
    name, data = saved(page, dialog)
    assert name.startswith("two-kites-")
    assert name.endswith("-4x.png")
    assert Image.open(io.BytesIO(data)).size == (256, 256)
    assert read_recipe(data).request.prompt == "two kites"
    violations = Axe().run(page).response["violations"]
    assert [found["id"] for found in violations if found["impact"] in {"serious", "critical"}] == []
    dialog.get_by_role("radio", name="Drawing").check()
    name, data = saved(page, dialog)
    assert name.endswith(".svg")
    assert data.startswith(b"<svg ")
    dialog.get_by_label("Transparent background").check()
    expect(dialog.get_by_role("alert")).to_contain_text("is not plain")
    expect(dialog.get_by_text("Save", exact=True)).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert [error for error in visitor.errors if "422" not in error] == []
    assert visitor.strays == []


def test_several_pictures_make_a_sheet(served: Served, visit: Callable[[str], Visit]) -> None:
    visitor = visit(served.url)
    page = visitor.open()
    visitor.paint("three boats", count=3)
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    ids = [tile.image_id for tile in served.studio.job(served.studio.images("three boats")[0].job_id).tiles]
    page.evaluate("ids => dalleStudio.exports.open(ids)", ids)
    dialog = page.get_by_role("dialog", name="Export 3 pictures")
    dialog.get_by_label("Columns").fill("2")
    dialog.get_by_label("Sticker size, pixels").fill("100")
    expect(dialog.locator(".export-said")).to_contain_text(f"{2 * 32 + 24 + 200} × {2 * 32 + 24 + 200} pixels")
    name, data = saved(page, dialog)
    assert name == "stickers-3.png"
    assert Image.open(io.BytesIO(data)).size == (288, 288)
    assert visitor.errors == []


def test_on_a_phone_save_is_in_reach_of_every_setting(served: Served, visit: Callable[[str], Visit]) -> None:
    visitor = visit(served.url)
    page = visitor.open()
    visitor.paint("four boats", count=2)
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    page.set_viewport_size({"width": 390, "height": 700})
    page.evaluate("ids => dalleStudio.exports.open(ids)", [served.studio.images()[0].id])
    dialog = page.locator("dialog.export")
    dialog.get_by_role("radio", name="Sticker sheet").check()
    save, last = dialog.get_by_role("link", name="Save"), dialog.get_by_label("Page colour")
    expect(save).to_be_in_viewport(ratio=1)
    last.scroll_into_view_if_needed()
    for control in (save, last):
        expect(control).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
