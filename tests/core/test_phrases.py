"""What a prompt names and where: read in English and in Chinese, and looked for by the reranker."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dalle_core.clip import CLIP
from dalle_core.config import CLIPConfig
from dalle_core.phrases import ARRANGED, BOTTOM, LEFT, MIDDLE, PLACES, RIGHT, TOP, layout, readings
from dalle_core.rerank import CLIPReranker, Prototypes
from dalle_core.tokenizers import train_tokenizer


@pytest.mark.parametrize(
    ("prompt", "first", "second"),
    [
        ("a cat above a dog", ("a cat", TOP), ("a dog", BOTTOM)),
        ("A cat under the table", ("A cat", BOTTOM), ("the table", TOP)),
        ("an owl to the left of a red cup, noto style", ("an owl", LEFT), ("a red cup", RIGHT)),
        ("an owl right of a cup on a blue background", ("an owl", RIGHT), ("a cup", LEFT)),
        ("a cat on the left, a dog on the right", ("a cat", LEFT), ("a dog", RIGHT)),
        ("a cat on the right and a dog on the left", ("a cat", RIGHT), ("a dog", LEFT)),
        ("猫在狗的左边", ("猫", LEFT), ("狗", RIGHT)),
        ("红色的苹果在杯子上面，蓝色背景", ("红色的苹果", TOP), ("杯子", BOTTOM)),
        ("杯子下面的一个苹果", ("苹果", BOTTOM), ("杯子", TOP)),
        ("夜空中的，杯子下面的苹果", ("苹果", BOTTOM), ("杯子", TOP)),
        ("noto 风格的猫在狗的右边，蓝色背景", ("猫", RIGHT), ("狗", LEFT)),
        ("猫在狗的左边在草地上", ("猫", LEFT), ("狗", RIGHT)),
        ("猫在狗的上面黑色到紫色渐变背景", ("猫", TOP), ("狗", BOTTOM)),
    ],
)
def test_two_things_and_their_sides(prompt: str, first: tuple[str, object], second: tuple[str, object]) -> None:
    (reading,) = readings(prompt)
    assert [(phrase.text, phrase.places) for phrase in reading] == [(first[0], (first[1],)), (second[0], (second[1],))]


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("a red cat and a blue dog", ["a red cat", "a blue dog"]),
        ("a cat next to an owl, twemoji", ["a cat", "an owl"]),
        ("一只猫和一只狗", ["猫", "狗"]),
        ("红色的苹果和蓝色的杯子", ["红色的苹果", "蓝色的杯子"]),
        ("苹果在香蕉旁边", ["苹果", "香蕉"]),
        ("香蕉旁边的苹果", ["苹果", "香蕉"]),
        ("苹果在香蕉旁边黄色背景", ["苹果", "香蕉"]),
        ("猫和狗", ["猫", "狗"]),
        ("蛋和钥匙，noto 风格", ["蛋", "钥匙"]),
        ("夜空中的一只猫和一只狗", ["猫", "狗"]),
        ("穿和服的猫和狗", ["穿和服的猫", "狗"]),
        ("一只猫和一只狗在草地上", ["猫", "狗"]),
    ],
)
def test_two_things_without_a_side_may_stand_either_way(prompt: str, names: list[str]) -> None:
    ways = readings(prompt)
    assert [[phrase.text for phrase in way] for way in ways] == [names] * 4
    assert {tuple(phrase.places[0] for phrase in way) for way in ways} == set(ARRANGED.values())


@pytest.mark.parametrize(
    ("prompt", "count", "name"),
    [
        ("two apples", 2, "apples"),
        ("Three tiny rockets in the night sky", 3, "tiny rockets"),
        ("4 red hearts, noto", 4, "red hearts"),
        ("三只猫，noto 风格", 3, "猫"),
        ("两个红色的苹果", 2, "红色的苹果"),
        ("夜空中的三个火箭", 3, "火箭"),
        ("浅蓝色背景上的noto 风格的四个红色的苹果", 4, "红色的苹果"),
        ("两只树上的猫", 2, "树上的猫"),
        ("三个火箭在夜空中", 3, "火箭"),
        ("四个土豆浅蓝色到黄色渐变背景", 4, "土豆"),
    ],
)
def test_several_of_one(prompt: str, count: int, name: str) -> None:
    (reading,) = readings(prompt)
    assert [(phrase.text, phrase.places) for phrase in reading] == [(name, PLACES[count])]


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a tiny rocket in the night sky", "rocket"),
        ("Small red apple, noto style on a yellow background", "red apple"),
        ("a little cat", "cat"),
        ("一只小小的猫，蓝色背景", "猫"),
        ("夜空中的，小小的火箭", "火箭"),
        ("雪地里的小小的房子", "房子"),
        ("小小的红色的苹果在草地上", "红色的苹果"),
    ],
)
def test_a_small_thing_stands_in_the_middle(prompt: str, name: str) -> None:
    (reading,) = readings(prompt)
    assert [(phrase.text, phrase.places) for phrase in reading] == [(name, (MIDDLE,))]


@pytest.mark.parametrize(
    "prompt",
    ["", "a cat", "a black and white cat", "cat and dog", "a cup of tea", "five apples", "two-hump camel",
     "four leaf clover, lucky", "the end", "smallpox", "tiny", "小提琴", "小小的", "弓和箭", "红色的弓和箭", "和服",
     "蓝色和服", "柔和的光", "和平鸽", "草地上的猫", "三角形", "四叶草", "猫", "在路上"],
)  # fmt: skip
def test_one_thing_is_left_whole(prompt: str) -> None:
    assert readings(prompt) == ()


def drawn(prompt: str, side: int = 8) -> list[str]:
    """Which phrase each token belongs to, a string a row."""
    return ["".join(map(str, row)) for row in layout(prompt, side, side).owners.reshape(side, side).tolist()]


class TestLayout:
    def test_two_things_have_a_square_each(self) -> None:
        assert layout("a cat above a dog", 8, 8).phrases == ("a cat", "a dog")
        assert drawn("a cat above a dog") == ["00111100"] * 4 + ["00222200"] * 4
        ground = ["00000000"] * 2
        assert drawn("a cat right of a dog") == ground + ["22221111"] * 4 + ground

    def test_without_a_side_the_first_stands_left(self) -> None:
        assert drawn("a cat and a dog")[4] == "11112222"
        assert drawn("狗旁边的猫")[4] == "11112222"
        assert layout("狗旁边的猫", 8, 8).phrases == ("猫", "狗")

    def test_each_of_several_is_the_same_phrases(self) -> None:
        assert layout("three cats", 8, 8).phrases == ("cats",)
        assert drawn("three cats") == ["00111100"] * 4 + ["11111111"] * 4
        assert drawn("four cats") == ["11111111"] * 8

    def test_a_small_thing_has_a_square_a_little_below_the_middle(self) -> None:
        assert layout("a small cat on grass", 16, 16).phrases == ("cat",)
        rows = drawn("a small cat on grass", 16)
        assert rows == ["0" * 16] * 5 + ["0000" + "1" * 8 + "0000"] * 8 + ["0" * 16] * 3

    @pytest.mark.parametrize("prompt", ["", "a cat", "five cats"])
    def test_what_names_but_one_thing_is_all_ground(self, prompt: str) -> None:
        assert layout(prompt, 8, 8).phrases == ()
        assert drawn(prompt) == ["00000000"] * 8


COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}


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
    images = torch.stack([halves("red", "blue"), halves("blue", "red"), halves("red", "blue", down=True),
                          halves("red", "red"), halves("green", "blue")])  # fmt: skip
    scores = reranker.score(images, "a red thing and a blue thing")
    assert scores[:3].tolist() == pytest.approx([float(scores[0])] * 3, abs=1e-5)
    assert float(scores[3:].max()) < float(scores[0]) <= 1


def test_two_that_are_there_roughly_are_worth_more_than_one_alone(reranker: CLIPReranker) -> None:
    """Which by the average of the two is the better one: (1 + 0) / 2 against 0.45."""
    reddish, blueish = torch.tensor([[0.4, 0.8, 0.0], [0.0, 0.8, 0.4]]).view(2, 3, 1, 1).expand(2, 3, 32, 16)
    rough, alone = torch.cat([reddish, blueish], dim=2), halves("red", "green")
    scores = reranker.score(torch.stack([rough, alone]), "a red thing left of a blue thing")
    assert scores[0] > scores[1]


def test_each_of_several_is_looked_for(reranker: CLIPReranker) -> None:
    images = torch.stack([halves("red", "red"), halves("red", "blue")])
    scores = reranker.score(images, "two red things")
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
