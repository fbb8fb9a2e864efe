"""What every test shares: one computing thread, no network, no settings from the machine, and a browser to drive."""

import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_CHROMIUM = (
    "no Chromium found. Install it (Debian and Ubuntu: apt-get install chromium; anywhere: "
    "python -m playwright install chromium) or leave these tests out with -m 'not browser'."
)
LOOPBACK = ("127.", "localhost", "::1")


def pytest_configure(config: pytest.Config) -> None:
    """Small networks are quickest on one thread, and two runs on one machine stay out of each other's way."""
    torch.set_num_threads(1)
    for variable in [name for name in os.environ if name.startswith("DALLE_STUDIO_")]:
        del os.environ[variable]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What drives a browser comes last: Playwright keeps a loop running on this thread, where no other can run then."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this machine may be reached; anything else fails the test that tried."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def check(address: Any) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK):
            pytest.fail(f"a test tried to reach {address[0]} over the network")

    def guarded(self: socket.socket, address: Any) -> None:
        check(address)
        connect(self, address)

    def guarded_ex(self: socket.socket, address: Any) -> int:
        check(address)
        return connect_ex(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_ex)


@pytest.fixture(scope="session")
def chromium() -> Path | None:
    """The Chromium to drive, or None for the one that Playwright installed itself. Under CI there must be one."""
    for name in CHROMIUM_NAMES:
        if found := shutil.which(name):
            return Path(found)
    if _playwright_has_chromium():
        return None
    if os.environ.get("CI"):
        pytest.fail(NO_CHROMIUM)
    pytest.skip(NO_CHROMIUM)


def _playwright_has_chromium() -> bool:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()
