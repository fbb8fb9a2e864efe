"""Questions about one picture, asked by its dialog wherever it is open. What the browser sends is checked first."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from app.studio import Studio
from app.ui.asked import answer, ids, number, text, ulid, value
from app.ui.payloads import Payload, comparison_payload, details_payload, family_payload, reproduction_payload
from app.views import ImageView


def browser_calls(studio: Studio) -> list[Callable[[Any], Any]]:
    """Functions of one JSON value. Each answers `{"error": words}` where it cannot."""

    def picture_details(asked: Any) -> Payload:
        return answer(lambda: _details(studio, studio.gallery.image(ulid(asked, "image"))))

    def mark_picture(asked: Any) -> Payload:
        return answer(lambda: _mark(studio, asked))

    def reproduce_picture(asked: Any) -> Payload:
        return answer(lambda: {"job": studio.reproduce(ulid(asked, "image"))})

    def branch_picture(asked: Any) -> Payload:
        return answer(lambda: {"job": studio.branch(ulid(asked, "image"))})

    def vary_picture(asked: Any) -> Payload:
        return answer(lambda: {"job": _vary(studio, asked)})

    def departures(asked: Any) -> Payload:
        return answer(lambda: {"departures": _departures(studio, ids(asked, "images"))})

    def picture_family(asked: Any) -> Payload:
        return answer(lambda: family_payload(studio.gallery.family(ulid(asked, "image"))))

    def compare_pictures(asked: Any) -> Payload:
        return answer(lambda: comparison_payload(studio.gallery.compare(ids(asked, "images"))))

    def trash_pictures(asked: Any) -> Payload:
        return answer(lambda: _trash(studio, asked))

    def restore_pictures(asked: Any) -> Payload:
        """The pictures that are named, or those that went to the trash together."""
        return answer(lambda: {"count": _restore(studio, asked)})

    def tag_pictures(asked: Any) -> Payload:
        tag = text(asked, "tag") or ""
        return answer(lambda: {"count": studio.gallery.tag(ids(asked, "images"), tag), "tag": tag})

    def untag_pictures(asked: Any) -> Payload:
        tag = text(asked, "tag") or ""
        return answer(lambda: {"count": studio.gallery.untag(ids(asked, "images"), tag), "tag": tag})

    def uncollect_pictures(asked: Any) -> Payload:
        collection = ulid(asked, "collection")
        return answer(lambda: {"count": studio.gallery.uncollect(ids(asked, "images"), collection)})

    return [picture_details, mark_picture, reproduce_picture, branch_picture, vary_picture, departures,
            picture_family, compare_pictures, trash_pictures, restore_pictures, tag_pictures, untag_pictures,
            uncollect_pictures]  # fmt: skip


def _details(studio: Studio, image: ImageView) -> Payload:
    again = None if image.trashed else studio.reproduction(image.id)
    labels = studio.gallery.labels(image.id)
    sheet_id = studio.job(image.job_id).sheet_id
    return details_payload(image) | {
        "again": reproduction_payload(again) if again else None,
        "tags": list(labels.tags),
        "collections": list(labels.collections.items()),
        "sheet": {"id": sheet_id, "name": studio.sheets.name_of(sheet_id)} if sheet_id else None,
    }


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


def _trash(studio: Studio, asked: Any) -> Payload:
    trashed = studio.gallery.trash(ids(asked, "images"))
    return {"batch": trashed.batch, "count": trashed.count, "protected": trashed.protected}


def _restore(studio: Studio, asked: Any) -> int:
    batch = ulid(asked, "batch")
    return studio.gallery.undo(batch) if batch else studio.gallery.restore(ids(asked, "images"))
