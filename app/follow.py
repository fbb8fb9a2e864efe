"""What every open page is told, live: what is painted, what waits, how jobs ended. Above the studio, below the pages.

A follower asks only what is cheap at every change, and reads more where that has changed. Jobs that another process
queues ring no bell here, so it also looks when nothing rang.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.studio import Studio
from app.views import JobView, ModelStatus
from dalle_core.errors import DalleError

TELL_SECONDS = 1 / 8  # between two messages to a page
LOOK_SECONDS = 2.0  # between two looks when nothing rings


@dataclass(frozen=True)
class News:
    """What is new since the last. `jobs` are those that changed, the oldest first: painted, or ended.

    Of the jobs `marked` some pictures were starred, kept, ranked, thrown away or taken back; what the `gallery` shows
    may be other than it was. `queue` is all that waits, the next one first, or None where that is as before; likewise
    `status`.
    """

    jobs: tuple[JobView, ...] = ()
    queue: tuple[JobView, ...] | None = None
    status: ModelStatus | None = None
    marked: tuple[str, ...] = ()
    gallery: bool = False

    def __bool__(self) -> bool:
        return bool(self.jobs) or self.gallery or self.queue is not None or self.status is not None


async def follow(studio: Studio) -> AsyncIterator[News]:
    """First everything an opening page needs, then what changes, until the studio closes.

    Empty news come every now and then where nothing changes, so that whoever passes them on notices a listener that
    has gone. Any number may follow; one that stops leaves nothing behind.
    """
    follower = _Follower(studio)
    with studio.listening() as changed:
        while not studio.closed:
            changed.clear()
            news = await asyncio.to_thread(follower.look)
            told = time.monotonic()
            yield news
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):  # wait_for loses a cancellation that comes with a change
                    await changed.wait()
            await asyncio.sleep(max(0.0, told + TELL_SECONDS - time.monotonic()))


class _Follower:
    """What one page has been told."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.status: ModelStatus | None = None
        self.order: list[str] | None = None
        self.running: JobView | None = None
        self.unsettled: set[str] = set()  # jobs whose end the page has yet to be told; others too may end them
        self.moment = studio.rung(0).moment

    def look(self) -> News:
        with contextlib.suppress(DalleError):  # the history is busy or closing: the next look will tell
            return self._look()
        return News()

    def _look(self) -> News:
        first = self.order is None
        rung = self.studio.rung(self.moment)
        order, running = self.studio.queue_order(), self._running()
        current = {*order, *([running.id] if running else [])}
        again = set(rung.settled) & set(order)  # ended early, and wait once more
        changed = [self.studio.job(job_id) for job_id in sorted(({*self.unsettled, *rung.settled} - current) | again)]
        if first:
            changed += reversed(self.studio.interrupted())
        if running is not None and running != self.running:
            changed.append(running)
        queue = tuple(self.studio.queue()) if order != self.order else None
        status = self.studio.model_status()
        news = News(tuple(changed), queue, status if status != self.status else None, rung.marked,
                    rung.gallery)  # fmt: skip
        self.order, self.running, self.status, self.moment = order, running, status, rung.moment
        self.unsettled = current | {view.id for view in changed if not view.final}
        return news

    def _running(self) -> JobView | None:
        job_id = self.studio.running_job()
        return None if job_id is None else self.studio.job(job_id)
