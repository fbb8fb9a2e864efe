"""Takes the README's pictures of the tabs, with the bundled model and a history of its own.

`python docs/screenshots.py` paints the studio's own example prompts from fixed seeds, so a new model needs only another
run. Needs what testing needs: Playwright and Chromium.
"""

import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from playwright.sync_api import Browser, Page, sync_playwright

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from app.settings import Settings  # noqa: E402
from app.studio import Studio  # noqa: E402
from app.ui.brand import PAPER  # noqa: E402
from app.ui.examples import example_prompts  # noqa: E402
from app.ui.serve import open_page  # noqa: E402
from dalle_core.request import GenerationRequest  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDE, PHONE, TALL_PHONE, GAP = (1280, 860), (390, 844), (390, 1300), 24
PATIENCE_MS, SETTLE_MS = 300_000, 800
DRAWN = """() => [...document.images].filter(image => image.checkVisibility())
    .every(image => image.getBoundingClientRect().top > innerHeight || (image.src && image.complete))"""
SEED, KEEP = 7, 4
STRENGTH, VARIATIONS = 40, 3
PLACES = "{house|fox|christmas tree|mushroom} {on grass|in the snow|in the night sky|on a pink background}"
CELL = 3  # candidates
# file -> the page that is looked at, how many of its tabs go beside each other, and how large each is there
TAB_SHEETS = {
    "tabs-light.webp": ((WIDE, "light", "en"), 2, 0.75),
    "tabs-dark.webp": ((WIDE, "dark", "zh"), 2, 0.75),
    "tabs-phone.webp": ((TALL_PHONE, "light", "en"), 3, 1),
}
QUALITY = 80


@contextmanager
def served(home: str) -> Iterator[tuple[Studio, str]]:
    """A studio of somebody who has just moved in: paths are shown below their home."""
    os.environ["HOME"] = home
    studio = Studio(Settings(data_dir=Path.home() / ".local" / "share" / "dalle-studio", open_browser=False))
    studio.start()
    page = open_page(studio, studio.settings)
    try:
        yield studio, str(page.local_url)
    finally:
        page.close(verbose=False)
        studio.close()


def visit(browser: Browser, url: str, size: tuple[int, int], scheme: Any, language: str) -> Page:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce", locale="en-GB"
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.add_init_script(f"localStorage.setItem('dalle-studio-language', '{language}')")
    page.goto(url)
    page.locator(".model-status[data-state=ready]").wait_for()
    page.locator(".chip").first.wait_for()
    return page


def paint_history(studio: Studio) -> None:
    """Of every example prompt, in both languages, a few."""
    for words in example_prompts().values():
        jobs = [studio.submit(GenerationRequest(text, count=KEEP, keep=KEEP, seed=SEED)) for text in words]
        while not all(studio.job(job).final for job in jobs):
            time.sleep(0.2)


def create(page: Page, prompt: str, count: int | None = None) -> bytes:
    page.locator("#prompt textarea").fill(prompt)
    if count is not None:
        page.locator("#count input").fill(str(count))
    page.locator("#seed input, #seed textarea").fill(str(SEED))
    page.locator("#paint").click()
    page.locator(".run[data-status=done]").filter(visible=True).first.wait_for()
    return shot(page)


def complete(page: Page) -> bytes:
    """From the newest picture of the history that is offered."""
    page.get_by_role("tab").nth(1).click()
    page.locator(".suggested button").filter(visible=True).first.click()
    page.locator(".made:not(.stale) img").filter(visible=True).wait_for()
    page.locator("#complete-seed input, #complete-seed textarea").fill(str(SEED))
    page.locator("#complete-paint").click()
    page.locator(".completing .run[data-status=done]").filter(visible=True).first.wait_for()
    page.evaluate("scrollTo(0, 0)")
    return shot(page)


def variations(page: Page) -> bytes:
    """Of the newest picture that is offered, with the map of what changed."""
    page.get_by_role("tab").nth(2).click()
    page.locator(".variations .suggested button").first.click()
    page.locator(".variations .made:not(.stale) img").wait_for()
    page.get_by_label("Strength").fill(str(STRENGTH))
    page.locator("#variations-seed input, #variations-seed textarea").fill(str(SEED))
    page.locator("#variations-keep input").fill(str(VARIATIONS))
    page.locator("#variations-paint").click()
    run = page.locator(".variations .run[data-status=done]").first
    run.get_by_role("button", name="What changed").click()
    return shot(page, full_page=True)


def explore(page: Page) -> bytes:
    page.get_by_role("tab").nth(3).click()
    page.locator("#explore-prompt textarea").fill(PLACES)
    for axis, kind in (("x", "First place"), ("y", "Second place")):
        page.locator(f"[data-axis={axis}] select").select_option(label=kind)
        page.locator(f"[data-axis={axis}] input").fill("")
    page.locator("#explore-count input").fill(str(CELL))
    page.locator("#explore-seed input, #explore-seed textarea").fill(str(SEED))
    page.locator("#explore-paint").click()
    page.locator(".sheet[data-status=done]").wait_for()
    return shot(page, full_page=True)


def gallery(page: Page) -> bytes:
    page.get_by_role("tab").nth(4).click()
    page.locator(".card img").first.wait_for()
    return shot(page)


def tabs(page: Page, prompt: str) -> list[bytes]:
    """Every tab, where other pages painted before: Create paints, two others are given a picture."""
    pictures = [create(page, prompt, KEEP)]
    for tab in page.get_by_role("tab").all()[1:]:
        tab.click()
        page.locator(".suggested button, .sheet, .card img, .model").filter(visible=True).first.wait_for()
        if (suggested := page.locator(".suggested button").filter(visible=True)).count():
            suggested.first.click()
            page.locator(".made:not(.stale) img").filter(visible=True).wait_for()
        page.evaluate("scrollTo(0, 0)")
        pictures.append(shot(page))
    return pictures


def shot(page: Page, *, full_page: bool = False) -> bytes:
    page.mouse.move(0, 0)
    page.wait_for_timeout(SETTLE_MS)
    page.wait_for_function(DRAWN, timeout=PATIENCE_MS)
    return page.screenshot(full_page=full_page)


def arranged(pictures: list[bytes], columns: int, scale: float = 1) -> Image.Image:
    """Row by row on the page's own paper."""
    images = [ImageOps.scale(Image.open(io.BytesIO(picture)).convert("RGB"), scale) for picture in pictures]
    width, height = images[0].width + GAP, images[0].height + GAP
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * width - GAP, rows * height - GAP), PAPER)
    for i, image in enumerate(images):
        sheet.paste(image, (i % columns * width, i // columns * height))
    return sheet


def main() -> None:
    english, chinese = example_prompts()["en"], example_prompts()["zh"]
    with tempfile.TemporaryDirectory() as home, served(home) as (studio, url), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        paint_history(studio)
        desk, dark = (visit(browser, url, WIDE, scheme, "en") for scheme in ("light", "dark"))
        (FOLDER / "screenshot.png").write_bytes(create(desk, english[0]))
        (FOLDER / "complete.png").write_bytes(complete(desk))
        (FOLDER / "dark.png").write_bytes(gallery(dark))
        (FOLDER / "variations.png").write_bytes(variations(desk))
        (FOLDER / "explore.png").write_bytes(explore(desk))
        phone = visit(browser, url, PHONE, "light", "en")
        small = [create(phone, english[1]), complete(phone)]
        night = visit(browser, url, PHONE, "dark", "zh")
        small += [create(night, chinese[0]), gallery(night)]
        arranged(small, columns=len(small)).save(FOLDER / "phone.png", optimize=True)
        for file, (look, columns, scale) in TAB_SHEETS.items():
            pictures = tabs(visit(browser, url, *look), example_prompts()[look[2]][0])
            arranged(pictures, columns, scale).save(FOLDER / file, quality=QUALITY, method=6)
        browser.close()


if __name__ == "__main__":
    main()
