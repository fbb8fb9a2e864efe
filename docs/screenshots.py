"""Takes the README's pictures of the tabs, with the bundled model and a history of its own.

`python docs/screenshots.py` paints the studio's own example prompts from fixed seeds, so a new model needs only another
run. Needs what testing needs: Playwright and Chromium.
"""

import io
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
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
WIDE, PHONE, GAP = (1280, 860), (390, 844), 24
PATIENCE_MS, SETTLE_MS = 300_000, 800
SEED, KEEP = 7, 4
STRENGTH, VARIATIONS = 40, 3
PLACES = "{house|fox|christmas tree|mushroom} {on grass|in the snow|in the night sky|on a pink background}"
CELL = 3  # candidates


@contextmanager
def served(folder: str) -> Iterator[tuple[Studio, str]]:
    studio = Studio(Settings(data_dir=Path(folder), open_browser=False))
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


def create(page: Page, prompt: str) -> bytes:
    page.locator("#prompt textarea").fill(prompt)
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


def shot(page: Page, *, full_page: bool = False) -> bytes:
    page.mouse.move(0, 0)
    page.wait_for_timeout(SETTLE_MS)
    return page.screenshot(full_page=full_page)


def beside(pictures: list[bytes]) -> Image.Image:
    images = [Image.open(io.BytesIO(picture)).convert("RGB") for picture in pictures]
    width = sum(image.width + GAP for image in images) - GAP
    row = Image.new("RGB", (width, images[0].height), PAPER)
    for i, image in enumerate(images):
        row.paste(image, (i * (image.width + GAP), 0))
    return row


def main() -> None:
    english, chinese = example_prompts()["en"], example_prompts()["zh"]
    with tempfile.TemporaryDirectory() as folder, served(folder) as (studio, url), sync_playwright() as playwright:
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
        beside([*small, create(night, chinese[0]), gallery(night)]).save(FOLDER / "phone.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
