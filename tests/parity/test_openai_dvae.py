"""OpenAI's discrete VAE against openai/DALL-E (pip: DALL-E): its modules pickled whole, as they are published."""

from pathlib import Path
from typing import Any

import pytest
import torch

from dalle_core.config import OpenAIDVAEConfig
from dalle_core.families.convert_openai_dvae import convert_openai_dvae
from dalle_core.families.openai_dvae import OpenAITokenizer, load_openai_dvae
from dalle_core.openai_dvae import OpenAIDVAE, map_pixels, unmap_pixels
from tests.core.published import shake

dall_e = pytest.importorskip("dall_e")
SMALL = OpenAIDVAEConfig(image_size=32, width=64, decoder_width=16, blocks=2, codebook_size=512)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Path]:
    torch.manual_seed(0)
    encoder = dall_e.Encoder(n_hid=64, vocab_size=512).eval()
    decoder = dall_e.Decoder(n_hid=64, n_init=16, vocab_size=512).eval()
    folder = tmp_path_factory.mktemp("openai")
    for name, module in (("encoder", encoder), ("decoder", decoder)):
        shake(module.requires_grad_(False), 2)
        torch.save(module, folder / f"{name}.pkl")
    return encoder, decoder, folder


@pytest.fixture(scope="module")
def ours(theirs: tuple[Any, Any, Path]) -> OpenAITokenizer:
    folder = theirs[2]
    convert_openai_dvae(folder, folder / "dvae", SMALL)
    return load_openai_dvae(folder / "dvae", torch.device("cpu"))


def test_logits_and_tokens(theirs: tuple[Any, Any, Path], ours: OpenAITokenizer) -> None:
    images = torch.rand(2, 3, 32, 32)
    logits = theirs[0](dall_e.map_pixels(images))
    torch.testing.assert_close(ours.dvae.encoder(map_pixels(images)), logits, atol=1e-4, rtol=0)
    assert torch.equal(ours.image_to_tokens(images), logits.argmax(1).flatten(1))


def test_pixels(theirs: tuple[Any, Any, Path], ours: OpenAITokenizer) -> None:
    tokens = torch.randint(0, 512, (2, 16))
    one_hot = torch.nn.functional.one_hot(tokens.view(2, 4, 4), 512).permute(0, 3, 1, 2).float()
    statistics = theirs[1](one_hot)
    torch.testing.assert_close(ours.dvae.decoder(tokens.view(2, 4, 4)), statistics, atol=1e-4, rtol=0)
    wanted = dall_e.unmap_pixels(torch.sigmoid(statistics[:, :3]))
    torch.testing.assert_close(ours.tokens_to_images(tokens, 16), wanted, atol=1e-3, rtol=0)


def test_pixels_are_mapped_alike() -> None:
    images = torch.rand(1, 3, 4, 4)
    assert torch.equal(map_pixels(images), dall_e.map_pixels(images))
    assert torch.equal(unmap_pixels(images), dall_e.unmap_pixels(images))


def test_the_published_names_and_shapes() -> None:
    with torch.device("meta"):
        ours = OpenAIDVAE(OpenAIDVAEConfig())
        halves = {"encoder": dall_e.Encoder(device="meta"), "decoder": dall_e.Decoder(device="meta")}
    wanted = {f"{half}.{name}" for half, module in halves.items() for name in module.state_dict()}
    assert {name.replace(".weight", ".w").replace(".bias", ".b") for name in ours.state_dict()} == wanted
    assert sum(p.numel() for p in ours.parameters()) == sum(
        p.numel() for module in halves.values() for p in module.parameters()
    )
