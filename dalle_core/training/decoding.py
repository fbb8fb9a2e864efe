"""The training of a decoder against a critic: both in one step, each by its own loss."""

import numpy as np
import torch
from torch import Tensor

from dalle_core.clip import CLIP
from dalle_core.device import moved
from dalle_core.dvae import reconstruction_loss
from dalle_core.quantizers import split_digits
from dalle_core.training.critic import CriticisedDVAE, criticism, maps, unlikeness
from dalle_core.training.objectives import BatchStream, reconstruction


class DecoderObjective:
    """Draw pictures from their tokens so that they look like the picture, and like art. CLIP stays as it is.

    Some tokens are off by a level, as a transformer that paints gets some wrong: what they spoil is drawn over.
    """

    LIKENESS = 1.0  # weight of what CLIP's image encoder sees, beside the error of the pixels
    PATCH = 8  # pixels a side, at most, that it takes together
    JOLTED, JOLTS = 0.3, 0.05  # of the pictures have tokens that are off; at most so many of their tokens are

    def __init__(self, model: CriticisedDVAE, clip: CLIP, stream: BatchStream, weight: float, alone: int) -> None:
        """`weight` is the critic's, in shares of what the last layer hears from the rest; for so many steps it learns
        `alone`, and is not heard.
        """
        self.model = model
        self.encoder = clip.image_encoder.eval().requires_grad_(False)
        self.stream = stream
        self.weight = weight
        self.alone = alone
        self.held = [*stream.held(varied=False), *stream.held(varied=True)]

    def loss(self, step: int, batch: int, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        images = self.stream.at(step, batch, seed).images.to(self._device)
        output = self._drawn(self._tokens(images, step, batch, seed))
        error = reconstruction_loss(output, images)
        unlike = self._unlikeness(output, images, np.random.default_rng((seed, 13, step)))
        own = error + self.LIKENESS * unlike
        critic = criticism(self.model.critic(images), self.model.critic(output.detach()))
        figures = {"error": error.detach(), "unlikeness": unlike.detach(), "critic": critic.detach()}
        if step < self.alone:
            return own + critic, figures
        return own + self._heard(output, own) + critic, figures

    def _unlikeness(self, output: Tensor, images: Tensor, rng: np.random.Generator) -> Tensor:
        """() of both moved alike, around the sides: CLIP cuts pictures into patches, whose borders else would show."""
        down, right = rng.integers(self.PATCH, size=2).tolist()
        moved_output, moved_images = (torch.roll(each, (down, right), (2, 3)) for each in (output, images))
        with torch.no_grad():
            seen = maps(self.encoder, moved_images)
        return unlikeness(maps(self.encoder, moved_output), seen)

    def _heard(self, output: Tensor, own: Tensor) -> Tensor:
        """() how little the critic takes the pictures for real, weighed so that the decoder's last layer is moved by it
        as much as by its `own` loss, times the weight. The critic learns nothing from it.
        """
        self.model.critic.requires_grad_(False)
        unreal = -self.model.critic(output).mean()
        self.model.critic.requires_grad_(True)
        (by_own,) = torch.autograd.grad(own, self._last, retain_graph=True)
        (by_critic,) = torch.autograd.grad(unreal, self._last, retain_graph=True)
        self.stream.world.average((by_own, by_critic))
        balance: Tensor = (by_own.norm() / (by_critic.norm() + 1e-4)).clamp(max=10.0)
        heard: Tensor = self.weight * balance * unreal
        return heard

    @property
    def _last(self) -> Tensor:
        """Weights of the decoder's last layer."""
        return [weights for weights in self.model.decoder.parameters() if weights.ndim == 4][-1]

    @torch.no_grad()
    def _tokens(self, images: Tensor, step: int, batch: int, seed: int) -> Tensor:
        """(B, N): those of the pictures, some of them a neighbour of what they were."""
        first, levels = self.stream.world.share(batch).start, self.model.config.levels
        with torch.autocast(images.device.type, enabled=False):
            tokens = self.model.encode(images)
        digits = split_digits(tokens, levels).cpu().numpy().copy()
        for i, each in enumerate(digits):
            rng = np.random.default_rng((seed, 12, step, first + i))
            share = rng.random() * self.JOLTS if rng.random() < self.JOLTED else 0.0
            where = np.flatnonzero(rng.random(len(each)) < share)
            which, steps = rng.integers(len(levels), size=len(where)), rng.choice((-1, 1), len(where))
            each[where, which] = np.clip(each[where, which] + steps, 0, np.array(levels)[which] - 1)
        return moved(torch.from_numpy(np.ravel_multi_index(tuple(np.moveaxis(digits, -1, 0)), levels)), images.device)

    def _drawn(self, tokens: Tensor) -> Tensor:
        """(B, N) → (B, 3, S, S), unclamped."""
        grid = self.model.config.grid
        codes = self.model.quantizer.from_tokens(tokens.view(len(tokens), -1, grid))
        return self.model.likelihood.pixels(self.model.decoder(codes)).float()

    def evaluate(self) -> dict[str, float]:
        """`loss` is how unlike held-out pictures CLIP's image encoder finds what is drawn of them."""
        unlike: list[Tensor] = []

        def rebuild(images: Tensor) -> Tensor:
            images = images.to(self._device)
            output = self._drawn(self.model.encode(images)).clamp(0, 1)
            unlike.append(unlikeness(maps(self.encoder, output), maps(self.encoder, images)))
            return output

        fidelity = reconstruction(self.held, rebuild)
        return {"loss": float(torch.stack(unlike).mean()), **fidelity}

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device
