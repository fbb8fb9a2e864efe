"""Files on disk: weights as safetensors, configs as JSON, everything written atomically and read strictly."""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dalle_core.errors import CheckpointError

if TYPE_CHECKING:
    import torch
    from torch import nn

FORMAT = 1


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A temporary file beside `target` to write to; synced and moved into place if all went well, else removed."""
    staging = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    try:
        yield staging
        with staging.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(staging, target)
    finally:
        staging.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    with atomic_path(path) as staging:
        staging.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or a CheckpointError that says what is there instead."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"missing file: {path}") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not readable JSON ({error})") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: expected a JSON object, found {type(values).__name__}")
    return values


def check_hash(path: Path, expected: str) -> None:
    """Refuse a file that is not the one its config was written with."""
    if not path.is_file():
        raise CheckpointError(f"missing file: {path}")
    actual = sha256_of(path)
    if actual != expected:
        raise CheckpointError(f"{path.name} is corrupt or another file: expected SHA-256 {expected}, found {actual}")


def save_weights(path: Path, tensors: "Mapping[str, torch.Tensor]", dtype: "torch.dtype") -> None:
    """Floating-point tensors are stored as `dtype`, the others as they are."""
    from safetensors.torch import save_file

    stored = {
        name: (value.to(dtype) if value.is_floating_point() else value).contiguous().cpu()
        for name, value in tensors.items()
    }
    with atomic_path(path) as staging:
        save_file(stored, staging)
        staging.chmod(0o644)  # the library makes it private; a model's folder is for whoever may read its config


def load_weights(path: Path, module: "nn.Module") -> None:
    """Fill `module` from a safetensors file: the same names, the same shapes, nothing missing, nothing left over."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        stored = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"missing file: {path}") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path.name}: not a readable safetensors file ({error})") from error
    wanted = module.state_dict()
    missing, extra = sorted(wanted.keys() - stored.keys()), sorted(stored.keys() - wanted.keys())
    if missing or extra:
        raise CheckpointError(f"{path.name}: missing tensors {missing[:5]}, unexpected tensors {extra[:5]}")
    for name, value in stored.items():
        if value.shape != wanted[name].shape:
            raise CheckpointError(f"{path.name}: {name} is {tuple(value.shape)}, expected {tuple(wanted[name].shape)}")
    module.load_state_dict({name: value.to(wanted[name].dtype) for name, value in stored.items()})
