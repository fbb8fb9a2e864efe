"""Sheets: which jobs paint the cells of which grid. A sheet has no state of its own; it is that of its jobs."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ulid import ULID

from app.errors import NotFound
from app.history.store import History, NewJob, insert_job
from app.recipes import request_from_json
from app.views import JobStatus


@dataclass(frozen=True)
class NewCell:
    x: int
    y: int
    job: NewJob


@dataclass(frozen=True)
class SheetRow:
    id: str
    name: str
    definition: str
    created: datetime


@dataclass(frozen=True)
class CellRow:
    """A cell and the latest job for it. `image_id` is its best picture, once there is one."""

    x: int
    y: int
    job_id: str
    status: JobStatus
    error: str | None
    image_id: str | None
    kept_rows: int


@dataclass(frozen=True)
class SheetCount:
    """A sheet of the list: how many cells it has, how many are painted, how many still wait or are being painted."""

    sheet: SheetRow
    cells: int
    done: int
    active: int


def add(history: History, name: str, definition: str, cells: Sequence[NewCell]) -> str:
    """Queue all cells behind what waits, in this order; returns the sheet's id."""
    sheet_id = str(ULID())
    with history.writing() as writer:
        now = datetime.now(UTC).isoformat()
        writer.execute("INSERT INTO sheets VALUES (?, ?, ?, ?)", (sheet_id, name, definition, now))
        for cell in cells:
            _place(writer, sheet_id, cell.x, cell.y, insert_job(writer, cell.job))
    return sheet_id


def paint_missing(history: History, sheet_id: str) -> list[str]:
    """Queue the latest job of each cell that ended without being done once more; returns the new jobs' ids."""
    with history.writing() as writer:
        rows = writer.execute(_LATEST + _ENDED_EARLY, (sheet_id,)).fetchall()
        return [_again(writer, sheet_id, row) for row in rows]


def missing_models(history: History, sheet_id: str) -> set[str]:
    """The models that the cells still to be painted are for."""
    return {row["model"] for row in history.read(_LATEST + _ENDED_EARLY, (sheet_id,))}


def cancel_waiting(history: History, sheet_id: str) -> list[str]:
    """Take the cells that wait off the queue; returns their jobs' ids."""
    with history.writing() as writer:
        rows = writer.execute(
            "UPDATE jobs SET status = 'cancelled', finished = ? WHERE status = 'queued'"
            " AND id IN (SELECT job_id FROM sheet_cells WHERE sheet_id = ?) RETURNING id",
            (datetime.now(UTC).isoformat(), sheet_id),
        ).fetchall()
    return [row["id"] for row in rows]


def running(history: History, sheet_id: str) -> str | None:
    """The job of the cell that is being painted."""
    sql = "SELECT id FROM jobs JOIN sheet_cells ON job_id = id WHERE sheet_id = ? AND status = 'running'"
    return next((row["id"] for row in history.read(sql, (sheet_id,))), None)


def sheet(history: History, sheet_id: str) -> SheetRow:
    """Raises NotFound."""
    rows = history.read("SELECT * FROM sheets WHERE id = ?", (sheet_id.encode(errors="replace").decode(),))
    if not rows:
        raise NotFound(f"There is no sheet {sheet_id!r}.", "This sheet is not here any more.")
    return _sheet_row(rows[0])


def cells(history: History, sheet_id: str) -> list[CellRow]:
    """Row by row."""
    return [
        CellRow(row["x"], row["y"], row["job_id"], row["status"], row["error"], row["image_id"], row["kept_rows"])
        for row in history.read(_CELLS, (sheet_id,))
    ]


def sheets(history: History, limit: int) -> list[SheetCount]:
    """The newest first."""
    return [
        SheetCount(_sheet_row(row), row["cells"], row["done"] or 0, row["active"] or 0)
        for row in history.read(_COUNTS, (limit,))
    ]


def remove(history: History, sheet_id: str) -> None:
    """Forget a sheet; what its jobs painted stays."""
    with history.writing() as writer:
        writer.execute("DELETE FROM sheets WHERE id = ?", (sheet_id,))


def _place(writer: sqlite3.Connection, sheet_id: str, x: int, y: int, job_id: str) -> None:
    writer.execute("INSERT INTO sheet_cells (job_id, sheet_id, x, y) VALUES (?, ?, ?, ?)", (job_id, sheet_id, x, y))


def _again(writer: sqlite3.Connection, sheet_id: str, row: sqlite3.Row) -> str:
    job = NewJob(
        request_from_json(row["request_json"]),
        row["model"],
        row["kind"],
        row["source_id"],
        row["model_sha256"],
        row["kept_rows"],
    )
    job_id = insert_job(writer, job)
    _place(writer, sheet_id, row["x"], row["y"], job_id)
    return job_id


def _sheet_row(row: sqlite3.Row) -> SheetRow:
    return SheetRow(row["id"], row["name"], row["definition_json"], datetime.fromisoformat(row["created"]))


_LATEST = """
    SELECT jobs.*, x, y FROM sheet_cells JOIN jobs ON jobs.id = job_id
    WHERE sheet_id = ? AND NOT EXISTS (
        SELECT 1 FROM sheet_cells AS later WHERE later.sheet_id = sheet_cells.sheet_id
        AND later.x = sheet_cells.x AND later.y = sheet_cells.y AND later.job_id > sheet_cells.job_id
    )
"""
_ENDED_EARLY = " AND status IN ('cancelled', 'failed', 'interrupted') ORDER BY y, x"
_CELLS = f"""
    SELECT latest.x, latest.y, latest.id AS job_id, latest.status, latest.error, latest.kept_rows, (
        SELECT images.id FROM images WHERE images.job_id = latest.id AND trashed_at IS NULL
        ORDER BY kept DESC, position LIMIT 1
    ) AS image_id
    FROM ({_LATEST}) AS latest ORDER BY latest.y, latest.x
"""
_COUNTS = """
    SELECT sheets.*, COUNT(DISTINCT x || ' ' || y) AS cells,
        COUNT(DISTINCT CASE WHEN status = 'done' THEN x || ' ' || y END) AS done,
        SUM(status IN ('queued', 'running')) AS active
    FROM (SELECT * FROM sheets ORDER BY id DESC LIMIT ?) AS sheets
    LEFT JOIN sheet_cells ON sheet_id = sheets.id LEFT JOIN jobs ON jobs.id = job_id
    GROUP BY sheets.id ORDER BY sheets.id DESC
"""
