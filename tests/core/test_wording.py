"""Prompts worded as captions: what puts things together is changed, what they are called never."""

import random

import numpy as np
import pytest

from dalle_core.training.art import ArtSet, Picture
from dalle_core.training.compose import stage
from dalle_core.training.scenes import Mixture
from dalle_core.wording import plain, several

NAMES = several(["cat", "bow and arrow", "fork and knife", "face with hand over mouth", "flower", "两颗心", "心"])


def test_only_names_that_may_be_two_things_are_looked_out_for() -> None:
    assert NAMES == ("bow and arrow", "fork and knife", "face with hand over mouth", "两颗心")


@pytest.mark.parametrize(
    ("prompt", "worded"),
    [
        ("cat and dog", "a cat and a dog"),
        ("Cat & owl, noto style", "a Cat and an owl, noto style"),
        ("the cat and the dog on a blue background", "a cat and a dog on a blue background"),
        ("one cat and one dog.", "a cat and a dog."),
        ("a cat and dog", "a cat and a dog"),
        ("sun + moon in the night sky", "a sun and a moon in the night sky"),
        ("red apple and blue cup", "a red apple and a blue cup"),
        ("orange and apple", "an orange and an apple"),
        ("cat beside dog", "a cat beside a dog"),
        ("cat and dog wearing hats", "a cat and a dog wearing hats"),
        ("a cat on top of a dog", "a cat above a dog"),
        ("cat underneath the table", "a cat below a table"),
        ("cat on the left side of dog", "a cat left of a dog"),
        ("a cat to the right of my dog", "a cat to the right of a dog"),
        ("3 apples", "three apples"),
        ("draw me 2 cats", "two cats"),
        ("2 cats and 3 dogs", "two cats and three dogs"),
        ("please paint a cat", "a cat"),
        ("A picture of a cat, blob style", "a cat, blob style"),
        ("emoji of cat and dog", "a cat and a dog"),
        ("there is a cat on a car", "a cat on a car"),
        ("I’d like a cat, please!", "a cat!"),
        ("can you draw me a dog?", "a dog?"),
        ("I want to see 2 birds", "two birds"),
        ("a cute, hand-drawn illustration of cat and dog", "a cat and a dog"),
        ("a watercolor painting of a cat, blob style", "a cat, blob style"),
        ("lion logo", "lion"),
        ("cat emoji", "cat"),
        ("a cat icon on a blue background", "a cat on a blue background"),
        ("pictures of cats", "cats"),
        ("一个猫与一个狗，蓝色背景", "猫和狗，蓝色背景"),
        ("一只猫和一只狗", "猫和狗"),
        ("一只猫在一只狗的左边", "猫在狗的左边"),
        ("请画3个苹果", "三个苹果"),
        ("帮我生成一张猫和狗的图片，蓝色背景", "猫和狗，蓝色背景"),
        ("我想要三个苹果", "三个苹果"),
        ("有一只猫", "一只猫"),
        ("小猫的图标", "小猫"),
        ("夜空中的2只猫", "夜空中的两只猫"),
        ("二只猫", "两只猫"),
        ("三颗星，蓝色背景", "三个星，蓝色背景"),
        ("noto 风格的4朵花", "noto 风格的四个花"),
        ("夜空中的很多星星", "夜空中的四个星星"),
        ("一些苹果，蓝色背景", "三个苹果，蓝色背景"),
        ("几只猫", "三个猫"),
        ("一台电脑和一本书", "电脑和书"),
        ("白底的红苹果", "白色背景上的红苹果"),
        ("猫，浅蓝色底", "猫，浅蓝色背景"),
        ("三只猫，蓝底色，noto", "三只猫，蓝色背景，noto"),
    ],
)
def test_what_is_said_otherwise_is_put_as_captions_put_it(prompt: str, worded: str) -> None:
    assert plain(prompt, NAMES) == worded
    assert plain(worded, NAMES) == worded


@pytest.mark.parametrize(
    "prompt",
    ["", "cat", "a cat", "a black and white cat", "black and white cat", "red and blue ball", "up and down arrows",
     "orange and blue ball", "fork and knife, noto", "red bow and arrow on a yellow background", "two cats and a dog",
     "face with hand over mouth", "a cat, a dog and a bird", "a cat and a dog and a bird", "cup with straw", "and",
     "a cat wearing a hat and glasses", "两只猫和一只狗",
     "a cat on the left, a dog on the right", "paint palette", "draw", "icon of", "an icon",
     "a noto icon of a cat", "art of war", "a symbol of love", "I love you", "make up", "noto please", "please",
     "emoji", "and and and", "13 apples", "5 cats",
     "猫", "猫和狗", "一只猫", "一件和服", "两颗心，红色背景", "十二个苹果", "13个苹果", "画家", "猫在桌子上", "与",
     "很多", "带框的画", "有趣的猫", "图片", "我要稳稳的幸福",
     "几何", "一群", "本子", "黑白底片", "海底的鱼", "装有食物的浅底锅", "红底座"],
)  # fmt: skip
def test_what_is_one_thing_or_not_understood_stays(prompt: str) -> None:
    assert plain(prompt, NAMES) == prompt


def test_any_text_is_worded_and_once_is_enough() -> None:
    words = [*"猫狗和在与一两个只画请的左边，23,.&+", "cat", "an", "a", "the", "orange", "and", "on", "top", "of",
             "left", "draw", "me", "a picture of", "beside", "\n", "  ", "'", "-"]  # fmt: skip
    rng = random.Random(1)
    for _ in range(20_000):
        prompt = rng.choice(["", " "]).join(rng.choices(words, k=rng.randrange(9)))
        worded = plain(prompt, NAMES)
        assert bool(worded.strip()) == bool(prompt.strip()), prompt
        assert plain(worded, NAMES) == worded, prompt


def test_captions_are_worded_so_already() -> None:
    """Of things with one name each, in every scene there is."""
    labels = (
        ("cat", "猫"),
        ("orange book", "橙色书本"),
        ("owl", "猫头鹰"),
        ("bus", "公交车"),
        ("Tokyo tower", "东京塔"),
    )
    rows = tuple(Picture(f"noto/{en}", "noto", en, (en,), (zh,), hue=30.0) for en, zh in labels)
    art = ArtSet(np.zeros((len(rows), 4, 4, 4), np.uint8), rows)
    mixture = Mixture(counted=0.3, paired=0.4, backdrop=0.2, recolour=0.3, tiny=0.1)
    for number in range(2000):
        caption = stage(art, number % len(rows), np.random.default_rng((1, number)), mixture)[1]
        assert plain(caption) == caption
