"""Questions the page's scripts ask the studio directly. Whatever the browser sends is checked here before use."""

from collections.abc import Callable
from typing import Any

from app.studio import Studio
from app.ui.media import ULID
from app.ui.payloads import Payload, details_payload, job_payload, thumbnail_payload
from dalle_core.errors import DalleError

PAGE = 48
MAX_QUERY = 200
MAX_RECALLED = 8


def browser_calls(studio: Studio) -> list[Callable[[Any], Any]]:
    """Functions of one JSON value. Each answers `{"error": words}` where it cannot."""

    def picture_details(asked: Any) -> Payload:
        return _answer(lambda: details_payload(studio.image(_id(asked, "image"))))

    def picture_page(asked: Any) -> Payload:
        return _answer(lambda: _page(studio, asked))

    def recall_jobs(asked: Any) -> Payload:
        return _answer(lambda: {"jobs": [job for job_id in _ids(asked) if (job := _job(studio, job_id))]})

    return [picture_details, picture_page, recall_jobs]


def _answer(ask: Callable[[], Payload]) -> Payload:
    try:
        return ask()
    except DalleError as error:
        return {"error": str(error), "code": error.code}


def _page(studio: Studio, asked: Any) -> Payload:
    query = _value(asked, "query")
    images = studio.images(
        query[:MAX_QUERY] if isinstance(query, str) else "",
        limit=PAGE + 1,
        before=_id(asked, "before") if _value(asked, "before") else None,
        kept_only=_value(asked, "everything") is not True,
    )
    shown = images[:PAGE]
    return {"images": [thumbnail_payload(image) for image in shown], "next": shown[-1].id if images[PAGE:] else None}


def _job(studio: Studio, job_id: str) -> Payload | None:
    try:
        return job_payload(studio.job(job_id))
    except DalleError:
        return None


def _value(asked: Any, name: str) -> Any:
    return asked.get(name) if isinstance(asked, dict) else None


def _id(asked: Any, name: str) -> str:
    """An id, or the empty text, which no picture has."""
    value = _value(asked, name)
    return value if isinstance(value, str) and ULID.fullmatch(value) else ""


def _ids(asked: Any) -> list[str]:
    jobs = _value(asked, "jobs")
    valid = [job for job in jobs if isinstance(job, str) and ULID.fullmatch(job)] if isinstance(jobs, list) else []
    return valid[:MAX_RECALLED]
