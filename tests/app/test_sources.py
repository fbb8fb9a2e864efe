"""What a completion starts from, and what comes of it: tokens that stay, pictures that know where they came from."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.errors import NotFound
from app.history import Edge
from app.recipes import read_recipe
from app.sources import MAX_EDGE, MAX_UPLOAD_BYTES, PREVIEW_EDGE, UPLOADS_KEPT
from app.studio import Crop, JobView, Source, Studio
from dalle_core.errors import CheckpointError, ImageError, RequestError
from tests.app.conftest import StartStudio, painted, quick_model, request, wait_until, watched
from tests.fakes import QUICK_SPEC, FakeModel, fake_settings

ROWS, COLS = QUICK_SPEC.rows, QUICK_SPEC.cols
RED, BLUE = 7 * 64, 7  # the fake model's tokens of pure colours


def picture(width: int = 32, height: int = 32, top: str = "red", bottom: str = "blue") -> Image.Image:
    image = Image.new("RGB", (width, height), top)
    image.paste(bottom, (0, height // 2, width, height))
    return image


def file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def completed(studio: Studio, source: Source, rows: int, **values: Any) -> JobView:
    return watched(studio, studio.complete(request("a boat", **values), source, rows))[-1]


def tokens_of(studio: Studio, view: JobView) -> list[tuple[int, ...]]:
    return [studio.history.image(tile.image_id).tokens for tile in view.tiles if tile.image_id]


def first_picture(studio: Studio) -> str:
    image_id = painted(studio).tiles[0].image_id
    assert image_id is not None
    return image_id


def test_a_file_becomes_tokens_and_the_picture_they_make(studio: Studio) -> None:
    source = studio.prepare_source(file(picture()))
    assert source.tokens == (RED,) * (2 * COLS) + (BLUE,) * (2 * COLS)
    assert (source.rows, source.cols, source.parent_id, source.exact) == (ROWS, COLS, None, False)
    for png in (source.square, source.reconstruction):
        assert opened(png).size == (64, 64)
        assert opened(png).convert("RGB").getpixel((32, 60)) == (0, 0, 255)


@pytest.mark.parametrize(
    ("crop", "tokens"),
    [
        (Crop(), (RED, RED, BLUE, BLUE)),  # of 32 × 64, half red and half blue, the middle square is half and half
        (Crop(y=0), (RED,) * 4),
        (Crop(y=1), (BLUE,) * 4),
        (Crop(y=0.75, side=0.5), (BLUE,) * 4),
    ],
)
def test_the_chosen_square_is_what_is_encoded(studio: Studio, crop: Crop, tokens: tuple[int, ...]) -> None:
    source = studio.prepare_source(file(picture(32, 64)), crop=crop)
    assert source.tokens[::COLS] == tokens


def test_a_letterbox_shows_the_whole_picture(studio: Studio) -> None:
    wide = studio.prepare_source(file(picture(64, 32)), crop=Crop(letterbox=True))
    assert wide.tokens[::COLS] == (RED, RED, BLUE, BLUE)


@pytest.mark.parametrize("values", [{"x": -0.1}, {"y": 1.1}, {"side": 0.0}, {"side": float("nan")}])
def test_a_square_outside_the_picture_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="of the square is"):
        Crop(**values)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_the_kept_rows_come_back_token_for_token(studio: Studio, rows: int) -> None:
    source = studio.prepare_source(file(Image.effect_noise((32, 32), 90)))
    view = completed(studio, source, rows)
    assert (view.status, view.kind, view.kept_rows, view.finished) == ("done", "complete", rows, 4)
    assert view.request.prefix_tokens == source.tokens[: rows * COLS]
    results = tokens_of(studio, view)
    assert len(results) == 4
    assert all(tokens[: rows * COLS] == source.tokens[: rows * COLS] for tokens in results)
    assert len(set(results)) == 4


def test_a_picture_of_ours_keeps_its_own_tokens_and_becomes_the_parent(studio: Studio) -> None:
    parent = first_picture(studio)
    source = studio.prepare_source(image_id=parent)
    assert source.tokens == studio.history.image(parent).tokens
    assert (source.exact, source.parent_id) == (True, parent)
    assert opened(source.square).size == opened(source.reconstruction).size
    view = completed(studio, source, 1)
    for tile in view.tiles:
        assert tile.image_id is not None
        assert studio.history.edges(tile.image_id) == [Edge(parent, "complete", 1)]
        assert studio.image(tile.image_id).kept_rows == 1
        recipe = read_recipe(studio.image_path(tile.image_id))
        assert recipe.parents == (parent,)
        assert recipe.request.prefix_tokens == recipe.tokens[:COLS] == source.tokens[:COLS]
    assert studio.history.edges(parent) == []


def test_our_own_file_is_known_by_its_bytes(studio: Studio) -> None:
    parent = first_picture(studio)
    data = studio.image_path(parent).read_bytes()
    assert studio.prepare_source(data) == studio.prepare_source(image_id=parent)
    upload = studio.take_upload(data)
    assert upload.image_id == parent
    assert studio.prepare_source(upload_id=upload.id).parent_id == parent


def test_a_part_of_our_own_picture_is_encoded_but_still_comes_from_it(studio: Studio) -> None:
    parent = first_picture(studio)
    source = studio.prepare_source(image_id=parent, crop=Crop(0, 0, 0.5))
    assert (source.exact, source.parent_id) == (False, parent)


def test_tokens_of_another_model_are_not_taken_over(start_studio: StartStudio) -> None:
    parent = first_picture(start_studio())
    other = replace(QUICK_SPEC, sha256="e" * 64)
    studio = start_studio(FakeModel(spec=other))
    source = studio.prepare_source(image_id=parent)
    assert (source.exact, source.parent_id, source.model_sha256) == (False, parent, other.sha256)


def test_kept_rows_of_another_model_are_not_painted_on(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=0.02))
    source = studio.prepare_source(file(picture()))
    studio.submit(request())
    waiting = studio.complete(request(), source, 2)
    assert studio.job(waiting).kept_rows == 2
    studio = start_studio(FakeModel(spec=replace(QUICK_SPEC, sha256="e" * 64)))
    view = watched(studio, waiting)[-1]
    assert view.status == "failed"
    assert "another version of fake" in str(view.error)
    assert painted(studio).status == "done"


def test_kept_rows_of_another_model_are_refused_at_once_where_it_is_known(studio: Studio) -> None:
    wait_until(lambda: studio.model_status().state == "ready")
    with pytest.raises(RequestError, match="another version of fake"):
        studio.submit(request(prefix_tokens=(0,) * COLS), model_sha256="e" * 64)
    assert studio.queue() == []


@pytest.mark.parametrize("rows", [-1, 0, ROWS, ROWS + 1])
def test_rows_out_of_range_name_the_range_and_queue_nothing(studio: Studio, rows: int) -> None:
    source = studio.prepare_source(file(picture()))
    with pytest.raises(RequestError, match=f"^{rows} rows are to be kept; expected a number from 1 to {ROWS - 1}"):
        studio.complete(request(), source, rows)
    assert studio.queue() == []


def test_a_completion_that_is_queued_again_is_still_one(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=0.02))
    parent = first_picture(studio)
    source = studio.prepare_source(image_id=parent)
    job_id = studio.complete(request(), source, 2)
    studio.cancel(job_id)
    view = watched(studio, studio.requeue(job_id))[-1]
    assert (view.status, view.kind, view.kept_rows, view.source_id) == ("done", "complete", 2, parent)
    assert all(tokens[: 2 * COLS] == source.top(2) for tokens in tokens_of(studio, view))


def test_the_kept_rows_are_shown_before_the_first_is_written(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=0.02))
    source = studio.prepare_source(file(picture()))
    job_id = studio.complete(request(count=1, keep=1), source, 2)
    wait_until(lambda: studio.job(job_id).preview_row > 0)
    assert studio.job(job_id).kept_rows == 2
    png = studio.preview(job_id, 0)
    assert png is not None
    assert np.asarray(opened(png).convert("RGB"))[:32].reshape(-1, 3).tolist() == [[255, 0, 0]] * (32 * 64)
    studio.cancel(job_id)


def test_a_source_does_not_wait_for_the_job_that_is_painted(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=0.05))
    job_id = studio.submit(request(count=16))
    wait_until(lambda: studio.running_job() == job_id)
    assert studio.prepare_source(file(picture())).tokens[0] == RED
    assert studio.job(job_id).finished < 16
    assert studio.running_job() == job_id
    studio.cancel(job_id)


def test_an_errand_between_two_steps_changes_nothing_in_the_job(start_studio: StartStudio) -> None:
    studio = start_studio()
    alone = tokens_of(studio, painted(studio))
    studio = start_studio(quick_model(step_seconds=0.005))
    job_id = studio.submit(request())
    wait_until(lambda: studio.running_job() == job_id)
    studio.prepare_source(file(picture()))
    assert tokens_of(studio, watched(studio, job_id)[-1]) == alone


def test_without_a_model_the_reason_is_told(tmp_path: Path) -> None:
    def missing(folder: object, device: object) -> FakeModel:
        raise CheckpointError("The model is not there.")

    studio = Studio(fake_settings(tmp_path), load_model=missing)
    studio.start()
    try:
        with pytest.raises(CheckpointError, match="is not there"):
            studio.prepare_source(file(picture()))
    finally:
        studio.close()


def test_a_model_that_cannot_see_completes_only_its_own(start_studio: StartStudio) -> None:
    studio = start_studio(FakeModel(spec=replace(QUICK_SPEC, can_encode=False)))
    with pytest.raises(RequestError, match="fake cannot turn pictures into tokens"):
        studio.prepare_source(file(picture()))
    assert completed(studio, studio.prepare_source(image_id=first_picture(studio)), 1).status == "done"


def test_one_picture_is_asked_for_and_it_must_be_there(studio: Studio) -> None:
    both: dict[str, Any] = {"data": b"x", "image_id": "x"}
    for given in ({}, both):
        with pytest.raises(RequestError, match="Give one picture"):
            studio.prepare_source(**given)
    with pytest.raises(NotFound):
        studio.prepare_source(image_id="nothing")
    with pytest.raises(NotFound, match="Choose it again"):
        studio.prepare_source(upload_id="nothing")


def test_uploads_are_bounded(studio: Studio) -> None:
    with pytest.raises(ImageError, match="at most 32 are read"):
        studio.take_upload(b"x" * (MAX_UPLOAD_BYTES + 1))
    first = studio.take_upload(file(Image.new("L", (3 * MAX_EDGE, 10))))
    assert first.image.size == (MAX_EDGE, 3)
    assert opened(studio.upload_preview(first.id)).size == (PREVIEW_EDGE, 2)
    for _ in range(UPLOADS_KEPT):
        last = studio.take_upload(file(picture()))
    assert last.id != first.id
    with pytest.raises(NotFound):
        studio.upload_preview(first.id)


def test_a_bad_upload_leaves_the_others(studio: Studio) -> None:
    good = studio.take_upload(file(picture()))
    with pytest.raises(ImageError, match="SVG"):
        studio.take_upload(b"<svg></svg>")
    assert studio.upload_preview(good.id)
