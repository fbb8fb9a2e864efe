"""Scores for candidates: how well a picture matches a text, or another picture, by a contrastive model."""

from bisect import bisect_left

import torch
import torch.nn.functional as F
from torch import Tensor

from dalle_core.clip import CLIP
from dalle_core.tokenizers import TextTokenizer


class CLIPReranker:
    """The bundled CLIP as a Reranker. `baseline` are sorted scores of random picture-text pairs, for percentiles."""

    def __init__(self, name: str, clip: CLIP, tokenizer: TextTokenizer, baseline: tuple[float, ...] = ()) -> None:
        self.name = name
        self.clip = clip
        self.tokenizer = tokenizer
        self.baseline = tuple(sorted(baseline))

    @torch.inference_mode()
    def score(self, images: Tensor, text: str) -> Tensor:
        """(B, 3, H, W) in [0, 1] and one text → (B,) cosine similarities in [-1, 1], on the CPU."""
        wanted = self.clip.encode_texts(self.tokenizer.batch([text]).to(self._device), self.tokenizer.pad_id)
        return (self._encode(images) @ wanted[0]).float().cpu()

    @torch.inference_mode()
    def likeness(self, images: Tensor, picture: Tensor) -> Tensor:
        """(B, 3, H, W) and one (3, H, W), all in [0, 1] → (B,) cosine similarities in [-1, 1], on the CPU."""
        return (self._encode(images) @ self._encode(picture[None])[0]).float().cpu()

    @property
    def _device(self) -> torch.device:
        return next(self.clip.parameters()).device

    def _encode(self, images: Tensor) -> Tensor:
        size = self.clip.config.image_size
        images = images.to(self._device)
        if images.shape[-1] != size:
            images = F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
        return self.clip.encode_images(images)

    def notes(self, text: str) -> tuple[str, ...]:
        """None: it reads as much as the model it comes with, which says itself what it cuts."""
        return ()

    def percentile(self, score: float) -> float | None:
        """Share (0..100) of random picture-text pairs that score lower."""
        if not self.baseline:
            return None
        return 100 * bisect_left(self.baseline, score) / len(self.baseline)
