"""The network that grades: concept, style and count of a picture or of a square of one. Trained on real art only.

It goes on from the judge, which has seen single icons, with scenes of several, and shares no weights with the reranker.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dalle_core.phrases import Place
from dalle_core.training.art import ArtSet
from dalle_core.training.captions import COLOUR_WORDS
from dalle_core.training.compose import Batch, paint
from dalle_core.training.glances import glanced, near
from dalle_core.training.judge import Judge
from dalle_core.training.naming import UNKNOWN
from dalle_core.training.objectives import BatchStream
from dalle_core.training.scenes import MAX_COUNT, Mixture, Part, Scene, parts

MIXTURE = Mixture(counted=0.25, paired=0.25, as_drawn=0.4, backdrop=0.1)
GLANCE_CHANNELS = (32, 64, 96, 128)
TEXTURE_CHANNELS = (32, 64, 96)


class Marks(NamedTuple):
    """Logits: (B, concepts), (B, styles), (B, MAX_COUNT)."""

    concepts: Tensor
    styles: Tensor
    counts: Tensor


class Grader(nn.Module):
    """(B, 3, S, S) in [0, 1] → its marks.

    Concepts are the judge's matter. It has learned to look past style and number, so each has a small network of its
    own: one that averages textures over the picture, and one that keeps where things are.
    """

    def __init__(self, concepts: Iterable[str], styles: Iterable[str], image_size: int) -> None:
        super().__init__()
        self.judge = Judge(concepts, image_size)
        self.styles = tuple(sorted(set(styles)))
        self.texture = nn.Sequential(*(_halving(*pair) for pair in pairwise((3, *TEXTURE_CHANNELS))))
        self.style = nn.Linear(2 * TEXTURE_CHANNELS[-1], len(self.styles))
        self.glance = nn.Sequential(*(_halving(*pair) for pair in pairwise((3, *GLANCE_CHANNELS))), nn.Flatten())
        side = image_size // 2 ** len(GLANCE_CHANNELS)
        self.count = nn.Linear(GLANCE_CHANNELS[-1] * side * side, MAX_COUNT)

    def forward(self, images: Tensor) -> Marks:
        scaled = images * 2 - 1
        return Marks(self.judge(images), self.style(self.textures(scaled)), self.count(self.glance(scaled)))

    def textures(self, scaled: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1] → (B, 2 C): mean and maximum over the picture.

        The maximum by its place: compiled in bf16, `amax` has gradients of NaN, since no value that is computed anew
        equals it.
        """
        texture = self.texture(scaled)  # (B, C, S/8, S/8)
        return torch.cat([texture.mean(dim=(2, 3)), texture.flatten(2).max(dim=2).values], dim=1)


def _halving(channels: int, wider: int) -> nn.Module:
    """(B, channels, H, W) → (B, wider, H/2, W/2)."""
    return nn.Sequential(nn.Conv2d(channels, wider, 3, stride=2, padding=1), nn.GroupNorm(8, wider), nn.SiLU())


@torch.inference_mode()
def concept_shares(grader: Grader, images: Tensor) -> np.ndarray:
    """(B, 3, S, S) → (B, concepts) probabilities."""
    device = next(grader.parameters()).device
    shares: np.ndarray = grader(images.to(device)).concepts.softmax(1).cpu().numpy()
    return shares


@dataclass(frozen=True)
class Lesson:
    """Pictures and squares of pictures with their labels, UNKNOWN where there is none."""

    images: Tensor
    concept: Tensor
    style: Tensor
    count: Tensor


class GraderObjective:
    """Name concept, style and count of real pictures: of single icons, of several, and of squares cut from several."""

    STYLE_WEIGHT, COUNT_WEIGHT = 0.5, 0.5

    def __init__(self, model: Grader, stream: BatchStream) -> None:
        self.model = model
        self.stream = stream
        self.held = [self.lesson(batch, np.random.default_rng(i)) for i, batch in enumerate(_held(stream))]

    def loss(self, step: int, batch: int, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        first = self.stream.world.share(batch).start
        lesson = self.lesson(self.stream.at(step, batch, seed), np.random.default_rng((seed, 4, step, first)))
        marks = self.model(lesson.images.to(self._device))
        return self._cost(marks, lesson), self._hits(marks, lesson)

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _cost(self, marks: Marks, lesson: Lesson) -> Tensor:
        def cost(logits: Tensor, labels: Tensor) -> Tensor:
            known = labels != UNKNOWN
            each = F.cross_entropy(logits, labels.to(logits.device), ignore_index=UNKNOWN, label_smoothing=0.1,
                                   reduction="sum")  # fmt: skip
            return each / max(1, int(known.sum()))

        return (
            cost(marks.concepts, lesson.concept)
            + self.STYLE_WEIGHT * cost(marks.styles, lesson.style)
            + self.COUNT_WEIGHT * cost(marks.counts, lesson.count)
        )

    def _hits(self, marks: Marks, lesson: Lesson) -> dict[str, Tensor]:
        return {
            "concept": _share_right(marks.concepts, lesson.concept),
            "style": _share_right(marks.styles, lesson.style),
            "count": _share_right(marks.counts, lesson.count),
        }

    def evaluate(self) -> dict[str, float]:
        marks = [self.model(lesson.images.to(self._device)) for lesson in self.held]
        together = Marks(*(torch.cat(part) for part in zip(*marks, strict=True)))
        labels = ([getattr(each, name) for each in self.held] for name in ("images", "concept", "style", "count"))
        whole = Lesson(*(torch.cat(part) for part in labels))
        hits = {name: float(share) for name, share in self._hits(together, whole).items()}
        return {"loss": float(self._cost(together, whole)), **hits}

    # --- labels ---

    def lesson(self, batch: Batch, rng: np.random.Generator) -> Lesson:
        """The batch's pictures as they are, or a square of those that hold several icons, with their labels."""
        art, labels = self.stream.art, []
        glances: dict[int, Place] = {}
        for i, (row, scene) in enumerate(zip(batch.rows.tolist(), batch.scenes, strict=True)):
            placed = parts(row, scene)
            part = placed[int(rng.integers(len(placed)))]
            if scene.grouped and (scene.other is not None or rng.random() < 0.5):
                glances[i] = near(part, rng)
                labels.append((*self._named(art, part), UNKNOWN))
            else:
                concept, style = self._named(art, part)
                labels.append((UNKNOWN if scene.grouped else concept, style, scene.count - 1))
        return Lesson(glanced(batch.images, glances), *torch.tensor(labels).T)

    def _named(self, art: ArtSet, part: Part) -> tuple[int, int]:
        """Numbers of concept and style; a red heart that was turned blue is no red heart any more."""
        row = art.rows[part.row]
        turned = part.hue is not None and COLOUR_WORDS.search(row.concept) is not None
        concept = UNKNOWN if turned else self.model.judge.number[row.concept]
        return concept, self.model.styles.index(row.style)


def _share_right(logits: Tensor, labels: Tensor) -> Tensor:
    """() of those that are known."""
    labels = labels.to(logits.device)
    known = labels != UNKNOWN
    return ((logits.argmax(1) == labels) & known).sum() / known.sum().clamp_min(1)


def _held(stream: BatchStream) -> list[Batch]:
    """Each held-out picture alone and in a square's place: beside the next one, and as two, three and four."""
    batches, rows = stream.held(varied=False), stream.heldout
    others = np.roll(rows, 1)
    for number in range(4):
        pairs = [Scene(other=int(other), relation="left of", scale=1.0) for other in others]
        scenes = [Scene(count=number + 1, scale=1.0)] * len(rows) if number else pairs
        batches.append(Batch(*paint(stream.art, rows, scenes, stream.size), [""] * len(rows), rows, scenes))
    return batches
