"""Many pictures at once, and the order they are put in: selecting, trash, zip, collections, tags, stacks, comparing,
families, imports.
"""

import base64
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from app.studio import Studio
from tests.app.histories import paint
from tests.browser.conftest import Served, Visit, open_gallery
from tests.browser.test_accessibility import violations
from tests.fakes import fake_studio

pytestmark = pytest.mark.browser


def show(empty: Served, visit: Callable[[str], Visit], *prompts: str) -> tuple[Page, list[str]]:
    """The Gallery with a picture for each prompt, the first prompt first; their ids in this order."""
    ids = [paint(empty.studio.history, prompt)[0] for prompt in reversed(prompts)][::-1]
    visitor = visit(empty.url)
    page = open_gallery(visitor)
    expect(page.locator(".card")).to_have_count(len(prompts))
    return page, ids


def bar(page: Page, name: str) -> None:
    page.locator(".selection-bar").get_by_role("button", name=name, exact=True).click()


def names(page: Page) -> list[str]:
    return page.locator(".card .name").all_inner_texts()


def test_pictures_are_selected_by_corner_range_and_key_and_move_to_the_trash_and_back(
    empty: Served, visit: Callable[[str], Visit]
) -> None:
    page, ids = show(empty, visit, "a", "b", "c", "d", "e", "f")
    cards, counted, toast = page.locator(".card"), page.locator(".selection-bar b"), page.locator(".toast")
    cards.nth(1).hover()
    cards.nth(1).locator(".tick").click()
    cards.nth(4).click(modifiers=["Shift"])
    expect(counted).to_have_text("4 selected")
    cards.nth(2).click(modifiers=["Shift"])  # the range is drawn again from where it began
    expect(counted).to_have_text("2 selected")
    cards.nth(5).click(modifiers=["ControlOrMeta"])
    cards.nth(0).focus()
    page.keyboard.press("x")
    expect(counted).to_have_text("4 selected")
    page.keyboard.press("Escape")
    expect(page.locator(".selection-bar")).to_be_hidden()
    cards.nth(0).focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(counted).to_have_text("2 selected")
    bar(page, "Star")
    expect(page.locator(".card.starred")).to_have_count(2)

    page.locator(".card").first.press("Control+a")
    expect(counted).to_have_text("6 selected")
    bar(page, "Trash")
    expect(toast).to_contain_text("4 pictures moved to the trash. 2 pictures with a star stayed.")
    expect(cards).to_have_count(2)
    toast.get_by_role("button", name="Undo").click()
    expect(cards).to_have_count(6)

    page.keyboard.press("Escape")
    for name in ("e", "f"):
        page.get_by_role("option", name=name, exact=True).click(modifiers=["ControlOrMeta"])
    bar(page, "Trash")
    expect(cards).to_have_count(4)
    page.get_by_role("button", name="Trash 2", exact=True).click()
    expect(cards).to_have_count(2)
    cards.first.locator(".tick").dispatch_event("click")
    bar(page, "Restore")
    expect(cards).to_have_count(1)
    page.get_by_role("button", name="Empty the trash").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("It cannot be undone.")
    question.get_by_role("button", name="Leave them").click()
    assert empty.studio.gallery.in_trash().count == 1
    page.get_by_role("button", name="Empty the trash").click()
    question.get_by_role("button", name="Delete for good").click()
    expect(page.locator(".history-note")).to_have_text("The trash is empty.")
    page.get_by_role("button", name="All pictures").click()
    expect(cards).to_have_count(5)
    assert not empty.studio.settings.images.joinpath(f"{ids[5]}.png").exists()


def test_what_another_window_does_is_seen_at_once_and_moves_nobody(
    empty: Served, visit: Callable[[str], Visit]
) -> None:
    page, (first, starred, thrown, chosen) = show(empty, visit, "a", "b", "c", "d")
    gallery = empty.studio.gallery
    page.get_by_role("option", name="d", exact=True).click(modifiers=["ControlOrMeta"])
    gallery.star([starred])
    expect(page.locator(".card.starred .name")).to_have_text("b")
    gallery.trash([thrown])
    expect(page.locator(".card .name")).to_have_text(["a", "b", "d"])
    expect(page.get_by_role("button", name="Trash 1", exact=True)).to_be_visible()
    expect(page.locator(".selection-bar b")).to_have_text("1 selected")
    page.keyboard.press("Escape")
    gallery.restore([thrown])
    expect(page.locator(".card .name")).to_have_text(["a", "b", "c", "d"])
    gallery.trash([first, chosen])
    expect(page.locator(".card .name")).to_have_text(["b", "c"])
    page.get_by_role("tab", name="Create").click()
    expect(page.locator(".run")).to_have_count(0)  # marks bring no earlier run to the board


def test_a_zip_holds_what_was_selected(empty: Served, visit: Callable[[str], Visit]) -> None:
    page, ids = show(empty, visit, "red <b>apple</b>", "蓝猫", "left alone")
    for card in (0, 1):
        page.locator(".card").nth(card).click(modifiers=["ControlOrMeta"])
    with page.expect_download() as download:
        bar(page, "Download")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        pictures = [name for name in archive.namelist() if name.endswith(".png")]
        recipes = json.loads(archive.read("recipes.json"))
        sheet = archive.read("contact-sheet.html").decode()
        files = [archive.read(name) for name in pictures]
    originals = [empty.studio.image_path(image_id).read_bytes() for image_id in ids[:2]]
    assert sorted(files) == sorted(originals)
    assert len(recipes["pictures"]) == 2
    assert "red &lt;b&gt;apple" in sheet
    assert "<b>apple" not in sheet


def test_only_who_is_signed_in_downloads_and_imports(tmp_path: Path, serve_studio: Callable[[Studio], str]) -> None:
    url = serve_studio(fake_studio(tmp_path, open_browser=False, auth=("ada", "lovelace")))
    assert httpx.get(f"{url}media/zip/anything").status_code == 401
    assert httpx.post(f"{url}media/import?name=a.png", content=png("red")).status_code == 401


def test_a_zip_nobody_asked_for_is_not_there(empty: Served) -> None:
    assert httpx.get(f"{empty.url}media/zip/unknown").status_code == 404


def test_collections_and_tags_are_made_renamed_merged_and_deleted(empty: Served, visit: Callable[[str], Visit]) -> None:
    page, _ = show(empty, visit, "apple", "pear", "plum")
    cards, places, dialog = page.locator(".card"), page.get_by_role("navigation"), page.get_by_role("dialog")

    def name(words: str, button: str) -> None:
        dialog.get_by_role("textbox").fill(words)
        dialog.get_by_role("button", name=button).click()
        expect(dialog).to_be_hidden()

    def more(place: str, choice: str) -> None:
        places.get_by_role("button", name=f"More for {place}").click()
        page.locator(".menu").get_by_role("button", name=choice).click()

    cards.nth(0).click(modifiers=["ControlOrMeta"])
    cards.nth(1).click(modifiers=["ControlOrMeta"])
    bar(page, "Add to collection")
    page.locator(".menu").get_by_role("button", name="New collection").click()
    name("Fruit / <b>best</b>", "Make it")
    expect(places).to_contain_text("Fruit / <b>best</b>2")
    places.get_by_role("button", name="New collection").click()
    dialog.get_by_role("textbox").fill("Fruit / <b>best</b>")
    dialog.get_by_role("button", name="Make it").click()
    expect(dialog.get_by_role("alert")).not_to_be_empty()  # there is one already
    name("Plums", "Make it")
    places.get_by_role("button", name="Fruit / <b>best</b> 2", exact=True).click()
    expect(cards).to_have_count(2)
    more("Plums", "Rename")
    dialog.get_by_role("textbox").fill("Fruit / <b>best</b>")
    dialog.get_by_role("button", name="Rename").click()
    dialog.get_by_role("button", name="Put together").click()
    expect(places.get_by_role("button", name="Plums")).to_have_count(0)
    expect(cards).to_have_count(2)

    cards.nth(0).click(modifiers=["ControlOrMeta"])
    bar(page, "Tag")
    page.locator(".tag-form input").fill("sweet")
    page.keyboard.press("Enter")
    expect(places).to_contain_text("sweet1")
    page.get_by_role("button", name="All pictures").click()
    expect(cards).to_have_count(3)
    page.get_by_label("Search the gallery").fill("sweet")
    expect(cards).to_have_count(1)
    more("sweet", "Rename")
    name("ripe", "Rename")
    places.get_by_role("button", name="ripe 1", exact=True).click()
    expect(cards).to_have_count(1)
    more("ripe", "Delete")
    dialog.get_by_role("button", name="Delete").click()
    expect(cards).to_have_count(3)
    more("Fruit / <b>best</b>", "Delete")
    dialog.get_by_role("button", name="Delete").click()
    expect(places).to_contain_text("None yet")
    assert empty.studio.images_count() == 3


def test_a_long_name_leaves_room_for_how_much_is_there(empty: Served, visit: Callable[[str], Visit]) -> None:
    page, _ = show(empty, visit, "apple")
    empty.studio.gallery.new_collection("A collection whose name is a good deal longer than the list of places is wide")
    places = page.get_by_role("navigation")
    expect(places).to_contain_text("A collection whose name")
    for count in places.locator("small").all():
        assert count.evaluate(
            "count => count.getBoundingClientRect().right <= count.closest('nav').getBoundingClientRect().right"
        )
    assert places.evaluate("places => places.scrollWidth <= places.clientWidth")


def test_filters_are_chips_and_a_search_is_saved(empty: Served, visit: Callable[[str], Visit]) -> None:
    page, ids = show(empty, visit, "apple", "pear", "plum")
    empty.studio.gallery.star(ids[:1])
    paint(empty.studio.history, "pear and more", parents=(ids[1],))
    cards, chips = page.locator(".card"), page.locator(".filter-chips")
    page.get_by_label("Search the gallery").fill("pear")
    expect(cards).to_have_count(2)
    page.get_by_role("button", name="Filter", exact=True).click()
    panel = page.locator(".filter-panel")
    panel.get_by_role("button", name="Completed").click()
    expect(cards).to_have_count(1)
    panel.get_by_label("From").fill("2020-01-31")
    expect(chips).to_contain_text("From 31 Jan 2020")
    panel.get_by_role("button", name="Save this search").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("Pears")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    page.get_by_role("button", name="All pictures").click()
    expect(cards).to_have_count(4)
    expect(chips).to_be_hidden()
    page.get_by_role("button", name="Pears", exact=True).click()
    expect(cards).to_have_count(1)
    expect(page.get_by_label("Search the gallery")).to_have_value("pear")
    page.get_by_role("button", name="Remove the filter Completed").click()
    expect(cards).to_have_count(2)
    expect(chips).to_contain_text("From 31 Jan 2020")
    page.get_by_role("button", name="Starred", exact=True).click()
    expect(cards).to_have_count(1)


def test_pictures_the_same_but_for_the_seed_are_one_stack(empty: Served, visit: Callable[[str], Visit]) -> None:
    history = empty.studio.history
    for image_id in paint(history, "many seeds", 4):
        history.mark_image(image_id, kept=True)
    paint(history, "alone")
    page = open_gallery(visit(empty.url))
    cards = page.locator(".card")
    expect(cards).to_have_count(5)
    page.get_by_label("Stack seeds").check()
    expect(page.locator(".history-count")).to_have_text("2 stacks")
    expect(cards).to_have_count(2)
    stack = page.get_by_role("option", name="many seeds, stack of 4")
    stack.click()
    expect(cards).to_have_count(4)
    cards.first.focus()
    page.keyboard.press("Escape")
    expect(cards).to_have_count(2)


def test_a_relative_that_is_gone_says_so_and_offers_nothing(empty: Served, visit: Callable[[str], Visit]) -> None:
    (parent,) = paint(empty.studio.history, "a parent")
    paint(empty.studio.history, "a child", parents=(parent,))
    page = open_gallery(visit(empty.url))
    page.locator(".card").first.click()
    dialog = page.get_by_role("dialog")
    relatives = dialog.get_by_role("group", name="Family").get_by_role("button")
    expect(relatives).to_have_count(2)
    empty.studio.gallery.trash([parent])
    empty.studio.gallery.purge()
    relatives.first.click()
    expect(dialog.locator(".prompt")).to_have_text("This picture is not there any more.")
    expect(dialog.locator(".action:visible")).to_have_count(0)
    dialog.locator(".turn:enabled").click()
    expect(dialog.locator(".prompt")).to_have_text("a child")
    expect(dialog.get_by_role("link", name="Save")).to_be_visible()


def test_two_are_compared(empty: Served, visit: Callable[[str], Visit]) -> None:
    page, _ = show(empty, visit, "red <b>apple</b>", "green apple", "a pear")
    cards, dialog = page.locator(".card"), page.get_by_role("dialog")
    cards.nth(0).click(modifiers=["ControlOrMeta"])
    expect(page.locator(".selection-bar").get_by_role("button", name="Compare")).to_be_hidden()
    cards.nth(1).click(modifiers=["ControlOrMeta"])
    bar(page, "Compare")
    expect(dialog.get_by_role("row").filter(has_text="Prompt")).to_contain_text("red <b>apple</b>green apple")
    divider = dialog.get_by_role("slider")
    expect(divider).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(divider).to_have_value("49")
    clip = dialog.locator("figure").nth(1).locator("img")
    assert clip.evaluate("image => getComputedStyle(image).clipPath") == "inset(0px 0px 0px 49%)"
    dialog.get_by_role("button", name="Swap").click()
    expect(dialog.get_by_role("row").filter(has_text="Prompt")).to_contain_text("green applered <b>apple</b>")
    dialog.get_by_role("button", name="Side by side").click()
    expect(dialog.locator("figcaption")).to_contain_text(["green apple", "red <b>apple</b>"])
    expect(divider).to_have_count(0)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_long_words_scroll_in_their_place_and_what_is_gone_is_not_compared(
    empty: Served, visit: Callable[[str], Visit]
) -> None:
    page, ids = show(empty, visit, "a lantern " * 180, "a pear")
    for card in page.locator(".card").all():
        card.click(modifiers=["ControlOrMeta"])
    bar(page, "Compare")
    dialog = page.get_by_role("dialog")
    row = dialog.get_by_role("row").filter(has_text="Prompt")
    expect(row).to_contain_text("a lantern " * 180)
    assert row.evaluate("row => row.offsetHeight") < 200
    page.keyboard.press("Escape")
    with empty.studio.history.writing() as writer:
        writer.execute("DELETE FROM images WHERE id = ?", (ids[0],))
    bar(page, "Compare")
    expect(page.locator(".toast")).to_contain_text("One of these pictures is not there any more.")
    expect(dialog).to_be_hidden()


def test_a_family_is_a_tree_of_pictures_to_go_to(empty: Served, visit: Callable[[str], Visit]) -> None:
    history = empty.studio.history
    (oldest,) = paint(history, "the oldest")
    (child,) = paint(history, "a child", parents=(oldest,))
    paint(history, "a grandchild", parents=(child,))
    page = open_gallery(visit(empty.url))
    page.get_by_role("option", name="the oldest").click()
    dialog = page.locator("dialog.picture")
    family = dialog.get_by_role("group", name="Family")
    expect(family.get_by_role("button")).to_have_count(3)
    expect(family.locator("path")).to_have_count(2)
    expect(family.locator("[aria-current]")).to_have_attribute("data-id", oldest)
    family.get_by_role("button", name="a grandchild, Completed, top 1 row kept").click()
    expect(dialog.locator(".prompt")).to_have_text("a grandchild")
    dialog.get_by_role("button", name="Compare with its parent").click()
    compared = page.locator("dialog.compare")
    expect(compared.locator("figcaption")).to_contain_text(["a child", "a grandchild"])
    page.keyboard.press("Escape")
    expect(compared).to_have_count(0)
    dialog.get_by_role("button", name="Use settings").click()
    expect(page.locator("#prompt textarea")).to_have_value("a grandchild")


DROP = """files => {
    const transfer = new DataTransfer();
    for (const [name, data] of files)
        transfer.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name));
    for (const type of ["dragover", "drop"]) {
        const event = new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true });
        document.querySelector(".shelf").dispatchEvent(event);
    }
}"""


def png(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(file, "PNG")
    return file.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def test_dropped_and_chosen_files_are_imported_and_what_is_wrong_is_told(
    empty: Served, visit: Callable[[str], Visit], tmp_path: Path
) -> None:
    page, (known,) = show(empty, visit, "painted here")
    toast, dialog, cards = page.locator(".toast"), page.get_by_role("dialog"), page.locator(".card")
    own = empty.studio.image_path(known).read_bytes()
    files = {
        "own.png": own,
        "sea view.png": png("teal"),
        "some.zip": zipped({"x/one.png": png("red"), "notes.txt": b"-"}),
    }
    page.evaluate(DROP, [(name, base64.b64encode(data).decode()) for name, data in files.items()])
    expect(toast).to_contain_text("2 pictures imported. Already here: 1. Other files, left alone: 1.")
    expect(cards).to_have_count(3)
    (tmp_path / "hostile.zip").write_bytes(zipped({"../../evil.png": png("black"), "fine.png": png("white")}))
    (tmp_path / "<b>broken.png").write_bytes(b"no picture")
    page.get_by_label("Pictures to import").set_input_files([tmp_path / "hostile.zip", tmp_path / "<b>broken.png"])
    expect(dialog).to_contain_text("Could not be read: 2")
    expect(dialog).to_contain_text("<b>broken.png")
    dialog.get_by_role("button", name="Close").click()
    expect(cards).to_have_count(4)
    page.get_by_role("option", name="sea view").click()
    expect(dialog).to_contain_text("From elsewhere")
    expect(dialog.get_by_role("button", name="Use settings")).to_be_hidden()
    page.keyboard.press("Escape")
    folder = tmp_path / "<i>folder"
    (folder / "deeper").mkdir(parents=True)
    (folder / "deeper" / "<script>.png").write_bytes(png("navy"))
    (folder / "notes.txt").write_text("-")
    page.get_by_role("button", name="Import").click()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="A folder of PNGs").click()
    chooser.value.set_files(folder)
    expect(toast).to_contain_text("1 picture imported. Other files, left alone: 1.")
    (tmp_path / "words.txt").write_text("words")
    page.get_by_label("Pictures to import").set_input_files(tmp_path / "words.txt")
    expect(toast).to_contain_text("There is no PNG and no zip among these files.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_in_the_gallery_shuts_anyone_out(
    scheme: str, language: str, empty: Served, visit: Callable[[str], Visit]
) -> None:
    gallery = empty.studio.gallery
    ids = [*paint(empty.studio.history, "oldest"), *paint(empty.studio.history, "next")]
    ids += paint(empty.studio.history, "child", parents=(ids[0],))
    gallery.tag(ids, "tagged")
    gallery.collect(ids, gallery.new_collection("Collected"))
    gallery.star(ids[:1])
    visitor = visit(empty.url)
    visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    visitor.page.add_init_script(f"localStorage.setItem('dalle-studio-language', '{language}')")
    page = visitor.open()
    page.get_by_role("tab", name="Gallery" if language == "en" else "图库").click()
    found: dict[str, list[str]] = {}
    page.locator(".card").first.press("Enter")
    page.locator(".family-tree").wait_for()
    found["family"] = violations(page)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    found["keys"] = violations(page)
    page.keyboard.press("Escape")
    page.locator(".card").first.press("x")
    page.locator(".card").nth(1).press("x")
    page.locator(".filter-open").click()
    page.locator(".filter-panel .chip").first.wait_for()
    page.locator(".filter-panel input[name=starred]").check()
    expect(page.locator(".card")).to_have_count(1)
    found["filters"] = violations(page)
    page.keyboard.press("Escape")
    page.locator(".filter-chips button").click()
    expect(page.locator(".card")).to_have_count(3)
    page.locator(".card").first.press("x")
    page.locator(".card").nth(1).press("x")
    page.locator(".bar-buttons button").nth(2).click()
    found["tagging"] = violations(page)
    page.keyboard.press("Escape")
    page.locator(".bar-buttons button").nth(3).click()
    page.locator("dialog.compare").wait_for()
    found["compare"] = violations(page)
    page.keyboard.press("Escape")
    page.locator(".card").first.press("Delete")
    page.locator(".toast").wait_for()
    found["toast"] = violations(page)
    assert found == {place: [] for place in found}
    assert visitor.errors == []
