"""What the catalogue says of public models before they are here, against their published shapes."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.published import JANUS_SHAPES, janus_config
from dalle_core.bart import ImageDecoder, TextEncoder
from dalle_core.checkpoints import write_json
from dalle_core.config import OpenAIDVAEConfig
from dalle_core.families import convert_dalle_mini, convert_janus, convert_openai_dvae, convert_rudalle
from dalle_core.families.base import ModelSpec
from dalle_core.families.catalogue import OFFERS
from dalle_core.families.dalle_mini import DECODER, ENCODER, VQGAN_FILE
from dalle_core.families.janus import NETWORK, WEIGHTS, empty_network
from dalle_core.families.memory import memory_needs
from dalle_core.families.openai_dvae import WEIGHTS as DVAE_FILE
from dalle_core.families.rudalle import TRANSFORMER, VQ
from dalle_core.malevich import Malevich
from dalle_core.openai_dvae import OpenAIDVAE
from dalle_core.vqgan import VQGAN

NEAR = 0.03  # of a figure that is rounded to two or three digits
HALF, WHOLE = ("F16", 2), ("F32", 4)
Files = dict[str, tuple[nn.Module, tuple[str, int]]]


def write_headers(folder: Path, spec: ModelSpec, files: Files, prefix: str = "", **config: Any) -> Path:
    """A model's folder whose weights hold nothing: headers, their names behind `prefix`, and room that the disk need
    not give."""
    folder.mkdir(parents=True)
    for name, (module, (kind, width)) in files.items():
        header, end = {}, 0
        for key, value in module.state_dict().items():
            header[prefix + key] = {
                "dtype": kind,
                "shape": list(value.shape),
                "data_offsets": [end, end + value.numel() * width],
            }
            end += value.numel() * width
        text = json.dumps(header).encode()
        (folder / name).parent.mkdir(exist_ok=True)
        with (folder / name).open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + end)
    described = {name: value for name, value in asdict(spec).items() if name != "sha256"}
    write_json(folder / "config.json", {"format": 1, "spec": described, "files": dict.fromkeys(files, ""), **config})
    return folder


def dalle_mini(folder: Path, name: str) -> Path:
    published = convert_dalle_mini.PUBLISHED[name]
    with torch.device("meta"):
        networks = TextEncoder(published.bart), ImageDecoder(published.bart), VQGAN(published.vqgan)
    files = dict(zip((ENCODER, DECODER, VQGAN_FILE), zip(networks, (HALF, HALF, WHOLE), strict=True), strict=True))
    spec = convert_dalle_mini.published_spec(name, published, published.vqgan)
    return write_headers(folder, spec, files, bart=published.bart.to_dict())


def janus(folder: Path, name: str) -> Path:
    pytest.importorskip("transformers")
    config = janus_config(*JANUS_SHAPES[name], vq={})
    spec = convert_janus.published_spec(name, config)
    write_headers(folder, spec, {f"{WEIGHTS}/model.safetensors": (empty_network(config), HALF)}, "model.")
    write_json(folder / NETWORK, config.to_dict())
    return folder


def rudalle(folder: Path, name: str) -> Path:
    malevich, vqgan = convert_rudalle.MALEVICH, convert_rudalle.GUMBEL_F8
    with torch.device("meta"):
        files: Files = {TRANSFORMER: (Malevich(malevich), HALF), VQ: (VQGAN(vqgan), WHOLE)}
    spec = convert_rudalle.published_spec(name, malevich, vqgan)
    return write_headers(folder, spec, files, transformer=malevich.to_dict())


def openai_dvae(folder: Path, name: str) -> Path:
    config = OpenAIDVAEConfig()
    with torch.device("meta"):
        dvae = OpenAIDVAE(config)
    return write_headers(folder, convert_openai_dvae.published_spec(name, config), {DVAE_FILE: (dvae, WHOLE)})


PUBLISHED = {
    "dalle-mini": dalle_mini,
    "dalle-mega": dalle_mini,
    "janus-pro-1b": janus,
    "janus-pro-7b": janus,
    "rudalle-malevich": rudalle,
    "rudalle-emojich": rudalle,
    "rudalle-surrealist-xl": rudalle,
    "openai-dvae": openai_dvae,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_memory_a_model_will_need_is_told_before_it_is_fetched(tmp_path: Path, name: str) -> None:
    folder, told = PUBLISHED[name](tmp_path / name, name), OFFERS[name].memory
    found = [memory_needs(folder, *how).whole for how in (("cpu",), ("cpu", True), ("cuda",))]
    assert [told.cpu, told.sparing, told.cuda] == pytest.approx(found, rel=NEAR)


def test_of_what_is_halved_the_pictures_own_networks_stay_whole(tmp_path: Path) -> None:
    needs = memory_needs(janus(tmp_path / "janus", "janus-pro-1b"), "cuda")
    network = empty_network(janus_config(*JANUS_SHAPES["janus-pro-1b"], vq={}))
    pictures = sum(parameter.numel() for name, parameter in network.named_parameters() if name.startswith("vqmodel."))
    assert pictures > 50_000_000
    assert needs.weights == 2 * needs.parameters + 2 * pictures


def test_so_is_that_of_rerankers() -> None:
    transformers = pytest.importorskip("transformers")
    text, vision = {"vocab_size": 256_000}, {"image_size": 256, "patch_size": 32}
    with torch.device("meta"):
        networks = {
            "clip-vit-base-patch32": transformers.CLIPModel(transformers.CLIPConfig()),
            "siglip2-base-patch32-256": transformers.SiglipModel(
                transformers.SiglipConfig(text_config=text, vision_config=vision)
            ),
        }
    for name, network in networks.items():
        weights = 4 * sum(parameter.numel() for parameter in network.parameters())
        assert asdict(OFFERS[name].memory) == pytest.approx(
            dict.fromkeys(("cpu", "sparing", "cuda"), weights), rel=NEAR
        )
    assert {name for name, offer in OFFERS.items() if offer.folder} == set(networks)
    assert OFFERS.keys() == PUBLISHED.keys() | networks.keys()
