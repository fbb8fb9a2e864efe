"""From logits to a choice, in pure functions. Each picture has its own stream of random numbers, drawn on the CPU."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

GREEDY_BELOW = 1e-4  # a lower temperature would only overflow on its way to the same choice


def combine_guidance(logits: Tensor, scale: float) -> Tensor:
    """(G, B, L) → (B, L): `uncond + scale · (cond − uncond)` (Ho & Salimans, 2207.12598), or the only row there is."""
    if logits.shape[0] == 1:
        return logits[0]
    conditional, unconditional = logits.unbind()
    return unconditional + scale * (conditional - unconditional)


def keep_top_k(logits: Tensor, top_k: int) -> Tensor:
    """All but the `top_k` largest of (B, L) become -inf; 0 keeps all."""
    if not 0 < top_k < logits.shape[-1]:
        return logits
    threshold = logits.topk(top_k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < threshold, -torch.inf)


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Keep the smallest set of values of (B, L) whose probability reaches `top_p` (Holtzman et al., 1904.09751)."""
    if top_p >= 1:
        return logits
    ordered, order = logits.sort(dim=-1, descending=True)
    before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
    dropped = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before >= top_p)
    return logits.masked_fill(dropped, -torch.inf)


def choose(logits: Tensor, uniforms: Tensor) -> Tensor:
    """Inverse-transform sampling: (B, L) logits and (B,) uniforms in [0, 1) → (B,) int64, on the CPU.

    In double precision, which Apple's GPUs lack; and a sum taken on the CPU is the same one for every device.
    """
    cumulative = logits.cpu().double().softmax(-1).cumsum(-1)
    wanted = uniforms.unsqueeze(-1) * cumulative[..., -1:]
    return torch.searchsorted(cumulative, wanted, right=True).squeeze(-1).clamp_max(logits.shape[-1] - 1)


def sample(
    logits: Tensor, uniforms: Tensor, *, guidance_scale: float, temperature: float, top_k: int, top_p: float,
    pull: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """(G, B, L) logits → (B,) choices, on the CPU. Temperature 0 takes the likeliest.

    `pull` (L,) is added to what the model says, before temperature and cuts.
    """
    combined = combine_guidance(logits.float(), guidance_scale)
    if pull is not None:
        combined = combined + pull.to(combined.device)
    if temperature < GREEDY_BELOW:
        return combined.argmax(-1).cpu()
    return choose(keep_top_p(keep_top_k(combined / temperature, top_k), top_p), uniforms)


def surprisal(logits: Tensor, chosen: Tensor) -> Tensor:
    """(G, B, L) logits and (B,) choices → (B,) float64 nats, on the CPU: −log p of each by the first prompt's, before
    guidance, temperature and cuts.
    """
    said = logits[0].float().log_softmax(-1)
    return -said.gather(-1, chosen.to(said.device).unsqueeze(-1)).squeeze(-1).cpu().double()


def uniform_streams(seeds: Sequence[int], length: int) -> Tensor:
    """(B, length) float64 in [0, 1): row b depends on seeds[b] alone, column n is its draw number n.

    Philox is a counter-based generator whose stream is the same on every machine (Salmon et al., 2011).
    """
    rows = [np.random.Generator(np.random.Philox(key=seed)).random(length) for seed in seeds]
    return torch.from_numpy(np.stack(rows))
