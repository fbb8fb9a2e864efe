"""The one thread that owns the model. It takes jobs from the history in order, paints them and tells who watches.

Knows no pages: views only watch. What goes wrong in a job becomes that job's message, and the next job runs.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from app.errands import Errands
from app.errors import HistoryError, explain
from app.history import Edge, History, JobRow, NewImage, Ranking
from app.history.resumption import can_go_on
from app.loading import Loader, LoadModel, release_memory
from app.painting import Painting
from app.ranking import as_rows, load_candidates
from app.recipes import Recipe
from app.settings import Settings
from app.styles import style_of
from app.views import DESCENDING, REPRODUCTION, JobStatus, ModelStatus
from dalle_core import __version__
from dalle_core.errors import CheckpointError, DalleError, RequestError
from dalle_core.request import GenerationRequest

if TYPE_CHECKING:
    from dalle_core.families.base import ImageModel, Reranker
    from dalle_core.generate import Candidate, Event, Finished

POLL_SECONDS = 0.5  # how soon a job or a cancel of another process is seen
CLOSE_SECONDS = 20.0

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Rung:
    """What a bell was rung for: jobs that `settled`; jobs of which pictures were `marked`; whether what the `gallery`
    shows is another. `moment` is what to ask with the next time.
    """

    moment: int
    settled: tuple[str, ...] = ()
    marked: tuple[str, ...] = ()
    gallery: bool = False


class Bell:
    """Rung from any thread, heard in any number of event loops, which it never blocks.

    Remembers what it was rung for, so that a listener that was slow misses nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rings = 0
        self._settled: dict[str, int] = {}  # the latest ring for each job
        self._marked: dict[str, int] = {}
        self._gallery = 0
        self._listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def ring(self, settled: str | None = None) -> None:
        """Something changed. `settled` is a job that ended, or that was dealt with after it had."""
        with self._lock:
            if settled is not None:
                self._rings += 1
                self._settled[settled] = self._rings
        self._wake()

    def ring_gallery(self, job_ids: Iterable[str] = ()) -> None:
        """Pictures of these jobs were marked, thrown away or taken back, or something was filed otherwise."""
        with self._lock:
            self._rings += 1
            self._gallery = self._rings
            self._marked |= dict.fromkeys(job_ids, self._rings)
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for loop, event in listeners:
            with contextlib.suppress(RuntimeError):  # a loop that was closed without a goodbye
                loop.call_soon_threadsafe(event.set)

    def rung(self, since: int) -> Rung:
        """What it was rung for after the moment `since`."""
        with self._lock:
            settled, marked = (
                tuple(job_id for job_id, ring in rings.items() if ring > since)
                for rings in (self._settled, self._marked)
            )
            return Rung(self._rings, settled, marked, self._gallery > since)

    @contextlib.contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event of the running loop that is set at every ring; whoever waits clears it."""
        listener = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._listeners.add(listener)
        try:
            yield listener[1]
        finally:
            with self._lock:
                self._listeners.discard(listener)


@dataclass(frozen=True)
class Outcome:
    status: JobStatus
    error: str | None = None
    rankings: tuple[Ranking, ...] = ()


class Worker:
    """Starts with the model's loading; `close` stops within a decode step and leaves the job `interrupted`."""

    def __init__(self, history: History, settings: Settings, load_model: LoadModel, bell: Bell) -> None:
        self.history = history
        self.settings = settings
        self.loader = Loader(settings, load_model, bell.ring)
        self.painting: Painting | None = None
        self._bell = bell
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._errands = Errands()
        self._cancelled: set[str] = set()
        self._asked = 0.0  # when the history was last asked for a cancel
        self._thread = threading.Thread(target=self._run, name="dalle-studio-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def status(self) -> ModelStatus:
        return self.loader.status

    @property
    def reranker(self) -> str | None:
        """What ranks for the model that is loaded; None without either."""
        reranker: Reranker | None = getattr(self.loader.current, "reranker", None)
        return None if reranker is None else reranker.name

    @property
    def ranker(self) -> str:
        """The reranker that was chosen for all models; empty for what suits each."""
        return self.loader.ranker

    def choose_ranker(self, name: str) -> None:
        """Have what is ranked from now on be ranked by this reranker; empty for what suits each model.

        Raises CheckpointError, and then all stays as it is.
        """
        self.run_errand(lambda _: self.loader.rank_by(name))

    def choose_model(self, name: str) -> None:
        """Have a model loaded for new jobs, between two decode steps of the running one; what waits keeps its own."""
        self.loader.choose(name)
        self._wake.set()

    def wake(self) -> None:
        """There may be a job."""
        self._wake.set()

    def close(self) -> None:
        self._stopping.set()
        self._errands.close()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)

    def cancel(self, job_id: str) -> None:
        """Stop the job if it is the one being painted."""
        painting = self.painting
        if painting is not None and painting.job.id == job_id:
            self._cancelled.add(job_id)

    def check(self, request: GenerationRequest, model_sha256: str | None = None, name: str | None = None) -> int:
        """How many rows the request gives. Raises RequestError where it does not fit the model of that name.

        Passes, with 0, while that model is not there. `model_sha256` is of the model whose tokens the request holds;
        `name` None is the model that new jobs are for.
        """
        model = self.loader.loaded(name or self.status.name)
        return 0 if model is None else check_fits(model, request, model_sha256)

    def pace(self, width: int) -> float | None:
        """Seconds that a token row of a batch this wide took when it was last measured, or of the nearest width."""
        model = self.loader.current
        measured = dict(model.pace.seconds_per_row) if model is not None else {}
        return measured[min(measured, key=lambda known: abs(known - width))] if measured else None

    def measure(self, request: GenerationRequest) -> None:
        """Have `pace` know something where nothing was painted yet; takes a moment, and nothing while one paints."""
        from dalle_core.generate import measure_pace

        if self.painting is None and self.loader.current is not None:
            with contextlib.suppress(DalleError):  # painting will tell what is wrong
                self.run_errand(lambda model: measure_pace(model, request))

    def run_errand(self, do: "Callable[[ImageModel], T]") -> T:
        """What `do` gives for the model, on the model's own thread: between jobs, or between two decode steps of one.

        Waits while the model is loading. Raises CheckpointError where it could not be loaded, StudioClosed, and
        whatever of our errors `do` raises; its other errors become a DalleError in plain words.
        """
        assert threading.current_thread() is not self._thread, "the worker would wait for itself"
        answer = self._errands.hand_in(do)
        self._wake.set()
        try:
            return answer.result()
        except DalleError:
            raise
        except Exception as error:
            raise DalleError(explain(error)) from error

    # The thread

    def _run(self) -> None:
        self.loader.start()
        while not self._stopping.is_set():
            self._run_errands()
            try:
                worked = self._take_job()
            except Exception:  # the thread outlives whatever happens
                logger.exception("the next job cannot be taken")
                worked = False
            if not worked:
                self._wake.wait(POLL_SECONDS)
                self._wake.clear()

    def _run_errands(self) -> None:
        self.loader.follow_choice()
        self.loader.rank_by_what_came()
        if (model := self.loader.current) is None:
            self._errands.refuse(CheckpointError(self.status.message))
        else:
            self._errands.serve(model)

    def _take_job(self) -> bool:
        """Paint the next job, if there is one."""
        job = self.history.claim_job()
        if job is None:
            self.loader.keep_only(self.status.name)
            return False
        self.painting = Painting(job)
        self._bell.ring()
        self._settle(self.painting, self._outcome(job, self.painting))
        self.painting = None
        self._cancelled.discard(job.id)
        self._bell.ring(job.id)
        return True

    def _outcome(self, job: JobRow, painting: Painting) -> Outcome:
        """Paint; whatever goes wrong becomes a message."""
        try:
            return self._paint(job, painting)
        except DalleError as error:
            return Outcome("failed", str(error))
        except Exception as error:
            logger.exception("job %s failed", job.id)
            message = explain(error)
        release_memory()
        return Outcome("failed", message)

    def _paint(self, job: JobRow, painting: Painting) -> Outcome:
        from dalle_core.generate import Finished, generate

        model = self.loader.get(job.model)
        check_fits(model, job.request, job.model_sha256)
        ranked = job.kind != REPRODUCTION
        reranker: Reranker | None = getattr(model, "reranker", None) if ranked else None
        outcome = Outcome("failed", "The generation ended without a result.")
        earlier = self._take_up(model, job, painting)
        for event in generate(model, job.request, reranker, lambda: self._stops(job.id), earlier=earlier):
            if isinstance(event, Finished):
                outcome = self._finish(painting, event, reranker)
            else:
                self._follow(model, painting, event)
            self._bell.ring()
        return outcome

    def continues(self, model: "ImageModel", job: JobRow) -> bool:
        """Whether a job that ended early can go on: what it lacks would come out as it would have then."""
        return can_go_on(self.history, job, model.spec.sha256, self._device())

    def _take_up(self, model: "ImageModel", job: JobRow, painting: Painting) -> "list[Candidate]":
        """What an earlier run of the job finished. Raises RequestError where it cannot go on with that."""
        if not self.continues(model, job):
            raise RequestError(
                "What this job had finished is no longer there, or the model, its version or the device is another now."
                " Paint it again to begin anew."
            )
        pictures = self.history.job_images(job.id)
        painting.resume(pictures)
        return load_candidates([(row, self.history.image_path(row.id)) for row in pictures])

    def _follow(self, model: "ImageModel", painting: Painting, event: "Event") -> None:
        from dalle_core.generate import CandidateFinished, Preview, Progress, Started

        match event:
            case Started():
                kept_rows = len(event.request.prefix_tokens) // model.spec.cols
                self.history.describe_job(painting.job.id, model.spec.sha256, self._device(), event.notes, kept_rows)
                painting.begin(event.notes, kept_rows)
            case Progress():
                painting.advance(event)
            case Preview():
                painting.show(event)
            case CandidateFinished():
                image = new_image(model, painting.job, event.candidate)
                painting.complete(event.candidate.index, self.history.add_image(image))

    def _device(self) -> str:
        import torch

        return f"{self.status.device}, PyTorch {torch.__version__}"

    def _finish(self, painting: Painting, event: "Finished", reranker: "Reranker | None") -> Outcome:
        if event.cancelled:
            return Outcome("cancelled" if painting.job.id in self._cancelled else "interrupted")
        if reranker is None:
            return Outcome("done")
        ids = {tile.index: tile.image_id for tile in painting.view.tiles if tile.image_id}
        return Outcome("done", None, tuple(as_rows(reranker, painting.job.request, event.candidates, ids)))

    def _settle(self, painting: Painting, outcome: Outcome) -> None:
        """Write the outcome down, trying again while the history cannot be written: no job could be claimed either."""
        job_id = painting.job.id
        while True:
            try:
                return self.history.finish_job(job_id, outcome.status, outcome.error, outcome.rankings)
            except HistoryError as error:
                logger.exception("job %s cannot be settled", job_id)
                painting.settle("failed", outcome.error or str(error))
                self._bell.ring()
            self._run_errands()
            if self._stopping.wait(POLL_SECONDS):
                return None  # the next start finds it running, and marks it interrupted

    def _stops(self, job_id: str) -> bool:
        """Asked at every decode step: was the job cancelled, here or in another process, or is the studio closing?

        Errands are run meanwhile, so that none waits for a whole job.
        """
        self._run_errands()
        now = time.monotonic()
        if now - self._asked > POLL_SECONDS:
            self._asked = now
            with contextlib.suppress(HistoryError):
                if self.history.cancel_requested(job_id):
                    self._cancelled.add(job_id)
        return self._stopping.is_set() or job_id in self._cancelled


def check_fits(model: "ImageModel", request: GenerationRequest, model_sha256: str | None) -> int:
    """How many rows the request gives. Raises RequestError where it, or the tokens it holds, are not for this model."""
    from dalle_core.generate import check

    given = request.prefix_tokens or request.source_tokens
    if given and model_sha256 not in {None, model.spec.sha256}:
        raise RequestError(
            f"This job was given tokens of another version of {model.spec.name}. Choose the picture again, then paint."
        )
    check(model, request)
    return len(request.prefix_tokens) // model.spec.cols


def new_image(model: "ImageModel", job: JobRow, candidate: "Candidate") -> NewImage:
    """A finished candidate with its recipe, ready to be written."""
    from dalle_core.images import to_pil

    parents = (job.source_id,) if job.kind in DESCENDING and job.source_id else ()
    recipe = make_recipe(model, job.request, candidate, parents)
    style = style_of(job.request.prompt, model.spec.styles)
    kept_rows = len(job.request.prefix_tokens) // model.spec.cols
    edges = tuple(Edge(parent, job.kind, kept_rows) for parent in parents)
    return NewImage(job.id, to_pil(candidate.image), recipe, style, candidate.seconds, edges)


def make_recipe(
    model: "ImageModel", request: GenerationRequest, candidate: "Candidate", parents: tuple[str, ...] = ()
) -> Recipe:
    return Recipe(
        request=request,
        index=candidate.index,
        seed=candidate.seed,
        model=model.spec.name,
        model_sha256=model.spec.sha256,
        tokens=tuple(candidate.tokens.tolist()),
        parents=parents,
        app_version=__version__,
    )
