"""Where things are, told as captions tell it: only where a prompt says a place, and no name is taken for one."""

import pytest

from dalle_core.everyday import Everyday
from dalle_core.glossary import Glossary
from dalle_core.scenery import grounded

READING = Glossary(
    {name: name for name in ("cat", "car", "rocket", "fish", "bridge at night", "face in clouds", "sea")}
    | {"猫": "cat", "鱼": "fish", "海里的鱼": "fish"},
    Everyday({"boat": "sailboat"}, {"cats": "cat", "bridges at night": "bridge at night"}),
)


@pytest.mark.parametrize(
    ("prompt", "told", "place"),
    [
        ("a rocket in space", "a rocket in the night sky", ""),
        ("a house by the sea", "a house on the sea", "on the sea"),
        ("a fish swimming in the deep blue sea, noto style", "a fish on the sea, noto style", ""),
        ("a boat is sailing across the Ocean!", "a boat on the sea!", ""),
        ("fish underwater", "fish on the sea", ""),
        ("a cat and a dog playing in the park", "a cat and a dog on the grass", ""),
        ("a sheep in a green meadow", "a sheep on the grass", ""),
        ("a fox in the woods", "a fox on the grass", "on the grass"),
        ("森林里的狐狸", "草地上的狐狸", "草地上"),
        ("a bird in the sky, white background", "a bird, white background", ""),
        ("天空中的鸟，白色背景", "鸟，白色背景", ""),
        ("stars in the sky", "stars in the night sky", "in the night sky"),
        ("天上的星星", "夜空中的星星", "夜空中"),
        ("a house in the snow at night", "a house in the night sky", ""),
        ("a person running in the park", "a person running on the grass", ""),
        ("a dog running in the park", "a dog on the grass", ""),
        ("黑夜里的猫", "夜空中的猫", ""),
        ("火车站在花园里", "火车站在草地上", ""),
        ("an owl at night", "an owl in the night sky", ""),
        ("a bird in the cloudy sky", "a bird on a light blue background", "on a light blue background"),
        ("a bear in winter", "a bear in the snow", ""),
        ("a camel in the desert", "a camel on a yellow background", "on a yellow background"),
        ("a castle at sunset", "a castle on a gradient from orange to pink", "on a gradient from orange to pink"),
        ("a ghost in the dark", "a ghost on a black background", "on a black background"),
        ("太空中的火箭", "夜空中的火箭", ""),
        ("一只在花园里的猫，noto 风格", "草地上的猫，noto 风格", ""),
        ("猫坐在草坪上", "猫在草地上", ""),
        ("鱼在水里游。", "鱼在海面上", ""),
        ("海边的房子", "海面上的房子", "海面上"),
        ("鸟在天上飞，blob", "鸟，浅蓝色背景，blob", "浅蓝色背景"),
        ("天空中有一只鸟", "浅蓝色背景上的一只鸟", "浅蓝色背景上"),
        ("沙漠里的骆驼", "黄色背景上的骆驼", "黄色背景上"),
        ("冬天的树", "雪地里的树", ""),
    ],
)
def test_a_place_is_told_as_captions_tell_it(prompt: str, told: str, place: str) -> None:
    assert grounded(prompt) == (told, place)
    assert grounded(told) == (told, "")


@pytest.mark.parametrize(
    "prompt",
    [
        *("", "a cat", "the sea", "sea", "space", "underwater", "a cat in the snow", "a cat ON THE GRASS, noto"),
        *("a bridge at night", "two bridges at night", "a cityscape at dusk", "a face in clouds", "a cat in love"),
        *("a cat in the box", "a cat on a car", "a cat in the park bench", "a sea horse", "a cat on snow white"),
        *("a forest", "a milky way", "a fish in water colours"),
        *("猫", "夜空中的猫", "猫在草地上", "雪人", "水杯", "海豚", "海", "天空", "夜晚", "云朵", "猫在车里"),
        *("三个昏昏欲睡在草地上", "草地上的，红色的猫"),
    ],
)
def test_what_is_no_place_or_is_told_so_already_stays(prompt: str) -> None:
    assert grounded(prompt) == (prompt, "")


def test_it_is_read_so_before_what_stands_there() -> None:
    assert READING.worded("two cats in the garden") == "两个cat on the grass"
    assert READING.worded("a cat on a car in the garden") == "a cat above a car on the grass"
    assert READING.read(READING.worded("draw a boat on the lake")) == "a sailboat on the sea"
    assert READING.worded("海里的猫") == "海面上的猫"
    assert READING.worded("海里的鱼") == "海里的鱼"  # a name
    assert (READING.grounded("a boat in the desert"), READING.grounded("海里的鱼")) == ("on a yellow background", "")
    assert READING.grounded(f"a cat in the desert, {'very ' * 90}") == ""
