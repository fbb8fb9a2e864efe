"""What the page's scripts say about the picture to complete, checked; and what they are told about it.

Knows no widgets. An upload has an unguessable id; a picture of the history has its own.
"""

import base64
import math
from collections.abc import Callable, Sequence
from typing import Any

from app.studio import Crop, Source, Studio
from app.ui.asked import answer
from app.ui.examples import example_pictures
from app.ui.media import ULID
from app.ui.payloads import Payload, thumbnail_payload
from app.views import ImageView
from dalle_core.errors import RequestError

MAX_ID = 64
SUGGESTED = 6


def bench_calls(studio: Studio) -> list[Callable[[Any], Payload]]:
    """Functions of one JSON value. Each answers `{"error": words}` where it cannot."""

    def prepare_source(asked: Any) -> Payload:
        return answer(lambda: source_payload(read_source(studio, asked)))

    def suggest_pictures(asked: Any) -> Payload:
        return answer(lambda: suggestions_payload(studio.images(limit=SUGGESTED)))

    return [prepare_source, suggest_pictures]


def complete(studio: Studio, asked: Any, request: Callable[[], Any]) -> str:
    """Queue what `request` gives on the chosen picture's top; returns the job's id. Raises whatever is wrong first."""
    if not isinstance(asked, dict):
        raise RequestError("Choose a picture first: drop one, paste one, or send one from Create or History.")
    checked = request()
    return studio.complete(checked, read_source(studio, asked), _rows(asked.get("rows")))


def read_source(studio: Studio, asked: Any) -> Source:
    """The picture and square that `asked` names. Raises RequestError, NotFound, ImageError, CheckpointError."""
    if not isinstance(asked, dict):
        raise RequestError("Choose a picture first.")
    upload, image = asked.get("upload"), asked.get("image")
    crop = _crop(asked.get("crop"))
    if isinstance(upload, str) and len(upload) <= MAX_ID:
        return studio.prepare_source(upload_id=upload, crop=crop)
    if isinstance(image, str) and ULID.fullmatch(image):
        return studio.prepare_source(image_id=image, crop=crop)
    raise RequestError("Choose a picture first.")


def source_payload(source: Source) -> Payload:
    return {
        "square": _data_url(source.square),
        "reconstruction": _data_url(source.reconstruction),
        "rows": source.rows,
        "exact": source.exact,
    }


def suggestions_payload(latest: Sequence[ImageView]) -> Payload:
    """Pictures to begin with: those painted last, or examples where there are none yet."""
    return {
        "latest": [thumbnail_payload(image) for image in latest],
        "examples": [] if latest else example_pictures(),
    }


def _crop(asked: Any) -> Crop:
    values = asked if isinstance(asked, dict) else {}
    numbers = {name: values[name] for name in ("x", "y", "side") if name in values}
    if not all(_is_number(value) for value in numbers.values()):
        raise RequestError("The square's place and size are to be numbers.")
    return Crop(**numbers, letterbox=values.get("letterbox") is True)


def _rows(asked: Any) -> int:
    if not _is_number(asked) or asked != int(asked):
        raise RequestError("The rows to keep are to be a whole number.")
    return int(asked)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _data_url(png: bytes) -> str:
    """These are as small as the model's own pictures."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
