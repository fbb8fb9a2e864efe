"""Finite scalar quantization: codes and tokens are each other's inverse, and gradients pass straight through."""

import pytest
import torch
from torch import Tensor

from dalle_core.quantizers import FSQ, build_quantizer

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
    assert isinstance(build_quantizer("fsq", (5, 4)), FSQ)
    with pytest.raises(ValueError, match=r"unknown quantizer 'vq'; expected one of \['fsq'\]"):
        build_quantizer("vq", (5, 4))
