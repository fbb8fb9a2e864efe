"""Whether rows, files and index of a history agree. Changes nothing: what it finds, `recovery` mends.

Knows the data folder's layout and the database's shape; needs the folder's lock, so that nothing moves meanwhile.
"""

import contextlib
import sqlite3
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from app.errors import HistoryError, RecipeError
from app.history import marks
from app.history.files import locate, thumbnail_of
from app.history.search import indexable
from app.history.store import SHAPE, connect, plain_words
from app.recipes import read_recipe
from app.settings import Settings
from dalle_core.checkpoints import sha256_of

Kind = Literal[
    "database_missing",
    "database_damaged",
    "database_older",
    "database_newer",
    "foreign_key",
    "search_index",
    "file_missing",
    "file_changed",
    "file_back",
    "file_elsewhere",
    "orphan",
    "no_recipe",
    "thumbnail_missing",
    "leftover",
    "marks",
    "model",
]
# Told, but nothing is wrong with the history: a thumbnail is made when its picture is first shown.
NOTES: frozenset[Kind] = frozenset({"no_recipe", "leftover", "thumbnail_missing"})
MAX_MESSAGES = 20
# A full disk, another program, permissions: nothing that setting the database aside would make better.
_CIRCUMSTANCES = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM,
}  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """`subject` is what it is about: a path below the data folder, a picture's id, a table, a model."""

    kind: Kind
    subject: str
    words: str

    @property
    def is_note(self) -> bool:
        return self.kind in NOTES


def check_history(settings: Settings) -> list[Problem]:
    """Everything that does not agree, the gravest first. Nothing in an empty data folder is wrong."""
    found = check_database(settings)
    if not found and _holds_anything(settings.database):
        with _opened(settings.database) as connection:
            found += [*_check_keys(connection), *_check_search(connection), *_check_files(settings, connection)]
    return [*found, *_check_marks(settings), *_check_leftovers(settings)]


def pictures(settings: Settings) -> list[str]:
    """Every PNG below the images folder, as the database would name it."""
    return sorted(path.relative_to(settings.images).as_posix() for path in settings.images.rglob("[!.]*.png"))


def is_lost(settings: Settings) -> bool:
    """Whether there are pictures but no database."""
    return not _holds_anything(settings.database) and any(settings.images.rglob("[!.]*.png"))


def _holds_anything(database: Path) -> bool:
    """A start without any room leaves an empty file."""
    return database.is_file() and database.stat().st_size > 0


def refuse_lost(settings: Settings) -> None:
    """A new, empty history over the pictures of a lost one would hide them, and write over what is known of them."""
    if is_lost(settings):
        raise HistoryError(
            f"The database of {settings.data_dir} is gone, but its pictures are there. "
            "Bring it back with: python app.py doctor --repair"
        )


def check_database(settings: Settings) -> list[Problem]:
    """Raises HistoryError where whatever keeps it from being read is no fault of the database."""
    name = str(settings.database.relative_to(settings.data_dir))
    if is_lost(settings):
        words = f"There is no database, but {len(pictures(settings))} pictures are there."
        return [Problem("database_missing", name, words)]
    if not _holds_anything(settings.database):
        return []
    try:
        with _opened(settings.database) as connection:
            shape: int = connection.execute("PRAGMA user_version").fetchone()[0]
            messages = [row[0] for row in connection.execute(f"PRAGMA integrity_check({MAX_MESSAGES})")]
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _CIRCUMSTANCES:
            with plain_words(settings.database):
                raise
        return [Problem("database_damaged", name, f"The database cannot be read: {error}.")]
    if messages != ["ok"]:
        return [Problem("database_damaged", name, f"The database is damaged: {messages[0]}.")]
    if shape > SHAPE:
        words = f"The database is of shape {shape}, and this Dalle Studio knows {SHAPE}; update it."
        return [Problem("database_newer", name, words)]
    if shape < SHAPE:
        return [Problem("database_older", name, "The database is of an older version; repairing updates it.")]
    return []


@contextlib.contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    connection = connect(database)
    try:
        yield connection
    finally:
        connection.close()


def _check_keys(connection: sqlite3.Connection) -> list[Problem]:
    broken = connection.execute("PRAGMA foreign_key_check").fetchall()
    return [
        Problem("foreign_key", table, f"Row {row} of {table} belongs to a row of {parent} that is not there.")
        for table, row, parent, _ in broken
    ]


def _check_search(connection: sqlite3.Connection) -> list[Problem]:
    try:
        connection.execute("INSERT INTO search (search) VALUES ('integrity-check')")
        found = sorted(tuple(row) for row in connection.execute(_INDEXED))
    except sqlite3.Error as error:
        return [Problem("search_index", "search", f"The search index is damaged: {error}.")]
    expected = sorted(search_rows(connection))
    if found == expected:
        return []
    known = {row[1] for row in found}
    missing = sum(row[1] not in known for row in expected)
    words = f"{missing} pictures are not in it." if missing else "It holds other text than the pictures."
    return [Problem("search_index", "search", f"The search index is out of step. {words}")]


_INDEXED = "SELECT rowid, image_id, prompt, style, tags FROM search"
_INDEXABLE = """
    SELECT rowid, id, prompt, style,
        (SELECT group_concat(tag, ' ') FROM (SELECT tag FROM tags WHERE image_id = images.id ORDER BY tag))
    FROM images
"""
SearchRow = tuple[int, str, str, str, str]  # row, id, prompt, style and tags of a picture


def search_rows(connection: sqlite3.Connection, among: str | None = None) -> Iterator[SearchRow]:
    """What the search index should hold, for every picture, or for those `among` a JSON list of ids."""
    these = "" if among is None else "WHERE id IN (SELECT value FROM json_each(?))"
    for rowid, image_id, prompt, style, tags in connection.execute(
        _INDEXABLE + these, () if among is None else (among,)
    ):
        yield rowid, image_id, indexable(prompt), indexable(style), indexable(tags or "")


def _check_files(settings: Settings, connection: sqlite3.Connection) -> list[Problem]:
    sql = "SELECT id, path, sha256, trashed_at IS NOT NULL AND trash_batch IS NULL AS hidden FROM images ORDER BY id"
    rows = connection.execute(sql).fetchall()
    by_id, paths, hashes = ({row[name]: row for row in rows} for name in ("id", "path", "sha256"))
    loose = [_check_loose(settings, path, by_id, hashes) for path in pictures(settings) if path not in paths]
    moved = {Path(problem.subject).stem for problem in loose if problem.kind == "file_elsewhere"}
    return [problem for row in rows if row["id"] not in moved for problem in _check_row(settings, row)] + loose


def _check_row(settings: Settings, row: sqlite3.Row) -> Iterator[Problem]:
    image_id, path = row["id"], row["path"]
    file = locate(settings.images, path)
    hidden = bool(row["hidden"])  # its file was gone or damaged; one in the trash has its file
    if file is None or not file.is_file():
        if not hidden:
            yield Problem("file_missing", image_id, f"The file images/{path} is gone.")
        return
    changed = _hash(file) != row["sha256"]
    if changed and (not hidden or can_be_shown(file)):
        yield Problem("file_changed", image_id, f"The file images/{path} is not the one that was written.")
    elif hidden and not changed:
        yield Problem("file_back", image_id, f"The file images/{path} is there again.")
    if not hidden and not thumbnail_of(settings.thumbnails, path).is_file():
        yield Problem("thumbnail_missing", image_id, f"The picture images/{path} has no thumbnail yet.")


def can_be_shown(file: Path) -> bool:
    try:
        with Image.open(file, formats=("PNG",)) as image:
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True


def _check_loose(settings: Settings, path: str, by_id: Mapping[str, sqlite3.Row], hashes: Container[str]) -> Problem:
    """What a PNG without a row is: a picture whose row was lost, one that was moved or copied, or none of ours."""
    file, subject = settings.images / path, f"images/{path}"
    owner = by_id.get(file.stem)
    if owner is not None and _hash(file) == owner["sha256"]:
        old = locate(settings.images, owner["path"])
        if old is None or not old.is_file():
            return Problem("file_elsewhere", subject, f"The picture {owner['id']} was moved to {subject}.")
    try:
        read_recipe(file)
    except RecipeError as error:
        return Problem("no_recipe", subject, f"{subject} is not in the history. {error}")
    if _hash(file) in hashes:
        return Problem("no_recipe", subject, f"{subject} is a copy of a picture of the history.")
    return Problem("orphan", subject, f"{subject} is not in the history.")


def _hash(file: Path) -> str:
    try:
        return sha256_of(file)
    except OSError as error:
        return f"unreadable: {error}"


def _check_marks(settings: Settings) -> list[Problem]:
    if not settings.marks.is_file():
        return []
    try:
        marks.read(settings.marks)
    except HistoryError as error:
        return [Problem("marks", str(settings.marks.relative_to(settings.data_dir)), str(error))]
    return []


def _check_leftovers(settings: Settings) -> list[Problem]:
    """Temporary files that a crash left; the folder's owner, and nobody else, writes such files."""
    folders = (settings.images, settings.thumbnails, settings.database.parent)
    return [
        Problem("leftover", path.relative_to(settings.data_dir).as_posix(), "A half-written file that a crash left.")
        for folder in folders
        for path in sorted(folder.rglob(".*.tmp*"))  # SQLite puts a journal beside a copy that it writes
    ]
