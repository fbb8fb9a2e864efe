"""The sidecar `db/marks.json`: every row that cannot be read back from the pictures' own recipes.

A copy, never the truth: the database is. It is written from whatever the database holds, so nobody who changes a star
or a tag has to think of it. Knows tables and columns by their names, not what they mean.
"""

import json
import logging
import math
import sqlite3
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import HistoryError
from app.history.files import write_file

if TYPE_CHECKING:
    from app.history.store import History

VERSION = 1
TABLES = (  # parents before their children
    "jobs",
    "images",
    "scores",
    "edges",
    "sheets",
    "sheet_cells",
    "collections",
    "collection_images",
    "tags",
    "saved_searches",
)
IN_RECIPES = {  # or following from another row
    "images": frozenset(
        {"position", "prompt", "request_json", "seed", "path", "sha256", "tokens", "width", "height",
         "kind", "model", "stack", "percentile"}
    )
}  # fmt: skip
MAX_BYTES = 2**29
MAX_TEXT = 2**20
PAUSE_SECONDS = 10.0
PATIENCE = 50  # writing takes at most about a fiftieth of the time, however long the history grows

Value = str | int | float | None
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]

    def records(self) -> list[dict[str, Value]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


Marks = Mapping[str, Table]


def collect(connection: sqlite3.Connection) -> Marks:
    """What the database holds beyond the recipes, as of one moment."""
    connection.execute("BEGIN")
    try:
        return {name: _collect_table(connection, name) for name in TABLES}
    finally:
        connection.execute("ROLLBACK")


def _collect_table(connection: sqlite3.Connection, name: str) -> Table:
    found = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
    columns = tuple(column for column in found if column not in IN_RECIPES.get(name, ()))
    rows = connection.execute(f"SELECT {', '.join(columns)} FROM {name} ORDER BY rowid")
    return Table(columns, tuple(tuple(row) for row in rows))


def to_json(marks: Marks) -> str:
    tables = {name: {"columns": table.columns, "rows": table.rows} for name, table in marks.items()}
    return json.dumps({"version": VERSION, "tables": tables}, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Marks:
    """Raises HistoryError, naming what was expected and what was found. Unknown tables are left out."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HistoryError("The marks are damaged: they are not valid JSON.") from error
    if not isinstance(values, dict) or values.get("version") != VERSION or not isinstance(values.get("tables"), dict):
        raise HistoryError(f"The marks are of another kind; expected an object of version {VERSION} with tables.")
    return {name: _table(name, value) for name, value in values["tables"].items() if name in TABLES}


def _table(name: str, value: Any) -> Table:
    columns, rows = (value.get("columns"), value.get("rows")) if isinstance(value, dict) else (None, None)
    if not isinstance(columns, list) or not isinstance(rows, list) or not all(isinstance(c, str) for c in columns):
        raise HistoryError(f"The marks' table {name} has no columns and rows.")
    if bad := next((row for row in rows if not _is_row(row, len(columns))), None):
        raise HistoryError(f"The marks' table {name} has a row that is none: {bad!r:.80}.")
    return Table(tuple(columns), tuple(tuple(row) for row in rows))


def _is_row(row: Any, length: int) -> bool:
    return isinstance(row, list) and len(row) == length and all(map(_is_value, row))


def _is_value(value: Any) -> bool:
    """Whether SQLite can hold it: no halves of characters, no infinite numbers, no integers beyond 64 bits."""
    if isinstance(value, str):
        return len(value) <= MAX_TEXT and not any("\ud800" <= c <= "\udfff" or c == "\0" for c in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (isinstance(value, int) and -(2**63) <= value < 2**63)


def read(path: Path) -> Marks:
    """Raises HistoryError."""
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise HistoryError(f"The marks {path} have {size} bytes; at most {MAX_BYTES} are read.")
        return from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise HistoryError(f"The marks {path} cannot be read: {error}.") from error


def previous(path: Path) -> Path:
    """Where the marks of the last time are kept, in case the database was replaced in between."""
    return path.with_stem(f"{path.stem}.previous")


class Sidecar:
    """Writes the marks from a thread of its own, soon after the database changed.

    Not at every change: while pictures are painted, that is several times a second. Whatever the last seconds before
    a crash lack is still in the database, which survives a crash; only losing both at once loses those marks.
    """

    def __init__(self, history: "History", path: Path, pause: float = PAUSE_SECONDS) -> None:
        self._history = history
        self._path = path
        self._pause = pause
        self._seen: int | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dalle-studio-marks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Writes what changed since the last time."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        self._guard(self._keep_previous)
        pause = self._pause
        while not self._stopping.wait(pause):
            pause = max(self._pause, PATIENCE * self._guard(self._write_changes))
        self._guard(self._write_changes)

    def _guard(self, action: Any) -> float:
        """The seconds `action` took. What goes wrong, such as a full disk, is tried again the next time."""
        began = time.monotonic()
        try:
            action()
        except Exception:
            logger.exception("the marks cannot be written")
        return time.monotonic() - began

    def _keep_previous(self) -> None:
        if self._path.is_file():
            write_file(previous(self._path), self._path.read_bytes())

    def _write_changes(self) -> None:
        version: int = self._history.read("PRAGMA data_version")[0][0]
        if version != self._seen:
            write(self._history, self._path)
            self._seen = version


def write(history: "History", path: Path) -> None:
    """Write the marks of `history`, whole or not at all."""
    write_file(path, to_json(history.marks()).encode())
