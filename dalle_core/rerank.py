"""Scores for candidates: how well a picture matches a text, or another picture, by a contrastive model.

Of a text that names several things, each is also looked for by itself where it should be: after CLIPScore (Hessel et
al., 2104.08718) for the whole, and the decomposition of prompts in the evaluation of compositional generation (Huang et
al., T2I-CompBench, 2307.06350). Texts are moved to where pictures of what they name lie: after prototypes (Snell et
al., 1703.05175) as Tip-Adapter keeps them beside a CLIP (Zhang et al., 2111.03930).
"""

from bisect import bisect_left
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dalle_core.clip import CLIP
from dalle_core.phrases import SIDE, Phrase, Place, Reading, readings
from dalle_core.tokenizers import TextTokenizer


class Prototypes(nn.Module):
    """Of K names that a CLIP knows: `named` (K, dim), what it makes of the names, and `seen` (K, dim), what it makes of
    pictures of them, on the average; of unit length.

    Texts lie apart from pictures in a CLIP's space (Liang et al., 2203.02053), each by a step of its own.
    """

    named: Tensor
    seen: Tensor

    def __init__(self, named: Tensor, seen: Tensor) -> None:
        super().__init__()
        self.register_buffer("named", named)
        self.register_buffer("seen", seen)

    def forward(self, texts: Tensor, scale: Tensor) -> Tensor:
        """(N, dim) texts of unit length and the CLIP's scale () → the same, by the step from name to pictures of those
        names that are near.
        """
        near = (scale * texts @ self.named.T).softmax(-1)
        return F.normalize(texts + near @ (self.seen - self.named), dim=-1)


class CLIPReranker:
    """The bundled CLIP as a Reranker. `baseline` are sorted scores of random picture-text pairs, for percentiles."""

    APART = 0.75  # of a score, where things are looked for by themselves

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
        one that is seen worst: a picture of one of two things is wrong, however good that one is.
        """
        images, text = self._sized(images), self.tokenizer.glossary.worded(text)
        whole = self.clip.encode_images(images) @ self.read([text])[0]
        if ways := readings(text):
            views = _Views(self.clip, images)
            return torch.lerp(whole, self._apart(views, ways), self.APART).float().cpu()
        return whole.float().cpu()

    def _apart(self, views: "_Views", ways: tuple[Reading, ...]) -> Tensor:
        """(B,) cosines of phrases with the squares that they should be seen in: the lowest of the best reading."""
        texts = list(dict.fromkeys(phrase.text for way in ways for phrase in way))
        wanted = dict(zip(texts, self.read(texts), strict=True))

        def seen(phrase: Phrase) -> Tensor:
            return torch.stack([views.at(place) @ wanted[phrase.text] for place in phrase.places]).mean(0)

        return torch.stack([torch.stack([seen(phrase) for phrase in way]).amin(0) for way in ways]).amax(0)

    def read(self, texts: Sequence[str]) -> Tensor:
        """(N, dim), unit length: where pictures of these texts are looked for."""
        features = self.clip.encode_texts(self.tokenizer.batch(texts).to(self._device), self.tokenizer.pad_id)
        return features if self.prototypes is None else self.prototypes(features, self.clip.scale)

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


class _Views:
    """What a CLIP sees of pictures (B, 3, S, S) in their squares, each looked at once."""

    def __init__(self, clip: CLIP, images: Tensor) -> None:
        self.clip = clip
        self.images = images
        self._seen: dict[Place, Tensor] = {}

    def at(self, place: Place) -> Tensor:
        """(B, dim), unit length."""
        if place not in self._seen:
            self._seen[place] = self.clip.encode_images(square(self.images, place))
        return self._seen[place]


def square(images: Tensor, *centres: Place) -> Tensor:
    """(B, 3, S, S) → the same shape: what lies around the centre of each, in shares of the side from the middle,
    enlarged. One centre is every picture's; otherwise there are B.
    """
    theta = torch.tensor([[[SIDE, 0, 2 * across], [0, SIDE, 2 * down]] for across, down in centres], dtype=images.dtype)
    grid = F.affine_grid(theta.to(images.device).expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
