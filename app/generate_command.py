"""`generate` on the command line: into a folder, into the history, or through the studio that has the history open.

Knows no flags; it is handed settings and a request, and gives back what was kept, best first.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

from app.errors import DataFolderBusy, HistoryError, explain
from app.history import History
from app.history.files import file_stem, save_beside_others
from app.loading import LoadModel
from app.models import current_name, folder_of
from app.recipes import to_png
from app.settings import Settings
from app.sources import MAX_UPLOAD_BYTES, WHOLE, Source, Sources, cut_square, encode, read_picture
from app.studio import Studio, owner_is_alive, read_job, submit_to_owner
from app.views import VARIATION, JobView
from app.worker import make_recipe
from dalle_core.errors import CheckpointError, DalleError, ImageError, RequestError
from dalle_core.request import GenerationRequest

if TYPE_CHECKING:
    from dalle_core.families.base import ImageModel, Reranker
    from dalle_core.generate import Candidate

POLL_SECONDS = 0.2
ALIVE_SECONDS = 2.0

T = TypeVar("T")


@dataclass(frozen=True)
class Painted:
    """A kept picture. `seconds` is its share of its micro-batch's time."""

    path: str
    prompt: str
    seed: int
    score: float | None
    percentile: float | None
    rank: int | None
    seconds: float


@dataclass(frozen=True)
class Given:
    """The picture file that is painted from: its top `rows` token rows are kept, or it is varied where that is None."""

    data: bytes
    rows: int | None = None

    @property
    def kind(self) -> str:
        return VARIATION if self.rows is None else "complete"

    def put_into(self, request: GenerationRequest, source: Source) -> GenerationRequest:
        if self.rows is None:
            return replace(request, source_tokens=source.tokens)
        return replace(request, prefix_tokens=source.top(self.rows))


class Meter:
    """One line of progress, rewritten in place; silent unless `stream` is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = 0

    def show(self, finished: int, count: int, row: int, rows: int, seconds_left: float | None) -> None:
        left = "" if seconds_left is None else f", {seconds_left:.0f} s left"
        self._write(f"{finished} of {count} pictures, row {row} of {rows}{left}")

    def show_job(self, view: JobView) -> None:
        if view.status == "queued":
            self._write(f"waiting, number {view.position_in_queue} in the queue")
        elif view.rows:
            self.show(view.finished, view.count, view.row, view.rows, view.seconds_left)
        else:
            self._write(f"{view.finished} of {view.count} pictures")

    def clear(self) -> None:
        if self._shown:
            self._write("")
            self._stream.write("\r")
            self._shown = 0

    def _write(self, text: str) -> None:
        if self._stream.isatty():
            self._stream.write("\r" + text.ljust(self._shown))
            self._stream.flush()
            self._shown = len(text)


def read_given(prefix: Path | None, rows: int | None, vary: Path | None) -> Given | None:
    """None where nothing is given. Raises RequestError for what does not go together, ImageError."""
    if (prefix is None) != (rows is None):
        raise RequestError("--prefix IMG and --prefix-rows R go together: the picture, and how much of it is kept.")
    if prefix is not None and vary is not None:
        raise RequestError("--prefix and --vary both give a picture; use one of them.")
    path = prefix or vary
    if path is None:
        return None
    try:
        if path.stat().st_size > MAX_UPLOAD_BYTES:
            raise ImageError(f"{path} is larger than the {MAX_UPLOAD_BYTES // 2**20} MiB that are read.")
        return Given(path.read_bytes(), rows)
    except OSError as error:
        raise ImageError(f"The picture {path} cannot be read: {error.strerror or error}.") from error


def paint_to_folder(
    settings: Settings,
    request: GenerationRequest,
    folder: Path,
    load_model: LoadModel,
    given: Given | None = None,
) -> list[Painted]:
    """Paint in this process and write the kept pictures to `folder`; the history is neither read nor written."""
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"{folder} is a file; expected a folder to write to.")
    model = _plainly(lambda: _load(settings, load_model))
    if given is not None:
        source = _plainly(lambda: encode(model, cut_square(read_picture(given.data), WHOLE)))
        request = given.put_into(request, source)
    reranker: Reranker | None = getattr(model, "reranker", None)
    candidates = _plainly(lambda: _paint(model, request, reranker))
    kept = [candidate for candidate in candidates if candidate.rank is None or candidate.rank <= request.keep]
    return [_save(model, request, candidate, folder, reranker) for candidate in kept]


def paint_to_history(
    settings: Settings, request: GenerationRequest, load_model: LoadModel, given: Given | None = None
) -> list[Painted]:
    """Paint into the history: in this process, or queued with the one that has it open."""
    studio = Studio(settings, load_model)
    try:
        studio.start()
    except DataFolderBusy:
        return _paint_with_owner(settings, request, load_model, given)
    try:
        return _paint_here(studio, request, given)
    finally:
        studio.close()


def _load(settings: Settings, load_model: LoadModel) -> "ImageModel":
    from dalle_core.device import pick_device

    return load_model(folder_of(settings, current_name(settings)), pick_device(settings.device))


def _paint(model: "ImageModel", request: GenerationRequest, reranker: "Reranker | None") -> "tuple[Candidate, ...]":
    from dalle_core.generate import Finished, Progress, generate

    meter = Meter(sys.stderr)
    try:
        for event in generate(model, request, reranker, previews=False):
            if isinstance(event, Progress):
                meter.show(event.finished, event.count, event.row, event.rows, event.seconds_left)
            elif isinstance(event, Finished):
                return event.candidates
    finally:
        meter.clear()
    raise AssertionError("generate ends with Finished")


def _save(
    model: "ImageModel", request: GenerationRequest, candidate: "Candidate", folder: Path, reranker: "Reranker | None"
) -> Painted:
    from dalle_core.images import to_pil

    data = to_png(to_pil(candidate.image), make_recipe(model, request, candidate))
    path = save_beside_others(folder, file_stem(request.prompt, candidate.seed), data)
    percentile = None
    if reranker is not None and candidate.score is not None and (request.rerank_text or request.prompt).strip():
        percentile = reranker.percentile(candidate.score)  # likeness to a picture beats no random pairs
    return Painted(
        str(path), request.prompt, candidate.seed, candidate.score, percentile, candidate.rank, candidate.seconds
    )


def _paint_here(studio: Studio, request: GenerationRequest, given: Given | None) -> list[Painted]:
    while studio.model_status().state == "loading":
        time.sleep(POLL_SECONDS / 10)
    if studio.model_status().state == "failed":
        raise CheckpointError(studio.model_status().message)
    if given is None:
        job_id = studio.submit(request)
    else:
        source = studio.prepare_source(given.data)
        job_id = studio.submit(given.put_into(request, source), given.kind, source.parent_id, source.model_sha256)
    try:
        view = asyncio.run(_watch(studio, job_id))
    except KeyboardInterrupt:
        studio.cancel(job_id)
        raise
    return _kept(studio.history, view)


async def _watch(studio: Studio, job_id: str) -> JobView:
    meter = Meter(sys.stderr)
    try:
        async for view in studio.watch(job_id):
            meter.show_job(view)
    finally:
        meter.clear()
    return studio.job(job_id)


def _paint_with_owner(
    settings: Settings, request: GenerationRequest, load_model: LoadModel, given: Given | None
) -> list[Painted]:
    history = History(settings, owner=False)
    try:
        job_id = _queue_with_owner(history, settings, request, load_model, given)
        try:
            return _kept(history, _wait(history, settings, job_id))
        except KeyboardInterrupt:
            history.request_cancel(job_id)
            raise
    finally:
        history.close()


def _queue_with_owner(
    history: History, settings: Settings, request: GenerationRequest, load_model: LoadModel, given: Given | None
) -> str:
    """The owner's queue takes tokens, not files: a picture is encoded here, where the owner's model does not reach."""
    if given is None:
        return submit_to_owner(history, settings, request)
    model = _plainly(lambda: _load(replace(settings, device="cpu"), load_model))
    source = _plainly(lambda: Sources(history, lambda errand: errand(model)).prepare(given.data, None, None, WHOLE))
    request = given.put_into(request, source)
    return submit_to_owner(
        history, settings, request, given.kind, source.parent_id, source.model_sha256, given.rows or 0
    )


def _wait(history: History, settings: Settings, job_id: str) -> JobView:
    meter, checked = Meter(sys.stderr), time.monotonic()
    try:
        while not (view := read_job(history, job_id)).final:
            meter.show_job(view)
            if time.monotonic() - checked > ALIVE_SECONDS:
                checked = time.monotonic()
                if not owner_is_alive(settings):
                    raise HistoryError(
                        "The studio that was to paint this has stopped. It will, when it is started again."
                    )
            time.sleep(POLL_SECONDS)
        return view
    finally:
        meter.clear()


def _kept(history: History, view: JobView) -> list[Painted]:
    """The kept pictures of a finished job, or its failure as an error."""
    if view.status != "done":
        saved = f" {view.finished} finished pictures are in the history." if view.finished else ""
        raise DalleError((view.error or f"The job was {view.status}.") + saved)
    return [
        Painted(str(history.image_path(row.id)), row.prompt, row.seed, row.score, row.percentile, row.rank, row.seconds)
        for row in history.job_images(view.id)
        if row.kept
    ]


def _plainly(action: Callable[[], T]) -> T:
    """What `action` gives; whatever it raises becomes an error in plain words."""
    try:
        return action()
    except DalleError:
        raise
    except Exception as error:
        raise DalleError(explain(error)) from error
