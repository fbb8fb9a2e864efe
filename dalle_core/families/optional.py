"""Libraries that only some families need: asked for when such a model is loaded, and named when they are missing."""

from importlib.util import find_spec

from dalle_core.errors import CheckpointError


def require_transformers(wanted_by: str) -> None:
    """Raises CheckpointError that says what to install."""
    if find_spec("transformers") is None:
        raise CheckpointError(
            f"{wanted_by} needs the library transformers, which is not installed. "
            "Install it with: pip install -r requirements-models.txt"
        )
