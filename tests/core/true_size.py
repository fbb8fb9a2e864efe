"""Builds DALL·E mini at its true shapes with random weights, converts, loads and paints: prints seconds and bytes.

Run by a test in a process of its own, since memory at its peak is a whole process's. Linux only. Of any model's folder,
`python -m tests.core.true_size FOLDER COUNT ROWS` paints the last ROWS token rows of COUNT pictures.
"""

import ctypes
import gc
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dalle_core.bart import ImageDecoder, TextEncoder
from dalle_core.families.convert_dalle_mini import PUBLISHED, Published, convert_dalle_mini
from dalle_core.families.memory import memory_needs
from dalle_core.families.registry import load_model, read_spec
from dalle_core.generate import GenerationRequest, generate
from dalle_core.vqgan import VQGAN
from tests.core.published import detoker, without_weights, words, write_flax, write_vocabulary

NAME, CPU = "dalle-mini", torch.device("cpu")
ROWS = 1  # of sixteen: the rest is given, which takes as much memory and a fraction of the time


def random_state(network: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
    """Of a network on the meta device: one piece of noise over and over, which takes a fraction of the time."""
    noise = torch.randn(2**20).mul_(0.02).to(dtype)
    return {
        name: noise.repeat(-(-value.numel() // len(noise)))[: value.numel()].view(value.shape).clone()
        for name, value in network.state_dict().items()
    }


def write(folder: Path, published: Published) -> None:
    """Transformers in fp16 and VQGAN in fp32, as they are published."""
    with torch.device("meta"):
        encoder, decoder, vqgan = TextEncoder(published.bart), ImageDecoder(published.bart), VQGAN(published.vqgan)
    for name, network in (("encoder", encoder), ("decoder", decoder)):
        state = without_weights(random_state(network, torch.float16))
        torch.save(state, folder / f"{name}{published.suffix}.pt")
    pictures = random_state(vqgan, torch.float32)
    torch.save(detoker(pictures), folder / "detoker.pt")
    write_flax(folder / "flax_model.msgpack", pictures)
    write_vocabulary(folder, published, words(40_000))


def peak() -> int:
    """Bytes of memory this process has held at most since `reset_peak`."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def measured(step: Callable[[], Any], base: int) -> tuple[Any, dict[str, float]]:
    """What the step gives, its seconds, and how far memory rose above `base`."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed goes back to the system, and is not taken for this step's
    reset_peak()
    started = time.monotonic()
    result = step()
    return result, {"seconds": time.monotonic() - started, "memory": peak() - base}


def paint(folder: Path, base: int, count: int, rows: int = ROWS, *, sparing: bool = False) -> dict[str, Any]:
    """Load the model in `folder` and paint the last `rows` of `count` pictures, guided."""
    spec, needs = read_spec(folder), memory_needs(folder, "cpu", sparing)
    given = tuple(range(spec.cols * (spec.rows - rows)))
    request = GenerationRequest("1x1 2x4", count=count, keep=1, guidance_scale=5, prefix_tokens=given)
    model, loading = measured(lambda: load_model(folder, CPU, low_memory=sparing), base)
    _, painting = measured(lambda: list(generate(model, request, getattr(model, "reranker", None))), base)
    return {"loading": loading, "painting": painting, "weights": needs.weights, "whole": needs.whole}


def mini(folder: Path, base: int) -> dict[str, Any]:
    """All of it: written as published, converted, painted with in turn and whole."""
    published, target = PUBLISHED[NAME], folder / NAME
    write(folder, published)
    _, converting = measured(lambda: convert_dalle_mini(folder, target, published), base)
    sparing = paint(target, base, 1, sparing=True)
    return {"converting": converting, "sparing": sparing, **paint(target, base, 1)}


def main(folder: Path, *extent: int) -> None:
    reset_peak()
    base = peak()
    print(json.dumps(paint(folder, base, *extent) if extent else mini(folder, base)))  # noqa: T201  # what the test reads


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
