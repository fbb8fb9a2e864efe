"""The trash: pictures that are out of sight until they are taken back, or purged with their files."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime

from ulid import ULID

from app.gallery_views import Trashed, TrashView
from app.history.labels import as_json
from app.history.space import delete_pictures, remove_files, size_of
from app.history.store import History, storable

_GIVEN = "id IN (SELECT value FROM json_each(?))"
_IN_TRASH = "SELECT id, rowid, path, job_id FROM images WHERE trash_batch IS NOT NULL"


def trash(history: History, image_ids: Sequence[str], *, include_starred: bool) -> tuple[Trashed, list[str]]:
    """Put pictures into the trash, together; and the jobs that they are of. Starred ones stay unless said otherwise."""
    batch, given = str(ULID()), as_json(image_ids)
    unprotected = "" if include_starred else "AND NOT starred"
    with history.writing() as writer:
        rows = writer.execute(
            f"UPDATE images SET trashed_at = ?, trash_batch = ? WHERE trashed_at IS NULL AND {_GIVEN} {unprotected}"
            " RETURNING job_id",
            (datetime.now(UTC).isoformat(), batch, given),
        ).fetchall()
        left = f"SELECT COUNT(*) FROM images WHERE trashed_at IS NULL AND {_GIVEN}"
        (protected,) = writer.execute(left, (given,)).fetchone()
    return Trashed(batch, len(rows), protected), _jobs(rows)


def restore(history: History, image_ids: Sequence[str]) -> tuple[int, list[str]]:
    """Take pictures out of the trash; how many, and the jobs that they are of."""
    return _restore(history, _GIVEN, as_json(image_ids))


def restore_batch(history: History, batch: str) -> tuple[int, list[str]]:
    """Take back what went to the trash together."""
    return _restore(history, "trash_batch = ?", storable(batch))


def _restore(history: History, condition: str, value: str) -> tuple[int, list[str]]:
    with history.writing() as writer:
        rows = writer.execute(
            "UPDATE images SET trashed_at = NULL, trash_batch = NULL"
            f" WHERE trash_batch IS NOT NULL AND {condition} RETURNING job_id",
            (value,),
        ).fetchall()
    return len(rows), _jobs(rows)


def purge(history: History, image_ids: Sequence[str] | None) -> TrashView:
    """Delete what is in the trash, or these of it: rows first, then files. `doctor` finds what a crash leaves."""
    condition, values = ("", ()) if image_ids is None else (f"AND {_GIVEN}", (as_json(image_ids),))
    rows = delete_pictures(history, f"{_IN_TRASH} {condition}", values)
    return TrashView(len(rows), remove_files(history.settings, rows))


def measure(history: History) -> TrashView:
    rows = history.read(_IN_TRASH)
    return TrashView(len(rows), size_of(history.settings, rows))


def _jobs(rows: Sequence[sqlite3.Row]) -> list[str]:
    return sorted({row["job_id"] for row in rows})
