"""Whether pictures show what a prompt wishes for: objects, count, colours and places, as the graders see them.

Knows pictures, wishes and graders; nothing of who painted.
"""

import numpy as np
import torch
from torch import Tensor

from dalle_core.hues import HUES, rotate_hue
from dalle_core.phrases import ARRANGED as SIDES
from dalle_core.phrases import BOTTOM, LEFT, PLACES, RIGHT, TOP, Place
from dalle_core.rerank import square
from dalle_core.training.art import ArtSet
from dalle_core.training.grader import Grader, concept_shares
from dalle_core.training.iconeval import Wish
from dalle_core.training.lookalikes import Lineups
from dalle_core.training.palette import BACKGROUNDS, hue_name, mean_hue, nearest_background
from dalle_core.training.scenes import RELATIONS

ARRANGED = {relation: SIDES[relation.removesuffix(" of")] for relation in RELATIONS[1:]}
APART = 0.12  # how far a channel must be from the ground's for a pixel to be the object's
GREY = -1  # the hue of what has none
Verdict = dict[str, np.ndarray]  # what was asked → (B,) bool


def right(verdict: Verdict) -> np.ndarray:
    """(B,) bool: whether all that was asked for is there."""
    fine: np.ndarray = np.logical_and.reduce(list(verdict.values()))
    return fine


class Grading:
    """Names objects, styles and counts by a grader, colours by their pixels."""

    def __init__(self, grader: Grader, lineups: Lineups, art: ArtSet) -> None:
        self.grader = grader
        self.lineups = lineups
        self.art = art

    def verdict(self, wish: Wish, images: Tensor) -> Verdict:
        """Of (B, 3, S, S) pictures that were painted for `wish`."""
        scene = wish.scene
        if scene.other is not None:
            return self._pair(wish, images, scene.other)
        verdict: Verdict = {}
        if wish.counted:
            verdict["count"] = self.counts(images) == scene.count
        if scene.hue is not None:
            verdict["colour"] = hues(images) == list(HUES).index(scene.hue)
        if scene.ground:
            verdict["ground"] = grounds(images) == scene.ground
        turned = self._turned_back(images, wish.row, scene.hue)
        return verdict | {"object": self.shows(turned, wish.row, PLACES.get(scene.count))}

    def _pair(self, wish: Wish, images: Tensor, other: int) -> Verdict:
        """Each object in a half of its own; in the right one where the relation says which."""
        scene, sides = wish.scene, (LEFT, RIGHT, TOP, BOTTOM)
        first = self._turned_back(images, wish.row, scene.hue)
        second = self._turned_back(images, other, scene.other_hue)
        one = {side: self.shows(first, wish.row, (side,)) for side in sides}
        two = {side: self.shows(second, other, (side,)) for side in sides}
        both = {relation: one[here] & two[there] for relation, (here, there) in ARRANGED.items()}
        verdict: Verdict = {"objects": np.logical_or.reduce(list(both.values()))}
        if scene.relation in ARRANGED:
            verdict["places"] = both[scene.relation]
        if scene.hue is not None and scene.other_hue is not None:
            hue, other_hue = list(HUES).index(scene.hue), list(HUES).index(scene.other_hue)
            seen = {side: hues(square(images, side)) for side in sides}
            coloured = {
                relation: (seen[here] == hue) & (seen[there] == other_hue)
                for relation, (here, there) in ARRANGED.items()
            }
            verdict["colours of each"] = np.logical_or.reduce([both[name] & coloured[name] for name in both])
        return verdict

    def _turned_back(self, images: Tensor, row: int, hue: str | None) -> Tensor:
        """With the hue that was asked for turned into the one that the art's picture has: a blue banana is to be known
        for a banana by its shape, its colour is another question.
        """
        own = self.art.rows[row].hue
        if hue is None or own is None:
            return images
        return rotate_hue(images, torch.full((len(images),), own - HUES[hue]))

    def shows(self, images: Tensor, row: int, places: tuple[Place, ...] | None = None) -> np.ndarray:
        """(B,) whether the concept of the art's picture `row` is picked from its line-up."""
        return self.lineups.shows(self._shares(images, places), self.art.rows[row].concept)

    def ranks(self, images: Tensor, row: int) -> np.ndarray:
        """(B,) where the concept of the art's picture `row` comes among all that the grader knows, 1 being first."""
        shares = self._shares(images, None)
        own = shares[:, self.lineups.concepts.index(self.art.rows[row].concept), None]
        places: np.ndarray = 1 + (shares > own).sum(axis=1)
        return places

    def _shares(self, images: Tensor, places: tuple[Place, ...] | None) -> np.ndarray:
        """(B, concepts) probabilities for the whole pictures, or on the average of the squares at `places`."""
        views = [images] if places is None else [square(images, place) for place in places]
        shares: np.ndarray = np.mean([concept_shares(self.grader, view) for view in views], axis=0)
        return shares

    def seen(self, wish: Wish, image: Tensor) -> str:
        """What is picked, and the other things that were asked of a (3, S, S) picture, for people to check."""
        scene, images = wish.scene, image[None]
        names = []
        for row, hue, place in self._looked_at(wish):
            shares = self._shares(self._turned_back(images, row, hue), place)
            names.append(self.lineups.name(int(self.lineups.picked(shares, self.art.rows[row].concept)[0])))
        told = " | ".join(names)
        told = f"{self.counts(images)[0]} of {told}" if wish.counted else told
        told += f", {_hue_name(int(hues(images)[0]))}" if scene.hue and scene.other is None else ""
        return told + (f", on {BACKGROUNDS[grounds(images)[0]].en}" if scene.ground else "")

    def _looked_at(self, wish: Wish) -> list[tuple[int, str | None, tuple[Place, ...] | None]]:
        """Rows of the art, their hues, and where each is looked for: in a pair without sides, left and right."""
        scene = wish.scene
        if scene.other is None:
            return [(wish.row, scene.hue, PLACES.get(scene.count))]
        one, two = ARRANGED.get(scene.relation, (LEFT, RIGHT))
        return [(wish.row, scene.hue, (one,)), (scene.other, scene.other_hue, (two,))]

    @torch.inference_mode()
    def counts(self, images: Tensor) -> np.ndarray:
        """(B,) how many of the same object there are."""
        numbers: np.ndarray = self.grader(images.to(self._device)).counts.argmax(1).cpu().numpy()
        return numbers + 1

    @torch.inference_mode()
    def styles(self, images: Tensor) -> list[str]:
        numbers = self.grader(images.to(self._device)).styles.argmax(1).tolist()
        return [self.grader.styles[number] for number in numbers]

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """(B, D) in which pictures that look alike are near one another."""
        return self.grader.judge.features(images.to(self._device)).cpu()

    @property
    def _device(self) -> torch.device:
        return next(self.grader.parameters()).device


def ground_colour(image: Tensor) -> Tensor:
    """(3, H, W) → (3,): the median colour of the outermost pixels."""
    edge = torch.cat([image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1]], dim=1)
    return edge.median(dim=1).values


def grounds(images: Tensor) -> np.ndarray:
    """(B,) indices in BACKGROUNDS of the colours that (B, 3, H, W) pictures stand on."""
    return np.array([nearest_background((ground_colour(image) * 255).numpy()) for image in images])


def hues(images: Tensor) -> np.ndarray:
    """(B,) indices in HUES: the mean hue of what differs from the ground, GREY where that has none."""
    return np.array([_hue(image) for image in images])


def _hue(image: Tensor) -> int:
    apart = (image - ground_colour(image)[:, None, None]).abs().amax(0) > APART
    found = mean_hue(image[:, apart].T.numpy())
    return GREY if found is None else list(HUES).index(hue_name(found))


def _hue_name(number: int) -> str:
    return "grey" if number == GREY else list(HUES)[number]
