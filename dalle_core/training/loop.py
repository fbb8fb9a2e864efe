"""The one training loop: steps, schedule, EMA, held-out loss, early stopping, checkpoints that resume to the bit.

Knows nothing of pictures or text: an Objective gives the loss of step n, and everything random in step n is drawn
from (seed, n). So a run that was cut off and resumed is the run that was not.
"""

import contextlib
import json
import math
import pickle
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm import tqdm

from dalle_core.checkpoints import atomic_path, read_json, write_json
from dalle_core.device import bfloat16_pays
from dalle_core.errors import TrainingError
from dalle_core.training.muon import Muon, hidden_matrices
from dalle_core.training.world import ALONE, World


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. The rate warms up, stays, and falls to zero over the last `cooldown` of the run, which is
    as long as `steps` say, or lasts so many `minutes` of training where they are given: then its speed decides how many
    steps there are, and no two runs are the same.
    """

    steps: int
    minutes: float = 0.0  # compiling and evaluating included; 0 leaves it to the steps
    batch: int = 32
    learning_rate: float = 1e-3
    warmup: int = 100
    cooldown: float = 0.3
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float = 1.0
    ema: float = 0.998
    evaluate_every: int = 500
    patience: int = 0  # evaluations without a better held-out loss before stopping; 0 never stops
    seed: int = 0
    muon_rate: float = 0.0  # Muon's rate for the matrices inside the network; 0 leaves them to AdamW

    def done(self, step: int, seconds: float) -> float:
        """The share of the run that lies behind; 1 at its end."""
        return min(1.0, seconds / (60 * self.minutes) if self.minutes else step / self.steps)

    def rate(self, step: int, seconds: float = 0.0) -> float:
        """Learning rate of a step: trapezoid, its fall shaped as 1 - sqrt (Hägele et al., 2405.18392)."""
        warm = min(1.0, (step + 1) / max(1, self.warmup))
        left = (1 - self.done(step, seconds)) / max(1 / self.steps, self.cooldown)
        return self.learning_rate * warm * (1.0 if left >= 1 else 1 - math.sqrt(1 - max(0.0, left)))


class Objective(Protocol):
    """What is trained: a network, the loss of a step, and the held-out figures."""

    @property
    def model(self) -> nn.Module: ...

    def loss(self, step: int, batch: int, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of step `step`, and figures () to log; all randomness from (seed, step)."""
        ...

    def evaluate(self) -> dict[str, float]:
        """Held-out figures of `model` as it stands; `loss` is the one that early stopping watches."""
        ...


@dataclass
class Progress:
    """What is saved beside weights: where the run stands."""

    step: int = 0
    best_loss: float = math.inf
    best_step: int = 0
    seconds: float = 0.0
    precision: str = ""  # what the run began with; it goes on with it, since another would be another run


CHECKPOINT_SECONDS = 300.0  # what a cut-off run loses at most
LOG_EVERY = 20  # steps; reading a figure waits for an accelerator, which has better things to do

MACHINE = "machine.json"
COMPILE_FROM = 1000  # steps: a shorter run would end before compiling has paid
PRECISIONS = ("auto", "fp32", "bf16")


class Run:
    """A folder with `checkpoint.pt` (to resume), `best.pt` (EMA weights), `metrics.jsonl` and `loss.png`.

    It may hold `start.pt`, the weights of another model, from which the run then begins. `precision` auto is bf16
    where this machine multiplies it faster. In a `world` of several processes all compute the same, and the first
    one writes.
    """

    def __init__(self, folder: Path, objective: Objective, schedule: Schedule, device: torch.device,
                 precision: str = "fp32", world: World = ALONE) -> None:  # fmt: skip
        self.folder = folder
        self.objective = objective
        self.schedule = schedule
        self.device = device
        self.world = world
        self.model = objective.model.to(device)
        if device.type == "cuda" or (schedule.steps >= COMPILE_FROM and shutil.which("g++")):
            self.model.compile()
        self.progress = Progress(precision=_precision(precision, device))
        self.optimizers = self._build_optimizers()
        self.average = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.sound = torch.ones((), dtype=torch.bool, device=device)
        folder.mkdir(parents=True, exist_ok=True)

    def _build_optimizers(self) -> list[torch.optim.Optimizer]:
        """AdamW, weights of two and more dimensions decayed; Muon for the hidden matrices if the schedule says so."""
        schedule = self.schedule
        matrices = hidden_matrices(self.model) if schedule.muon_rate else {}
        others = [p for p in self.model.parameters() if p not in matrices]
        groups = [
            {"params": [p for p in others if p.ndim >= 2], "weight_decay": schedule.weight_decay},
            {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
        ]
        optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=schedule.betas, fused=True)
        ]
        if matrices:
            fused = [
                {"params": [p for p, n in matrices.items() if n == parts], "parts": parts}
                for parts in sorted(set(matrices.values()))
            ]
            dtype = torch.bfloat16 if self.progress.precision == "bf16" else torch.float32
            optimizers.append(Muon(fused, schedule.muon_rate, weight_decay=schedule.weight_decay, dtype=dtype))
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["top"] = group["lr"]
        return optimizers

    # --- running ---

    def train(self, until: int | None = None) -> Progress:
        """Run from wherever the folder stands to the schedule's end (or to step `until`).

        A run that stopped early for want of patience stays stopped.
        """
        self.resume()
        self._say_where()
        progress, schedule = self.progress, self.schedule
        started, before = time.monotonic(), progress.seconds
        bar = tqdm(total=None if schedule.minutes else schedule.steps, initial=progress.step, desc=self.folder.name,
                   unit="step", mininterval=1 if sys.stderr.isatty() else 60, disable=not self.world.leads)  # fmt: skip
        saved = started
        while not self._over(until) and not self._out_of_patience():
            figures = self._step(progress.step)
            progress.step += 1
            progress.seconds = self._agreed(before + time.monotonic() - started)
            bar.update()
            if progress.step % LOG_EVERY == 0 or self.device.type == "cpu":
                self._check()
            if progress.step % LOG_EVERY == 0:
                self._log(figures)
                bar.set_postfix(loss=f"{float(figures['loss']):.4f}", refresh=False)
            if progress.step % schedule.evaluate_every == 0 or self._over():
                self._evaluate()
                self.save()
                saved = time.monotonic()
            elif time.monotonic() - saved > CHECKPOINT_SECONDS:
                self.save()
                saved = time.monotonic()
        bar.close()
        self.save()
        return progress

    def _agreed(self, seconds: float) -> float:
        """Where time says when a run ends, its processes go by one clock: no one stops while another waits for it."""
        if not self.schedule.minutes or self.world.size == 1:
            return seconds
        return float(self.world.mean(torch.tensor(seconds, device=self.device)))

    def _say_where(self) -> None:
        """Write down what computes this run, for whoever reads how long it took."""
        name = f"{self.device.type}, {torch.get_num_threads()} threads"
        if self.device.type == "cuda":
            name = torch.cuda.get_device_name(self.device)
        if self.world.leads:
            told = {"machine": name, "processes": self.world.size, "precision": self.progress.precision}
            write_json(self.folder / MACHINE, told)

    def _over(self, until: int | None = None) -> bool:
        """Whether the schedule's end is reached, or step `until`."""
        step = self.progress.step
        return self.schedule.done(step, self.progress.seconds) >= 1 or step >= (until or step + 1)

    def _step(self, step: int) -> dict[str, Tensor | float]:
        torch.manual_seed(self.schedule.seed * 1_000_003 + step)
        rate = self.schedule.rate(step, self.progress.seconds)
        for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
            group["lr"] = group["top"] * rate / self.schedule.learning_rate
        self.model.train()
        with self._precision():
            loss, figures = self.objective.loss(step, self.schedule.batch, self.schedule.seed)
        self.model.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.world.average(p.grad for p in self.model.parameters() if p.grad is not None)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.schedule.clip)
        self.sound &= torch.isfinite(norm)
        for optimizer in self.optimizers:
            optimizer.step()
        self._follow(step)
        return {"loss": self.world.mean(loss), "rate": rate, "norm": norm, **figures}

    def _check(self) -> None:
        if not bool(self.sound):
            raise TrainingError(f"the loss is not finite at step {self.progress.step - 1}, or was not shortly before; "
                                "lower the learning rate and resume")  # fmt: skip

    @torch.no_grad()
    def _follow(self, step: int) -> None:
        """Move the average towards the weights; young averages follow faster."""
        keep = min(self.schedule.ema, (1 + step) / (10 + step))
        weights = self.model.state_dict()
        real = [name for name, value in weights.items() if value.is_floating_point()]
        follow = get_ema_multi_avg_fn(keep)  # type: ignore[no-untyped-call]
        follow([self.average[name] for name in real], [weights[name] for name in real], 1)
        for name in weights.keys() - real:
            self.average[name].copy_(weights[name])

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.progress.precision == "bf16")

    # --- evaluating ---

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """The model with its averaged weights, for as long as the context lasts."""
        own = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        self.model.eval()
        try:
            yield
        finally:
            self.model.load_state_dict(own)

    def _evaluate(self) -> None:
        with self.averaged(), torch.no_grad(), torch.compiler.set_stance("force_eager"):
            figures = self.objective.evaluate()
        self._log({f"heldout_{name}": value for name, value in figures.items()})
        if better := figures["loss"] < self.progress.best_loss:
            self.progress.best_loss, self.progress.best_step = figures["loss"], self.progress.step
        if not self.world.leads:
            return
        if better:
            with atomic_path(self.folder / "best.pt") as path:
                torch.save(self.average, path)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
        tqdm.write(f"{self.folder.name}, step {self.progress.step}: held-out {shown}", file=sys.stderr)
        plot_curves([self.folder], self.folder / "loss.png")

    def _out_of_patience(self) -> bool:
        waited = (self.progress.step - self.progress.best_step) // self.schedule.evaluate_every
        return 0 < self.schedule.patience <= waited

    def _log(self, figures: Mapping[str, Tensor | float]) -> None:
        if not self.world.leads:
            return
        line = {"step": self.progress.step, "seconds": round(self.progress.seconds, 1)}
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as handle:
            handle.write(json.dumps({**line, **{k: round(float(v), 6) for k, v in figures.items()}}) + "\n")

    # --- saving ---

    def save(self) -> None:
        self._check()
        if not self.world.leads:
            return
        state = {"model": self.model.state_dict(), "average": self.average,
                 "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                 "progress": vars(self.progress)}  # fmt: skip
        with atomic_path(self.folder / "checkpoint.pt") as path:
            torch.save(state, path)

    def resume(self) -> None:
        """Take up the folder's checkpoint, if it has one; the log is cut back to it."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            if self.world.leads:
                (self.folder / "metrics.jsonl").unlink(missing_ok=True)
            return self._start()
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise TrainingError(f"{path} is damaged: {str(error)[:300]}. Delete it to start over.") from error
        try:
            self.model.load_state_dict(state["model"])
            self.average = state["average"]
            self.progress = Progress(**state["progress"])
            self.optimizers = self._build_optimizers()  # Muon's precision is the run's
            for optimizer, own in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(own)
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path} belongs to another network: {str(error)[:300]}") from error
        if not self.world.leads:
            return None
        rows = [row for row in read_metrics(self.folder) if row["step"] <= self.progress.step]
        with atomic_path(self.folder / "metrics.jsonl") as staging:
            staging.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return None

    def _start(self) -> None:
        """Begin from the folder's `start.pt`, if it has one."""
        path = self.folder / "start.pt"
        if path.exists():
            weights = torch.load(path, map_location=self.device, weights_only=True)
            try:
                self.model.load_state_dict(weights)
            except RuntimeError as error:
                raise TrainingError(f"{path} belongs to another network: {str(error)[:300]}") from error
            self.average = {name: value.detach().clone() for name, value in self.model.state_dict().items()}


def _precision(asked: str, device: torch.device) -> str:
    if asked not in PRECISIONS:
        raise TrainingError(f"unknown precision {asked!r}; expected one of {', '.join(PRECISIONS)}")
    if asked == "auto":
        return "bf16" if bfloat16_pays(device) else "fp32"
    return asked


def read_machine(folder: Path) -> str:
    """What computed the run last, in words; nothing where that was not written down."""
    path = folder / MACHINE
    if not path.exists():
        return ""
    found = read_json(path)
    several = f"{found['processes']} × " if found["processes"] > 1 else ""
    return f"{several}{found['machine']}, {found['precision']}"


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The run's log; a line cut short by a crash is left out."""
    rows = []
    with contextlib.suppress(FileNotFoundError):
        for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                rows.append(json.loads(line))
    return rows


def plot_curves(runs: Sequence[Path], target: Path) -> None:
    """Loss over steps, training and held out, one panel a run; without matplotlib there is no picture and no error."""
    try:
        from matplotlib.figure import Figure  # without pyplot: nothing global, no window
    except ImportError:
        return
    figure = Figure(figsize=(1 + 4.5 * len(runs), 3.6))
    for axes, run in zip(figure.subplots(1, len(runs), squeeze=False)[0], runs, strict=True):
        rows = read_metrics(run)
        for name, style in (("loss", {"alpha": 0.5, "lw": 0.8}), ("heldout_loss", {"marker": "o", "ms": 3})):
            if points := [(row["step"], row[name]) for row in rows if name in row]:
                axes.plot(*zip(*points, strict=True), label=name.replace("heldout_", "held-out "), **style)
        axes.set(xlabel="step", ylabel="loss", title=run.name)
        axes.grid(alpha=0.3)
        if axes.has_data():
            axes.legend()
    figure.tight_layout()
    figure.savefig(target, dpi=80)
