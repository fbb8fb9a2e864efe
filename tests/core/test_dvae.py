"""The discrete VAE: shapes, its two directions, what it refuses, and that it can learn through the bottleneck."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dalle_core.config import DVAEConfig
from dalle_core.dvae import DiscreteVAE, LogitLaplace, reconstruction_loss
from dalle_core.errors import CheckpointError

TINY = DVAEConfig(
    image_size=16, channels=(8, 16), encoder_blocks=(1, 1), decoder_blocks=(1, 1), sharpen_channels=8, levels=(5, 4)
)


@pytest.fixture(scope="module")
def dvae() -> DiscreteVAE:
    torch.manual_seed(0)
    return DiscreteVAE(TINY).eval().requires_grad_(False)


def pictures(batch: int = 3, size: int = 16) -> Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("config", "grid"),
    [
        (TINY, 2),
        (DVAEConfig(image_size=32, patch=2, channels=(8, 8, 16), encoder_blocks=(0, 1, 0), decoder_blocks=(1, 0, 1),
                    sharpen_channels=8, sharpen_blocks=0, levels=(3, 3, 3)), 4),
    ],
    ids=["two stages", "three stages"],
)  # fmt: skip
def test_shapes(config: DVAEConfig, grid: int):
    dvae, images = DiscreteVAE(config), pictures(2, config.image_size)
    output, tokens, auxiliary = dvae(images)
    assert config.grid == grid
    assert (output.shape, tokens.shape, auxiliary.shape) == (images.shape, (2, grid, grid), ())
    assert dvae.encode(images).shape == (2, grid * grid)
    assert dvae.decode(dvae.encode(images)).shape == images.shape


def test_the_default_makes_64_tokens_of_1024():
    assert (DVAEConfig().grid, DVAEConfig().codebook_size) == (8, 1024)


def test_encode_and_decode_are_the_halves_of_forward(dvae: DiscreteVAE):
    output, tokens, _ = dvae(pictures())
    assert torch.equal(dvae.encode(pictures()), tokens.flatten(1))
    torch.testing.assert_close(dvae.decode(tokens.flatten(1)), output.clamp(0, 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("place", [0, 1, 4, 11])
def test_tokens_are_in_raster_order(place: int):
    """Kernels that see only their own cell change the picture most where its token changed."""
    torch.manual_seed(0)
    dvae = DiscreteVAE(replace(TINY, image_size=32)).requires_grad_(False)
    for module in dvae.decoder.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
            centre = module.weight[:, :, 1, 1].clone()
            module.weight.zero_()
            module.weight[:, :, 1, 1] = centre
    tokens = torch.full((1, 16), 9)
    changed = tokens.clone()
    changed[0, place] = 0
    change = (dvae.decode(changed) - dvae.decode(tokens)).abs().mean(1)
    assert int(F.avg_pool2d(change, 8).argmax()) == place


def test_decoded_pictures_are_clamped(dvae: DiscreteVAE):
    generator = torch.Generator().manual_seed(3)
    images = dvae.decode(torch.randint(0, TINY.codebook_size, (8, 4), generator=generator))
    assert images.dtype == torch.float32
    assert 0 <= images.min() <= images.max() <= 1


def test_batched_equals_single(dvae: DiscreteVAE):
    images = pictures(4)
    alone = torch.cat([dvae.encode(images[i : i + 1]) for i in range(4)])
    assert torch.equal(dvae.encode(images), alone)


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 1, 16, 16), (1, 3, 16, 8), (2, 3, 32, 32)])
def test_encode_names_expected_and_actual_shape(dvae: DiscreteVAE, shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"expected images of shape \(B, 3, 16, 16\), got \(" + str(shape[0])):
        dvae.encode(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(4,), (1, 3), (1, 2, 2)])
def test_decode_names_expected_and_actual_shape(dvae: DiscreteVAE, shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"expected tokens of shape \(B, 4\), got \(" + str(shape[0])):
        dvae.decode(torch.zeros(shape, dtype=torch.int64))


KINDS = [TINY, replace(TINY, quantizer="gumbel", levels=(20,), embed_dim=8, likelihood="logit-laplace")]


@pytest.mark.parametrize("config", KINDS, ids=["fsq", "gumbel"])
def test_gradients_reach_the_encoder_through_the_bottleneck(config: DVAEConfig):
    torch.manual_seed(0)
    dvae = DiscreteVAE(config)
    dvae(pictures())[2].backward()
    first = next(dvae.encoder.parameters())
    assert first.grad is not None
    assert float(first.grad.abs().sum()) > 0


@pytest.mark.parametrize("config", KINDS, ids=["fsq", "gumbel"])
def test_learns_a_few_pictures_by_heart(config: DVAEConfig):
    torch.manual_seed(0)
    dvae = DiscreteVAE(config)
    images = torch.rand(4, 3, 1, 1).expand(4, 3, 16, 16)
    optimizer = torch.optim.AdamW(dvae.parameters(), lr=1e-2)
    errors = []
    for step in range(150):
        dvae.quantizer.anneal(step / 150)
        output, _, loss = dvae(images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(float(F.l1_loss(output.detach(), images)))
    assert errors[-1] < 0.6 * errors[0], errors[::15]


class TestLogitLaplace:
    def test_is_a_density(self):
        """Over the values it can take, e to the minus loss integrates to what lies between ε and 1 - ε."""
        likelihood = LogitLaplace()
        value = torch.linspace(0, 1, 20_001).view(-1, 1, 1, 1)
        outputs = torch.tensor([0.2, -2.0]).view(1, 2, 1, 1).expand(len(value), 2, 1, 1)
        nll = torch.stack([likelihood.loss(o[None], v[None]) for o, v in zip(outputs[::20], value[::20], strict=True)])
        area = float(torch.trapezoid((-nll).exp(), dx=0.8 / 1000))
        assert area == pytest.approx(1.0, abs=1e-3)

    def test_the_likeliest_value_is_the_one_it_shows(self):
        likelihood, target = LogitLaplace(), torch.full((1, 1, 1, 1), 0.3)
        best = torch.logit(torch.tensor(0.8 * 0.3 + 0.1))
        losses = [
            float(likelihood.loss(torch.tensor([best + d, -1.0]).view(1, 2, 1, 1), target)) for d in (-0.3, 0, 0.3)
        ]
        assert losses[1] == min(losses)
        shown = likelihood.pixels(torch.tensor([best, -1.0]).view(1, 2, 1, 1))
        assert float(shown) == pytest.approx(0.3, abs=1e-6)


def test_an_unknown_likelihood_is_named():
    with pytest.raises(ValueError, match="unknown likelihood 'gauss'; expected one of"):
        DiscreteVAE(replace(TINY, likelihood="gauss"))


class TestReconstructionLoss:
    def test_is_zero_for_the_picture_itself(self):
        assert float(reconstruction_loss(pictures(), pictures())) == 0

    def test_a_wrong_edge_costs_more_than_a_wrong_tone(self):
        flat = torch.zeros(1, 3, 8, 8)
        toned, striped = flat + 0.5, flat.clone()
        striped[..., ::2] = 0.5**0.5  # the same squared error
        assert reconstruction_loss(striped, flat) > reconstruction_loss(toned, flat)


class TestConfig:
    def test_survives_json(self):
        assert DVAEConfig.from_dict(TINY.to_dict()) == TINY

    def test_names_what_it_does_not_know(self):
        with pytest.raises(CheckpointError, match=r"DVAEConfig: unknown fields \['depth'\]; expected \["):
            DVAEConfig.from_dict({**TINY.to_dict(), "depth": 3})
