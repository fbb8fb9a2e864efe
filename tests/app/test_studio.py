import asyncio
import errno
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.errors import HistoryError
from app.history import NewImage
from app.recipes import read_recipe
from app.settings import PROJECT_FOLDER
from app.studio import DataFolderBusy, NotFound, Studio, open_history, submit_to_owner
from dalle_core.errors import CheckpointError, RequestError
from tests.app.conftest import StartStudio, painted, quick_model, request, wait_until, watched
from tests.fakes import FakeModel, fake_settings, fake_studio

SLOW = 0.005  # seconds a digit: a micro-batch of 48 digits then takes a quarter of a second


def test_a_job_goes_from_the_queue_to_ranked_pictures(studio: Studio) -> None:
    view = painted(studio, count=5, keep=2)
    assert (view.status, view.error, view.finished, view.count) == ("done", None, 5, 5)
    assert [tile.rank for tile in view.tiles] == [1, 2, 3, 4, 5]
    assert [tile.kept for tile in view.tiles] == [True, True, False, False, False]
    scores = [tile.score for tile in view.tiles if tile.score is not None]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert sorted(tile.seed for tile in view.tiles) == [0, 1, 2, 3, 4]


def test_every_picture_has_a_file_a_thumbnail_and_a_recipe(studio: Studio) -> None:
    view = painted(studio)
    for tile in view.tiles:
        assert tile.image_id is not None
        picture = studio.image(tile.image_id)
        assert (picture.seed, picture.rank, picture.text_scored) == (tile.seed, tile.rank, "red apple, noto")
        recipe = read_recipe(studio.image_path(tile.image_id))
        assert (recipe.request, recipe.index, recipe.seed) == (view.request, tile.index, tile.seed)
        with (
            Image.open(studio.image_path(tile.image_id)) as image,
            Image.open(studio.history.thumbnail_path(picture.id)) as small,
        ):
            assert image.size == small.size == (64, 64)


def test_a_thumbnail_that_was_lost_is_made_again(studio: Studio) -> None:
    image_id = studio.images(limit=1)[0].id if painted(studio) else ""
    studio.history.thumbnail_path(image_id).unlink()
    assert studio.history.thumbnail_path(image_id).is_file()


def test_a_recipe_paints_the_same_picture_again(studio: Studio) -> None:
    painted(studio, count=4, keep=1)
    first = studio.images()[0]
    recipe = read_recipe(studio.image_path(first.id))
    again = watched(studio, studio.submit(recipe.single))[-1]
    assert again.tiles[0].image_id is not None
    assert read_recipe(studio.image_path(again.tiles[0].image_id)).tokens == recipe.tokens


def test_watching_shows_rows_and_previews_and_any_number_may_watch(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=SLOW))
    job_id = studio.submit(request(count=2))
    previews: set[bytes | None] = set()

    async def watch() -> list[str]:
        seen: list[str] = []
        async for view in studio.watch(job_id):
            seen.append(view.status)
            previews.add(studio.preview(job_id, 0))
            if view.status == "running" and view.rows:
                assert 0 <= view.row <= view.rows == 4
        return seen

    async def watch_together() -> list[list[str]]:
        return await asyncio.gather(*(watch() for _ in range(5)))

    everyone = asyncio.run(watch_together())
    assert all(seen[-1] == "done" for seen in everyone)
    assert len(previews - {None}) > 1
    assert studio.preview(job_id, 0) is None


def test_watchers_do_not_block_the_event_loop(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=SLOW))
    job_id = studio.submit(request(count=2))

    async def longest_pause() -> float:
        watchers = [asyncio.create_task(_drain(studio, job_id)) for _ in range(20)]
        loop, longest = asyncio.get_running_loop(), 0.0
        while not all(watcher.done() for watcher in watchers):
            before = loop.time()
            await asyncio.sleep(0.01)
            longest = max(longest, loop.time() - before)
        return longest

    assert asyncio.run(longest_pause()) < 0.5


async def _drain(studio: Studio, job_id: str) -> None:
    async for _ in studio.watch(job_id):
        pass


def test_a_watcher_that_leaves_changes_nothing(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=SLOW))
    job_id = studio.submit(request(count=2))

    async def leave() -> None:
        async for _ in studio.watch(job_id):
            break

    asyncio.run(leave())
    assert watched(studio, job_id)[-1].status == "done"


def test_jobs_are_painted_in_order(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=SLOW))
    jobs = [studio.submit(request(f"apple {i}", count=1, keep=1)) for i in range(3)]
    wait_until(lambda: studio.running_job() == jobs[0])
    assert [(view.id, view.position_in_queue) for view in studio.queue()] == [(jobs[1], 1), (jobs[2], 2)]
    assert studio.job(jobs[2]).position_in_queue == 2
    watched(studio, jobs[2])
    assert [picture.prompt for picture in studio.images()] == ["apple 2", "apple 1", "apple 0"]


def test_cancelling_keeps_what_was_finished(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=SLOW / 4))
    job_id = studio.submit(request(count=20, keep=1))
    wait_until(lambda: studio.job(job_id).finished == 2)
    studio.cancel(job_id)
    view = watched(studio, job_id)[-1]
    assert view.status == "cancelled"
    assert 2 <= view.finished == len(view.tiles) < 20
    assert all(tile.kept and tile.rank is None for tile in view.tiles)
    assert len(studio.images()) == view.finished
    assert painted(studio, count=1, keep=1).status == "done"


def test_cancelling_takes_effect_within_a_decode_step(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=0.2))
    job_id = studio.submit(request())
    wait_until(lambda: studio.running_job() == job_id and studio.job(job_id).rows > 0)

    async def seconds_to_stop() -> float:
        loop = asyncio.get_running_loop()
        started = loop.time()
        studio.cancel(job_id)
        await _drain(studio, job_id)
        return loop.time() - started

    assert asyncio.run(seconds_to_stop()) < 1
    assert studio.job(job_id).status == "cancelled"


def test_a_queued_job_can_be_cancelled_and_a_finished_one_stays(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=SLOW))
    first, second = studio.submit(request(count=2)), studio.submit(request(count=2))
    studio.cancel(second)
    assert studio.job(second).status == "cancelled"
    assert watched(studio, first)[-1].status == "done"
    studio.cancel(first)
    assert studio.job(first).status == "done"
    with pytest.raises(NotFound):
        studio.cancel("nothing")


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (MemoryError(), "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (RuntimeError("odd"), "unexpected"),
        (CheckpointError("The weights are odd."), "The weights are odd."),
    ],
)
def test_a_failing_job_says_so_and_the_next_one_runs(start_studio: StartStudio, failure: Exception, words: str) -> None:
    studio = start_studio(quick_model(failure=failure, fail_on="broken"))
    bad, good = studio.submit(request("broken apple")), studio.submit(request())
    assert watched(studio, good)[-1].status == "done"
    view = studio.job(bad)
    assert view.status == "failed"
    assert view.error is not None
    assert words in view.error


def test_what_was_finished_before_a_failure_stays(start_studio: StartStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = start_studio()
    add_image = studio.history.add_image
    added: list[str] = []

    def full_after_two(new: NewImage) -> str:
        if len(added) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        added.append(add_image(new))
        return added[-1]

    monkeypatch.setattr(studio.history, "add_image", full_after_two)
    view = painted(studio)
    assert view.status == "failed"
    assert [tile.image_id for tile in view.tiles] == added
    assert {picture.id for picture in studio.images()} == set(added)


def test_a_history_that_cannot_be_written_for_a_while_loses_no_outcome(
    start_studio: StartStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = start_studio()
    finish, full = studio.history.finish_job, True

    def finish_once_there_is_room(*outcome: Any) -> None:
        if full:
            raise HistoryError("The disk is full. Free some space and try again.")
        finish(*outcome)

    monkeypatch.setattr(studio.history, "finish_job", finish_once_there_is_room)
    job_id, next_id = studio.submit(request()), studio.submit(request("pear"))
    wait_until(lambda: studio.job(job_id).final)
    assert studio.job(job_id).error == "The disk is full. Free some space and try again."
    assert studio.worker.run_errand(lambda model: model.spec.name) == "fake"
    full = False
    assert watched(studio, next_id)[-1].status == "done"
    assert studio.job(job_id).status == "done"
    assert studio.job(job_id).tiles[0].rank == 1


def test_a_model_that_cannot_load_fails_its_jobs_and_is_tried_again(tmp_path: Path) -> None:
    broken = True

    def load(folder: Path, device: object) -> FakeModel:
        if broken:
            raise CheckpointError("No model is there.")
        return quick_model()

    studio = Studio(fake_settings(tmp_path), load)
    studio.start()
    try:
        wait_until(lambda: studio.model_status().state == "failed")
        assert studio.model_status().message == "No model is there."
        assert painted(studio).error == "No model is there."
        broken = False
        assert painted(studio).status == "done"
        status = studio.model_status()
        assert (status.state, status.device) == ("ready", "cpu")
        assert status.spec is not None
    finally:
        studio.close()


def test_a_request_that_does_not_fit_the_model_is_refused_at_once(studio: Studio) -> None:
    wait_until(lambda: studio.model_status().state == "ready")
    with pytest.raises(RequestError, match="whole rows"):
        studio.submit(request(prefix_tokens=(1, 2, 3)))
    assert studio.queue() == []


def test_a_long_prompt_leaves_its_note(studio: Studio) -> None:
    view = painted(studio, "apple " * 30)
    assert view.notes == ("The prompt was cut after 24 tokens.",)
    assert view == studio.job(view.id)


def test_a_restart_shows_everything(start_studio: StartStudio) -> None:
    studio = start_studio()
    job_id = painted(studio).id
    studio.star(studio.images()[0].id, True)
    view = studio.job(job_id)
    before = studio.images(kept_only=False)
    studio = start_studio()
    assert studio.images(kept_only=False) == before
    assert studio.job(view.id) == view
    assert before[0].starred or before[1].starred or before[2].starred or before[3].starred


def test_closing_while_painting_interrupts_and_keeps(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=SLOW / 4))
    job_id, waiting = studio.submit(request(count=20, keep=1)), studio.submit(request(count=1, keep=1))
    wait_until(lambda: studio.job(job_id).finished >= 2)
    studio = start_studio()
    view = studio.job(job_id)
    assert view.status == "interrupted"
    assert view.finished >= 2
    assert all(tile.kept for tile in view.tiles)
    assert watched(studio, waiting)[-1].status == "done"


def test_what_a_killed_process_left_running_becomes_interrupted(tmp_path: Path, start_studio: StartStudio) -> None:
    script = f"""
import os, pathlib
from filelock import FileLock
from PIL import Image
from app.history import History, NewImage
from app.recipes import Recipe
from app.settings import load_settings
from dalle_core.request import GenerationRequest

settings = load_settings({{"data_dir": pathlib.Path({str(tmp_path / "data")!r})}}, {{}})
settings.data_dir.mkdir()
FileLock(settings.lock).acquire()
history = History(settings, owner=True)
request = GenerationRequest("red apple", count=8)
job = history.add_job(request, "fake")
history.claim_job()
for i in range(2):
    recipe = Recipe(request, i, i, "fake", "", (1, 2, 3))
    history.add_image(NewImage(job, Image.new("RGB", (64, 64)), recipe, "", 0.1))
print(job, flush=True)
os._exit(9)
"""
    killed = subprocess.run(
        [sys.executable, "-c", script], check=False, cwd=PROJECT_FOLDER, capture_output=True, text=True, timeout=60
    )
    assert killed.returncode == 9, killed.stderr
    studio = start_studio()
    view = studio.job(killed.stdout.strip())
    assert view.status == "interrupted"
    assert view.finished == len(studio.images()) == 2
    for picture in studio.images():
        read_recipe(studio.image_path(picture.id))


def test_one_owner_a_data_folder(tmp_path: Path, studio: Studio) -> None:
    with pytest.raises(DataFolderBusy, match="Another Dalle Studio"):
        fake_studio(tmp_path)
    assert painted(studio).status == "done"


def test_the_owner_paints_what_another_process_queues_and_heeds_its_cancel(
    tmp_path: Path, start_studio: StartStudio
) -> None:
    studio = start_studio(quick_model(step_seconds=SLOW))
    with open_history(fake_settings(tmp_path)) as other:
        job_id = submit_to_owner(other, studio.settings, request(count=64))
        wait_until(lambda: studio.running_job() == job_id)
        assert other.request_cancel(job_id) == "running"
        assert watched(studio, job_id)[-1].status == "cancelled"


def test_a_job_for_a_model_that_is_not_here_says_so(tmp_path: Path, studio: Studio) -> None:
    with open_history(fake_settings(tmp_path)) as other:
        job_id = submit_to_owner(other, replace(studio.settings, model="other"), request())
        view = watched(studio, job_id)[-1]
    assert view.status == "failed"
    own = studio.settings.own_models
    assert view.error == f"This job is for the model other, which is not here. Put its folder into {own}."


def test_many_threads_submit_and_read_at_once(studio: Studio) -> None:
    def use(number: int) -> str:
        job_id = studio.submit(request(f"apple {number}", count=2))
        for _ in range(20):
            studio.images(f"apple {number}", kept_only=False)
            studio.job(job_id)
        return job_id

    with ThreadPoolExecutor(4) as pool:
        jobs = list(pool.map(use, range(8)))
    assert all(watched(studio, job_id)[-1].status == "done" for job_id in jobs)
    assert len(studio.images(kept_only=False)) == 16


def test_pages_of_the_history_meet_without_gap_or_overlap(studio: Studio) -> None:
    painted(studio, count=7, keep=7)
    pages, before = [], None
    while page := studio.images(limit=3, before=before):
        pages.append([picture.id for picture in page])
        before = page[-1].id
    assert [len(page) for page in pages] == [3, 3, 1]
    everything = [image_id for page in pages for image_id in page]
    assert everything == sorted(set(everything), reverse=True)


def test_the_rest_is_one_step_away_and_can_be_kept(studio: Studio) -> None:
    view = painted(studio)
    rest = next(tile.image_id for tile in view.tiles if not tile.kept and tile.image_id)
    assert rest not in [picture.id for picture in studio.images()]
    assert rest in [picture.id for picture in studio.images(kept_only=False)]
    studio.keep(rest)
    assert rest in [picture.id for picture in studio.images()]


def test_export_copies_under_readable_names_over_nothing(studio: Studio, tmp_path: Path) -> None:
    painted(studio, "红苹果 / ../fox", count=1, keep=1)
    image_id = studio.images()[0].id
    first, second = studio.export([image_id, image_id], tmp_path / "out")
    assert (first.name, second.name) == ("红苹果-fox-0.png", "红苹果-fox-0-2.png")
    assert first.read_bytes() == second.read_bytes() == studio.image_path(image_id).read_bytes()


@pytest.mark.parametrize("odd", ["", "nothing", "../../etc/passwd", "\ud800", "\0", "x" * 10_000])
def test_odd_ids_are_not_found(studio: Studio, odd: str) -> None:
    for ask in (studio.image, studio.image_path, studio.showing.make, studio.job, lambda i: studio.star(i, True)):
        with pytest.raises(NotFound):
            ask(odd)
    assert studio.preview(odd, 0) is None
    assert studio.images(before=odd) == []


def test_a_picture_whose_file_is_gone_is_not_found(studio: Studio) -> None:
    painted(studio)
    image_id = studio.images()[0].id
    studio.image_path(image_id).unlink()
    with pytest.raises(NotFound, match="gone"):
        studio.image_path(image_id)


def test_reranking_by_another_text(studio: Studio) -> None:
    view = painted(studio, rerank_text="a bright apple")
    assert view.tiles[0].image_id is not None
    assert studio.image(view.tiles[0].image_id).text_scored == "a bright apple"


def test_a_given_top_comes_back_unchanged(studio: Studio) -> None:
    painted(studio, count=1, keep=1)
    top = read_recipe(studio.image_path(studio.images()[0].id)).tokens[:8]
    view = painted(studio, prefix_tokens=top, seed=99)
    for tile in view.tiles:
        assert tile.image_id is not None
        recipe = read_recipe(studio.image_path(tile.image_id))
        assert recipe.tokens[:8] == top
        assert recipe.request == replace(request(seed=99), prefix_tokens=top)


def test_importing_the_service_layer_loads_no_torch() -> None:
    script = "import sys, app.studio, app.cli; sys.exit(bool({'torch', 'gradio'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=PROJECT_FOLDER, timeout=60).returncode == 0
