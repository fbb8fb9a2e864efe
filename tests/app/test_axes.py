"""What can vary along a sheet's axes: how values are written, and what each cell then paints."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.axes import MAX_CELLS, Axis, AxisText, CellPlan, Ground, plan_cells, read_axis
from app.prompts import Prompts
from app.wildcards import Wildcards
from dalle_core.errors import RequestError
from dalle_core.request import GenerationRequest

STYLES = ("noto", "pixel")


def ground(prompt: str = "red apple", **values: Any) -> Ground:
    template = Prompts(Wildcards(Path("/nowhere"))).read(prompt)
    return Ground(GenerationRequest(prompt, count=1, keep=1, seed=7), template, STYLES, **values)


def axis(kind: str, text: str = "", on: Ground | None = None) -> Axis:
    return read_axis(AxisText(kind, text), on or ground())


def cells(on: Ground, x: tuple[str, str] | None, y: tuple[str, str] | None = None) -> list[CellPlan]:
    read = [None if written is None else axis(*written, on) for written in (x, y)]
    return plan_cells(on, *read)


@pytest.mark.parametrize(
    ("kind", "text", "values"),
    [
        ("temperature", "0.2, 0.4", (0.2, 0.4)),
        ("temperature", "0.2-1.0 [5]", (0.2, 0.4, 0.6, 0.8, 1.0)),
        ("temperature", "0.1-0.5 (+0.2)", (0.1, 0.3, 0.5)),
        ("temperature", "1，2", (1, 2)),
        ("guidance", "5-1", (5, 4, 3, 2, 1)),
        ("seed", "1-5", (1, 2, 3, 4, 5)),
        ("seed", "9007199254740000", (9007199254740000,)),
        ("top_k", "10-30 (+10), 64, 10", (10, 20, 30, 64)),
        ("top_k", "1-10 [4]", (1, 4, 7, 10)),
        ("style", "", STYLES),
        ("style", 'Pixel, "", noto, PIXEL', ("pixel", "", "noto")),
        ("negative", '"a, b", c', ("a, b", "c")),
        ("negative", "红，蓝", ("红", "蓝")),
        ("replace", "red, green\nblue", ("red", "green", "blue")),
    ],
)
def test_values_are_lists_and_ranges(kind: str, text: str, values: tuple[object, ...]) -> None:
    assert axis(kind, text).values == values


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("temperature", "hot, cold", "Temperature has 'hot'; expected numbers, for example: 0.2-1.0 [5]"),
        ("temperature", "", "has nothing; expected numbers"),
        ("temperature", "0.2-1.0", "does not say how many values; write for example 0.2-1.0 [5]"),
        ("seed", "1.5", "Seed has '1.5'"),
        ("seed", "-1", "Seed has '-1'"),
        ("seed", "1e9", "Seed has '1e9'"),
        ("seed", "1-1000000000", "more than 200 values"),
        ("seed", "1-5 [100000]", "asks for 100000 values; expected from 2 to 200"),
        ("guidance", "1-2 (+0)", "more than 200 values"),
        ("negative", " , ", "Leave out has no values"),
        ("style", "noto, watercolour", "The model has no style “watercolour”; it has noto, pixel. Other words"),
        ("replace", "pear, plum", "The prompt does not hold “pear”"),
        ("prompt", "", "nothing that varies"),
        ("rows", "1-3", "Rows kept needs a picture: open one and press Explore from here"),
        ("strength", "0.3", "Strength needs a picture"),
        ("colour", "red", "'colour' is none of these"),
        ("negative", "x" * 10_001, "have 10001 characters"),
    ],
)
def test_what_cannot_be_read_is_named(kind: str, text: str, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        axis(kind, text)
    assert words in str(caught.value)


def test_a_model_without_named_styles_is_given_any() -> None:
    on = replace(ground(), styles=())
    assert axis("style", "watercolour, Noto", on).values == ("watercolour", "Noto")


def test_every_cell_takes_its_row_s_and_its_column_s_value() -> None:
    plans = cells(ground(), ("temperature", "0.2, 0.8"), ("seed", "1-3"))
    assert [(cell.x, cell.y) for cell in plans] == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]
    assert [(cell.request.temperature, cell.request.seed) for cell in plans] == [
        (0.2, 1), (0.8, 1), (0.2, 2), (0.8, 2), (0.2, 3), (0.8, 3)
    ]  # fmt: skip
    assert {cell.request.prompt for cell in plans} == {"red apple"}


@pytest.mark.parametrize(
    ("kind", "text", "field", "expected"),
    [
        ("top_k", "1, 2", "top_k", [1, 2]),
        ("top_p", "0.5, 1", "top_p", [0.5, 1]),
        ("guidance", "1, 3", "guidance_scale", [1, 3]),
        ("negative", '"", green', "negative_prompt", ["", "green"]),
        ("replace", "red, green", "prompt", ["red apple", "green apple"]),
        ("style", 'noto, ""', "prompt", ["red apple, noto", "red apple"]),
    ],
)
def test_each_kind_changes_its_own_setting(kind: str, text: str, field: str, expected: list[object]) -> None:
    assert [getattr(cell.request, field) for cell in cells(ground(), (kind, text))] == expected


def test_the_places_of_a_prompt_become_rows_and_columns() -> None:
    on = ground("{red|blue} {cat|dog|fox}")
    plans = cells(on, ("place_2", ""), ("place_1", ""))
    assert [cell.request.prompt for cell in plans] == [
        "red cat", "red dog", "red fox", "blue cat", "blue dog", "blue fox"
    ]  # fmt: skip
    assert axis("place_2", "1, 3", on).labels == ("cat", "fox")


def test_all_variations_stand_along_one_axis_while_another_thing_varies() -> None:
    on = ground("{red|blue} {cat|dog}")
    plans = cells(on, ("prompt", "2-3"), ("seed", "1, 2"))
    assert [(cell.request.prompt, cell.request.seed) for cell in plans] == [
        ("red dog", 1), ("blue cat", 1), ("red dog", 2), ("blue cat", 2)
    ]  # fmt: skip


def test_of_too_many_variations_some_are_drawn() -> None:
    on = ground("{0|1|2|3|4|5|6|7|8|9}" * 7)
    with pytest.raises(RequestError, match=r"10000000 variations.* draw 24"):
        axis("prompt", "", on)
    drawn = axis("prompt", "draw 24", on)
    assert len(set(drawn.labels)) == 24
    assert axis("prompt", "draw 24", on) == drawn
    with pytest.raises(RequestError, match="201 cells"):
        axis("prompt", "draw 5000", on)


def test_words_are_replaced_in_what_the_template_became() -> None:
    plans = cells(ground("{red|blue} cat"), ("place_1", ""), ("replace", "cat, dog"))
    assert [cell.request.prompt for cell in plans] == ["red cat", "blue cat", "red dog", "blue dog"]


def test_braces_that_offer_no_choice_are_not_painted() -> None:
    assert cells(ground("a {cat}"), ("seed", "1"))[0].request.prompt == "a cat"


def test_rows_of_a_picture_are_kept() -> None:
    on = ground(rows=4, tokens=tuple(range(16)))
    plans = cells(on, ("rows", "0-3"))
    assert [cell.kept_rows for cell in plans] == [0, 1, 2, 3]
    assert [cell.request.prefix_tokens for cell in plans] == [(), (*range(4),), (*range(8),), (*range(12),)]
    with pytest.raises(RequestError, match="The rows to keep are 4; expected a value from 0 to 3"):
        axis("rows", "4", on)


@pytest.mark.parametrize(
    ("prompt", "x", "y", "words"),
    [
        ("cat", ("seed", "1-20"), ("temperature", "0.1-1 [20]"), "400 cells; at most 200"),
        ("cat", ("seed", "1"), ("seed", "2"), "Both axes vary the same: Seed"),
        ("{a|b} {c|d}", ("prompt", ""), ("place_1", ""), "cannot vary a place of it"),
        ("{a|b} {c|d}", ("place_1", ""), ("seed", "1"), "varies in 2 places, and the axes take 1"),
        ("{a|b}", ("place_2", ""), None, "varies in 1 places, too few for the axis Second place"),
        ("{a|b}", ("prompt", "3"), None, "The variation is 3; expected a value from 1 to 2"),
        ("cat", ("temperature", "9"), None, "temperature is 9.0; expected a value from 0 to 5"),
    ],
)
def test_axes_that_do_not_go_together_are_told(
    prompt: str, x: tuple[str, str], y: tuple[str, str] | None, words: str
) -> None:
    with pytest.raises(RequestError) as caught:
        cells(ground(prompt), x, y)
    assert words in str(caught.value)


def test_a_picture_is_varied_more_and_more() -> None:
    on = ground(rows=4, tokens=tuple(range(16)))
    plans = cells(on, ("strength", "0.3, 0.8, 1"))
    assert [cell.request.strength for cell in plans] == [0.3, 0.8, 1]
    assert [cell.request.source_tokens for cell in plans] == [on.tokens, on.tokens, ()]
    with pytest.raises(RequestError, match="either completed or varied"):
        cells(on, ("strength", "0.3"), ("rows", "1"))


def test_a_sheet_of_the_largest_size_is_planned() -> None:
    assert len(cells(ground(), ("seed", f"1-{MAX_CELLS}"))) == MAX_CELLS
