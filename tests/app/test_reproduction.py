"""Painting one picture again by its own recipe, and saying whether it is the same."""

import sqlite3

import pytest
from PIL import Image

from app.errors import RecipeError
from app.recipes import read_recipe, to_png
from app.studio import NotFound, Studio
from app.views import Reproduction
from tests.app.conftest import StartStudio, painted, quick_model, wait_until, watched


def reproduced(studio: Studio, image_id: str) -> Reproduction:
    watched(studio, studio.reproduce(image_id))
    reproduction = studio.reproduction(image_id)
    assert reproduction is not None
    return reproduction


def test_every_candidate_comes_out_the_same_in_its_own_slot_of_as_wide_a_batch(studio: Studio) -> None:
    view = painted(studio, count=5, batch_width=3)
    for tile in view.tiles:
        assert tile.image_id is not None
        assert studio.reproduction(tile.image_id) is None
        again = reproduced(studio, tile.image_id)
        assert again.identical
        assert (again.job.status, again.job.kind, again.changes) == ("done", "reproduce", ())
        assert (again.job.request.batch_width, again.job.request.slot) == (3, tile.index % 3)


def test_the_new_picture_is_not_among_what_is_kept(studio: Studio) -> None:
    view = painted(studio, count=1, keep=1)
    again = reproduced(studio, view.tiles[0].image_id or "")
    assert [picture.id for picture in studio.images()] == [view.tiles[0].image_id]
    assert again.image_id in [picture.id for picture in studio.images(kept_only=False)]
    assert reproduced(studio, again.image_id or "").identical


def test_other_weights_are_told(start_studio: StartStudio) -> None:
    studio = start_studio()
    image_id = painted(studio, count=1, keep=1).tiles[0].image_id or ""
    connection = sqlite3.connect(studio.settings.database)
    with connection:
        connection.execute("UPDATE jobs SET model_sha256 = 'older', app_version = '0.0', device = 'cuda:0, PyTorch 1'")
        tokens = read_recipe(studio.image_path(image_id)).tokens
        connection.execute("UPDATE images SET tokens = zeroblob(?)", (4 * len(tokens),))
    connection.close()
    again = reproduced(studio, image_id)
    assert not again.identical
    assert again.same_pixels
    assert again.tokens_differ == sum(token != 0 for token in tokens)
    assert len(again.changes) == 3
    assert "cuda:0, PyTorch 1" in again.changes[2]


def test_one_changed_pixel_is_seen(studio: Studio) -> None:
    image_id = painted(studio, count=1, keep=1).tiles[0].image_id or ""
    path = studio.image_path(image_id)
    recipe = read_recipe(path)
    with Image.open(path) as image:
        changed = image.convert("RGB")
    red, green, blue = changed.getpixel((5, 5))  # type: ignore[misc]
    changed.putpixel((5, 5), ((red + 1) % 256, green, blue))
    path.write_bytes(to_png(changed, recipe))
    again = reproduced(studio, image_id)
    assert (again.identical, again.tokens_differ, again.same_pixels) == (False, 0, False)


def test_what_is_not_there_or_has_no_recipe_is_refused(studio: Studio) -> None:
    with pytest.raises(NotFound):
        studio.reproduce("nothing")
    image_id = painted(studio, count=1, keep=1).tiles[0].image_id or ""
    path = studio.image_path(image_id)
    Image.new("RGB", (64, 64)).save(path)
    with pytest.raises(RecipeError, match="no Dalle Studio recipe"):
        studio.reproduce(image_id)


def test_one_that_was_stopped_has_no_picture_to_compare(start_studio: StartStudio) -> None:
    model = quick_model()
    studio = start_studio(model)
    image_id = painted(studio, count=1, keep=1).tiles[0].image_id or ""
    model.step_seconds = 0.02
    job_id = studio.reproduce(image_id)
    wait_until(lambda: studio.running_job() == job_id)
    studio.cancel(job_id)
    wait_until(lambda: studio.job(job_id).final)
    again = studio.reproduction(image_id)
    assert again is not None
    assert (again.image_id, again.identical, again.job.status) == (None, False, "cancelled")
    model.step_seconds = 0.0
    assert watched(studio, studio.requeue(job_id))[-1].kind == "reproduce"
    again = studio.reproduction(image_id)
    assert again is not None
    assert again.identical


def test_a_star_is_seen_in_the_job_and_in_the_history(studio: Studio) -> None:
    view = painted(studio)
    rest = view.tiles[-1].image_id or ""
    studio.star(rest, True)
    assert [tile.starred for tile in studio.job(view.id).tiles] == [False, False, False, True]
    assert rest in [picture.id for picture in studio.images()]
    studio.star(rest, False)
    assert rest not in [picture.id for picture in studio.images()]
    assert studio.job(view.id) == view
