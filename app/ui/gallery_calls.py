"""What the Gallery asks about many pictures, and what they are filed under. Each question is checked here first."""

import json
from collections.abc import Callable
from typing import Any

from app.gallery import Gallery
from app.gallery_views import Facets, Filters, GalleryPage
from app.studio import Studio
from app.ui.asked import answer, ids, text, ulid, value
from app.ui.baskets import Baskets
from app.ui.payloads import Payload, thumbnail_payload

PAGE = 96


def gallery_calls(studio: Studio, baskets: Baskets) -> list[Callable[[Any], Any]]:
    """Functions of one JSON value. Each answers `{"error": words}` where it cannot."""
    return [*_finding(studio), *_changing(studio), *_filing(studio), _zipping(studio, baskets)]


def _finding(studio: Studio) -> list[Callable[[Any], Any]]:
    def gallery_page(asked: Any) -> Payload:
        return answer(lambda: _page(studio.gallery, asked))

    def gallery_facets(asked: Any) -> Payload:
        return answer(lambda: _facets(studio.gallery.facets(_filters(asked))))

    def standing_pictures(asked: Any) -> Payload:
        trashed = value(asked, "trashed") is True
        return answer(lambda: {"standing": studio.gallery.standing(ids(asked, "images"), trashed)})

    def gallery_places(asked: Any) -> Payload:
        return answer(lambda: _places(studio.gallery))

    def select_pictures(asked: Any) -> Payload:
        stacked = value(asked, "stacked") is True
        return answer(lambda: {"images": studio.gallery.select(_filters(asked), stacked=stacked)})

    return [gallery_page, gallery_facets, standing_pictures, gallery_places, select_pictures]


def _changing(studio: Studio) -> list[Callable[[Any], Any]]:
    def star_pictures(asked: Any) -> Payload:
        starred = value(asked, "starred") is not False
        return answer(lambda: {"count": studio.gallery.star(ids(asked, "images"), starred)})

    def purge_pictures(asked: Any) -> Payload:
        """Of the trash, the pictures that are named; everything only where just that was asked."""
        chosen = None if value(asked, "all") is True else ids(asked, "images")
        return answer(lambda: {"count": studio.gallery.purge(chosen).count})

    return [star_pictures, purge_pictures]


def _filing(studio: Studio) -> list[Callable[[Any], Any]]:
    def new_collection(asked: Any) -> Payload:
        return answer(lambda: _new_collection(studio.gallery, asked))

    def rename_collection(asked: Any) -> Payload:
        collection, merge = ulid(asked, "collection"), value(asked, "merge") is True
        return answer(lambda: {"collection": studio.gallery.rename_collection(collection, _name(asked), merge)})

    def delete_collection(asked: Any) -> Payload:
        return _done(lambda: studio.gallery.delete_collection(ulid(asked, "collection")))

    def collect_pictures(asked: Any) -> Payload:
        return answer(lambda: {"count": studio.gallery.collect(ids(asked, "images"), ulid(asked, "collection"))})

    def rename_tag(asked: Any) -> Payload:
        tag, name = text(asked, "tag") or "", _name(asked)
        return answer(lambda: {"count": studio.gallery.rename_tag(tag, name), "tag": name})

    def delete_tag(asked: Any) -> Payload:
        return answer(lambda: {"count": studio.gallery.delete_tag(text(asked, "tag") or "")})

    def save_search(asked: Any) -> Payload:
        return answer(lambda: {"search": studio.gallery.save_search(_name(asked), _filters(asked))})

    def open_search(asked: Any) -> Payload:
        return answer(lambda: {"filters": _plain(studio.gallery.open_search(ulid(asked, "search")))})

    def delete_search(asked: Any) -> Payload:
        return _done(lambda: studio.gallery.delete_search(ulid(asked, "search")))

    return [new_collection, rename_collection, delete_collection, collect_pictures, rename_tag, delete_tag,
            save_search, open_search, delete_search]  # fmt: skip


def _zipping(studio: Studio, baskets: Baskets) -> Callable[[Any], Any]:
    def prepare_zip(asked: Any) -> Payload:
        return answer(lambda: prepare(ids(asked, "images")))

    def prepare(image_ids: list[str]) -> Payload:
        basket = baskets.fill(image_ids)
        studio.gallery.check_some_there(image_ids)  # a download that fails says nothing in the page
        return {"zip": basket}

    return prepare_zip


def _done(do: Callable[[], object]) -> Payload:
    def act() -> Payload:
        do()
        return {}

    return answer(act)


def _filters(asked: Any) -> Filters:
    return Filters.from_dict(value(asked, "filters"))


def _plain(filters: Filters) -> Payload:
    """As the page sends them: what is not named is as nobody set it."""
    kept: Payload = json.loads(filters.to_json())["filters"]
    return kept


def _name(asked: Any) -> str:
    return text(asked, "name") or ""


def _page(gallery: Gallery, asked: Any) -> Payload:
    filters, stacked = _filters(asked), value(asked, "stacked") is True
    before = ulid(asked, "before") if value(asked, "before") else None
    page = gallery.page(filters, PAGE, before, stacked)
    return {
        "images": [thumbnail_payload(image) | {"stack": page.stacks.get(image.id, 1)} for image in page.images],
        "next": page.next,
        "total": page.total,
        "over": page.over,
        "hidden": _hidden(gallery, filters, page) if before is None else 0,
    }


def _hidden(gallery: Gallery, filters: Filters, page: GalleryPage) -> int:
    """Where nothing is found: how much would be among the candidates that nobody kept."""
    if page.images or filters.everything or filters.trashed:
        return 0
    return gallery.page(_with_everything(filters), 1).total or 0


def _with_everything(filters: Filters) -> Filters:
    return Filters.from_dict(_plain(filters) | {"everything": True})


def _facets(facets: Facets) -> Payload:
    return {name: list(counts.items()) for name, counts in vars(facets).items()}


def _places(gallery: Gallery) -> Payload:
    return {
        "collections": [{"id": one.id, "name": one.name, "count": one.count} for one in gallery.collections()],
        "tags": [{"tag": tag, "count": count} for tag, count in gallery.tags().items()],
        "searches": [{"id": one.id, "name": one.name} for one in gallery.saved_searches()],
        "trashed": gallery.in_trash().count,
    }


def _new_collection(gallery: Gallery, asked: Any) -> Payload:
    """With the pictures that it is made for, if any."""
    collection, images = gallery.new_collection(_name(asked)), ids(asked, "images")
    return {"collection": collection, "count": gallery.collect(images, collection) if images else 0}
