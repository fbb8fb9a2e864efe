"""A job that ended early goes on as itself: what it finished stays, only the rest is painted. Knows no models."""

from app.history.files import locate
from app.history.store import History, JobRow
from dalle_core import __version__


def can_go_on(history: History, job: JobRow, model_sha256: str, device: str) -> bool:
    """Whether all that a job finished is there, by this version, these weights and this device; or it has nothing."""
    pictures = history.read("SELECT path, trashed_at FROM images WHERE job_id = ?", (job.id,))
    return not pictures or (
        (job.model_sha256, job.device, job.app_version) == (model_sha256, device, __version__)
        and all(row["trashed_at"] is None and _is_there(history, row["path"]) for row in pictures)
    )


def has_pictures(history: History, job_id: str) -> bool:
    """Whether a job has any, thrown away or not."""
    return bool(history.read("SELECT 1 FROM images WHERE job_id = ? LIMIT 1", (job_id,)))


def requeue(history: History, job_id: str) -> None:
    """Queue a job that has ended behind what waits, as if it had not been begun, but with its pictures."""
    with history.writing() as writer:
        writer.execute(
            "UPDATE jobs SET status = 'queued', error = NULL, started = NULL, finished = NULL, cancel_requested = 0,"
            " resolved = 0, app_version = ?,"
            " place = (SELECT coalesce(max(place), 0) + 1 FROM jobs WHERE status = 'queued')"
            " WHERE id = ? AND status NOT IN ('queued', 'running', 'done')",
            (__version__, job_id),
        )


def _is_there(history: History, path: str) -> bool:
    found = locate(history.settings.images, path)
    return found is not None and found.is_file()
