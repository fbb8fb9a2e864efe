"""The gallery's service layer on a real database: pages, marks, trash, tags, collections, saved searches."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.errors import NotFound
from app.gallery import Gallery
from app.gallery_views import Filters
from app.history import History
from app.history.checkup import check_history
from app.settings import Settings
from app.worker import Bell
from dalle_core.errors import RequestError
from tests.app.histories import paint


@pytest.fixture
def gallery(settings: Settings) -> Iterator[Gallery]:
    history = History(settings, owner=True)
    yield Gallery(history, settings, Bell())
    history.close()


@pytest.fixture
def made(gallery: Gallery) -> dict[str, list[str]]:
    """Pictures by what was asked for; of each, the first one is kept."""
    history = gallery.history
    apples = paint(history, "red apple", 2)
    return {
        "apples": apples,
        "cats": paint(history, "小猫", 2),
        "pears": paint(history, "pear", 1, "other", (apples[0],)),
    }


def shown(gallery: Gallery, **filters: Any) -> list[str]:
    return [image.id for image in gallery.page(Filters(**filters)).images]


def test_pages_are_newest_first_and_follow_each_other(gallery: Gallery) -> None:
    ids = [id for number in range(7) for id in paint(gallery.history, f"apple {number}")][::-1]
    seen, before = [], None
    for total in (7, None, None):
        page = gallery.page(limit=3, before=before)
        assert page.total == total
        seen += [image.id for image in page.images]
        before = page.next
    assert (seen, before) == (ids, None)


def test_each_filter_narrows(gallery: Gallery, made: dict[str, list[str]]) -> None:
    (apple, spare), (cat, _), (pear,) = made["apples"], made["cats"], made["pears"]
    gallery.star([spare])
    gallery.tag([cat], "pet")
    shelf = gallery.new_collection("Fruit / <b>best</b>")
    gallery.collect([apple, pear], shelf)
    now = datetime.now(UTC)
    assert shown(gallery) == [pear, cat, spare, apple]
    assert shown(gallery, everything=True) == [pear, *made["cats"][::-1], spare, apple]
    assert shown(gallery, starred=True) == [spare]
    assert shown(gallery, query="apple") == [spare, apple]
    assert shown(gallery, query="猫") == [cat]
    assert shown(gallery, query="pet") == [cat]
    assert shown(gallery, kinds=("complete",)) == [pear]
    assert shown(gallery, models=("fake",), styles=("noto",)) == [cat, spare, apple]
    assert shown(gallery, models=("fake' OR 1",)) == []
    assert shown(gallery, tag="pet") == [cat]
    assert shown(gallery, collection_id=shelf) == [pear, apple]
    assert shown(gallery, since=now - timedelta(minutes=5), until=now + timedelta(minutes=5)) == shown(gallery)
    assert shown(gallery, since=now + timedelta(minutes=5)) == shown(gallery, until=now - timedelta(days=1)) == []
    assert shown(gallery, min_percentile=50) == [pear, cat, spare, apple]
    assert shown(gallery, min_percentile=50.1) == []
    assert shown(gallery, query='"') == []


def test_facets_count_what_each_choice_would_show(gallery: Gallery, made: dict[str, list[str]]) -> None:
    gallery.tag(made["apples"], "fruit")
    gallery.star(made["cats"][:1])
    facets = gallery.facets(Filters(models=("other",)))
    assert (facets.models, facets.kinds, facets.starred) == ({"fake": 2, "other": 1}, {"complete": 1}, 0)
    assert gallery.facets().tags == {"fruit": 1}
    assert gallery.facets().starred == 1


def test_trash_hides_protects_and_comes_back(gallery: Gallery, made: dict[str, list[str]]) -> None:
    apple, spare = made["apples"]
    gallery.star([spare])
    everything = shown(gallery)
    trashed = gallery.trash([apple, spare, "nothing"])
    assert (trashed.count, trashed.protected) == (1, 1)
    assert apple not in shown(gallery, everything=True)
    assert shown(gallery, trashed=True) == [apple]
    assert gallery.image(apple).trashed
    with pytest.raises(NotFound):
        gallery.history.image(apple)
    assert [row.id for row in gallery.history.job_images(gallery.image(apple).job_id)] == [spare]
    assert gallery.undo(trashed.batch) == 1
    assert shown(gallery) == everything
    assert gallery.trash([spare], include_starred=True).count == 1
    assert gallery.restore([spare]) == 1


def test_purging_removes_rows_and_files_of_the_trash_alone(gallery: Gallery, made: dict[str, list[str]]) -> None:
    apple, (pear,) = made["apples"][0], made["pears"]
    path = gallery.history.image_path(apple)
    assert gallery.purge([apple]).count == 0
    gallery.trash([apple, pear])
    assert gallery.in_trash().count == 2
    assert gallery.in_trash().bytes > 0
    gone = gallery.purge([apple])
    assert (gone.count, path.exists()) == (1, False)
    assert gone.bytes > 0
    assert gallery.purge().count == 1
    assert check_history(gallery.settings) == []


def test_what_is_in_the_trash_is_sound_to_the_doctor(gallery: Gallery, made: dict[str, list[str]]) -> None:
    gallery.trash(made["cats"])
    assert check_history(gallery.settings) == []


def test_tags_are_found_renamed_merged_and_deleted(gallery: Gallery, made: dict[str, list[str]]) -> None:
    apple, cat = made["apples"][0], made["cats"][0]
    assert gallery.tag([apple, cat], " my   水果 ") == 2
    assert gallery.tag([apple], "my 水果") == 0
    gallery.tag([cat], "pet")
    assert shown(gallery, query="果") == [cat, apple]
    assert gallery.rename_tag("my 水果", "pet") == 2
    assert gallery.tags() == {"pet": 2}
    assert shown(gallery, query="果") == []
    assert shown(gallery, query="pet") == [cat, apple]
    assert gallery.labels(cat).tags == ("pet",)
    assert gallery.untag([apple], "pet") == 1
    assert gallery.delete_tag("pet") == 1
    assert gallery.tags() == {}
    with pytest.raises(NotFound):
        gallery.rename_tag("pet", "cat")
    assert check_history(gallery.settings) == []


@pytest.mark.parametrize("tag", ["x" * 10_000, "", " \n", "a\u0000b", "\ud800", "a\u202eb"])
def test_tags_that_are_none_are_refused(gallery: Gallery, made: dict[str, list[str]], tag: str) -> None:
    with pytest.raises(RequestError):
        gallery.tag(made["apples"], tag)
    assert gallery.tags() == {}


def test_collections_are_renamed_merged_and_deleted(gallery: Gallery, made: dict[str, list[str]]) -> None:
    apple, cat = made["apples"][0], made["cats"][0]
    best, odd = gallery.new_collection("Best"), gallery.new_collection("../<script>alert(1)</script>")
    assert gallery.collect([apple, cat, "nothing"], best) == 2
    assert gallery.collect([apple], best) == 0
    gallery.collect([apple], odd)
    with pytest.raises(RequestError, match="taken"):
        gallery.new_collection("Best")
    with pytest.raises(RequestError, match="taken"):
        gallery.rename_collection(odd, "Best")
    assert {view.name: (view.count, view.cover) for view in gallery.collections()} == {
        "Best": (2, cat),
        "../<script>alert(1)</script>": (1, apple),
    }
    assert gallery.rename_collection(odd, "Best", merge=True) == best
    assert [(view.id, view.count) for view in gallery.collections()] == [(best, 2)]
    assert gallery.uncollect([cat], best) == 1
    gallery.delete_collection(best)
    assert shown(gallery) != []
    with pytest.raises(NotFound):
        gallery.collect([cat], best)


def test_searches_are_saved_and_opened(gallery: Gallery) -> None:
    filters = Filters("苹果 <b>", starred=True, kinds=("complete",), since=datetime(2026, 1, 2, tzinfo=UTC))
    search_id = gallery.save_search("Mine", filters)
    assert gallery.open_search(search_id) == filters
    with pytest.raises(RequestError, match="taken"):
        gallery.save_search("Mine", filters)
    assert [search.name for search in gallery.saved_searches()] == ["Mine"]
    gallery.delete_search(search_id)
    with pytest.raises(NotFound):
        gallery.open_search(search_id)


def test_a_search_of_an_older_version_opens_and_of_a_newer_one_says_so() -> None:
    assert Filters.from_json("red apple") == Filters(query="red apple")
    with pytest.raises(RequestError, match="version 99"):
        Filters.from_json(json.dumps({"version": 99, "filters": {}}))


@pytest.mark.parametrize(
    "values",
    [
        {"nonsense": 1},
        {"query": 5},
        {"query": "x" * 10_000},
        {"starred": "yes"},
        {"kinds": "generate"},
        {"kinds": [1]},
        {"since": "soon"},
        {"min_percentile": float("nan")},
        [],
    ],
)
def test_filters_that_are_none_are_refused(values: object) -> None:
    with pytest.raises(RequestError):
        Filters.from_dict(values)
