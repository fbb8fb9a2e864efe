"""Shares with their intervals: the mean, the ceiling beside it, and what belongs together drawn together."""

import numpy as np
import pytest

from dalle_core.training.figures import interval, report, row, share


def test_the_mean_stands_beside_its_ceiling():
    made = share("apples", np.array([1.0, 0, 1, 0]), np.array([1.0, 1, 1, 0]))
    assert (made["value"], made["ceiling"], made["n"]) == (0.5, 0.75, 4)
    assert made["text"].startswith("50.0 % (0.0 to 100.0, n = 4); 67% of the ceiling, 75.0 %")


def test_no_values_are_said_to_be_none():
    made = share("apples", np.array([]))
    assert (made["value"], made["text"]) == (None, "nothing to measure it on")


def test_the_interval_holds_the_mean_and_narrows_with_the_number():
    few, many = (interval(np.tile([1.0, 0.0], n), np.arange(2 * n)) for n in (8, 128))
    assert few[0] < many[0] < 0.5 < many[1] < few[1]
    assert many == pytest.approx((0.44, 0.56), abs=0.01)


def test_what_belongs_together_counts_once():
    """The same eight values, each said four times: as uncertain as eight."""
    values = np.tile([1.0, 0.0], 4)
    assert interval(np.repeat(values, 4), np.repeat(np.arange(8), 4)) == interval(values, np.arange(8))


def test_the_report_has_a_line_for_each_row():
    lines = report({"rows": [row("one", 1, "1"), row("longer", 2, "2 dB")], "how": "so"}).splitlines()
    assert lines == ["one     1", "longer  2 dB", "", "so"]
