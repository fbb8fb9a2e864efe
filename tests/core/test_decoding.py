"""A decoder that learns from a critic: what each of the two hears, what stays as it is, and what is left behind."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dalle_core.dvae import DiscreteVAE
from dalle_core.quantizers import split_digits
from dalle_core.training.__main__ import main
from dalle_core.training.critic import Critic, criticism, maps, unlikeness
from dalle_core.training.decoding import DecoderObjective
from dalle_core.training.workshop import Workshop


@pytest.fixture
def objective(workshop: Workshop) -> DecoderObjective:
    found = workshop.objective("decoder")
    assert isinstance(found, DecoderObjective)
    return found


def grads(module: torch.nn.Module) -> list[Tensor]:
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in module.parameters()]


def test_a_verdict_is_of_each_patch_of_each_picture_by_itself() -> None:
    torch.manual_seed(0)
    critic, images = Critic(8), torch.rand(2, 3, 128, 128)
    verdict = critic(images)
    assert verdict.shape == (2, 1, 16, 16)
    torch.testing.assert_close(critic(images[:1]), verdict[:1])


@pytest.mark.parametrize(("real", "decoded", "cost"), [(1.0, -1.0, 0.0), (3.0, -2.0, 0.0), (0.0, 0.0, 2.0),
                                                       (-1.0, 1.0, 4.0)])  # fmt: skip
def test_a_critic_pays_for_what_it_does_not_tell_apart(real: float, decoded: float, cost: float) -> None:
    assert float(criticism(torch.full((2, 1, 4, 4), real), torch.full((2, 1, 4, 4), decoded))) == cost


def test_a_critic_learns_to_tell_sharp_from_soft() -> None:
    torch.manual_seed(0)
    critic = Critic(16)
    optimizer = torch.optim.AdamW(critic.parameters(), lr=1e-3, betas=(0.5, 0.9))
    costs = []
    for _ in range(40):
        sharp = F.interpolate((torch.rand(8, 3, 8, 8) > 0.5).float(), size=32)
        soft = F.avg_pool2d(sharp, 5, 1, padding=2, count_include_pad=False)
        cost = criticism(critic(sharp), critic(soft))
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        costs.append(cost.item())
    assert sum(costs[-5:]) / 5 < 1 < costs[0]


def test_pictures_are_the_more_unlike_the_softer_one_is(workshop: Workshop) -> None:
    encoder = workshop.objective("decoder").encoder  # type: ignore[attr-defined]
    sharp = workshop.stream().at(0, 4, 0).images
    seen = maps(encoder, sharp)
    soft = [float(unlikeness(maps(encoder, F.avg_pool2d(sharp, k, 1, padding=k // 2)), seen)) for k in (1, 3, 7)]
    assert soft[0] == 0
    assert 0 < soft[1] < soft[2]


def test_each_learns_by_its_own_loss(objective: DecoderObjective) -> None:
    """The critic nothing of what the decoder would like it to say, and the decoder nothing of the critic's errors."""
    model, late = objective.model, objective.alone
    images = objective.stream.at(late, 4, 0).images
    model.zero_grad()
    objective.loss(late, 4, 0)[0].backward()
    by_both = grads(model.critic), grads(model.decoder)
    drawn = objective._drawn(objective._tokens(images, late, 4, 0)).detach()
    model.zero_grad()
    criticism(model.critic(images), model.critic(drawn)).backward()
    for found, wanted in zip(by_both[0], grads(model.critic), strict=True):
        torch.testing.assert_close(found, wanted)
    assert all(float(each.abs().max()) == 0 for each in grads(model.decoder))
    assert max(float(each.abs().max()) for each in by_both[1]) > 0
    assert all(p.grad is None for p in model.encoder.parameters())


def test_the_last_layer_hears_the_critic_by_its_weight(objective: DecoderObjective) -> None:
    output = objective._drawn(objective._tokens(objective.stream.at(0, 4, 0).images, 0, 4, 0))
    own = 0.1 * output.abs().mean()
    heard = objective._heard(output, own)
    norms = [torch.autograd.grad(each, objective._last, retain_graph=True)[0].norm() for each in (own, heard)]
    assert float(norms[1] / norms[0]) == pytest.approx(objective.weight, rel=0.05)


def test_a_critic_is_not_heard_before_it_has_learned_anything(objective: DecoderObjective,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(objective, "_heard", lambda output, own: own * 0 + 100)
    costs = [objective.loss(step, 4, 0)[0].item() for step in (0, objective.alone - 1, objective.alone)]
    assert [cost > 100 for cost in costs] == [False, False, True]


def test_tokens_are_off_by_a_level_at_most_and_few_of_them(objective: DecoderObjective,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(objective, "JOLTED", 1.0)
    monkeypatch.setattr(objective, "JOLTS", 0.6)
    images, levels = objective.stream.at(0, 64, 0).images, objective.model.config.levels
    own = split_digits(objective.model.encode(images), levels)
    found = split_digits(objective._tokens(images, 0, 64, 0), levels)
    apart = (own - found).abs().sum(-1)
    assert int(apart.max()) == 1
    assert 0.2 < float(apart.float().mean()) < 0.4, "half of what is at most, on the average"
    assert torch.equal(found, split_digits(objective._tokens(images, 0, 64, 0), levels)), "by the step alone"


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_decoder_alone_changes_by_the_critics_share(workshop: Workshop, share: float) -> None:
    before, learned = (workshop.trained(stage).state_dict() for stage in ("dvae", "decoder"))
    after = replace(workshop, preset=replace(workshop.preset, critic_share=share)).finished_dvae()
    assert type(after) is DiscreteVAE
    assert before.keys() == after.state_dict().keys()
    for name, weights in after.state_dict().items():
        torch.testing.assert_close(weights, torch.lerp(before[name], learned[name], share), atol=1e-6, rtol=0)
    changed = {name for name, weights in after.state_dict().items() if not torch.equal(weights, before[name])}
    assert bool(changed) == bool(share)
    assert all(name.startswith("decoder.") for name in changed)


def test_it_is_trained_upon_a_dvae_and_a_clip(project: Path, tmp_path: Path,
                                              capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    common = ["--preset", "test", "--art", str(project / "art"), "--runs", str(tmp_path)]
    assert main(["text", *common]) == 0
    assert main(["decoder", *common]) == 1
    assert "dvae is not trained yet; run first: python -m dalle_core.training dvae" in capsys.readouterr().err
