"""The Complete tab in a real browser: a picture comes in, its top is kept, the rest is painted."""

import http.client
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from app.history import Edge
from app.recipes import read_recipe
from app.sources import MAX_UPLOAD_BYTES
from app.studio import Studio
from app.ui.examples import example_pictures
from dalle_core.request import GenerationRequest
from tests.browser.conftest import Served, Visit, wait_until_final
from tests.fakes import fake_studio

pytestmark = pytest.mark.browser
COLS = 8
REFUSED = "Failed to load resource: the server responded with a status of 422 (Unprocessable Content)"


def test_an_uploaded_top_is_kept_and_the_rest_painted(
    served: Served, visit: Callable[[str], Visit], tmp_path: Path
) -> None:
    visitor = visit(served.url)
    page = _complete(visitor)
    expect(page.locator(".why")).to_contain_text("Only the top can be kept")
    _choose(page, _picture(tmp_path, 120, 60))
    expect(page.locator(".bench .kept")).to_have_text("4 of 8 rows")
    page.get_by_label("Keep the top").fill("2")
    expect(page.locator(".bench .kept")).to_have_text("2 of 8 rows")
    for guide in (page.locator(".cut .below"), page.locator(".made .below")):
        assert _share_above(guide) == pytest.approx(0.25, abs=0.02)
    before = _box(page.locator(".cut"))
    page.mouse.move(before["x"] + 40, before["y"] + 40)
    page.mouse.down()
    page.mouse.move(before["x"] - 300, before["y"] + 40, steps=4)
    page.mouse.up()
    assert _box(page.locator(".cut"))["x"] < before["x"] - 20
    expect(page.locator(".made:not(.stale)")).to_be_visible()
    _paint(page, "a red apple", count=3)
    expect(page.locator(".completing .grid .tile")).to_have_count(3)
    expect(page.locator(".completing .run-settings")).to_contain_text("top 2 rows kept")
    newest = served.studio.images(kept_only=False)[0]
    red = 7 * 64 * 30  # the left of the picture is red, in the fake model's tokens
    assert newest.request.prefix_tokens == (red,) * (2 * COLS)
    assert read_recipe(served.studio.image_path(newest.id)).tokens[: 2 * COLS] == newest.request.prefix_tokens
    assert visitor.errors == []
    assert visitor.strays == []


def test_any_result_can_be_sent_here(served: Served, visit: Callable[[str], Visit]) -> None:
    visitor = visit(served.url)
    page = visitor.open()
    visitor.paint("green pear, noto", count=2)
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    page.locator(".grid.best .tile").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Complete from here").click()
    expect(page.locator("#complete-prompt textarea")).to_have_value("green pear, noto")
    page.locator(".made:not(.stale) img").wait_for()
    page.get_by_label("Keep the top").fill("3")
    _paint(page, "green pear, pixel", count=1)
    child = served.studio.images(kept_only=False)[0]
    (edge,) = served.studio.history.edges(child.id)
    parent = served.studio.history.image(edge.parent_id)
    assert edge == Edge(parent.id, "complete", 3)
    assert parent.prompt == "green pear, noto"
    assert child.request.prefix_tokens == parent.tokens[: 3 * COLS]
    assert visitor.errors == []


def test_styles_and_what_was_painted_last_are_offered(served: Served, visit: Callable[[str], Visit]) -> None:
    wait_until_final(served.studio, served.studio.submit(GenerationRequest("green pear, noto", count=1, keep=1)))
    page = _complete(visit(served.url))
    prompt = page.locator("#complete-prompt textarea")
    style = page.get_by_role("tabpanel").get_by_role("button", name="pixel", exact=True)
    style.click()
    expect(prompt).to_have_value("pixel")
    expect(style).to_have_attribute("aria-pressed", "true")
    style.click()
    expect(prompt).to_have_value("")
    expect(page.locator(".suggested h3")).to_have_text("Painted last")
    page.get_by_role("button", name="Complete “green pear, noto”").first.click()
    page.locator(".made:not(.stale) img").wait_for()
    expect(prompt).to_have_value("green pear, noto")
    expect(page.locator("#prompt textarea")).to_have_value("")


def test_a_newcomer_is_offered_examples(
    tmp_path: Path, serve_studio: Callable[[Studio], str], visit: Callable[[str], Visit]
) -> None:
    visitor = visit(serve_studio(fake_studio(tmp_path, open_browser=False)))
    page = _complete(visitor)
    expect(page.locator(".suggested h3")).to_have_text("Or begin with an example")
    words = example_pictures()[0]["words"]["en"]
    page.get_by_role("button", name=f"Complete “{words}”").click()
    page.locator(".made:not(.stale) img").wait_for()
    _paint(page, words, count=1)
    assert visitor.errors == []


def test_a_bad_file_is_explained_where_it_was_dropped(
    served: Served, visit: Callable[[str], Visit], tmp_path: Path
) -> None:
    visitor = visit(served.url)
    page = _complete(visitor)
    message = page.locator(".bench-error")
    for name, content, words in (("a.svg", b"<svg></svg>", "an SVG drawing"), ("b.png", b"", "it is empty")):
        (tmp_path / name).write_bytes(content)
        _choose(page, tmp_path / name)
        expect(message).to_contain_text(words)
    expect(page.locator(".workpiece")).to_be_hidden()
    page.locator("#complete-prompt textarea").fill("a boat")
    page.locator("#complete-paint").click()
    expect(page.get_by_role("alert").filter(has_text="Choose a picture first")).to_be_visible()
    assert served.studio.queue() == []
    _choose(page, _picture(tmp_path))
    page.locator(".made:not(.stale) img").wait_for()
    expect(message).to_be_hidden()
    assert {error.split(" (")[0] for error in visitor.errors} == {REFUSED.split(" (", maxsplit=1)[0]}


def test_a_bad_file_leaves_the_picture_that_was_there(
    served: Served, visit: Callable[[str], Visit], tmp_path: Path
) -> None:
    visitor = visit(served.url)
    page = _complete(visitor)
    _choose(page, _picture(tmp_path, 120, 60))
    page.locator(".made:not(.stale) img").wait_for()
    (tmp_path / "notes.txt").write_bytes(b"words")
    before = page.locator(".made img").get_attribute("src")
    page.locator(".cut").press("Shift+ArrowLeft")
    _choose(page, tmp_path / "notes.txt")  # while the studio is asked about the square
    expect(page.locator(".made img")).not_to_have_attribute("src", str(before))
    expect(page.locator(".bench-error")).to_contain_text("it is something else")
    expect(page.locator(".made:not(.stale) img")).to_be_visible()
    expect(page.locator(".made")).to_have_attribute("aria-busy", "false")
    _paint(page, "a red apple", count=1)
    page.locator(".cut").press("ArrowRight")
    expect(page.locator(".bench-error")).to_be_hidden()


def test_nothing_moves_when_the_whole_picture_is_taken(
    served: Served, visit: Callable[[str], Visit], tmp_path: Path
) -> None:
    page = _complete(visit(served.url))
    _choose(page, _picture(tmp_path, 120, 60))
    page.locator(".made:not(.stale) img").wait_for()
    whole, size = page.get_by_role("checkbox", name="Whole picture"), page.get_by_label("Size of the square")
    places = [whole, size, page.get_by_role("button", name="Another picture"), page.get_by_label("Keep the top")]
    before = [_box(place) for place in places]
    whole.check()
    expect(size).to_be_disabled()
    assert [_box(place) for place in places] == before
    whole.uncheck()
    expect(size).to_be_enabled()
    assert [_box(place) for place in places] == before


def test_the_square_is_chosen_without_a_mouse(served: Served, visit: Callable[[str], Visit], tmp_path: Path) -> None:
    visitor = visit(served.url)
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    page = _complete(visitor)
    data = list(_picture(tmp_path, 120, 60).read_bytes())
    page.evaluate(
        """data => {
        const files = new DataTransfer();
        files.items.add(new File([new Uint8Array(data)], 'pasted.png', { type: 'image/png' }));
        document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: files }));
    }""",
        data,
    )
    page.locator(".made:not(.stale) img").wait_for()
    square = page.locator(".cut")
    square.focus()
    before = _box(square)
    for key in ("-", "-", "ArrowLeft", "ArrowDown"):
        page.keyboard.press(key)
    after = _box(square)
    assert after["width"] == pytest.approx(0.9 * before["width"], rel=0.02)
    assert (after["x"], after["y"]) != (before["x"], before["y"])
    page.get_by_role("checkbox", name="Whole picture, with bars").check()
    page.locator(".made:not(.stale) img").wait_for()
    assert _box(square)["width"] == pytest.approx(_box(page.locator(".fit"))["width"], abs=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.reload()
    page.get_by_role("tab", name="Complete").click()
    page.locator(".made:not(.stale) img").wait_for()
    expect(page.get_by_role("checkbox", name="Whole picture, with bars")).to_be_checked()
    assert visitor.errors == []


def test_sources_come_in_bounded_and_from_here_only(served: Served) -> None:
    own = {"origin": served.url.rstrip("/")}
    taken = httpx.post(f"{served.url}media/source", content=_png(), headers=own)
    upload = taken.json()["upload"]
    shown = httpx.get(f"{served.url}media/source/{upload}")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")
    assert httpx.get(f"{served.url}media/source/nothing").status_code == 404
    assert httpx.post(f"{served.url}media/source", content=_png(), headers={"origin": "http://evil"}).status_code == 403
    assert _post_endless(served.url) == 422


def test_sources_ask_for_the_same_sign_in(tmp_path: Path, serve_studio: Callable[[Studio], str]) -> None:
    studio = fake_studio(tmp_path, open_browser=False, auth=("ada", "lovelace"))
    url = serve_studio(studio)
    upload = studio.take_upload(_png())
    assert httpx.post(f"{url}media/source", content=_png()).status_code == 401
    assert httpx.get(f"{url}media/source/{upload.id}").status_code == 401


def _complete(visitor: Visit) -> Page:
    page = visitor.open()
    page.get_by_role("tab", name="Complete").click()
    page.locator(".bench .drop").wait_for()
    return page


def _choose(page: Page, file: Path) -> None:
    page.locator(".bench input[type=file]").set_input_files(file)


def _paint(page: Page, prompt: str, count: int) -> None:
    page.locator("#complete-prompt textarea").fill(prompt)
    page.locator("#complete-count input").fill(str(count))
    page.locator("#complete-paint").click()
    expect(page.locator(".completing .run").first).to_have_attribute("data-status", "done")


def _box(locator: Locator) -> Any:
    box = locator.bounding_box()
    assert box is not None
    return box


def _share_above(guide: Locator) -> float:
    """How far down its parent the guide lies, from 0 to 1."""
    return float(guide.evaluate("g => g.offsetTop / g.parentElement.clientHeight"))


def _picture(folder: Path, width: int = 64, height: int = 64) -> Path:
    (folder / "picture.png").write_bytes(_png(width, height))
    return folder / "picture.png"


def _png(width: int = 64, height: int = 64) -> bytes:
    """Red on the left, blue on the right."""
    image, buffer = Image.new("RGB", (width, height), "red"), io.BytesIO()
    image.paste("blue", (width // 2, 0, width, height))
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _post_endless(url: str) -> int:
    """The answer to a body that does not say how long it is, and goes on a little beyond what is read."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    chunk = b"x" * 2**20
    body = (chunk for _ in range(MAX_UPLOAD_BYTES // 2**20 + 1))
    try:
        connection.request("POST", "/media/source", body=body, encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})  # fmt: skip
        return connection.getresponse().status
    finally:
        connection.close()
