"""What a model will take in memory, told from its config and its files' headers. Reads no weights, imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dalle_core.checkpoints import read_json, stored_sizes
from dalle_core.errors import CheckpointError
from dalle_core.families.registry import CONFIG, IN_TURN, NARROW, read_spec

ROWS = 16  # of the keys' and values' cache: a batch of eight pictures, with guidance
PROMPT = 128  # tokens of it, where a model reads that many: few are longer
WIDEST = 256  # channels of a picture in the making, at its full size
HALF_ON_CUDA = {"dalle-mini", "janus", "rudalle"}  # computed there in what is stored; other devices take fp32
PACKED = {"bundled": "transformer.safetensors"}  # held twice by a CPU: the second time laid out, as packing.py says
LEFT_ON_DISK = {"janus": ("model.vision_model.", "model.aligner.", "lm_head.")}  # what looks at pictures, writes text
WHOLE = {"janus": ("model.vqmodel.",)}  # in fp32 everywhere
# Where a config names the layers of the network that keeps a cache, and how wide they are.
CACHES = {
    "bundled": (CONFIG, "transformer", "layers", "width"),
    "dalle-mini": (CONFIG, "bart", "layers", "width"),
    "janus": ("weights/config.json", "text_config", "num_hidden_layers", "hidden_size"),
    "rudalle": (CONFIG, "transformer", "layers", "width"),
}


@dataclass(frozen=True)
class Needs:
    """Bytes: `weights` once loaded, `painting` about what a batch of eight with guidance takes beside them.

    Python and its libraries come on top, half a gigabyte or so. `parameters` are the weights' numbers.
    """

    parameters: int
    weights: int
    painting: int

    @property
    def whole(self) -> int:
        return self.weights + self.painting


def memory_needs(folder: Path, device: str, low_memory: bool = False) -> Needs:
    """What the model in `folder` takes on a `device` ("cpu", "cuda", "mps"). Raises CheckpointError.

    With `low_memory` some families hold one network at a time, others compute in what is stored everywhere.
    """
    config, spec = read_json(folder / CONFIG), read_spec(folder)
    family = spec.family
    half = (device == "cuda" and family in HALF_ON_CUDA) or (low_memory and family in NARROW)
    names = [name for name in config["files"] if name.endswith(".safetensors")]
    files = {name: _held(stored_sizes(folder / name), family, half) for name in names}
    sizes = {name: sum(count * width for count, width in file) for name, file in files.items()}
    if device == "cpu" and PACKED.get(family) in sizes:
        sizes["packed"] = sizes[PACKED[family]]
    weights = max(sizes.values(), default=0) if low_memory and family in IN_TURN else sum(sizes.values())
    tokens = min(spec.text_length, PROMPT) + spec.token_count
    cached = _cached_numbers(folder, family) * (2 if half else 4) * tokens
    pictures = ROWS // 2 * spec.image_size**2 * WIDEST * 4
    return Needs(sum(count for file in files.values() for count, _ in file), weights, ROWS * cached + pictures)


def _held(stored: dict[str, tuple[int, int]], family: str, half: bool) -> list[tuple[int, int]]:
    """Of each tensor that is loaded how many numbers it has, and how many bytes one of them takes then."""
    left, whole = LEFT_ON_DISK.get(family, ()), WHOLE.get(family, ())
    return [
        (count, width if half and not name.startswith(whole) else max(width, 4))
        for name, (count, width) in stored.items()
        if not name.startswith(left)
    ]


def _cached_numbers(folder: Path, family: str) -> int:
    """Of keys and values, a token."""
    if family not in CACHES:
        return 0
    file, section, *names = CACHES[family]
    values: Any = read_json(folder / file).get(section)
    layers, width = (values.get(name) if isinstance(values, dict) else None for name in names)
    if not isinstance(layers, int) or not isinstance(width, int):
        raise CheckpointError(f"{folder.name}: {file} lacks {' or '.join(names)} under {section!r}")
    return 2 * layers * width
