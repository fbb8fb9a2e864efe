"""Which words a model has learned: read from its folder, so that it is known before the model is loaded. Imports
neither torch nor numpy.
"""

import contextlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from app.models import folder_of
from app.settings import Settings
from dalle_core.errors import DalleError

if TYPE_CHECKING:
    from dalle_core.vocabulary import Vocabulary


def vocabulary_of(settings: Settings, model: str) -> "Vocabulary | None":
    """None for a model that is not there or does not say."""
    from dalle_core.vocabulary import VOCABULARY

    path = folder_of(settings, model) / VOCABULARY
    with contextlib.suppress(OSError, DalleError):
        return _read(path.parent, path.stat().st_mtime_ns)
    return None


@lru_cache(maxsize=4)
def _read(folder: Path, changed: int) -> "Vocabulary | None":
    """`changed` is when the file was: a model that was trained anew says other words."""
    from dalle_core.vocabulary import Vocabulary

    return Vocabulary.of_model(folder)
