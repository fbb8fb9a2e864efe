"""What every open page is told, live, and that a page which goes away leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from app import follow as following
from app.follow import News, follow
from app.history import History
from app.studio import Studio, open_history, submit_to_owner
from tests.app.conftest import SECONDS, StartStudio, painted, quick_model, request, wait_until
from tests.fakes import fake_settings

STEP = 0.02  # seconds a digit: a job then takes seconds


@pytest.fixture
def slow(start_studio: StartStudio) -> Studio:
    studio = start_studio(quick_model(step_seconds=STEP))
    wait_until(lambda: studio.model_status().state == "ready")
    return studio


def followed(
    studio: Studio, until: Callable[[list[News]], bool], then: Callable[[], object] = lambda: None
) -> list[News]:
    """The first news, then what comes once `then` was done, up to where `until` holds."""

    async def collect() -> list[News]:
        stream: AsyncIterator[News] = follow(studio)
        news = [await anext(stream)]
        then()
        while not until(news):
            news.append(await anext(stream))
        return news

    return asyncio.run(asyncio.wait_for(collect(), SECONDS))


def order(news: News) -> list[str]:
    return [view.id for view in news.queue or ()]


def test_the_first_news_are_all_that_a_page_needs(slow: Studio) -> None:
    running = slow.submit(request())
    wait_until(lambda: slow.running_job() == running)
    waiting = slow.submit(request(count=1, keep=1))
    (news,) = followed(slow, lambda news: True)
    assert [view.id for view in news.jobs] == [running]
    assert order(news) == [waiting]
    assert news.status == slow.model_status()


def test_an_idle_page_hears_of_a_new_job_and_of_its_end(studio: Studio) -> None:
    wait_until(lambda: studio.model_status().state == "ready")
    jobs: list[str] = []
    news = followed(
        studio,
        lambda news: any(view.final for told in news for view in told.jobs),
        lambda: jobs.append(studio.submit(request())),
    )
    assert order(news[0]) == []
    assert news[0].jobs == ()
    last = [view for told in news for view in told.jobs][-1]
    assert (last.id, last.status) == (jobs[0], "done")
    assert last == studio.job(jobs[0])


def test_the_queue_is_told_only_when_it_changed(slow: Studio) -> None:
    running = slow.submit(request(count=16))
    wait_until(lambda: slow.running_job() == running)
    first, second = slow.submit(request(count=1, keep=1)), slow.submit(request(count=1, keep=1))
    news = followed(
        slow,
        lambda news: len([told for told in news if told.queue is not None]) > 1,
        lambda: slow.move(second, "front"),
    )
    assert order(news[-1]) == [second, first]
    assert all(told.queue is None for told in news[1:-1])


def test_a_job_removed_while_it_waited_is_told_as_cancelled(slow: Studio) -> None:
    running = slow.submit(request(count=16))
    wait_until(lambda: slow.running_job() == running)
    waiting = slow.submit(request(count=1, keep=1))
    news = followed(slow, lambda news: any(view.id == waiting for view in news[-1].jobs), lambda: slow.cancel(waiting))
    assert order(news[-1]) == []
    assert [view.status for view in news[-1].jobs if view.id == waiting] == ["cancelled"]


def test_what_another_process_queues_is_told_too(slow: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)
    running = slow.submit(request(count=16))
    wait_until(lambda: slow.running_job() == running)
    with open_history(fake_settings(slow.settings.data_dir.parent)) as other:
        news = followed(slow, lambda news: bool(order(news[-1])), lambda: _queue_from_outside(other, slow))
    assert order(news[-1]) == [slow.queue()[0].id]


def _queue_from_outside(other: History, studio: Studio) -> None:
    submit_to_owner(other, studio.settings, request(count=1, keep=1))


def test_a_job_whose_pictures_were_marked_is_told_by_name_to_whoever_shows_it(studio: Studio) -> None:
    view = painted(studio)
    image_id = view.tiles[0].image_id or ""
    acts: list[Callable[[], object]] = [
        lambda: studio.rerank(view.id, "a pear"),
        lambda: studio.star(image_id, True),
        lambda: studio.gallery.star([image_id], False),
        lambda: studio.gallery.trash([image_id]),
    ]
    for act in acts:
        news = followed(studio, lambda news: news[-1].gallery, act)
        assert (news[-1].marked, news[-1].jobs) == ((view.id,), ())
    filed = followed(studio, lambda news: news[-1].gallery, lambda: studio.gallery.new_collection("Best"))
    assert filed[-1].marked == ()


def test_an_opening_page_is_told_what_was_interrupted(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=STEP))
    job_id = studio.submit(request())
    wait_until(lambda: studio.running_job() == job_id)
    studio = start_studio()
    (news,) = followed(studio, lambda news: True)
    assert [(view.id, view.status) for view in news.jobs] == [(job_id, "interrupted")]
    told = followed(studio, lambda news: bool(news[-1].jobs) and len(news) > 1, lambda: studio.dismiss(job_id))
    assert [view.resolved for view in told[-1].jobs] == [True]


def test_a_page_that_goes_away_leaves_no_listener(studio: Studio) -> None:
    async def come_and_go() -> None:
        async def listen() -> None:
            async for _ in follow(studio):
                pass

        pages = [asyncio.create_task(listen()) for _ in range(5)]
        while len(studio._bell._listeners) < 5:
            await asyncio.sleep(0.01)
        for page in pages:
            page.cancel()
        await asyncio.gather(*pages, return_exceptions=True)
        await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(come_and_go(), SECONDS))
    assert studio._bell._listeners == set()


def test_a_page_that_goes_away_just_as_something_changes_is_let_go(studio: Studio) -> None:
    wait_until(lambda: studio.model_status().state == "ready")

    async def go() -> None:
        stream = follow(studio)
        await anext(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.2)  # it has nothing to tell, and waits
        ((_, changed),) = studio._bell._listeners
        changed.set()
        await asyncio.sleep(0)  # its waiting is over, and it does not know yet
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(asyncio.wait_for(go(), SECONDS))
    assert studio._bell._listeners == set()


def test_empty_news_come_where_nothing_changes(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.01)
    wait_until(lambda: studio.model_status().state == "ready")
    news = followed(studio, lambda news: len(news) == 3)
    assert [bool(told) for told in news] == [True, False, False]


def test_following_ends_when_the_studio_closes(start_studio: StartStudio) -> None:
    studio = start_studio()

    async def listen() -> None:
        async for _ in follow(studio):
            await asyncio.to_thread(studio.close)

    asyncio.run(asyncio.wait_for(listen(), SECONDS))
