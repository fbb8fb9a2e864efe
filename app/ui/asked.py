"""Reads what a browser sent: a JSON value of any shape becomes texts and ids, and errors become answers."""

import math
from collections.abc import Callable
from typing import Any

from app.errors import shown
from app.ui.payloads import Payload
from app.ui.routes import ULID
from dalle_core.errors import DalleError, RequestError

MAX_IDS = 5000  # what can be selected at once


def answer(ask: Callable[[], Payload]) -> Payload:
    try:
        return ask()
    except DalleError as error:
        return {"error": shown(error), "code": error.code}


def value(asked: Any, name: str) -> Any:
    return asked.get(name) if isinstance(asked, dict) else None


def text(asked: Any, name: str) -> str | None:
    found = value(asked, name)
    return found if isinstance(found, str) else None


def is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)


def number(found: Any, name: str) -> float:
    """Raises RequestError for anything else, and for what is no number in JSON."""
    if not is_number(found):
        raise RequestError(f"The {name} is to be a number.")
    return float(found)


def ulid(asked: Any, name: str) -> str:
    """An id, or the empty text, which nothing has."""
    found = value(asked, name)
    return found if isinstance(found, str) and ULID.fullmatch(found) else ""


def ids(asked: Any, name: str) -> list[str]:
    found = value(asked, name)
    listed = found[:MAX_IDS] if isinstance(found, list) else []
    return [item for item in listed if isinstance(item, str) and ULID.fullmatch(item)]
