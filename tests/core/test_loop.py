"""The training loop: a run that was cut off and resumed is the run that was not, to the bit."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dalle_core.errors import TrainingError
from dalle_core.training import loop
from dalle_core.training.loop import Progress, Run, Schedule, plot_curves, read_metrics
from dalle_core.training.world import World

SCHEDULE = Schedule(steps=30, batch=8, learning_rate=0.01, warmup=5, ema=0.9, evaluate_every=10, seed=3)
CPU = torch.device("cpu")


class Halving:
    """Learn y = x / 2 through dropout. `held_out` are figures to give instead of the true ones; `at` acts at a step."""

    def __init__(self, held_out: list[float] | None = None, at: dict[int, Callable[[], None]] | None = None) -> None:
        torch.manual_seed(0)
        self.out = nn.Linear(8, 4)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), self.out)
        self.held_out = held_out
        self.at = at or {}
        self.evaluated: list[dict[str, Tensor]] = []

    def loss(self, step: int, batch: int, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        self.at.get(step, lambda: None)()
        x = torch.randn(batch, 4, generator=torch.Generator().manual_seed(1000 * seed + step))
        loss = nn.functional.mse_loss(self.model(x), x / 2)
        return loss, {"twice": 2 * loss.detach()}

    def evaluate(self) -> dict[str, float]:
        assert not self.model.training
        self.evaluated.append({name: value.clone() for name, value in self.model.state_dict().items()})
        if self.held_out is not None:
            return {"loss": self.held_out[len(self.evaluated) - 1]}
        x = torch.linspace(-1, 1, 40).view(10, 4)
        return {"loss": float(nn.functional.mse_loss(self.model(x), x / 2)), "extra": 1.0}


@pytest.fixture(scope="module", autouse=True)
def no_curves() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "plot_curves", lambda runs, target: None)
        yield


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, no_curves: None) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("whole")
    start(folder).train()
    return everything(folder)


def start(folder: Path, objective: Halving | None = None, schedule: Schedule = SCHEDULE) -> Run:
    return Run(folder, objective or Halving(), schedule, CPU)


def same(first: Any, second: Any) -> bool:
    """Whether two nests of tensors and values are equal to the bit."""
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[name], second[name]) for name in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def everything(folder: Path) -> dict[str, Any]:
    """All that a run leaves, but for the time it took."""
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    metrics = [{name: value for name, value in row.items() if name != "seconds"} for row in read_metrics(folder)]
    del state["progress"]["seconds"]
    return state | {"best": torch.load(folder / "best.pt", weights_only=True), "metrics": metrics}


class TestResume:
    @pytest.mark.parametrize("stops", [(7,), (10,), (1, 2, 29), (20, 20)], ids=str)
    def test_equals_the_uninterrupted_run(self, tmp_path: Path, uninterrupted: dict[str, Any], stops: tuple[int, ...]):
        for stop in stops:
            assert start(tmp_path).train(until=stop).step == stop
        start(tmp_path).train()
        assert same(everything(tmp_path), uninterrupted)

    @pytest.mark.parametrize("broken", [3, 17, 25])
    def test_after_a_crash_too(self, tmp_path: Path, uninterrupted: dict[str, Any], broken: int):
        def crash() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            start(tmp_path, Halving(at={broken: crash})).train()
        start(tmp_path).train()
        assert same(everything(tmp_path), uninterrupted)

    def test_whatever_else_draws_random_numbers(self, tmp_path: Path, uninterrupted: dict[str, Any]):
        start(tmp_path, Halving(at={4: lambda: None})).train(until=4)
        torch.manual_seed(99)
        start(tmp_path).train()
        assert same(everything(tmp_path), uninterrupted)

    def test_of_a_finished_run_changes_nothing(self, tmp_path: Path):
        start(tmp_path).train()
        before, objective = everything(tmp_path), Halving()
        assert start(tmp_path, objective).train().step == 30
        assert same(everything(tmp_path), before)
        assert objective.evaluated == []

    def test_another_seed_is_another_run(self, tmp_path: Path, uninterrupted: dict[str, Any]):
        start(tmp_path, schedule=replace(SCHEDULE, seed=4)).train()
        assert not same(everything(tmp_path)["model"], uninterrupted["model"])


class TestLearning:
    def test_the_held_out_loss_falls(self, tmp_path: Path):
        start(tmp_path, schedule=replace(SCHEDULE, steps=60)).train()
        losses = [row["heldout_loss"] for row in read_metrics(tmp_path) if "heldout_loss" in row]
        assert len(losses) == 6
        assert losses[-1] < losses[0]

    def test_the_last_step_is_evaluated_wherever_it_falls(self, tmp_path: Path):
        objective = Halving()
        start(tmp_path, objective, replace(SCHEDULE, steps=25)).train()
        assert [row["step"] for row in read_metrics(tmp_path) if "heldout_loss" in row] == [10, 20, 25]

    def test_only_matrices_decay(self, tmp_path: Path):
        decayed, spared = start(tmp_path).optimizers[0].param_groups
        assert (decayed["weight_decay"], spared["weight_decay"]) == (SCHEDULE.weight_decay, 0)
        assert {p.ndim for p in decayed["params"]} == {2}
        assert {p.ndim for p in spared["params"]} == {1}

    def test_a_loss_that_is_not_finite_stops_before_it_spoils_the_weights(self, tmp_path: Path):
        objective = Halving()

        def spoil() -> None:
            with torch.no_grad():
                objective.out.bias.fill_(torch.nan)

        objective.at = {12: spoil}
        with pytest.raises(TrainingError, match=r"not finite at step 12, .*lower the learning rate"):
            start(tmp_path, objective).train()
        assert start(tmp_path).train().step == 30


class TestAverage:
    def test_best_are_the_averaged_weights_of_the_best_evaluation(self, tmp_path: Path):
        objective = Halving(held_out=[3.0, 1.0, 2.0])
        progress = start(tmp_path, objective).train()
        assert (progress.best_loss, progress.best_step) == (1.0, 20)
        assert same(torch.load(tmp_path / "best.pt", weights_only=True), objective.evaluated[1])

    def test_the_models_own_weights_come_back(self, tmp_path: Path):
        run = start(tmp_path)
        run.train(until=9)
        own = {name: value.clone() for name, value in run.model.state_dict().items()}
        with run.averaged():
            assert same(dict(run.model.state_dict()), run.average)
            assert not same(run.average, own)
        assert same(dict(run.model.state_dict()), own)
        with pytest.raises(RuntimeError, match="on purpose"), run.averaged():
            raise RuntimeError("on purpose")
        assert same(dict(run.model.state_dict()), own)

    def test_a_young_average_follows_fast_and_counters_are_copied(self, tmp_path: Path):
        run = start(tmp_path)
        run.train(until=2)
        assert int(run.average["1.num_batches_tracked"]) == 2
        gap = (run.average["0.weight"] - run.model.state_dict()["0.weight"]).abs().max()
        assert float(gap) < 0.01 * 2


class TestEarlyStopping:
    impatient = replace(SCHEDULE, steps=100, patience=2)

    def test_waits_as_many_evaluations_as_it_has_patience(self, tmp_path: Path):
        objective = Halving(held_out=[2.0, 1.0, 1.0, 1.5, 0.5])
        progress = start(tmp_path, objective, self.impatient).train()
        assert (progress.step, progress.best_step, progress.best_loss) == (40, 20, 1.0)

    def test_a_better_loss_renews_the_patience(self, tmp_path: Path):
        objective = Halving(held_out=[5.0, 6.0, 4.0, 6.0, 3.0, 6.0, 6.0])
        assert start(tmp_path, objective, self.impatient).train().step == 70

    def test_a_stopped_run_stays_stopped(self, tmp_path: Path):
        start(tmp_path, Halving(held_out=[1.0, 2.0, 2.0]), self.impatient).train()
        objective = Halving(held_out=[])
        assert start(tmp_path, objective, self.impatient).train().step == 30

    def test_without_patience_it_never_stops(self, tmp_path: Path):
        objective = Halving(held_out=[float(i) for i in range(10)])
        assert start(tmp_path, objective, replace(self.impatient, patience=0)).train().step == 100


class TestMinutes:
    def test_the_run_lasts_as_long_and_its_rate_falls_to_zero_at_its_end(self, tmp_path: Path):
        schedule = replace(SCHEDULE, minutes=1 / 60, cooldown=0.5, evaluate_every=10_000)
        progress = start(tmp_path, schedule=schedule).train()
        rows = read_metrics(tmp_path)
        assert progress.seconds >= 1
        assert progress.step > SCHEDULE.steps
        assert [row["step"] for row in rows if "heldout_loss" in row] == [progress.step]
        rates = [row["rate"] for row in rows if "rate" in row]
        assert max(rates) == SCHEDULE.learning_rate
        assert rates[-1] < 0.3 * SCHEDULE.learning_rate

    def test_what_was_spent_counts_after_a_pause(self, tmp_path: Path):
        first = start(tmp_path, schedule=replace(SCHEDULE, minutes=0.5)).train(until=40)
        spent = first.seconds
        ended = start(tmp_path, schedule=replace(SCHEDULE, minutes=(spent + 0.3) / 60)).train()
        assert spent + 0.3 <= ended.seconds < spent + 1.5

    def test_several_processes_go_by_one_clock(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """This one's clock says that the run has hardly begun; the mean of all says that it is over."""
        monkeypatch.setattr(World, "average", lambda self, tensors: None)
        monkeypatch.setattr(World, "mean", lambda self, value: value.detach() + 120)
        schedule = replace(SCHEDULE, minutes=2, evaluate_every=10_000)
        progress = Run(tmp_path, Halving(), schedule, CPU, world=World(0, 2)).train()
        assert (progress.step, progress.seconds > 120) == (1, True)

    def test_a_share_of_the_run_is_of_steps_or_of_time(self):
        by_steps, by_time = replace(SCHEDULE, steps=200), replace(SCHEDULE, minutes=2)
        assert by_steps.done(50, 1e9) == 0.25
        assert by_time.done(10**9, 30) == 0.25
        assert by_time.done(1, 500) == 1


class TestFiles:
    def test_a_write_that_fails_leaves_the_old_checkpoint(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        run = start(tmp_path)
        run.train(until=5)
        before = (tmp_path / "checkpoint.pt").read_bytes()

        def full(state: Any, path: Path) -> None:
            path.write_bytes(before[:100])
            raise OSError("no space left")

        monkeypatch.setattr(torch, "save", full)
        with pytest.raises(OSError, match="no space left"):
            run.save()
        assert (tmp_path / "checkpoint.pt").read_bytes() == before
        assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.pt", "machine.json"}

    def test_no_temporary_files_are_left(self, tmp_path: Path):
        start(tmp_path).train()
        assert {path.name for path in tmp_path.iterdir()} == {
            "best.pt",
            "checkpoint.pt",
            "machine.json",
            "metrics.jsonl",
        }

    @pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut off"])
    def test_a_damaged_checkpoint_is_named(self, tmp_path: Path, content: bytes):
        (tmp_path / "checkpoint.pt").write_bytes(content)
        with pytest.raises(TrainingError, match=r"checkpoint\.pt is damaged: .*Delete it to start over"):
            start(tmp_path).train()

    def test_another_networks_checkpoint_is_refused(self, tmp_path: Path):
        start(tmp_path).train(until=2)
        other = Halving()
        other.model = nn.Sequential(nn.Linear(4, 9), nn.Linear(9, 4))
        with pytest.raises(TrainingError, match=r"checkpoint\.pt belongs to another network"):
            start(tmp_path, other).train()


class TestLog:
    def test_holds_a_line_every_twenty_steps_and_every_evaluation(self, tmp_path: Path):
        start(tmp_path, schedule=replace(SCHEDULE, steps=40)).train()
        rows = read_metrics(tmp_path)
        assert [row["step"] for row in rows] == [10, 20, 20, 30, 40, 40]
        assert [row["step"] for row in rows if "loss" in row] == [20, 40]
        assert set(rows[1]) == {"step", "seconds", "loss", "rate", "norm", "twice"}
        assert set(rows[0]) == {"step", "seconds", "heldout_loss", "heldout_extra"}

    def test_a_line_cut_off_is_left_out(self, tmp_path: Path):
        (tmp_path / "metrics.jsonl").write_text('{"step": 20, "loss": 1.0}\n{"step": 40, "lo')
        assert read_metrics(tmp_path) == [{"step": 20, "loss": 1.0}]

    def test_no_log_is_an_empty_one(self, tmp_path: Path):
        assert read_metrics(tmp_path) == []

    def test_is_cut_back_to_the_checkpoint(self, tmp_path: Path):
        start(tmp_path).train(until=20)
        log = tmp_path / "metrics.jsonl"
        kept = log.read_text()
        log.write_text(kept + json.dumps({"step": 25, "loss": 9.0}) + '\n{"step": 26, "lo')
        start(tmp_path).resume()
        assert log.read_text() == kept

    def test_of_a_run_without_a_checkpoint_starts_over(self, tmp_path: Path):
        (tmp_path / "metrics.jsonl").write_text('{"step": 25, "loss": 9.0}\n')
        start(tmp_path).train(until=20)
        assert [row["step"] for row in read_metrics(tmp_path)] == [10, 20, 20]

    def test_curves_are_drawn(self, tmp_path: Path):
        start(tmp_path).train()
        plot_curves([tmp_path], tmp_path / "loss.png")
        assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


class TestRate:
    schedule = Schedule(steps=100, learning_rate=1.0, warmup=10, cooldown=0.4)

    def test_warms_up_stays_and_falls_to_nothing(self):
        rates = [self.schedule.rate(step) for step in range(100)]
        assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
        assert rates[10:61] == [1.0] * 51
        assert rates[61:] == sorted(rates[61:], reverse=True)
        assert 0 < rates[-1] < 0.02
        assert self.schedule.rate(100) == 0

    def test_has_fallen_by_half_a_quarter_into_the_cooldown(self):
        assert self.schedule.rate(70) == pytest.approx(0.5)

    def test_works_without_warmup_or_cooldown(self):
        plain = replace(self.schedule, warmup=0, cooldown=0.0)
        assert [plain.rate(step) for step in (0, 50, 99)] == [1.0, 1.0, 1.0]


def test_progress_starts_with_nothing():
    assert vars(Progress()) == {"step": 0, "best_loss": float("inf"), "best_step": 0, "seconds": 0.0,
                                "precision": ""}  # fmt: skip
