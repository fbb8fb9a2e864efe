"""Opens the pages to a browser on this machine. Knows the settings; what the pages hold is built elsewhere."""

import os
from typing import TYPE_CHECKING

from app.settings import Settings, check_exposure
from app.studio import Studio
from app.ui.guards import guards
from app.ui.media import media_routes

if TYPE_CHECKING:
    import gradio


def serve(studio: Studio, settings: Settings) -> None:
    """Serve until interrupted."""
    page = open_page(studio, settings)
    try:
        page.block_thread()
    finally:
        page.close(verbose=False)


def open_page(studio: Studio, settings: Settings) -> "gradio.Blocks":
    """Start the server in its own threads and return at once; `close()` of what comes back ends it."""
    check_exposure(settings)
    prepare_environment(settings)
    from app.ui import build, theme

    page = build(studio)
    page.queue(default_concurrency_limit=None)
    page.launch(
        server_name=settings.host,
        server_port=settings.port,
        auth=settings.auth,
        inbrowser=settings.open_browser,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        ssr_mode=False,
        enable_monitoring=False,
        footer_links=[],
        pwa=True,
        favicon_path=theme.ICON,
        theme=theme.theme(),
        head=theme.head(),
        js=theme.apply_theme(settings.theme),
        app_kwargs={"routes": media_routes(studio), "middleware": guards(_hosts(settings))},
    )
    return page


def prepare_environment(settings: Settings) -> None:
    """Gradio reads these when it is imported: no telemetry, and uploads inside our own data folder."""
    settings.temp.mkdir(parents=True, exist_ok=True)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(settings.temp)


def _hosts(settings: Settings) -> tuple[str, ...]:
    """The address that was asked for, unless it means every address, and those named beside it."""
    own = () if settings.host in {"0.0.0.0", "::", ""} else (settings.host,)
    return (*own, *settings.allowed_hosts)
