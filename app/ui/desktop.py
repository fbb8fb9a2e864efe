"""A window of its own for the page, through pywebview where that is installed."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from app.errors import MissingPackage

PACKAGE = "webview"
SIZE = {"width": 1280, "height": 900, "min_size": (390, 600)}


def check_desktop() -> None:
    """Raises MissingPackage."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise MissingPackage("--desktop needs the package pywebview. Install it: pip install pywebview")


def show_window(title: str, url: str, storage: Path) -> None:
    """Show `url` until the window is closed; only the main thread may. What the page remembers is kept in `storage`.

    Raises MissingPackage where there is no toolkit to draw windows with.
    """
    webview: Any = importlib.import_module(PACKAGE)
    webview.settings["ALLOW_DOWNLOADS"] = True
    webview.create_window(title, url, text_select=True, **SIZE)
    try:
        webview.start(private_mode=False, storage_path=str(storage))
    except webview.errors.WebViewException as error:
        words = " ".join(str(error).split())
        raise MissingPackage(f"No window can be opened: {words} Try again without --desktop.") from error
