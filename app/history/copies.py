"""Copies that leave the data folder: pictures under readable names, or everything as a backup. A studio may run on.

A backup has the layout of a data folder; `restore` takes it in again.
"""

import contextlib
import json
import os
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.errors import OutputError
from app.history import marks
from app.history.files import file_stem, locate, relative_path, save_beside_others
from app.history.store import History, ImageRow, connect
from dalle_core import __version__
from dalle_core.checkpoints import atomic_path

FORMAT = 1
MANIFEST, DATABASE, MARKS = "backup.json", "db/history.sqlite3", "db/marks.json"
PAGE = 500

_WITH_FILES = "SELECT id, path, created FROM images WHERE trashed_at IS NULL OR trash_batch IS NOT NULL"

Put = Callable[[str, Path], None]


@dataclass(frozen=True)
class Copied:
    """What was written. `missing` pictures have a row, but no file."""

    path: Path
    pictures: int
    missing: int


def export(history: History, query: str, target: Path, *, kept_only: bool) -> Copied:
    """Copy the pictures that `query` finds, under readable names, to a folder or a new ZIP file. Raises OutputError."""
    if not _is_zip(target):
        return _copied(target, [_export_one(target, row, file) for row, file in _files(history, query, kept_only)])
    names: set[str] = set()
    with _new_zip(target) as archive:
        written = [_zip_one(archive, names, row, file) for row, file in _files(history, query, kept_only)]
    return _copied(target, written)


def _files(history: History, query: str, kept_only: bool) -> Iterator[tuple[ImageRow, Path]]:
    """Every picture found, newest first, with its file where its row says it is."""
    before: str | None = None
    while rows := history.images(query, PAGE, before, kept_only):
        yield from ((row, _file(history, row.path)) for row in rows)
        before = rows[-1].id


def _file(history: History, path: str) -> Path:
    return locate(history.settings.images, path) or history.settings.images / "outside"


def _export_one(folder: Path, row: ImageRow, file: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        save_beside_others(folder, file_stem(row.prompt, row.seed), file.read_bytes())
        return True
    return False


def _zip_one(archive: zipfile.ZipFile, names: set[str], row: ImageRow, file: Path) -> bool:
    stem = file_stem(row.prompt, row.seed)
    name = next(name for name in numbered(stem) if name not in names)
    names.add(name)
    with contextlib.suppress(FileNotFoundError):
        archive.write(file, name)
        return True
    return False


def numbered(stem: str) -> Iterator[str]:
    yield f"{stem}.png"
    number = 2
    while True:
        yield f"{stem}-{number}.png"
        number += 1


def _copied(target: Path, written: list[bool]) -> Copied:
    return Copied(target, sum(written), len(written) - sum(written))


def back_up(history: History, target: Path) -> Copied:
    """Copy database and pictures, as of one moment, to a new ZIP file or a new folder. Raises OutputError."""
    if _is_zip(target):
        with _new_zip(target) as archive:
            return _put_all(history, target, lambda name, file: archive.write(file, name))
    with _new_folder(target) as staging:
        return _put_all(history, target, lambda name, file: _copy(file, staging / name))


def _put_all(history: History, target: Path, put: Put) -> Copied:
    """The database first: the pictures it names never change, so they are as of the same moment."""
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as folder:
        database, sidecar, manifest = (Path(folder, name) for name in ("copy.sqlite3", "marks.json", "backup.json"))
        history.copy_to(database)
        connection = connect(database)
        try:
            sidecar.write_text(marks.to_json(marks.collect(connection)), encoding="utf-8")
            rows = connection.execute(_WITH_FILES).fetchall()
        finally:
            connection.close()
        manifest.write_text(json.dumps(_manifest(len(rows))), encoding="utf-8")
        for name, file in ((MANIFEST, manifest), (DATABASE, database), (MARKS, sidecar)):
            put(name, file)
        written = [_put_picture(history, row["id"], row["path"], row["created"], put) for row in rows]
    return _copied(target, written)


def _put_picture(history: History, image_id: str, path: str, created: str, put: Put) -> bool:
    name = f"images/{relative_path(image_id, datetime.fromisoformat(created))}"
    with contextlib.suppress(FileNotFoundError):
        put(name, _file(history, path))
        return True
    return False


def _manifest(pictures: int) -> dict[str, object]:
    created = datetime.now(UTC).isoformat()
    return {"format": FORMAT, "app": f"Dalle Studio {__version__}", "created": created, "pictures": pictures}


def _is_zip(target: Path) -> bool:
    return target.suffix.lower() == ".zip"


@contextlib.contextmanager
def _new_zip(target: Path) -> Iterator[zipfile.ZipFile]:
    """Pictures and database are stored as they are: the former are compressed already."""
    with _new(target), atomic_path(target) as staging, zipfile.ZipFile(staging, "w") as archive:
        yield archive


@contextlib.contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """A folder that gets its name once it is complete."""
    staging = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    with _new(target):
        try:
            staging.mkdir()
            yield staging
            os.rename(staging, target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


@contextlib.contextmanager
def _new(target: Path) -> Iterator[None]:
    """A name that is not taken, in a folder that is there; what goes wrong becomes an OutputError."""
    if target.exists():
        raise OutputError(f"{target} is there already. Choose another name.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OutputError(f"Cannot write to {target}: {error.strerror or error}.") from error


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
