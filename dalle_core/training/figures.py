"""Rows of a table of figures: a name, a value, and a text for people; shares with their confidence intervals.

Knows numbers; nothing of what they measure.
"""

from typing import Any

import numpy as np

Row = dict[str, Any]
RESAMPLES = 2000


def row(name: str, value: float, text: str, **more: Any) -> Row:
    return {"name": name, "value": value, "text": text, **more}


def unmeasured(name: str) -> Row:
    """Where the art has nothing to measure it on."""
    return {"name": name, "value": None, "text": "nothing to measure it on"}


def share(name: str, values: np.ndarray, ceiling: np.ndarray | None = None, groups: np.ndarray | None = None,
          *, points: bool = False) -> Row:  # fmt: skip
    """The mean of (N,) values with its 95 % interval, as per cent or percentage points.

    The `ceiling`, what real pictures get, stands beside it. `groups` (N,) number what belongs together, such as one
    wish in two languages: whole groups are drawn again, not their members.
    """
    if len(values) == 0:
        return unmeasured(name)
    low, high = interval(values, np.arange(len(values)) if groups is None else groups)
    mean, unit = float(values.mean()), " points" if points else " %"
    text = f"{100 * mean:.1f}{unit} ({100 * low:.1f} to {100 * high:.1f}, n = {len(values)})"
    made = row(name, mean, text, low=low, high=high, n=len(values))
    if ceiling is not None and (top := float(ceiling.mean())) > 0:
        made |= {"ceiling": top, "text": f"{text}; {mean / top:.0%} of the ceiling, {100 * top:.1f} %"}
    return made


def interval(values: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """Where 95 % of the means lie when the groups are drawn again with replacement."""
    numbers, member = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(member, values), np.bincount(member)
    drawn = np.random.default_rng(0).integers(len(numbers), size=(RESAMPLES, len(numbers)))
    low, high = np.quantile(sums[drawn].sum(1) / sizes[drawn].sum(1), (0.025, 0.975))
    return float(low), float(high)


def report(figures: dict[str, Any]) -> str:
    width = max(len(each["name"]) for each in figures["rows"])
    return "\n".join([*(f"{each['name']:<{width}}  {each['text']}" for each in figures["rows"]), "", figures["how"]])
