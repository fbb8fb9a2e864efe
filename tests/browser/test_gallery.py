"""The Gallery tab and the picture dialog in a real browser: finding, opening, the keyboard, what is cleared away."""

import io
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from app.gallery_views import GalleryPage
from app.studio import Studio
from dalle_core.request import GenerationRequest
from tests.app.histories import paint
from tests.browser.conftest import Served, Visit, open_gallery, wait_until_final
from tests.fakes import fake_studio

pytestmark = pytest.mark.browser


def test_the_gallery_outlives_the_app_and_can_be_searched(
    tmp_path: Path, serve_studio: Callable[[Studio], str], visit: Callable[[str], Visit]
) -> None:
    before = fake_studio(tmp_path, open_browser=False)
    _paint(before, "red apple")
    _paint(before, "蓝色的猫")
    before.close()
    visitor = visit(serve_studio(fake_studio(tmp_path, open_browser=False)))
    page = open_gallery(visitor)
    expect(page.locator(".card")).to_have_count(4)
    expect(page.locator(".card").first).to_contain_text("蓝色的猫")
    page.get_by_label("Search the gallery").fill("apple")
    expect(page.locator(".card")).to_have_count(2)
    page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_label("Show every candidate").check()
    expect(page.locator(".card")).to_have_count(3)
    page.keyboard.press("Escape")
    page.get_by_label("Search the gallery").fill('no "such')
    expect(page.locator(".history-note")).to_contain_text("Nothing matches")
    page.get_by_role("button", name="Remove the filter Every candidate").click()
    expect(page.get_by_role("button", name="Filter", exact=True)).to_be_focused()
    assert visitor.errors == []


def test_a_picture_opens_and_gives_its_seed_recipe_and_file(served: Served, visit: Callable[[str], Visit]) -> None:
    _paint(served.studio, "paper lantern", seed=41)
    visitor = visit(served.url)
    page = open_gallery(visitor)
    page.get_by_label("Search the gallery").fill("paper lantern")
    expect(page.locator(".card")).to_have_count(2)
    page.locator(".card").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("paper lantern")
    expect(dialog).to_contain_text("of random pairs")
    seed = dialog.locator(".seed").inner_text().removeprefix("Seed ")
    picture = dialog.locator(".stage img").first
    expect(picture).to_have_js_property("naturalWidth", 512)  # a small picture, shown larger
    page.keyboard.press("p")
    expect(dialog.get_by_role("button", name="Pixels")).to_have_attribute("aria-pressed", "true")
    expect(picture).to_have_js_property("naturalWidth", 64)
    assert picture.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    dialog.get_by_role("button", name="Pixels").click()
    expect(picture).to_have_js_property("naturalWidth", 512)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dialog.get_by_role("button", name="Copy recipe").click()
    expect(dialog.locator(".said")).to_have_text("Recipe copied.")
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


def test_the_keyboard_does_it_all(empty: Served, visit: Callable[[str], Visit]) -> None:
    studio = empty.studio
    for name in ("one", "two", "three"):
        paint(studio.history, name)
    visitor = visit(empty.url)
    page = open_gallery(visitor)
    cards, dialog, search = page.locator(".card"), page.get_by_role("dialog"), page.get_by_label("Search the gallery")
    expect(cards).to_have_count(3)
    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.keyboard.type("sxc?")
    assert search.input_value() == "sxc?"
    assert [image.starred for image in studio.images()] == [False, False, False]
    search.fill("")
    expect(cards).to_have_count(3)
    page.keyboard.press("Escape")
    expect(search).not_to_be_focused()
    page.keyboard.press("?")
    expect(dialog).to_contain_text("Go from picture to picture")
    page.keyboard.press("Escape")

    cards.first.focus()
    page.keyboard.press("ArrowRight")
    expect(cards.nth(1)).to_be_focused()
    page.keyboard.press("s")
    expect(cards.nth(1)).to_have_class("card starred")
    page.keyboard.press("Enter")
    expect(dialog.locator(".prompt")).to_have_text("two")
    page.keyboard.press("s")
    expect(dialog.get_by_role("button", name="☆ Star")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(dialog.locator(".prompt")).to_have_text("one")
    dialog.get_by_label("Add a tag").fill("s")
    page.keyboard.press("Enter")
    expect(dialog.locator(".labels")).to_contain_text("#s")
    page.keyboard.press("Escape")
    expect(cards.nth(2)).to_be_focused()  # the picture that was shown last
    page.keyboard.press("Delete")
    expect(cards).to_have_count(2)
    expect(cards.nth(1)).to_be_focused()
    page.keyboard.press("Control+z")
    expect(cards).to_have_count(3)
    assert [image.starred for image in studio.images()] == [False, False, False]
    assert visitor.errors == []


def test_what_was_asked_before_a_picture_went_does_not_bring_it_back(
    empty: Served, visit: Callable[[str], Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, name = empty.studio.gallery, "told late"
    read, asked, go_on = gallery.page, threading.Event(), threading.Event()

    def slow(*args: Any, **kwargs: Any) -> GalleryPage:
        page = read(*args, **kwargs)
        if not asked.is_set():
            asked.set()
            go_on.wait(20)
        return page

    ids = [paint(empty.studio.history, name)[0] for _ in range(3)]
    page = open_gallery(visit(empty.url))
    cards = page.locator(".card")
    expect(cards).to_have_count(3)
    monkeypatch.setattr(gallery, "page", slow)
    empty.studio.star(ids[0], True)  # in another window, so that this one reads anew
    assert asked.wait(20)
    page.evaluate(
        """() => {
            globalThis.most = 0;
            const seen = () => document.querySelectorAll(".card").length;
            const watch = new MutationObserver(() => { globalThis.most = Math.max(globalThis.most, seen()); });
            watch.observe(document.querySelector(".shelf"), { childList: true });
        }"""
    )
    cards.nth(1).focus()
    page.keyboard.press("Delete")
    expect(cards).to_have_count(2)
    go_on.set()
    expect(page.locator(".shelf")).to_have_attribute("aria-busy", "false")
    expect(cards).to_have_count(2)
    assert page.evaluate("globalThis.most") == 2


def test_results_are_counted_and_empty_shelves_say_what_to_do(empty: Served, visit: Callable[[str], Visit]) -> None:
    studio, visitor = empty.studio, visit(empty.url)
    page = open_gallery(visitor)
    expect(page.locator(".history-note")).to_contain_text("Nothing here yet")
    _paint(studio, "猫 on a Café table", count=3, keep=2)
    _paint(studio, "红苹果")
    expect(page.locator(".history-count")).to_have_text("4 pictures")
    search = page.get_by_label("Search the gallery")
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
    empty: Served, visit: Callable[[str], Visit]
) -> None:
    studio = empty.studio
    _paint(studio, "a lantern", count=5, keep=2)
    visitor = visit(empty.url)
    page = open_gallery(visitor)
    room, question = page.locator(".history-space"), page.get_by_role("dialog")
    expect(room).to_contain_text("5 pictures on disk")
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


def test_thousands_of_pictures_scroll_with_few_in_the_page(empty: Served, visit: Callable[[str], Visit]) -> None:
    """And the keyboard reaches the last one. What a frame took is told where that was too much."""
    total = 5000
    seed_copies(empty.studio, total)
    visitor = visit(empty.url)
    page = open_gallery(visitor)
    expect(page.locator(".history-count")).to_have_text("5,000 pictures")
    seen = page.evaluate(SCROLL)
    assert (seen["reached"], seen["cards"] < 250, seen["median"] < 100) == (total, True, True), seen
    expect(page.locator(f".card[aria-posinset='{total}']")).to_be_visible()
    page.locator(f".card[aria-posinset='{total}']").focus()
    page.keyboard.press("Home")
    expect(page.locator(".card[aria-posinset='1']")).to_be_focused()
    assert visitor.errors == []


# Down by three quarters of a window a frame, until nothing comes any more; how long frames took, and what was there.
SCROLL = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    const shelf = document.querySelector(".shelf"), frames = [];
    let cards = 0, still = 0, reached = 0;
    while (still < 200) {
        const before = performance.now();
        scrollBy(0, innerHeight * 0.75);
        await frame();
        frames.push(performance.now() - before);
        cards = Math.max(cards, shelf.childElementCount);
        const last = Number(shelf.lastElementChild.getAttribute("aria-posinset"));
        still = last > reached ? 0 : still + 1;
        reached = Math.max(reached, last);
    }
    frames.sort((one, other) => one - other);
    const at = share => Math.round(frames[Math.floor(share * (frames.length - 1))]);
    return { cards, reached, frames: frames.length, median: at(0.5), p95: at(0.95), slowest: at(1),
             megabytes: Math.round(performance.memory.usedJSHeapSize / 2 ** 20) };
}"""


def seed_copies(studio: Studio, count: int) -> None:
    """Rows and files like those of one picture, which are links to its own."""
    (first,) = paint(studio.history, "one of very many")
    path = studio.history.image(first).path
    columns = [row["name"] for row in studio.history.read("PRAGMA table_info(images)") if row["name"] not in UNLIKE]
    same = ", ".join(columns)
    with studio.history.writing() as writer:
        for number in range(1, count):
            copy = path.replace(first, other := f"{first[:-5]}{number:05d}")
            writer.execute(
                f"INSERT INTO images (id, path, position, {same}) SELECT ?, ?, ?, {same} FROM images WHERE id = ?",
                (other, copy, number, first),
            )
            for folder, suffix in ((studio.settings.images, ".png"), (studio.settings.thumbnails, ".webp")):
                source, target = (folder / name for name in (path, copy))
                target.with_suffix(suffix).hardlink_to(source.with_suffix(suffix))


UNLIKE = {"id", "path", "position"}


def _paint(studio: Studio, prompt: str, count: int = 3, keep: int = 2, seed: int = 7) -> str:
    job_id = studio.submit(GenerationRequest(prompt, count=count, keep=keep, seed=seed))
    wait_until_final(studio, job_id)
    return job_id
