"""Files from a hub on this machine: fetched, resumed, checked and refused."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session

from dalle_core import hub
from dalle_core.errors import DownloadError, DownloadStopped
from dalle_core.hub import Hub, RemoteFile, Source, fetch
from tests.fakehub import REVISION, FakeHub, describe

WEIGHTS, VOCAB = "weights.pt", "vocab.json"
SOURCE = Source("someone/something", (WEIGHTS, VOCAB))
SIZE = 3 * 4096


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setattr(hub, "PAUSE", 0.001)
    monkeypatch.setattr(hub, "PIECE", 4096)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    published = tmp_path / "published"
    published.mkdir()
    (published / WEIGHTS).write_bytes(os.urandom(SIZE))
    (published / VOCAB).write_text('{"a": 1}')
    (published / "README.md").write_text("not asked for")
    fake = FakeHub({SOURCE.place: published})
    yield fake
    fake.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fetched").mkdir()
    return tmp_path / "fetched"


def look_up(fake: FakeHub, source: Source = SOURCE) -> dict[str, RemoteFile]:
    return {file.name: file for file in Hub(fake.url).look_up(source)}


def get(file: RemoteFile, folder: Path) -> list[int]:
    """What was told on the way."""
    told: list[int] = []
    fetch(file, folder, told.append, threading.Event())
    return told


def content(fake: FakeHub, name: str = WEIGHTS) -> bytes:
    return (fake.repositories[SOURCE.place] / name).read_bytes()


def test_sizes_and_hashes_are_known_before_anything_is_fetched(fake: FakeHub) -> None:
    files = look_up(fake)
    assert set(files) == {WEIGHTS, VOCAB}
    assert (files[WEIGHTS].size, len(files[WEIGHTS].oid), len(files[VOCAB].oid)) == (SIZE, 64, 40)
    assert [method for method, _, _ in fake.asked] == ["GET"]


def test_files_arrive_whole(fake: FakeHub, folder: Path) -> None:
    for file in look_up(fake).values():
        told = get(file, folder)
        assert told == sorted(told)
        assert told[-1] == file.size
        assert (folder / file.name).read_bytes() == content(fake, file.name)
    assert sorted(path.name for path in folder.iterdir()) == [VOCAB, WEIGHTS]
    fake.asked.clear()
    get(look_up(fake)[WEIGHTS], folder)
    assert fake.ranges(WEIGHTS) == [], "what is here is not fetched again"
    (folder / WEIGHTS).write_bytes(bytes(SIZE))
    get(look_up(fake)[WEIGHTS], folder)
    assert (folder / WEIGHTS).read_bytes() == content(fake), "unless it is of an older version"


def test_a_connection_that_breaks_is_taken_up_again(fake: FakeHub, folder: Path) -> None:
    fake.cut_after[WEIGHTS] = hub.PIECE + 7
    get(look_up(fake)[WEIGHTS], folder)
    assert (folder / WEIGHTS).read_bytes() == content(fake)
    assert fake.ranges(WEIGHTS)[-1] in {f"bytes={hub.PIECE}-", f"bytes={hub.PIECE + 7}-"}


def test_after_a_stop_it_goes_on_where_it_ended(fake: FakeHub, folder: Path) -> None:
    stop = threading.Event()
    file = look_up(fake)[WEIGHTS]
    with pytest.raises(DownloadStopped):
        fetch(file, folder, lambda have: stop.set() if have else None, stop)
    [part] = folder.iterdir()
    assert 0 < part.stat().st_size < SIZE
    kept = part.stat().st_size
    get(look_up(fake)[WEIGHTS], folder)
    assert fake.ranges(WEIGHTS)[-1] == f"bytes={kept}-"
    assert (folder / WEIGHTS).read_bytes() == content(fake)


def test_a_server_without_ranges_begins_anew(fake: FakeHub, folder: Path) -> None:
    fake.gives_ranges = False
    fake.cut_after[WEIGHTS] = hub.PIECE
    get(look_up(fake)[WEIGHTS], folder)
    assert (folder / WEIGHTS).read_bytes() == content(fake)


@pytest.mark.parametrize(("name", "kind"), [(WEIGHTS, "SHA-256"), (VOCAB, "SHA-1")])
def test_a_file_that_is_not_what_was_published_is_refused_and_removed(
    fake: FakeHub, folder: Path, name: str, kind: str
) -> None:
    fake.damaged = {name}
    with pytest.raises(DownloadError, match=f"{name} was refused: it is damaged, .*expected {kind} .*Start it again"):
        get(look_up(fake)[name], folder)
    assert list(folder.iterdir()) == []


def test_what_lies_there_from_before_is_checked_too(fake: FakeHub, folder: Path) -> None:
    file = look_up(fake)[WEIGHTS]
    part = folder / f"{WEIGHTS}.{file.oid[:16]}.part"
    for wrong in (bytes(SIZE), bytes(SIZE + 1)):
        part.write_bytes(wrong)
        with pytest.raises(DownloadError, match="was refused"):
            get(file, folder)
        assert not part.exists()


def test_another_version_is_fetched_from_its_beginning(fake: FakeHub, folder: Path) -> None:
    (folder / f"{WEIGHTS}.{'0' * 16}.part").write_bytes(b"of an older one")
    get(look_up(fake)[WEIGHTS], folder)
    assert fake.ranges(WEIGHTS)[-1] == ""


def test_without_a_network_it_says_so(fake: FakeHub, folder: Path) -> None:
    file = look_up(fake)[WEIGHTS]
    fake.close()
    with pytest.raises(DownloadError, match=r"weights\.pt cannot be had from 127\.0\.0\.1:\d+ \(ConnectError\)"):
        get(file, folder)
    with pytest.raises(DownloadError, match="someone/something cannot be had from"):
        look_up(fake)


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "has no such thing"), (401, "hf auth login"), (403, "hf auth login"), (503, "answered with status 503")],
)
def test_what_the_server_answers_is_said(fake: FakeHub, folder: Path, status: int, words: str) -> None:
    file = look_up(fake)[WEIGHTS]
    fake.status = status
    with pytest.raises(DownloadError, match=words):
        get(file, folder)
    assert len(fake.ranges(WEIGHTS)) == (hub.TRIES if status == 503 else 1)


def keep_in_cache(fake: FakeHub, cache: Path) -> Path:
    """As the library keeps what it has fetched once; gives the folder of blobs, named after their hashes."""
    repository = cache / "models--someone--something"
    snapshot, blobs = repository / "snapshots" / REVISION, repository / "blobs"
    for place in (snapshot, blobs, repository / "refs"):
        place.mkdir(parents=True)
    (repository / "refs" / "main").write_text(REVISION)
    for name in SOURCE.files:
        told = describe(fake.repositories[SOURCE.place] / name)
        oid = told["lfs"]["sha256"] if "lfs" in told else told["blobId"]
        (blobs / oid).write_bytes(content(fake, name))
        (snapshot / name).symlink_to(blobs / oid)
    return blobs


def test_what_the_machine_has_is_not_fetched_unless_it_is_damaged(fake: FakeHub, folder: Path, tmp_path: Path) -> None:
    blobs = keep_in_cache(fake, tmp_path / "cache")
    file = look_up(fake)[WEIGHTS]
    (folder / f"{WEIGHTS}.{file.oid[:16]}.part").write_bytes(b"of an earlier attempt")
    get(file, folder)
    assert fake.ranges(WEIGHTS) == []
    (folder / WEIGHTS).unlink()
    (blobs / file.oid).write_bytes(bytes(SIZE))
    get(file, folder)
    assert fake.ranges(WEIGHTS) != []
    assert (folder / WEIGHTS).read_bytes() == content(fake)


def test_offline_only_what_the_machine_has_is_taken(
    fake: FakeHub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set"):
        look_up(fake)
    blobs = keep_in_cache(fake, tmp_path / "cache")
    for file in look_up(fake).values():
        assert file.cached is not None
        get(file, folder)
        assert (folder / file.name).read_bytes() == content(fake, file.name)
    assert fake.asked == []
    (blobs / look_up(fake)[WEIGHTS].oid).write_bytes(b"damaged")
    (folder / WEIGHTS).unlink()
    with pytest.raises(DownloadError, match="was refused"):
        get(look_up(fake)[WEIGHTS], folder)


def test_a_proxy_is_used_as_the_library_uses_it(fake: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", fake.url)
    close_session()  # the environment is read when a session begins
    files = {file.name: file for file in Hub("http://hub.invalid").look_up(SOURCE)}
    assert files[WEIGHTS].url.startswith("http://hub.invalid/someone/something/resolve/")
    get(files[WEIGHTS], folder)
    assert (folder / WEIGHTS).read_bytes() == content(fake)
    monkeypatch.undo()
    close_session()


def test_names_that_lead_elsewhere_are_passed_over(fake: FakeHub) -> None:
    assert not hub._wanted("../weights.pt", Source("a/b", ("*",)))
    assert not hub._wanted("..\\weights.pt", Source("a/b", ("*",)))
    assert hub._wanted("weights-1-of-2.pt", Source("a/b", ("*.pt",)))
    with pytest.raises(DownloadError, match=r"someone/something has no \*\.ckpt"):
        look_up(fake, Source(SOURCE.place, (WEIGHTS, "*.ckpt")))


def test_a_file_of_the_web_has_a_size_and_no_hash(fake: FakeHub, folder: Path) -> None:
    place = f"{fake.url}/cdn/{SOURCE.place}/resolve/main"
    [file] = Hub().look_up(Source(place, (WEIGHTS,)))
    assert (file.size, file.oid) == (SIZE, "")
    fake.cut_after[WEIGHTS] = hub.PIECE
    get(file, folder)
    assert (folder / WEIGHTS).read_bytes() == content(fake)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "find_spec", lambda name: None)
    with pytest.raises(DownloadError, match=r"pip install -r requirements-models\.txt"):
        Hub().look_up(SOURCE)
