"""Settings that are restored to the form, and what comes along beside it."""

import json
import re
from dataclasses import replace

import pytest

from app.errors import RecipeError
from app.ui.form import FIELDS, form_values, read_form, restored, tokens_fit, with_restored
from app.views import ModelStatus
from dalle_core.errors import RequestError
from dalle_core.request import MAX_FIRST_SEED, GenerationRequest
from tests.fakes import SPEC

FULL = GenerationRequest(
    "red apple", "blue", count=9, keep=3, seed=7, temperature=0.5, top_k=8, top_p=0.9, guidance_scale=3.0,
    batch_width=4, prefix_tokens=(1, 2, 3, 4), rerank_text="a pear",
)  # fmt: skip


def through_the_browser(beside: object) -> object:
    return json.loads(json.dumps(beside))


def test_restored_settings_give_the_same_request() -> None:
    beside = through_the_browser(restored(FULL))
    assert with_restored(read_form(*form_values(FULL, FULL.seed)), beside) == (FULL, None)
    lone = replace(FULL, count=1, keep=1, slot=2)
    assert with_restored(read_form(*form_values(lone, 7)), through_the_browser(restored(lone, "ab"))) == (lone, "ab")


def test_what_the_form_shows_is_the_artists() -> None:
    values = list(form_values(FULL, FULL.seed))
    values[0] = "green apple"
    assert with_restored(read_form(*values), restored(FULL))[0] == replace(FULL, prompt="green apple")


def test_another_count_takes_its_own_batch_width() -> None:
    values = list(form_values(FULL, FULL.seed))
    values[2] = 6
    request, _ = with_restored(read_form(*values), restored(FULL))
    assert (request.count, request.batch_width, request.prefix_tokens) == (6, 6, FULL.prefix_tokens)


def test_what_comes_along_is_said_and_nothing_comes_along_where_the_form_shows_all() -> None:
    words = (restored(FULL) or {})["words"]
    assert "given top" in words
    assert "batch width of 4, as long as there are 9" in words
    assert "“a pear”" in words
    assert restored(GenerationRequest("red apple", count=9, keep=4)) is None


def test_given_tokens_that_mean_something_else_now_stay_behind() -> None:
    beside = restored(FULL, "ab", fits=False) or {}
    assert "Not restored: the given top" in beside["words"]
    assert with_restored(read_form(*form_values(FULL, FULL.seed)), beside)[0] == replace(FULL, prefix_tokens=())


def test_the_picture_that_was_varied_comes_along_unless_its_tokens_mean_something_else_now() -> None:
    varied = replace(FULL, prefix_tokens=(), source_tokens=(5, 6, 7), strength=0.3)
    form = read_form(*form_values(varied, varied.seed))
    beside = restored(varied, "ab") or {}
    assert "the picture it varies, strength 30%" in beside["words"]
    assert with_restored(form, through_the_browser(beside)) == (varied, "ab")
    left = restored(replace(varied, prompt=""), "ab", fits=False) or {}
    assert "Not restored: the picture it varies" in left["words"]
    assert with_restored(form, through_the_browser(left))[0] == replace(varied, source_tokens=(), strength=1.0)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("count", 0, "Candidates is 0; expected a value from 1 to 256."),
        ("keep", 0, "Keep best is 0; expected a value from 1 to 9."),
        ("count", 2.5, "Candidates is 2.5; it needs a whole number."),
        ("guidance_scale", 31, "Guidance is 31.0; expected a value from 0 to 30."),
        ("seed", "-1", "Seed is “-1”; it needs a whole number from 0 to 9007199254740735, or nothing"),
        ("seed", "9007199254740736", "Seed is “9007199254740736”; it needs a whole number from 0 to"),
        ("seed", "9" * 5000, f"Seed is “{'9' * 20}…”; it needs"),
        ("seed", "²", "Seed is “²”; it needs"),
    ],
)
def test_what_is_refused_is_called_by_its_label(name: str, value: object, words: str) -> None:
    values = dict(zip(FIELDS, form_values(FULL, 7), strict=True)) | {name: value}
    with pytest.raises(RequestError, match=f"^{re.escape(words)}"):
        read_form(*values.values())


def test_an_empty_seed_is_drawn_and_the_largest_is_taken() -> None:
    values = dict(zip(FIELDS, form_values(FULL, 7), strict=True))
    assert len({read_form(*(values | {"seed": " "}).values()).seed for _ in range(3)}) > 1
    assert read_form(*(values | {"seed": str(MAX_FIRST_SEED)}).values()).seed == MAX_FIRST_SEED


@pytest.mark.parametrize(("sha256", "fits"), [(None, True), (SPEC.sha256, True), ("0" * 64, False)])
def test_tokens_fit_the_model_they_are_of(sha256: str | None, fits: bool) -> None:
    status = ModelStatus("ready", "fake", "", SPEC, "cpu")
    assert tokens_fit(sha256, status) is fits
    assert tokens_fit(sha256, replace(status, spec=None))


@pytest.mark.parametrize("nothing", [None, "", [], {}, {"request": None}, {"words": "x"}])
def test_without_a_restored_request_the_form_is_all(nothing: object) -> None:
    request = read_form(*form_values(FULL, 7))
    assert with_restored(request, nothing) == (request, None)


@pytest.mark.parametrize(
    "forged",
    [
        {"prompt": "x", "unknown": 1},
        {"prompt": "x", "prefix_tokens": ["1"]},
        {"prompt": "x", "count": 9, "batch_width": 10_000},
        {},
    ],
)
def test_a_forged_one_is_refused(forged: dict[str, object]) -> None:
    with pytest.raises((RecipeError, RequestError)):
        with_restored(read_form(*form_values(FULL, 7)), {"request": forged})
