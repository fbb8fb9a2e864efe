"""Files on disk: weights as safetensors, configs as JSON, everything written atomically and read strictly."""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from math import prod
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


@contextlib.contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target` to fill; moved into place if all went well, else removed."""
    staging = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    staging.mkdir(parents=True)
    try:
        yield staging
        os.replace(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def second_name(source: Path, target: Path) -> None:
    """A second name for the same file where the disk allows it, else a copy: weights are gigabytes."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def sha256_of(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_of_weights(module: "nn.Module") -> str:
    """Of the names and values of all that a network would store, at single precision."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        positive_zero = tensor.cpu().float() + 0.0  # an average of -0 is 0
        digest.update(name.encode() + positive_zero.numpy().tobytes())
    return digest.hexdigest()


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


def save_weights(path: Path, tensors: "Mapping[str, torch.Tensor]", dtype: "torch.dtype | None") -> None:
    """Floating-point tensors are stored as `dtype`, the others as they are; None stores all as they are."""
    from safetensors.torch import save_file

    stored = {
        name: (value.to(dtype) if dtype and value.is_floating_point() else value).contiguous().cpu()
        for name, value in tensors.items()
    }
    with atomic_path(path) as staging:
        save_file(stored, staging)
        staging.chmod(0o644)  # the library makes it private; a model's folder is for whoever may read its config


def stored_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a safetensors file's tensors, from its header alone."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  # no mapping
    except FileNotFoundError as error:
        raise CheckpointError(f"missing file: {path}") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path.name}: not a readable safetensors file ({error})") from error


def stored_sizes(path: Path) -> dict[str, tuple[int, int]]:
    """Of each tensor of a safetensors file how many numbers it has, and how many bytes one of them takes there."""
    from safetensors import safe_open

    sizes = {}
    shapes = stored_shapes(path)
    with safe_open(path, "np") as file:
        for name, shape in shapes.items():
            bits = int("".join(filter(str.isdigit, file.get_slice(name).get_dtype().partition("_")[0])) or 8)
            sizes[name] = (prod(shape), bits // 8)
    return sizes


def check_tensors(name: str, found: "Mapping[str, tuple[int, ...]]", module: "nn.Module") -> None:
    """The same names, the same shapes, nothing missing, nothing left over."""
    wanted = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if missing or extra:
        raise CheckpointError(f"{name}: missing tensors {missing[:5]}, unexpected tensors {extra[:5]}")
    for key, shape in found.items():
        if shape != wanted[key]:
            raise CheckpointError(f"{name}: {key} is {shape}, expected {wanted[key]}")


def load_weights(path: Path, module: "nn.Module") -> None:
    """Fill `module` from a safetensors file: the same names, the same shapes, nothing missing, nothing left over."""
    from safetensors.torch import load_file

    check_tensors(path.name, stored_shapes(path), module)
    wanted = module.state_dict()
    module.load_state_dict({name: value.to(wanted[name].dtype) for name, value in load_file(path).items()})


def map_weights(path: Path, module: "nn.Module", device: "torch.device", dtype: "torch.dtype") -> None:
    """Like `load_weights`, for a module built on the meta device that is to run in `dtype` on `device`.

    Takes no more memory than the module needs, and one tensor: the file is opened anew for each, since a mapping's
    pages count for as long as it stands. On the CPU, tensors that are stored in `dtype` stay mapped.
    """
    from safetensors import safe_open

    shapes = stored_shapes(path)
    check_tensors(path.name, shapes, module)
    tensors = {}
    for name in shapes:
        with safe_open(path, "pt") as file:
            tensors[name] = file.get_tensor(name).to(device, dtype)
    module.load_state_dict(tensors, assign=True)
