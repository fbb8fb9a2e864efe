"""Seconds for one grid, by batch width: `python benchmarks/generate.py [MODEL_FOLDER]`. Medians of a few runs."""

import argparse
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from dalle_core.device import pick_device  # noqa: E402
from dalle_core.families.base import ImageModel  # noqa: E402
from dalle_core.families.registry import load_model  # noqa: E402
from dalle_core.generate import Candidate, Finished, GenerationRequest, Preview, generate  # noqa: E402


def time_grid(model: ImageModel, request: GenerationRequest) -> tuple[float, float, tuple[Candidate, ...]]:
    """Seconds to the first preview and to the last picture, reranking included, and what was painted."""
    started, first = time.perf_counter(), 0.0
    candidates: tuple[Candidate, ...] = ()
    for event in generate(model, request, getattr(model, "reranker", None)):
        if isinstance(event, Preview) and not first:
            first = time.perf_counter() - started
        if isinstance(event, Finished):
            candidates = event.candidates
    return first, time.perf_counter() - started, candidates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "assets" / "models" / "emblem-128")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    started = time.perf_counter()
    model = load_model(arguments.folder, pick_device(arguments.device))
    print(f"{model.spec.name} loaded in {time.perf_counter() - started:.2f} s; {torch.get_num_threads()} threads")
    print(f"{arguments.count} candidates, median of {arguments.runs} runs")
    print("guidance  width  first preview  whole grid  a picture")
    for guidance in (1.0, 2.0):
        for width in (1, 4, 8, 16):
            request = GenerationRequest(
                "a red apple", count=arguments.count, keep=1, batch_width=width, guidance_scale=guidance
            )
            time_grid(model, request)
            firsts, wholes, _ = zip(*(time_grid(model, request) for _ in range(arguments.runs)), strict=True)
            whole = statistics.median(wholes)
            first = statistics.median(firsts)
            print(f"{guidance:8g}  {width:5}  {first:11.2f} s  {whole:8.2f} s  {whole / arguments.count:7.3f} s")


if __name__ == "__main__":
    main()
