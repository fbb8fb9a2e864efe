"""Public models, fetched because the artist asked: licence, room, files, conversion, in this order and one at a time.

What was fetched of a model waits below the data folder until it is whole; then it is converted, and moved to the other
models at once. Knows no pages. The model that paints, and its thread, take no part.
"""

import contextlib
import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from app.errors import NotFound, explain
from app.models import folders, is_there
from app.settings import Settings
from app.views import DownloadView, OfferView, readable_size
from dalle_core.errors import CheckpointError, DalleError, DownloadError, DownloadStopped, RequestError
from dalle_core.families.catalogue import OFFERS, RERANKERS, Offer
from dalle_core.families.convert import convert
from dalle_core.families.optional import require_transformers
from dalle_core.families.registry import CONFIG
from dalle_core.hub import Hub, RemoteFile, fetch, require_library

WINDOW = 5.0  # seconds over which the speed is measured
TELL_SECONDS = 0.2
CLOSE_SECONDS = 5.0
SLACK = 64 * 2**20  # bytes of disk to leave alone

Convert = Callable[[str, Path, Path], None]
Told = Callable[[DownloadView], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Downloads:
    """What can be had, and its fetching. Every method may be called from any thread."""

    settings: Settings
    hub: Hub = field(default_factory=Hub)
    offers: Mapping[str, Offer] = field(default_factory=lambda: OFFERS)
    convert: Convert = convert
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _views: dict[str, DownloadView] = field(default_factory=dict)
    _running: dict[str, tuple[threading.Thread, threading.Event]] = field(default_factory=dict)

    def all(self) -> list[OfferView]:
        """Every model that can be had, in the catalogue's order."""
        return [self._view(offer) for offer in self.offers.values()]

    def offer(self, name: str) -> OfferView:
        """Raises NotFound."""
        return self._view(self._offer(name))

    def free(self) -> int:
        """Bytes of disk that are free where models are kept."""
        place = self.settings.own_models
        return shutil.disk_usage(next(folder for folder in (place, *place.parents) if folder.exists())).free

    def start(self, name: str, accepted: str) -> None:
        """Fetch a model on a thread of its own. `accepted` names the licence that the artist has agreed to.

        Raises RequestError, DownloadError where it cannot begin; what goes wrong later is told by its view.
        """
        self._check(name, accepted)
        stop = threading.Event()
        thread = threading.Thread(target=self._follow, args=(name, accepted, stop), name="download", daemon=True)
        with self._lock:
            if busy := next(iter(self._running), None):
                raise RequestError(f"{self.offers[busy].title} is being fetched. One after the other, please.")
            self._running[name] = (thread, stop)
            self._views[name] = DownloadView("looking")
        thread.start()

    def stop(self, name: str) -> None:
        """Soon; what was fetched stays, and `start` goes on from there."""
        with self._lock:
            if name in self._running:
                self._running[name][1].set()

    def discard(self, name: str) -> None:
        """Delete what was fetched of a model. Raises RequestError while it is being fetched."""
        offer = self._offer(name)
        with self._lock:
            if name in self._running:
                raise RequestError(f"{offer.title} is being fetched already.")
            self._views.pop(name, None)
        with self._alone(offer):
            shutil.rmtree(self._folder(offer), ignore_errors=True)

    def close(self) -> None:
        with self._lock:
            running = list(self._running.values())
        for _, stop in running:
            stop.set()
        for thread, _ in running:
            thread.join(CLOSE_SECONDS)

    def run(self, name: str, accepted: str, told: Told, stop: threading.Event) -> Path:
        """Fetch a model on this thread; its folder when it is there. `told` hears how far it is.

        Raises RequestError, DownloadError, DownloadStopped, CheckpointError; OSError of the disk.
        """
        offer = self._check(name, accepted)
        target = self._place(offer)
        with self._alone(offer):
            self._sweep(target)
            told(DownloadView("looking"))
            files = [file for source in offer.sources for file in self.hub.look_up(source)]
            self._check_room(offer, sum(file.size for file in files if file.cached is None))
            self._fetch(offer, files, told, stop)
            total = sum(file.size for file in files)
            told(DownloadView("converting", total, total))
            try:
                self.convert(name, self._folder(offer), target)
            except CheckpointError as error:
                shutil.rmtree(self._folder(offer), ignore_errors=True)
                raise DownloadError(f"{offer.title} was refused. {error}") from error
            shutil.rmtree(self._folder(offer), ignore_errors=True)
        return target

    # Parts of it

    def _follow(self, name: str, accepted: str, stop: threading.Event) -> None:
        """`run`, its outcome for those who look."""
        try:
            self.run(name, accepted, lambda view: self._tell(name, view), stop)
        except DownloadStopped:
            ended = DownloadView("stopped")
        except Exception as error:
            logger.warning("the download of %s ended: %s", name, error, exc_info=not isinstance(error, DalleError))
            ended = DownloadView("failed", message=explain(error))
        else:
            ended = DownloadView("done")
        with self._lock:
            self._views[name] = ended
            del self._running[name]

    def _tell(self, name: str, view: DownloadView) -> None:
        with self._lock:
            self._views[name] = view

    def _fetch(self, offer: Offer, files: list[RemoteFile], told: Told, stop: threading.Event) -> None:
        folder = self._folder(offer)
        meter = Meter(sum(file.size for file in files), told)
        for file in files:
            fetch(file, folder, lambda have, file=file: meter.tell(have, whole=have == file.size), stop)  # type: ignore[misc]
            meter.finish(file.size)

    def _check(self, name: str, accepted: str) -> Offer:
        """Raises whatever can be known to be wrong before anything is fetched."""
        offer = self._offer(name)
        if accepted != offer.licence.name:
            raise RequestError(f"{offer.title} comes under the licence {offer.licence.name}. Agree to it first.")
        if self._is_there(offer) or self._place(offer).exists():
            raise RequestError(f"There is a model {name} here already.")
        require_library()
        if offer.needs_transformers:
            require_transformers(offer.title)
        return offer

    def _check_room(self, offer: Offer, size: int) -> None:
        """`size` is what has to be fetched, what is here of it included."""
        needed, free = max(0, size - fetched(self._folder(offer))) + offer.extra + SLACK, self.free()
        if needed > free:
            raise DownloadError(
                f"{offer.title} needs {readable_size(needed)} of disk, to fetch it and to convert it; "
                f"{readable_size(free)} are free at {self.settings.own_models}. What was fetched stays."
            )

    def _view(self, offer: Offer) -> OfferView:
        with self._lock:
            download = self._views.get(offer.name)
        return OfferView(
            name=offer.name,
            title=offer.title,
            about=offer.about,
            licence=offer.licence.name,
            licence_url=offer.licence.url,
            terms=offer.licence.terms,
            size=offer.size,
            room=offer.size + offer.extra,
            memory=offer.memory,
            fetched=fetched(self.settings.downloads / offer.name),
            there=self._is_there(offer),
            ranks=offer.folder == RERANKERS,
            download=download,
        )

    def _offer(self, name: str) -> Offer:
        if name not in self.offers:
            raise NotFound(f"There is no model {name[:80]!r} to be had; expected one of {', '.join(self.offers)}.")
        return self.offers[name]

    def _folder(self, offer: Offer) -> Path:
        folder = self.settings.downloads / offer.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextlib.contextmanager
    def _alone(self, offer: Offer) -> Iterator[None]:
        """Another process may be at it: the command line beside the page."""
        self.settings.downloads.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.settings.downloads / f"{offer.name}.lock", timeout=0):
                yield
        except Timeout as error:
            raise RequestError(f"{offer.title} is being fetched already.") from error

    def _place(self, offer: Offer) -> Path:
        return self.settings.own_models / offer.folder / offer.name

    def _is_there(self, offer: Offer) -> bool:
        if offer.folder:
            return any((models / offer.folder / offer.name / CONFIG).is_file() for models in folders(self.settings))
        return is_there(self.settings, offer.name)

    @staticmethod
    def _sweep(target: Path) -> None:
        """What a conversion that was killed left behind."""
        for left in target.parent.glob(f".{target.name}.*.tmp"):
            shutil.rmtree(left, ignore_errors=True)


def fetched(folder: Path) -> int:
    """Bytes of a model's files that are here, whole or in part."""
    with contextlib.suppress(OSError):
        return sum(file.lstat().st_size for file in folder.iterdir())
    return 0


class Meter:
    """How far all files of a download are together, told a few times a second."""

    def __init__(self, total: int, told: Told) -> None:
        self.view = DownloadView("fetching", 0, total)
        self._told = told
        self._before = 0  # bytes of the files that are finished
        self._last = 0.0
        self._seen: deque[tuple[float, int]] = deque()

    def tell(self, have: int, *, whole: bool) -> None:
        """`have` bytes of the current file are here; one that is whole is checked next."""
        now = time.monotonic()
        done = self._before + have
        self._seen.append((now, done))
        while now - self._seen[0][0] > WINDOW:
            self._seen.popleft()
        if whole or now - self._last > TELL_SECONDS:
            self._last = now
            self.view = replace(self.view, state="checking" if whole else "fetching", done=done, speed=self._speed())
            self._told(self.view)

    def finish(self, size: int) -> None:
        self._before += size
        self._seen.clear()

    def _speed(self) -> float | None:
        (first, low), (last, high) = self._seen[0], self._seen[-1]
        return (high - low) / (last - first) if last - first > TELL_SECONDS and high > low else self.view.speed
