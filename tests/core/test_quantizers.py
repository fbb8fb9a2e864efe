"""Quantizers: codes and tokens are each other's inverse, and gradients pass through."""

import math

import pytest
import torch
from torch import Tensor

from dalle_core.config import DVAEConfig
from dalle_core.quantizers import FSQ, GumbelSoftmax, build_quantizer

LEVELS = [(8, 8, 8, 6, 5), (5, 4), (2,), (3, 2, 7)]


def random_codes(quantizer: FSQ, batch: int = 4, side: int = 3) -> Tensor:
    return 2 * torch.randn(batch, quantizer.code_dim, side, side, generator=torch.Generator().manual_seed(1))


def every_token(quantizer: FSQ) -> Tensor:
    return torch.arange(quantizer.codebook_size).view(1, 1, -1)


@pytest.fixture(params=LEVELS, ids=str)
def quantizer(request: pytest.FixtureRequest) -> FSQ:
    return FSQ(request.param)


def test_the_codebook_is_the_product_of_the_levels():
    assert (FSQ((8, 8, 8, 6, 5)).codebook_size, FSQ((8, 8, 8, 6, 5)).code_dim) == (15360, 5)


def test_shapes_and_types(quantizer: FSQ):
    codes = random_codes(quantizer)
    quantized, tokens, auxiliary = quantizer(codes)
    assert quantized.shape == codes.shape
    assert (tokens.shape, tokens.dtype) == ((4, 3, 3), torch.int64)
    assert (auxiliary.shape, float(auxiliary)) == ((), 0.0)
    assert 0 <= tokens.min() <= tokens.max() < quantizer.codebook_size


def test_to_tokens_is_what_forward_says(quantizer: FSQ):
    codes = random_codes(quantizer)
    assert torch.equal(quantizer.to_tokens(codes), quantizer(codes)[1])


def test_from_tokens_gives_what_forward_quantized_to(quantizer: FSQ):
    quantized, tokens, _ = quantizer(random_codes(quantizer))
    torch.testing.assert_close(quantizer.from_tokens(tokens), quantized)


def test_every_token_has_a_code_of_its_own_and_comes_back(quantizer: FSQ):
    tokens = every_token(quantizer)
    levels = quantizer.from_tokens(tokens)  # (1, D, 1, K) in [-1, 1]
    codes = torch.logit(((levels + 1) / 2).clamp(1e-4, 1 - 1e-4)) / 1.6  # what the encoder would have to say
    assert torch.equal(quantizer.to_tokens(codes), tokens)
    assert len(levels.flatten(2)[0].T.unique(dim=0)) == quantizer.codebook_size


def test_quantizing_again_changes_nothing(quantizer: FSQ):
    once = quantizer.from_tokens(quantizer.to_tokens(random_codes(quantizer)))
    codes = torch.logit(((once + 1) / 2).clamp(1e-4, 1 - 1e-4)) / 1.6
    assert torch.equal(quantizer.from_tokens(quantizer.to_tokens(codes)), once)


def test_the_first_level_is_the_most_significant_digit():
    levels = FSQ((3, 2)).from_tokens(torch.arange(6).view(1, 1, 6))[0, :, 0]
    assert levels.tolist() == [[-1, -1, 0, 0, 1, 1], [-1, 1, -1, 1, -1, 1]]


def test_codes_reach_both_ends():
    quantizer = FSQ((8, 5))
    far = torch.full((1, 2, 1, 1), 50.0)
    assert (int(quantizer.to_tokens(-far)), int(quantizer.to_tokens(far))) == (0, 39)


def test_gradients_pass_straight_through_the_rounding(quantizer: FSQ):
    codes = random_codes(quantizer).requires_grad_()
    (rounded,) = torch.autograd.grad(quantizer(codes)[0].sum(), codes)
    (smooth,) = torch.autograd.grad((2 * torch.sigmoid(1.6 * codes) - 1).sum(), codes)
    torch.testing.assert_close(rounded, smooth)
    assert bool((rounded > 0).all())


def test_levels_are_used_evenly_by_normal_codes():
    codes = torch.randn(1, 1, 200, 200, generator=torch.Generator().manual_seed(2))
    shares = torch.bincount(FSQ((8,)).to_tokens(codes).flatten(), minlength=8) / codes.numel()
    inner = shares[1:-1]
    assert bool((inner / inner.mean() - 1).abs().max() < 0.15)
    assert bool((shares[[0, -1]] > inner.mean() / 4).all())


@pytest.mark.parametrize("levels", [(), (1,), (8, 1)])
def test_refuses_levels_that_hold_nothing(levels: tuple[int, ...]):
    with pytest.raises(ValueError, match="each 2 or more; got"):
        FSQ(levels)


def test_is_built_by_name():
    assert isinstance(build_quantizer(DVAEConfig(levels=(5, 4))), FSQ)
    gumbel = build_quantizer(DVAEConfig(quantizer="gumbel", levels=(300,), embed_dim=16))
    assert isinstance(gumbel, GumbelSoftmax)
    assert (gumbel.code_dim, gumbel.embed_dim, gumbel.values_per_token) == (300, 16, 192)
    with pytest.raises(ValueError, match=r"unknown quantizer 'vq'; expected one of \['fsq', 'gumbel'\]"):
        build_quantizer(DVAEConfig(quantizer="vq"))


class TestGumbelSoftmax:
    @staticmethod
    def quantizer(temperature: float = 1.0) -> GumbelSoftmax:
        torch.manual_seed(0)
        quantizer = GumbelSoftmax(codebook_size=7, embed_dim=3, values_per_token=12)
        quantizer.temperature.fill_(temperature)
        return quantizer

    @staticmethod
    def drawn(quantizer: GumbelSoftmax, logits: Tensor) -> Tensor:
        """What the decoder would see, one row a token."""
        with torch.no_grad():
            return quantizer(logits)[0].permute(0, 2, 3, 1).reshape(-1, 3)

    @staticmethod
    def logits(scale: float = 1.0) -> Tensor:
        return scale * torch.randn(4, 7, 2, 2, generator=torch.Generator().manual_seed(1))

    def test_shapes_and_types(self):
        quantized, tokens, auxiliary = self.quantizer()(self.logits())
        assert (quantized.shape, tokens.shape, tokens.dtype) == ((4, 3, 2, 2), (4, 2, 2), torch.int64)
        assert auxiliary.shape == ()

    def test_out_of_training_it_takes_the_likeliest_code(self):
        quantizer, logits = self.quantizer().eval(), self.logits()
        quantized, tokens, _ = quantizer(logits)
        assert torch.equal(tokens, logits.argmax(1))
        assert torch.equal(quantized, quantizer.from_tokens(tokens))

    def test_a_cool_mixture_is_nearly_one_code(self):
        quantizer = self.quantizer(temperature=0.001)
        quantized = self.drawn(quantizer, self.logits())
        assert float(torch.cdist(quantized, quantizer.codebook.weight.detach()).min(dim=1).values.max()) < 1e-4

    def test_cool_draws_follow_the_distribution(self):
        """The Gumbel-max trick: the code that a draw is nearest to has the probability that the logits give it."""
        quantizer = self.quantizer(temperature=0.001)
        logits = torch.tensor([2.0, 0.0, 1.0, -1.0, 0.5, 0.0, 0.0]).view(1, 7, 1, 1)
        drawn = self.drawn(quantizer, logits.expand(1, 7, 150, 150))
        nearest = torch.cdist(drawn, quantizer.codebook.weight.detach()).argmin(dim=1)
        shares = torch.bincount(nearest, minlength=7) / len(nearest)
        torch.testing.assert_close(shares, logits.flatten().softmax(0), atol=0.015, rtol=0)

    def test_gradients_reach_logits_and_codebook(self):
        quantizer, logits = self.quantizer(), self.logits().requires_grad_()
        quantizer(logits)[0].square().sum().backward()
        assert logits.grad is not None
        assert float(logits.grad.abs().sum()) > 0
        assert quantizer.codebook.weight.grad is not None
        assert float(quantizer.codebook.weight.grad.abs().sum()) > 0

    @pytest.mark.parametrize(
        ("logits", "nats"), [(torch.zeros(7), 0.0), (torch.tensor([50.0] + [0.0] * 6), math.log(7))]
    )
    def test_the_divergence_from_uniform(self, logits: Tensor, nats: float):
        quantizer = self.quantizer()
        quantizer.anneal(1.0)
        auxiliary = quantizer(logits.view(1, 7, 1, 1))[2]
        assert float(auxiliary.detach()) == pytest.approx(6.6 * nats / 12, abs=1e-4)

    def test_anneals_as_the_paper_does(self):
        quantizer, seen = self.quantizer(), []
        for progress in (0.0, 1 / 60, 1 / 30, 0.5, 1.0):
            quantizer.anneal(progress)
            seen.append((float(quantizer.temperature), float(quantizer.kl_weight)))
        temperatures, weights = zip(*seen, strict=True)
        assert list(weights) == pytest.approx([0, 3.3, 6.6, 6.6, 6.6])
        assert (temperatures[0], temperatures[3], temperatures[4]) == pytest.approx((1, (1 + 1 / 16) / 2, 1 / 16))
        assert list(temperatures) == sorted(temperatures, reverse=True)
