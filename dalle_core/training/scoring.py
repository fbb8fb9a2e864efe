"""IconEval's figures: its prompts painted, graded, and set beside what the graders make of real pictures."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from dalle_core.generate import GenerationRequest
from dalle_core.training.compose import paint
from dalle_core.training.figures import Row, share
from dalle_core.training.grading import Grading, Verdict, right
from dalle_core.training.iconeval import CATEGORIES, Prompt, english_text, icon_prompts
from dalle_core.training.painting import Easel

COMPOSED = ("two objects", "counting", "position", "colour binding")
PARTS = (
    ("counting", "count", "the number alone"),
    ("colours", "colour", "the object's hue alone"),
    ("colours", "ground", "the ground's colour alone"),
    ("position", "objects", "both objects, wherever they stand"),
    ("colour binding", "objects", "both objects, whatever their colours"),
)


@dataclass(frozen=True)
class Result:
    """Verdicts on one prompt: of its candidates, best first, and of its real counterpart, which is the ceiling.

    Of the candidates and then the counterpart, `styled` says whether they have the style they should have, and `ranks`
    where the grader puts the wished concept among all.
    """

    prompt: Prompt
    english: str
    verdict: Verdict
    ceiling: Verdict
    styled: np.ndarray
    ranks: np.ndarray
    best: Tensor  # (3, S, S)

    @property
    def right(self) -> bool:
        """Whether the best candidate is."""
        return bool(right(self.verdict)[0])

    @property
    def chance(self) -> float:
        """That a candidate is right if none is chosen: best of 1."""
        return float(right(self.verdict).mean())

    @property
    def gain(self) -> float:
        """By reranking."""
        return self.right - self.chance


def score(easel: Easel, grading: Grading, each: int, candidates: int) -> list[Result]:
    prompts = icon_prompts(grading.art, each, grading.lineups.alike)
    return [_result(easel, grading, prompt, candidates) for prompt in tqdm(prompts, desc="paint", unit="prompt")]


def _result(easel: Easel, grading: Grading, prompt: Prompt, candidates: int) -> Result:
    wish, art = prompt.wish, grading.art
    request = GenerationRequest(prompt.text, count=candidates, keep=1, seed=prompt.seed,
                                batch_width=min(16, candidates))  # fmt: skip
    images = easel.painted(request)
    real, _ = paint(art, np.array([wish.row]), [wish.scene], easel.model.spec.image_size)
    both = torch.cat([images, real])
    styles = grading.styles(both)
    wanted = [wish.style] * len(images) + [art.rows[wish.row].style]
    verdict, ceiling = grading.verdict(wish, images), grading.verdict(wish, real)
    ranks = grading.ranks(both, wish.row)
    return Result(prompt, english_text(art, wish), verdict, ceiling, np.equal(styles, wanted), ranks, images[0])


# --- rows ---

Measure = Callable[[Result], float]


def icon_rows(results: list[Result], candidates: int) -> list[Row]:
    best, rows = f"best of {candidates}", []
    for category in CATEGORIES:
        here = [result for result in results if result.prompt.category == category]
        rows.append(_row(f"{category}, {best}", here, _best, _real))
        rows.append(_row(f"{category}, best of 1", here, _chance, _real))
        rows.append(_row(f"{category}, any of {candidates}", here, _any, _real))
        rows += _rank_rows(here, best) if category == "single object" else []
        parts = [(part, words) for where, part, words in PARTS if where == category]
        rows += [_part_row(f"{category}: {words}, {best}", here, part) for part, words in parts]
    styled = [result for result in results if result.prompt.wish.style]
    rows.append(_row(f"style as named, {best}", styled, lambda r: r.styled[0], lambda r: r.styled[-1]))
    return rows + _group_rows(results, best)


def _rank_rows(single: list[Result], best: str) -> list[Row]:
    """Without a line-up: the concept is named first, or among the first five, of all that the grader knows."""
    rows = []
    for words, last in (("first of all concepts", 1), ("among the first five of all", 5)):

        def first(result: Result, last: int = last) -> float:
            return bool(result.ranks[0] <= last)

        def mean(result: Result, last: int = last) -> float:
            return float((result.ranks[:-1] <= last).mean())

        def real(result: Result, last: int = last) -> float:
            return bool(result.ranks[-1] <= last)

        rows.append(_row(f"single object: {words}, {best}", single, first, real))
        rows.append(_row(f"single object: {words}, best of 1", single, mean, real))
    return rows


def _group_rows(results: list[Result], best: str) -> list[Row]:
    def some(wanted: Callable[[Prompt], bool]) -> list[Result]:
        return [result for result in results if wanted(result.prompt)]

    single = some(lambda prompt: prompt.category == "single object")
    kinds = [
        ("all six categories", results),
        ("combinations that training never shows", some(lambda prompt: prompt.wish.heldout)),
        ("combinations that training may show", some(lambda prompt: not prompt.wish.heldout)),
        ("pairs of concept and style never seen", [each for each in single if each.prompt.wish.heldout]),
        ("pairs of concept and style seen", [each for each in single if not each.prompt.wish.heldout]),
        ("in English", some(lambda prompt: not prompt.chinese)),
        ("in Chinese", some(lambda prompt: prompt.chinese)),
    ]
    composed = some(lambda prompt: prompt.category in COMPOSED)
    return [
        *(_row(f"{name}, {best}", chosen, _best, _real) for name, chosen in kinds),
        _row(f"gain by reranking, {best}, in points", results, lambda r: r.gain, points=True),
        _row("the same, composed categories", composed, lambda r: r.gain, points=True),
    ]


def _best(result: Result) -> float:
    return result.right


def _chance(result: Result) -> float:
    return result.chance


def _any(result: Result) -> float:
    """What the best of reranking would reach."""
    return bool(right(result.verdict).any())


def _real(result: Result) -> float:
    return bool(right(result.ceiling)[0])


def _row(name: str, results: list[Result], measure: Measure, ceiling: Measure | None = None, *,
         points: bool = False) -> Row:  # fmt: skip
    tops = None if ceiling is None else np.array([ceiling(result) for result in results], dtype=float)
    values = np.array([measure(result) for result in results], dtype=float)
    return share(name, values, tops, np.array([result.prompt.seed for result in results]), points=points)


def _part_row(name: str, results: list[Result], part: str) -> Row:
    here = [result for result in results if part in result.verdict]
    return _row(name, here, lambda r: r.verdict[part][0], lambda r: r.ceiling[part][0])
