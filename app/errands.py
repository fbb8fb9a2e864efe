"""Short pieces of work that any thread hands to the one that owns the model, and waits for. Knows no jobs, no history.

An errand is to last a fraction of a second: while it runs, nothing is painted.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from app.errors import StudioClosed
from dalle_core.errors import DalleError

if TYPE_CHECKING:
    from dalle_core.families.base import ImageModel

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Errand:
    do: "Callable[[ImageModel], Any]"
    answer: "Future[Any]" = field(default_factory=Future)

    def run(self, model: "ImageModel") -> None:
        try:
            self.answer.set_result(self.do(model))
        except Exception as error:
            if not isinstance(error, DalleError):
                logger.exception("an errand failed")
            self.answer.set_exception(error)


class Errands:
    """Handed in by any thread, run by the one that calls `serve`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[_Errand] = deque()
        self._closed = False

    def hand_in(self, do: "Callable[[ImageModel], T]") -> "Future[T]":
        """Raises StudioClosed."""
        errand = _Errand(do)
        with self._lock:
            if self._closed:
                raise StudioClosed("The studio is closing.")
            self._waiting.append(errand)
        return errand.answer

    def serve(self, model: "ImageModel") -> None:
        """Run those that wait now; those handed in meanwhile have to wait for the next call."""
        for errand in self._take():
            errand.run(model)

    def refuse(self, error: DalleError) -> None:
        for errand in self._take():
            errand.answer.set_exception(error)

    def close(self) -> None:
        """Refuse those that wait, and all that come."""
        with self._lock:
            self._closed = True
        self.refuse(StudioClosed("The studio is closing."))

    def _take(self) -> list[_Errand]:
        if not self._waiting:  # asked at every decode step: no lock for nothing
            return []
        with self._lock:
            taken = list(self._waiting)
            self._waiting.clear()
        return taken
