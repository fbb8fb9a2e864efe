"""From OpenAI's two pickled modules, encoder.pkl and decoder.pkl, to a folder of ours. Their classes are not needed."""

from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from dalle_core.checkpoints import FORMAT, atomic_folder, check_tensors, save_weights, sha256_of, write_json
from dalle_core.config import OpenAIDVAEConfig
from dalle_core.errors import CheckpointError
from dalle_core.families.base import ModelSpec
from dalle_core.families.openai_dvae import FAMILY, WEIGHTS
from dalle_core.families.registry import CONFIG
from dalle_core.openai_dvae import OpenAIDVAE
from dalle_core.pickles import Husk, read_pickle, tensors_of

CLASSES = (
    "dall_e.encoder.Encoder",
    "dall_e.encoder.EncoderBlock",
    "dall_e.decoder.Decoder",
    "dall_e.decoder.DecoderBlock",
    "dall_e.utils.Conv2d",
    "torch.nn.modules.activation.ReLU",
    "torch.nn.modules.container.Sequential",
    "torch.nn.modules.linear.Identity",
    "torch.nn.modules.pooling.MaxPool2d",
    "torch.nn.modules.upsampling.Upsample",
)
CARD = """# {name}

OpenAI's discrete VAE of DALL·E (Ramesh et al., 2021): it turns pictures of {size} px into {grid} × {grid} tokens of
{codes:,} codes and back. It reads no words and cannot paint by itself; a transformer can be trained on its tokens.

Weights: {licence}, by OpenAI.
"""
NAMES = {"w": "weight", "b": "bias"}  # of a convolution, there and here


def convert_openai_dvae(source: Path, target: Path, config: OpenAIDVAEConfig) -> None:
    """Check the files in `source` and bring them into a new folder `target`, whole or not at all."""
    if target.exists():
        raise CheckpointError(f"{target} is there already")
    tensors = {**_half(source / "encoder.pkl"), **_half(source / "decoder.pkl")}
    with torch.device("meta"):
        network = OpenAIDVAE(config)
    check_tensors(source.name, {name: tuple(value.shape) for name, value in tensors.items()}, network)
    spec = published_spec(target.name, config)
    with atomic_folder(target) as staging:
        save_weights(staging / WEIGHTS, tensors, None)
        (staging / "MODEL_CARD.md").write_text(_card(spec), encoding="utf-8")
        described = {name: value for name, value in asdict(spec).items() if name != "sha256"}
        files = {WEIGHTS: sha256_of(staging / WEIGHTS)}
        write_json(staging / CONFIG, {"format": FORMAT, "spec": described, "files": files, "dvae": config.to_dict()})


def published_spec(name: str, config: OpenAIDVAEConfig) -> ModelSpec:
    """What there is to know of it, under the name of its folder; `sha256` is for its files to tell."""
    return ModelSpec(
        name=name,
        family=FAMILY,
        image_size=config.image_size,
        rows=config.grid,
        cols=config.grid,
        levels=(config.codebook_size,),
        text_length=0,
        languages=(),
        licence="Modified MIT",
        can_encode=True,
        sha256="",
    )


def _card(spec: ModelSpec) -> str:
    codes, size, grid = spec.codebook_size, spec.image_size, spec.rows
    return CARD.format(name=spec.name, size=size, grid=grid, codes=codes, licence=spec.licence)


def _half(path: Path) -> dict[str, Tensor]:
    """encoder.pkl or decoder.pkl, its tensors under our names."""
    module = read_pickle(path, CLASSES)
    if not isinstance(module, Husk):
        raise CheckpointError(f"{path.name}: expected a pickled module, found {type(module).__name__}")
    renamed = {}
    for name, value in tensors_of(module).items():
        way, _, last = name.rpartition(".")
        renamed[f"{path.stem}.{way}.{NAMES.get(last, last)}"] = value
    return renamed
