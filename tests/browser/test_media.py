"""What stands between the pictures and everybody else: ids and the sign-in."""

import http.client
import io
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from app.studio import Studio
from app.ui.media import file_name
from dalle_core.request import GenerationRequest
from tests.browser.conftest import Served, wait_until_final
from tests.fakes import fake_studio

pytestmark = pytest.mark.browser
UNKNOWN = "01" + "A" * 24


@pytest.fixture(scope="module")
def picture(shared: Served) -> str:
    job_id = shared.studio.submit(GenerationRequest("a stone bridge", count=1, keep=1))
    wait_until_final(shared.studio, job_id)
    image_id = shared.studio.job(job_id).tiles[0].image_id
    assert image_id is not None
    return image_id


def test_a_picture_and_its_thumbnail_are_served_to_be_kept(served: Served, picture: str) -> None:
    original = httpx.get(f"{served.url}media/{picture}.png")
    assert original.content == served.studio.image_path(picture).read_bytes()
    assert original.headers["content-type"] == "image/png"
    assert original.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in original.headers["cache-control"]
    assert "private" in original.headers["cache-control"]
    for folder in ("thumbnail", "shown"):  # a small one: the same, several times as large
        shown = httpx.get(f"{served.url}media/{folder}/{picture}")
        assert (shown.headers["content-type"], Image.open(io.BytesIO(shown.content)).size) == ("image/webp", (512, 512))
        assert "immutable" in shown.headers["cache-control"]
    download = httpx.get(f"{served.url}media/{picture}.png?download=1")
    assert download.headers["content-disposition"] == 'attachment; filename="a-stone-bridge-0.png"'


@pytest.mark.parametrize(
    "path",
    [
        f"media/{UNKNOWN}.png",
        f"media/thumbnail/{UNKNOWN}",
        f"media/shown/{UNKNOWN}",
        "media/..%2F..%2Fdb%2Fhistory.sqlite3.png",
        "media/%2e%2e/db/history.sqlite3",
        "media/thumbnail/..%2F..%2Fdb%2Fhistory.sqlite3",
        "media/thumbnail/%2Fetc%2Fpasswd",
        "media/shown/..%2F..%2Fdb%2Fhistory.sqlite3",
        "media/preview/..%2F..%2Fdb/0",
        f"media/preview/{UNKNOWN}/-1",
        f"media/preview/{UNKNOWN}/zero",
    ],
)
def test_nothing_but_a_known_id_is_served(served: Served, path: str) -> None:
    assert _status(served.url, "/" + path) == 404


def test_a_preview_of_nothing_is_empty(served: Served) -> None:
    assert _status(served.url, f"/media/preview/{UNKNOWN}/0") == 204


def test_pictures_ask_for_the_same_sign_in(tmp_path: Path, serve_studio: Callable[[Studio], str]) -> None:
    studio = fake_studio(tmp_path, open_browser=False, auth=("ada", "lovelace"))
    url = serve_studio(studio)
    job_id = studio.submit(GenerationRequest("a secret", count=1, keep=1))
    wait_until_final(studio, job_id)
    image_id = studio.job(job_id).tiles[0].image_id
    paths = [f"media/{image_id}.png", f"media/shown/{image_id}", f"media/preview/{job_id}/0"]
    with httpx.Client(base_url=url) as client:
        assert [client.get(path).status_code for path in paths] == [401, 401, 401]
        client.cookies.set("access-token-unsecure-forged", "forged")
        assert client.get(paths[0]).status_code == 401
        assert client.post("login", data={"username": "ada", "password": "lovelace"}).status_code == 200
        assert [client.get(path).status_code for path in paths] == [200, 200, 204]


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("Red Apple, noto", "red-apple-noto-3.png"),
        ("../../etc/passwd", "etc-passwd-3.png"),
        ("红苹果，noto 风格", "红苹果-noto-风格-3.png"),
        ("!!!", "picture-3.png"),
        ("x" * 500, "x" * 60 + "-3.png"),
    ],
)
def test_file_names_are_tame(prompt: str, name: str) -> None:
    assert file_name(prompt, 3) == name


def _status(url: str, path: str) -> int:
    """The answer to a path sent exactly as written, which HTTP clients would tidy up first."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.putrequest("GET", path)
    connection.endheaders()
    try:
        return connection.getresponse().status
    finally:
        connection.close()
