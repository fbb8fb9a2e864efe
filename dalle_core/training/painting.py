"""Requests painted to their end, for who only wants the pictures."""

import torch
from torch import Tensor

from dalle_core.families.bundled import BundledModel
from dalle_core.generate import Finished, GenerationRequest, generate


def painted(model: BundledModel, request: GenerationRequest) -> Tensor:
    """(count, 3, S, S) in [0, 1], best first by the model's own reranker."""
    *_, last = generate(model, request, model.reranker, previews=False)
    assert isinstance(last, Finished)
    return torch.stack([candidate.image for candidate in last.candidates])
