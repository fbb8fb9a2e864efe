"""Captions: everything they say about a picture is true, in both languages."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from dalle_core.hues import HUES
from dalle_core.training.art import Picture
from dalle_core.training.captions import CHINESE_SHARE, STYLE_SHARE, caption, plural
from dalle_core.training.palette import BACKDROPS, BACKGROUNDS, ZH
from dalle_core.training.scenes import RELATIONS, Relation, Scene

CAT = Picture("noto/cat", "noto", "cat", ("cat", "kitten"), ("猫", "猫咪"))
APPLE = Picture("noto/red-apple", "noto", "red apple", ("red apple",), ("红苹果",), hue=2.0)
DRAWS = 300
CHINESE = re.compile(r"[\u3400-\u9fff]")
GROUNDS = range(1, len(BACKGROUNDS))


def draw(
    row: Picture, scene: Scene | None = None, draws: int = DRAWS, seed: int = 0, other: Picture | None = None
) -> list[str]:
    rng = np.random.default_rng(seed)
    return [caption(row, scene or Scene(), rng, other) for _ in range(draws)]


def english(row: Picture, scene: Scene | None = None) -> list[str]:
    return draw(replace(row, zh=()), scene)


def chinese(row: Picture, scene: Scene | None = None) -> list[str]:
    return [text for text in draw(row, scene, 3 * DRAWS) if CHINESE.search(text)]


def says_colour(text: str) -> set[str]:
    """The English colour words of a caption; of "light blue" only that."""
    rest, found = text, set()
    for name in sorted((colour.en for colour in BACKGROUNDS), key=len, reverse=True):
        rest, count = re.subn(rf"\b{name}\b", "", rest)
        found |= {name} if count else set()
    return found


def test_the_same_stream_gives_the_same_captions():
    assert draw(CAT, seed=3) == draw(CAT, seed=3) != draw(CAT, seed=4)


def test_languages_are_mixed_where_there_are_two():
    share = sum(bool(CHINESE.search(text)) for text in draw(CAT, draws=2000)) / 2000
    assert share == pytest.approx(CHINESE_SHARE, abs=0.04)
    assert not any(CHINESE.search(text) for text in english(CAT))


def test_a_bare_name_is_often_all():
    bare = Counter(english(CAT))
    assert bare["cat"] + bare["a cat"] > (1 - STYLE_SHARE) * DRAWS / 2


def test_the_label_is_commoner_than_a_synonym():
    texts = english(CAT)
    assert sum("cat" in text for text in texts) > 0.8 * DRAWS
    assert sum("kitten" in text for text in texts) > 0.1 * DRAWS


@pytest.mark.parametrize("row", [CAT, replace(CAT, style="fluent flat"), replace(CAT, style="")])
def test_no_other_style_is_named(row: Picture):
    texts = draw(row)
    assert any(row.style in text for text in texts)
    assert not any(other in text for text in texts for other in ("twemoji", "blob", "firefox"))
    if not row.style:
        assert not any("style" in text or "风格" in text for text in texts)


def test_a_picture_on_white_claims_no_other_ground():
    texts = english(CAT)
    assert {colour for text in texts for colour in says_colour(text)} == {"white"}
    assert 0 < sum("white" in text for text in texts) < DRAWS / 3
    assert all("背景" not in text or "白色背景" in text for text in chinese(CAT))


@pytest.mark.parametrize("ground", GROUNDS)
def test_a_coloured_ground_is_named(ground: int):
    colour = BACKGROUNDS[ground]
    assert all(says_colour(text) == {colour.en} for text in english(CAT, Scene(ground=ground)))
    assert all(f"{colour.zh}背景" in text for text in chinese(CAT, Scene(ground=ground)))


def test_a_gradient_is_named_from_top_to_bottom():
    scene = Scene(ground=3, gradient=8)
    assert all(re.search(r"\bred to (a )?blue\b", text) for text in english(CAT, scene))
    assert all("红色到蓝色渐变背景" in text for text in chinese(CAT, scene))


@pytest.mark.parametrize("hue", [name for name in HUES if name != "red"])
def test_a_new_colour_takes_the_place_of_the_old(hue: str):
    scene = Scene(hue=hue)
    assert all(says_colour(text) - {"white"} == {hue} for text in english(APPLE, scene))
    assert all(f"{ZH[hue]}苹果" in text and "红" not in text for text in chinese(APPLE, scene))


def test_a_new_colour_is_put_before_a_name_without_one():
    assert all(re.search(r"\bpurple (cat|kitten)\b", text) for text in english(CAT, Scene(hue="purple")))
    assert all(re.search(r"紫色的猫", text) for text in chinese(CAT, Scene(hue="purple")))


@pytest.mark.parametrize("name", ["黄瓜", "西红柿", "口红", "棕榈树", "黄油"])
def test_a_colour_inside_a_name_stays(name: str):
    assert all(f"紫色的{name}" in text for text in chinese(replace(CAT, zh=(name,)), Scene(hue="purple")))


@pytest.mark.parametrize(("name", "expected"), [("深红色的心", "深蓝色心"), ("红心", "蓝色心"), ("红色", "蓝色")])
def test_a_colour_that_describes_is_replaced(name: str, expected: str):
    assert all(expected in text for text in chinese(replace(CAT, zh=(name,)), Scene(hue="blue")))


def test_the_pictures_own_colour_may_be_named():
    row = replace(APPLE, en=("apple",), zh=(), hue=110.0)
    named = {colour for text in draw(row) for colour in says_colour(text)}
    assert named == {"green", "white"}


def test_a_tiny_picture_is_called_so():
    assert all(re.search(r"\b(tiny|small|little) (cat|kitten)", text) for text in english(CAT, Scene(tiny=True)))
    assert all("小小的猫" in text for text in chinese(CAT, Scene(tiny=True)))
    assert not any(re.search(r"\b(tiny|small|little)\b", text) for text in english(CAT))


def test_articles_agree():
    texts = english(replace(CAT, en=("apple",)))
    assert any("an apple" in text for text in texts)
    assert not any(re.search(r"\ba apple", text) for text in texts)
    assert not any(re.search(r"\ban cat", text) for text in english(CAT))


def test_captions_have_no_stray_spaces_or_commas():
    scenes = [Scene(), Scene(ground=7), Scene(ground=2, gradient=5), Scene(hue="pink", tiny=True)]
    for text in (text for scene in scenes for text in draw(APPLE, scene)):
        assert text == text.strip(" ,，")
        assert not re.search(r"  |,,|，，| ,", text)


@pytest.mark.parametrize("backdrop", list(BACKDROPS))
def test_a_backdrop_is_named(backdrop: str):
    scene = Scene(backdrop=backdrop)
    assert all(BACKDROPS[backdrop].en in text for text in english(CAT, scene))
    assert all(BACKDROPS[backdrop].zh in text for text in chinese(CAT, scene))


@pytest.mark.parametrize(("count", "en", "zh"), [(2, "two", "两"), (3, "three", "三"), (4, "four", "四")])
def test_several_are_counted(count: int, en: str, zh: str):
    assert all(re.search(rf"\b{en} (cats|kittens)\b", text.lower()) for text in english(CAT, Scene(count=count)))
    assert all(re.search(f"{zh}[个只]猫", text) for text in chinese(CAT, Scene(count=count)))


@pytest.mark.parametrize(
    ("one", "several"),
    [("cat", "cats"), ("bus", "buses"), ("dress", "dresses"), ("face with tears of joy", "faces with tears of joy"),
     ("purple leaf", "purple leaves"), ("chopsticks", "chopsticks"), ("person", "people"), ("fish", "fish"),
     ("slice of cake", "slices of cake"), ("cat, kitten", "cats, kitten"), ("octopus", "octopuses")],
)  # fmt: skip
def test_plurals(one: str, several: str):
    assert plural(one) == several


WHERE = {  # (the cat's place, the apple's) → what may be said of them
    "beside": r"\bcat\b.* (and|beside|next to) .*\bapple|猫和.*苹果|猫在.*苹果旁边|苹果旁边的猫",
    "left of": r"cat.* left of .*apple|cat.* on the left, .*apple.* on the right|苹果的?左边的猫|猫.*在.*苹果.*左边",
    "right of": r"cat.* right of .*apple|cat.* on the right, .*apple.* on the left|苹果的?右边的猫|猫.*在.*苹果.*右边",
    "above": r"cat.* (above|over) .*apple|苹果的?上面的猫|猫.*在.*苹果.*上面",
    "below": r"cat.* (below|under) .*apple|苹果的?下面的猫|猫.*在.*苹果.*下面",
}


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_pair_is_told_with_its_relation(relation: Relation):
    cat = replace(CAT, en=("cat",), zh=("猫",), style="")
    texts = draw(cat, Scene(other=1, relation=relation), other=replace(APPLE, style=""))
    assert any(CHINESE.search(text) for text in texts)
    assert any(not CHINESE.search(text) for text in texts)
    assert [text for text in texts if not re.search(WHERE[relation], text.lower())] == []


def test_each_of_a_pair_keeps_its_colour():
    scene = Scene(other=1, relation="beside", hue="purple", other_hue="green")
    for text in draw(replace(CAT, en=("cat",), zh=()), scene, other=APPLE):
        assert re.search(r"\bpurple cat\b.*\bgreen apple\b", text.lower())
