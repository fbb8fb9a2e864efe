"""Variations of a picture: near it at low strength, free at full strength, reproducible at any."""

import math
from typing import Any

import pytest
import torch

from dalle_core.errors import RequestError
from dalle_core.generate import Finished, GenerationRequest, generate
from dalle_core.variation import Pull, apart, departure, fixed_firmness, measured_firmness
from tests.core.mock import SPEC, RedReranker, UniformModel

SOURCE = (5, 0, 3, 1, 1, 4, 2, 2, 5, 0, 3, 1)


def request(strength: float = 0.9, **changes: Any) -> GenerationRequest:
    values: dict[str, Any] = {
        "prompt": "red apple",
        "count": 5,
        "keep": 2,
        "seed": 7,
        "batch_width": 2,
        "temperature": 1,
    }
    return GenerationRequest(**(values | {"source_tokens": SOURCE, "strength": strength} | changes))


def run(asked: GenerationRequest, reranker: RedReranker | None = None, model: UniformModel | None = None) -> Finished:
    *_, last = generate(model or UniformModel(), asked, reranker)
    assert isinstance(last, Finished)
    return last


def paint(asked: GenerationRequest) -> dict[int, list[int]]:
    """Tokens by seed."""
    return {candidate.seed: candidate.tokens.tolist() for candidate in run(asked).candidates}


def same_share(strength: float) -> float:
    """Of the tokens of many variations, how many are the picture's own."""
    rows = paint(request(strength, count=128, keep=1, batch_width=64)).values()
    return sum(a == b for row in rows for a, b in zip(row, SOURCE, strict=True)) / (128 * len(SOURCE))


class TestPull:
    @pytest.mark.parametrize("level", [2, 5, 8])
    def test_a_distance_of_one_is_the_deviation_of_a_digit_whose_values_are_used_alike(self, level: int):
        values = torch.arange(level)
        assert apart(values[:, None], values, level, ordered=True).mean() == pytest.approx(2)
        assert apart(values[:, None], values, level, ordered=False).sum() == 2 * level * (level - 1)

    def test_is_nothing_at_the_picture_s_own_value_and_stronger_the_further_a_value_is(self):
        pull = Pull(torch.tensor([2 * 10 + 7]), (10, 10), 6)
        for place, own in ((0, 2), (1, 7)):
            row = pull(0, place)
            assert row[own] == 0
            assert row[own - 1] == row[own + 1] > row[own - 2] == row[own + 2] > row.min()

    def test_neighbours_of_a_plain_codebook_s_code_are_like_any_other(self):
        row = Pull(torch.tensor([3]), (6,), 6)(0, 0)
        assert row[3] == 0
        assert len({*row.tolist()} - {0.0}) == 1


def told(firmness: float, logits: list[torch.Tensor], source: list[tuple[int, int]], temperature: float) -> float:
    """Nats that the choices at one or more tokens of two digits hold of the source, by the book."""
    total = 0.0
    for place, said in enumerate(logits):
        for row, digits in zip(said, source, strict=True):
            distance = (torch.arange(len(row)) - digits[place]) ** 2 / ((len(row) ** 2 - 1) / 12)
            own = torch.distributions.Categorical(logits=row / temperature)
            pulled = torch.distributions.Categorical(logits=(row - firmness / 2 * distance) / temperature)
            total += float(torch.distributions.kl_divergence(pulled, own))
    return total


class TestFirmness:
    source = torch.tensor([2 * 3 + 1, 3 * 3 + 0, 0])  # digits (2, 1), (3, 0), (0, 0)

    def logits(self, sure: float) -> list[torch.Tensor]:
        noise = torch.randn(3, 7, generator=torch.Generator().manual_seed(4))
        return [sure * noise[:, :4], sure * noise[:, 4:]]

    @pytest.mark.parametrize("temperature", [0.6, 1.0])
    @pytest.mark.parametrize("strength", [0.1, 0.3, 0.8])
    def test_gives_up_the_root_of_strength_of_what_the_picture_says(self, strength: float, temperature: float):
        logits = self.logits(2)
        firmness = measured_firmness(strength, logits, self.source, (4, 3), temperature)
        digits = [(2, 1), (3, 0), (0, 0)]
        share = told(firmness, logits, digits, temperature) / told(10_000, logits, digits, temperature)
        assert share == pytest.approx(1 - math.sqrt(strength), abs=1e-4)

    def test_a_picture_is_held_the_harder_the_less_the_model_expects_it(self):
        own = [torch.zeros(3, 4), torch.zeros(3, 3)]
        for row, (first, second) in enumerate([(2, 1), (3, 0), (0, 0)]):
            own[0][row, first] = own[1][row, second] = 4
        foreign = [-logits for logits in own]
        for strength in (0.3, 0.5, 0.8):
            expected, surprising = (
                measured_firmness(strength, each, self.source, (4, 3), 1) for each in (own, foreign)
            )
            assert expected < surprising / 2

    def test_falls_with_strength_to_nothing(self):
        found = [measured_firmness(s, self.logits(2), self.source, (4, 3), 1) for s in (0.01, 0.3, 0.8, 0.999, 1)]
        assert found == sorted(found, reverse=True)
        assert found[-1] < 1e-5 < found[-2] < 0.1

    def test_of_a_plain_codebook_is_that_of_its_codes_one_by_one(self):
        logits, source = torch.randn(5, 30, generator=torch.Generator().manual_seed(1)), torch.tensor([3, 0, 29, 7, 7])
        firmness = measured_firmness(0.64, [logits], source, (30,), 0.7)

        def share(firmness: float) -> float:
            own = (logits / 0.7).log_softmax(-1)
            pulled = ((logits - firmness * (torch.arange(30) != source[:, None])) / 0.7).log_softmax(-1)
            return float((pulled.exp() * (pulled - own)).sum())

        assert share(firmness) / share(1000) == pytest.approx(0.2, abs=1e-4)

    @pytest.mark.parametrize("temperature", [0.0, 0.6])
    @pytest.mark.parametrize("sure", [0.0, 1000.0])
    def test_is_a_number_whatever_the_model_thinks(self, sure: float, temperature: float):
        for levels in ((4, 3), (12,)):
            logits = self.logits(sure) if len(levels) == 2 else [sure * torch.randn(3, 12)]
            assert math.isfinite(measured_firmness(0.3, logits, self.source, levels, temperature))


class TestEarlierRecipes:
    """They had one λ for all pictures; they come out as they did."""

    def test_paint_what_they_painted(self):
        rows = paint(request(0.9, count=2, temperature=2, strength_version=1))
        assert rows == {7: [5, 0, 1, 1, 1, 4, 2, 2, 3, 2, 3, 0], 8: [5, 2, 3, 1, 0, 2, 2, 2, 4, 0, 3, 1]}

    def test_fixed_firmness(self):
        assert fixed_firmness(0.5) == 6
        assert fixed_firmness(1) == 0
        assert fixed_firmness(0.01) > fixed_firmness(0.3) > fixed_firmness(0.8)


class TestStrength:
    def test_near_nothing_all_is_the_picture(self):
        assert same_share(0.01) > 0.95

    def test_more_of_it_keeps_less(self):
        shares = [same_share(strength) for strength in (0.1, 0.3, 0.6, 0.9, 1.0)]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] > 0.7
        assert shares[-1] == pytest.approx(1 / SPEC.codebook_size, abs=0.03)

    def test_all_of_it_leaves_only_the_prompt(self):
        assert paint(request(1.0)) == paint(request(1.0, source_tokens=()))

    def test_temperature_zero_is_pulled_too(self):
        assert set(map(tuple, paint(request(0.9, temperature=0)).values())) == {SOURCE}


class TestReproducible:
    def test_the_same_seed_gives_the_same_variations_alone_too(self):
        many = paint(request())
        assert many == paint(request())
        assert len(set(map(tuple, many.values()))) == 5
        assert paint(request(seed=9, count=1, keep=1)) == {9: many[9]}

    def test_a_given_top_stays(self):
        assert all(row[:3] == [1, 2, 3] for row in paint(request(prefix_tokens=(1, 2, 3))).values())


class TestWithoutPrompt:
    def test_is_painted_in_one_pass(self):
        lone, guided = UniformModel(), UniformModel()
        run(request(prompt=""), model=lone)
        run(request(prompt="", negative_prompt="blue"), model=guided)
        assert (lone.prompts, guided.prompts) == (("",), ("", "blue"))

    def test_is_ranked_by_likeness_to_the_picture(self):
        reranker = RedReranker()
        candidates = run(request(prompt=""), reranker).candidates
        assert reranker.texts == []
        assert [candidate.rank for candidate in candidates] == [1, 2, 3, 4, 5]
        model = UniformModel()
        red = float(model.tokens_to_images(torch.tensor([SOURCE]), SPEC.token_count)[0, 0].mean())
        away = [abs(float(candidate.image[0].mean()) - red) for candidate in candidates]
        assert away == sorted(away)

    @pytest.mark.parametrize("changes", [{"prompt": "a pear"}, {"prompt": "", "rerank_text": "a pear"}])
    def test_words_come_before_likeness(self, changes: dict[str, Any]):
        reranker = RedReranker()
        run(request(**changes), reranker)
        assert reranker.texts == ["a pear"]


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"strength": 0.0}, "strength is 0.0; expected a value from 0.01 to 1"),
            ({"strength": 1.5}, "strength is 1.5"),
            ({"strength": math.nan}, "strength is nan"),
            ({"strength_version": 3}, "strength_version is 3; expected a value from 1 to 2"),
            ({"strength": 1.0, "prompt": " "}, "prompt is empty"),
            ({"source_tokens": ()}, "no picture to vary"),
            ({"source_tokens": SOURCE[1:]}, "has 11 tokens; pictures of uniform have 12"),
            ({"source_tokens": SOURCE[1:], "strength": 1.0}, "has 11 tokens"),
            ({"source_tokens": (*SOURCE[1:], 6)}, r"picture to vary must lie in 0\.\.5, the codebook of uniform"),
            ({"source_tokens": (*SOURCE[1:], -1)}, r"picture to vary must lie in 0\.\.5"),
        ],
    )
    def test_and_told_why_before_anything_is_painted(self, changes: dict[str, Any], message: str):
        model = UniformModel()
        with pytest.raises(RequestError, match=message):
            run(request(**changes), model=model)
        assert model.prompts == ()


class TestDeparture:
    def test_is_nothing_where_a_token_is_the_picture_s_own_and_more_the_further_it_is(self):
        source = torch.tensor([0, 0, 0, 0])
        tokens = torch.tensor([0, 1, 3, 99])
        first, near, further, furthest = departure(tokens, source, (10, 10)).tolist()
        assert first == 0 < near < further < furthest == 1

    def test_of_a_plain_codebook_is_all_or_nothing(self):
        assert departure(torch.tensor([3, 4]), torch.tensor([3, 3]), (6,)).tolist() == [0, 1]
