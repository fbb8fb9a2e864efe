"""DALL·E mini at its true shapes, weights random: what it takes to convert, to load and to paint one picture."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import PROJECT_FOLDER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc"),
]


def run(folder: Path, task: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.core.true_size", str(folder), task]
    done = subprocess.run(command, cwd=PROJECT_FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures: dict[str, float] = json.loads(done.stdout or "{}")
    return figures


def test_mini_loads_in_little_more_memory_than_it_is_large(tmp_path: Path) -> None:
    run(tmp_path, "write")
    converting, painting, sparing = (run(tmp_path, task) for task in ("convert", "paint", "paint-sparing"))
    for name, value in {**painting, "converting": converting["seconds"], "to_convert": converting["memory"]}.items():
        sys.stderr.write(f"{name}: {value:,.1f}\n")
    sys.stderr.write(f"in turn: {sparing}\n")
    assert painting["needed"] > 2e9
    assert painting["memory"] < 1.2 * painting["needed"]
    assert converting["memory"] < 1.2 * painting["needed"]
    assert painting["sparing"] < 0.6 * painting["needed"]
    whole = painting["memory"] + painting["more"]
    assert sparing["memory"] + sparing["more"] < 0.8 * whole, "encoder, decoder and VQGAN in turn"
