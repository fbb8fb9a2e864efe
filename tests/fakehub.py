"""The hub's layout on this machine: what its API tells of a repository, files behind redirects, ranges, faults."""

import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dalle_core.families.catalogue import Offer

REVISION = "a" * 40
IN_GIT = ("*.json", "*.txt", "*.model")  # what the hub keeps in git itself, and tells git's own hash of
PIECE = 16384


@dataclass
class FakeHub:
    """Serves folders as repositories until it is closed. `asked` notes method, file and range of every request."""

    repositories: dict[str, Path] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    gives_ranges: bool = True
    damaged: set[str] = field(default_factory=set)  # files whose last byte is another one
    cut_after: dict[str, int] = field(default_factory=dict)  # the connection ends after so many bytes of a file, once
    status: int | None = None  # what every request is answered with
    seconds_a_piece: float = 0.0

    def __post_init__(self) -> None:
        hub = self

        class Handler(_Handler):
            fake = hub

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def publish(self, offer: Offer, folder: Path) -> None:
        """The files of `folder`, under the names of all repositories that the offer names."""
        for source in offer.sources:
            self.repositories[source.place] = folder

    def ranges(self, name: str) -> list[str]:
        """Of a file's requests for its content."""
        return [ranged for method, asked, ranged in self.asked if asked == name and method == "GET"]


def describe(path: Path) -> dict[str, Any]:
    """What the API says of a file."""
    return _described(path, path.stat().st_mtime_ns)


@cache
def _described(path: Path, written: int) -> dict[str, Any]:
    """Once for each time the file was `written`."""
    content = path.read_bytes()
    git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    told: dict[str, Any] = {"rfilename": path.name, "size": len(content), "blobId": git}
    if not any(fnmatch(path.name, pattern) for pattern in IN_GIT):
        sha256 = hashlib.sha256(content).hexdigest()
        told |= {"lfs": {"size": len(content), "sha256": sha256, "pointerSize": 134}, "blobId": "b" * 40}
    return told


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever stops a download hangs up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeHub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:  # the library's names
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.fake.asked.append((self.command, path.rpartition("/")[2], self.headers.get("Range", "")))
        if self.fake.status is not None:
            return self._answer(self.fake.status, b"")
        if path.startswith("api/models/"):
            return self._tell(path.removeprefix("api/models/").partition("/revision/")[0])
        if not path.startswith("cdn/"):  # large files are elsewhere
            return self._answer(302, b"", {"Location": f"/cdn/{path}"})
        repository, _, place = path.removeprefix("cdn/").partition("/resolve/")
        file = self.fake.repositories.get(repository, Path("/nowhere")) / place.partition("/")[2]
        return self._send(file) if file.is_file() else self._answer(404, b"")

    def _tell(self, repository: str) -> None:
        folder = self.fake.repositories.get(repository)
        if folder is None:
            return self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        files = [describe(path) for path in sorted(folder.iterdir())]
        return self._answer(200, json.dumps({"id": repository, "sha": REVISION, "siblings": files}).encode())

    def _send(self, file: Path) -> None:
        content = file.read_bytes()
        if file.name in self.fake.damaged:
            content = content[:-1] + bytes([content[-1] ^ 1])
        asked = self.headers.get("Range", "") if self.fake.gives_ranges else ""
        first = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        told = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"} if asked else {}
        cut = self.fake.cut_after.pop(file.name, None) if self.command == "GET" else None
        self._answer(206 if asked else 200, content[first:], told, cut)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None, cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Connection": "close", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        for start in range(0, len(body if cut is None else body[:cut]), PIECE):
            self.wfile.write(body[:cut][start : start + PIECE])
            time.sleep(self.fake.seconds_a_piece)
