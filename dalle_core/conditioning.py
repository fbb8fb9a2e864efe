"""What a transformer is told of prompts beside their tokens: CLIP's feature of each, and of each thing in its place.

Reading words takes no network and is done where there is time for it; what they mean takes CLIP's text encoder.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dalle_core.clip import CLIP
from dalle_core.config import TransformerConfig
from dalle_core.device import moved
from dalle_core.phrases import layout
from dalle_core.tokenizers import TextTokenizer

PHRASES = 2  # in a prompt, at most


@dataclass(frozen=True)
class Words:
    """(B, T) ids of prompts; (B, PHRASES, T) of what they name; (B, N) which of that each image token belongs to,
    counted from 1, or 0 for none.
    """

    whole: np.ndarray
    phrases: np.ndarray
    owners: np.ndarray


def read(prompts: Sequence[str], tokenizer: TextTokenizer, config: TransformerConfig) -> Words:
    """Phrases are left empty for a transformer that takes none."""
    found = [layout(prompt if config.phrases else "", config.rows, config.cols) for prompt in prompts]
    named = [text for each in found for text in (*each.phrases, *[""] * (PHRASES - len(each.phrases)))]
    ids = tokenizer.batch(named).numpy().reshape(len(prompts), PHRASES, -1)
    return Words(tokenizer.batch(prompts).numpy(), ids, np.stack([each.owners for each in found]))


def features(words: Words, clip: CLIP, pad_id: int, config: TransformerConfig) -> tuple[Tensor | None, Tensor | None]:
    """(B, F) of each whole prompt, and (B, N, F) of what stands in the place of each image token, zero where nothing
    does; None for what the transformer does not take. On CLIP's device.
    """
    if not config.sentence:
        return None, None
    device = next(clip.parameters()).device
    whole = clip.encode_texts(moved(torch.from_numpy(words.whole), device), pad_id)
    if not config.phrases:
        return whole, None
    batch, phrases, _ = words.phrases.shape
    ids = moved(torch.from_numpy(words.phrases), device)
    named = clip.encode_texts(ids.flatten(0, 1), pad_id).view(batch, phrases, -1)
    owners = moved(torch.from_numpy(words.owners), device).unsqueeze(-1).expand(-1, -1, named.shape[-1])
    return whole, F.pad(named, (0, 0, 1, 0)).gather(1, owners)
