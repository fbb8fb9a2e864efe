"""The one entry point of training: `python -m dalle_core.training STAGE`, the stages in the order they are run."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dalle_core.errors import DalleError, TrainingError

if TYPE_CHECKING:
    from dalle_core.training.workshop import Workshop


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m dalle_core.training", description=__doc__)
    stages = top.add_subparsers(dest="stage", required=True, metavar="STAGE")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--preset", default="emblem-64", help="a row of presets.py (default: %(default)s)")
    common.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE",
                        help="override a preset's field, for example schedules.dvae.steps=400")  # fmt: skip
    common.add_argument(
        "--art", type=Path, default=Path("data/art"), help="folder of rendered art (default: %(default)s)"
    )
    common.add_argument("--runs", type=Path, default=Path("runs"), help="folder of runs (default: %(default)s)")
    common.add_argument("--image-tokenizer", type=Path, metavar="FOLDER", help="of OpenAI's dVAE, converted: "
                        "the transformer learns its tokens, and no dVAE is trained")  # fmt: skip
    common.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    common.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves the choice to torch")
    common.add_argument("--precision", default="auto", help="auto, fp32 or bf16 for a new run (default: %(default)s, "
                        "bf16 where this machine multiplies it faster)")  # fmt: skip
    common.add_argument("--workers", type=int, help="processes that choose what the next steps show (default: on CUDA "
                        "one less than there are cores, at most 12; otherwise none)")  # fmt: skip
    art = stages.add_parser("art", parents=[common], help="fetch, check and render the art, or table your own pictures")
    art.add_argument("--cache", type=Path, default=Path("data/packages"), help="where fetched tarballs are kept")
    art.add_argument("--folder", type=Path, help="a folder of your own pictures, instead of the open art")
    art.add_argument("--captions", type=Path, help="its CSV with columns file, caption [, caption_zh, style]")
    stages.add_parser("text", parents=[common], help="learn the tokenizer")
    unbundle = stages.add_parser("unbundle", parents=[common], help="take a finished model up again, to train it on")
    unbundle.add_argument(
        "source", type=Path, help="its folder; of the preset's shape, as assets/models/emblem-128 is of emblem-128's"
    )
    for stage in ("dvae", "transformer", "clip", "decoder", "judge", "grader"):
        network = stages.add_parser(stage, parents=[common], help=f"train (or resume) the {stage}")
        network.add_argument("--until", type=int, help="stop at this step; the next call resumes there")
    evaluate = stages.add_parser("evaluate", parents=[common], help="measure a model: IconEval, and on held-out art")
    evaluate.add_argument("--quick", action="store_true", help="fewer prompts and pictures: a fixed part of them")
    evaluate.add_argument("--model", type=Path, help="a finished model's folder, instead of what the runs hold")
    evaluate.add_argument("--prompts", type=int, help="in each of the six categories")
    evaluate.add_argument("--pictures", type=int, help="held-out pictures that are completed and varied")
    evaluate.add_argument("--candidates", type=int, help="painted for each prompt, then reranked")
    sheet = stages.add_parser("sheet", parents=[common], help="contact sheets: reconstructions, samples, completions …")
    sheet.add_argument("--out", type=Path, default=Path("docs/sheets"))
    sheet.add_argument("--only", nargs="+", default=[], metavar="NAME", help="some of them: reconstructions, samples, "
                       "prompts, completions, variations, styles")  # fmt: skip
    bundle = stages.add_parser("bundle", parents=[common], help="write the finished model's folder")
    bundle.add_argument("--out", type=Path, default=Path("assets/models"))
    bundle.add_argument("--name", default="", help="default: the preset's; my-<preset's> for your own pictures")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    try:
        run(arguments)
    except DalleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command resumes from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def run(arguments: argparse.Namespace) -> None:
    """Dispatch one stage. Heavy imports come after the arguments were understood."""
    import torch

    from dalle_core.device import pick_device
    from dalle_core.families.openai_dvae import read_settings
    from dalle_core.training import bundle, sheets
    from dalle_core.training.presets import preset
    from dalle_core.training.workshop import Workshop
    from dalle_core.training.world import joined

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    published = read_settings(arguments.image_tokenizer) if arguments.image_tokenizer else None
    chosen = preset(arguments.preset, dict(_assignment(text) for text in arguments.set), published)
    device = pick_device(arguments.device)
    workshop = Workshop(chosen, arguments.art, arguments.runs, device, arguments.precision,
                        workers=_workers(arguments.workers, device.type),
                        image_tokenizer=arguments.image_tokenizer)  # fmt: skip
    if arguments.stage == "art":
        _art(arguments, chosen.render_size)
    elif arguments.stage == "text":
        print(f"tokenizer: {workshop.train_text().vocab_size} ids → {workshop.folder / 'tokenizer.json'}")
    elif arguments.stage == "unbundle":
        print(bundle.unbundle(arguments.source, workshop))
    elif arguments.stage == "evaluate":
        _evaluate(arguments, workshop)
    elif arguments.stage == "sheet":
        for path in sheets.sheets(workshop, arguments.out, arguments.only):
            print(path)
    elif arguments.stage == "bundle":
        print(bundle.bundle(workshop, arguments.out, arguments.name))
    else:
        with joined(workshop.device) as workshop.world:
            done = workshop.train(arguments.stage, arguments.until)
        if not workshop.world.leads:
            return
        print(f"{arguments.stage}: step {done.step}, best held-out loss {done.best_loss:.4f} at {done.best_step}, "
              f"{done.seconds / 60:.1f} minutes")  # fmt: skip


def _workers(asked: int | None, device: str) -> int:
    if asked is None:
        return min(12, (os.cpu_count() or 1) - 1) if device == "cuda" and hasattr(os, "fork") else 0
    if asked < 0 or (asked and not hasattr(os, "fork")):
        raise TrainingError(f"--workers {asked}: expected 0 or more, and 0 where processes cannot fork")
    return asked


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise TrainingError(f"--set takes FIELD=VALUE, found {text!r}")
    return name, value


def _evaluate(arguments: argparse.Namespace, workshop: "Workshop") -> None:
    from dalle_core.families.bundled import load_bundled
    from dalle_core.training.evaluate import FULL, QUICK, evaluate
    from dalle_core.training.figures import report

    asked = {name: getattr(arguments, name) for name in ("prompts", "pictures", "candidates")}
    if wrong := [f"--{name} {count}" for name, count in asked.items() if count is not None and count < 1]:
        raise TrainingError(f"expected at least 1, found {', '.join(wrong)}")
    extent = replace(QUICK if arguments.quick else FULL, **{name: n for name, n in asked.items() if n is not None})
    model = load_bundled(arguments.model, workshop.device) if arguments.model else None
    print(report(evaluate(workshop, extent, model)))


def _art(arguments: argparse.Namespace, size: int) -> None:
    from dalle_core.training.art import build_open_art, build_own_art

    if (arguments.folder is None) != (arguments.captions is None):
        raise TrainingError("your own pictures need both --folder and --captions")
    if arguments.folder is not None:
        rows = build_own_art(arguments.art, size, arguments.folder, arguments.captions)
    else:
        rows = build_open_art(arguments.art, size, arguments.cache)
    held = sum(row.split == "heldout" for row in rows)
    print(
        f"{len(rows)} pictures, {sum(row.curated for row in rows)} of them curated, {held} held out → {arguments.art}"
    )


if __name__ == "__main__":
    sys.exit(main())
