"""Which concepts look alike to a grader, and the line-ups of others that it must tell a concept from.

Knows names and tables of probabilities; no pictures and no networks.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dalle_core.training.captions import COLOUR_WORDS

CONFUSED = 0.03  # classes join where a picture of one gives each concept of the other this much, both ways together


@dataclass(frozen=True)
class Lineups:
    """`classes` (C,) numbers the class of look-alikes of each of the `concepts`; a line-up holds `size` classes."""

    concepts: tuple[str, ...]
    classes: tuple[int, ...]
    size: int

    @cached_property
    def number(self) -> dict[str, int]:
        """The class of a concept."""
        return dict(zip(self.concepts, self.classes, strict=True))

    @property
    def count(self) -> int:
        """How many classes there are."""
        return max(self.classes) + 1

    def alike(self, one: str, other: str) -> bool:
        return self.number[one] == self.number[other]

    def lineup(self, concept: str) -> np.ndarray:
        """Numbers of classes: the concept's own, and others that are drawn by a hash of its name."""
        own = self.number[concept]
        seed = int.from_bytes(hashlib.sha256(concept.encode()).digest()[:8], "big")
        others = np.random.default_rng(seed).permutation(self.count)
        return np.array([own, *others[others != own][: self.size - 1]])

    def picked(self, shares: np.ndarray, concept: str) -> np.ndarray:
        """(B, concepts) probabilities → (B,) the class that is likeliest in the concept's line-up."""
        lineup = self.lineup(concept)
        picked: np.ndarray = lineup[merged(shares, self.classes)[:, lineup].argmax(axis=1)]
        return picked

    def shows(self, shares: np.ndarray, concept: str) -> np.ndarray:
        """(B,) whether that is the concept's own."""
        shown: np.ndarray = self.picked(shares, concept) == self.number[concept]
        return shown

    def name(self, number: int) -> str:
        """The class's shortest name, and how many others it has."""
        members = [concept for concept, its in self.number.items() if its == number]
        others = f" +{len(members) - 1}" if len(members) > 1 else ""
        return min(members, key=lambda concept: (len(concept), concept)) + others


def merged(shares: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """(B, concepts) probabilities → (B, classes), summed over each class's concepts."""
    result: np.ndarray = shares @ np.eye(max(classes) + 1, dtype=shares.dtype)[list(classes)]
    return result


def confusion(shares: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(N, concepts) probabilities of pictures of concepts (N,) → (concepts, concepts): the mean for each true one."""
    table = np.zeros((shares.shape[1],) * 2)
    np.add.at(table, labels, shares)
    means: np.ndarray = table / np.bincount(labels, minlength=len(table)).clip(1)[:, None]
    return means


def lookalikes(concepts: Sequence[str], confused: np.ndarray) -> tuple[int, ...]:
    """The class of each concept: names that differ in a colour alone share one, and those that the grader confuses.

    The most confused classes join first (average linkage), until none are confused enough.
    """
    bare = [" ".join(COLOUR_WORDS.sub("", concept).split()) for concept in concepts]
    _, classes = np.unique(bare, return_inverse=True)
    table = np.eye(int(classes.max()) + 1)[classes]
    flow, sizes = table.T @ (confused + confused.T) @ table, table.sum(axis=0)
    bond = flow / np.outer(sizes, sizes)
    np.fill_diagonal(bond, 0)
    while bond.max() >= CONFUSED:
        one, other = divmod(int(bond.argmax()), len(bond))
        classes[classes == other] = one
        for line in (flow, flow.T):
            line[one] += line[other]
            line[other] = 0
        sizes[one] += sizes[other]
        bond[other] = bond[:, other] = 0
        bond[one] = bond[:, one] = flow[one] / (sizes[one] * sizes)
        bond[one, one] = 0
    _, classes = np.unique(classes, return_inverse=True)
    return tuple(classes.tolist())


def largest_lineup(shares: np.ndarray, labels: np.ndarray, classes: Sequence[int], target: float) -> int:
    """The most classes that a line-up may hold for `target` of the pictures to be named right; at least two.

    By one standard error more than that, so that other pictures are, too (Breiman et al., Classification and Regression
    Trees, 1984, section 3.4.3). `shares` and `labels` as for `lineup_odds`.
    """
    beaten = _beaten(shares, labels, classes)

    def safe(size: int) -> float:
        odds = beaten ** (size - 1)
        return float(odds.mean() - odds.std() / np.sqrt(len(odds)))

    return max((size for size in range(2, max(classes) + 2) if safe(size) >= target), default=2)


def lineup_odds(shares: np.ndarray, labels: np.ndarray, classes: Sequence[int], size: int) -> np.ndarray:
    """(N,) the share of all line-ups of `size` classes in which a picture is named right.

    `shares` (N, concepts) are of pictures of concepts `labels` (N,).
    """
    odds: np.ndarray = _beaten(shares, labels, classes) ** (size - 1)
    return odds


def _beaten(shares: np.ndarray, labels: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """(N,) the share of other classes than which a picture's own is likelier."""
    seen, own = merged(shares, classes), np.array(classes)[labels]
    beaten: np.ndarray = (seen < seen[np.arange(len(own)), own][:, None]).sum(axis=1) / max(1, seen.shape[1] - 1)
    return beaten
