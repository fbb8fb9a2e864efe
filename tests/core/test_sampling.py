"""Choosing from logits: what is kept, what is drawn, and that each picture's numbers are its own."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from dalle_core.sampling import choose, combine_guidance, keep_top_k, keep_top_p, sample, surprisal, uniform_streams

LARGEST_UNIFORM = float(np.nextafter(1.0, 0.0))


def draw(logits: Tensor, uniforms: Tensor, **changes: float) -> Tensor:
    settings = {"guidance_scale": 1.0, "temperature": 1.0, "top_k": 0, "top_p": 1.0} | changes
    return sample(logits, uniforms, **settings)  # type: ignore[arg-type]


def kept(logits: Tensor) -> list[list[int]]:
    return [torch.nonzero(torch.isfinite(row)).flatten().tolist() for row in logits]


class TestGuidance:
    def test_one_group_is_taken_as_it_is(self):
        logits = torch.randn(1, 3, 5)
        assert torch.equal(combine_guidance(logits, 7.5), logits[0])

    @pytest.mark.parametrize(("scale", "expected"), [(0.0, [0.0, 4.0]), (1.0, [2.0, 0.0]), (3.0, [6.0, -8.0])])
    def test_two_groups_are_extrapolated(self, scale: float, expected: list[float]):
        conditional, unconditional = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]])
        assert combine_guidance(torch.stack([conditional, unconditional]), scale).tolist() == [expected]


class TestTopK:
    logits = torch.tensor([[0.0, 3.0, 1.0, 2.0], [5.0, -1.0, 4.0, 0.0]])

    def test_keeps_the_largest_of_each_row(self):
        assert kept(keep_top_k(self.logits, 2)) == [[1, 3], [0, 2]]

    @pytest.mark.parametrize("top_k", [0, 4, 9])
    def test_zero_or_as_many_as_there_are_keeps_all(self, top_k: int):
        assert torch.equal(keep_top_k(self.logits, top_k), self.logits)

    def test_never_drops_one_of_two_equals(self):
        assert kept(keep_top_k(torch.tensor([[1.0, 1.0, 0.0]]), 1)) == [[0, 1]]


class TestTopP:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()

    @pytest.mark.parametrize(("top_p", "expected"), [(0.01, [0]), (0.49, [0]), (0.6, [0, 1]), (0.9, [0, 1, 2])])
    def test_keeps_the_smallest_set_that_reaches_p(self, top_p: float, expected: list[int]):
        assert kept(keep_top_p(self.logits, top_p)) == [expected]

    def test_order_does_not_matter(self):
        assert kept(keep_top_p(self.logits.flip(-1), 0.6)) == [[2, 3]]

    def test_one_keeps_all(self):
        assert torch.equal(keep_top_p(self.logits, 1.0), self.logits)

    def test_works_on_what_top_k_left(self):
        assert kept(keep_top_p(keep_top_k(self.logits, 2), 0.99)) == [[0, 1]]


class TestChoose:
    def test_inverts_the_cumulative_distribution(self):
        logits = torch.tensor([0.25, 0.5, 0.25]).log().expand(4, 3)
        uniforms = torch.tensor([0.0, 0.26, 0.74, 0.76], dtype=torch.float64)
        assert choose(logits, uniforms).tolist() == [0, 1, 1, 2]

    @pytest.mark.parametrize("uniform", [0.0, 0.5, LARGEST_UNIFORM])
    def test_a_dropped_value_is_never_chosen(self, uniform: float):
        logits = torch.tensor([[-torch.inf, 1.0, -torch.inf, 0.0, -torch.inf]])
        assert choose(logits, torch.tensor([uniform], dtype=torch.float64)).item() in {1, 3}

    def test_frequencies_follow_the_probabilities(self):
        wanted = torch.tensor([0.1, 0.2, 0.3, 0.4])
        uniforms = uniform_streams([1], 20_000)[0]
        chosen = choose(wanted.log().expand(len(uniforms), 4), uniforms)
        found = torch.bincount(chosen, minlength=4) / len(chosen)
        assert torch.allclose(found, wanted, atol=0.015)


class TestSample:
    def test_zero_temperature_takes_the_likeliest(self):
        logits = torch.tensor([[[0.0, 2.0, 1.0]]])
        assert draw(logits, torch.tensor([LARGEST_UNIFORM], dtype=torch.float64), temperature=0.0).tolist() == [1]

    @pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-40, 1e-6])
    def test_any_temperature_near_zero_does_too(self, temperature: float):
        logits = torch.tensor([[[0.0, 2.0, 1.0, -torch.inf]]])
        uniform = torch.tensor([LARGEST_UNIFORM], dtype=torch.float64)
        assert draw(logits, uniform, temperature=temperature).tolist() == [1]

    def test_high_temperature_flattens(self):
        uniforms = uniform_streams([3], 2000)[0]
        logits = torch.tensor([2.0, 0.0]).expand(1, 2000, 2)
        cool, hot = (draw(logits, uniforms, temperature=t).float().mean().item() for t in (0.5, 5.0))
        assert cool == pytest.approx(1 / (1 + math.exp(4)), abs=0.02)
        assert hot == pytest.approx(1 / (1 + math.exp(0.4)), abs=0.04)

    def test_guidance_strengthens_the_condition(self):
        logits = torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]]).expand(2, 2000, 2)
        uniforms = uniform_streams([4], 2000)[0]
        shares = [draw(logits, uniforms, guidance_scale=s).float().mean().item() for s in (0.0, 1.0, 4.0)]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] == pytest.approx(0.5, abs=0.04)


class TestSurprisal:
    def test_is_that_of_the_choice_by_the_first_prompt_alone(self):
        prompt, other = torch.tensor([0.5, 0.25, 0.25]).log() + 7, torch.tensor([0.0, 0.0, 9.0])
        logits = torch.stack([prompt, other]).unsqueeze(1).expand(2, 2, 3)
        assert surprisal(logits, torch.tensor([0, 2])).tolist() == pytest.approx([math.log(2), math.log(4)])


class TestUniformStreams:
    def test_a_row_depends_on_its_seed_alone(self):
        together, alone = uniform_streams([5, 6, 7], 100), uniform_streams([6], 100)
        assert torch.equal(together[1], alone[0])

    def test_a_draw_does_not_depend_on_how_many_follow(self):
        assert torch.equal(uniform_streams([5], 10), uniform_streams([5], 100)[:, :10])

    def test_neighbouring_seeds_share_nothing(self):
        draws = uniform_streams(range(50), 50)
        assert len(draws.unique()) == draws.numel()

    def test_the_numbers_are_the_same_on_every_machine(self):
        expected = torch.tensor([[0.40494715267903947, 0.4471461098433317, 0.3559706723672681]], dtype=torch.float64)
        assert torch.equal(uniform_streams([2**53 - 1], 3), expected)

    def test_all_lie_in_the_half_open_interval(self):
        draws = uniform_streams([0], 100_000)
        assert draws.dtype == torch.float64
        assert 0 <= draws.min() < 0.001
        assert 0.999 < draws.max() < 1
