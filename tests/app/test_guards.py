"""What stands before every request, and what is served to whom: asked of a real server, as written."""

import http.client
import inspect
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from app.ui.brand import ASSETS
from app.ui.guards import is_open
from app.ui.installable import ICONS
from tests.app.conftest import OpenPage, painted

UNKNOWN = "01" + "A" * 24

# What anyone may read before signing in: the page that asks for the password, and what it is drawn with.
PUBLIC = {"/", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json", "/login", "/logout"}
PUBLIC_FOLDERS = ("/assets/", "/static/", "/svelte/", "/icons/")
# Of Gradio's, these answer without a sign-in, and tell or change nothing of the studio's.
HARMLESS = {"/gradio_api/app_id", "/gradio_api/startup-events", "/gradio_api/reset", "/gradio_api/cancel"}


def answer(url: str, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    """The answer to a request sent exactly as written, which HTTP clients would tidy up first."""
    address = urlsplit(url).netloc
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.putrequest(method, path, skip_host="host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    try:
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def routes(app: Any) -> Iterator[tuple[str, str]]:
    """Method and path of every route there is, with something in place of each parameter."""
    for route in app.routes:
        if inner := getattr(route, "original_router", None):
            yield from routes(inner)
        for method in getattr(route, "methods", None) or ():
            yield method, re.sub(r"\{[^}]*\}", UNKNOWN, route.path)


def test_signed_out_nothing_is_served_but_what_the_sign_in_is_drawn_with(locked_page: OpenPage) -> None:
    closed = 0
    for method, path in routes(locked_page.app):
        if (path.rstrip("/") or "/") in PUBLIC | HARMLESS or path.startswith(
            (*PUBLIC_FOLDERS, "/gradio_api/heartbeat/")
        ):
            continue
        status, _ = answer(locked_page.url, path, method)
        assert status in {401, 403, 404, 405}, f"{method} {path} answers {status}"
        closed += 1
    assert closed > 40


def test_signed_out_the_page_holds_no_word_of_the_studio(locked_page: OpenPage) -> None:
    view = painted(locked_page.studio, "a very secret garden")
    for path in PUBLIC | HARMLESS:
        _, body = answer(locked_page.url, path)
        assert b"secret" not in body
        assert view.id.encode() not in body
        assert b"picture_details" not in body


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/hostname",
        "/gradio_api/file%3D/etc/hostname",
        "/gradio_api/file=http://127.0.0.1:9/x.png",
        "/gradio_api/file/etc/hostname",
        "/file=/etc/hostname",
        "/gradio_api/proxy=http://127.0.0.1:9/x",
        "/gradio_api/custom_component/x/client/component/index.js",
        "/gradio_api/stream/x/1/2/playlist.m3u8",
        "/gradio_api/deep_link?session_hash=x",
        "/gradio_api/run-history/buckets",
        "/gradio_api/runs",
        "/gradio_api/dev/reload",
        "/gradio_api/vibe-code",
        "/gradio_api/profiling/traces",
        "/monitoring",
        "/monitoring/summary",
        "/pwa_icon/100000",
        "/docs",
        "/openapi.json",
        "//etc/passwd",
    ],
)
def test_what_the_page_never_asks_for_is_closed(page: OpenPage, path: str) -> None:
    assert answer(page.url, path)[0] == 403


@pytest.mark.parametrize(
    "path", ["upload", "run/generate", "api/generate", "process_recording", "vibe-edit", "stream/x"]
)
def test_what_nobody_sends_is_closed(page: OpenPage, path: str) -> None:
    assert answer(page.url, f"/gradio_api/{path}", "POST", b"{}", content_type="application/json")[0] == 403


@pytest.mark.parametrize("folder", ["/media/", "/media/thumbnail/", "/icons/", "/assets/", "/static/", "/svelte/"])
@pytest.mark.parametrize(
    "path",
    [
        "../db/history.sqlite3", "..%2Fdb%2Fhistory.sqlite3", "%2e%2e/%2e%2e/db/history.sqlite3",
        "..%5cdb%5chistory.sqlite3", "%252e%252e%252fdb%252fhistory.sqlite3", "/etc/passwd", "%2Fetc%2Fpasswd",
        "..%2f..%2f..%2f..%2fetc/passwd%00.png", ".png", "%00", "C:%5Cwindows%5Cwin.ini",
    ],
)  # fmt: skip
def test_no_path_leads_to_a_file(page: OpenPage, folder: str, path: str) -> None:
    status, body = answer(page.url, folder + path)
    assert status in {400, 403, 404}
    assert b"SQLite format" not in body
    assert b"root:" not in body


def test_the_config_and_the_docs_tell_no_path_of_this_machine(page: OpenPage) -> None:
    painted(page.studio)
    for path in ("/config", "/", "/gradio_api/info", "/gradio_api/openapi.json", "/manifest.json", "/theme.css"):
        status, body = answer(page.url, path)
        assert status == 200
        for folder in (
            page.studio.settings.data_dir,
            ASSETS.parent.parent,
            Path.home(),
            Path(httpx.__file__).parent.parent,
        ):
            assert str(folder).encode() not in body, f"{path} names {folder}"


def test_a_file_that_is_smuggled_into_an_event_is_not_read(page: OpenPage) -> None:
    smuggled = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}
    asked = 0
    for event in httpx.get(page.url + "config").json()["dependencies"]:
        if event["inputs"]:
            told = send_event(page, event["id"], [smuggled] * len(event["inputs"]))
            assert Path("/etc/hostname").read_text().strip() not in told.replace("/etc/hostname", "")
            asked += 1
    assert asked >= 3
    assert [path for path in page.studio.settings.temp.rglob("*") if path.is_file()] == []


def send_event(page: OpenPage, number: int, data: list[Any]) -> str:
    """All that the queue tells about one event, joined the way the page does."""
    session = f"session-{number}"
    with httpx.Client(base_url=page.url + "gradio_api/") as http:
        joined = {"data": data, "fn_index": number, "session_hash": session}
        assert http.post("queue/join", json=joined).status_code == 200
        with http.stream("GET", "queue/data", params={"session_hash": session}) as answered:
            return "".join(answered.iter_text())


def server_functions(page: OpenPage) -> dict[int, set[str]]:
    """The functions of each widget that answer scripts. Translated texts claim to have every attribute there is."""
    found = {
        number: {name for name in dir(block) if _answers(getattr(block, name, None))}
        for number, block in page.app.get_blocks().blocks.items()
    }
    return {number: names for number, names in found.items() if names}


def _answers(value: object) -> bool:
    return inspect.isroutine(value) and getattr(value, "_is_server_fn", False)


def test_only_our_own_functions_answer_the_page_s_scripts(page: OpenPage) -> None:
    blocks = page.app.get_blocks().blocks
    homes = {getattr(blocks[id], name).__module__ for id, names in server_functions(page).items() for name in names}
    assert homes
    assert {home for home in homes if not home.startswith("app.ui.")} == set()


@pytest.mark.parametrize("asked", [None, 7, [], "x" * 10**5, {"image": "../x"}, {"image": {"path": "/etc/passwd"}},
                                   {"jobs": "x"}, {"jobs": [None, {}, "../x"] * 500}, {"query": 3, "before": []},
                                   {"query": '" OR 1 --', "before": "' OR 1"}])  # fmt: skip
def test_odd_questions_get_answers_and_no_faults(page: OpenPage, asked: object) -> None:
    for number, names in server_functions(page).items():
        for name in names:
            question = {"data": asked, "component_id": number, "fn_name": name, "session_hash": "x"}
            answered = httpx.post(page.url + "gradio_api/component_server", json=question)
            assert answered.status_code == 200, f"{name} of {asked!r:.60}"
            assert "/etc" not in answered.text


NONSENSE = (
    b"", b"{", b"null", b"[]", b"NaN", b"\xff\xfe\x00", b"[" * 10**5, b'{"data":' * 10**4, b'"\\ud800"', b"1" * 5000,
    b'{"data": NaN, "session_hash": 1e999}', b'{"data": [], "fn_index": "\\ud800", "session_hash": {}}',
    b'{"data": [], "fn_index": -1, "session_hash": "x"}', b'{"data": [], "fn_index": 9e99, "session_hash": null}',
    b'{"data": 7, "component_id": [], "fn_name": {}, "session_hash": "\\ud800", "event_id": []}',
)  # fmt: skip
FORM = b"--x\r\nContent-Disposition: form-data; name=data\r\n\r\n[]\r\n--x--\r\n"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        *(("application/json", body) for body in NONSENSE),
        *((kind, b"\xff{") for kind in ("application/json; charset=utf-16", "text/plain", "", "image/png", "x" * 5000)),
        *(("multipart/form-data; boundary=x", body) for body in (b"", b"\xff\xfe", FORM)),
        ("multipart/form-data", FORM),
    ],
)
def test_nonsense_is_refused_in_words(page: OpenPage, kind: str, body: bytes) -> None:
    for path in (
        "queue/join", "component_server", "cancel", "reset", "call/generate", "call/v2/generate", "call/nonsense"
    ):  # fmt: skip
        status, told = answer(page.url, f"/gradio_api/{path}", "POST", body, content_type=kind)
        assert status < 500, f"{path} of {body!r:.60} answers {status}"
        assert b"Traceback" not in told
    for path in ("recipe", "source"):
        assert answer(page.url, f"/media/{path}", "POST", body, content_type=kind)[0] == 422
    assert page.studio.worker._thread.is_alive()


def test_the_stream_of_a_page_that_an_earlier_run_served_breaks_off(
    page: OpenPage, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(http.client.IncompleteRead):
        answer(page.url, "/gradio_api/queue/data?session_hash=gone")
    assert "Traceback" not in capfd.readouterr().err


def test_a_fault_of_our_own_is_told_as_one(page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*asked: object) -> None:
        raise RuntimeError("at /home/ada")

    monkeypatch.setattr(page.studio, "take_upload", fail)
    status, told = answer(page.url, "/media/source", "POST", b"x")
    assert (status, told) == (500, b"Something unexpected went wrong. The log says more.")


@pytest.mark.parametrize("name", ["__init__", "get_config", "load", "postprocess", "constructor_args", ""])
def test_nothing_else_of_a_widget_can_be_called(page: OpenPage, name: str) -> None:
    number = next(iter(server_functions(page)))
    question = {"data": {}, "component_id": number, "fn_name": name, "session_hash": "x"}
    assert httpx.post(page.url + "gradio_api/component_server", json=question).status_code == 404


@pytest.mark.parametrize("path", ["/", "/config", "/manifest.json", f"/media/{UNKNOWN}.png", "/gradio_api/info"])
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:7860", "192.168.1.7", "", "localhost@evil.example"]
)
def test_a_foreign_host_is_refused(page: OpenPage, path: str, host: str) -> None:
    assert answer(page.url, path, host=host)[0] == 400


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:1", "http://localhost:3000"])
def test_a_foreign_page_can_neither_read_nor_send(page: OpenPage, method: str, origin: str) -> None:
    for path in ("/config", f"/media/{UNKNOWN}.png", "/gradio_api/queue/join"):
        assert answer(page.url, path, method, origin=origin)[0] == 403


def test_a_form_on_a_foreign_page_is_refused_and_a_link_is_not(page: OpenPage) -> None:
    assert answer(page.url, "/login", "POST", sec_fetch_site="cross-site")[0] == 403
    assert answer(page.url, "/", "GET", sec_fetch_site="cross-site")[0] == 200


def test_our_own_page_and_programs_pass(page: OpenPage) -> None:
    own = page.url.rstrip("/")
    assert answer(page.url, "/gradio_api/queue/join", "POST", b"{}", origin=own)[0] == 422
    assert answer(page.url, "/gradio_api/queue/join", "POST", b"{}")[0] == 422


def test_every_answer_keeps_the_page_to_itself(page: OpenPage) -> None:
    for path in ("/", "/config", f"/media/{UNKNOWN}.png", "/icons/any-192.png"):
        headers = httpx.get(page.url.rstrip("/") + path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


def test_the_manifest_is_ours_and_its_icons_are_there(page: OpenPage) -> None:
    assert httpx.get(page.url).text.count('rel="manifest"') == 1
    answered = httpx.get(page.url + "manifest.json")
    manifest = json.loads(answered.text)
    assert answered.headers["content-type"] == "application/manifest+json"
    assert (manifest["name"], manifest["short_name"]) == ("Dalle Studio", "Dalle Studio")
    assert (manifest["display"], manifest["theme_color"]) == ("standalone", "#f3f4f4")
    kinds = {(icon["sizes"], icon["purpose"]) for icon in manifest["icons"]}
    assert kinds == {(size, purpose) for size in ("192x192", "512x512") for purpose in ("any", "maskable")}
    for icon in manifest["icons"]:
        sent = httpx.get(page.url + icon["src"])
        with Image.open(io.BytesIO(sent.content)) as image:
            assert (sent.headers["content-type"], image.format) == ("image/png", "PNG")
            assert f"{image.width}x{image.height}" == icon["sizes"]
            assert (image.mode == "RGB") is (icon["purpose"] == "maskable")  # nothing shines through its corners


@pytest.mark.parametrize(
    "path", ["/", "/login/", "/media/x.png", "/assets/index.js", *(f"/icons/{name}" for name in ICONS)]
)
def test_open_paths(path: str) -> None:
    assert is_open(path)


@pytest.mark.parametrize(
    "path", ["/x", "/media", "/gradio_api", "/gradio_api/", "/gradio_api/file=/media/x.png", "/Config"]
)
def test_closed_paths(path: str) -> None:
    assert not is_open(path)


def test_a_body_is_read_no_further_than_allowed_whoever_sends_it(
    locked_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.ui.guards.MAX_BODY_BYTES", 1000)
    for path in ("/gradio_api/queue/join", "/login"):
        assert answer(locked_page.url, path, "POST", b"x" * 1001)[0] == 413
        assert answer(locked_page.url, path, "POST", b"x" * 999)[0] in {401, 422}
    assert in_chunks(locked_page.url, "/gradio_api/queue/join", 20 * [b"x" * 100]) == 400


def in_chunks(url: str, path: str, chunks: list[bytes]) -> int:
    """The status that answers a body which does not say how long it is."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("POST", path, iter(chunks), {"content-type": "application/json"}, encode_chunked=True)
        return connection.getresponse().status
    finally:
        connection.close()
