"""What things do with one another, told as where they stand: only of two known things, where nothing is told yet."""

import pytest

from dalle_core.everyday import Everyday
from dalle_core.glossary import Glossary
from dalle_core.phrases import readings

LABELS = ("cat", "dog", "automobile", "box", "chair", "tree", "boy", "top hat", "crown", "sunglasses", "banana",
          "moon", "bird", "sun", "cloud", "sun behind cloud", "person walking", "person in tuxedo", "red heart",
          "heart on fire", "purple", "grass", "dog face", "raised hand", "bicycle", "door", "kite", "phone", "feather",
          "blossom")  # fmt: skip
CHINESE = {"猫": "cat", "狗": "dog", "箱子": "box", "椅子": "chair", "树": "tree", "男孩": "boy", "香蕉": "banana",
           "帽子": "top hat", "鸟": "bird", "墨镜": "sunglasses", "草地": "grass", "车": "automobile",
           "心": "red heart", "船": "boat", "船里的狗": "boat", "自行车": "bicycle", "门": "door",
           "汽车": "automobile", "手": "raised hand", "花": "blossom"}  # fmt: skip
READING = Glossary(
    {label: label for label in LABELS} | CHINESE,
    Everyday(
        {
            "car": "automobile",
            "hat": "top hat",
            "hand": "raised hand",
            "tuxedo": "person in tuxedo",
            "heart": "red heart",
        },
        {"cats": "cat", "dogs": "dog", "birds": "bird"},
    ),
)


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("a cat on a car", "a cat above a car"),
        ("a cat sitting on a chair, noto style", "a cat above a chair, noto style"),
        ("The happy cat is sleeping on the red chair.", "a cat above a red chair"),
        ("a bird on a tree on a blue background", "a bird above a tree on a blue background"),
        ("an orange cat in a box", "an orange cat above a box"),
        ("a dog driving a car", "a dog above a car"),
        ("cat on car", "a cat above a car"),
        ("a cat on the moon", "a cat above a moon"),
        ("a dog wearing a hat", "a hat above a dog"),
        ("a cat in a red hat", "a red hat above a cat"),
        ("cat wearing a crown", "a crown above a cat"),
        ("a cat wearing sunglasses", "a cat beside a sunglasses"),
        ("a boy holding a banana", "a boy beside a banana"),
        ("a dog behind a tree", "a dog beside a tree"),
        ("a dog sitting near a tree", "a dog beside a tree"),
        ("a dog playing with a cat", "a dog beside a cat"),
        ("cat on a car", "a cat above a car"),
        ("a cat sits on a chair?", "a cat above a chair"),
        ("a dog drives a car!!", "a dog above a car"),
        ("a dog in front of a tree", "a dog beside a tree"),
        ("a boy in a hat", "a hat above a boy"),
        ("a feather in a hat", "a feather above a hat"),
        ("a boy flying a kite", "a kite above a boy"),
        ("a boy on the phone", "a boy beside a phone"),
        ("a cat in a tree", "a cat above a tree"),
        ("a bird flying over a tree", "a bird above a tree"),
        ("a cat jumping onto the chair, noto style", "a cat above a chair, noto style"),
        ("a bird hanging from a tree", "a bird below a tree"),
        ("a cat hiding under a box", "a cat below a box"),
        ("a cat climbing a tree", "a cat beside a tree"),
        ("a boy eating banana", "a boy beside a banana"),
        ("cat with hat", "a hat above a cat"),
        ("a boy with a red crown", "a red crown above a boy"),
        ("two cats on a car", "a cat above a car"),
        ("three happy dogs sitting in a tree", "a dog above a tree"),
        ("birds on the car", "a bird above a car"),
        ("the two dogs are on a chair", "a dog above a chair"),
    ],
)
def test_two_things_stand_beside_or_above_one_another(prompt: str, told: str) -> None:
    assert READING.placed(prompt) == READING.worded(prompt) == told
    assert len(readings(told)[0]) == 2
    assert READING.placed(told) == ""
    assert READING.worded(told) == told


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("猫在箱子里", "猫在箱子的上面"),
        ("一只猫坐在一把椅子上", "猫在椅子的上面"),
        ("树上的鸟，noto 风格", "鸟在树的上面，noto 风格"),
        ("树下的猫", "猫在树的下面"),
        ("一只猫坐在一把椅子底下", "猫在椅子的下面"),
        ("狗开车", "狗在车的上面"),
        ("骑着狗的猫", "猫在狗的上面"),
        ("戴帽子的狗", "帽子在狗的上面"),
        ("狗戴着红色的帽子，蓝色背景", "红色的帽子在狗的上面，蓝色背景"),
        ("戴墨镜的猫", "猫和墨镜"),
        ("拿着香蕉的男孩", "男孩和香蕉"),
        ("男孩吃香蕉", "男孩和香蕉"),
        ("猫在树后面", "猫和树"),
        ("一只戴红色帽子的猫", "红色的帽子在猫的上面"),
        ("坐在椅子上的猫", "猫在椅子的上面"),
        ("一只在树上的鸟！", "鸟在树的上面"),
        ("一个拿着香蕉的男孩", "男孩和香蕉"),
        ("狗骑车", "狗在自行车的上面"),
        ("两只猫在车上", "猫在车的上面"),
        ("车上的三只猫", "猫在车的上面"),
        ("树上有两只鸟", "鸟在树的上面"),
        ("在椅子下面有一只狗", "狗在椅子的下面"),
        ("戴红帽子的猫", "红色的帽子在猫的上面"),
        ("小男孩骑自行车", "男孩在自行车的上面"),
        ("黑猫在红色小车上", "黑色的猫在红色的车的上面"),
    ],
)
def test_and_in_chinese(prompt: str, told: str) -> None:
    assert READING.placed(prompt) == READING.worded(prompt) == told
    assert len(readings(told)[0]) == 2
    assert READING.placed(told) == ""


@pytest.mark.parametrize(
    "prompt",
    ["", "a cat", "a cat above a dog", "a cat next to a dog", "a cat on the left, a dog on the right",
     "a cat and a dog", "two wugs on a car", "a cat on a blue background", "a cat on purple", "a cat in the snow",
     "a cat on the grass", "a cat in love", "a car on fire", "a heart on fire", "a heart on fire, noto style",
     "a sun behind cloud", "sun behind cloud, noto style", "a person walking next to a dog", "a boy in a tuxedo",
     "a cat on a cat", "a wug on a car", "a cat on a wug", "a cat in fluent style", f"a cat on a car, {'very ' * 60}",
     "草地上的猫", "猫在草地上", "猫", "猫在狗的上面", "猫在狗旁边", "大树", "坐着的狗", "骑鹦鹉的狗", "猫在猫上",
     "two cats in love", "three birds", "a cat with a banana", "four dogs on a blue background",
     "a cat on its dog", "a cat on a red", "a cat in sunglasses", "the sun behind a cloud",
     "a boy in red", "a bird on a hand", "a cat holding hands", "a boy in a chair shirt", "a hat in a top hat",
     "开着花的树", "树里的猫", "猫在树里", "看门的狗", "开箱子的猫", "车里的汽车", "手上的鸟",
     "开心的猫", "船里的狗", "船里的狗，noto 风格"],
)  # fmt: skip
def test_what_is_told_so_already_or_is_no_two_things_stays(prompt: str) -> None:
    assert READING.placed(prompt) == ""
