"""Reads what Flax writes: nested maps of arrays as MessagePack. The file is memory-mapped.

Source: the MessagePack specification, and flax.serialization for its extension 1, an array: shape, type, bytes.
Knows nothing else of either; whatever Flax does not write is refused.
"""

import mmap
import struct
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dalle_core.errors import CheckpointError

ARRAY = 1  # Flax's extension type
TYPES = {"float32": np.float32, "float16": np.float16}
DEEPEST = 32  # maps within maps; networks take a handful

# First byte -> how its length, or its value, is written behind it.
STRINGS = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
BYTES = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}
ARRAYS = {0xDC: ">H", 0xDD: ">I"}
MAPS = {0xDE: ">H", 0xDF: ">I"}
NUMBERS = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"}
EXTENSIONS = {0xC7: ">B", 0xC8: ">H", 0xC9: ">I"}
FIXED_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}


def read_flax(path: Path) -> dict[str, Tensor]:
    """Full names, parts joined by dots, and tensors: views of the file where its layout allows."""
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # private, so that torch may have it writable
    except FileNotFoundError as error:
        raise CheckpointError(f"missing file: {path}") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path.name}: not readable ({error})") from error
    try:
        reader = _Reader(memoryview(mapped))
        tree = reader.value(DEEPEST)
        if reader.place != len(mapped):
            raise ValueError(f"{len(mapped) - reader.place} bytes are left over")
        return _flat(tree)
    except (ValueError, struct.error, TypeError, KeyError, RecursionError) as error:
        raise CheckpointError(f"{path.name}: not a Flax checkpoint, or one that is cut short ({error})") from error


def _flat(tree: Any, prefix: str = "") -> dict[str, Tensor]:
    if not isinstance(tree, dict):
        raise ValueError(f"expected maps of arrays, found {type(tree).__name__} at {prefix or 'the top'}")
    flat: dict[str, Tensor] = {}
    for name, value in tree.items():
        if isinstance(value, Tensor):
            flat[prefix + name] = value
        else:
            flat |= _flat(value, f"{prefix}{name}.")
    return flat


class _Reader:
    """One pass over a buffer. Lengths are never trusted beyond what is there."""

    def __init__(self, buffer: memoryview) -> None:
        self.buffer = buffer
        self.place = 0

    def value(self, depth: int) -> Any:
        if depth == 0:
            raise ValueError("nested too deeply")
        first = self._number(">B")
        if first < 0x80:
            return first
        if first < 0x90:
            return self._map(first & 0x0F, depth)
        if first < 0xA0:
            return [self.value(depth - 1) for _ in range(first & 0x0F)]
        if first < 0xC0:
            return self._text(first & 0x1F)
        return self._long(first, depth)

    def _long(self, first: int, depth: int) -> Any:
        if first in STRINGS:
            return self._text(self._number(STRINGS[first]))
        if first in BYTES:
            return self._take(self._number(BYTES[first]))
        if first in ARRAYS:
            return [self.value(depth - 1) for _ in range(self._number(ARRAYS[first]))]
        if first in MAPS:
            return self._map(self._number(MAPS[first]), depth)
        if first in NUMBERS:
            return self._number(NUMBERS[first])
        if first in EXTENSIONS:
            return self._array(self._number(EXTENSIONS[first]))
        if first in FIXED_EXTENSIONS:
            return self._array(FIXED_EXTENSIONS[first])
        raise ValueError(f"unexpected byte {first:#04x} at {self.place - 1}")

    def _map(self, count: int, depth: int) -> dict[str, Any]:
        found = {}
        for _ in range(count):
            name = self.value(depth - 1)
            if not isinstance(name, str):
                raise ValueError(f"expected a name, found {type(name).__name__} at {self.place}")
            found[name] = self.value(depth - 1)
        return found

    def _array(self, length: int) -> Tensor:
        kind = self._number(">b")
        inside = _Reader(self._take(length))
        if kind != ARRAY:
            raise ValueError(f"unexpected extension {kind}")
        shape, name, data = inside.value(3)
        if name not in TYPES:
            raise ValueError(f"expected arrays of {', '.join(TYPES)}, found {name}")
        dtype = np.dtype(TYPES[name])
        if not all(isinstance(side, int) for side in shape) or prod(shape) * dtype.itemsize != len(data):
            raise ValueError(f"{len(data)} bytes for an array of {shape}")
        array = np.frombuffer(data, dtype).reshape(shape)
        return torch.from_numpy(array if array.flags.aligned else array.copy())

    def _text(self, length: int) -> str:
        return bytes(self._take(length)).decode()

    def _number(self, layout: str) -> int:
        number: int = struct.unpack(layout, self._take(struct.calcsize(layout)))[0]
        return number

    def _take(self, length: int) -> memoryview:
        taken = self.buffer[self.place : self.place + length]
        if len(taken) < length:
            raise ValueError(f"expected {length} more bytes at {self.place}, found {len(taken)}")
        self.place += length
        return taken
