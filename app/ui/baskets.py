"""Pictures that a page has asked to download together, under a name nobody can guess, until the browser fetches them.

A link is all that a browser needs then: what it fetches goes to disk as it comes, and a list of thousands fits.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence

from dalle_core.errors import RequestError

MOST = 32  # lists that are remembered; the oldest goes


class Baskets:
    def __init__(self) -> None:
        self._lists: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def fill(self, image_ids: Sequence[str]) -> str:
        """Its name. Raises RequestError where there is nothing to download."""
        if not image_ids:
            raise RequestError("No picture is selected.")
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._lists[name] = tuple(image_ids)
            while len(self._lists) > MOST:
                self._lists.popitem(last=False)
        return name

    def get(self, name: str) -> tuple[str, ...] | None:
        with self._lock:
            return self._lists.get(name)
