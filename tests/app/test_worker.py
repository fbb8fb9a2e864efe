"""What the worker says when something goes wrong."""

import errno

import pytest

from app.errors import explain
from dalle_core.errors import CheckpointError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "not enough memory"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), "not enough memory"),
        (RuntimeError("CUDA error: out of memory"), "not enough memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "not enough memory"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk is full"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (ModuleNotFoundError("No module named 'x'", name="x"), "package x is missing"),
        (CheckpointError("weights.safetensors is corrupt"), "weights.safetensors is corrupt"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_what_went_wrong_in_plain_words(error: BaseException, words: str) -> None:
    assert words in explain(error)
