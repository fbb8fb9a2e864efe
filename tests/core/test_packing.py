"""Packed layers: the same products within rounding, the same names of parameters, no learning."""

import pytest
import torch
from torch import nn

from dalle_core import packing
from dalle_core.packing import PackedLinear, pack_linears

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(),
    reason="PyTorch without oneDNN",
)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    inner = nn.Sequential(nn.SiLU(), nn.Linear(40, 5))
    return nn.Sequential(nn.Linear(24, 40, bias=False), inner).requires_grad_(False)


@pytest.mark.parametrize("rows", [1, 3, 64])
def test_the_products_are_the_same(network: nn.Module, rows: int) -> None:
    x = torch.randn(2, rows, 24)
    plain = network(x)
    pack_linears(network)
    assert sum(isinstance(module, PackedLinear) for module in network.modules()) == 2
    torch.testing.assert_close(network(x), plain, atol=1e-6, rtol=1e-5)
    assert torch.equal(network(x), network(x))


def test_the_parameters_keep_their_names_and_values(network: nn.Module) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    pack_linears(network)
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_a_layer_that_learns_is_refused(network: nn.Module) -> None:
    pack_linears(network.requires_grad_())
    with pytest.raises(AssertionError, match="does not learn"):
        network(torch.randn(1, 24))


def test_where_pytorch_has_no_such_operators_the_layers_stay(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(self: PackedLinear, input: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no such operator")

    packing._works.cache_clear()
    monkeypatch.setattr(PackedLinear, "forward", lacking)
    pack_linears(network)
    packing._works.cache_clear()
    assert not any(isinstance(module, PackedLinear) for module in network.modules())
