"""Variations of a picture: where they come from, how they are ranked, how they depart, and how they are repeated."""

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import doctor
from app.errors import NotFound
from app.history import Edge, History
from app.recipes import read_recipe
from app.studio import JobView, Source, Studio
from app.variations import COUNT, MORE_LIKE_THIS
from app.views import VARIATION
from dalle_core.errors import RequestError
from tests.app.conftest import StartStudio, painted, quick_model, request, watched
from tests.app.test_sources import file, first_picture, opened, picture, tokens_of
from tests.fakes import QUICK_SPEC

FAINT = 0.05  # the fake model is sure of itself: nearly all stays


def varied(studio: Studio, source: Source, strength: float = 0.5, prompt: str = "a boat", **values: Any) -> JobView:
    job_id = studio.variations.start(request(prompt, strength=strength, **values), source)
    return watched(studio, job_id)[-1]


def same(studio: Studio, view: JobView, source: Source) -> int:
    return sum(a == b for row in tokens_of(studio, view) for a, b in zip(row, source.tokens, strict=True))


def test_variations_know_their_picture_and_keep_the_less_of_it_the_stronger_they_are(studio: Studio) -> None:
    parent = first_picture(studio)
    source = studio.prepare_source(image_id=parent)
    view = varied(studio, source, 0.3)
    assert (view.kind, view.status, view.source_id) == (VARIATION, "done", parent)
    for tile in view.tiles:
        recipe = read_recipe(studio.image_path(tile.image_id or ""))
        assert recipe.request.source_tokens == source.tokens == studio.history.image(parent).tokens
        assert (recipe.request.strength, recipe.parents) == (0.3, (parent,))
        assert studio.history.edges(tile.image_id or "") == [Edge(parent, VARIATION)]
    kept = [same(studio, varied(studio, source, strength), source) for strength in (FAINT, 0.3, 0.9)]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] > kept[2]


def test_a_foreign_picture_needs_no_words_and_is_ranked_by_likeness(studio: Studio) -> None:
    source = studio.prepare_source(file(picture()))
    view = varied(studio, source, 0.8, prompt="")
    assert (view.ranked_by, view.source_id, view.request.prompt) == ("", None, "")
    assert [tile.rank for tile in view.tiles] == [1, 2, 3, 4]
    assert {tile.percentile for tile in view.tiles} == {None}
    scores = [tile.score or 0 for tile in view.tiles]
    assert scores == sorted(scores, reverse=True)
    assert sum(tile.kept for tile in view.tiles) == 2


def test_they_can_be_ranked_by_words_and_by_likeness_again(studio: Studio) -> None:
    first = varied(studio, studio.prepare_source(file(picture())), prompt="")
    worded = studio.rerank(first.id, "a boat")
    assert worded.ranked_by == "a boat"
    assert {tile.percentile is None for tile in worded.tiles} == {False}
    assert studio.rerank(first.id) == first


def test_likeness_is_found_again_where_it_was_never_asked_for(studio: Studio) -> None:
    first = varied(studio, studio.prepare_source(file(picture())), prompt="", rerank_text="a boat")
    connection = sqlite3.connect(studio.settings.database)
    with connection:
        connection.execute("UPDATE jobs SET request_json = json_set(request_json, '$.rerank_text', NULL)")
    connection.close()
    assert studio.rerank(first.id).ranked_by == ""


def test_a_variation_is_painted_again_to_the_pixel(studio: Studio) -> None:
    view = varied(studio, studio.prepare_source(image_id=first_picture(studio)))
    image_id = view.tiles[1].image_id or ""
    watched(studio, studio.reproduce(image_id))
    again = studio.reproduction(image_id)
    assert again is not None
    assert again.identical


def test_an_earlier_one_is_painted_again_as_it_was_and_more_like_it_as_it_is_now(studio: Studio) -> None:
    source = studio.prepare_source(image_id=first_picture(studio))
    view = varied(studio, source, strength_version=1)
    assert tokens_of(studio, view) != tokens_of(studio, varied(studio, source))
    image_id = view.tiles[1].image_id or ""
    with sqlite3.connect(studio.settings.database) as database:
        database.execute("UPDATE jobs SET request_json = json_remove(request_json, '$.strength_version')")
        database.execute("UPDATE images SET request_json = json_remove(request_json, '$.strength_version')")
    watched(studio, studio.reproduce(image_id))
    again = studio.reproduction(image_id)
    assert again is not None
    assert again.identical
    assert studio.job(studio.variations.more_like(image_id)).request.strength_version == 2


def test_one_that_ended_early_is_queued_again(start_studio: StartStudio) -> None:
    model = quick_model(fail_on="boat")
    studio = start_studio(model)
    parent = first_picture(studio)
    failed = varied(studio, studio.prepare_source(image_id=parent))
    assert failed.status == "failed"
    model.fail_on = ""
    again = watched(studio, studio.requeue(failed.id))[-1]
    assert (again.status, again.kind, again.source_id, again.request) == ("done", VARIATION, parent, failed.request)


def test_more_like_this_takes_the_picture_s_own_words_and_settings(studio: Studio) -> None:
    image_id = painted(studio, "green pear", temperature=0.4, rerank_text="x").tiles[0].image_id or ""
    view = watched(studio, studio.variations.more_like(image_id))[-1]
    asked = view.request
    assert (asked.prompt, asked.temperature, asked.strength, asked.count) == ("green pear", 0.4, MORE_LIKE_THIS, COUNT)
    assert (asked.rerank_text, asked.prefix_tokens) == (None, ())
    assert asked.seed != watched(studio, studio.variations.more_like(image_id, 0.2))[-1].request.seed
    assert studio.history.edges(view.tiles[0].image_id or "") == [Edge(image_id, VARIATION)]
    with pytest.raises(NotFound):
        studio.variations.more_like("nothing")
    with pytest.raises(RequestError, match="strength is 0"):
        studio.variations.more_like(image_id, 0)


def test_more_like_a_picture_from_elsewhere_goes_by_likeness_not_by_its_name(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "holiday.png").write_bytes(file(picture()))
    studio.gallery.import_path(tmp_path / "holiday.png")
    (image,) = studio.images()
    assert (image.prompt, image.imported) == ("holiday", True)
    view = watched(studio, studio.variations.more_like(image.id))[-1]
    assert (view.status, view.request.prompt, view.ranked_by, view.source_id) == ("done", "", "", image.id)


def test_where_a_variation_departs_is_told_token_by_token(studio: Studio) -> None:
    parent = first_picture(studio)
    source = studio.prepare_source(image_id=parent)
    view = varied(studio, source, 0.9)
    for tile in view.tiles:
        there = studio.variations.departure(tile.image_id or "")
        assert there is not None
        assert (there.rows, there.cols) == (QUICK_SPEC.rows, QUICK_SPEC.cols)
        own = studio.history.image(tile.image_id or "").tokens
        assert [share == 0 for share in there.shares] == [a == b for a, b in zip(own, source.tokens, strict=True)]
        assert max(there.shares) <= 1
    assert studio.variations.departure(parent) is None


def test_tokens_that_do_not_fit_have_no_departure(studio: Studio) -> None:
    image_id = varied(studio, studio.prepare_source(file(picture()))).tiles[0].image_id or ""
    for change in (
        "json_set(request_json, '$.source_tokens[0]', 9999999)",
        "json_set(request_json, '$.source_tokens[0]', -1)",
        "json_remove(request_json, '$.source_tokens[0]')",
    ):
        connection = sqlite3.connect(studio.settings.database)
        before = connection.execute("SELECT request_json FROM images WHERE id = ?", (image_id,)).fetchone()
        with connection:
            connection.execute(f"UPDATE images SET request_json = {change} WHERE id = ?", (image_id,))
        assert studio.variations.departure(image_id) is None
        with connection:
            connection.execute("UPDATE images SET request_json = ? WHERE id = ?", (*before, image_id))
        connection.close()
    assert studio.variations.departure(image_id) is not None


def test_the_original_is_shown_as_the_model_has_it(studio: Studio) -> None:
    source = studio.prepare_source(file(picture()))
    view = varied(studio, source)
    assert opened(studio.variations.original(view.id)).tobytes() == opened(source.reconstruction).tobytes()
    with pytest.raises(NotFound, match="varies no picture"):
        studio.variations.original(painted(studio).id)
    with pytest.raises(NotFound):
        studio.variations.original("nothing")


def test_a_lost_database_knows_them_again_from_their_pictures(studio: Studio) -> None:
    parent = first_picture(studio)
    child = varied(studio, studio.prepare_source(image_id=parent)).tiles[0].image_id or ""
    studio.close()
    shutil.rmtree(studio.settings.database.parent)
    assert doctor.mend(studio.settings).is_sound
    history = History(studio.settings, owner=True)
    assert history.edges(child) == [Edge(parent, VARIATION)]
    assert history.job(history.image(child).job_id).kind == VARIATION
    history.close()


def test_tokens_of_other_weights_are_refused(studio: Studio) -> None:
    source = replace(studio.prepare_source(file(picture())), model_sha256="older")
    with pytest.raises(RequestError, match="another version of fake"):
        studio.variations.start(request(strength=0.5), source)


def test_a_variation_of_nothing_is_refused_at_once(studio: Studio) -> None:
    studio.prepare_source(file(picture()))
    with pytest.raises(RequestError, match="no picture to vary"):
        studio.submit(request(strength=0.5))
    with pytest.raises(RequestError, match="prompt is empty"):
        request("", strength=1.0)
    assert studio.queue() == []
