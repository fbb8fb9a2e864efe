"""Which families there are, and how a model's folder says which one it belongs to. Reads configs, imports no torch."""

import hashlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dalle_core.checkpoints import FORMAT, read_json
from dalle_core.config import NetworkConfig
from dalle_core.errors import CheckpointError
from dalle_core.families.base import ModelSpec, Sampling

if TYPE_CHECKING:
    import torch

    from dalle_core.families.base import ImageModel, ImageTokenizer

CONFIG = "config.json"
Config = TypeVar("Config", bound=NetworkConfig)


def read_spec(folder: Path) -> ModelSpec:
    """What a model is, from its config alone."""
    if not folder.is_dir():
        raise CheckpointError(f"no model folder at {folder}")
    config = read_json(folder / CONFIG)
    if config.get("format") != FORMAT:
        raise CheckpointError(f"{folder.name}: expected config format {FORMAT}, found {config.get('format')!r}")
    try:
        spec = dict(config["spec"])
        sequences = {name: tuple(spec[name]) for name in ("levels", "languages", "styles")}
        sampling = Sampling(**spec["sampling"]) if spec.get("sampling") else None
        return ModelSpec(**{**spec, **sequences, "sampling": sampling, "sha256": _sha256_of_all(config["files"])})
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder.name}: {CONFIG} lacks or has an unexpected field: {error}") from error


def _sha256_of_all(files: dict[str, str]) -> str:
    """One hash for weights and tokenizer together: whatever can change a picture changes it."""
    lines = "".join(f"{name} {sha256}\n" for name, sha256 in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def read_network(config: dict[str, Any], name: str, kind: type[Config]) -> Config:
    """The settings of one network, from under `name` in a model's config."""
    if not isinstance(config.get(name), dict):
        raise CheckpointError(f"{CONFIG}: expected an object under {name!r}")
    return kind.from_dict(config[name])


# Family -> the module and the function that loads one of its folders.
LOADERS = {
    "bundled": ("dalle_core.families.bundled", "load_bundled"),
    "dalle-mini": ("dalle_core.families.dalle_mini", "load_dalle_mini"),
    "janus": ("dalle_core.families.janus", "load_janus"),
    "rudalle": ("dalle_core.families.rudalle", "load_rudalle"),
}
IN_TURN = {"dalle-mini"}  # with low memory: one network after the other
NARROW = {"janus", "rudalle"}  # with low memory: 16 bits, where they are slower too
TOKENIZERS = {"openai-dvae": ("dalle_core.families.openai_dvae", "load_openai_dvae")}


def load_model(folder: Path, device: "torch.device", low_memory: bool = False) -> "ImageModel":
    """Load the model in `folder`, whatever its family. `low_memory` asks those that can to hold less at once."""
    family = check_paints(folder).family
    module, function = LOADERS[family]
    loader: Callable[..., ImageModel] = getattr(import_module(module), function)
    sparing = {"low_memory": True} if low_memory and family in IN_TURN | NARROW else {}
    return loader(folder, device, **sparing)


def only_tokens(spec: ModelSpec) -> bool:
    """Whether it turns pictures into tokens and back, and paints nothing."""
    return spec.family in TOKENIZERS


def check_paints(folder: Path) -> ModelSpec:
    """What the model in `folder` is. Raises CheckpointError where it is none that paints from words."""
    spec = read_spec(folder)
    if only_tokens(spec):
        raise CheckpointError(
            f"{folder.name} turns pictures into tokens and back; it reads no words, so it cannot paint by itself"
        )
    if spec.family not in LOADERS:
        raise CheckpointError(f"{folder.name}: unknown family {spec.family!r}; expected one of {sorted(LOADERS)}")
    return spec


def load_tokenizer(folder: Path, device: "torch.device") -> "ImageTokenizer":
    """Load what turns pictures into tokens and back: a tokenizer by itself, or a whole model, which holds one."""
    family = read_spec(folder).family
    if family not in TOKENIZERS:
        return load_model(folder, device)
    module, function = TOKENIZERS[family]
    loader: Callable[[Path, torch.device], ImageTokenizer] = getattr(import_module(module), function)
    return loader(folder, device)
