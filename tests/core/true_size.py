"""Builds DALL·E mini at its true shapes with random weights, converts, loads and paints: prints seconds and bytes.

Run by a test in a process of its own, since memory at its peak is a whole process's. Linux only.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from dalle_core.bart import ImageDecoder, TextEncoder
from dalle_core.families.convert_dalle_mini import PUBLISHED, Published, convert_dalle_mini
from dalle_core.families.registry import load_model, memory_needed
from dalle_core.generate import GenerationRequest, generate
from dalle_core.vqgan import VQGAN
from tests.core.published import detoker, without_weights, words, write_flax, write_vocabulary

NAME, CPU = "dalle-mini", torch.device("cpu")


def write(folder: Path, published: Published) -> None:
    """Transformers in fp16 and VQGAN in fp32, as they are published."""
    for name, kind in (("encoder", TextEncoder), ("decoder", ImageDecoder)):
        state = without_weights(kind(published.bart).state_dict())
        torch.save({key: value.half() for key, value in state.items()}, folder / f"{name}{published.suffix}.pt")
    pictures = VQGAN(published.vqgan).state_dict()
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


def main(folder: Path, task: str) -> None:
    published = PUBLISHED[NAME]
    if task == "write":
        write(folder, published)
        return
    target = folder / NAME
    if task == "convert":
        _, seconds, memory = measured(lambda: convert_dalle_mini(folder, target, published))
        figures = {"seconds": seconds, "memory": memory}
    else:
        model, seconds, memory = measured(lambda: load_model(target, CPU))
        request = GenerationRequest("1x1 2x4", count=1, keep=1, guidance_scale=16, temperature=1, top_k=256)
        _, painting, extra = measured(lambda: list(generate(model, request)))
        figures = {"seconds": seconds, "memory": memory, "painting": painting, "more": extra}
    print(json.dumps({**figures, "needed": memory_needed(target, "cpu")}))  # noqa: T201  # what the test reads


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
