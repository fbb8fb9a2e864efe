"""`generate` on the command line: into a folder, into the history, or through the studio that has the history open.

Knows no flags; it is handed settings and a request, and gives back what was kept, best first.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

from app.errors import DataFolderBusy, HistoryError, explain
from app.history import History
from app.history.files import file_stem, save_beside_others
from app.loading import LoadModel
from app.models import current_name, fitting_device, folder_of
from app.prompts import Prompts, is_template
from app.ranking import chosen_reranker, give_chosen
from app.recipes import to_png
from app.settings import Settings
from app.sources import MAX_UPLOAD_BYTES, WHOLE, Source, Sources, cut_square, encode, read_picture
from app.studio import Studio, owner_is_alive, read_job, submit_to_owner
from app.views import VARIATION, JobView
from app.wildcards import Wildcards
from app.worker import make_recipe
from dalle_core.errors import CheckpointError, DalleError, ImageError, RequestError
from dalle_core.request import GenerationRequest

if TYPE_CHECKING:
    from dalle_core.families.base import ImageModel, Reranker
    from dalle_core.generate import Candidate

MOST_VARIATIONS = 48
POLL_SECONDS = 0.2
ALIVE_SECONDS = 2.0

T = TypeVar("T")


@dataclass(frozen=True)
class Painted:
    """A kept picture. `reranker` gave the score; `seconds` is its share of its micro-batch's time."""

    path: str
    prompt: str
    seed: int
    score: float | None
    percentile: float | None
    rank: int | None
    seconds: float
    reranker: str | None


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

    def __init__(self, stream: TextIO, lead: str = "") -> None:
        self._stream = stream
        self._lead = lead
        self._shown = 0

    def show(self, finished: int, count: int, row: int, rows: int, seconds_left: float | None) -> None:
        left = "" if seconds_left is None else f", {seconds_left:.0f} s left"
        self.say(f"{self._lead}{finished} of {count} pictures, row {row} of {rows}{left}")

    def show_job(self, view: JobView) -> None:
        if view.status == "queued":
            self.say(f"waiting, number {view.position_in_queue} in the queue")
        elif view.rows:
            self.show(view.finished, view.count, view.row, view.rows, view.seconds_left)
        else:
            self.say(f"{view.finished} of {view.count} pictures")

    def clear(self) -> None:
        if self._shown:
            self.say("")
            self._stream.write("\r")
            self._shown = 0

    def say(self, text: str) -> None:
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


def variations(settings: Settings, request: GenerationRequest, drawn: int | None) -> list[GenerationRequest]:
    """A request for each variation of its prompt, in order, all with the same seed; or for as many as are `drawn`.

    Raises RequestError.
    """
    if drawn is not None and not 1 <= drawn <= MOST_VARIATIONS:
        raise RequestError(f"--variations is {drawn}; expected a value from 1 to {MOST_VARIATIONS}.")
    if not is_template(request.prompt):
        return [request]
    template = Prompts(Wildcards(settings.wildcards)).read(request.prompt)
    if drawn is None and template.count > MOST_VARIATIONS:
        raise RequestError(f"The prompt has {template.count:,} variations; --variations N says how many to draw, "
                           f"up to {MOST_VARIATIONS}.")  # fmt: skip
    some = drawn is not None and drawn < template.count
    numbers = template.draw(drawn or 0, request.seed) if some else range(template.count)
    return [replace(request, prompt=template.expansion(number)) for number in numbers]


def paint_to_folder(
    settings: Settings,
    requests: Sequence[GenerationRequest],
    folder: Path,
    load_model: LoadModel,
    given: Given | None = None,
) -> Iterator[Painted]:
    """Paint in this process and write the kept pictures to `folder`; the history is neither read nor written."""
    check_folder(folder)
    model = load(settings, load_model)
    source = None if given is None else encode_whole(model, given.data)
    reranker: Reranker | None = getattr(model, "reranker", None)
    for request in requests:
        request = given.put_into(request, source) if given and source else request
        for candidate in paint_kept(model, request, Meter(sys.stderr)):
            yield _save(model, request, candidate, folder, reranker)


def paint_to_history(
    settings: Settings, requests: Sequence[GenerationRequest], load_model: LoadModel, given: Given | None = None
) -> Iterator[Painted]:
    """Paint into the history: in this process, or queued with the one that has it open."""
    studio = Studio(settings, load_model)
    try:
        studio.start()
    except DataFolderBusy:
        yield from _paint_with_owner(settings, requests, load_model, given)
        return
    try:
        wait_for_model(studio)
        source = None if given is None else studio.prepare_source(given.data)
        for request in requests:
            yield from _paint_here(studio, request, given, source)
    finally:
        studio.close()


def check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"{folder} is a file; expected a folder to write to.")


def load(settings: Settings, load_model: LoadModel) -> "ImageModel":
    """The model in use. Whatever goes wrong is a DalleError."""
    folder = folder_of(settings, current_name(settings))

    def ready() -> "ImageModel":
        device = fitting_device(settings, folder)
        model = load_model(folder, device)
        give_chosen(model, settings, device, chosen_reranker(settings))
        return model

    return _plainly(ready)


def encode_whole(model: "ImageModel", data: bytes) -> Source:
    """A picture file's middle square, as the model has it."""
    return _plainly(lambda: encode(model, cut_square(read_picture(data), WHOLE)))


def paint_kept(model: "ImageModel", request: GenerationRequest, meter: Meter) -> "list[Candidate]":
    """The candidates that are kept, best first; all where nothing ranks them."""
    reranker: Reranker | None = getattr(model, "reranker", None)
    candidates = _plainly(lambda: _paint(model, request, reranker, meter))
    return [candidate for candidate in candidates if candidate.rank is None or candidate.rank <= request.keep]


def _paint(
    model: "ImageModel", request: GenerationRequest, reranker: "Reranker | None", meter: Meter
) -> "tuple[Candidate, ...]":
    from dalle_core.generate import Finished, Progress, generate

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
    percentile, by = None, None if reranker is None or candidate.score is None else reranker.name
    if reranker is not None and candidate.score is not None and (request.rerank_text or request.prompt).strip():
        percentile = reranker.percentile(candidate.score)  # likeness to a picture beats no random pairs
    return Painted(
        str(path), request.prompt, candidate.seed, candidate.score, percentile, candidate.rank, candidate.seconds, by
    )


def wait_for_model(studio: Studio) -> None:
    """Raises CheckpointError where it cannot be loaded."""
    while studio.model_status().state == "loading":
        time.sleep(POLL_SECONDS / 10)
    if studio.model_status().state == "failed":
        raise CheckpointError(studio.model_status().message)


def _paint_here(
    studio: Studio, request: GenerationRequest, given: Given | None, source: Source | None
) -> list[Painted]:
    if given is None or source is None:
        job_id = studio.submit(request)
    else:
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
    settings: Settings, requests: Sequence[GenerationRequest], load_model: LoadModel, given: Given | None
) -> Iterator[Painted]:
    history = History(settings, owner=False)
    try:
        source = None if given is None else _source_beside(history, settings, load_model, given)
        for request in requests:
            job_id = _queue_with_owner(history, settings, request, given, source)
            try:
                yield from _kept(history, _wait(history, settings, job_id))
            except KeyboardInterrupt:
                history.request_cancel(job_id)
                raise
    finally:
        history.close()


def _source_beside(history: History, settings: Settings, load_model: LoadModel, given: Given) -> Source:
    """The owner's queue takes tokens, not files: a picture is encoded here, where the owner's model does not reach."""
    model = load(replace(settings, device="cpu"), load_model)
    return _plainly(lambda: Sources(history, lambda errand: errand(model)).prepare(given.data, None, None, WHOLE))


def _queue_with_owner(
    history: History, settings: Settings, request: GenerationRequest, given: Given | None, source: Source | None
) -> str:
    if given is None or source is None:
        return submit_to_owner(history, settings, request)
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
        Painted(
            str(history.image_path(row.id)),
            row.prompt,
            row.seed,
            row.score,
            row.percentile,
            row.rank,
            row.seconds,
            row.reranker,
        )
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
