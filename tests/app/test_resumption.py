"""A job that ended early goes on with what it lacks, and comes out as it would have at once; or it begins anew."""

from dataclasses import replace

import pytest

from app.studio import JobView, Studio
from dalle_core.errors import RequestError
from tests.app.conftest import StartStudio, painted, quick_model, request, wait_until, watched
from tests.app.test_follow import followed
from tests.app.test_killed import tokens
from tests.fakes import QUICK_SPEC, FakeModel

SLOW = 0.02  # seconds a digit


def stopped_midway(studio: Studio, model: FakeModel, count: int = 8) -> JobView:
    """A job that was stopped after its first pictures."""
    model.step_seconds = SLOW
    job_id = studio.submit(request(count=count))
    wait_until(lambda: studio.job(job_id).finished > 0)
    studio.cancel(job_id)
    wait_until(lambda: studio.job(job_id).final)
    model.step_seconds = 0.0
    return studio.job(job_id)


def image_ids(view: JobView) -> dict[int, str | None]:
    return {tile.index: tile.image_id for tile in view.tiles}


def test_only_the_rest_is_painted_and_all_are_ranked_together(start_studio: StartStudio) -> None:
    model = quick_model()
    studio = start_studio(model)
    view = stopped_midway(studio, model)
    assert 0 < view.finished < 8
    studio.star(view.tiles[0].image_id or "", True)
    views = watched(studio, studio.requeue(view.id))
    done = views[-1]
    running = [each for each in views if each.status == "running" and each.rows]
    assert all(each.finished >= view.finished for each in running)
    assert (done.id, done.status, done.finished) == (view.id, "done", 8)
    assert image_ids(view).items() <= image_ids(done).items()
    assert sorted(tile.rank or 0 for tile in done.tiles) == list(range(1, 9))
    assert sum(tile.kept for tile in done.tiles) == 2
    assert [tile.starred for tile in sorted(done.tiles, key=lambda tile: tile.index)] == [True] + [False] * 7
    assert tokens(studio, done) == tokens(studio, painted(studio, count=8))


def test_a_batch_of_which_some_was_written_keeps_that_and_gets_the_others(start_studio: StartStudio) -> None:
    model = quick_model()
    studio = start_studio(model)
    view = stopped_midway(studio, model)
    with studio.history.writing() as writer:  # as a kill between two of a batch's files leaves it
        writer.execute("DELETE FROM images WHERE id = ?", (view.tiles[1].image_id,))
    done = watched(studio, studio.requeue(view.id))[-1]
    assert image_ids(done)[0] == view.tiles[0].image_id
    assert image_ids(done)[1] not in {None, view.tiles[1].image_id}
    assert tokens(studio, done) == tokens(studio, painted(studio, count=8))


def test_a_page_that_follows_sees_it_wait_and_go_on(start_studio: StartStudio) -> None:
    model = quick_model()
    studio = start_studio(model)
    view = stopped_midway(studio, model)
    model.step_seconds = SLOW
    other = studio.submit(request("a pear", count=16))
    wait_until(lambda: studio.running_job() == other)
    news = followed(
        studio, lambda news: any(each.id == view.id for each in news[-1].jobs), lambda: studio.requeue(view.id)
    )
    told = next(each for each in news[-1].jobs if each.id == view.id)
    assert (told.status, told.finished, told.started) == ("queued", view.finished, None)
    assert [each.id for each in studio.queue()] == [view.id]


@pytest.mark.parametrize("change", ["weights", "version", "device", "file", "trash"])
def test_it_begins_anew_where_the_rest_would_not_come_out_as_it_would_have(
    start_studio: StartStudio, change: str
) -> None:
    model = quick_model()
    studio = start_studio(model)
    view = stopped_midway(studio, model)
    first = view.tiles[0].image_id or ""
    if change == "weights":
        model.spec = replace(QUICK_SPEC, sha256="0" * 64)
    elif change == "file":
        studio.image_path(first).unlink()
    else:
        sql = {
            "version": "UPDATE jobs SET app_version = '0' WHERE id = ?",
            "device": "UPDATE jobs SET device = 'cuda' WHERE id = ?",
            "trash": "UPDATE images SET trashed_at = '2026-01-01' WHERE job_id = ?",
        }[change]
        with studio.history.writing() as writer:
            writer.execute(sql, (view.id,))
    again = studio.requeue(view.id)
    assert again != view.id
    assert studio.job(view.id).resolved
    done = watched(studio, again)[-1]
    assert (done.status, done.finished) == ("done", 8)


def test_what_vanishes_while_it_waits_is_told_and_then_it_begins_anew(start_studio: StartStudio) -> None:
    model = quick_model()
    studio = start_studio(model)
    view = stopped_midway(studio, model)
    model.step_seconds = SLOW
    other = studio.submit(request("a pear", count=16))
    studio.requeue(view.id)
    studio.image_path(view.tiles[0].image_id or "").unlink()
    studio.cancel(other)
    failed = watched(studio, view.id)[-1]
    assert failed.status == "failed"
    assert "Paint it again to begin anew" in (failed.error or "")
    model.step_seconds = 0.0
    assert watched(studio, studio.requeue(view.id))[-1].status == "done"


def test_one_that_lacks_only_its_ranks_gets_them(studio: Studio) -> None:
    view = painted(studio)
    with studio.history.writing() as writer:
        writer.execute("DELETE FROM scores")
        writer.execute("UPDATE jobs SET status = 'interrupted'")
    done = watched(studio, studio.requeue(view.id))[-1]
    assert done.status == "done"
    assert [(tile.image_id, tile.rank, tile.kept) for tile in done.tiles] == [
        (tile.image_id, tile.rank, tile.kept) for tile in view.tiles
    ]


def test_a_full_queue_takes_no_job_back(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    view = painted(studio)
    with studio.history.writing() as writer:
        writer.execute("UPDATE jobs SET status = 'failed'")
    monkeypatch.setattr("app.studio.MAX_QUEUED", 0)
    with pytest.raises(RequestError, match="waiting already"):
        studio.requeue(view.id)
    assert studio.job(view.id).status == "failed"
