"""What a prompt names and where, read in English and in Chinese."""

import pytest

from dalle_core.phrases import ARRANGED, BOTTOM, LEFT, MIDDLE, PLACES, RIGHT, TOP, bare, division, layout, readings


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

    @pytest.mark.parametrize("prompt", ["", "a cat", "five cats", "a cat﹐a dog﹐a bird"])
    def test_what_names_but_one_thing_or_a_list_is_all_ground(self, prompt: str) -> None:
        assert layout(prompt, 8, 8).phrases == ()
        assert drawn(prompt) == ["00000000"] * 8


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a purple banana", "purple banana"),
        ("One purple banana, noto style", "purple banana"),
        ("Banana.", "Banana"),
        ("一个红色的猫", "红色的猫"),
        ("noto 风格的紫色的香蕉", "紫色的香蕉"),
        ("红色的猫，fluent flat 风格", "红色的猫"),
    ],
)
def test_what_one_thing_is_called(prompt: str, name: str) -> None:
    assert bare(prompt) == name


@pytest.mark.parametrize(
    "prompt",
    ["", "a purple banana, noto style on a blue background", "a red cat in the night sky", "a cat with green eyes",
     "a red cat, a dog", "一个红色的猫，蓝色背景", "夜空中的红色火箭", "蓝色背景上的紫色香蕉", "红色的猫在草地上"],
)  # fmt: skip
def test_what_says_more_than_a_name_is_not_only_called_so(prompt: str) -> None:
    assert bare(prompt) == ""


class TestLists:
    """Of three or four different things, as `Glossary.worded` has them."""

    @pytest.mark.parametrize(
        ("prompt", "things"),
        [
            ("a cat﹐a dog﹐a bird", ["a cat", "a dog", "a bird"]),
            ("a cat﹐a dog﹐a red bird, noto style", ["a cat", "a dog", "a red bird"]),
            ("a cat﹐a dog﹐a bird﹐a fish on a blue background", ["a cat", "a dog", "a bird", "a fish"]),
            ("夜空中的猫﹐狗﹐鸟。", ["猫", "狗", "鸟"]),
            ("猫﹐狗﹐红色的鸟，蓝色背景", ["猫", "狗", "红色的鸟"]),
            ("猫﹐狗﹐鸟蓝色背景", ["猫", "狗", "鸟"]),
            ("猫﹐狗﹐鸟在草地上", ["猫", "狗", "鸟"]),
        ],
    )
    def test_each_thing_has_a_square(self, prompt: str, things: list[str]) -> None:
        (reading,) = readings(prompt)
        assert [phrase.text for phrase in reading] == things
        assert tuple(place for phrase in reading for place in phrase.places) == PLACES[len(things)]

    def test_what_is_called_alike_is_one_phrase(self) -> None:
        (reading,) = readings("a cat﹐a dog﹐a cat")
        assert [(phrase.text, phrase.places) for phrase in reading] == [
            ("a cat", (PLACES[3][0], PLACES[3][2])),
            ("a dog", (PLACES[3][1],)),
        ]

    def test_they_are_painted_as_several_of_each_kind(self) -> None:
        divided = division("a cat﹐a red dog﹐a cat on a blue background, noto", 8, 8)
        assert divided is not None
        assert divided.prompts == ("三个cat on a blue background, noto", "三个red dog on a blue background, noto")
        rows = ["".join(map(str, row)) for row in divided.owners.reshape(8, 8).tolist()]
        assert rows == ["00000000"] * 3 + ["11000000"] + ["11110000"] * 4
        assert [readings(prompt)[0][0].places for prompt in divided.prompts] == [PLACES[3]] * 2

    def test_four_have_a_quarter_each(self) -> None:
        divided = division("雪地里的猫﹐狗﹐鸟﹐鱼", 4, 4)
        assert divided is not None
        assert divided.prompts == ("雪地里的四个猫", "雪地里的四个狗", "雪地里的四个鸟", "雪地里的四个鱼")
        assert divided.owners.reshape(4, 4).tolist() == [[0, 0, 1, 1]] * 2 + [[2, 2, 3, 3]] * 2

    @pytest.mark.parametrize(
        "prompt", ["", "a cat", "a cat﹐a dog", "a﹐b﹐c﹐d﹐e", "﹐﹐", "a cat, a dog and a bird"]
    )
    def test_nothing_else_is_divided(self, prompt: str) -> None:
        assert division(prompt, 8, 8) is None
