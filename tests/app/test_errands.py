"""Errands: short pieces of work that other threads have done on the thread that owns the model."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from app.errands import Errands
from app.errors import StudioClosed
from app.studio import Studio
from dalle_core.errors import CheckpointError, DalleError, RequestError
from tests.app.conftest import SECONDS, StartStudio, quick_model, request, wait_until, watched
from tests.fakes import FakeModel, fake_settings

STEP = 0.02  # seconds a digit: a job then takes seconds


def test_an_errand_runs_on_the_models_own_thread_and_gives_its_answer(studio: Studio) -> None:
    name, thread = studio.worker.run_errand(lambda model: (model.spec.name, threading.current_thread().name))
    assert (name, thread) == ("fake", "dalle-studio-worker")


def test_an_errand_waits_for_a_decode_step_and_not_for_the_job(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=STEP))
    job_id = studio.submit(request(count=4))
    wait_until(lambda: studio.job(job_id).rows > 0)
    assert studio.worker.run_errand(lambda model: studio.running_job()) == job_id
    assert studio.running_job() == job_id
    assert watched(studio, job_id)[-1].status == "done"


def test_many_threads_may_ask_at_once(studio: Studio) -> None:
    def ask(number: int) -> int:
        return studio.worker.run_errand(lambda model: number * model.spec.rows)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(40))) == [number * 4 for number in range(40)]


def test_what_an_errand_raises_reaches_whoever_asked_and_nobody_else(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=STEP / 10))
    job_id = studio.submit(request(count=4))

    def refuse(model: object) -> None:
        raise RequestError("not this one")

    def exhaust(model: object) -> None:
        raise MemoryError

    with pytest.raises(RequestError, match="not this one"):
        studio.worker.run_errand(refuse)
    with pytest.raises(DalleError, match="not enough memory"):
        studio.worker.run_errand(exhaust)
    assert watched(studio, job_id)[-1].status == "done"


def test_an_errand_waits_while_the_model_loads_and_is_refused_when_that_fails(tmp_path: Path) -> None:
    go_on = threading.Event()

    def load(folder: Path, device: object) -> FakeModel:
        go_on.wait(SECONDS)
        raise CheckpointError("No model is there.")

    studio = Studio(fake_settings(tmp_path), load)
    studio.start()
    try:
        with ThreadPoolExecutor(1) as pool:
            early = pool.submit(studio.worker.run_errand, lambda model: model.spec.name)
            assert not early.done()
            go_on.set()
            with pytest.raises(CheckpointError, match="No model is there"):
                early.result(SECONDS)
        with pytest.raises(CheckpointError, match="No model is there"):
            studio.worker.run_errand(lambda model: model.spec.name)
    finally:
        studio.close()


def test_a_closing_studio_refuses_errands(start_studio: StartStudio) -> None:
    studio = start_studio()
    worker = studio.worker
    studio.close()
    with pytest.raises(StudioClosed, match="closing"):
        worker.run_errand(lambda model: model.spec.name)


def test_errands_that_wait_are_refused_on_closing() -> None:
    errands = Errands()
    waiting: Future[str] = errands.hand_in(lambda model: model.spec.name)
    errands.close()
    with pytest.raises(StudioClosed):
        waiting.result(0)
