"""Takes the pictures of the Models tab for models.md: a public model on its way from a hub on this machine.

`python docs/screenshots_models.py` fetches nothing from elsewhere: the hub is the tests' own, its files are as large as
the published ones and hold nothing. Needs what testing needs: Playwright and Chromium.
"""

import io
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from app.downloads import Downloads  # noqa: E402
from app.settings import Settings  # noqa: E402
from app.studio import Studio  # noqa: E402
from app.ui.brand import PAPER  # noqa: E402
from app.ui.serve import open_page  # noqa: E402
from dalle_core.families.catalogue import OFFERS  # noqa: E402
from dalle_core.hub import Hub  # noqa: E402
from docs.screenshots import CHROMIUM, GAP, PATIENCE_MS, PHONE, shot  # noqa: E402
from docs.screenshots import visit as open_studio  # noqa: E402
from tests.fakehub import FakeHub, describe  # noqa: E402

DESK = (1280, 940)
NAME, TITLE = "dalle-mini", "DALL·E mini"
MB = 10**6
SIZES = {"encoder_mini.pt": 405, "decoder_mini.pt": 471, "detoker.pt": 187, "flax_model.msgpack": 304,
         "vocab_mini.json": 1, "merges_mini.txt": 1}  # fmt: skip
HAVE = 250  # MB of the second file are here from an earlier attempt, and all of the first
SECONDS_A_PIECE = 0.0015  # of 16 KiB: about eight megabytes a second
QUALITY = 82


def published(folder: Path) -> Path:
    """Files without content; the system keeps no blocks for them."""
    folder.mkdir()
    for name, size in SIZES.items():
        with (folder / name).open("wb") as file:
            file.truncate(size * MB)
    return folder


def earlier(settings: Settings, files: Path) -> None:
    """What an attempt that broke off left behind."""
    place = settings.downloads / NAME
    place.mkdir(parents=True)
    shutil.copyfile(files / "encoder_mini.pt", place / "encoder_mini.pt")
    oid = describe(files / "decoder_mini.pt")["lfs"]["sha256"]
    with (place / f"decoder_mini.pt.{oid[:16]}.part").open("wb") as part:
        part.truncate(HAVE * MB)


@contextmanager
def served(folder: Path, hub: FakeHub) -> Iterator[str]:
    studio = Studio(Settings(data_dir=folder, open_browser=False))
    studio.downloads = Downloads(studio.settings, Hub(hub.url))
    studio.start()
    page = open_page(studio, studio.settings)
    try:
        yield str(page.local_url)
    finally:
        page.close(verbose=False)
        studio.close()


def visit(browser: Browser, url: str, size: tuple[int, int], scheme: Any, language: str) -> Page:
    """The Models tab."""
    page = open_studio(browser, url, size, scheme, language)
    page.get_by_role("tab").nth(5).click()
    page.locator("[data-offer]").first.wait_for()
    return page


def card(page: Page) -> Locator:
    return page.locator(f"[data-offer={NAME}]")


def scroll(page: Page) -> None:
    """To the public models."""
    page.locator(".public-models").evaluate("node => scrollTo(0, node.getBoundingClientRect().top + scrollY - 24)")


def agree(page: Page) -> bytes:
    """The licence, as it is asked for; and agreed to."""
    scroll(page)
    card(page).get_by_role("button", name="Go on").click()
    asked = shot(page)
    page.get_by_role("button", name="Agree and download").click()
    return asked


def fetching(page: Page) -> bytes:
    expect(card(page).locator(".offer-progress")).to_have_text(re.compile("·.*·"), timeout=PATIENCE_MS)
    scroll(page)
    return shot(page)


def save(name: str, *pictures: bytes) -> None:
    """Beside each other."""
    images = [Image.open(io.BytesIO(picture)).convert("RGB") for picture in pictures]
    row = Image.new("RGB", (sum(image.width + GAP for image in images) - GAP, images[0].height), PAPER)
    for i, image in enumerate(images):
        row.paste(image, (sum(other.width + GAP for other in images[:i]), 0))
    row.save(FOLDER / name, quality=QUALITY, method=6)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        files, data = published(Path(folder) / "published"), Path(folder) / "data"
        earlier(Settings(data_dir=data), files)
        for file in files.iterdir():
            describe(file)  # their hashes, which take longer than a hub may
        hub = FakeHub(seconds_a_piece=SECONDS_A_PIECE)
        hub.publish(OFFERS[NAME], files)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with served(data, hub) as url:
            desk = visit(browser, url, DESK, "light", "en")
            save("models-licence.webp", agree(desk))
            save("models.webp", fetching(desk))
            phones = [visit(browser, url, PHONE, *look) for look in (("light", "en"), ("dark", "zh"))]
            save("models-phone.webp", *map(fetching, phones))
            card(desk).get_by_role("button", name="Stop").click()
            browser.close()
        hub.close()


if __name__ == "__main__":
    main()
