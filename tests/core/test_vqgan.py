"""The VQGAN: shapes, partial pictures, the nearest code, and what it refuses."""

from dataclasses import replace

import pytest
import torch

from dalle_core.config import VQGANConfig
from dalle_core.vqgan import VQGAN, nearest_codes

TINY = VQGANConfig(
    image_size=32, channels=32, multipliers=(1, 2), blocks=1, attention_sizes=(16,), latent_channels=8,
    code_channels=4, codebook_size=20,
)  # fmt: skip


@pytest.fixture(scope="module")
def network() -> VQGAN:
    torch.manual_seed(0)
    return VQGAN(TINY).eval().requires_grad_(False)


def test_pictures_become_tokens_and_back(network: VQGAN) -> None:
    tokens = network.encode(torch.rand(2, 3, 32, 32))
    assert tokens.shape == (2, 256)
    assert tokens.dtype == torch.int64
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < 20
    assert network.decode(tokens).shape == (2, 3, 32, 32)


def test_the_nearest_code_is_found(network: VQGAN) -> None:
    codes = torch.randn(2, 5, 4)
    wanted = torch.cdist(codes, network.codebook.weight.expand(2, -1, -1)).argmin(-1)
    assert torch.equal(nearest_codes(codes, network.codebook.weight), wanted)
    assert nearest_codes(network.codebook.weight[None], network.codebook.weight)[0].tolist() == list(range(20))


def test_the_top_rows_alone_become_the_top_of_a_picture(network: VQGAN) -> None:
    assert network.decode(torch.zeros(1, 48, dtype=torch.int64)).shape == (1, 3, 6, 32)


def test_signed_pixels_are_the_same_picture_mapped(network: VQGAN) -> None:
    signed = VQGAN(replace(TINY, signed_pixels=True)).eval().requires_grad_(False)
    signed.load_state_dict(network.state_dict())
    tokens = torch.arange(256)[None] % 20
    torch.testing.assert_close(signed.decode(tokens), (_raw(network, tokens) / 2 + 0.5).clamp(0, 1))
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(signed.encode(image / 2 + 0.5), network.encode(image))


def _raw(network: VQGAN, tokens: torch.Tensor) -> torch.Tensor:
    codes = network.codebook(tokens).mT.reshape(1, 4, 16, 16)
    images: torch.Tensor = network.decoder(network.post_quant_conv(codes))
    return images


def test_a_gumbel_quantizer_takes_the_likeliest_code() -> None:
    gumbel = VQGAN(replace(TINY, quantizer="gumbel")).eval().requires_grad_(False)
    image = torch.rand(1, 3, 32, 32)
    logits = gumbel.classifier(gumbel.quant_conv(gumbel.encoder(image)))
    assert torch.equal(gumbel.encode(image)[0], logits[0].argmax(0).flatten())


def test_without_an_encoder_it_has_fewer_tensors() -> None:
    names = VQGAN(replace(TINY, has_encoder=False)).state_dict()
    assert not [name for name in names if name.startswith(("encoder", "quant_conv"))]


def test_the_published_shape_has_the_published_size() -> None:
    with torch.device("meta"):
        network = VQGAN(VQGANConfig())
    assert network.config.grid == 16
    assert sum(p.numel() for p in network.parameters()) == 76_073_859


@pytest.mark.parametrize("count", [0, 7, 272])
def test_tokens_that_are_not_whole_rows(network: VQGAN, count: int) -> None:
    with pytest.raises(ValueError, match="whole rows of 16"):
        network.decode(torch.zeros(1, count, dtype=torch.int64))


def test_pictures_of_another_size(network: VQGAN) -> None:
    with pytest.raises(ValueError, match=r"\(B, 3, 32, 32\), got \(1, 3, 16, 16\)"):
        network.encode(torch.rand(1, 3, 16, 16))


def test_an_unknown_quantizer() -> None:
    with pytest.raises(ValueError, match="unknown quantizer 'soft'"):
        VQGAN(replace(TINY, quantizer="soft"))
