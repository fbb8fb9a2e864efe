"""Opens the pages to a browser or a window. Knows the settings; what the pages hold is built elsewhere."""

import importlib.util
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import MissingPackage, OutputError
from app.settings import Settings, check_exposure
from app.studio import Studio
from app.ui.baskets import Baskets
from app.ui.brand import TITLE
from app.ui.desktop import check_desktop, show_window
from app.ui.events import event_routes
from app.ui.export_routes import export_routes
from app.ui.first_script import FirstScript
from app.ui.gallery_routes import gallery_routes
from app.ui.gradio_import import import_gradio
from app.ui.guards import guards
from app.ui.hosts import KnownHosts
from app.ui.installable import installable_routes
from app.ui.media import media_routes
from app.ui.share import share
from app.ui.tools_sign_in import ToolsSignIn, let_tools_in

if TYPE_CHECKING:
    import gradio

POLL_SECONDS = 0.2
FIRST_PAGE_SECONDS = 3.0
MAX_EVENTS = 1000  # pages that follow and programs that wait: more than the studio's queue holds

Say = Callable[[str], None]


def check_packages(settings: Settings) -> None:
    """Raises MissingPackage where a setting needs a package that is not there. Gradio would go on without a word."""
    if settings.desktop:
        check_desktop()
    if settings.mcp and importlib.util.find_spec("mcp") is None:
        raise MissingPackage('--mcp needs the package mcp. Install it: pip install "gradio[mcp]"')


def serve(studio: Studio, settings: Settings, say: Say) -> None:
    """Open the pages, then start the studio's worker, and serve until interrupted or the window is closed."""
    hosts, visited = KnownHosts(settings), threading.Event()
    page = open_page(studio, settings, hosts, visited.set)
    try:
        threading.Thread(target=_begin, args=(studio, visited, say), name="dalle-studio-begin", daemon=True).start()
        if settings.share:
            _share(page, hosts, say)
        if settings.desktop:
            show_window(TITLE, str(page.local_url), settings.window)
        else:
            _wait()
    finally:
        page.close(verbose=False)


def open_page(
    studio: Studio,
    settings: Settings,
    hosts: KnownHosts | None = None,
    visited: Callable[[], None] = lambda: None,
) -> "gradio.Blocks":
    """Start the server in its own threads and return at once; `close()` of what comes back ends it.

    `visited` is called whenever the scripts of a page have come up.
    """
    check_exposure(settings)
    check_packages(settings)
    prepare_environment(settings)
    import_gradio()
    from app.ui import build, theme, words
    from app.ui.recipe_drop import recipe_routes

    baskets = Baskets()
    page = build(studio, baskets)
    page.api_open = False
    page.launch(
        server_name=f"[{settings.host}]" if ":" in settings.host else settings.host,
        server_port=settings.port,
        auth=settings.auth,
        inbrowser=settings.open_browser and not settings.desktop,
        prevent_thread_lock=True,
        max_threads=MAX_EVENTS,
        quiet=True,
        share=False,
        mcp_server=settings.mcp,
        ssr_mode=False,
        num_workers=0,  # others would serve files past our guards
        enable_monitoring=False,
        run_history=False,
        footer_links=[],
        pwa=True,
        favicon_path=theme.ICON,
        theme=theme.theme(),
        head=theme.head(),
        i18n=words.localized(page),
        js=theme.apply_theme(settings.theme),
        app_kwargs={
            "routes": [
                *media_routes(studio),
                *gallery_routes(studio, baskets),
                *event_routes(studio),
                *recipe_routes(studio),
                *export_routes(studio),
                *installable_routes(),
            ],
            "middleware": [
                *guards((hosts or KnownHosts(settings)).knows),
                Middleware(ToolsSignIn, auth=settings.auth),
                Middleware(Visits, visited=visited),
                Middleware(FirstScript, script=words.script(settings.language)),
            ],
        },
    )
    if settings.mcp and page.mcp_error:  # which Gradio keeps to itself
        page.close(verbose=False)
        raise MissingPackage(f'--mcp cannot start: {page.mcp_error}. Try: pip install --upgrade "gradio[mcp]"')
    if settings.mcp and settings.auth:
        let_tools_in(page, settings.auth)
    return page


def prepare_environment(settings: Settings) -> None:
    """Gradio reads these when it is imported: no telemetry, no statistics after each event, uploads inside our own
    data folder, and events that wait for nothing but the studio. Asking its queue for that would build it twice."""
    settings.temp.mkdir(parents=True, exist_ok=True)
    os.environ["GRADIO_DEFAULT_CONCURRENCY_LIMIT"] = "none"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(settings.temp)


class Visits:
    """Tells when a page is there: the first thing its scripts do is to join Gradio's queue."""

    def __init__(self, app: ASGIApp, visited: Callable[[], None]) -> None:
        self.app = app
        self.visited = visited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/gradio_api/queue/join":
            self.visited()
        await self.app(scope, receive, send)


def _begin(studio: Studio, visited: threading.Event, say: Say) -> None:
    """Start the worker once a page is there, or soon without one: loading torch would keep the first page waiting."""
    visited.wait(FIRST_PAGE_SECONDS)
    if studio.closed:
        return
    studio.start()
    while (status := studio.model_status()).state == "loading":
        time.sleep(POLL_SECONDS)
    if status.state == "ready":
        say(f"Device: {status.device}, {status.name} is ready")
    else:
        say(f"{status.name} could not be loaded: {status.message}")


def _share(page: "gradio.Blocks", hosts: KnownHosts, say: Say) -> None:
    """The studio goes on without the link: it works on this machine all the same."""
    try:
        address = share(page)
    except OutputError as error:
        say(f"{error} The studio goes on without it.")
    else:
        hosts.add(urlsplit(address).hostname or "")
        say(f"Public link: {address}")


def _wait() -> None:
    while True:
        time.sleep(POLL_SECONDS)
