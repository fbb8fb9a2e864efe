"""IconEval's prompts: which there are, in which words, and what a picture of each must show."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dalle_core.training.art import ArtSet, Picture, Split
from dalle_core.training.iconeval import CATEGORIES, Prompt, Wish, chinese_text, english_text, icon_prompts
from dalle_core.training.scenes import Scene, is_held_out

FIRST = "apple banana car dog egg fox goat house ink jacket kite lion moon"
SECOND = "ant bear cat deer eel fig gem hat igloo jar key leg map"
NAMES = [name for pair in zip(FIRST.split(), SECOND.split(), strict=True) for name in pair]
CHINESE = {"apple": "苹果", "banana": "香蕉"}


def picture(name: str, style: str) -> Picture:
    split: Split = "heldout" if style == "noto" else "train"
    return Picture(f"{style}/{name}", style, name, (name,), (CHINESE.get(name, name),), split=split, hue=30.0)


ROWS = tuple(picture(name, style) for name in NAMES for style in ("noto", "blob"))
ART = ArtSet(np.zeros((len(ROWS), 8, 8, 4), np.uint8), ROWS)


def prompts(each: int = 12) -> list[Prompt]:
    return icon_prompts(ART, each, lambda one, other: one == other)


def concepts(wish: Wish) -> list[str]:
    return [ART.rows[row].concept for row in (wish.row, wish.scene.other) if row is not None]


class TestWhichThereAre:
    def test_each_category_has_as_many_as_asked_half_of_them_chinese(self):
        made = prompts(8)
        assert {category: sum(p.category == category for p in made) for category in CATEGORIES} == dict.fromkeys(
            CATEGORIES, 8
        )
        assert sum(p.chinese for p in made) == len(made) / 2

    def test_half_are_combinations_that_training_never_shows(self):
        for category in ("two objects", "counting", "colours", "position", "colour binding"):
            unseen = [p.wish.heldout for p in prompts(8) if p.category == category]
            assert sum(unseen) == len(unseen) / 2

    def test_held_out_is_what_the_rule_says(self):
        for prompt in prompts():
            scene, shown = prompt.wish.scene, concepts(prompt.wish)
            by_rule = scene.other is not None and is_held_out("pair", *sorted(shown))
            by_rule |= scene.count > 1 and is_held_out("count", shown[0], str(scene.count))
            hues = zip(shown, (scene.hue, scene.other_hue), strict=False)
            by_rule |= any(hue is not None and is_held_out("hue", concept, hue) for concept, hue in hues)
            named = prompt.wish.style == "noto"  # the style in which every concept is held out
            assert prompt.wish.heldout == (by_rule or named)

    def test_fewer_are_the_first_of_more(self):
        def texts(each: int, category: str) -> list[str]:
            return [p.text for p in prompts(each) if p.category == category]

        for category in CATEGORIES:
            assert texts(4, category) == texts(12, category)[:4]

    def test_both_languages_wish_for_the_same_with_the_same_seeds(self):
        made = prompts()
        english, chinese = ([p for p in made if p.chinese == wanted] for wanted in (False, True))
        assert [(p.wish, p.seed) for p in english] == [(p.wish, p.seed) for p in chinese]
        assert len({p.seed for p in english}) == len(english)

    def test_every_picture_is_one_that_no_network_learned_from(self):
        learned_from = set(ART.where("train").tolist()) | set(ART.heldout("validation").tolist())
        rows = {row for p in prompts() for row in (p.wish.row, p.wish.scene.other) if row is not None}
        assert not rows & learned_from

    def test_objects_that_look_alike_never_stand_together(self):
        def alike(one: str, other: str) -> bool:
            return one < "h" and other < "h"

        pairs = [concepts(p.wish) for p in icon_prompts(ART, 12, alike) if p.wish.scene.other is not None]
        assert pairs
        assert not any(alike(*pair) for pair in pairs)

    def test_other_graders_leave_out_other_prompts_and_change_none(self):
        def made(alike: Callable[[str, str], bool], unseen: bool) -> list[tuple[str, int]]:
            chosen = [p for p in icon_prompts(ART, 400, alike) if p.category == "two objects"]
            return [(p.text, p.seed) for p in chosen if p.wish.heldout == unseen and name not in p.text]

        name = ART.rows[ART.heldout("test")[0]].en[0]
        for unseen in (False, True):
            every, some = made(lambda one, other: False, unseen), made(lambda one, other: name in (one, other), unseen)
            shorter = min(len(every), len(some))
            assert shorter > 20
            assert every[:shorter] == some[:shorter]

    def test_art_without_chinese_names_gets_english_prompts(self):
        plain = replace(ART, rows=tuple(replace(row, zh=()) for row in ROWS))
        made = icon_prompts(plain, 4, lambda one, other: one == other)
        assert {p.chinese for p in made} == {False}
        assert {p.category for p in made} == set(CATEGORIES)

    def test_one_picture_asks_for_no_pairs(self):
        alone = replace(ART, rows=tuple(replace(row, split="train") for row in ROWS[1:]) + ROWS[:1])
        made = icon_prompts(alone, 4, lambda one, other: one == other)
        assert {p.category for p in made} == {"single object", "counting", "colours"}


@pytest.mark.parametrize(
    ("scene", "style", "english", "chinese"),
    [
        (Scene(), "noto", "an apple, noto style", "苹果，noto 风格"),
        (Scene(), "", "an apple", "一个苹果"),
        (Scene(count=3), "", "three apples", "三个苹果"),
        (Scene(hue="blue"), "", "a blue apple", "一个蓝色的苹果"),
        (Scene(ground=8), "noto", "an apple, noto style on a blue background", "苹果，noto 风格，蓝色背景"),
        (Scene(other=4, relation="beside"), "", "an apple and a banana", "苹果和香蕉"),
        (Scene(other=4, relation="above"), "", "an apple above a banana", "苹果在香蕉的上面"),
        (Scene(other=4, relation="left of"), "", "an apple left of a banana", "苹果在香蕉的左边"),
        (
            Scene(other=4, relation="beside", hue="red", other_hue="blue"),
            "",
            "a red apple and a blue banana",
            "红色的苹果和蓝色的香蕉",
        ),
    ],
)
def test_words(scene: Scene, style: str, english: str, chinese: str):
    wish = Wish(0, scene, style, heldout=False)
    assert english_text(ART, wish) == english
    assert chinese_text(ART, wish) == chinese
