"""Muon: updates are orthogonal, fused matrices are stepped apart, and it learns."""

import pytest
import torch
from torch import nn

from dalle_core.config import TransformerConfig
from dalle_core.training.muon import Muon, hidden_matrices, orthogonalised
from dalle_core.transformer import Transformer

CONFIG = TransformerConfig(vocab_size=40, text_length=6, rows=2, cols=2, levels=(5, 4), layers=2, width=16, heads=2,
                           hidden=32)  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 16, 48)])
def test_singular_values_come_out_near_one(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    spread = torch.logspace(0, -1.5, 16)  # singular values over a factor of thirty
    left, right = (
        torch.linalg.qr(torch.randn(shape[0], 16, 16)).Q,
        torch.linalg.qr(torch.randn(shape[0], shape[2], 16)).Q,
    )
    out = orthogonalised(left * spread @ right.mT, dtype)
    assert out.dtype == torch.float32
    values = torch.linalg.svdvals(out)
    assert 0.6 < float(values.min()) <= float(values.max()) < 1.3


def test_every_hidden_matrix_of_the_transformer_is_found_once() -> None:
    network = Transformer(CONFIG)
    names: dict[torch.Tensor, str] = {parameter: name for name, parameter in network.named_parameters()}
    found = {names[parameter]: parts for parameter, parts in hidden_matrices(network).items()}
    assert len(found) == 4 * CONFIG.layers + 2 * len(CONFIG.levels)
    assert found["blocks.0.attention.qkv.weight"] == 3
    assert found["blocks.1.feed_forward.gate_up.weight"] == 2
    assert found["head.up.1.weight"] == 1
    assert not any("embedding" in name or "position" in name or name.startswith("head.out") for name in found)


def test_a_fused_matrix_is_stepped_as_its_parts() -> None:
    torch.manual_seed(1)
    weight, gradient = torch.randn(12, 4), torch.randn(12, 4)
    whole, parts = nn.Parameter(weight.clone()), [nn.Parameter(part.clone()) for part in weight.chunk(3)]
    fused = Muon([{"params": [whole], "parts": 3}], lr=0.1, weight_decay=0.5)
    single = Muon([{"params": parts}], lr=0.1, weight_decay=0.5)
    for _ in range(2):
        whole.grad = gradient.clone()
        for part, own in zip(parts, gradient.chunk(3), strict=True):
            part.grad = own.clone()
        fused.step()
        single.step()
    assert torch.allclose(whole, torch.cat(list(parts)), atol=1e-5)
    assert not torch.allclose(whole, weight, atol=0.05)


def test_it_fits_a_linear_map() -> None:
    torch.manual_seed(2)
    target, layer = torch.randn(8, 8), nn.Linear(8, 8, bias=False)
    optimizer = Muon([{"params": [layer.weight]}], lr=0.1)
    x = torch.randn(64, 8)
    losses = []
    for step in range(80):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / 80)
        loss = nn.functional.mse_loss(layer(x), x @ target.T)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 50
