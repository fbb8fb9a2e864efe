"""What the page may ask about the gallery: any JSON is answered, and nothing but what was meant is changed."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.gallery import Gallery
from app.history import History
from app.settings import Settings
from app.studio import Studio
from app.ui.baskets import MOST, Baskets
from app.ui.browser_calls import browser_calls
from app.ui.gallery_calls import PAGE, gallery_calls
from app.worker import Bell
from tests.app.histories import dump, paint

Calls = dict[str, Callable[[Any], Any]]
UNKNOWN = "01" + "A" * 24
WANT_A_STUDIO = {"mark_picture", "reproduce_picture", "branch_picture", "vary_picture", "departures"}


@pytest.fixture
def gallery(settings: Settings) -> Iterator[Gallery]:
    history = History(settings, owner=True)
    yield Gallery(history, settings, Bell())
    history.close()


@pytest.fixture
def calls(gallery: Gallery) -> Calls:
    studio = cast(Studio, SimpleNamespace(gallery=gallery, reproduction=lambda image_id: None))
    found = [*browser_calls(studio), *gallery_calls(studio, Baskets())]
    return {call.__name__: call for call in found if call.__name__ not in WANT_A_STUDIO}


@pytest.mark.parametrize(
    "asked",
    [
        None,
        "words",
        [1, 2],
        {"images": "all", "image": 7, "tag": ["x"], "name": {}, "filters": "trashed", "before": 3},
        {"images": [None, "../../x", UNKNOWN], "image": "' OR 1", "filters": {"query": 5}, "batch": "%", "all": "yes"},
        {"images": [UNKNOWN] * 6000, "filters": {"like": "\0", "since": "yesterday"}, "collection": UNKNOWN},
    ],
)
def test_whatever_is_asked_is_answered_and_changes_nothing(
    gallery: Gallery, calls: Calls, settings: Settings, asked: Any
) -> None:
    paint(gallery.history, "apple")
    before = dump(settings)
    for name, call in calls.items():
        assert isinstance(call(asked), dict), name
    assert dump(settings) == before


def test_a_download_of_nothing_is_refused_before_the_browser_asks_for_it(gallery: Gallery, calls: Calls) -> None:
    (image_id,) = paint(gallery.history, "apple")
    assert calls["prepare_zip"]({"images": [UNKNOWN, image_id]}).keys() == {"zip"}
    gallery.trash([image_id])
    for images, code in (([], "bad_request"), ([UNKNOWN, image_id], "not_found")):
        assert calls["prepare_zip"]({"images": images})["code"] == code


def test_a_comparison_of_one_says_that_it_takes_two(gallery: Gallery, calls: Calls) -> None:
    image_ids = paint(gallery.history, "apple", 3)
    assert "rows" in calls["compare_pictures"]({"images": image_ids[:2]})
    for chosen in ([], image_ids[:1], image_ids, image_ids[:1] * 2):
        assert calls["compare_pictures"]({"images": chosen})["error"] == "Choose two different pictures to compare."


def test_a_page_tells_its_total_and_what_is_not_shown(gallery: Gallery, calls: Calls) -> None:
    for number in range(PAGE + 1):
        paint(gallery.history, f"apple {number}", 2)
    first = calls["gallery_page"]({"filters": {}})
    assert (len(first["images"]), first["total"], first["hidden"]) == (PAGE, PAGE + 1, 0)
    second = calls["gallery_page"]({"filters": {}, "before": first["next"]})
    assert (len(second["images"]), second["next"]) == (1, None)
    for image in gallery.page(limit=500).images:
        gallery.trash([image.id])
    assert calls["gallery_page"]({"filters": {}})["hidden"] == PAGE + 1  # the candidates that nobody kept


def test_only_the_word_all_empties_the_trash(gallery: Gallery, calls: Calls) -> None:
    ids = [paint(gallery.history, name)[0] for name in ("one", "two")]
    gallery.trash(ids)
    unsaid: list[dict[str, object]] = [{}, {"images": []}, {"all": "true"}, {"all": 1}]
    for asked in unsaid:
        assert "error" in calls["purge_pictures"](asked)
    assert calls["purge_pictures"]({"images": ids[:1]}) == {"count": 1}
    assert calls["purge_pictures"]({"all": True}) == {"count": 1}


def test_a_saved_search_comes_back_as_the_page_sent_it(gallery: Gallery, calls: Calls) -> None:
    filters = {"query": "猫", "kinds": ["generate"], "since": "2026-01-31T00:00:00+00:00", "min_percentile": 40}
    search = calls["save_search"]({"name": "Cats", "filters": filters})["search"]
    assert calls["open_search"]({"search": search}) == {"filters": filters}


def test_a_basket_holds_what_was_put_in_until_many_came_after() -> None:
    baskets = Baskets()
    first = baskets.fill([UNKNOWN])
    assert baskets.get(first) == (UNKNOWN,)
    for _ in range(MOST):
        baskets.fill([UNKNOWN])
    assert (baskets.get(first), baskets.get("unknown")) == (None, None)
