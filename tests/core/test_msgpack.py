"""Flax's files: what another writer writes is read back, whatever else is a CheckpointError."""

import random
from pathlib import Path

import msgpack
import numpy as np
import pytest
import torch

from dalle_core.errors import CheckpointError
from dalle_core.msgpack import read_flax


def packed(array: np.ndarray) -> msgpack.ExtType:
    return msgpack.ExtType(1, msgpack.packb((array.shape, array.dtype.name, array.tobytes()), use_bin_type=True))


def write(folder: Path, tree: object) -> Path:
    path = folder / "flax_model.msgpack"
    path.write_bytes(msgpack.packb(tree, use_bin_type=True))
    return path


@pytest.mark.parametrize("shape", [(), (1,), (300, 300), (2, 3, 4, 5), (70_000,)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_arrays_of_every_size(tmp_path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    array = np.asarray(np.random.default_rng(0).standard_normal(shape), dtype=dtype)
    read = read_flax(write(tmp_path, {"a" * 40: {"b": packed(array)}, "c": packed(array)}))
    assert list(read) == [f"{'a' * 40}.b", "c"]
    assert torch.equal(read["c"], torch.from_numpy(array))


def test_wide_maps_and_long_names(tmp_path: Path) -> None:
    array = packed(np.zeros(1, np.float32))
    assert len(read_flax(write(tmp_path, {str(i) * 100: array for i in range(70_000)}))) == 70_000


def nested(depth: int) -> object:
    return {"a": nested(depth - 1)} if depth else packed(np.zeros(1, np.float32))


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([1, 2], "expected maps of arrays, found list at the top"),
        ({"step": 3}, "expected maps of arrays, found int at step."),
        ({1: packed(np.zeros(1, np.float32))}, "expected a name, found int"),
        ({"a": packed(np.zeros(1, np.int64))}, "expected arrays of float32, float16, found int64"),
        ({"a": msgpack.ExtType(2, b"1234")}, "unexpected extension 2"),
        ({"a": msgpack.ExtType(1, msgpack.packb(((9, 9), "float32", b"1234")))}, r"4 bytes for an array of \[9, 9\]"),
        ({"a": msgpack.ExtType(1, msgpack.packb(((-1, -1), "float32", b"1234")))}, "unexpected byte 0xff"),
        ({"a": None}, "unexpected byte 0xc0"),
        (nested(40), "nested too deeply"),
    ],
)
def test_what_flax_does_not_write_is_refused(tmp_path: Path, tree: object, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_flax(write(tmp_path, tree))


def test_a_length_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "huge.msgpack"
    path.write_bytes(b"\x81\xa1a\xc9\xff\xff\xff\xff\x01")
    with pytest.raises(CheckpointError, match="expected 4294967295 more bytes at 9, found 0"):
        read_flax(path)


def test_what_is_left_over_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, {"a": packed(np.zeros(1, np.float32))})
    path.write_bytes(path.read_bytes() + b"\x00")
    with pytest.raises(CheckpointError, match="1 bytes are left over"):
        read_flax(path)


@pytest.mark.parametrize("content", [b"", b"\xc1", b"\xdf\xff\xff\xff\xff", b"\x81\xa1"])
def test_files_of_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.msgpack"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"broken\.msgpack"):
        read_flax(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="missing file"):
        read_flax(tmp_path / "none.msgpack")


def test_damage_anywhere_is_an_error_or_harmless(tmp_path: Path) -> None:
    """A flipped bit of an array is another number; anywhere else it is a CheckpointError, and nothing else."""
    path = write(tmp_path, {"a": {"b": packed(np.ones((2, 2), np.float32))}, "c": packed(np.ones(3, np.float16))})
    whole, rng = path.read_bytes(), random.Random(0)
    for _ in range(500):
        content = bytearray(whole)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content[: rng.choice([len(content), rng.randrange(len(content))])])
        try:
            read_flax(path)
        except CheckpointError as error:
            assert str(error).startswith("flax_model.msgpack")  # noqa: PT017  # both outcomes are fine
