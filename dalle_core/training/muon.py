"""Muon: momentum whose every update is orthogonalised, for the matrices inside a network.

Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (https://kellerjordan.github.io/posts/muon/,
2024). Matrices of one shape are orthogonalised together, in the precision this machine multiplies fastest.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from dalle_core.layers import Attention, SwiGLU
from dalle_core.transformer import DigitHead

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # the source's quintic: singular values end between about 0.7 and 1.2
ITERATIONS = 5


def orthogonalised(matrices: Tensor, dtype: torch.dtype) -> Tensor:
    """(N, R, C) with R ≤ C → nearly the nearest semi-orthogonal matrices, by Newton-Schulz iteration in `dtype`."""
    a, b, c = COEFFICIENTS
    x = (matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)).to(dtype)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    out: Tensor = x.to(matrices.dtype)
    return out


def hidden_matrices(model: nn.Module) -> dict[Tensor, int]:
    """The matrices between a network's embeddings and its outputs, each with how many it holds fused."""
    found: dict[Tensor, int] = {}
    for module in model.modules():
        match module:
            case Attention():
                found |= {module.qkv.weight: 3, module.out.weight: 1}
            case SwiGLU():
                found |= {module.gate_up.weight: 2, module.down.weight: 1}
            case DigitHead():
                found |= {part.weight: 1 for part in [*module.up, *module.down] if isinstance(part, nn.Linear)}
    return found


class Muon(torch.optim.Optimizer):
    """Steps 2-D parameters. A group's `parts` says how many matrices its parameters hold, one above the other, as a
    fused projection of queries, keys and values holds three. The rate is the size of a step in each singular direction.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, momentum: float = 0.95, weight_decay: float = 0.0,
                 dtype: torch.dtype = torch.float32) -> None:  # fmt: skip
        self.dtype = dtype
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "parts": 1})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        assert closure is None
        alike: dict[tuple[int, int], list[tuple[Tensor, Tensor, dict[str, Any]]]] = {}
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update = self._momentum(parameter, group["momentum"])
                    for weight, part in zip(parameter.chunk(group["parts"]), update.chunk(group["parts"]), strict=True):
                        rows, cols = part.shape
                        flat = part if rows <= cols else part.mT
                        alike.setdefault((min(rows, cols), max(rows, cols)), []).append((weight, flat, group))
        for members in alike.values():
            stepped = orthogonalised(torch.stack([flat for _, flat, _ in members]), self.dtype)
            for (weight, _, group), direction in zip(members, stepped, strict=True):
                tall = weight.shape[0] > weight.shape[1]
                scale = max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(direction.mT if tall else direction, alpha=-group["lr"] * scale)

    def _momentum(self, parameter: Tensor, momentum: float) -> Tensor:
        """Nesterov's: the gradient, carried on by its running average."""
        state = self.state[parameter]
        average = state.setdefault("average", torch.zeros_like(parameter))
        average.lerp_(parameter.grad, 1 - momentum)
        assert parameter.grad is not None
        return parameter.grad.lerp(average, momentum)
