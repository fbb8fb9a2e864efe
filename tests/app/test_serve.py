"""What surrounds the page: when the worker starts, the device, the public link, the window."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from app.errors import MissingPackage
from app.studio import Studio
from app.ui import serve as serving
from app.ui.desktop import show_window
from app.ui.hosts import KnownHosts
from dalle_core.errors import CheckpointError
from tests.app.conftest import OpenPage, quick_model, wait_until
from tests.fakes import fake_loader, fake_settings

URL = "http://127.0.0.1:7999/"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A page that opens at once and is closed by whoever served it; waiting for Ctrl+C ends at once too."""
    page = SimpleNamespace(
        local_url=URL, server_name="127.0.0.1", server_port=7999, share_token="t", closed=False, hosts=None, visit=None
    )
    page.close = lambda verbose: setattr(page, "closed", True)

    def open_page(studio: Studio, settings: Any, hosts: KnownHosts, visited: Callable[[], None]) -> SimpleNamespace:
        page.hosts, page.visit = hosts, visited
        return page

    monkeypatch.setattr(serving, "open_page", open_page)
    monkeypatch.setattr(serving, "_wait", lambda: visit_once(page))
    return page


def visit_once(page: SimpleNamespace) -> None:
    page.visit()


def opened(tmp_path: Path, load_model: Any = None, **flags: Any) -> Iterator[Studio]:
    studio = Studio(fake_settings(tmp_path, **flags), load_model or fake_loader(quick_model()))
    studio.open()
    yield studio
    studio.close()


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    yield from opened(tmp_path)


def test_the_model_loads_once_a_page_is_there_and_its_device_is_said(
    studio: Studio, page: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def look_then_visit() -> None:
        assert studio.model_status().state == "loading"
        assert not studio.worker._thread.is_alive()
        page.visit()

    monkeypatch.setattr(serving, "FIRST_PAGE_SECONDS", 60)
    monkeypatch.setattr(serving, "_wait", look_then_visit)
    serving.serve(studio, studio.settings, said.append)
    wait_until(lambda: bool(said))
    assert said == ["Device: cpu, fake is ready"]
    assert page.closed


def test_without_a_page_the_model_loads_all_the_same(
    studio: Studio, page: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "FIRST_PAGE_SECONDS", 0)
    monkeypatch.setattr(serving, "_wait", lambda: None)
    serving.serve(studio, studio.settings, lambda line: None)
    wait_until(lambda: studio.model_status().state == "ready")


def test_a_page_s_scripts_are_noticed(open_a_page: Callable[..., OpenPage]) -> None:
    visits: list[int] = []
    page = open_a_page(visited=lambda: visits.append(1))
    httpx.get(page.url)
    assert visits == []
    httpx.post(page.url + "gradio_api/queue/join", json={})
    assert visits == [1]


def test_a_model_that_cannot_be_loaded_is_said_and_the_page_stays(tmp_path: Path, page: SimpleNamespace) -> None:
    def fail(folder: Path, device: object) -> Any:
        raise CheckpointError("The weights are damaged.")

    said: list[str] = []
    for studio in opened(tmp_path, fail):
        serving.serve(studio, studio.settings, said.append)
        wait_until(lambda: bool(said))
    assert said == ["fake could not be loaded: The weights are damaged."]


def test_a_public_link_is_said_and_its_name_is_known(
    tmp_path: Path, page: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradio.networking.setup_tunnel", lambda *asked: "http://abc.gradio.live")
    said: list[str] = []
    for studio in opened(tmp_path, share=True, insecure=True):
        serving.serve(studio, studio.settings, said.append)
    assert "Public link: https://abc.gradio.live" in said
    assert page.hosts.knows("abc.gradio.live")
    assert not page.hosts.knows("other.gradio.live")


def test_without_a_tunnel_the_studio_goes_on(
    tmp_path: Path, page: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*asked: object) -> str:
        raise RuntimeError("Could not get share link from Gradio API Server.")

    monkeypatch.setattr("gradio.networking.setup_tunnel", fail)
    said: list[str] = []
    for studio in opened(tmp_path, share=True, insecure=True):
        serving.serve(studio, studio.settings, said.append)
    (words,) = [line for line in said if "public link" in line]
    assert "needs the internet" in words
    assert words.endswith("The studio goes on without it.")


class FakeWindows:
    """Stands in for pywebview: remembers what was asked of it."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.settings: dict[str, bool] = {}
        self.shown: list[tuple[Any, ...]] = []
        self.errors = SimpleNamespace(WebViewException=OSError)
        self.failure = failure

    def create_window(self, title: str, url: str, **options: Any) -> None:
        self.shown.append((title, url))

    def start(self, private_mode: bool, storage_path: str) -> None:
        self.shown.append((private_mode, storage_path))
        if self.failure:
            raise self.failure


def test_a_window_shows_the_page_and_remembers_in_the_data_folder(
    tmp_path: Path, page: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = FakeWindows()
    monkeypatch.setitem(sys.modules, "webview", windows)
    for studio in opened(tmp_path, desktop=True):
        serving.serve(studio, studio.settings, lambda line: None)
        assert windows.shown == [("Dalle Studio", URL), (False, str(studio.settings.window))]
    assert windows.settings == {"ALLOW_DOWNLOADS": True}
    assert page.closed


def test_a_machine_that_cannot_draw_windows_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "app.ui.desktop.importlib.import_module", lambda name: FakeWindows(OSError("You must have Qt."))
    )
    with pytest.raises(MissingPackage, match=r"You must have Qt\. Try again without --desktop\."):
        show_window("Dalle Studio", URL, tmp_path)


def test_gradio_is_imported_once_its_environment_is_there_and_writes_no_stubs() -> None:
    code = """
import sys
import app.cli, app.ui.serve
assert "gradio" not in sys.modules, "before prepare_environment"
app.ui.serve.import_gradio()
import gradio.component_meta
gradio.component_meta.create_or_modify_pyi(object, "x", [])  # Gradio's own looks for the source of object, and fails
"""
    subprocess.run([sys.executable, "-c", code], check=True)
