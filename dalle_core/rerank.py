"""Scores for candidates: how well a picture matches a text, by a contrastive model."""

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
        device = next(self.clip.parameters()).device
        size = self.clip.config.image_size
        images = images.to(device)
        if images.shape[-1] != size:
            images = F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
        encoded = self.clip.encode_images(images)
        wanted = self.clip.encode_texts(self.tokenizer.batch([text]).to(device), self.tokenizer.pad_id)
        return (encoded @ wanted[0]).float().cpu()

    def percentile(self, score: float) -> float | None:
        """Share (0..100) of random picture-text pairs that score lower."""
        if not self.baseline:
            return None
        return 100 * bisect_left(self.baseline, score) / len(self.baseline)
