"""Builds DALL·E mini at its true shapes with random weights, converts, loads and paints: prints seconds and bytes.

Run by a test in a process of its own, since memory at its peak is a whole process's. Linux only. A whole picture:
`python -m tests.core.true_size paint FOLDER/dalle-mini 1 16`, after `write FOLDER` and `convert FOLDER`. Any model's
folder can be painted with.
"""

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
        name: noise.repeat(-(-value.numel() // len(noise)))[: value.numel()].view(value.shape)
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


def measured(step: Callable[[], Any]) -> tuple[Any, float, int]:
    """What the step gives, its seconds, and how far memory rose above where it stood."""
    reset_peak()
    before, started = peak(), time.monotonic()
    result = step()
    return result, time.monotonic() - started, peak() - before


def paint(folder: Path, count: int, rows: int, *, sparing: bool) -> dict[str, float]:
    """Load the model in `folder` and paint the last `rows` of `count` pictures, guided."""
    spec = read_spec(folder)
    given = tuple(range(spec.cols * (spec.rows - rows)))
    request = GenerationRequest("1x1 2x4", count=count, keep=1, guidance_scale=5, prefix_tokens=given)
    model, seconds, memory = measured(lambda: load_model(folder, CPU, low_memory=sparing))
    _, painting, extra = measured(lambda: list(generate(model, request, getattr(model, "reranker", None))))
    return {"seconds": seconds, "memory": memory, "painting": painting, "more": extra}


def main(task: str, folder: Path, count: int = 1, rows: int = ROWS) -> None:
    published = PUBLISHED[NAME]
    match task:
        case "write":
            write(folder, published)
            return
        case "convert":
            _, seconds, memory = measured(lambda: convert_dalle_mini(folder, folder / NAME, published))
            figures = {"seconds": seconds, "memory": float(memory)}
        case _:
            sparing = task == "paint-sparing"
            needs = memory_needs(folder, "cpu", sparing)
            figures = paint(folder, count, rows, sparing=sparing) | {"weights": needs.weights, "whole": needs.whole}
    print(json.dumps(figures))  # noqa: T201  # what the test reads


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
