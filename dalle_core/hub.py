"""Published files, fetched by ranges and checked against what the hub says of them. Knows no models.

The library `huggingface_hub` brings addresses, session and token, so that HF_HOME, HF_ENDPOINT, HF_HUB_OFFLINE and the
proxies mean what its users expect. Its own downloads begin anew after a break, so the ranges are asked for here.
"""

import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dalle_core.errors import DownloadError, DownloadStopped

TIMEOUT = 10.0  # seconds without an answer or a byte
PIECE = 2**17  # bytes between two looks at whether to stop
TRIES = 5  # breaks in a row with nothing fetched between them
PAUSE = 1.0  # seconds after the first of them; longer after each
SHA256 = 64  # its digits; git's own hash of a small file has 40
MOMENTARY = frozenset({408, 425, 429, 500, 502, 503, 504})

Told = Callable[[int], None]


@dataclass(frozen=True)
class Source:
    """Files of one repository of the hub, or below one address of the web.

    Names may hold `*`; of several between `|` the first that is there is taken.
    """

    place: str
    files: tuple[str, ...]

    @property
    def is_web(self) -> bool:
        return "://" in self.place


@dataclass(frozen=True)
class RemoteFile:
    """A file before it is fetched. `oid` is its SHA-256, or the SHA-1 that git has of it, or empty where nobody tells.

    `cached` is where this machine's copy of the hub has it already.
    """

    name: str
    url: str
    size: int
    oid: str
    cached: Path | None = None


class _Momentary(DownloadError):
    """What may pass if one waits a little."""


@dataclass(frozen=True)
class Hub:
    """`endpoint` None is the one that the library's users have set."""

    endpoint: str | None = None

    def look_up(self, source: Source) -> list[RemoteFile]:
        """What there is of `source`, with sizes and hashes. Asks the network, and without one this machine's own copy.

        Raises DownloadError where something of it can be found in neither.
        """
        require_library()
        if source.is_web:
            return [_look_at(f"{source.place}/{name}") for name in source.files]
        try:
            found = self._published(source)
        except DownloadError:
            if not (found := _kept(source)):
                raise
        return [file for wanted in source.files for file in _first_of(wanted, found, source.place)]

    def _published(self, source: Source) -> list[RemoteFile]:
        from huggingface_hub import HfApi, hf_hub_url, try_to_load_from_cache

        with _in_words(source.place, self.endpoint):
            info = HfApi(endpoint=self.endpoint).model_info(source.place, files_metadata=True, timeout=TIMEOUT)
        found = []
        for file in info.siblings or ():
            if _wanted(file.rfilename, source):
                cached = try_to_load_from_cache(source.place, file.rfilename, revision=info.sha)
                url = hf_hub_url(source.place, file.rfilename, revision=info.sha, endpoint=self.endpoint)
                oid = str(file.lfs.sha256 if file.lfs else file.blob_id or "")
                place = Path(cached) if isinstance(cached, str) else None
                found.append(RemoteFile(file.rfilename, url, int(file.size or 0), oid, place))
        return found


def fetch(file: RemoteFile, folder: Path, told: Told, stop: threading.Event) -> Path:
    """Bring `file` into `folder`, from where an earlier attempt ended, and give its path: it has its name once it is
    checked. `told` hears how many bytes of it there are.

    Raises DownloadError where it is not what it should be or cannot be had, DownloadStopped; OSError of the disk.
    """
    target = folder / file.name
    if target.is_file():
        told(file.size)
        if _is_sound(file, target, stop):
            return target
        target.unlink()  # of an older version, or damaged since
    part = folder / f"{file.name}.{file.oid[:16] or file.size}.part"  # another version is another file
    if file.cached is None:
        _fill(file, part, told, stop)
    else:
        part.unlink(missing_ok=True)
        _second_name(file.cached, part)
    told(file.size)
    try:
        check(file, part, stop)
    except DownloadStopped:
        raise
    except DownloadError:
        part.unlink(missing_ok=True)
        if file.cached is None or not file.url:
            raise
        return fetch(replace(file, cached=None), folder, told, stop)  # this machine's own copy is damaged
    os.replace(part, target)
    return target


def _is_sound(file: RemoteFile, path: Path, stop: threading.Event) -> bool:
    try:
        check(file, path, stop)
    except DownloadStopped:
        raise
    except DownloadError:
        return False
    return True


def _fill(file: RemoteFile, part: Path, told: Told, stop: threading.Event) -> None:
    """Go on until the part is as large as the file, over breaks of the connection."""
    breaks = 0
    while (have := part.stat().st_size if part.exists() else -1) < file.size:
        told(max(0, have))
        _check_stop(stop)
        try:
            _go_on(file, part, max(0, have), told, stop)
        except _Momentary:
            breaks = 1 if part.exists() and part.stat().st_size > have else breaks + 1
            if breaks >= TRIES:
                raise
            stop.wait(PAUSE * breaks)


def _go_on(file: RemoteFile, part: Path, have: int, told: Told, stop: threading.Event) -> None:
    """One connection: what is missing behind the first `have` bytes, or all where the server gives no ranges."""
    from huggingface_hub import get_session
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    if file.oid:
        headers |= build_hf_headers()  # a token goes to the hub alone
    with (
        _in_words(file.name, file.url),
        get_session().stream("GET", file.url, headers=headers, timeout=TIMEOUT, follow_redirects=True) as answer,
    ):
        hf_raise_for_status(answer)
        have = have if answer.status_code == 206 else 0
        with part.open("r+b" if have else "wb") as out:
            out.seek(have)
            for data in answer.iter_bytes(PIECE):
                _check_stop(stop)
                out.write(data)
                have += len(data)
                told(have)
    if have < file.size:
        raise _Momentary(f"{file.name}: the connection ended after {have} of {file.size} bytes.")


def check(file: RemoteFile, path: Path, stop: threading.Event) -> None:
    """Refuse what is not the file that was published. Raises DownloadError."""
    size = path.stat().st_size
    if size != file.size:
        raise DownloadError(f"{file.name} was refused: expected {file.size} bytes, found {size}. Start it again.")
    if not file.oid:
        return
    digest: Any = hashlib.sha256() if len(file.oid) == SHA256 else hashlib.sha1(b"blob %d\0" % size)
    with path.open("rb") as handle:
        while data := handle.read(32 * PIECE):
            _check_stop(stop)
            digest.update(data)
    if digest.hexdigest() != file.oid:
        kind = digest.name.upper().replace("SHA", "SHA-")
        raise DownloadError(
            f"{file.name} was refused: it is damaged, or not what was published (expected {kind} {file.oid}, found "
            f"{digest.hexdigest()}). Start it again."
        )


def require_library() -> None:
    if find_spec("huggingface_hub") is None:
        raise DownloadError(
            "Downloads need the library huggingface_hub. Install it with: pip install -r requirements-models.txt"
        )


def _wanted(name: str, source: Source) -> bool:
    """Whether a name that the hub told is one of those looked for, and no way out of a folder."""
    plain = not set(name) & set("/\\:") and not name.startswith(".")
    return plain and any(fnmatchcase(name, pattern) for wanted in source.files for pattern in wanted.split("|"))


def _first_of(wanted: str, found: list[RemoteFile], place: str) -> list[RemoteFile]:
    """The files by the first of the names between `|` that any has."""
    for pattern in wanted.split("|"):
        if files := [file for file in found if fnmatchcase(file.name, pattern)]:
            return files
    raise DownloadError(f"{place} has no {wanted}.")


def _kept(source: Source) -> list[RemoteFile]:
    """What this machine's own copy of the hub has of it; its files are named after their hashes."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    patterns = [pattern for wanted in source.files for pattern in wanted.split("|")]
    try:
        folder = Path(snapshot_download(source.place, allow_patterns=patterns, local_files_only=True))
    except LocalEntryNotFoundError:
        return []
    paths = [path for path in sorted(folder.iterdir()) if _wanted(path.name, source)]
    return [RemoteFile(path.name, "", path.stat().st_size, _oid_of(path), path) for path in paths]


def _oid_of(path: Path) -> str:
    name = path.resolve().name
    return name if len(name) in {40, SHA256} and not set(name) - set("0123456789abcdef") else ""


def _look_at(url: str) -> RemoteFile:
    """A file of the web, whose server tells its size and nobody its hash."""
    from huggingface_hub import get_session
    from huggingface_hub.utils import hf_raise_for_status

    name = url.rpartition("/")[2]
    with _in_words(name, url):
        headers = {"Accept-Encoding": "identity"}
        answer = get_session().head(url, headers=headers, timeout=TIMEOUT, follow_redirects=True)
        hf_raise_for_status(answer)
    size = answer.headers.get("Content-Length", "")
    if not size.isdigit():
        raise DownloadError(f"{name}: {url} does not tell how large it is.")
    return RemoteFile(name, url, int(size), "")


def _second_name(source: Path, target: Path) -> None:
    """Where the system allows it, without a second copy: weights are gigabytes."""
    try:
        target.symlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)


def _check_stop(stop: threading.Event) -> None:
    if stop.is_set():
        raise DownloadStopped("The download was stopped; what was fetched stays.")


@contextlib.contextmanager
def _in_words(what: str, address: str | None) -> Iterator[None]:
    """The library's errors and the network's, as ours. Those of the disk pass."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except DownloadError:
        raise
    except OfflineModeIsEnabled as error:
        raise DownloadError(
            f"{what} is not on this machine, and HF_HUB_OFFLINE is set, so that nothing is fetched. Unset it first."
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise (_Momentary if status in MOMENTARY else DownloadError)(_meaning(what, status)) from error
    except Exception as error:
        if not _is_of_network(error):
            raise
        host = urlsplit(address or constants.ENDPOINT).netloc
        raise _Momentary(
            f"{what} cannot be had from {host} ({type(error).__name__}). Check the network, its proxy and HF_ENDPOINT, "
            "then start it again; what was fetched stays."
        ) from error


def _is_of_network(error: Exception) -> bool:
    """The library has changed what it sends requests with, and a gateway may answer with a page instead of JSON."""
    known = any(kind.__module__.startswith("http") for kind in type(error).__mro__)
    return known or isinstance(error, ConnectionError | TimeoutError | ValueError)


def _meaning(what: str, status: int) -> str:
    match status:
        case 401:
            return (
                f"{what}: the server has it no more, or wants to know who you are (status 401). Log in with: "
                "hf auth login"
            )
        case 403:
            return (
                f"{what}: the server does not give it to everyone (status 403). Agree to what its page asks for, then "
                "log in with: hf auth login"
            )
        case 404:
            return f"{what}: the server has no such thing (status 404). It may have been moved or taken away."
    return f"{what}: the server answered with status {status}. Start it again later; what was fetched stays."
