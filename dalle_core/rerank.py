"""Scores for candidates: how well a picture matches a text, or another picture, by a contrastive model.

Of a text that names several things, each is also looked for by itself where it should be: after CLIPScore (Hessel et
al., 2104.08718) for the whole, and the decomposition of prompts in the evaluation of compositional generation (Huang et
al., T2I-CompBench, 2307.06350). Of a thing that is to have a colour, its name is looked for in a picture whose hue is
turned to the one that such things have, and its colour in the pixels. Texts are moved to where pictures of what they
name lie: after prototypes (Snell et al., 1703.05175) as Tip-Adapter keeps them beside a CLIP (Zhang et al.,
2111.03930).
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dalle_core.clip import CLIP
from dalle_core.hues import HUES, Coloured, coloured, rotate_hue, share_of_hue, things
from dalle_core.phrases import SIDE, Phrase, Place, Reading, bare, readings
from dalle_core.tokenizers import TextTokenizer


class Prototypes(nn.Module):
    """Of K names that a CLIP knows: `named` (K, dim), what it makes of the names, and `seen` (K, dim), what it makes of
    pictures of them, on the average; of unit length. And `hues` (K, 2), the mean of their hues as points on the unit
    circle, as long as they agree; zeros where pictures have none, and no `hues` at all if nothing is known of them.

    Texts lie apart from pictures in a CLIP's space (Liang et al., 2203.02053), each by a step of its own.
    """

    AGREED = 0.3  # a third of the pictures, if those agree wholly

    named: Tensor
    seen: Tensor
    hues: Tensor | None

    def __init__(self, named: Tensor, seen: Tensor, hues: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("named", named)
        self.register_buffer("seen", seen)
        self.register_buffer("hues", hues)

    def forward(self, texts: Tensor, scale: Tensor) -> Tensor:
        """(N, dim) texts of unit length and the CLIP's scale () → the same, by the step from name to pictures of those
        names that are near.
        """
        return F.normalize(texts + self._near(texts, scale) @ (self.seen - self.named), dim=-1)

    def hue(self, text: Tensor, scale: Tensor) -> float | None:
        """The hue, in degrees, of things whose names are near the text (dim,); None where they have many."""
        if self.hues is None:
            return None
        across, up = (self._near(text[None], scale) @ self.hues)[0].tolist()
        return math.degrees(math.atan2(up, across)) % 360 if math.hypot(across, up) >= self.AGREED else None

    def _near(self, texts: Tensor, scale: Tensor) -> Tensor:
        """(N, K) shares."""
        return (scale * texts @ self.named.T).softmax(-1)


class CLIPReranker:
    """The bundled CLIP as a Reranker. `baseline` are sorted scores of random picture-text pairs, for percentiles."""

    APART = 0.75  # of a score, where things are looked for by themselves
    ENOUGH = 0.6  # of a thing's colour to be of the hue that was asked for, which is most of it
    surprisal_weight = 0.25  # of pictures that match as well the likelier ones are drawn better; found on `emblem-128`

    def __init__(self, name: str, clip: CLIP, tokenizer: TextTokenizer, baseline: tuple[float, ...] = (),
                 prototypes: Prototypes | None = None) -> None:  # fmt: skip
        self.name = name
        self.prototypes = prototypes
        self.clip = clip
        self.tokenizer = tokenizer
        self.baseline = tuple(sorted(baseline))

    @torch.inference_mode()
    def score(self, images: Tensor, text: str) -> Tensor:
        """(B, 3, H, W) in [0, 1] and one text → (B,) cosine similarities in [-1, 1], on the CPU.

        Where the text names several things, three quarters of that is how well each is seen in its own place, by the
        one that is seen worst: a picture of one of two things is wrong, however good that one is. So it is where the
        text names one thing and its hue, and nothing else.
        """
        text = self.tokenizer.glossary.worded(text)
        views = _Views(self.clip, self._sized(images))
        whole = views.features() @ self.read([text])[0]
        if ways := readings(text) or _of_one_hue(text):
            return torch.lerp(whole, self._apart(views, ways), self.APART).float().cpu()
        return whole.float().cpu()

    def _apart(self, views: "_Views", ways: tuple[Reading, ...]) -> Tensor:
        """(B,) how well phrases are seen where they should be: the worst of the best reading."""
        phrases = list(dict.fromkeys(phrase for way in ways for phrase in way))
        asked = [self._coloured(phrase.text) for phrase in phrases]
        names = [thing.name if thing else phrase.text for phrase, thing in zip(phrases, asked, strict=True)]
        texts = self._texts(names)
        seen = {
            phrase: self._seen(views, phrase, thing, *texts_of)
            for phrase, thing, *texts_of in zip(phrases, asked, texts, self._placed(texts), strict=True)
        }
        return torch.stack([torch.stack([seen[phrase] for phrase in way]).amin(0) for way in ways]).amax(0)

    def _coloured(self, phrase: str) -> Coloured | None:
        """Of what is not called so anyhow: a green apple is a name of its own."""
        return None if self.tokenizer.glossary.knows(phrase) else coloured(phrase)

    def _seen(self, views: "_Views", phrase: Phrase, asked: Coloured | None, text: Tensor, wanted: Tensor) -> Tensor:
        """(B,) mean cosines with its squares; less where it names a hue that too few of their pixels have."""
        places = phrase.places or (None,)
        turn = self._turn(asked, text) if asked else 0.0
        cosines = torch.stack([views.features(place, turn) @ wanted for place in places])
        if asked:
            shares = torch.stack([views.share(asked.hue, place) for place in places])
            cosines = torch.minimum(cosines, cosines * (shares / self.ENOUGH).clamp(max=1))
        return cosines.mean(0)

    def _turn(self, asked: Coloured, text: Tensor) -> float:
        """Degrees from the hue that was asked for to the one that such things have."""
        own = None if self.prototypes is None else self.prototypes.hue(text, self.clip.scale)
        return 0.0 if own is None else own - HUES[asked.hue]

    def read(self, texts: Sequence[str]) -> Tensor:
        """(N, dim), unit length: where pictures of these texts are looked for."""
        return self._placed(self._texts(texts))

    def _texts(self, texts: Sequence[str]) -> Tensor:
        """(N, dim), unit length."""
        return self.clip.encode_texts(self.tokenizer.batch(texts).to(self._device), self.tokenizer.pad_id)

    def _placed(self, texts: Tensor) -> Tensor:
        """(N, dim) texts → where pictures of them are."""
        return texts if self.prototypes is None else self.prototypes(texts, self.clip.scale)

    @torch.inference_mode()
    def likeness(self, images: Tensor, picture: Tensor) -> Tensor:
        """(B, 3, H, W) and one (3, H, W), all in [0, 1] → (B,) cosine similarities in [-1, 1], on the CPU."""
        first, other = (self.clip.encode_images(self._sized(each)) for each in (images, picture[None]))
        return (first @ other[0]).float().cpu()

    @property
    def _device(self) -> torch.device:
        return next(self.clip.parameters()).device

    def _sized(self, images: Tensor) -> Tensor:
        size = self.clip.config.image_size
        images = images.to(self._device)
        if images.shape[-1] != size:
            images = F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
        return images

    def notes(self, text: str) -> tuple[str, ...]:
        """None: it reads as much as the model it comes with, which says itself what it cuts."""
        return ()

    def percentile(self, score: float) -> float | None:
        """Share (0..100) of random picture-text pairs that score lower."""
        if not self.baseline:
            return None
        return 100 * bisect_left(self.baseline, score) / len(self.baseline)


def _of_one_hue(text: str) -> tuple[Reading, ...]:
    """A thing by itself that is to have a hue."""
    name = bare(text)
    return ((Phrase(name, ()),),) if coloured(name) else ()


class _Views:
    """What a CLIP sees of pictures (B, 3, S, S), or of one square of each, looked at once; None is the whole."""

    def __init__(self, clip: CLIP, images: Tensor) -> None:
        self.clip = clip
        self.images = images
        self._turned = {0.0: images}
        self._seen: dict[tuple[Place | None, float], Tensor] = {}

    def features(self, place: Place | None = None, turn: float = 0.0) -> Tensor:
        """(B, dim), unit length, of what is there with its hue turned by so many degrees, on its ground."""
        if turn not in self._turned:
            degrees = self.images.new_full((len(self.images),), turn)
            self._turned[turn] = torch.where(self._things, rotate_hue(self.images, degrees), self.images)
        if (place, turn) not in self._seen:
            self._seen[place, turn] = self.clip.encode_images(_cut(self._turned[turn], place))
        return self._seen[place, turn]

    def share(self, hue: str, place: Place | None) -> Tensor:
        """(B,) of the colour of what is there that is of this hue."""
        there = _cut(self._things.to(self.images.dtype), place)[:, 0] > 0.5
        return share_of_hue(_cut(self.images, place), there, hue)

    @cached_property
    def _things(self) -> Tensor:
        """(B, 1, S, S) bool: where there is something, by the grounds of the whole pictures."""
        return things(self.images)[:, None]


def _cut(images: Tensor, place: Place | None) -> Tensor:
    return images if place is None else square(images, place)


def square(images: Tensor, *centres: Place) -> Tensor:
    """(B, 3, S, S) → the same shape: what lies around the centre of each, in shares of the side from the middle,
    enlarged. One centre is every picture's; otherwise there are B.
    """
    theta = torch.tensor([[[SIDE, 0, 2 * across], [0, SIDE, 2 * down]] for across, down in centres], dtype=images.dtype)
    grid = F.affine_grid(theta.to(images.device).expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
