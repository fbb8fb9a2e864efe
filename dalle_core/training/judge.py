"""A classifier of concepts, trained on real art only, that grades what the generator paints.

It shares no weights with the reranker and never sees a generated picture in training.
"""

import math
from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn

from dalle_core.clip import ImageEncoder
from dalle_core.config import CLIPConfig

JUDGE_CHANNELS = (64, 128, 256)
JUDGE_BLOCKS = (1, 2, 2)


class Judge(nn.Module):
    """(B, 3, S, S) in [0, 1] → (B, number of concepts) logits."""

    def __init__(self, concepts: Iterable[str], image_size: int) -> None:
        super().__init__()
        self.concepts = tuple(sorted(set(concepts)))
        self.number = {concept: i for i, concept in enumerate(self.concepts)}
        halvings = max(0, round(math.log2(image_size / 64)))  # more than 64 px need, so that the last map is as small
        config = CLIPConfig(image_size=image_size, channels=JUDGE_CHANNELS + JUDGE_CHANNELS[-1:] * halvings,
                            image_blocks=JUDGE_BLOCKS + (1,) * halvings, dim=384)  # fmt: skip
        self.encoder = ImageEncoder(config)
        self.dropout = nn.Dropout(0.2)
        self.classify = nn.Linear(config.dim, len(self.concepts))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classify(self.dropout(self.features(images)))
        return logits

    def features(self, images: Tensor) -> Tensor:
        """(B, dim): near for pictures that look alike to it."""
        return F.silu(self.encoder(images))
