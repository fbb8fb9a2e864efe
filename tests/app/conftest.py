"""Studios over a fake model and real folders, closed after each test."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.history import History, marks
from app.settings import Settings
from app.studio import JobView, Studio
from app.ui.serve import open_page
from dalle_core.request import GenerationRequest
from tests.app.histories import paint
from tests.fakes import QUICK_SPEC, FakeModel, fake_studio

SECONDS = 30  # no test waits longer for the worker, however busy the machine

StartStudio = Callable[..., Studio]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", models_dir=tmp_path / "models")


@pytest.fixture
def start_studio(tmp_path: Path) -> Iterator[StartStudio]:
    """Start studios, one after the other, on the same data folder."""
    studios: list[Studio] = []

    def start(model: FakeModel | None = None) -> Studio:
        if studios:
            studios[-1].close()
        studios.append(fake_studio(tmp_path, model or quick_model()))
        return studios[-1]

    yield start
    for studio in studios:
        studio.close()


@pytest.fixture
def studio(start_studio: StartStudio) -> Studio:
    return start_studio()


@dataclass(frozen=True)
class OpenPage:
    """A studio that is served to programs: no browser looks at it. `app` is the web application itself."""

    studio: Studio
    model: FakeModel
    url: str
    app: Any


@pytest.fixture(scope="session")
def open_a_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., OpenPage]]:
    """Serve a new studio over a fake model. Page and studio are closed at the end."""
    with ExitStack() as stack:

        def serve(visited: Callable[[], None] = lambda: None, **flags: object) -> OpenPage:
            model = quick_model()
            studio = fake_studio(tmp_path_factory.mktemp("page"), model, open_browser=False, **flags)
            stack.callback(studio.close)
            page = open_page(studio, studio.settings, visited=visited)
            stack.callback(page.close, verbose=False)
            return OpenPage(studio, model, str(page.local_url), page.app)

        yield serve


@pytest.fixture(scope="session")
def page(open_a_page: Callable[..., OpenPage]) -> OpenPage:
    return open_a_page()


@pytest.fixture(scope="session")
def locked_page(open_a_page: Callable[..., OpenPage]) -> OpenPage:
    return open_a_page(auth=("ada", "lovelace"))


def quick_model(**values: Any) -> FakeModel:
    return FakeModel(spec=QUICK_SPEC, **values)


def request(prompt: str = "red apple, noto", **values: Any) -> GenerationRequest:
    """A small request."""
    return GenerationRequest(prompt, **{"count": 4, "keep": 2, "batch_width": 2, "guidance_scale": 1.0, **values})


def watched(studio: Studio, job_id: str) -> list[JobView]:
    """Every view of a job, to the final one."""

    async def collect() -> list[JobView]:
        return [view async for view in studio.watch(job_id)]

    return asyncio.run(asyncio.wait_for(collect(), SECONDS))


def painted(studio: Studio, prompt: str = "red apple, noto", **values: Any) -> JobView:
    """The final view of a small request."""
    return watched(studio, studio.submit(request(prompt, **values)))[-1]


def wait_until(true: Callable[[], bool]) -> None:
    """Poll a condition that the worker's thread will make true."""

    async def poll() -> None:
        while not true():
            await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(poll(), SECONDS))


@pytest.fixture
def ids(settings: Settings) -> list[str]:
    """A sound history of three pictures by two jobs, one picture starred, tagged and collected; the studio closed."""
    history = History(settings, owner=True)
    first = paint(history, "red apple", 2)
    last = paint(history, "红苹果", 1, parents=(first[0],))
    history.mark_image(first[1], starred=True)
    with history.writing() as writer:
        writer.execute("INSERT INTO tags VALUES (?, 'fruit')", (first[0],))
        writer.execute("INSERT INTO collections VALUES ('c', 'Best', '2026-01-01')")
        writer.execute("INSERT INTO collection_images VALUES ('c', ?, 0)", (first[0],))
        writer.execute("UPDATE search SET tags = 'fruit' WHERE image_id = ?", (first[0],))
    marks.write(history, settings.marks)
    history.close()
    return first + last
