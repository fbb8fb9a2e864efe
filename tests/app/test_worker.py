"""The worker's own small rules: which style a prompt names, and what it says when something goes wrong."""

import errno

import pytest

from app.worker import explain, style_of
from dalle_core.errors import CheckpointError

STYLES = ("noto", "fluent flat", "fluent", "blob")


@pytest.mark.parametrize(
    ("prompt", "style"),
    [
        ("red apple, noto", "noto"),
        ("a red apple, noto style on a blue background", "noto"),
        ("火箭，noto 风格", "noto"),
        ("Rocket in FLUENT style", "fluent"),
        ("rocket, fluent flat", "fluent flat"),
        ("rocket, fluent flat style", "fluent flat"),
        ("a fluent speaker", ""),
        ("red apple, notorious", ""),
        ("red apple", ""),
    ],
)
def test_the_style_a_prompt_names(prompt: str, style: str) -> None:
    assert style_of(prompt, STYLES) == style


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
