"""What a discrete VAE's decoder learns to draw sharply by, once its codes are settled: a critic beside the likelihood.

Of what 256 tokens leave open a decoder that is judged pixel by pixel draws the mean, which is soft. A critic that tells
decoded patches from real ones asks for one that might be real (VQGAN; Esser et al., 2012.09841), and distances in a
network's maps ask for one that looks like the picture (LPIPS; Zhang et al., 1801.03924); here CLIP's image encoder's,
which learned from the same art. Encoder and quantizer stay, so a transformer's tokens mean what they meant.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dalle_core.clip import ImageEncoder
from dalle_core.config import DVAEConfig
from dalle_core.dvae import DiscreteVAE
from dalle_core.layers import ResidualBlock


class Critic(nn.Module):
    """(B, 3, S, S) in [0, 1] → (B, 1, S/8, S/8), above 0 where a patch of 54 × 54 pixels looks real. A PatchGAN
    discriminator (Isola et al., 1611.07004).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stages = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, padding=1),
            nn.LeakyReLU(0.2),
            *_stage(width, 2 * width, 4, 2),
            *_stage(2 * width, 4 * width, 4, 2),
            *_stage(4 * width, 4 * width, 3, 1),
            nn.Conv2d(4 * width, 1, 3, padding=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        verdict: Tensor = self.stages(images * 2 - 1)
        return verdict


def _stage(below: int, above: int, kernel: int, stride: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(below, above, kernel, stride, padding=1), nn.GroupNorm(8, above), nn.LeakyReLU(0.2)


def criticism(real: Tensor, decoded: Tensor) -> Tensor:
    """Verdicts on real and on decoded patches → (), the critic's loss: the hinge (Lim and Ye, 1705.02894)."""
    return F.relu(1 - real).mean() + F.relu(1 + decoded).mean()


class CriticisedDVAE(DiscreteVAE):
    """A discrete VAE while its decoder learns from a critic."""

    def __init__(self, config: DVAEConfig, critic_width: int) -> None:
        super().__init__(config)
        self.critic = Critic(critic_width)
        for settled in (self.encoder, self.quantizer):
            settled.requires_grad_(False)


def maps(encoder: ImageEncoder, images: Tensor) -> list[Tensor]:
    """(B, 3, S, S) in [0, 1] → what each of the encoder's residual blocks gives, of unit length at each place."""
    x, found = images * 2 - 1, []
    for stage in encoder.stages:
        x = stage(x)
        if isinstance(stage, ResidualBlock):
            found.append(F.normalize(x, dim=1))
    return found


def unlikeness(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """() mean squared distance of two lists of maps, every level counting the same."""
    apart = [(one - other).pow(2).sum(1).mean() for one, other in zip(found, wanted, strict=True)]
    return torch.stack(apart).mean()
