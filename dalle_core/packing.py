"""Linear layers laid out for a CPU. Knows none of the networks that are made of them.

A decode step multiplies few rows by many weights, and a matrix product spends a third to half of its time bringing the
weights into the order its kernel reads. oneDNN, which PyTorch brings along on most CPUs, can do that once.
"""

from functools import cache

import torch
from torch import Tensor, nn

ROWS = 32  # the order is chosen for so many; it serves others nearly as well


class PackedLinear(nn.Linear):
    """A Linear for inference on a CPU, of the same parameters. (..., in) → (..., out)."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)

    def forward(self, input: Tensor) -> Tensor:
        assert not torch.is_grad_enabled() or not self.weight.requires_grad, "a packed layer does not learn"
        output: Tensor = torch.ops.mkldnn._linear_pointwise(input, self.packed, self.bias, "none", [], "")
        return output


def pack_linears(network: nn.Module) -> None:
    """Replace every Linear of a float32 network on the CPU, in place; where PyTorch lacks oneDNN, none."""
    if not _works():
        return
    for module in network.modules():
        for name, child in module.named_children():
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child))


@cache
def _works() -> bool:
    """Tried once on a small product: the operators are PyTorch's own, and another version may not have them."""
    linear, rows = nn.Linear(8, 8).requires_grad_(False), torch.linspace(-1, 1, 16).view(2, 8)
    try:
        return torch.allclose(PackedLinear(linear)(rows), linear(rows), atol=1e-5)
    except (AttributeError, RuntimeError):
        return False
