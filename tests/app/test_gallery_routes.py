"""The Gallery's routes, asked as a program asks: what goes wrong on disk is told in words."""

import errno
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request

from app.ui import gallery_routes
from tests.app.conftest import OpenPage


def test_an_import_onto_a_full_disk_is_told_and_leaves_nothing(page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fill(request: Request, folder: Path) -> Path:
        (folder / "import").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gallery_routes, "_received", fill)
    before = set(page.studio.settings.temp.iterdir())
    answer = httpx.post(f"{page.url}media/import?name=a.png", content=b"x")
    assert answer.status_code == 507
    assert "No space left on device" in answer.json()["error"]
    assert set(page.studio.settings.temp.iterdir()) == before
