"""What models take at their true shapes: DALL·E mini, its weights random, and the bundled one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.models import DEFAULT_MODEL
from app.settings import PROJECT_FOLDER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc"),
]


def run(folder: Path, *extent: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.core.true_size", str(folder), *extent]
    done = subprocess.run(command, cwd=PROJECT_FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    sys.stderr.write(done.stdout)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def test_mini_loads_in_little_more_memory_than_it_is_large(tmp_path: Path) -> None:
    figures = run(tmp_path)
    size, sparing = figures["weights"], figures["sparing"]
    assert size > 2e9
    assert figures["converting"]["memory"] < 1.2 * size
    assert figures["loading"]["memory"] < 1.2 * size
    assert sparing["weights"] < 0.6 * size
    assert sparing["painting"]["memory"] < 0.8 * figures["painting"]["memory"], "encoder, decoder and VQGAN in turn"


def test_the_bundled_model_takes_what_is_said_before_it_is_loaded() -> None:
    figures = run(PROJECT_FOLDER / "assets" / "models" / DEFAULT_MODEL, "8", "1")
    assert 0.7 < figures["painting"]["memory"] / figures["whole"] < 1.2
