"""The generation loop: reproducible, cancellable, honest about time; every candidate is its seed's own."""

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dalle_core import generate as module
from dalle_core.errors import RequestError
from dalle_core.generate import (
    Candidate,
    CandidateFinished,
    Event,
    Finished,
    GenerationRequest,
    Preview,
    Progress,
    Started,
    generate,
    never,
    ranked,
    rerank,
)
from dalle_core.request import MAX_BATCH_WIDTH, MAX_COUNT, MAX_PROMPT_CHARACTERS, MAX_SEED
from tests.core.mock import SPEC, STEPS, RedReranker, UniformModel


def request(**changes: Any) -> GenerationRequest:
    values: dict[str, Any] = {"prompt": "red apple", "count": 5, "keep": 2, "seed": 7, "batch_width": 2}
    return GenerationRequest(**(values | changes))


def run(
    asked: GenerationRequest,
    model: UniformModel | None = None,
    reranker: RedReranker | None = None,
    cancelled: Callable[[], bool] = never,
) -> list[Event]:
    return list(generate(model or UniformModel(), asked, reranker, cancelled))


def last(events: list[Event]) -> Finished:
    assert isinstance(events[-1], Finished)
    return events[-1]


def paint(asked: GenerationRequest) -> dict[int, list[int]]:
    """Tokens by seed."""
    return {candidate.seed: candidate.tokens.tolist() for candidate in last(run(asked)).candidates}


def of_kind(events: list[Event], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


class TestReproducible:
    def test_the_same_seed_gives_the_same_pictures(self):
        assert paint(request()) == paint(request())

    def test_another_seed_gives_others(self):
        tokens = paint(request(count=50, keep=1)).values()
        assert len({tuple(row) for row in tokens}) == 50

    def test_a_candidate_does_not_depend_on_how_many_are_painted(self):
        many = paint(request(count=9))
        for count in (2, 3, 8):
            few = paint(request(count=count))
            assert few == {seed: many[seed] for seed in few}

    def test_one_candidate_can_be_painted_again_alone(self):
        many = paint(request(count=9))
        assert paint(request(seed=13, count=1, keep=1)) == {13: many[13]}

    def test_uniform_logits_give_uniform_tokens(self):
        tokens = torch.tensor(list(paint(request(count=256, keep=1, batch_width=64)).values()))
        shares = torch.bincount(tokens.flatten(), minlength=SPEC.codebook_size) / tokens.numel()
        assert torch.allclose(shares, torch.full_like(shares, 1 / SPEC.codebook_size), atol=0.03)

    def test_tokens_are_of_the_codebook(self):
        tokens = torch.tensor(list(paint(request(count=64, keep=1)).values()))
        assert tokens.dtype == torch.int64
        assert set(tokens.flatten().tolist()) == set(range(SPEC.codebook_size))


class TestBatches:
    @pytest.mark.parametrize(("count", "width", "batches"), [(5, 2, 3), (4, 4, 1), (1, 8, 1), (9, 4, 3)])
    def test_all_have_one_width_the_last_being_padded(self, count: int, width: int, batches: int):
        model = UniformModel()
        events = run(request(count=count, keep=1, batch_width=width), model)
        assert model.widths == [width] * batches
        assert [candidate.index for candidate in last(events).candidates] == list(range(count))

    def test_padding_is_never_shown(self):
        model = UniformModel()
        events = run(request(count=3), model)
        shown = [(preview.first, len(preview.images)) for preview in of_kind(events, Preview)]
        assert shown == [(0, 2)] * 3 + [(2, 1)] * 3
        assert [candidate.index for candidate in last(events).candidates] == [0, 1, 2]

    @pytest.mark.parametrize(
        ("changes", "prompts"),
        [
            ({}, ("red apple", "")),
            ({"negative_prompt": "blue"}, ("red apple", "blue")),
            ({"guidance_scale": 1.0}, ("red apple",)),
            ({"guidance_scale": 0.0, "negative_prompt": "blue"}, ("red apple", "blue")),
        ],
    )
    def test_guidance_of_one_does_no_second_pass(self, changes: dict[str, Any], prompts: tuple[str, ...]):
        model = UniformModel()
        run(request(**changes), model)
        assert model.prompts == prompts


class TestPrefix:
    prefix = (5, 0, 3, 1, 1, 4)

    def test_comes_back_unchanged(self):
        tokens = paint(request(prefix_tokens=self.prefix))
        assert all(tuple(row[:6]) == self.prefix for row in tokens.values())
        assert len({tuple(row[6:]) for row in tokens.values()}) == len(tokens)

    def test_leaves_later_draws_as_they_were(self):
        whole = paint(request())
        top = tuple(whole[7][:6])
        assert paint(request(prefix_tokens=top))[7] == whole[7]

    def test_is_given_to_the_model_and_not_painted_again(self):
        model = UniformModel()
        events = run(request(count=2, prefix_tokens=self.prefix), model)
        assert model.prefixes == [list(self.prefix)]
        assert model.steps == STEPS // 2
        assert [progress.row for progress in of_kind(events, Progress)] == [2, 3, 4]

    def test_is_shown_before_the_first_row_is_written(self):
        events = run(request(count=2, prefix_tokens=self.prefix), UniformModel())
        assert [preview.row for preview in of_kind(events, Preview)] == [2, 3]

    @pytest.mark.parametrize("given", [1, 4, 12, 15])
    def test_must_be_whole_rows_and_leave_one(self, given: int):
        with pytest.raises(RequestError, match=rf"holds {given} tokens; uniform needs whole rows of 3, at most 3 rows"):
            run(request(prefix_tokens=(0,) * given))

    @pytest.mark.parametrize("token", [-1, 6])
    def test_must_be_of_the_codebook(self, token: int):
        with pytest.raises(RequestError, match=r"0\.\.5, the codebook of uniform"):
            run(request(prefix_tokens=(0, 0, token)))

    def test_is_checked_before_anything_is_painted(self):
        model = UniformModel()
        with pytest.raises(RequestError):
            run(request(prefix_tokens=(0,)), model)
        assert model.prompts == ()


class TestEvents:
    def test_come_in_order(self):
        events = run(request(count=3), reranker=RedReranker())
        batch = ["Progress", *["Progress", "Preview"] * 3, "Progress"]
        assert [type(event).__name__ for event in events] == [
            "Started", *batch, *["CandidateFinished"] * 2, *batch, "CandidateFinished", "Finished",
        ]  # fmt: skip

    def test_notes_of_the_model_come_first(self):
        events = run(request(), UniformModel(notes=("The prompt was cut.",)))
        assert events[0] == Started(request(), ("The prompt was cut.",))

    def test_what_the_reranker_cuts_is_said_before_anything_is_painted(self):
        events = list(generate(UniformModel(notes=("cut",)), request(rerank_text="red apple"), RedReranker()))
        first = events[0]
        assert isinstance(first, Started)
        assert first.notes == ("cut", "red reads one word of “red apple”")

    def test_previews_show_only_what_is_written(self):
        model = UniformModel()
        run(request(count=2), model)
        assert model.previewed == [(2, 3), (2, 6), (2, 9), (2, 12)]

    def test_without_previews_only_finished_pictures_are_decoded(self):
        model = UniformModel()
        shown, quiet = run(request(count=2)), list(generate(model, request(count=2), previews=False))
        assert model.previewed == [(2, 12)]
        assert not of_kind(quiet, Preview)
        assert [c.tokens.tolist() for c in last(quiet).candidates] == [
            c.tokens.tolist() for c in last(shown).candidates
        ]

    def test_finished_candidates_are_those_of_the_end(self):
        events = run(request())
        told = tuple(event.candidate for event in of_kind(events, CandidateFinished))
        assert told == last(events).candidates
        assert all(candidate.image.shape == (3, 8, 8) and candidate.tokens.shape == (12,) for candidate in told)

    def test_seconds_of_the_candidates_add_up(self, monkeypatch: pytest.MonkeyPatch):
        events = timed(request(), UniformModel(), monkeypatch)
        assert sum(candidate.seconds for candidate in last(events).candidates) == last(events).seconds == 3 * STEPS


class TestRerank:
    def test_orders_best_first_and_ranks_every_candidate(self):
        candidates = last(run(request(), reranker=RedReranker())).candidates
        assert [candidate.rank for candidate in candidates] == [1, 2, 3, 4, 5]
        scores = [candidate.score for candidate in candidates]
        assert scores == pytest.approx(sorted((float(c.image[0].mean()) for c in candidates), reverse=True))
        assert [candidate.seed - candidate.index for candidate in candidates] == [7] * 5

    @pytest.mark.parametrize(("rerank_text", "scored"), [(None, "red apple"), ("an apple", "an apple")])
    def test_scores_the_prompt_unless_told_otherwise(self, rerank_text: str | None, scored: str):
        reranker = RedReranker()
        run(request(rerank_text=rerank_text), reranker=reranker)
        assert reranker.texts == [scored]

    def test_equal_scores_keep_their_order(self):
        image = torch.zeros(3, 8, 8)
        same = [Candidate(i, i, torch.zeros(12, dtype=torch.int64), image, 1.0) for i in (2, 0, 1)]
        assert [candidate.index for candidate in rerank(RedReranker(), "x", same)] == [0, 1, 2]

    def test_without_a_reranker_there_is_no_rank(self):
        assert {(c.score, c.rank) for c in last(run(request())).candidates} == {(None, None)}


def made(index: int, red: float, surprisal: float | None) -> Candidate:
    return Candidate(index, index, torch.zeros(12, dtype=torch.int64), torch.full((3, 8, 8), red), 1.0, surprisal)


class TestSurprisal:
    """Of digits that are all equally likely every token is as surprising: log 3 + log 2 nats."""

    EACH = math.log(6)
    CANDIDATES = (made(0, 0.9, 1.0), made(1, 0.8, 0.1), made(2, 0.7, 0.0))

    @pytest.mark.parametrize("changes", [{}, {"guidance_scale": 1.0}, {"temperature": 0.0}])
    def test_is_a_mean_over_tokens(self, changes: dict[str, Any]):
        candidates = last(run(request(**changes))).candidates
        assert [candidate.surprisal for candidate in candidates] == pytest.approx([self.EACH] * 5)

    def test_given_tokens_surprise_nobody(self):
        candidates = last(run(request(prefix_tokens=(1, 2, 3)))).candidates
        assert [candidate.surprisal for candidate in candidates] == pytest.approx([self.EACH * 9 / 12] * 5)

    def test_counts_in_ranks_and_not_in_scores(self):
        best_first = rerank(RedReranker(), "x", self.CANDIDATES, surprisal_weight=0.5)
        assert [candidate.index for candidate in best_first] == [1, 2, 0]
        assert [candidate.score for candidate in best_first] == pytest.approx([0.8, 0.7, 0.9])
        assert [candidate.index for candidate in rerank(RedReranker(), "x", self.CANDIDATES)] == [0, 1, 2]

    @pytest.mark.parametrize(
        ("changes", "order"),
        [
            ({}, [1, 2, 0]),
            ({"rerank_text": "red apple"}, [1, 2, 0]),
            ({"rerank_text": "other words"}, [0, 1, 2]),
            ({"strength": 0.5, "source_tokens": (1,) * 12}, [0, 1, 2]),
        ],
    )
    def test_counts_for_what_was_painted_freely_to_the_words_it_is_ranked_by(
        self, changes: dict[str, Any], order: list[int]
    ):
        reranker = RedReranker(surprisal_weight=0.5)
        best_first = ranked(UniformModel(), request(**changes), reranker, self.CANDIDATES)
        assert [candidate.index for candidate in best_first] == order

    def test_never_counts_for_likeness(self):
        asked = request(prompt="", strength=0.5, source_tokens=(5,) * 12)
        best_first = ranked(UniformModel(), asked, RedReranker(surprisal_weight=100.0), self.CANDIDATES)
        assert [candidate.index for candidate in best_first] == [1, 0, 2]  # 5/6 is red's share of the picture


class TestCancel:
    @pytest.mark.parametrize("at", [0, 1, 5, STEPS - 1])
    def test_takes_effect_within_one_step(self, at: int):
        model = UniformModel()
        events = run(request(), model, RedReranker(), lambda: model.steps >= at)
        assert model.steps == at
        assert last(events) == Finished((), last(events).seconds, cancelled=True)

    def test_keeps_finished_candidates_without_a_rank(self):
        model, reranker = UniformModel(), RedReranker()
        events = run(request(), model, reranker, lambda: model.steps > STEPS)
        assert model.steps == STEPS + 1
        assert [(c.index, c.rank) for c in last(events).candidates] == [(0, None), (1, None)]
        assert reranker.texts == []
        assert last(events).cancelled

    def test_after_the_last_step_only_the_ranks_are_missing(self):
        model, reranker = UniformModel(), RedReranker()
        finished = last(run(request(), model, reranker, lambda: model.steps == 3 * STEPS))
        assert [candidate.rank for candidate in finished.candidates] == [None] * 5
        assert finished.cancelled
        assert reranker.texts == []


def timed(asked: GenerationRequest, model: UniformModel, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=model.clock))
    return run(asked, model)


class TestTimeLeft:
    def test_is_unknown_before_the_first_row_and_exact_after_it(self, monkeypatch: pytest.MonkeyPatch):
        events = timed(request(), UniformModel(), monkeypatch)
        told = [(p.finished, p.row, p.seconds_left) for p in of_kind(events, Progress)]
        row = STEPS / SPEC.rows
        expected: list[tuple[int, int, float | None]] = [(0, 0, None)]
        expected += [(0, done, row * (12 - done)) for done in (1, 2, 3)] + [(2, 4, row * 8)]
        expected += [(2, done, row * (8 - done)) for done in range(4)] + [(4, 4, row * 4)]
        expected += [(4, done, row * (4 - done)) for done in range(4)] + [(5, 4, 0.0)]
        assert told == expected

    def test_is_known_from_the_start_where_the_width_was_measured(self, monkeypatch: pytest.MonkeyPatch):
        model = UniformModel()
        timed(request(count=1, keep=1), model, monkeypatch)
        first = next(iter(of_kind(timed(request(), model, monkeypatch), Progress)))
        assert first.seconds_left == 3 * STEPS
        assert of_kind(run(request(batch_width=4), model), Progress)[0].seconds_left is None

    def test_counts_only_the_rows_below_the_prefix(self, monkeypatch: pytest.MonkeyPatch):
        events = timed(request(count=2, prefix_tokens=(0,) * 6), UniformModel(), monkeypatch)
        told = [(progress.row, progress.rows, progress.seconds_left) for progress in of_kind(events, Progress)]
        assert told == [(2, 4, None), (3, 4, 6), (4, 4, 0)]


class TestRequest:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"prompt": "  \n"}, "prompt is empty"),
            ({"prompt": "\u200b \u2060"}, "prompt is empty"),
            ({"prompt": "a" * (MAX_PROMPT_CHARACTERS + 1)}, "has 2001 characters; at most 2000"),
            ({"prompt": "\ud800"}, "not text"),
            ({"negative_prompt": "\0"}, "negative prompt holds characters"),
            ({"rerank_text": " "}, "rerank text is empty"),
            ({"count": 0}, "count is 0; expected a value from 1 to 256"),
            ({"count": MAX_COUNT + 1}, "count is 257; expected a value from 1 to 256"),
            ({"keep": 6}, "keep is 6; expected a value from 1 to 5"),
            ({"seed": -1}, "seed is -1; expected a value from 0 to 9007199254740735"),
            ({"seed": MAX_SEED}, "seed is 9007199254740991"),
            ({"temperature": 5.1}, "temperature is 5.1; expected a value from 0 to 5"),
            ({"temperature": math.nan}, "temperature is nan"),
            ({"top_k": -1}, "top_k is -1"),
            ({"top_p": 0.0}, "top_p is 0.0; expected a value from 0.01 to 1"),
            ({"guidance_scale": math.inf}, "guidance_scale is inf; expected a value from 0 to 30"),
            ({"batch_width": MAX_BATCH_WIDTH + 1}, "batch_width is 65; expected a value from 1 to 64"),
        ],
    )
    def test_refuses_and_names_actual_and_expected(self, changes: dict[str, Any], message: str):
        with pytest.raises(RequestError, match=message):
            request(**changes)

    def test_the_largest_seed_leaves_room_for_every_candidate(self):
        assert request(seed=MAX_SEED - MAX_COUNT, count=MAX_COUNT).seeds[-1] <= MAX_SEED


@pytest.mark.parametrize(("count", "width"), [(1, 1), (4, 4), (8, 8), (9, 5), (16, 8), (20, 7), (256, 8)])
def test_pictures_are_shared_evenly_among_micro_batches(count: int, width: int) -> None:
    assert GenerationRequest("red apple", count=count, keep=1).batch_width == width


class TestEarlier:
    def test_only_the_others_are_painted_and_all_are_ranked(self):
        whole = last(run(request(count=9, batch_width=4), reranker=RedReranker()))
        by_index = {candidate.index: candidate for candidate in whole.candidates}
        model = UniformModel()
        events = list(
            generate(
                model, request(count=9, batch_width=4), RedReranker(), earlier=[by_index[i] for i in (0, 1, 2, 3, 5)]
            )
        )
        assert model.widths == [4, 4]
        assert [event.candidate.index for event in of_kind(events, CandidateFinished)] == [4, 6, 7, 8]
        again = last(events)
        assert [candidate.index for candidate in again.candidates] == [
            candidate.index for candidate in whole.candidates
        ]
        assert [c.tokens.tolist() for c in again.candidates] == [c.tokens.tolist() for c in whole.candidates]
        assert [(p.first, p.finished) for p in of_kind(events, Progress) if p.row == p.rows] == [(4, 8), (8, 9)]

    @pytest.mark.parametrize(("changes", "painted"), [({}, 12), ({"prefix_tokens": (1, 2, 3)}, 9)])
    def test_how_surprising_they_were_is_found_again_where_that_counts(self, changes: dict[str, Any], painted: int):
        whole = last(run(request(**changes)))
        earlier = [replace(candidate, surprisal=None) for candidate in whole.candidates[:3]]
        for weight, expected in ((0.5, [TestSurprisal.EACH * painted / 12] * 3), (0.0, [None] * 3)):
            events = generate(UniformModel(), request(**changes), RedReranker(weight), earlier=earlier)
            ranked = sorted(last(list(events)).candidates, key=lambda candidate: candidate.index)
            assert [candidate.surprisal for candidate in ranked[:3]] == pytest.approx(expected)

    def test_where_nothing_is_missing_it_is_only_ranked(self):
        whole = last(run(request()))
        model = UniformModel()
        events = list(generate(model, request(), RedReranker(), earlier=whole.candidates))
        assert model.widths == []
        assert {candidate.rank for candidate in last(events).candidates} == {1, 2, 3, 4, 5}
