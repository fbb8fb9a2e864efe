"""What each choice is worth: the same network trained for the same steps with one thing changed.

`python benchmarks/ablations.py --base runs/emblem-64 --steps 250` continues where it was stopped. The transformers
share the base run's tokenizer, dVAE and CLIP, and start from scratch. Prints a Markdown table, draws the curves.
"""

import argparse
import math
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dalle_core.device import pick_device  # noqa: E402
from dalle_core.training.loop import read_metrics  # noqa: E402
from dalle_core.training.presets import preset  # noqa: E402
from dalle_core.training.workshop import Workshop  # noqa: E402


@dataclass(frozen=True, eq=False)
class Ablation:
    """`changes` are dotted overrides of the preset, as --set takes them."""

    stage: str
    name: str
    changes: Mapping[str, str]


LARGE = "8,8,8,6,5"
PLAIN = {
    "schedules.transformer.muon_rate": "0",
    "transformer.sentence": "0",
    "mixture.veiled": "0",
}
MUON = PLAIN | {"schedules.transformer.muon_rate": "0.02"}
ABLATIONS = (
    Ablation("dvae", "FSQ, 1,024 codes", {}),
    Ablation("dvae", "FSQ, 15,360 codes", {"dvae.levels": LARGE, "transformer.levels": LARGE}),
    Ablation(
        "dvae",
        "Gumbel-softmax, 1,024 codes, logit-Laplace (the paper's)",
        {"dvae.quantizer": "gumbel", "dvae.levels": "1024", "transformer.levels": "1024",
         "dvae.likelihood": "logit-laplace"},
    ),
    Ablation("transformer", "dense, AdamW", PLAIN),
    Ablation("transformer", "dense, Muon", MUON),
    Ablation("transformer", "row, column, conv (the paper's), Muon",
             MUON | {"transformer.attention": "row,column,row,row,column,conv"}),
    Ablation("transformer", "dense, Muon, sentence features", MUON | {"transformer.sentence": "192"}),
    Ablation("transformer", "dense, Muon, sentence features, veiled tokens",
             MUON | {"transformer.sentence": "192", "mixture.veiled": "0.5"}),
)  # fmt: skip


def workshop(ablation: Ablation, arguments: argparse.Namespace) -> Workshop:
    schedule = f"schedules.{ablation.stage}"
    every = {f"{schedule}.steps": str(arguments.steps), f"{schedule}.evaluate_every": str(max(1, arguments.steps // 5)),
             f"{schedule}.warmup": str(max(1, arguments.steps // 8)), f"{schedule}.ema": "0.98"}  # fmt: skip
    if arguments.batch:
        every[f"{schedule}.batch"] = str(arguments.batch)
    chosen = preset("emblem-64", every | dict(ablation.changes))
    runs = arguments.runs / f"{ablation.stage}-{ablation.name}".lower().replace(" ", "-").replace(",", "")
    return Workshop(chosen, arguments.art, runs, pick_device(arguments.device), arguments.precision)


def prepare(room: Workshop, base: Path) -> None:
    """Put what the transformers share beside them."""
    room.folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(base / "tokenizer.json", room.folder)
    for part in ("dvae", "clip"):
        if not (room.folder / part).exists():
            shutil.copytree(base / part, room.folder / part, ignore=shutil.ignore_patterns("checkpoint.pt", "start.pt"))


def row(ablation: Ablation, room: Workshop) -> str:
    rows = read_metrics(room.folder / ablation.stage)
    held = [each for each in rows if "heldout_loss" in each]
    best, seconds = min(held, key=lambda each: each["heldout_loss"]), rows[-1]["seconds"]
    pace = f"{seconds / rows[-1]['step']:.2f} s"
    if ablation.stage == "dvae":
        figures = (f"{best['heldout_psnr']:.2f} dB", f"{best['heldout_psnr_object']:.2f} dB",
                   f"{best['heldout_codes_used']:.0f}")  # fmt: skip
    else:
        told = best["heldout_loss"]
        figures = (f"{told:.3f} nats", f"{told / math.log(2):.2f} bits", f"{best['heldout_text']:.2f}")
    return " | ".join([ablation.name, *figures, pace, f"{seconds / 60:.1f} min"])


def table(stage: str, rows: Iterable[str]) -> str:
    heads = {
        "dvae": "quantizer | PSNR | on the object | codes used | a step | all",
        "transformer": "what | held-out, a token | = | caption loss | a step | all",
    }
    return "\n".join(f"| {line} |" for line in (heads[stage], " | ".join(["---"] * 6), *rows))


def draw(rooms: Mapping[Ablation, Workshop], target: Path) -> None:
    """Held-out figures over steps, one panel a stage."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.2))
    stages = [stage for stage in ("dvae", "transformer") if any(each.stage == stage for each in rooms)]
    for axes, stage in zip(figure.subplots(1, len(stages), squeeze=False)[0], stages, strict=True):
        for ablation, room in rooms.items():
            if ablation.stage == stage:
                figure_of = "heldout_psnr" if stage == "dvae" else "heldout_loss"
                held = [each for each in read_metrics(room.folder / stage) if figure_of in each]
                steps, figures = zip(*((each["step"], each[figure_of]) for each in held), strict=True)
                axes.plot(steps, figures, marker="o", ms=3, label=ablation.name)
        unit = "held-out PSNR, dB" if stage == "dvae" else "held-out nats a token"
        axes.set(xlabel="steps", ylabel=unit, title=stage)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(target, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=Path("runs/emblem-64"), help="folder of a run with dvae and clip")
    parser.add_argument("--art", type=Path, default=Path("data/art"))
    parser.add_argument("--runs", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--batch", type=int, default=0, help="pictures a step (default: the preset's)")
    parser.add_argument("--only", default="", help="train only those whose name or stage holds this")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--curves", type=Path, help="draw the curves into this picture")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    rooms = {each: workshop(each, arguments) for each in ABLATIONS if arguments.only in f"{each.stage} {each.name}"}
    for ablation, room in rooms.items():
        if ablation.stage == "transformer":
            prepare(room, arguments.base)
        room.train(ablation.stage)
        print("|", row(ablation, room), "|", flush=True)
    for stage in ("dvae", "transformer"):
        if lines := [row(ablation, room) for ablation, room in rooms.items() if ablation.stage == stage]:
            print(f"\n{table(stage, lines)}")
    if arguments.curves:
        draw(rooms, arguments.curves)


if __name__ == "__main__":
    main()
