"""Tiny checkpoints as the public ones are published: random weights under their names, in their layouts."""

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor, nn

from dalle_core.bart import ImageDecoder, TextEncoder
from dalle_core.checkpoints import save_weights, sha256_of, write_json
from dalle_core.config import BartConfig, OpenAIDVAEConfig, VQGANConfig
from dalle_core.families.convert_dalle_mini import Published
from dalle_core.families.convert_openai_dvae import published_spec
from dalle_core.families.dalle_mini_text import normalise
from dalle_core.openai_dvae import OpenAIDVAE
from dalle_core.vqgan import VQGAN
from tests.parity.prompts import PROMPTS

WITHOUT_WEIGHT = ("pre_self_attn_layer_norm", "pre_encoder_attn_layer_norm", "ln0", "ln1", "final_ln")
TINY_VQGAN = VQGANConfig(
    image_size=32, channels=32, multipliers=(1, 1, 1, 1), blocks=1, attention_sizes=(4,), latent_channels=8,
    code_channels=4, codebook_size=64,
)  # fmt: skip
TINY_BART = BartConfig(
    layers=2, heads=2, width=32, hidden=48, text_vocab=512, text_length=16, image_vocab=64, codebook_size=64,
    image_length=16, start_token=63,
)  # fmt: skip
TINY = Published("Tiny", "_mini", TINY_BART, TINY_VQGAN)
TINY_DVAE = OpenAIDVAEConfig(image_size=32, width=8, decoder_width=8, blocks=1, codebook_size=20)


def shake(module: nn.Module, seed: int) -> None:
    """Random norms and biases too: as they start out, half of a network's parameters would take no part."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))


def random_networks(published: Published) -> tuple[TextEncoder, ImageDecoder, VQGAN]:
    """As published: the norms without a weight have one of 1."""
    torch.manual_seed(0)
    networks = TextEncoder(published.bart), ImageDecoder(published.bart), VQGAN(published.vqgan)
    for seed, module in enumerate(networks):
        shake(module, seed)
        for name, part in module.named_modules():
            if name.rpartition(".")[2] in WITHOUT_WEIGHT:
                assert isinstance(part, nn.LayerNorm)
                nn.init.ones_(part.weight)
        module.eval().requires_grad_(False)
    return networks


def write_openai_dvae(folder: Path, config: OpenAIDVAEConfig = TINY_DVAE, seed: int = 0) -> Path:
    """A folder as its converter writes it."""
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    dvae = OpenAIDVAE(config)
    shake(dvae, seed)
    save_weights(folder / "dvae.safetensors", dvae.state_dict(), None)
    spec = {name: value for name, value in vars(published_spec(folder.name, config)).items() if name != "sha256"}
    files = {"dvae.safetensors": sha256_of(folder / "dvae.safetensors")}
    write_json(folder / "config.json", {"format": 1, "spec": spec, "files": files, "dvae": config.to_dict()})
    return folder


def write_published(folder: Path, published: Published) -> tuple[TextEncoder, ImageDecoder, VQGAN]:
    """A folder of published files, and the networks that they are of."""
    encoder, decoder, vqgan = random_networks(published)
    for name, module in (("encoder", encoder), ("decoder", decoder)):
        torch.save(without_weights(module.state_dict()), folder / f"{name}{published.suffix}.pt")
    torch.save(detoker(vqgan.state_dict()), folder / "detoker.pt")
    write_flax(folder / "flax_model.msgpack", vqgan.state_dict())
    write_vocabulary(folder, published)
    return encoder, decoder, vqgan


def without_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    endings = tuple(f"{name}.weight" for name in WITHOUT_WEIGHT)
    return {name: value.clone() for name, value in state.items() if not name.endswith(endings)}


def detoker(state: dict[str, Tensor]) -> dict[str, Tensor]:
    decoding = {name: value for name, value in state.items() if name.startswith(("decoder.", "post_quant_conv."))}
    return {"embedding.weight": state["codebook.weight"], **decoding}


def write_flax(path: Path, state: dict[str, Tensor]) -> None:
    """Nested maps by another writer than the one we read with; names and layouts as Flax modules have them."""
    import msgpack

    tree: dict[str, object] = {}
    for name, value in state.items():
        *way, last = name.replace("codebook.weight", "quantize.embedding.weight").split(".")
        joined = ".".join(way)
        for part in ("down", "up", "block", "attn"):
            joined = joined.replace(f"{part}.", f"{part}_")
        if last == "weight":
            last = "kernel" if value.ndim == 4 else "embedding" if value.ndim == 2 else "scale"
        array = (value.permute(2, 3, 1, 0) if value.ndim == 4 else value).contiguous().numpy()
        packed = msgpack.ExtType(1, msgpack.packb((array.shape, array.dtype.name, array.tobytes()), use_bin_type=True))
        place = tree
        for part in joined.split("."):
            place = place.setdefault(part, {})  # type: ignore[assignment]
        place[last] = packed
    path.write_bytes(msgpack.packb(tree, use_bin_type=True))


def words(count: int) -> list[str]:
    """Enough different ones to learn a vocabulary of any size from."""
    return [f"{i}x{i * i}" for i in range(count)]


def write_vocabulary(folder: Path, published: Published, texts: Iterable[str] = (*PROMPTS, *words(2000))) -> None:
    """Byte pairs learnt from some prompts, by the library that the published ones were learnt with."""
    library = Tokenizer(models.BPE(unk_token="<unk>"))
    library.pre_tokenizer = pre_tokenizers.Metaspace(replacement="Ġ", prepend_scheme="always")
    trainer = trainers.BpeTrainer(
        vocab_size=published.bart.text_vocab - 4, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False,
        initial_alphabet=[chr(code) for code in range(33, 127)], min_frequency=1,
    )  # fmt: skip
    library.train_from_iterator(map(normalise, texts), trainer)
    model = json.loads(library.to_str())["model"]
    (folder / f"vocab{published.suffix}.json").write_text(json.dumps(model["vocab"]))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"]), ""]
    (folder / f"merges{published.suffix}.txt").write_text("\n".join(lines), encoding="utf-8")
