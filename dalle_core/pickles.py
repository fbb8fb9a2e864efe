"""Foreign PyTorch files: tensors are taken out of them, nothing in them is ever run. Knows no family.

`torch.load(weights_only=True)` refuses whatever is not on its list. A whole pickled module is read as the tensors it
holds: its classes, which must be named here by the caller, are replaced by an inert one.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from dalle_core.errors import CheckpointError

FOREIGN = re.compile(r"GLOBAL (\S+) was not an allowed|unsupported GLOBAL (\S+) whose|unrecognized function (.+)")


class Husk:
    """Stands in for a class of a pickled module: takes its attributes, has no behaviour."""


def read_pickle(path: Path, stand_ins: Sequence[str] = ()) -> Any:
    """What a .pt, .pth or .pkl file holds, tensors memory-mapped where its format allows.

    `stand_ins` are full names of classes that are replaced by `Husk`. Raises CheckpointError naming what is wrong.
    """
    if not path.is_file():
        raise CheckpointError(f"missing file: {path}")
    with torch.serialization.safe_globals([(Husk, name) for name in stand_ins]):
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
        except UnpicklingError as error:
            raise CheckpointError(_why(path.name, str(error))) from error
        except Exception as error:  # on foreign bytes it raises whatever it likes
            raise CheckpointError(f"{path.name}: not a PyTorch file, or one that is cut short ({error})") from error


def _is_zip(path: Path) -> bool:
    """Since PyTorch 1.6; older files cannot be mapped."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _why(name: str, message: str) -> str:
    if found := FOREIGN.search(message):
        named = next(group for group in found.groups() if group)
        return f"{name}: refused, since loading it would run code ({named}); expected tensors alone"
    return f"{name}: not a PyTorch file of tensors alone ({message.splitlines()[0]})"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A state dict: names and tensors, and nothing else."""
    found = read_pickle(path)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise CheckpointError(f"{path.name}: expected names and tensors, found {type(found).__name__}")
    if others := [name for name, value in found.items() if not isinstance(value, Tensor)]:
        raise CheckpointError(f"{path.name}: expected tensors alone, found something else under {others[:5]}")
    return found


def tensors_of(module: Husk) -> dict[str, Tensor]:
    """The parameters of a pickled module, by their full names."""
    return dict(_walk(module, ""))


def _walk(module: Husk, prefix: str) -> Iterator[tuple[str, Tensor]]:
    held = vars(module)
    for name, value in held.get("_parameters", {}).items():
        if isinstance(value, Tensor):
            yield prefix + name, value.detach()
    for name, child in held.get("_modules", {}).items():
        if isinstance(child, Husk):
            yield from _walk(child, f"{prefix}{name}.")
