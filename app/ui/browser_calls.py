"""Questions the page's scripts ask the studio directly. Whatever the browser sends is checked here before use."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from app.studio import Studio
from app.ui.asked import answer, ids, number, text, ulid, value
from app.ui.payloads import Payload, details_payload, reproduction_payload, thumbnail_payload
from app.views import ImageView

PAGE = 48
MAX_QUERY = 200


def browser_calls(studio: Studio) -> list[Callable[[Any], Any]]:
    """Functions of one JSON value. Each answers `{"error": words}` where it cannot."""

    def picture_details(asked: Any) -> Payload:
        return answer(lambda: _details(studio, studio.image(ulid(asked, "image"))))

    def picture_page(asked: Any) -> Payload:
        return answer(lambda: _page(studio, asked))

    def mark_picture(asked: Any) -> Payload:
        return answer(lambda: _mark(studio, asked))

    def reproduce_picture(asked: Any) -> Payload:
        return answer(lambda: {"job": studio.reproduce(ulid(asked, "image"))})

    def vary_picture(asked: Any) -> Payload:
        return answer(lambda: {"job": _vary(studio, asked)})

    def departures(asked: Any) -> Payload:
        return answer(lambda: {"departures": _departures(studio, ids(asked, "images"))})

    return [picture_details, picture_page, mark_picture, reproduce_picture, vary_picture, departures]


def _details(studio: Studio, image: ImageView) -> Payload:
    again = studio.reproduction(image.id)
    return details_payload(image) | {"again": reproduction_payload(again) if again else None}


def _vary(studio: Studio, asked: Any) -> str:
    strength = value(asked, "strength")
    if strength is None:
        return studio.variations.more_like(ulid(asked, "image"))
    return studio.variations.more_like(ulid(asked, "image"), number(strength, "strength"))


def _departures(studio: Studio, images: list[str]) -> Payload:
    """Those that are known, by picture."""
    found = {image: studio.variations.departure(image) for image in images}
    return {image: asdict(there) for image, there in found.items() if there is not None}


def _mark(studio: Studio, asked: Any) -> Payload:
    """Star or keep a picture, or take that back: what is not given stays."""
    image_id = ulid(asked, "image")
    for name, mark in (("starred", studio.star), ("kept", studio.keep)):
        if isinstance(wanted := value(asked, name), bool):
            mark(image_id, wanted)
    return _details(studio, studio.image(image_id))


def _page(studio: Studio, asked: Any) -> Payload:
    query, kept_only = (text(asked, "query") or "")[:MAX_QUERY], value(asked, "everything") is not True
    before = ulid(asked, "before") if value(asked, "before") else None
    images = studio.images(query, PAGE + 1, before, kept_only)
    shown = images[:PAGE]
    return {
        "images": [thumbnail_payload(image) for image in shown],
        "next": shown[-1].id if images[PAGE:] else None,
        "total": studio.images_count(query, kept_only) if before is None else None,
        "hidden": studio.images_count(query, kept_only=False) if not images and before is None else 0,
    }
