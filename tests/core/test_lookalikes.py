"""Which concepts look alike, and the line-ups that a grader has to pick from."""

import numpy as np
import pytest

from dalle_core.training.lookalikes import Lineups, confusion, largest_lineup, lineup_odds, lookalikes, merged

CONCEPTS = ("ball", "blue heart", "coin", "pen", "red heart", "rocket")


def confused(*pairs: tuple[str, str, float]) -> np.ndarray:
    table = np.eye(len(CONCEPTS))
    for one, other, share in pairs:
        table[CONCEPTS.index(one), CONCEPTS.index(other)] = share
    return table


def classes(table: np.ndarray) -> set[frozenset[str]]:
    found = lookalikes(CONCEPTS, table)
    return {frozenset(c for c, its in zip(CONCEPTS, found, strict=True) if its == number) for number in set(found)}


class TestLookalikes:
    def test_names_that_differ_in_a_colour_are_one(self):
        assert {"blue heart", "red heart"} in classes(confused())
        assert len(classes(confused())) == 5

    def test_what_is_confused_often_is_one(self):
        joined = classes(confused(("ball", "coin", 0.3), ("coin", "pen", 0.01)))
        assert {"ball", "coin"} in joined
        assert {"pen"} in joined

    def test_a_third_joins_by_its_average_over_both(self):
        strong, weak = ("ball", "coin", 0.5), ("coin", "pen", 0.08)
        assert {"ball", "coin", "pen"} in classes(confused(strong, weak))
        assert {"pen"} in classes(confused(strong, ("coin", "pen", 0.04)))

    def test_confusion_is_the_mean_of_each_concept_s_pictures(self):
        shares = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]])
        np.testing.assert_allclose(confusion(shares, np.array([0, 0, 1])), [[0.7, 0.3], [0.1, 0.9]])


class TestLineups:
    lineups = Lineups(CONCEPTS, (0, 1, 2, 3, 1, 4), 3)

    def test_holds_its_own_class_and_others_always_the_same(self):
        lineup = self.lineups.lineup("red heart")
        assert lineup[0] == 1
        assert len(set(lineup.tolist())) == 3
        assert lineup.tolist() == self.lineups.lineup("red heart").tolist()

    def test_the_likeliest_of_the_line_up_is_picked(self):
        _, *others = self.lineups.lineup("red heart").tolist()
        outside = ({0, 2, 3, 4} - set(others)).pop()
        shares = np.full((3, 6), 0.01)
        shares[0, [1, 4]] = 0.3  # the class's concepts together
        shares[:2, CONCEPTS.index(("ball", "", "coin", "pen", "rocket")[others[0]])] = 0.5
        shares[2, CONCEPTS.index(("ball", "", "coin", "pen", "rocket")[outside])] = 0.9  # is not asked about
        assert self.lineups.shows(shares, "red heart").tolist() == [True, False, True]
        assert self.lineups.picked(shares, "red heart").tolist() == [1, others[0], 1]

    def test_names_and_likeness(self):
        assert self.lineups.name(1) == "red heart +1"
        assert self.lineups.name(3) == "pen"
        assert self.lineups.alike("red heart", "blue heart")
        assert not self.lineups.alike("red heart", "pen")
        assert self.lineups.count == 5

    def test_shares_are_summed_by_class(self):
        np.testing.assert_allclose(merged(np.array([[0.1, 0.2, 0.7]]), (0, 1, 0)), [[0.8, 0.2]])


@pytest.mark.parametrize(("target", "size"), [(0.85, 2), (0.8, 2), (0.5, 3), (0.3, 5)])
def test_line_ups_are_as_long_as_the_target_allows_safely(target: float, size: int):
    """Of four pictures two beat all other classes, one three quarters of them, one half."""
    shares = np.array([[9, 1, 2, 3, 4], [9, 1, 2, 3, 4], [3, 1, 2, 0, 9], [2, 1, 0, 8, 9]], float)
    labels, classes = np.zeros(4, int), range(5)
    safe = []
    for length in range(2, 6):
        odds = [1, 1, 0.75 ** (length - 1), 0.5 ** (length - 1)]
        np.testing.assert_allclose(lineup_odds(shares, labels, classes, length), odds)
        if np.mean(odds) - np.std(odds) / np.sqrt(4) >= target:
            safe.append(length)
    assert max(safe, default=2) == size
    assert largest_lineup(shares, labels, classes, target) == size


def test_a_line_up_of_one_class_alone_is_still_a_choice_of_two():
    assert largest_lineup(np.ones((3, 2)), np.array([0, 1, 1]), (0, 0), 0.85) == 2
