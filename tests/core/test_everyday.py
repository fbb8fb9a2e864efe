"""What people say, read as what a model knows: only where it stands by itself, and nothing that means another thing."""

import random
import time

import pytest

from dalle_core.everyday import Everyday

WORDS = Everyday(
    {
        "bike": "bicycle",
        "car": "automobile",
        "kitty": "cat",
        "kitty cat": "cat",
        "happy kitty": "grinning cat",
        "apple": "red apple",
        "crow": "black bird",
        "king": "person with crown",
        "hand": "raised hand",
        "flowers": "bouquet",
        "fries": "french fries",
        "smile": "smiling face",
        "hat": "top hat",
        "coloured hat": "woman's hat",
        "ball": "soccer ball",
        "coloured ball": "red circle",
        "flower": "blossom",
    },
    {
        "bikes": "bike", "cars": "car", "kitties": "kitty", "dogs": "dog", "mice": "mouse", "flowers": "flower",
        "hands": "hand", "shoes": "shoe", "birds": "bird", "crowns": "crown", "ghosts": "ghost", "suns": "sun",
        "apples": "apple", "light bulbs": "light bulb", "cups with straw": "cup with straw", "cups": "cup",
        "hands with fingers": "hand with fingers", "computer mice": "computer mouse", "hot springs": "hot springs",
        "scissors": "scissors", "roses": "rose", "computer mouses": "computer mouse",
    },
)  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "read"),
    [
        ("bike", "bicycle"),
        ("a BIKE, noto style", "a bicycle, noto style"),
        ("a car", "an automobile"),
        ("A car and an apple", "An automobile and a red apple"),
        ("an old car on a blue background", "an old automobile on a blue background"),
        ("a car blue background", "an automobile blue background"),
        ("a car above a tiny bike.", "an automobile above a tiny bicycle."),
        ("the car", "the automobile"),
        ("a kitty cat left of a kitty", "a cat left of a cat"),
        ("a kitty to the right of the car", "a cat to the right of the automobile"),
        ("a happy kitty in the snow", "a grinning cat in the snow"),
        ("a light blue car", "a light blue automobile"),
        ("两个bike，蓝色背景", "两个bicycle，蓝色背景"),
        ("小小的bike", "小小的bicycle"),
        ("a hand with fingers and a hand", "a hand with fingers and a raised hand"),
        ("a car, car", "an automobile, car"),
        ("两个big red car", "两个big red automobile"),
        ("a hat and a black hat", "a top hat and a black top hat"),
        ("a red hat and a blue, happy hat", "a red woman's hat and a blue, happy woman's hat"),
        ("红色的hat and 三个green ball", "红色的woman's hat and 三个green circle"),
        ("a coloured ball", "a red circle"),
    ],
)
def test_a_word_by_itself_is_read(prompt: str, read: str) -> None:
    assert WORDS.read(prompt) == read


@pytest.mark.parametrize(
    "prompt",
    ["a toy car", "a car wash", "the car's wheel", "a mini-car", "cars", "scar", "carpet", "a cart of apples",
     "a bicycle", "a dog", "猫", "", "a can of apple juice", "Green Apple", "Old Crow",
     # the colour that is asked for goes before a label's own
     "a green apple", "a golden apple", "a black crow", "a blue shiny apple", "a golden, shiny apple",
     "an apple in green",
     # what is behind "in" and "on" is a ground
     "a dog in a car", "a bird on the car", "a dog on car", "a bird in an old car", "a dog with a smile"],
)  # fmt: skip
def test_what_is_another_thing_stays(prompt: str) -> None:
    assert WORDS.read(prompt) == prompt


@pytest.mark.parametrize(
    ("prompt", "paired"),
    [
        ("a dog with a bike", "a dog and a bike"),
        ("a happy dog with a red bike on a blue background", "a happy dog and a red bike on a blue background"),
        ("a dog, a car, noto style", "a dog and a car, noto style"),
        ("a dog, and a car.", "a dog and a car."),
        ("a bikes and a dogs", "a bike and a dog"),
        ("a red bikes above a kitties", "a red bike above a kitty"),
        ("a suns and a sunset", "a sun and a sunset"),
        ("a flowers and a dogs", "a flowers and a dog"),
        ("a cup with a straw, noto style", "a cup with straw, noto style"),
    ],
)
def test_two_known_things_are_put_together(prompt: str, paired: str) -> None:
    assert WORDS.paired(prompt) == paired
    assert WORDS.paired(paired) == paired


@pytest.mark.parametrize(
    "prompt",
    ["a dog with a smile", "a dog with a hand", "a dog with a spot", "a king with a crown", "a dog, a kind of animal",
     "a dog, a car and a bike", "a dog, a car, a bike", "a dog with two bikes", "a dog in a car", "a dog, a red car",
     "a bird, a crow", "a mouse, a computer mouse", "a dog, a bird", "a dog with a crown on its head", "dogs",
     "a dog with a car and a bike"],
)  # fmt: skip
def test_parts_kinds_and_lists_are_not(prompt: str) -> None:
    assert WORDS.paired(prompt) == prompt


@pytest.mark.parametrize(
    ("prompt", "count", "one"),
    [
        ("mice", 3, "mouse"),
        ("some mice, noto style", 3, "mouse, noto style"),
        ("happy computer mice on a blue background", 3, "happy computer mouse on a blue background"),
        ("the bikes", 3, "bike"),
        ("Cups.", 3, "cup."),
        ("many dogs in the snow", 4, "dog in the snow"),
        ("a lot of red apples", 4, "red apple"),
        ("a pair of dogs", 2, "dog"),
        ("shoes", 2, "shoe"),
        ("some flowers", 3, "flower"),
    ],
)
def test_a_plural_is_several(prompt: str, count: int, one: str) -> None:
    assert WORDS.several(prompt) == (count, one)


@pytest.mark.parametrize(
    "prompt",
    ["mouse", "the mouse", "scissors", "some scissors", "hot springs", "some", "", "flowers", "fries", "five mice",
     "mice and dogs", "mice, dogs", "mice, sun, rose", "mice on the left, dogs on the right", "a dog chasing mice",
     "Angry Birds", "The Suns", "news", "mice of the wood", "mice chasing a dog", "100"],
)  # fmt: skip
def test_what_is_one_or_a_list_is_not(prompt: str) -> None:
    assert WORDS.several(prompt) == (0, prompt)


def test_any_text_is_read_once_and_for_all() -> None:
    rng = random.Random(2)
    words = [
        *"，。's-.,!",
        "三个",
        "a",
        "an",
        "the",
        "red",
        "bike",
        "Car",
        "happy",
        "kitty",
        "cat",
        "apple",
        "and",
        "of",
    ]
    for _ in range(20_000):
        text = rng.choice(["", " "]).join(rng.choices(words, k=rng.randrange(9)))
        read = WORDS.read(text)
        assert bool(read) == bool(text)
        assert WORDS.read(read) == read, text


@pytest.mark.parametrize("text", ["a car!", "a hat with ", "a dog, ", "happy ", "car🚗", "a dog and "])
def test_a_long_text_takes_no_longer_than_it_is(text: str) -> None:
    started = time.perf_counter()
    for read in (WORDS.read, WORDS.paired, WORDS.several):
        read(text * (20_000 // len(text)))
    assert time.perf_counter() - started < 3


def test_without_words_all_stays() -> None:
    empty = Everyday()
    assert (empty.read("a bike"), empty.paired("a cat with a dog"), empty.several("cats")) == (
        "a bike", "a cat with a dog", (0, "cats"),
    )  # fmt: skip
