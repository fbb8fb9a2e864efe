"""What is said of things and left out: only before a name, and never a part of one."""

import pytest

from dalle_core.epithets import said_of_chinese, unadorned
from dalle_core.everyday import Everyday
from dalle_core.glossary import Glossary

NAMES = {
    "dog",
    "hot dog",
    "cat",
    "cats",
    "running shoe",
    "sleeping face",
    "baby",
    "baby bottle",
    "car",
    "old man",
    "star",
}
READING = Glossary(
    {"cat": "cat", "猫": "cat", "狗": "dog", "开心的猫": "grinning cat", "老虎": "tiger", "汉堡": "hamburger",
     "好吃": "face", "球": "soccer ball", "高球": "golf"},
    Everyday({"happy cat": "grinning cat"}, {"cats": "cat", "dogs": "dog", "grinning cats": "grinning cat"}),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "read", "left_out"),
    [
        ("a cute dog", "a dog", ("cute",)),
        ("An old cat", "A cat", ("old",)),
        ("a cute, fluffy little cat", "a little cat", ("cute", "fluffy")),
        ("two happy and playful cats in the snow", "two cats in the snow", ("happy", "playful")),
        ("a sleeping dog and a big red car", "a dog and a red car", ("sleeping", "big")),
        ("a funny orange cat", "an orange cat", ("funny",)),
        ("a bright star", "a star", ("bright",)),
        ("a baby cat", "a cat", ("baby",)),
        ("CUTE DOG", "DOG", ("CUTE",)),
        ("a cat beside a beautiful dog", "a cat beside a dog", ("beautiful",)),
    ],
)
def test_what_is_said_of_a_name_is_left_out(text: str, read: str, left_out: tuple[str, ...]) -> None:
    assert unadorned(text, NAMES.__contains__) == (read, left_out)
    assert unadorned(read, NAMES.__contains__) == (read, ())


@pytest.mark.parametrize(
    "text",
    ["", "a dog", "a hot dog", "a running shoe", "a sleeping face", "an old man", "a baby", "a baby bottle",
     "a baby and a cat", "baby, cats", "a cute wug", "cute", "a bright red car", "a dark blue cat", "a small cat",
     "a red car", "a man eating cats", "the cat is happy", "black and white cat", "old-fashioned car", "a happy; cat"],
)  # fmt: skip
def test_a_part_of_a_name_and_what_is_said_of_the_unknown_stay(text: str) -> None:
    assert unadorned(text, NAMES.__contains__) == (text, ())


@pytest.mark.parametrize(
    ("prompt", "worded", "left_out"),
    [
        ("可爱的狗", "狗", ("可爱的",)),
        ("一只毛茸茸的红色小猫", "一只红色的猫", ("毛茸茸的",)),
        ("好吃的汉堡", "汉堡", ("好吃的",)),  # though that is a name
        ("卡通狗和胖的猫", "狗和猫", ("卡通", "胖的")),
        ("非常可爱的正在睡觉的狗", "狗", ("非常可爱的", "正在睡觉的")),
        ("two cute cats", "两个cat", ("cute",)),
        ("开心的猫", "开心的猫", ()),
        ("a happy cat", "a happy cat", ()),
        ("老虎", "老虎", ()),
        ("高球", "高球", ()),
        ("可爱的", "可爱的", ()),
        ("可爱的恐龙", "可爱的恐龙", ()),
    ],
)
def test_it_is_read_without_and_told(prompt: str, worded: str, left_out: tuple[str, ...]) -> None:
    assert READING.worded(prompt) == READING.worded(worded) == worded
    assert READING.left_out(prompt) == left_out
    assert READING.left_out(worded) == ()


def test_letters_that_are_said_of_what_follows() -> None:
    assert [said_of_chinese(text, 0) for text in ("", "狗", "可爱的狗", "高的树", "高球", "很开心的又漂亮的猫")] == [
        0,
        0,
        3,
        2,
        0,
        5,
    ]
