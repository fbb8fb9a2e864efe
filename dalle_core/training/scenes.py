"""What is shown and how: one icon, several of it, or two with a relation, on a ground. Chosen at random, from shares.

Knows rows of the art and seeds. How a scene is painted is compose.py's matter, what is said of it captions.py's.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dalle_core.hues import HUES
from dalle_core.phrases import MIDDLE, PLACES
from dalle_core.training.art import ArtSet, Picture
from dalle_core.training.palette import BACKDROPS, BACKGROUNDS

Relation = Literal["", "beside", "left of", "right of", "above", "below"]
RELATIONS: tuple[Relation, ...] = ("beside", "left of", "right of", "above", "below")
MAX_COUNT = 4
HELDOUT_COMBINATIONS = 0.1  # of pairs, of counts and of recolourings are never composed in training


@dataclass(frozen=True)
class Mixture:
    """Shares of what training shows. Of all pictures `counted` and `paired` hold several icons; of the others
    `as_drawn` are the icon itself, centred on white; the rest is varied. Of `veiled` ones the transformer sees few
    tokens: word dropout (Bowman et al., 1511.06349), without which the picture so far, which tells more than a caption,
    is all that it learns to go by.

    Much of `as_drawn` is learnt by heart: at 0.6, emblem-64's training loss fell by 1.3 nats a token in 2,250 steps
    while the held-out loss rose by 1.1 and the judge recognised fewer pictures, of seen pairs too.
    """

    counted: float = 0.0  # two to four of one icon
    paired: float = 0.0  # two icons, in some relation
    as_drawn: float = 0.0
    plain_ground: float = 0.5  # white
    gradient: float = 0.3  # of the coloured grounds
    backdrop: float = 0.0
    recolour: float = 0.2
    tiny: float = 0.06
    moved: float = 0.35  # scaled and shifted; the others stand centred
    veiled: float = 0.5


@dataclass(frozen=True)
class Scene:
    """What was done to an icon. `ground` and `gradient` index BACKGROUNDS; `shift` is a share of the side.

    There are `count` of it; or `other`, a row of the art, beside it, which the first stands in `relation` to.
    """

    ground: int = 0
    gradient: int | None = None
    backdrop: str = ""
    jitter: tuple[float, ...] = (0.0,) * 6
    grain: int = 0  # seeds what a backdrop strews about
    hue: str | None = None
    scale: float = 0.9
    shift: tuple[float, float] = (0.0, 0.0)
    flip: bool = False
    tiny: bool = False
    count: int = 1
    other: int | None = None
    other_hue: str | None = None
    relation: Relation = ""

    @property
    def grouped(self) -> bool:
        """Whether there are several icons."""
        return self.count > 1 or self.other is not None


@dataclass(frozen=True)
class Part:
    """One icon in its place: `scale` and `shift` are shares of the side, `shift` from the middle."""

    row: int
    hue: str | None
    scale: float
    shift: tuple[float, float]
    flip: bool


def parts(row: int, scene: Scene) -> list[Part]:
    """Where each icon of a scene stands, the first first."""
    if scene.other is not None:
        size, apart = 0.48 * scene.scale, 0.25
        first = {"above": (0.0, -apart), "below": (0.0, apart), "right of": (apart, 0.0)}.get(
            scene.relation, (-apart, 0.0)
        )
        second = (-first[0], -first[1])
        return [
            Part(row, scene.hue, size, _moved(first, scene.shift), scene.flip),
            Part(scene.other, scene.other_hue, size, _moved(second, scene.shift), False),
        ]
    if scene.count == 1:
        return [Part(row, scene.hue, scene.scale, scene.shift, scene.flip)]
    size = (0.48 if scene.count < MAX_COUNT else 0.46) * scene.scale
    return [Part(row, scene.hue, size, _moved(place, scene.shift), scene.flip) for place in PLACES[scene.count]]


def _moved(place: tuple[float, float], shift: tuple[float, float]) -> tuple[float, float]:
    return place[0] + shift[0], place[1] + shift[1]


def is_held_out(*combination: str) -> bool:
    """Whether training never composes this: a fixed share, by a hash of the names."""
    digest = hashlib.sha256("|".join(combination).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < HELDOUT_COMBINATIONS


def draw_scene(art: ArtSet, index: int, rng: np.random.Generator, mixture: Mixture, recolour: bool = True) -> Scene:
    """Choose everything about a scene with picture `index` in it. What is held out is never chosen."""
    row, draw = art.rows[index], rng.random()
    if draw < mixture.counted:
        count = int(rng.integers(2, MAX_COUNT + 1))
        return Scene() if is_held_out("count", row.concept, str(count)) else _grouped(row, rng, mixture, count=count)
    if draw < mixture.counted + mixture.paired:
        return _draw_pair(art, index, rng, mixture)
    if rng.random() < mixture.as_drawn:
        return Scene()
    return _draw_single(row, rng, mixture, recolour)


def _draw_pair(art: ArtSet, index: int, rng: np.random.Generator, mixture: Mixture) -> Scene:
    """With a second icon of the first one's style."""
    row, partners = art.rows[index], art.partners(index)
    if not len(partners):
        return Scene()
    other = int(partners[rng.integers(len(partners))])
    partner, relation = art.rows[other], RELATIONS[int(rng.integers(len(RELATIONS)))]
    if row.concept == partner.concept or is_held_out("pair", *sorted((row.concept, partner.concept))):
        return Scene()
    hue = _hue(partner, rng, mixture.recolour)
    return _grouped(row, rng, mixture, other=other, other_hue=hue, relation=relation)


def _draw_single(row: Picture, rng: np.random.Generator, mixture: Mixture, recolour: bool) -> Scene:
    ground = _ground(rng, mixture)
    hue = _hue(row, rng, mixture.recolour if recolour else 0.0)
    tiny, moved = rng.random() < mixture.tiny, rng.random() < mixture.moved
    scale = rng.uniform(0.4, 0.55) if tiny else rng.uniform(0.8, 1.0) if moved else Scene.scale
    (across, down), room = (MIDDLE, 0.05) if tiny else ((0.0, 0.0), (1 - scale) / 2 + 0.02 if moved else 0.0)
    return replace(
        ground,
        hue=hue,
        scale=float(scale),
        shift=(across + float(rng.uniform(-room, room)), down + float(rng.uniform(-room, room))),
        flip=bool(row.flip and rng.random() < 0.5),
        tiny=tiny,
    )


def _grouped(row: Picture, rng: np.random.Generator, mixture: Mixture, *, count: int = 1, other: int | None = None,
             other_hue: str | None = None, relation: Relation = "") -> Scene:  # fmt: skip
    return replace(
        _ground(rng, mixture),
        hue=_hue(row, rng, mixture.recolour),
        scale=float(rng.uniform(0.92, 1.0)),
        shift=(float(rng.uniform(-0.02, 0.02)), float(rng.uniform(-0.02, 0.02))),
        flip=bool(row.flip and rng.random() < 0.5),
        count=count,
        other=other,
        other_hue=other_hue,
        relation=relation,
    )


def _hue(row: Picture, rng: np.random.Generator, share: float) -> str | None:
    """A hue to turn the picture to, where it has one and the combination is not held out."""
    if row.hue is None or rng.random() >= share:
        return None
    hue = str(rng.choice(list(HUES)))
    return None if is_held_out("hue", row.concept, hue) else hue


def _ground(rng: np.random.Generator, mixture: Mixture) -> Scene:
    """What there is behind: white, a backdrop, one colour, or a gradient between two."""
    draw = rng.random()
    if draw < mixture.plain_ground:
        return Scene()
    if draw < mixture.plain_ground + mixture.backdrop:
        return Scene(backdrop=str(rng.choice(list(BACKDROPS))), grain=int(rng.integers(2**31)))
    ground, gradient = int(rng.integers(1, len(BACKGROUNDS))), None
    if rng.random() < mixture.gradient:
        gradient = int((ground + rng.integers(1, len(BACKGROUNDS))) % len(BACKGROUNDS))
    return Scene(ground=ground, gradient=gradient, jitter=tuple(float(v) for v in rng.normal(0, 5, 6)))
