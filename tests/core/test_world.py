"""Training in several processes: the same losses and the same weights as in one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from app.settings import PROJECT_FOLDER
from dalle_core.errors import TrainingError
from dalle_core.training.__main__ import main
from dalle_core.training.loop import read_metrics
from dalle_core.training.world import World


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_every_process_takes_its_own_part(rank: int):
    assert list(range(12))[World(rank, 3).share(12)] == list(range(4 * rank, 4 * rank + 4))


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(TrainingError, match="a batch of 10 cannot be shared evenly by 4 processes"):
        World(0, 4).share(10)


def test_alone_nothing_changes():
    values = torch.arange(3.0, requires_grad=True)
    assert World().gather(values) is values
    assert torch.equal(World().mean(values), values)


STAGES = ("clip", "decoder", "transformer")


@pytest.fixture(scope="module")
def runs(project: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Trained by this process alone, and by two that torchrun started, with the commands of the README.

    Of several of one thing nothing is shown: their plurals come from a library that takes seconds to import.
    """
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    for folder in folders:
        shutil.copytree(project / "runs", folder, ignore=shutil.ignore_patterns(*STAGES), dirs_exist_ok=True)
    flags = ["--preset", "test", "--art", str(project / "art"), "--device", "cpu", "--precision", "fp32",
             "--threads", "1", "--set", "transformer.dropout=0", "--set", "mixture.counted=0"]  # fmt: skip
    for stage in STAGES:
        flags += ["--set", f"schedules.{stage}.steps=40", "--set", f"schedules.{stage}.evaluate_every=20"]
    assert [main([stage, "--runs", str(folders[0]), *flags]) for stage in STAGES] == [0] * len(STAGES)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = ["-m", "tests.core.stages", *STAGES, "--runs", str(folders[1]), *flags]
    done = subprocess.run([*torchrun, *command], capture_output=True, text=True, timeout=240, check=False,
                          cwd=PROJECT_FOLDER, env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("best held-out loss") == len(STAGES), "the first process alone says what was done"
    return folders


@pytest.mark.parametrize("stage", STAGES)
def test_two_processes_train_what_one_does(runs: list[Path], stage: str):
    rows = [[row for row in read_metrics(folder / "test" / stage) if "loss" in row] for folder in runs]
    paths = [folder / "test" / stage / "checkpoint.pt" for folder in runs]
    weights = [torch.load(path, weights_only=True)["model"] for path in paths]
    assert len(rows[0]) > 1
    for name in ("loss", "norm"):
        assert [row[name] for row in rows[1]] == pytest.approx([row[name] for row in rows[0]], rel=1e-3)
    for name, value in weights[0].items():
        if stage == "decoder" and value.ndim == 1:
            continue  # a bias before a norm of one channel has no gradient but for rounding, which AdamW makes steps of
        torch.testing.assert_close(weights[1][name], value, atol=1e-3, rtol=1e-2)
