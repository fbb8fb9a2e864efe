"""The queue: filled, reordered and pruned while something is painted; what ended early is queued again."""

import sqlite3

import pytest
from sqlite_utils import Database

from app.history import History
from app.history.migrations import migrations
from app.settings import Settings
from app.studio import NotFound, Studio
from app.views import Move
from dalle_core.errors import RequestError
from dalle_core.request import GenerationRequest
from tests.app.conftest import StartStudio, painted, quick_model, request, wait_until, watched

SLOW = 0.02  # seconds a digit


@pytest.fixture
def busy(start_studio: StartStudio) -> tuple[Studio, list[str]]:
    """A studio that paints one job while four wait; the ids of those that wait."""
    studio = start_studio(quick_model(step_seconds=SLOW))
    running = studio.submit(request(count=32))
    wait_until(lambda: studio.running_job() == running)
    return studio, [studio.submit(request(f"apple {i}", count=1, keep=1)) for i in range(4)]


@pytest.mark.parametrize(
    ("index", "to", "order"),
    [
        (2, "front", [2, 0, 1, 3]),
        (2, "up", [0, 2, 1, 3]),
        (0, "up", [0, 1, 2, 3]),
        (1, "down", [0, 2, 1, 3]),
        (3, "down", [0, 1, 2, 3]),
        (0, "back", [1, 2, 3, 0]),
    ],
)
def test_a_waiting_job_moves(busy: tuple[Studio, list[str]], index: int, to: Move, order: list[int]) -> None:
    studio, jobs = busy
    studio.move(jobs[index], to)
    assert [view.id for view in studio.queue()] == [jobs[i] for i in order]
    assert [view.position_in_queue for view in studio.queue()] == [1, 2, 3, 4]
    assert [studio.job(jobs[i]).position_in_queue for i in order] == [1, 2, 3, 4]


def test_jobs_are_painted_in_the_order_of_the_queue(busy: tuple[Studio, list[str]]) -> None:
    studio, jobs = busy
    studio.move(jobs[3], "front")
    studio.move(jobs[0], "back")
    running = studio.running_job()
    assert running is not None
    studio.cancel(running)
    watched(studio, jobs[0])
    assert [picture.prompt for picture in studio.images()][:4] == ["apple 0", "apple 2", "apple 1", "apple 3"]


def test_a_new_job_goes_behind_all_that_were_moved(busy: tuple[Studio, list[str]]) -> None:
    studio, jobs = busy
    studio.move(jobs[0], "back")
    late = studio.submit(request("pear", count=1, keep=1))
    assert [view.id for view in studio.queue()] == [*jobs[1:], jobs[0], late]


def test_the_queue_is_cleared_and_what_is_painted_goes_on(busy: tuple[Studio, list[str]]) -> None:
    studio, jobs = busy
    running = studio.running_job()
    studio.cancel(jobs[1])
    assert studio.clear_queue() == [jobs[0], *jobs[2:]]
    assert studio.queue() == []
    assert {studio.job(job_id).status for job_id in jobs} == {"cancelled"}
    assert studio.running_job() == running


def test_what_does_not_wait_cannot_be_moved(busy: tuple[Studio, list[str]]) -> None:
    studio, jobs = busy
    running = studio.running_job()
    assert running is not None
    studio.cancel(jobs[0])
    for job_id in (running, jobs[0], "nothing", "\ud800"):
        with pytest.raises(NotFound):
            studio.move(job_id, "front")
    assert [view.id for view in studio.queue()] == jobs[1:]


def test_what_ended_early_waits_once_more_behind_the_others(busy: tuple[Studio, list[str]]) -> None:
    studio, jobs = busy
    studio.cancel(jobs[0])
    before = studio.job(jobs[0])
    assert studio.requeue(jobs[0]) == jobs[0]
    assert [view.id for view in studio.queue()] == [*jobs[1:], jobs[0]]
    assert studio.job(jobs[0]).request == before.request
    studio.clear_queue()
    running = studio.running_job()
    assert running is not None
    studio.cancel(running)
    assert watched(studio, studio.requeue(jobs[0]))[-1].status == "done"
    with pytest.raises(RequestError, match="only one that ended early"):
        studio.requeue(jobs[0])


def test_a_failed_job_is_queued_again(start_studio: StartStudio) -> None:
    model = quick_model(fail_on="apple")
    studio = start_studio(model)
    failed = painted(studio)
    assert failed.status == "failed"
    model.fail_on = ""
    assert watched(studio, studio.requeue(failed.id))[-1].status == "done"


def test_an_interrupted_job_is_brought_up_until_it_is_dealt_with(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=SLOW))
    first = studio.submit(request(count=32))
    wait_until(lambda: studio.job(first).finished > 0)
    studio = start_studio()
    assert [(view.id, view.status) for view in studio.interrupted()] == [(first, "interrupted")]
    again = studio.requeue(first)
    assert watched(studio, again)[-1].status == "done"
    assert studio.interrupted() == []


def test_an_interrupted_job_can_be_dismissed(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=SLOW))
    job_id = studio.submit(request(count=32))
    wait_until(lambda: studio.running_job() == job_id)
    studio = start_studio()
    studio.dismiss(job_id)
    assert studio.interrupted() == []
    with pytest.raises(NotFound):
        studio.dismiss("nothing")


def test_a_queue_of_the_first_shape_keeps_its_order(settings: Settings) -> None:
    settings.database.parent.mkdir(parents=True)
    old = sqlite3.connect(settings.database, isolation_level=None)
    migrations.apply(Database(old), stop_before="m002_queue")
    for job_id, status in (("01B", "queued"), ("01A", "queued"), ("01C", "interrupted")):
        old.execute(
            "INSERT INTO jobs (id, kind, request_json, model, app_version, status, created)"
            " VALUES (?, 'generate', '{\"prompt\": \"x\"}', 'fake', '0', ?, '2026-01-01T00:00:00+00:00')",
            (job_id, status),
        )
    old.execute("PRAGMA user_version = 1")
    old.close()
    history = History(settings, owner=True)
    late = history.add_job(GenerationRequest("apple"), "fake")
    assert history.queued_ids() == ["01A", "01B", late]
    assert history.interrupted_ids(8) == []
    assert len(list(settings.backups.iterdir())) == 1
    history.close()
