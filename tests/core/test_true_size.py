"""What models take at their true shapes: DALL·E mini, its weights random, and the bundled one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.models import DEFAULT_MODEL
from app.settings import PROJECT_FOLDER
from tests.core.true_size import NAME

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc"),
]


def run(task: str, folder: Path, *more: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.core.true_size", task, str(folder), *more]
    done = subprocess.run(command, cwd=PROJECT_FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures: dict[str, float] = json.loads(done.stdout or "{}")
    sys.stderr.write(f"{task}: {figures}\n")
    return figures


def test_mini_loads_in_little_more_memory_than_it_is_large(tmp_path: Path) -> None:
    run("write", tmp_path)
    converting = run("convert", tmp_path)
    painting, sparing = (run(task, tmp_path / NAME) for task in ("paint", "paint-sparing"))
    assert painting["weights"] > 2e9
    assert painting["memory"] < 1.2 * painting["weights"]
    assert converting["memory"] < 1.2 * painting["weights"]
    assert sparing["weights"] < 0.6 * painting["weights"]
    whole = painting["memory"] + painting["more"]
    assert sparing["memory"] + sparing["more"] < 0.8 * whole, "encoder, decoder and VQGAN in turn"


def test_the_bundled_model_takes_what_is_said_before_it_is_loaded() -> None:
    painting = run("paint", PROJECT_FOLDER / "assets" / "models" / DEFAULT_MODEL, "8")
    assert 0.7 < (painting["memory"] + painting["more"]) / painting["whole"] < 1.2
