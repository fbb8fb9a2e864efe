"""Libraries that only some families need: asked for when such a model is loaded, and named when they are missing."""

from importlib.metadata import version
from importlib.util import find_spec

from dalle_core.errors import CheckpointError

OLDEST_TRANSFORMERS = (5, 24)  # before, a cache had another name: it was taken for an option and left unused
INSTALL = "Install it with: pip install -r requirements-models.txt"


def require_transformers(wanted_by: str) -> None:
    """Raises CheckpointError that says what to install."""
    if find_spec("transformers") is None:
        raise CheckpointError(f"{wanted_by} needs the library transformers, which is not installed. {INSTALL}")
    found = version("transformers")
    if tuple(map(int, found.split(".")[:2])) < OLDEST_TRANSFORMERS:
        oldest = ".".join(map(str, OLDEST_TRANSFORMERS))
        raise CheckpointError(f"{wanted_by} needs transformers {oldest} or newer, {found} is installed. {INSTALL}")
