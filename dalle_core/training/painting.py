"""Requests painted to their end, for who only wants the pictures."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dalle_core.checkpoints import atomic_path, sha256_of_weights
from dalle_core.conditioning import read
from dalle_core.families.bundled import BundledModel
from dalle_core.generate import Candidate, Finished, GenerationRequest, generate, ranked


def painted(model: BundledModel, request: GenerationRequest) -> Tensor:
    """(count, 3, S, S) in [0, 1], best first by the model's own reranker."""
    *_, last = generate(model, request, model.reranker, previews=False)
    assert isinstance(last, Finished)
    return torch.stack([candidate.image for candidate in last.candidates])


class Easel:
    """A model that paints nothing twice: the tokens of each request lie in `folder`, to go on from after a break, with
    their surprisals.

    What they are worth is found anew, so that rerankers can be compared on the same candidates. The folder is of one
    transformer, and a file in it of one request as it is read; who changes how tokens are drawn from logits deletes it.
    """

    def __init__(self, model: BundledModel, folder: Path) -> None:
        self.model = model
        self.folder = folder / _identity(model)[:16]
        self.folder.mkdir(parents=True, exist_ok=True)

    def painted(self, request: GenerationRequest) -> Tensor:
        """As `painted`."""
        best_first = ranked(self.model, request, self.model.reranker, self.candidates(request))
        return torch.stack([candidate.image for candidate in best_first])

    def candidates(self, request: GenerationRequest) -> list[Candidate]:
        """In the order of their seeds, without scores."""
        model = self.model
        path = self.folder / f"{_key(model, request)[:32]}.npz"
        if not path.exists():
            *_, last = generate(model, request, None, previews=False)
            assert isinstance(last, Finished)
            with atomic_path(path) as staging, staging.open("wb") as file:
                found = torch.stack([each.tokens for each in last.candidates]).numpy().astype(np.int32)
                np.savez(file, tokens=found, surprisals=np.array([each.surprisal for each in last.candidates]))
        kept = np.load(path)
        tokens, nats = torch.from_numpy(kept["tokens"].astype(np.int64)), kept["surprisals"].tolist()
        images = model.tokens_to_images(tokens, model.spec.token_count)
        return [Candidate(i, request.seed + i, tokens[i], images[i], 0.0, nats[i]) for i in range(len(tokens))]


def _key(model: BundledModel, request: GenerationRequest) -> str:
    """Of the request, and of what the model makes of its words."""
    prompts = [model.tokenizer.glossary.worded(text) for text in (request.prompt, request.negative_prompt)]
    words = read(prompts, model.tokenizer, model.transformer.config)
    told = b"".join(part.tobytes() for part in (words.whole, words.phrases, words.owners))
    return hashlib.sha256(repr(request).encode() + told).hexdigest()


def _identity(model: BundledModel) -> str:
    """Of all else that the tokens depend on: weights, their layout, the vocabulary and the encoder of sentences."""
    parts = [repr(model.transformer.config), model.tokenizer.library.to_str()]
    parts += [sha256_of_weights(module) for module in (model.transformer, model.reranker.clip.text_encoder)]
    return hashlib.sha256("".join(parts).encode()).hexdigest()
