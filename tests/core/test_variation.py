"""Variations of a picture: near it at low strength, free at full strength, reproducible at any."""

import math
from typing import Any

import pytest
import torch

from dalle_core.errors import RequestError
from dalle_core.generate import Finished, GenerationRequest, generate
from dalle_core.variation import Pull, apart, departure
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
        pull = Pull(torch.tensor([2 * 10 + 7]), (10, 10), 0.5)
        for place, own in ((0, 2), (1, 7)):
            row = pull(0, place)
            assert row[own] == 0
            assert row[own - 1] == row[own + 1] > row[own - 2] == row[own + 2] > row.min()

    def test_neighbours_of_a_plain_codebook_s_code_are_like_any_other(self):
        row = Pull(torch.tensor([3]), (6,), 0.5)(0, 0)
        assert row[3] == 0
        assert len({*row.tolist()} - {0.0}) == 1

    def test_falls_with_strength_to_nothing(self):
        rows = [Pull(torch.tensor([0]), (4, 4), strength)(0, 0)[3] for strength in (0.01, 0.3, 0.9, 1.0)]
        assert rows == sorted(rows)
        assert rows[-1] == 0


class TestStrength:
    def test_near_nothing_all_is_the_picture(self):
        assert set(map(tuple, paint(request(0.01)).values())) == {SOURCE}

    def test_more_of_it_keeps_less(self):
        shares = [same_share(strength) for strength in (0.1, 0.3, 0.6, 0.9, 1.0)]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] > 0.9
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
