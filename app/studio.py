"""The service layer: everything a page or a command line can do, with no widgets in it and no torch at import."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.downloads import Downloads
from app.errors import DataFolderBusy, HistoryError, NotFound
from app.gallery import Gallery, image_view
from app.history import History, ImageRow, JobRow, Ranking, resumption
from app.history import space as room
from app.history.checkup import refuse_lost
from app.history.files import file_stem, save_beside_others
from app.history.marks import Sidecar
from app.history.ownership import acquire, owner_lock
from app.loading import LoadModel
from app.models import OWN_SAMPLING, Models, check_there, current_name, is_tight
from app.prompts import Prompts
from app.ranking import load_candidates, rank, rerankers_here
from app.recipes import Recipe, read_recipe
from app.reconstruction import reconstruct
from app.reproduction import compare
from app.settings import Settings
from app.sheets import Sheets
from app.sources import MAX_UPLOAD_BYTES, WHOLE, Crop, Source, Sources, Upload
from app.variations import MORE_LIKE_THIS, RANDOM_SEEDS, Variations
from app.views import (
    FINAL_STATUSES,
    IMPORT,
    REPRODUCTION,
    ImageView,
    JobStatus,
    JobView,
    ModelStatus,
    Move,
    Reproduction,
    SpaceView,
    Tile,
    TileState,
)
from app.vocabularies import vocabulary_of
from app.wildcards import Wildcards
from app.worker import Bell, Rung, Worker
from dalle_core.errors import RequestError
from dalle_core.request import GenerationRequest

if TYPE_CHECKING:
    import torch

    from app.exports import Exports
    from app.showing import Showing
    from dalle_core.families.base import ImageModel
    from dalle_core.vocabulary import Vocabulary

__all__ = [
    "MAX_UPLOAD_BYTES",
    "MORE_LIKE_THIS",
    "Crop",
    "DataFolderBusy",
    "HistoryError",
    "ImageView",
    "JobStatus",
    "JobView",
    "ModelStatus",
    "NotFound",
    "Source",
    "Studio",
    "Tile",
    "TileState",
    "Upload",
    "image_view",
    "open_history",
    "owner_is_alive",
    "read_job",
    "submit_to_owner",
]

WATCH_SECONDS = 1 / 8
MAX_QUEUED = 500
MAX_PAGE = 500
MAX_INTERRUPTED = 8
STEPS: dict[Move, int] = {"front": -MAX_QUEUED, "up": -1, "down": 1, "back": MAX_QUEUED}


def load_model(folder: Path, device: "torch.device", low_memory: bool = False) -> "ImageModel":
    """The model in `folder`, of whatever family; sparing of memory also where it would not fit otherwise.

    Raises CheckpointError.
    """
    from dalle_core.families import registry

    return registry.load_model(folder, device, low_memory or is_tight(folder, str(device)))


class Studio:
    """One data folder, its worker and its model. Every method but `watch` may be called from any thread.

    Methods that take an id raise NotFound for one that is not in the history; all raise HistoryError where the
    database or a file cannot be read or written.
    """

    def __init__(self, settings: Settings, load_model: LoadModel = load_model) -> None:
        self.settings = settings
        self.prompts = Prompts(Wildcards(settings.wildcards))
        self.downloads = Downloads(settings)
        self._load_model = load_model
        self._bell = Bell()
        self._lock = owner_lock(settings)
        self._closed = False
        self._history: History | None = None
        self._worker: Worker | None = None
        self._sources: Sources | None = None
        self._gallery: Gallery | None = None
        self._variations: Variations | None = None
        self._sheets: Sheets | None = None
        self._exports: Exports | None = None
        self._showing: Showing | None = None
        self._sidecar: Sidecar | None = None

    # Life

    def open(self) -> None:
        """Own the data folder and settle what a crash left; jobs can be queued, and are painted once it has started.

        Raises DataFolderBusy where another process owns the folder.
        """
        acquire(self._lock, self.settings)
        try:
            refuse_lost(self.settings)
            self._history = History(self.settings, owner=True)
            self._history.interrupt_running()
        except BaseException:
            self._lock.release()
            raise
        self._worker = Worker(self._history, self.settings, self._load_model, self._bell)
        self._sources = Sources(self._history, self._worker.run_errand)
        self._gallery = Gallery(self._history, self.settings, self._bell)
        self._variations = Variations(self._history, self._worker, self._sources, self.submit)
        self._sheets = Sheets(self._history, self._worker, self.prompts, MAX_QUEUED, self._bell.ring, self._kinds)
        self._sidecar = Sidecar(self._history, self.settings.marks)
        self._sidecar.start()

    def start(self) -> None:
        """Open unless that was done, and start the worker, which loads the model. Raises DataFolderBusy."""
        if self._worker is None:
            self.open()
        self.worker.start()

    def close(self) -> None:
        """Stop within a decode step, leaving a running job `interrupted`, and let go of the data folder."""
        self.downloads.close()
        if self._closed or self._history is None or self._worker is None:
            return
        self._worker.close()
        if self._sidecar is not None:
            self._sidecar.close()
        self._closed = True
        self._history.close()
        self._lock.release()
        self._bell.ring()

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def history(self) -> History:
        if self._history is None:
            raise HistoryError("The studio has not been started.")
        return self._history

    @property
    def worker(self) -> Worker:
        if self._worker is None:
            raise HistoryError("The studio has not been started.")
        return self._worker

    @property
    def sources(self) -> Sources:
        if self._sources is None:
            raise HistoryError("The studio has not been started.")
        return self._sources

    @property
    def gallery(self) -> Gallery:
        if self._gallery is None:
            raise HistoryError("The studio has not been started.")
        return self._gallery

    @property
    def variations(self) -> Variations:
        if self._variations is None:
            raise HistoryError("The studio has not been started.")
        return self._variations

    @property
    def sheets(self) -> Sheets:
        if self._sheets is None:
            raise HistoryError("The studio has not been started.")
        return self._sheets

    @property
    def exports(self) -> "Exports":
        if self._exports is None:
            from app.exports import Exports  # arrays: not needed to open a page

            self._exports = Exports(self.history)
        return self._exports

    @property
    def showing(self) -> "Showing":
        if self._showing is None:
            from app.showing import Showing

            self._showing = Showing(self.history)
        return self._showing

    @property
    def models(self) -> Models:
        return Models(self.settings, self.model_status, self.worker.choose_model)

    def rerankers(self) -> tuple[str, ...]:
        """Those on this machine that any model can rank by, besides what suits it."""
        return rerankers_here(self.settings)

    def choose_reranker(self, name: str) -> None:
        """Rank by it from now on, after a restart too; empty for what suits each model.

        Raises NotFound, CheckpointError.
        """
        if name and name not in self.rerankers():
            raise NotFound(f"There is no reranker {name[:80]!r} here.")
        self.worker.choose_ranker(name)

    def reconstruct(self, tokenizer: str, upload_id: str) -> Source:
        """What a tokenizer that does not paint makes of an upload. Raises NotFound, RequestError, CheckpointError."""
        return reconstruct(self.models.tokenizer(tokenizer), self.sources.uploads.get(upload_id).image)

    def model_status(self) -> ModelStatus:
        return self.worker.status

    def vocabulary(self) -> "Vocabulary | None":
        """The words that the model for new jobs has learned, where it says."""
        return vocabulary_of(self.settings, self.model_status().name)

    def _kinds(self, prompt: str) -> int:
        """How many things the model for new jobs paints one by one for a prompt."""
        vocabulary = self.vocabulary()
        return 1 if vocabulary is None else vocabulary.glossary.kinds(prompt)

    def sampling(self) -> dict[str, Any]:
        """How new jobs draw where nobody says otherwise, by a request's names: as the model's publishers do, or as this
        project does."""
        return asdict(self.model_status().sampling or OWN_SAMPLING)

    # Jobs

    def submit(
        self,
        request: GenerationRequest,
        kind: str = "generate",
        source_id: str | None = None,
        model_sha256: str | None = None,
        model: str | None = None,
        instead_of: str | None = None,
    ) -> str:
        """Queue a request; returns the job's id. Raises RequestError where it does not fit the model.

        `source_id` is the picture that the job is about, `model_sha256` is of the model whose tokens the request holds,
        `instead_of` a job whose place in a sheet it takes. `model` None is the one that new jobs are for.
        """
        name = model or self.model_status().name
        kept_rows = self.worker.check(request, model_sha256, name)
        _check_room(self.history)
        job_id = self.history.add_job(request, name, kind, source_id, model_sha256, kept_rows, instead_of)
        self.worker.wake()
        self._bell.ring()
        return job_id

    def complete(self, request: GenerationRequest, source: Source, rows: int) -> str:
        """Queue the completion of a source's top `rows` by `request`; returns the job's id. Raises RequestError."""
        given = replace(request, prefix_tokens=source.top(rows))
        return self.submit(given, "complete", source.parent_id, source.model_sha256)

    def _check_model(self, model: str, what: str) -> None:
        if model != self.model_status().name:
            check_there(self.settings, model, what)

    def cancel(self, job_id: str) -> None:
        """Take a job off the queue, or stop it within a decode step; what it finished stays. Finished jobs stay too."""
        if self.history.request_cancel(job_id) == "running":
            self.worker.cancel(job_id)
            self._bell.ring()
        else:
            self._bell.ring(job_id)

    def requeue(self, job_id: str) -> str:
        """Queue an unfinished job once more; returns the job's id. Raises RequestError, CheckpointError.

        It goes on where it ended, with what it finished; where that cannot be, a new one begins anew.
        """
        view, row = self.job(job_id), self.history.job(job_id)
        if not view.unfinished:
            raise RequestError(f"This job is {view.status}; only one that ended early can be painted again.")
        self._check_model(view.model, "This job is for")
        if not self._goes_on(row):
            new_id = self.submit(
                view.request, view.kind, view.source_id, row.model_sha256, view.model, instead_of=job_id
            )
            self.dismiss(job_id)
            return new_id
        self.worker.check(view.request, row.model_sha256, view.model)
        _check_room(self.history)
        resumption.requeue(self.history, row.id)
        self.worker.wake()
        self._bell.ring(row.id)
        return row.id

    def _goes_on(self, row: JobRow) -> bool:
        if not resumption.has_pictures(self.history, row.id):
            return True
        return self.worker.run_errand(lambda model: self.worker.continues(model, row))

    def dismiss(self, job_id: str) -> None:
        """The artist has seen how this job ended: no page brings it up again."""
        self.history.resolve_job(self.history.job(job_id).id)
        self._bell.ring(job_id)

    def interrupted(self) -> list[JobView]:
        """What the end of an earlier run cut short, newest first, until it is queued again or dismissed."""
        return [self.job(job_id) for job_id in self.history.interrupted_ids(MAX_INTERRUPTED)]

    def move(self, job_id: str, to: Move) -> None:
        """Move a waiting job within the queue. Raises NotFound where it does not wait."""
        self.history.move_job(job_id, STEPS[to])
        self._bell.ring()

    def clear_queue(self) -> list[str]:
        """Cancel all that wait; returns their ids. What is being painted goes on."""
        ids = self.history.clear_queue()
        for job_id in ids:
            self._bell.ring(job_id)
        return ids

    def stop_painting(self) -> None:
        """Stop what is being painted: the job, or the whole sheet that it is part of, between two of its cells too."""
        painting = self.worker.painting
        if painting is None:
            upcoming = self.history.queued_jobs()[:1]
            if upcoming and upcoming[0].sheet_id:
                self.sheets.stop(upcoming[0].sheet_id)
        elif painting.job.sheet_id:
            self.sheets.stop(painting.job.sheet_id)
        else:
            self.cancel(painting.job.id)

    def running_job(self) -> str | None:
        painting = self.worker.painting
        return None if painting is None else painting.job.id

    def queue_order(self) -> list[str]:
        """Ids of what waits, the next one first; cheap enough to ask often."""
        return self.history.queued_ids()

    def queue(self) -> list[JobView]:
        """What waits, the next one first."""
        return [_job_view(row, [], position) for position, row in enumerate(self.history.queued_jobs(), start=1)]

    def job(self, job_id: str) -> JobView:
        """A job as it is now: from memory while it is painted, else from the history."""
        return self._painted(job_id) or read_job(self.history, job_id)

    async def watch(self, job_id: str) -> AsyncIterator[JobView]:
        """A job's views as they change, at most eight a second, the final one last. Any number may watch."""
        last: JobView | None = None
        ready = 0.0
        with self._bell.listening() as changed:
            while not self._closed:
                changed.clear()
                view = self._painted(job_id)
                if view is None:
                    view = await asyncio.to_thread(read_job, self.history, job_id)
                if view != last:
                    last, ready = view, time.monotonic() + WATCH_SECONDS
                    yield view
                if view.final:
                    return
                await changed.wait()
                await asyncio.sleep(max(0.0, ready - time.monotonic()))

    def listening(self) -> contextlib.AbstractContextManager[asyncio.Event]:
        """An event of the running loop that is set whenever anything changes; whoever waits clears it."""
        return self._bell.listening()

    def rung(self, since: int) -> Rung:
        """Jobs that ended or were dealt with, and what was marked and filed, since the moment numbered `since`."""
        return self._bell.rung(since)

    def preview(self, job_id: str, index: int) -> bytes | None:
        """PNG of a candidate as it stands; None unless it is being painted."""
        painting = self.worker.painting
        return painting.preview(index) if painting is not None and painting.job.id == job_id else None

    def _painted(self, job_id: str) -> JobView | None:
        painting = self.worker.painting
        return painting.view if painting is not None and painting.job.id == job_id else None

    # What a completion starts from

    def take_upload(self, data: bytes) -> Upload:
        """A foreign picture, kept in memory for a while under its `id`. Raises ImageError."""
        return self.sources.take_upload(data)

    def upload_preview(self, upload_id: str) -> bytes:
        """PNG of all of an upload. Raises NotFound."""
        return self.sources.uploads.get(upload_id).preview

    def prepare_source(
        self,
        data: bytes | None = None,
        image_id: str | None = None,
        crop: Crop = WHOLE,
        upload_id: str | None = None,
    ) -> Source:
        """The chosen square of a picture as the model has it: a file's bytes, one of the history, or an upload.

        Waits for the model, for a decode step at most once it is there. A picture that this model painted, taken whole,
        keeps the tokens it was painted from. Raises ImageError, RequestError, NotFound or CheckpointError.
        """
        return self.sources.prepare(data, image_id, upload_id, crop)

    # Pictures

    def images(
        self, query: str = "", limit: int = 60, before: str | None = None, kept_only: bool = True
    ) -> list[ImageView]:
        """Newest first, older than picture `before`; `query` finds pictures whose text holds each of its words."""
        if not 1 <= limit <= MAX_PAGE:
            raise RequestError(f"limit is {limit}; expected a value from 1 to {MAX_PAGE}.")
        return [image_view(row) for row in self.history.images(query, limit, before, kept_only)]

    def images_count(self, query: str = "", kept_only: bool = True) -> int:
        """How many pictures `images` finds in all."""
        return self.history.images_count(query, kept_only)

    def image(self, image_id: str) -> ImageView:
        return image_view(self.history.image(image_id))

    def image_path(self, image_id: str) -> Path:
        """Its file, in the trash or not: the trash can be looked at."""
        return self.history.image_path(image_id, in_trash=True)

    def star(self, image_id: str, starred: bool) -> None:
        self.history.mark_image(image_id, starred=starred)
        self._bell.ring_gallery([self.history.image(image_id).job_id])

    def keep(self, image_id: str, kept: bool = True) -> None:
        """Keep a candidate that was not among the best, or let one go."""
        self.history.mark_image(image_id, kept=kept)
        self._bell.ring_gallery([self.history.image(image_id).job_id])

    def rerank(self, job_id: str, text: str | None = None) -> JobView:
        """Rank a finished job's pictures by another text, without painting; None goes back to the job's own.

        Ranks, and with them what is kept, are those of that text from then on. Raises RequestError.
        """
        row, pictures = self.history.job(job_id), self.history.job_images(job_id)
        if row.status not in FINAL_STATUSES or row.kind == IMPORT or not pictures:
            raise RequestError("There is nothing to rank: this job has no finished pictures, or is still painting.")
        request = row.request if text is None else replace(row.request, rerank_text=text.strip())
        known = self.history.rankings(job_id, request.rerank_text or request.prompt, request.keep)
        if text is not None and known and self.worker.reranker not in {None, known[0].reranker}:
            known = []  # the words again, but another reads them now
        self.history.rank(known or self._rank(pictures, request, row.model_sha256))
        self._bell.ring_gallery([job_id])
        return self.job(job_id)

    def _rank(self, pictures: list[ImageRow], request: GenerationRequest, painted_by: str | None) -> list[Ranking]:
        candidates = load_candidates([(row, self.history.image_path(row.id)) for row in pictures])
        ids = {row.position: row.id for row in pictures}
        return self.worker.run_errand(lambda model: rank(model, request, candidates, ids, painted_by))

    def reproduce(self, image_id: str) -> str:
        """Queue the painting of one picture again, by the recipe in its file; returns the job's id.

        The new picture is not among what is kept. Raises RecipeError, RequestError.
        """
        recipe = read_recipe(self.history.image_path(image_id))
        self._check_model(recipe.model, "This picture was painted by")
        return self.submit(recipe.single, REPRODUCTION, image_id, model=recipe.model)

    def branch(self, image_id: str) -> str:
        """Queue what made this picture once more, from the same parent with a new seed; returns the job's id.

        Raises RequestError.
        """
        job = self.history.job(self.history.image(image_id).job_id)
        self._check_model(job.model, "This picture was painted by")
        request = replace(job.request, seed=secrets.randbelow(RANDOM_SEEDS), slot=0)
        return self.submit(request, job.kind, job.source_id, job.model_sha256, job.model)

    def reproduction(self, image_id: str) -> Reproduction | None:
        """How the latest painting of this picture again stands, and whether it came out the same."""
        source = self.history.image(image_id)
        job_id = self.history.latest_job_about(image_id, REPRODUCTION)
        view = None if job_id is None else self.job(job_id)
        if view is None or (view.status == "done" and not view.tiles):  # cleared away since
            return None
        return compare(self.history, source, view)

    def export(self, image_ids: Sequence[str], folder: Path) -> list[Path]:
        """Copy pictures, recipes included, into `folder` under readable names, over nothing. Raises OutputError."""
        return [export_image(self.history, image_id, folder) for image_id in image_ids]

    def read_recipe(self, data: bytes) -> Recipe:
        """The recipe inside a PNG of ours, or of anybody's studio like this one. Raises RecipeError."""
        return read_recipe(data)

    # Room on disk

    def space(self) -> SpaceView:
        """What the history takes, and what a purge would give back."""
        return space_view(self.history)

    def purge_unkept(self, up_to: str) -> SpaceView:
        """Delete the candidates that nobody kept, starred, tagged or used, as `space` counted them; what is left then.

        `up_to` is that count's: what was painted since stays.
        """
        room.purge(self.history, up_to)
        self._bell.ring()
        return self.space()


def space_view(history: History) -> SpaceView:
    taken, unkept = room.measure(history.settings), room.unkept(history)
    return SpaceView(taken.pictures, taken.picture_bytes, taken.total_bytes, unkept.count, unkept.bytes, unkept.up_to)


def export_image(history: History, image_id: str, folder: Path) -> Path:
    row, source = history.image(image_id), history.image_path(image_id)
    return save_beside_others(folder, file_stem(row.prompt, row.seed), source.read_bytes())


def read_job(history: History, job_id: str) -> JobView:
    """A job as the history has it. Raises NotFound."""
    row = history.job(job_id)
    position = history.queued_count(before=job_id) + 1 if row.status == "queued" else 0
    return _job_view(row, history.job_images(job_id), position)


@contextlib.contextmanager
def open_history(settings: Settings) -> Iterator[History]:
    """The history of a data folder, whether or not a studio runs on it. Raises HistoryError where there is none."""
    lock, owner = owner_lock(settings), False
    if settings.database.is_file():
        with contextlib.suppress(DataFolderBusy):
            acquire(lock, settings)
            owner = True
    try:
        history = History(settings, owner=owner)
        try:
            yield history
        finally:
            history.close()
    finally:
        if owner:
            lock.release()


def submit_to_owner(
    history: History,
    settings: Settings,
    request: GenerationRequest,
    kind: str = "generate",
    source_id: str | None = None,
    model_sha256: str | None = None,
    kept_rows: int = 0,
) -> str:
    """Queue a request with the process that owns the data folder; returns the job's id."""
    _check_room(history)
    return history.add_job(request, current_name(settings), kind, source_id, model_sha256, kept_rows)


def owner_is_alive(settings: Settings) -> bool:
    """Whether some process owns the data folder."""
    lock = owner_lock(settings)
    try:
        acquire(lock, settings)
    except DataFolderBusy:
        return True
    lock.release()
    return False


def _job_view(row: JobRow, images: list[ImageRow], position: int) -> JobView:
    tiles = [_tile(image) for image in images]
    if row.status not in FINAL_STATUSES:
        there = {tile.index for tile in tiles}
        tiles += [Tile(i, seed, "waiting") for i, seed in enumerate(row.request.seeds) if i not in there]
    return JobView(
        id=row.id,
        status=row.status,
        request=row.request,
        model=row.model,
        notes=row.notes,
        error=row.error,
        finished=len(images),
        count=row.request.count,
        row=0,
        rows=0,
        seconds_left=None,
        preview_row=0,
        tiles=tuple(tiles),
        position_in_queue=position,
        kind=row.kind,
        source_id=row.source_id,
        ranked_by=images[0].text_scored if images and images[0].rank else None,
        resolved=row.resolved,
        kept_rows=row.kept_rows,
        started=row.started,
        sheet_id=row.sheet_id,
    )


def _tile(image: ImageRow) -> Tile:
    return Tile(
        index=image.position,
        seed=image.seed,
        state="done",
        image_id=image.id,
        score=image.score,
        percentile=image.percentile,
        rank=image.rank,
        kept=image.kept,
        starred=image.starred,
    )


def _check_room(history: History) -> None:
    if history.queued_count() >= MAX_QUEUED:
        raise RequestError(f"{MAX_QUEUED} jobs are waiting already. Wait for some, or cancel some, then try again.")
