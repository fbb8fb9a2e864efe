"""What a CLIP learns names and colours by: every name of the art, not only those that a batch happens to hold.

The pairs of a batch are soon all told apart, and what else a picture might have been taken for is in no batch. So each
picture is also told from all concepts of the art, by a vector of each (proxies; Movshovitz-Attias et al., 1703.07464),
and its hue from the other hues of the same thing. Pictures are softened, as what is painted is softer than what is
drawn.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dalle_core.clip import CLIP
from dalle_core.config import CLIPConfig
from dalle_core.device import moved
from dalle_core.hues import HUES
from dalle_core.training.art import ArtSet, Picture
from dalle_core.training.captions import COLOUR_WORDS
from dalle_core.training.palette import hue_name
from dalle_core.training.scenes import Part

UNKNOWN = -1  # a label that is not asked for
SOFTENED, HIDDEN = 0.3, 0.3  # shares of pictures that are blurred, and of those that lack a square


class NamedCLIP(CLIP):
    """A CLIP while it learns: with what stands for each of `names` concepts, `proxies` (K, dim), and the scale at which
    they are told apart. Neither is needed by whoever uses it.
    """

    def __init__(self, config: CLIPConfig, names: int) -> None:
        super().__init__(config)
        self.proxies = nn.Parameter(torch.randn(names, config.dim) / math.sqrt(config.dim))
        self.log_sharpness = nn.Parameter(torch.tensor(3.0))

    def name(self, features: Tensor) -> Tensor:
        """(B, dim) of pictures, unit length → (B, K) logits."""
        logits: Tensor = self.log_sharpness.exp() * features @ F.normalize(self.proxies, dim=-1).T
        return logits

    def plain(self) -> CLIP:
        """What has been learned, without what it was learned by."""
        clip, own = CLIP(self.config), self.state_dict()
        clip.load_state_dict({name: own[name] for name in clip.state_dict()})
        return clip.requires_grad_(False).train(self.training).to(self.log_scale.device)


def concepts_of(art: ArtSet, parts: Sequence[Part | None]) -> Tensor:
    """(B,) numbers among the art's concepts; UNKNOWN where several things are seen, or one that was turned to another
    colour than its name says.
    """
    numbers = {concept: number for number, concept in enumerate(art.concepts)}

    def number(part: Part | None) -> int:
        if part is None or (part.hue and COLOUR_WORDS.search(art.rows[part.row].concept)):
            return UNKNOWN
        return numbers.get(art.rows[part.row].concept, UNKNOWN)

    return torch.tensor([number(part) for part in parts])


def hues_of(art: ArtSet, parts: Sequence[Part | None]) -> Tensor:
    """(B,) numbers of HUES: what each was turned to or has of its own; UNKNOWN where that is none, or several."""

    def number(part: Part | None) -> int:
        hue = None if part is None else part.hue or _own_hue(art.rows[part.row])
        return UNKNOWN if hue is None else list(HUES).index(hue)

    return torch.tensor([number(part) for part in parts])


def _own_hue(row: Picture) -> str | None:
    return None if row.hue is None or COLOUR_WORDS.search(row.en[0]) else hue_name(row.hue)


def in_all_hues(row: Picture) -> list[str]:
    """ "a red cat", "an orange cat" …: the thing's name in each of HUES, without articles."""
    name = " ".join(COLOUR_WORDS.sub("", row.en[0].lower()).split())
    return [f"{hue} {name}" for hue in HUES]


def softened(images: Tensor, streams: Sequence[np.random.Generator]) -> Tensor:
    """(B, 3, S, S) → the same, some at half their sharpness, some with a square in the colour of a corner."""
    images, side = images.clone(), images.shape[-1]
    blurred = [i for i, rng in enumerate(streams) if rng.random() < SOFTENED]
    if blurred:
        where = moved(torch.tensor(blurred), images.device)
        half = F.interpolate(images[where], size=side // 2, mode="bilinear", antialias=True)
        images[where] = F.interpolate(half, size=side, mode="bilinear")
    for i, rng in enumerate(streams):
        if rng.random() < HIDDEN:
            size = int(rng.integers(side // 8, 3 * side // 8))
            down, across = rng.integers(0, side - size, 2).tolist()
            images[i, :, down : down + size, across : across + size] = images[i, :, :1, :1]
    return images
