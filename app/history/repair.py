"""Mending what `checkup` finds in a database that can be opened, and setting aside one that cannot.

Each function makes one kind of thing right and says how often. Pictures are never deleted, nor is a damaged database.
"""

import shutil
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from app.history.checkup import check_database, search_rows
from app.history.files import thumbnail_of, write_thumbnail
from app.history.recovery import index
from app.history.store import History, connect, plain_words
from app.settings import Settings
from dalle_core.checkpoints import sha256_of

_SEEN = "trashed_at = CASE WHEN trash_batch IS NOT NULL THEN trashed_at END"  # what is in the trash stays there
DATABASE_FILES = ("", "-wal", "-shm")


def set_aside(settings: Settings) -> Path:
    """Copy a damaged database, whatever belongs to it included, into a folder of its own."""
    folder = settings.database.parent / f"damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    with plain_words(settings.database):
        folder.mkdir(parents=True)
        try:
            for file in _database_files(settings):
                shutil.copy2(file, folder)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return folder


def mend_in_place(settings: Settings) -> bool:
    """Make the indexes anew, which is all that is wrong with some databases. Whether it is sound then."""
    try:
        connection = connect(settings.database)
    except sqlite3.Error:
        return False
    try:
        connection.execute("REINDEX")
    except sqlite3.Error:
        return False
    finally:
        connection.close()
    return not check_database(settings)


def remove_database(settings: Settings) -> None:
    """For one that has been set aside."""
    for file in _database_files(settings):
        file.unlink()


def _database_files(settings: Settings) -> list[Path]:
    files = [settings.database.with_name(settings.database.name + suffix) for suffix in DATABASE_FILES]
    return [file for file in files if file.is_file()]


def mend_keys(history: History) -> int:
    """Pictures without a job get one again, jobs about a lost picture stay; other rows that belong to nothing go."""
    with history.writing() as writer:
        broken = writer.execute("PRAGMA foreign_key_check").fetchall()
        for table, row, _, _ in broken:
            writer.execute(_KEY_REMEDIES.get(table, f"DELETE FROM {table} WHERE rowid = ?"), (row,))
    return len(broken)


_KEY_REMEDIES = {
    "images": """
        INSERT OR IGNORE INTO jobs
            (id, kind, request_json, model, app_version, status, resolved, created, started, finished)
        SELECT job_id, 'generate', request_json, '', '', 'interrupted', 1, created, created, created
        FROM images WHERE rowid = ?
    """,
    "jobs": "UPDATE jobs SET source_id = NULL WHERE rowid = ?",
}


def rebuild_search(history: History) -> None:
    """Drop the search index and make it anew from the pictures' rows."""
    with history.writing() as writer:
        (sql,) = writer.execute("SELECT sql FROM sqlite_master WHERE name = 'search'").fetchone()
        writer.execute("DROP TABLE search")
        writer.execute(sql)
        index(writer, [row[1] for row in search_rows(writer)])


def hide(history: History, image_ids: Iterable[str]) -> None:
    """Take pictures whose files are gone or damaged out of sight; their rows stay, for the day the files come back."""
    with history.writing() as writer:
        rows = [(datetime.now(UTC).isoformat(), image_id) for image_id in image_ids]
        writer.executemany("UPDATE images SET trashed_at = ?, trash_batch = NULL WHERE id = ?", rows)


def show(history: History, image_ids: Iterable[str]) -> None:
    with history.writing() as writer:
        writer.executemany(f"UPDATE images SET {_SEEN} WHERE id = ?", [(image_id,) for image_id in image_ids])


def move(history: History, files: Iterable[str]) -> None:
    """Follow pictures that were moved below the images folder, by the ids that their files are named after."""
    with history.writing() as writer:
        rows = [(file.removeprefix("images/"), Path(file).stem) for file in files]
        writer.executemany(f"UPDATE images SET path = ?, {_SEEN} WHERE id = ?", rows)


def accept(history: History, image_id: str) -> bool:
    """Take a picture that another program wrote as it is now; not one that cannot be shown."""
    row = history.read("SELECT path FROM images WHERE id = ?", (image_id,))[0]
    file = history.settings.images / row["path"]
    try:
        with Image.open(file, formats=("PNG",)) as image:
            image.load()
            write_thumbnail(thumbnail_of(history.settings.thumbnails, row["path"]), image)
            size = image.size
        values = (sha256_of(file), *size, image_id)
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return False
    with history.writing() as writer:
        writer.execute(f"UPDATE images SET sha256 = ?, width = ?, height = ?, {_SEEN} WHERE id = ?", values)
    return True
