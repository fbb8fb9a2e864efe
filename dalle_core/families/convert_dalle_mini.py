"""From the published files of DALL·E mini or Mega to a folder of ours. Reads tensors one by one, mapped from disk.

The files are those of kuprel/min-dalle, and, beside them, flax_model.msgpack of dalle-mini/vqgan_imagenet_f16_16384:
the former's VQGAN only decodes. Without the latter the model paints, but takes no pictures.
"""

import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dalle_core.bart import ImageDecoder, TextEncoder
from dalle_core.checkpoints import FORMAT, atomic_folder, check_tensors, save_weights, sha256_of, write_json
from dalle_core.config import BartConfig, VQGANConfig
from dalle_core.errors import CheckpointError
from dalle_core.families.base import ModelSpec, Sampling
from dalle_core.families.dalle_mini import DECODER, ENCODER, SHAPES, TOKENIZER, VQGAN_FILE
from dalle_core.families.dalle_mini_text import build_tokenizer, check_ids, read_vocabulary
from dalle_core.families.registry import CONFIG
from dalle_core.msgpack import read_flax
from dalle_core.pickles import read_tensors
from dalle_core.vqgan import VQGAN

DETOKER, FLAX, CARD_FILE = "detoker.pt", "flax_model.msgpack", "MODEL_CARD.md"
# Norms that are published with a bias alone: they were trained without a weight, so theirs is 1.
UNSCALED = re.compile(r"(^|\.)(pre_self_attn_layer_norm|pre_encoder_attn_layer_norm|glu\.ln[01]|final_ln)\.weight$")
IN_LIST = re.compile(r"(?<!mid\.)\b(down|up|block|attn)_(\d+)")  # Flax writes down_0 where PyTorch has down.0
FLAX_NAMES = {"kernel": "weight", "scale": "weight", "embedding": "weight", "bias": "bias"}
SAME_CODE = 1e-3  # how far a codebook may lie from itself after having been stored elsewhere
CARD = """# {name}

{title}: pictures of {size} px from prompts in English, by {grid} × {grid} tokens of {codes:,} codes. {sight}

Weights: {licence}, by the DALL·E mini project (Dayma et al., 2021), from the files of kuprel/min-dalle. Read the
publishers' terms before you use what it paints.

## Settings

It was published with a guidance of 16, temperature 1 and top-k 256.

## Limits

Only English is read, at most {room} tokens of it. It was trained on pictures and captions of the open internet and
repeats their stereotypes; faces, hands and writing come out badly.
"""
SIGHT = {
    True: "It takes pictures of your own.",
    False: "It takes no pictures but its own: its encoder was not there.",
}


@dataclass(frozen=True)
class Published:
    """What tells one published model from the other: the endings of its files' names, and its shape."""

    title: str
    suffix: str
    bart: BartConfig
    vqgan: VQGANConfig
    licence: str = "Apache-2.0"

    def files(self) -> tuple[str, ...]:
        """Those it cannot do without."""
        return (f"encoder{self.suffix}.pt", f"decoder{self.suffix}.pt", DETOKER,
                f"vocab{self.suffix}.json", f"merges{self.suffix}.txt")  # fmt: skip


PUBLISHED = {
    "dalle-mini": Published("DALL·E mini", "_mini", SHAPES["dalle-mini"], VQGANConfig()),
    "dalle-mega": Published("DALL·E Mega", "", SHAPES["dalle-mega"], VQGANConfig()),
}


def convert_dalle_mini(source: Path, target: Path, published: Published) -> None:
    """Check the files in `source` and bring them into a new folder `target`, whole or not at all."""
    if target.exists():
        raise CheckpointError(f"{target} is there already")
    encoder, decoder, detoker, vocab, merges = (source / name for name in published.files())
    ids, pairs = read_vocabulary(vocab, merges)
    check_ids(vocab.name, ids, published.bart.text_vocab)
    tokenizer = build_tokenizer(ids, pairs)
    vqgan = replace(published.vqgan, has_encoder=(source / FLAX).exists())
    with torch.device("meta"):
        networks = TextEncoder(published.bart), ImageDecoder(published.bart), VQGAN(vqgan)
    with atomic_folder(target) as staging:
        _save(staging / ENCODER, encoder.name, _scaled(read_tensors(encoder), networks[0]), networks[0])
        _save(staging / DECODER, decoder.name, _scaled(read_tensors(decoder), networks[1]), networks[1])
        _save(staging / VQGAN_FILE, detoker.name, _whole_vqgan(detoker, source / FLAX), networks[2])
        tokenizer.save(str(staging / TOKENIZER))
        files = {name: sha256_of(staging / name) for name in (ENCODER, DECODER, VQGAN_FILE, TOKENIZER)}
        described = asdict(published_spec(target.name, published, vqgan))
        del described["sha256"]
        (staging / CARD_FILE).write_text(_card(target.name, published, vqgan), encoding="utf-8")
        networks_of = {"bart": published.bart.to_dict(), "vqgan": vqgan.to_dict()}
        write_json(staging / CONFIG, {"format": FORMAT, "spec": described, "files": files, **networks_of})


def published_spec(name: str, published: Published, vqgan: VQGANConfig) -> ModelSpec:
    """What there is to know of a published model, under the name of its folder; `sha256` is for its files to tell."""
    return ModelSpec(
        name=name,
        family="dalle-mini",
        image_size=vqgan.image_size,
        rows=vqgan.grid,
        cols=vqgan.grid,
        levels=(vqgan.codebook_size,),
        text_length=published.bart.text_length,
        languages=("en",),
        licence=published.licence,
        can_encode=vqgan.has_encoder,
        sha256="",
        reranker="clip-vit-base-patch32",
        sampling=Sampling(temperature=1, top_k=256, guidance_scale=16),
        preview_rows=4,  # decoding a picture costs as much as painting several rows of it
    )


def _card(name: str, published: Published, vqgan: VQGANConfig) -> str:
    return CARD.format(
        name=name,
        title=published.title,
        size=vqgan.image_size,
        grid=vqgan.grid,
        codes=vqgan.codebook_size,
        sight=SIGHT[vqgan.has_encoder],
        licence=published.licence,
        room=published.bart.text_length - 2,
    )


def _save(path: Path, name: str, tensors: dict[str, Tensor], network: nn.Module) -> None:
    check_tensors(name, {key: tuple(value.shape) for key, value in tensors.items()}, network)
    if others := [key for key, value in tensors.items() if not value.is_floating_point()]:
        raise CheckpointError(f"{name}: expected floating-point numbers, found others in {others[:5]}")
    save_weights(path, tensors, None)


def _scaled(tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """With the weights of those norms that are published without one."""
    lacking = [name for name in network.state_dict() if name not in tensors and UNSCALED.search(name)]
    biases = {name: tensors.get(name.removesuffix("weight") + "bias") for name in lacking}
    return tensors | {name: torch.ones_like(bias) for name, bias in biases.items() if bias is not None}


def _whole_vqgan(detoker: Path, flax: Path) -> dict[str, Tensor]:
    """The published decoder, and the encoder of the same VQGAN where there is one."""
    tensors = {name.replace("embedding.", "codebook.", 1): value for name, value in read_tensors(detoker).items()}
    if not flax.exists():
        return tensors
    whole = dict(from_flax(name, value) for name, value in read_flax(flax).items())
    codebook, theirs = whole.get("codebook.weight"), tensors.get("codebook.weight")
    if codebook is None or theirs is None:
        raise CheckpointError(f"{(flax if codebook is None else detoker).name}: lacks the codebook")
    if codebook.shape != theirs.shape or not torch.allclose(codebook, theirs, rtol=0, atol=SAME_CODE):
        raise CheckpointError(f"{flax.name}: its codebook is not that of {detoker.name}; it is another VQGAN's")
    decoding = tuple(f"{part}." for part in ("codebook", "decoder", "post_quant_conv"))
    return tensors | {name: value for name, value in whole.items() if not name.startswith(decoding)}


def from_flax(name: str, value: Tensor) -> tuple[str, Tensor]:
    """Flax's name and layout of a tensor → PyTorch's: lists apart, kernels (H, W, I, O) → (O, I, H, W)."""
    path, _, last = IN_LIST.sub(r"\1.\2", name).rpartition(".")
    path = "codebook" if path == "quantize.embedding" else path
    return f"{path}.{FLAX_NAMES.get(last, last)}", value.permute(3, 2, 0, 1) if value.ndim == 4 else value
