"""A served studio and a browser on it. The studio may hold any model: fakes here, the bundled one elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from app.gallery_views import Filters
from app.studio import Studio
from app.ui.serve import open_page
from tests.fakes import FakeModel, fake_studio

QUIET = (
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
)
PATIENCE_MS = 20_000


@dataclass
class Visit:
    """A page, and what it did that it should not: errors on its console, requests to anywhere but its studio."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    def open(self) -> Page:
        self.page.goto(self.url)
        self.page.locator(".model-status[data-state=ready]").wait_for()
        self.page.locator(".chip").first.wait_for()
        return self.page

    def paint(self, prompt: str, count: int | None = None) -> None:
        self.page.locator("#prompt textarea").fill(prompt)
        if count is not None:
            self.page.locator("#count input").fill(str(count))
        self.page.locator("#paint").click()

    def show_tabs(self) -> Iterator[str]:
        """Shows one tab after another, until it has what it is for, and gives its name. Paint something before."""
        for tab in self.page.get_by_role("tab").all():
            tab.click()
            self.page.locator(".run, .drop, .card, .explorer, .model").filter(visible=True).first.wait_for()
            yield tab.inner_text()

    def heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def asked(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.strays.append(request.url)


@pytest.fixture(scope="session")
def browser(chromium: Path | None) -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield browser
        browser.close()


@contextmanager
def _server() -> Iterator[Callable[[Studio], str]]:
    """Serves started studios and gives their addresses. Pages and studios are closed at the end."""
    with ExitStack() as stack:

        def serve(studio: Studio) -> str:
            stack.callback(studio.close)
            page = open_page(studio, studio.settings)
            stack.callback(page.close, verbose=False)
            return str(page.local_url)

        yield serve


@pytest.fixture
def serve_studio() -> Iterator[Callable[[Studio], str]]:
    """Serves a started studio as long as the test lasts, and gives its address."""
    with _server() as serve:
        yield serve


@pytest.fixture(scope="session")
def serve_for_all() -> Iterator[Callable[[Studio], str]]:
    """Serves a started studio until the last test has ended, and gives its address."""
    with _server() as serve:
        yield serve


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[str], Visit]]:
    """Opens an address in a fresh browser profile: `visit(url)`."""
    with ExitStack() as stack:

        def start(url: str) -> Visit:
            context = stack.enter_context(browser.new_context(viewport={"width": 1280, "height": 860}, locale="en-GB"))
            context.set_default_timeout(PATIENCE_MS)
            visit = Visit(context.new_page(), url)
            visit.page.on("console", visit.heard)
            visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
            visit.page.on("request", visit.asked)
            return visit

        yield start


@dataclass(frozen=True)
class Served:
    studio: Studio
    model: FakeModel
    url: str


def wait_until_final(studio: Studio, job_id: str) -> None:
    deadline = time.monotonic() + 30
    while not studio.job(job_id).final:
        assert time.monotonic() < deadline, "the job does not end"
        time.sleep(0.01)


def open_gallery(visitor: Visit) -> Page:
    page = visitor.open()
    page.get_by_role("tab", name="Gallery").click()
    page.locator(".shelf[aria-busy=false]").wait_for(state="attached")
    return page


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, serve_for_all: Callable[[Studio], str]) -> Served:
    """One studio over a fake model, for every test that does not need its own."""
    model = FakeModel()
    studio = fake_studio(tmp_path_factory.mktemp("shared"), model, open_browser=False)
    return Served(studio, model, serve_for_all(studio))


@pytest.fixture(scope="session")
def gallery_studio(tmp_path_factory: pytest.TempPathFactory, serve_for_all: Callable[[Studio], str]) -> Served:
    model = FakeModel()
    studio = fake_studio(tmp_path_factory.mktemp("gallery"), model, open_browser=False)
    return Served(studio, model, serve_for_all(studio))


@pytest.fixture
def empty(gallery_studio: Served) -> Served:
    """A studio with nothing in its history, for tests that put pictures there by hand."""
    gallery = gallery_studio.studio.gallery
    while ids := gallery.page(Filters(everything=True), limit=500).images:
        gallery.trash([image.id for image in ids], include_starred=True)
    gallery.purge()
    for collection in gallery.collections():
        gallery.delete_collection(collection.id)
    for search in gallery.saved_searches():
        gallery.delete_search(search.id)
    return gallery_studio


@pytest.fixture
def served(shared: Served) -> Iterator[Served]:
    """The shared studio, idle before and after, at full speed unless the test slows its model."""
    yield shared
    shared.model.step_seconds = 0.0
    for job in [shared.studio.running_job(), *(view.id for view in shared.studio.queue())]:
        if job is not None:
            shared.studio.cancel(job)
