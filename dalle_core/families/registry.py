"""Which families there are, and how a model's folder says which one it belongs to. Reads configs, imports no torch."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from dalle_core.checkpoints import FORMAT, read_json
from dalle_core.errors import CheckpointError
from dalle_core.families.base import ModelSpec

if TYPE_CHECKING:
    import torch

    from dalle_core.families.bundled import BundledModel

CONFIG = "config.json"


def read_spec(folder: Path) -> ModelSpec:
    """What a model is, from its config alone."""
    if not folder.is_dir():
        raise CheckpointError(f"no model folder at {folder}")
    config = read_json(folder / CONFIG)
    if config.get("format") != FORMAT:
        raise CheckpointError(f"{folder.name}: expected config format {FORMAT}, found {config.get('format')!r}")
    try:
        spec = dict(config["spec"])
        sequences = {name: tuple(spec[name]) for name in ("levels", "languages", "styles")}
        return ModelSpec(**{**spec, **sequences, "sha256": _sha256_of_all(config["files"])})
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder.name}: {CONFIG} lacks or has an unexpected field: {error}") from error


def _sha256_of_all(files: dict[str, str]) -> str:
    """One hash for weights and tokenizer together: whatever can change a picture changes it."""
    lines = "".join(f"{name} {sha256}\n" for name, sha256 in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def load_model(folder: Path, device: "torch.device") -> "BundledModel":
    """Load the model in `folder`, whatever its family."""
    spec = read_spec(folder)
    if spec.family == "bundled":
        from dalle_core.families.bundled import load_bundled

        return load_bundled(folder, device)
    raise CheckpointError(f"{folder.name}: unknown family {spec.family!r}; expected 'bundled'")
