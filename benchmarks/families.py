"""Memory and seconds of the public families at their published shapes: `python benchmarks/families.py --device cuda`.

Weights are random and tokenizers stand-ins (see published.py), so nothing is fetched and the pictures are noise. Each
family is one line of JSON, written as soon as it is done: parameters by dtype; GB of weights, and the most that was
allocated on the GPU while painting, weights included; seconds to the first preview and to the whole grid, previews
included; image tokens a second. GB are 10⁹ bytes. Families are warmed up by the last row of a picture.
"""

import argparse
import gc
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from benchmarks.generate import time_grid  # noqa: E402
from benchmarks.published import BUILDERS, PROMPT, Built, build  # noqa: E402
from dalle_core.device import DEVICES, pick_device  # noqa: E402
from dalle_core.families.base import Sampling  # noqa: E402
from dalle_core.families.registry import only_tokens  # noqa: E402
from dalle_core.generate import GenerationRequest  # noqa: E402


def measure(name: str, device: torch.device, count: int, *, tiny: bool = False) -> dict[str, Any]:
    """Build one family, warm it up, and time it with `count` pictures."""
    started = time.perf_counter()
    built = build(name, device, tiny=tiny)
    synchronise(device)
    figures = {
        "family": name,
        "parameters": built.parameters,
        "weights_gb": gigabytes(built.weight_bytes),
        "build_seconds": round(time.perf_counter() - started, 2),
        "count": count,
    }
    timing = time_tokenizer if only_tokens(built.model.spec) else time_painting
    return figures | timing(built, device, count)


def time_painting(built: Built, device: torch.device, count: int) -> dict[str, Any]:
    """A grid, with the settings the model was published with."""
    model: Any = built.model
    spec = model.spec
    chosen = spec.sampling or Sampling()
    request = GenerationRequest(
        PROMPT, count=count, keep=1, batch_width=count, temperature=chosen.temperature, top_k=chosen.top_k,
        top_p=chosen.top_p, guidance_scale=chosen.guidance_scale,
    )  # fmt: skip
    time_grid(model, replace(request, prefix_tokens=(0,) * (spec.token_count - spec.cols)))
    reset_peak(device)
    first, whole, candidates = time_grid(model, request)
    tokens = torch.stack([candidate.tokens for candidate in candidates])
    images = torch.stack([candidate.image for candidate in candidates])
    check_numbers(images)
    if int(tokens.min()) == int(tokens.max()):  # random weights write tokens of all kinds
        raise ArithmeticError("the transformer computed numbers that are none")
    return {
        "tokens": spec.token_count,
        "guidance": chosen.guidance_scale,
        "peak_gb": peak_gigabytes(device),
        "first_preview_seconds": round(first, 3) if first else None,
        "grid_seconds": round(whole, 3),
        "picture_seconds": round(whole / count, 3),
        "tokens_per_second": round(tokens.numel() / whole, 1),
    }


def time_tokenizer(built: Built, device: torch.device, count: int) -> dict[str, Any]:
    """Pictures to tokens and back."""
    model = built.model
    spec = model.spec
    images = torch.rand(count, 3, spec.image_size, spec.image_size)
    model.tokens_to_images(model.image_to_tokens(images), spec.token_count)
    reset_peak(device)
    tokens, encoding = timed(lambda: model.image_to_tokens(images))
    decoded, decoding = timed(lambda: model.tokens_to_images(tokens, spec.token_count))
    check_numbers(decoded)
    return {
        "tokens": spec.token_count,
        "peak_gb": peak_gigabytes(device),
        "encode_seconds": round(encoding, 4),
        "decode_seconds": round(decoding, 4),
        "picture_seconds": round((encoding + decoding) / count, 4),
    }


def timed(step: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, float]:
    """What a step gives, on the CPU, and its seconds."""
    started = time.perf_counter()
    result = step()
    return result, time.perf_counter() - started


def check_numbers(images: torch.Tensor) -> None:
    if not bool(images.isfinite().all()):
        raise ArithmeticError("the pictures hold numbers that are none")


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_gigabytes(device: torch.device) -> float | None:
    """Most that was allocated at once since `reset_peak`; None where the device keeps no count."""
    return gigabytes(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None


def gigabytes(size: int) -> float:
    return round(size / 1e9, 3)


def release(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def report(figures: dict[str, Any], out: Path | None) -> None:
    line = json.dumps(figures)
    print(line, flush=True)
    if out:
        with out.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def where(device: torch.device) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "device": f"{device.type}: {name}",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "note": "random weights at the published shapes; tokenizers are stand-ins of the published sizes",
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--only", nargs="+", choices=BUILDERS, default=list(BUILDERS), metavar="FAMILY")
    parser.add_argument("--count", type=int, default=4, help="pictures, in one batch (default: 4)")
    parser.add_argument("--out", type=Path, help="a file to append the lines to")
    parser.add_argument("--tiny", action="store_true", help="small networks in their place, to try this program out")
    options = parser.parse_args(arguments)
    device = pick_device(options.device)
    report(where(device) | ({"tiny": True} if options.tiny else {}), options.out)
    failed = 0
    for name in options.only:
        started = time.perf_counter()
        try:
            figures = measure(name, device, options.count, tiny=options.tiny)
        except Exception as error:  # the others are worth knowing all the same
            failed += 1
            figures = {"family": name, "error": f"{type(error).__name__}: {error}"}
        report(figures | {"all_seconds": round(time.perf_counter() - started, 2)}, options.out)
        release(device)
    return min(failed, 1)


if __name__ == "__main__":
    raise SystemExit(main())
