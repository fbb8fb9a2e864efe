"""A classifier of concepts, trained on real art only, that grades what the generator paints.

It shares no weights with the reranker and never sees a generated picture in training.
"""

from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn

from dalle_core.clip import ImageEncoder
from dalle_core.config import CLIPConfig

JUDGE_CHANNELS = (64, 128, 256)


class Judge(nn.Module):
    """(B, 3, S, S) in [0, 1] → (B, number of concepts) logits."""

    def __init__(self, concepts: Iterable[str], image_size: int) -> None:
        super().__init__()
        self.concepts = tuple(sorted(set(concepts)))
        self.number = {concept: i for i, concept in enumerate(self.concepts)}
        config = CLIPConfig(image_size=image_size, channels=JUDGE_CHANNELS, image_blocks=(1, 2, 2), dim=384)
        self.encoder = ImageEncoder(config)
        self.dropout = nn.Dropout(0.2)
        self.classify = nn.Linear(config.dim, len(self.concepts))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classify(self.dropout(self.features(images)))
        return logits

    def features(self, images: Tensor) -> Tensor:
        """(B, dim): near for pictures that look alike to it."""
        return F.silu(self.encoder(images))
