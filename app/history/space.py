"""How much room a history takes, and how to get some back: candidates that were not kept and that nothing needs."""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import DiskFull
from app.history.files import locate, thumbnail_of
from app.history.store import History
from app.settings import Settings

# Neither kept nor marked in any way, nothing was made from them, and the job that painted them has ended.
_UNKEPT = """
    SELECT images.id, images.rowid, images.path FROM images JOIN jobs ON jobs.id = images.job_id
    WHERE NOT images.kept AND NOT images.starred AND images.trashed_at IS NULL
        AND jobs.status NOT IN ('queued', 'running') AND images.id <= :up_to
        AND NOT EXISTS (SELECT 1 FROM edges WHERE parent_id = images.id)
        AND NOT EXISTS (SELECT 1 FROM collection_images WHERE image_id = images.id)
        AND NOT EXISTS (SELECT 1 FROM tags WHERE image_id = images.id)
        AND NOT EXISTS (
            SELECT 1 FROM jobs AS later WHERE later.source_id = images.id AND later.status IN ('queued', 'running')
        )
    ORDER BY images.id
"""
Values = Sequence[object] | Mapping[str, object]
NEWEST = "~"  # after every id


@dataclass(frozen=True)
class Space:
    """Bytes on disk; `other_bytes` are thumbnails, database, backups and the rest."""

    pictures: int
    picture_bytes: int
    other_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.picture_bytes + self.other_bytes


@dataclass(frozen=True)
class Unkept:
    """Candidates that may go. `up_to` is the newest one's id: what is painted later is not among them."""

    count: int
    bytes: int
    up_to: str


def measure(settings: Settings) -> Space:
    pictures, others = list[int](), 0
    for name, size in _files(settings.images):
        if name.endswith(".png"):
            pictures.append(size)
        else:
            others += size
    others += sum(size for _, size in _files(settings.data_dir, without=settings.images))
    return Space(len(pictures), sum(pictures), others)


def unkept(history: History) -> Unkept:
    """What a purge would remove now."""
    rows = history.read(_UNKEPT, {"up_to": NEWEST})
    return Unkept(len(rows), size_of(history.settings, rows), rows[-1]["id"] if rows else "")


def purge(history: History, up_to: str) -> Unkept:
    """Remove the unkept candidates up to one: rows first, then files. A crash between leaves files for `doctor`.

    The database keeps its size; what is painted next fills the room in it.
    """
    rows = delete_pictures(history, _UNKEPT, {"up_to": up_to})
    return Unkept(len(rows), remove_files(history.settings, rows), up_to)


def delete_pictures(history: History, chosen: str, values: Values) -> list[sqlite3.Row]:
    """Delete the rows that the query `chosen` gives, and return them.

    Even to forget, a database needs room. On a full disk the thumbnails make it: those can be made again.
    """
    try:
        return _delete_chosen(history, chosen, values)
    except DiskFull:
        for row in history.read(chosen, values):
            for thumbnail in _files_of(history.settings, row["path"])[1:]:
                _remove(thumbnail)
    return _delete_chosen(history, chosen, values)


def _delete_chosen(history: History, chosen: str, values: Values) -> list[sqlite3.Row]:
    with history.writing() as writer:
        rows = writer.execute(chosen, values).fetchall()
        rowids = json.dumps([row["rowid"] for row in rows])
        for table in ("search", "images"):  # a search entry has the rowid of its picture
            writer.execute(f"DELETE FROM {table} WHERE rowid IN (SELECT value FROM json_each(?))", (rowids,))
    return rows


def remove_files(settings: Settings, rows: Sequence[sqlite3.Row]) -> int:
    """The files of pictures whose rows are gone; the bytes that gives back."""
    return sum(_remove(file) for row in rows for file in _files_of(settings, row["path"]))


def size_of(settings: Settings, rows: Sequence[sqlite3.Row]) -> int:
    """The bytes of these pictures' files."""
    return sum(_size(file) for row in rows for file in _files_of(settings, row["path"]))


def _files_of(settings: Settings, path: str) -> list[Path]:
    """A picture's files; none where its row leads out of the images folder."""
    picture = locate(settings.images, path)
    return [] if picture is None else [picture, thumbnail_of(settings.thumbnails, path)]


def _remove(file: Path) -> int:
    size = _size(file)
    try:
        file.unlink(missing_ok=True)
    except OSError:  # open in another program: `doctor` finds it again
        return 0
    return size


def _size(file: Path) -> int:
    with contextlib.suppress(OSError):
        return file.stat().st_size
    return 0


def _files(folder: Path, without: Path | None = None) -> Iterator[tuple[str, int]]:
    """Name and size of every file below `folder`, those below `without` aside; links are not followed."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if without is None or Path(place, name) != without]
        for name in names:
            with contextlib.suppress(OSError):
                yield name, os.lstat(os.path.join(place, name)).st_size
