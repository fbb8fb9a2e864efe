"""From the published files of ruDALL-E to a folder of ours. Tensors are mapped from disk, nothing in a pickle is run.

Three files, which their authors publish apart: the transformer (of Malevich, Emojich or a tuning of one's own), the
VQGAN and the BPE.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dalle_core.checkpoints import FORMAT, atomic_folder, check_tensors, save_weights, sha256_of, write_json
from dalle_core.config import MalevichConfig, VQGANConfig
from dalle_core.errors import CheckpointError
from dalle_core.families.base import ModelSpec, Sampling
from dalle_core.families.registry import CONFIG
from dalle_core.families.rudalle import TOKENIZER, TRANSFORMER, VQ
from dalle_core.families.rudalle_text import check_vocabulary, read_youtokentome
from dalle_core.malevich import LAYOUTS, Malevich, build_mask
from dalle_core.pickles import read_pickle, read_tensors
from dalle_core.vqgan import VQGAN

MALEVICH = MalevichConfig()
GUMBEL_F8 = VQGANConfig(
    multipliers=(1, 1, 2, 4), attention_sizes=(32,), codebook_size=8192, quantizer="gumbel", signed_pixels=True
)
MASKS = {"transformer.row_mask": "row", "transformer.col_mask": "column", "transformer.conv_mask": "convolution"}
VQ_NAMES = {"quantize.embed.": "codebook.", "quantize.proj.": "classifier."}
VQ_UNUSED = ("loss.",)  # what it was trained against
# Classes that a training checkpoint names beside its tensors; they are read as inert names.
TRAINING_CLASSES = ("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",)
LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class PublishedRudalle:
    """Where the three files are. `layout` is v2 or v3; None where the masks stored in the transformer's file tell."""

    transformer: Path
    vqgan: Path
    bpe: Path
    layout: str | None = None


# Published model -> its transformer's file and layout; the other two files are the same for all.
PUBLISHED = {
    "rudalle-malevich": ("pytorch_model_v3.bin", "v3"),
    "rudalle-malevich-v2": ("pytorch_model_v2.bin", "v2"),
    "rudalle-emojich": ("pytorch_model.bin", "v2"),
    "rudalle-surrealist-xl": ("pytorch_model.bin", "v3"),
}


def published_files(name: str, source: Path) -> PublishedRudalle:
    """The files of a published model in one folder, by their published names."""
    transformer, layout = PUBLISHED[name]
    return PublishedRudalle(
        source / transformer, source / "vqgan.gumbelf8-sber.model.ckpt", source / "bpe.model", layout
    )


def convert_rudalle(
    source: PublishedRudalle, target: Path, malevich: MalevichConfig = MALEVICH, vqgan: VQGANConfig = GUMBEL_F8
) -> ModelSpec:
    """Check the files and bring them into a new folder `target`, whole or not at all."""
    if target.exists():
        raise CheckpointError(f"{target} is there already")
    tokenizer = read_youtokentome(source.bpe)
    check_vocabulary(source.bpe.name, tokenizer, malevich.vocab_size)
    tensors = read_tensors(source.transformer)
    masks = {MASKS[name]: tensors.pop(name) for name in MASKS if name in tensors}
    malevich = replace(malevich, layout=_layout(source, masks, malevich))
    with torch.device("meta"):
        networks = Malevich(malevich), VQGAN(vqgan)
    spec = published_spec(target.name, malevich, vqgan)
    with atomic_folder(target) as staging:
        _save(staging / TRANSFORMER, source.transformer.name, tensors, networks[0])
        _save(staging / VQ, source.vqgan.name, read_vqgan(source.vqgan), networks[1])
        tokenizer.save(str(staging / TOKENIZER))
        files = {name: sha256_of(staging / name) for name in (TRANSFORMER, VQ, TOKENIZER)}
        described = asdict(spec)
        del described["sha256"]
        settings = {"transformer": malevich.to_dict(), "vqgan": vqgan.to_dict()}
        write_json(staging / CONFIG, {"format": FORMAT, "spec": described, "files": files, **settings})
    return spec


def read_vqgan(path: Path) -> dict[str, Tensor]:
    """The state dict inside a training checkpoint, by our names."""
    found = read_pickle(path, TRAINING_CLASSES)
    state = found.get("state_dict", found) if isinstance(found, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path.name}: expected names and tensors, or a checkpoint with a state_dict of them")
    return {_our_name(name): value for name, value in state.items() if not name.startswith(VQ_UNUSED)}


def _our_name(name: str) -> str:
    for theirs, ours in VQ_NAMES.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name


def _layout(source: PublishedRudalle, masks: Mapping[str, Tensor], config: MalevichConfig) -> str:
    """The two layouts have the same tensors but for the masks, so those decide, or whoever knows the file."""
    if source.layout not in {*LAYOUTS, None}:
        raise CheckpointError(f"unknown layout {source.layout!r}; expected one of {', '.join(LAYOUTS)}")
    fitting = [layout for layout in LAYOUTS if _masks_fit(masks, replace(config, layout=layout))]
    if masks and not fitting:
        raise CheckpointError(f"{source.transformer.name}: its masks are those of no known layout; expected v2 or v3")
    told = source.layout or (fitting[0] if masks and len(fitting) == 1 else None)
    if told is None:
        raise CheckpointError(
            f"{source.transformer.name} does not tell whether its layout is v2 (as Malevich v2 and Emojich) or v3 "
            "(as Malevich v3); say which"
        )
    if masks and told not in fitting:
        raise CheckpointError(f"{source.transformer.name}: its masks are those of {fitting[0]}, not of {told}")
    return told


def _masks_fit(masks: Mapping[str, Tensor], config: MalevichConfig) -> bool:
    size = config.text_length + config.grid**2
    return all(
        mask.shape == (size, size) and torch.equal(mask.bool(), build_mask(kind, config)[:size, :size])
        for kind, mask in masks.items()
    )


def _save(path: Path, name: str, tensors: dict[str, Tensor], network: nn.Module) -> None:
    check_tensors(name, {key: tuple(value.shape) for key, value in tensors.items()}, network)
    if others := [key for key, value in tensors.items() if not value.is_floating_point()]:
        raise CheckpointError(f"{name}: expected floating-point numbers, found others in {others[:5]}")
    save_weights(path, tensors, None)


def published_spec(name: str, malevich: MalevichConfig, vqgan: VQGANConfig) -> ModelSpec:
    """What there is to know of a published model, under the name of its folder; `sha256` is for its files to tell."""
    if (malevich.grid, malevich.codebook_size) != (vqgan.grid, vqgan.codebook_size):
        raise CheckpointError(f"{name}: VQGAN and transformer disagree about the tokens they share")
    return ModelSpec(
        name=name,
        family="rudalle",
        image_size=vqgan.image_size,
        rows=malevich.grid,
        cols=malevich.grid,
        levels=(malevich.codebook_size,),
        text_length=malevich.text_length - 2,
        languages=("ru",),
        licence=LICENCE,
        can_encode=True,
        sha256="",
        preview_rows=4,
        sampling=Sampling(temperature=1, top_k=2048, top_p=0.995),
        reranker="siglip2-base-patch32-256",  # which reads Russian
    )
