"""The axes of a sheet: what can vary, how its values are written, and what a cell's request becomes.

Knows requests and templates; no jobs, no models, no widgets. Values are a list or ranges: `1-5`, `0.2, 0.4`,
`0.2-1.0 [5]` for five of them evenly, `10-30 (+5)` for steps.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeVar

from app.prompts import Template, is_template
from app.swaps import with_style
from dalle_core.errors import RequestError
from dalle_core.request import GenerationRequest

MAX_CELLS = 200
MAX_TEXT = 10_000

WHOLE = {"seed": "seed", "top_k": "top_k"}  # kind -> the request's field
DECIMAL = {"temperature": "temperature", "top_p": "top_p", "guidance": "guidance_scale", "strength": "strength"}
OF_A_PICTURE = ("rows", "strength")
PLACES = {"place_1": 0, "place_2": 1, "place_3": 2}
TITLES = {
    "prompt": "Prompt",
    "place_1": "First place",
    "place_2": "Second place",
    "place_3": "Third place",
    "replace": "Words",
    "style": "Style",
    "negative": "Leave out",
    "seed": "Seed",
    "temperature": "Temperature",
    "top_k": "Top-k",
    "top_p": "Top-p",
    "guidance": "Guidance",
    "rows": "Rows kept",
    "strength": "Strength",
}
EXAMPLES = {"temperature": "0.2-1.0 [5]", "top_p": "0.5-1 [3]", "guidance": "1, 3, 5", "strength": "0.2-0.8 [4]"}
NUMBER = r"\d{1,16}(?:\.\d{1,10})?"
RANGE = re.compile(rf"({NUMBER})\s*(?:-|\.\.)\s*({NUMBER})\s*(?:\[\s*(\d+)\s*\]|\(\s*\+?\s*({NUMBER})\s*\))?")
DRAW = re.compile(r"draw\s+(\d+)", re.IGNORECASE)
LIST_ITEM = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,，\n]*))\s*(?:[,，\n]|$)')

Value = float | int | str
T = TypeVar("T")


@dataclass(frozen=True)
class AxisText:
    """An axis as the artist wrote it."""

    kind: str
    text: str = ""


@dataclass(frozen=True)
class Axis:
    """`labels` are what the values look like in a row's or column's head."""

    kind: str
    text: str
    values: tuple[Value, ...]
    labels: tuple[str, ...]

    @property
    def title(self) -> str:
        return TITLES[self.kind]


@dataclass(frozen=True)
class Ground:
    """What the axes of one sheet stand on. `rows` are the model's, `tokens` those of the picture that is completed
    or varied.
    """

    request: GenerationRequest
    template: Template
    styles: tuple[str, ...] = ()
    rows: int = 0
    tokens: tuple[int, ...] = ()

    def kept(self, rows: int) -> tuple[int, ...]:
        return self.tokens[: rows * len(self.tokens) // self.rows] if rows else ()


@dataclass(frozen=True)
class CellPlan:
    """What one cell paints: a completion where `kept_rows` are given, a variation where the request is one."""

    x: int
    y: int
    request: GenerationRequest
    kept_rows: int = 0


def read_axis(written: AxisText, ground: Ground) -> Axis:
    """Raises RequestError, which says what was expected and what was found."""
    kind, text = written.kind, written.text.strip()
    if kind not in TITLES:
        raise RequestError(f"An axis is one of {', '.join(TITLES)}; {kind!r:.40} is none of these.")
    if len(text) > MAX_TEXT:
        raise RequestError(f"The values of an axis have {len(text)} characters; at most {MAX_TEXT} are read.")
    if kind in OF_A_PICTURE and not ground.tokens:
        raise RequestError(
            f"The axis {TITLES[kind]} needs a picture: open one and press Explore from here, then choose this axis."
        )
    values, labels = _read(kind, text, ground)
    if len(values) > MAX_CELLS:
        raise RequestError(_too_many(len(values)))
    return Axis(kind, text, tuple(values), tuple(labels))


def plan_cells(ground: Ground, x: Axis | None, y: Axis | None) -> list[CellPlan]:
    """The request of every cell, row by row. Raises RequestError, before anything is painted."""
    columns, rows = len(x.values) if x else 1, len(y.values) if y else 1
    if columns * rows > MAX_CELLS:
        raise RequestError(_too_many(columns * rows))
    _check_together(ground, x, y)
    return [
        _cell(ground, [(axis, at) for axis, at in ((x, column), (y, row)) if axis], column, row)
        for row, column in product(range(rows), range(columns))
    ]


# Reading values


def _read(kind: str, text: str, ground: Ground) -> tuple[Sequence[Value], Sequence[str]]:
    if kind == "prompt" or kind in PLACES:
        return _read_variations(kind, text, ground)
    if kind in WHOLE or kind == "rows":
        numbers = _distinct(map(round, _numbers(kind, text)))
        if kind == "rows":
            _check_rows(numbers, ground)
        return numbers, [str(number) for number in numbers]
    if kind in DECIMAL:
        decimals = _distinct(_numbers(kind, text))
        return decimals, [f"{number:g}" for number in decimals]
    words = _distinct(_list(text))
    if kind == "style":
        words = _known_styles(words, ground.styles) or list(ground.styles)
    if not words:
        raise RequestError(f"The axis {TITLES[kind]} has no values; expected words with commas between them.")
    if kind == "replace":
        _check_search(words[0], ground)
    return words, [word or "none" for word in words]


def _read_variations(kind: str, text: str, ground: Ground) -> tuple[list[int], list[str]]:
    """Numbers from 1 of the prompt's variations, or of one place's choices; all where none are named."""
    template = ground.template
    if template.count == 1:
        raise RequestError("The prompt has nothing that varies. Write it with choices, for example: {red|blue} cat")
    place = PLACES.get(kind)
    if place is not None and place >= len(template.varying):
        places = len(template.varying)
        raise RequestError(f"The prompt varies in {places} places, too few for the axis {TITLES[kind]}.")
    count = template.count if place is None else template.varying[place].count
    if place is None and (drawing := DRAW.fullmatch(text)):
        wanted = min(int(drawing[1][:9]), MAX_CELLS + 1)
        numbers = [number + 1 for number in template.draw(wanted, ground.request.seed)]
    elif text:
        numbers = _distinct(map(round, _numbers(kind, text)))
    elif count > MAX_CELLS:
        raise RequestError(
            f"The prompt has {count} variations, and a sheet at most {MAX_CELLS} cells. "
            "Say which, as in 1-50, or how many to draw, as in: draw 24"
        )
    else:
        numbers = list(range(1, count + 1))
    if len(numbers) > MAX_CELLS:
        raise RequestError(_too_many(len(numbers)))
    if outside := [number for number in numbers if not 1 <= number <= count]:
        raise RequestError(f"The variation is {outside[0]}; expected a value from 1 to {count}.")
    if place is None:
        return numbers, [template.expansion(number - 1) for number in numbers]
    choices = template.choices(place, max(numbers))
    return numbers, [choices[number - 1] or "none" for number in numbers]


def _numbers(kind: str, text: str) -> Iterator[float]:
    items = [item.strip() for item in re.split(r"[,，;；\n]", text) if item.strip()]
    if not items:
        raise RequestError(_expected(kind, "nothing"))
    for item in items:
        if found := RANGE.fullmatch(item):
            yield from _range(item, found)
        elif re.fullmatch(NUMBER, item) and (kind in DECIMAL or float(item).is_integer()):
            yield float(item)
        else:
            raise RequestError(_expected(kind, repr(item[:40])))


def _range(item: str, found: re.Match[str]) -> Iterator[float]:
    first, last = float(found[1]), float(found[2])
    if found[3]:
        count = int(found[3][:6])
        if not 2 <= count <= MAX_CELLS:
            raise RequestError(f"{item} asks for {count} values; expected from 2 to {MAX_CELLS}.")
        yield from (round(first + (last - first) * i / (count - 1), 10) for i in range(count))
        return
    if found[4] is None and not (first.is_integer() and last.is_integer()):
        raise RequestError(f"{item} does not say how many values; write for example {item} [5]")
    step = float(found[4] or 1)
    if step <= 0 or abs(last - first) / step >= MAX_CELLS:
        raise RequestError(f"{item} has more than {MAX_CELLS} values, the most a sheet has cells.")
    direction = 1 if last >= first else -1
    yield from (round(first + direction * step * i, 10) for i in range(int(abs(last - first) / step + 1e-9) + 1))


def _list(text: str) -> Iterator[str]:
    """Words between commas or in lines; in quotes where they hold commas, and \"\" for none."""
    at = 0
    while at < len(text):
        found = LIST_ITEM.match(text, at)
        assert found is not None  # it matches the empty text
        at = max(found.end(), at + 1)
        if found[1] is not None:
            yield found[1].replace('""', '"')
        elif found[2].strip():
            yield found[2].strip()


def _distinct(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))


def _expected(kind: str, found: str) -> str:
    return f"The axis {TITLES[kind]} has {found}; expected numbers, for example: {EXAMPLES.get(kind, '1-5')}"


def _too_many(count: int) -> str:
    return f"The sheet would have {count} cells; at most {MAX_CELLS} are painted. Take fewer values."


# Checking


def _check_rows(numbers: Sequence[int], ground: Ground) -> None:
    for number in numbers:
        if not 0 <= number < ground.rows:
            raise RequestError(f"The rows to keep are {number}; expected a value from 0 to {ground.rows - 1}.")


def _known_styles(words: Sequence[str], styles: Sequence[str]) -> list[str]:
    """As the model writes them. One that names no styles of its own is given any words."""
    known = {style.casefold(): style for style in styles}
    if known and (unknown := [word for word in words if word and word.casefold() not in known]):
        raise RequestError(
            f"The model has no style “{unknown[0]:.40}”; it has {', '.join(styles):.300}. "
            "Other words go along the axis Words or Prompt."
        )
    return _distinct(known.get(word.casefold(), word) for word in words)


def _check_search(words: str, ground: Ground) -> None:
    if not words or words not in ground.request.prompt:
        raise RequestError(f"The prompt does not hold “{words}”, the first of the words, which the others replace.")


def _check_together(ground: Ground, x: Axis | None, y: Axis | None) -> None:
    kinds = [axis.kind for axis in (x, y) if axis]
    if len(set(kinds)) < len(kinds) and kinds[0] != "replace":
        raise RequestError(f"Both axes vary the same: {TITLES[kinds[0]]}. Choose another for one of them.")
    if set(kinds) == set(OF_A_PICTURE):
        raise RequestError("A picture is either completed or varied: take Rows kept or Strength, not both.")
    if "prompt" in kinds and set(kinds) & PLACES.keys():
        raise RequestError("One axis varies the whole prompt, so the other cannot vary a place of it.")
    places = [PLACES[kind] for kind in kinds if kind in PLACES]
    held = [i for i in range(len(ground.template.varying)) if i not in places]
    if held and "prompt" not in kinds:
        raise RequestError(
            f"The prompt varies in {len(ground.template.varying)} places, and the axes take {len(places)} of them. "
            "Choose Prompt as an axis for all of its variations, or write the other places plainly."
        )


# Making requests


def _cell(ground: Ground, chosen: Sequence[tuple[Axis, int]], column: int, row: int) -> CellPlan:
    changes: dict[str, Value | tuple[int, ...]] = {}
    kept_rows = 0
    for axis, at in chosen:
        value = axis.values[at]
        if field := (WHOLE | DECIMAL).get(axis.kind):
            changes[field] = value
        elif axis.kind == "negative":
            changes["negative_prompt"] = value
        elif axis.kind == "rows":
            kept_rows = int(value)
        if axis.kind == "strength" and float(value) < 1:
            changes["source_tokens"] = ground.tokens
    prompt = _worded(_resolved(ground.template, chosen), ground, chosen)
    request = replace(ground.request, prompt=prompt, prefix_tokens=ground.kept(kept_rows), **changes)  # type: ignore[arg-type]
    return CellPlan(column, row, request, kept_rows)


def _resolved(template: Template, chosen: Sequence[tuple[Axis, int]]) -> str:
    """The prompt with the axes' choices in its places."""
    if template.count == 1:
        return template.expansion(0) if is_template(template.source) else template.source
    places: dict[int, int] = {}
    for axis, at in chosen:
        if axis.kind == "prompt":
            return template.expansion(int(axis.values[at]) - 1)
        if axis.kind in PLACES:
            places[PLACES[axis.kind]] = int(axis.values[at]) - 1
    return template.filled([places[i] for i in range(len(template.varying))])


def _worded(prompt: str, ground: Ground, chosen: Sequence[tuple[Axis, int]]) -> str:
    for axis, at in chosen:
        if axis.kind == "replace":
            prompt = prompt.replace(str(axis.values[0]), str(axis.values[at]))
    for axis, at in chosen:
        if axis.kind == "style":
            prompt = with_style(prompt, str(axis.values[at]), ground.styles)
    return prompt
