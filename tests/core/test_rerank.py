"""Candidates scored: things in their places, prototypes of names, and things that are to have a colour."""

from copy import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dalle_core.clip import CLIP
from dalle_core.config import CLIPConfig
from dalle_core.glossary import Glossary
from dalle_core.hues import HUES, rotate_hue
from dalle_core.rerank import CLIPReranker, Prototypes
from dalle_core.tokenizers import train_tokenizer

COLOURS = {"scarlet": (1, 0, 0), "lime": (0, 1, 0), "navy": (0, 0, 1)}


class BagOfColours(CLIP):
    """Sees a picture's mean colour and reads the colours that a text names, in no order."""

    def encode_images(self, images: Tensor) -> Tensor:
        return F.normalize(images.mean(dim=(2, 3)), dim=-1)

    def encode_texts(self, text: Tensor, pad_id: int) -> Tensor:
        rows = [[id for id in row.tolist() if id != pad_id] for row in text]
        named = [[TOKENIZER.decode(row).count(colour) for colour in COLOURS] for row in rows]
        return F.normalize(torch.tensor(named).float(), dim=-1)


NAMES = [f"a {colour} thing" for colour in COLOURS]
TOKENIZER = train_tokenizer(NAMES * 3, 300, 24)
TINY = CLIPConfig(image_size=32, channels=(8, 16), image_blocks=(1, 1), vocab_size=300, text_length=24, text_layers=1,
                  text_width=16, text_heads=2, dim=3)  # fmt: skip


def halves(first: str, second: str, *, down: bool = False) -> Tensor:
    size = (3, 16, 32) if down else (3, 32, 16)
    sides = [torch.tensor(COLOURS[name]).float().view(3, 1, 1).expand(size) for name in (first, second)]
    return torch.cat(sides, dim=1 if down else 2)


@pytest.fixture(scope="module")
def reranker() -> CLIPReranker:
    return CLIPReranker("colours", BagOfColours(TINY), TOKENIZER)


@pytest.mark.parametrize(("words", "down"), [("left of", False), ("above", True)])
def test_what_knows_no_order_ranks_by_where_things_are(reranker: CLIPReranker, words: str, down: bool) -> None:
    pairs = [(one, other) for one in COLOURS for other in COLOURS if one != other]
    images = torch.stack([halves(*pair, down=down) for pair in pairs])
    for number, (one, other) in enumerate(pairs):
        whole = reranker.score(images, f"{one} {other} thing")
        assert whole[number] == whole[pairs.index((other, one))]
        assert int(reranker.score(images, f"a {one} thing {words} a {other} thing").argmax()) == number


def test_either_way_round_is_as_good_but_both_must_be_there(reranker: CLIPReranker) -> None:
    images = torch.stack([halves("scarlet", "navy"), halves("navy", "scarlet"), halves("scarlet", "navy", down=True),
                          halves("scarlet", "scarlet"), halves("lime", "navy")])  # fmt: skip
    scores = reranker.score(images, "a scarlet thing and a navy thing")
    assert scores[:3].tolist() == pytest.approx([float(scores[0])] * 3, abs=1e-5)
    assert float(scores[3:].max()) < float(scores[0]) <= 1


def test_two_that_are_there_roughly_are_worth_more_than_one_alone(reranker: CLIPReranker) -> None:
    """Which by the average of the two is the better one: (1 + 0) / 2 against 0.45."""
    reddish, blueish = torch.tensor([[0.4, 0.8, 0.0], [0.0, 0.8, 0.4]]).view(2, 3, 1, 1).expand(2, 3, 32, 16)
    rough, alone = torch.cat([reddish, blueish], dim=2), halves("scarlet", "lime")
    scores = reranker.score(torch.stack([rough, alone]), "a scarlet thing left of a navy thing")
    assert scores[0] > scores[1]


def test_each_of_several_is_looked_for(reranker: CLIPReranker) -> None:
    images = torch.stack([halves("scarlet", "scarlet"), halves("scarlet", "navy")])
    scores = reranker.score(images, "two scarlet things")
    assert scores[0] > scores[1]


def test_a_text_takes_the_step_of_the_name_that_it_is_near() -> None:
    names, pictures = torch.eye(6)[:3], torch.eye(6)[3:]
    moved = Prototypes(names, pictures)(F.normalize(names + 0.2 * torch.eye(6)[5], dim=1), torch.tensor(30.0))
    assert moved.argmax(1).tolist() == [3, 4, 5]
    assert torch.allclose(moved.norm(dim=1), torch.ones(3))


def test_what_is_near_no_name_takes_a_step_of_them_all() -> None:
    names, pictures = torch.eye(6)[:2], torch.eye(6)[2:4]
    (moved,) = Prototypes(names, pictures)(torch.eye(6)[5:], torch.tensor(30.0))
    assert moved.argmax() == 5
    assert moved[2] == moved[3] > 0


class OneKind(BagOfColours):
    """Knows cherries, which are yellow to it; or sees no colours at all, and takes everything for a cherry."""

    def __init__(self, blind: bool) -> None:
        super().__init__(TINY)
        self.blind = blind

    def encode_images(self, images: Tensor) -> Tensor:
        return CHERRY.expand(len(images), 3) if self.blind else super().encode_images(images - images.amin(1, True))

    def encode_texts(self, text: Tensor, pad_id: int) -> Tensor:
        return CHERRY.expand(len(text), 3)


CHERRY = F.normalize(rotate_hue(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1), torch.tensor([50.0])).view(1, 3), dim=-1)


def cherries(hue: float | None = 50.0, blind: bool = False) -> CLIPReranker:
    """That knows of which hue pictures of cherries are, or not."""
    points = None if hue is None else torch.polar(torch.ones(1), torch.tensor([hue]).deg2rad())
    made = Prototypes(CHERRY, CHERRY, None if points is None else torch.view_as_real(points))
    return CLIPReranker("cherries", OneKind(blind), TOKENIZER, prototypes=made)


def squares(*degrees: float) -> Tensor:
    """(N, 3, 32, 32): each a square of that hue on white."""
    images = torch.ones(len(degrees), 3, 32, 32)
    images[:, :, 8:24, 8:24] = torch.tensor([[1.0, 0, 0]]).view(1, 3, 1, 1)
    return rotate_hue(images, torch.tensor(degrees))


class TestColours:
    @pytest.mark.parametrize("hue", HUES)
    def test_a_thing_is_known_by_its_name_once_its_hue_is_turned_to_the_usual_one(self, hue: str) -> None:
        seen = cherries().score(squares(HUES[hue]), f"a {hue} cherry")
        usual = cherries(None).score(squares(50.0), "a cherry")
        whole = cherries(None).score(squares(HUES[hue]), "a cherry")
        share = min(1, 0.95 / CLIPReranker.ENOUGH)
        assert seen.item() == pytest.approx(0.25 * whole.item() + 0.75 * usual.item() * share, abs=0.02)

    def test_what_has_the_colour_comes_before_what_has_the_usual_one(self) -> None:
        images = squares(*HUES.values())
        for number, hue in enumerate(HUES):
            assert int(cherries().score(images, f"a {hue} cherry").argmax()) == number

    def test_by_pixels_alone_where_the_name_is_as_good(self) -> None:
        images = squares(*HUES.values())
        for number, hue in enumerate(HUES):
            scores = cherries(blind=True).score(images, f"a {hue} cherry")
            assert int(scores.argmax()) == number
            assert scores.min() == pytest.approx(0.25, abs=0.02)

    def test_each_of_two_is_looked_for_in_its_own_colour_and_place(self) -> None:
        red, blue = squares(HUES["red"], HUES["blue"])
        pairs = [torch.cat([F.avg_pool2d(one[None], (1, 2))[0], F.avg_pool2d(two[None], (1, 2))[0]], dim=-1)
                 for one, two in ((red, blue), (blue, red), (red, red))]  # fmt: skip
        scores = cherries().score(torch.stack(pairs), "a blue cherry left of a red cherry")
        assert int(scores.argmax()) == 1

    def test_without_known_hues_pictures_are_seen_as_they_are(self) -> None:
        images = squares(HUES["blue"])
        assert cherries(None).score(images, "a blue cherry") < cherries().score(images, "a blue cherry") - 0.2

    def test_a_ground_is_not_forgotten_for_it(self) -> None:
        """What says more than a thing's name and colour is scored as a whole."""
        images = squares(HUES["blue"], HUES["red"])
        told = cherries().score(images, "a blue cherry on a red background")
        assert torch.equal(told, cherries().score(images, "cherry"))

    def test_a_colour_that_belongs_to_a_name_is_left_to_the_name(self) -> None:
        images = squares(HUES["blue"], HUES["green"])
        reranker = cherries()
        reranker.tokenizer = copy(TOKENIZER)
        reranker.tokenizer.glossary = Glossary({"青樱桃": "green cherry"})
        assert torch.equal(reranker.score(images, "a green cherry"), reranker.score(images, "cherry"))
        assert not torch.equal(reranker.score(images, "a blue cherry"), reranker.score(images, "cherry"))

    def test_a_bad_match_is_made_no_better_by_lacking_the_colour(self) -> None:
        reranker = cherries(blind=True)
        reranker.prototypes = Prototypes(-CHERRY, -CHERRY, torch.zeros(1, 2))
        reranker.clip.encode_texts = lambda text, pad_id: -CHERRY.expand(len(text), 3)  # type: ignore[method-assign]
        scores = reranker.score(squares(HUES["blue"], HUES["red"]), "a blue cherry")
        assert scores.tolist() == pytest.approx([-1, -1])

    def test_names_near_things_of_many_hues_tell_none(self) -> None:
        known = Prototypes(torch.eye(3)[:2], torch.eye(3)[:2], torch.tensor([[0.0, 1.0], [0.0, -1.0]]))
        scale = torch.tensor(30.0)
        assert known.hue(torch.tensor([1.0, 0, 0]), scale) == pytest.approx(90)
        assert known.hue(torch.tensor([0, 1.0, 0]), scale) == pytest.approx(270)
        assert known.hue(F.normalize(torch.tensor([1.0, 1.0, 0]), dim=0), scale) is None
