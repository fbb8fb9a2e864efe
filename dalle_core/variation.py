"""Variations of a picture: each choice is pulled towards the code that the picture has in that place.

Knows tokens, the digits they are written in and what a model said of them; no model and no pixels.

The pull is Bayes' rule: the model is the prior, and the picture is its variation seen through Gaussian noise, so every
value v of a digit that is u in the picture gets the log-likelihood −λ·(v − u)²/2, in units of the variance that the
digit has when its values are used alike. Where the model is unsure the picture decides; where it is sure, because what
is above has changed already, it goes its own way, so nothing speckles.

λ is measured for each picture, so that a strength means the same for any: a picture that the model painted itself is
nearly what it expects, and a third of the λ that a foreign one needs already holds it. One pass over the picture's own
tokens gives what the model expects of each, given those before. To that model, for these words, the picture says
−log p nats; pulled by λ, the choices still hold their divergence from the model's own (the rate of rate-distortion
theory, whose best choices are these: Cover and Thomas, Elements of Information Theory, chapter 10). λ is where a
variation gives up the share √strength of what the picture says, for then the way from it grows evenly; at 1 only the
words are left. Temperature and guidance count as they do in painting, top-k and top-p do not.

Ways to vary 16 pictures by `emblem-128`, twice each, by their own words; `benchmarks/variations.py` measures it. Far:
distance from the original in the features of an independent judge, 1 being two artists' pictures of one concept.
Concept: still among the judge's first five, of the originals where it is. Siblings: distance from one another. Edges:
gradients against the original's; speckle would raise them. Changed: tokens. Fixed: how far 12 of them go by a λ of
6·√((1 − strength)/strength) for every picture, as strength was before, measured on earlier weights. The pass takes
0.26 s on one CPU core.

                    held-out art                                      the model's own pictures
    strength   far  concept  siblings  edges  changed  fixed     far  concept  siblings  edges  changed  fixed
    0.3       0.29    100 %      0.20   0.96     38 %   0.31    0.22     96 %      0.28   0.99     25 %   0.03
    0.5       0.43    100 %      0.34   0.95     52 %   0.38    0.36     92 %      0.41   0.95     39 %   0.10
    0.8       0.73     95 %      0.54   0.90     72 %   0.72    0.51     96 %      0.55   0.95     57 %   0.30
    1         0.92     77 %      0.67   0.93     80 %           0.66     81 %      0.67   1.03     68 %

A share of the distance that the model expects, instead of nats, parted the two kinds more, on those weights: at the λ
where held-out art was 0.40 far, own pictures were 0.34, at 0.69 they were 0.58. Tried before on another model and no
better than this pull: a bonus for the picture's own code alone, a share of the model's own distance place by place,
regions set free, and regions painted several times and chosen by what follows.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dalle_core.quantizers import split_digits

WEAKEST, STRONGEST = 2.0**-20, 2.0**20  # λ beyond is as good as none, or as the picture itself
HALVINGS = 40
COOLEST = 0.01  # a lower temperature only sharpens what is decided already


def apart(one: Tensor, other: Tensor, level: int, ordered: bool) -> Tensor:
    """Squared distances between two values of a digit of `level`, in units of its variance when all are used alike.

    Where values have no order, any other one is as far as two drawn at random are on average: 2.
    """
    if not ordered:
        return 2.0 * (one != other)
    return (one - other).float() ** 2 / ((level**2 - 1) / 12)


class Pull:
    """What is added to the logits where a picture is varied: (L,) for each digit of each of its (N,) tokens."""

    def __init__(self, source: Tensor, levels: tuple[int, ...], firmness: float) -> None:
        """`firmness` is λ."""
        self._digits = split_digits(source, levels)  # (N, D)
        self._levels = levels
        self._firmness = firmness

    def __call__(self, position: int, place: int) -> Tensor:
        """For the digit at `place` of the token at `position`."""
        level = self._levels[place]
        distance = apart(self._digits[position, place], torch.arange(level), level, _is_ordered(self._levels))
        return -self._firmness / 2 * distance


def fixed_firmness(strength: float) -> float:
    """λ by strength alone, as recipes have it whose `strength_version` is 1."""
    return 6 * math.sqrt((1 - strength) / strength)


def measured_firmness(
    strength: float, logits: Sequence[Tensor], source: Tensor, levels: tuple[int, ...], temperature: float
) -> float:
    """The λ that leaves the share 1 − √strength of what (N,) tokens say to a model, which says (N, L) `logits` of
    each of their digits, as it would draw from them without a pull.
    """
    places = [
        _expectation(said.cpu().double() / max(temperature, COOLEST), own, level, _is_ordered(levels))
        for said, own, level in zip(logits, split_digits(source, levels).T, levels, strict=True)
    ]
    step = 2 * max(temperature, COOLEST)

    def told(firmness: float) -> float:
        """Nats that a variation holds of the source: how far the pulled choices are from the model's own."""
        total = 0.0
        for own, distance in places:
            pulled = (own - firmness / step * distance).log_softmax(-1)
            total += float((pulled.exp() * (pulled - own)).sum())
        return total

    wanted = (1 - math.sqrt(strength)) * told(STRONGEST)
    low, high = math.log(WEAKEST), math.log(STRONGEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if told(math.exp(middle)) < wanted else (low, middle)
    return math.exp(high)


def _expectation(logits: Tensor, own: Tensor, level: int, ordered: bool) -> tuple[Tensor, Tensor]:
    """(N, L) logits and (N,) true values → (N, V) log-probabilities and distances from the true value.

    Values without an order are two: the true one, and all others together.
    """
    values = torch.arange(level)
    if ordered:
        return logits.log_softmax(-1), apart(own[:, None], values, level, ordered).double()
    true = own[:, None] == values
    both = [logits.masked_fill(hidden, -torch.inf).logsumexp(-1) for hidden in (~true, true)]
    return torch.stack(both, -1).log_softmax(-1), torch.tensor([0.0, 2.0], dtype=torch.float64).expand(len(own), 2)


def departure(tokens: Tensor, source: Tensor, levels: tuple[int, ...]) -> Tensor:
    """How far each of (N,) tokens is from `source`'s: 0 where it is the same, 1 where it is as far as chance would be.

    Chance may also go further; 1 is the most that is told.
    """
    pairs = zip(split_digits(tokens, levels).T, split_digits(source, levels).T, levels, strict=True)
    squares = torch.stack([apart(one, other, level, _is_ordered(levels)) for one, other, level in pairs])
    return (squares.mean(0) / 2).sqrt().clamp_max(1)


def _is_ordered(levels: tuple[int, ...]) -> bool:
    """Digits of a code that is written in several are magnitudes; the numbers of a plain codebook are only names."""
    return len(levels) > 1
