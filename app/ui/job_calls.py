"""What the page's scripts ask about jobs and the queue. Whatever the browser sends is checked here before use."""

from collections.abc import Callable
from typing import Any, cast, get_args

from app.studio import Studio
from app.ui.asked import answer, ids, text, ulid
from app.ui.payloads import Payload, job_payload
from app.views import Move
from dalle_core.errors import DalleError, RequestError

MOVES: tuple[str, ...] = get_args(Move)


def job_calls(studio: Studio) -> list[Callable[[Any], Any]]:
    """Functions of one JSON value. Each answers `{"error": words}` where it cannot."""

    def recall_jobs(asked: Any) -> Payload:
        return answer(lambda: {"jobs": [job for job_id in ids(asked, "jobs") if (job := _job(studio, job_id))]})

    def rank_job(asked: Any) -> Payload:
        words = text(asked, "text")
        return answer(lambda: {"job": job_payload(studio.rerank(ulid(asked, "job"), words))})

    def requeue_jobs(asked: Any) -> Payload:
        return answer(lambda: {"jobs": [studio.requeue(job_id) for job_id in ids(asked, "jobs")]})

    def dismiss_job(asked: Any) -> Payload:
        return _done(lambda: studio.dismiss(ulid(asked, "job")))

    def move_job(asked: Any) -> Payload:
        return _done(lambda: studio.move(ulid(asked, "job"), _move(asked)))

    def cancel_job(asked: Any) -> Payload:
        return _done(lambda: studio.cancel(ulid(asked, "job")))

    def drop_sheet(asked: Any) -> Payload:
        return answer(lambda: {"jobs": studio.sheets.stop(ulid(asked, "sheet"))})

    def clear_queue(asked: Any) -> Payload:
        return answer(lambda: {"jobs": studio.clear_queue()})

    def stop_painting(asked: Any) -> Payload:
        return _done(studio.stop_painting)

    queue = [move_job, cancel_job, drop_sheet, clear_queue, stop_painting]
    return [recall_jobs, rank_job, requeue_jobs, dismiss_job, *queue]


def _done(do: Callable[[], None]) -> Payload:
    def act() -> Payload:
        do()
        return {}

    return answer(act)


def _move(asked: Any) -> Move:
    to = text(asked, "to")
    if to not in MOVES:
        raise RequestError(f"A job moves {', '.join(MOVES)}; {to!r:.40} is none of these.")
    return cast(Move, to)


def _job(studio: Studio, job_id: str) -> Payload | None:
    try:
        return job_payload(studio.job(job_id))
    except DalleError:
        return None
