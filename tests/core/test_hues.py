"""Hues that phrases name, and how much of what pictures show is of one."""

import pytest
import torch
from torch import Tensor

from dalle_core.hues import HUES, Coloured, coloured, rotate_hue, share_of_hue, things


@pytest.mark.parametrize(
    ("phrase", "name", "hue"),
    [
        ("a purple banana", "banana", "purple"),
        ("an Orange cat", "cat", "orange"),
        ("the light blue whale", "whale", "blue"),
        ("dark green tea cup", "tea cup", "green"),
        ("a purple orange", "orange", "purple"),
        ("a happy red cat face", "happy cat face", "red"),
        ("红色的猫", "猫", "red"),
        ("红色猫", "猫", "red"),
        ("粉红色的猪", "猪", "pink"),
        ("粉色的猪", "猪", "pink"),
        ("绿色的收起的伞", "收起的伞", "green"),
        ("浅蓝色的鲸鱼", "鲸鱼", "blue"),
        ("红色的fortune cookie", "fortune cookie", "red"),
    ],
)
def test_a_thing_and_the_hue_that_it_is_to_have(phrase: str, name: str, hue: str) -> None:
    assert coloured(phrase) == Coloured(name, hue)


@pytest.mark.parametrize(
    "phrase",
    ["a banana", "an orange", "orange", "a red and blue bird", "a black and red bird", "a brown cat", "a credit card",
     "infrared lamp", "橙", "红色", "黄瓜", "西红柿", "红色和蓝色的鸟", "黑色的猫", "", "a cat with green eyes",
     "a house with a red roof", "cat blue background", "a red cat on a blue background", "a glass of orange juice",
     "an orange with a face", "red and gold dragon", "a red-and-blue bird", "a blue-green bird", "a red gold dragon",
     "woman: red hair", "蓝色背景的猫", "戴红色帽子的猫", "紫红色的花", "蓝绿色的鸟", "天蓝色的鲸鱼", "金黄色的狗",
     "红色的猫在草地上"],
)  # fmt: skip
def test_no_hue_or_more_colours_than_one(phrase: str) -> None:
    assert coloured(phrase) is None


def disc(colour: tuple[float, float, float], ground: Tensor) -> Tensor:
    """(1, 3, 32, 32): a disc of half the side in the middle of (3, 32, 32)."""
    across = torch.linspace(-1, 1, 32)
    inside = across[:, None] ** 2 + across[None] ** 2 < 0.25
    return torch.where(inside, torch.tensor(colour).view(3, 1, 1), ground)[None]


WHITE = torch.ones(3, 32, 32)
DUSK = torch.linspace(0, 0.6, 32).view(1, 32, 1) * torch.tensor([1.0, 0.3, 0.8]).view(3, 1, 1).expand(3, 32, 32)
PURE = {
    hue: tuple(rotate_hue(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1), torch.tensor([degrees])).flatten().tolist())
    for hue, degrees in HUES.items()
}


@pytest.mark.parametrize("ground", [WHITE, 0.1 * WHITE, DUSK], ids=["white", "dark", "gradient"])
def test_a_thing_is_what_differs_from_its_ground(ground: Tensor) -> None:
    seen, wanted = things(disc((0.2, 0.9, 0.3), ground)), things(disc((0.0, 0.0, 0.0), WHITE))
    assert torch.equal(seen, wanted)
    assert 0.15 < float(wanted.float().mean()) < 0.25


@pytest.mark.parametrize("side", [1, -1])
def test_a_thing_may_reach_the_edge(side: int) -> None:
    image = torch.ones(1, 3, 32, 32)
    image[:, :, 6:26, :20] = torch.tensor([1.0, 0, 0]).view(3, 1, 1)
    image = image if side == 1 else image.flip(-1)
    assert torch.equal(things(image)[0], image[0, 1] == 0)


def test_nothing_is_there_but_ground() -> None:
    assert not things(DUSK[None]).any()
    assert share_of_hue(DUSK[None], things(DUSK[None]), "red").item() == 0


@pytest.mark.parametrize("hue", HUES)
def test_of_all_hues_the_own_one_has_the_largest_share(hue: str) -> None:
    image = disc(PURE[hue], DUSK)
    shares = {each: share_of_hue(image, things(image), each).item() for each in HUES}
    assert max(shares, key=shares.__getitem__) == hue
    assert shares[hue] > 0.9
    assert sum(shares.values()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("degrees", "hue"), [(95.0, "green"), (150.0, "green"), (240.0, "blue"), (350.0, "red"),
                                              (20.0, "orange"), (45.0, "yellow"), (300.5, "pink")])  # fmt: skip
def test_a_hue_between_names_is_of_the_nearest(degrees: float, hue: str) -> None:
    image = rotate_hue(disc((1.0, 0.0, 0.0), WHITE), torch.tensor([degrees]))
    shares = {each: share_of_hue(image, things(image), each).item() for each in HUES}
    assert max(shares, key=shares.__getitem__) == hue


def test_a_half_is_a_half_and_grey_is_of_no_hue() -> None:
    half = torch.cat([disc(PURE["red"], WHITE)[..., :16], disc(PURE["green"], WHITE)[..., 16:]], dim=-1)
    grey = disc((0.51, 0.5, 0.5), WHITE)
    images = torch.cat([half, grey])
    shares = share_of_hue(images, things(images), "red")
    assert shares[0] == pytest.approx(0.5, abs=0.02)
    assert shares[1] < 0.1
