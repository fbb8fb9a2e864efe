"""Chinese names read as English ones: only where they stand by themselves, and never a word that is part of another."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dalle_core.errors import CheckpointError
from dalle_core.everyday import Everyday
from dalle_core.glossary import Glossary
from dalle_core.phrases import readings
from dalle_core.tokenizers import TextTokenizer, train_tokenizer
from dalle_core.training.art import ArtSet, Picture
from dalle_core.training.bundle import glossary
from dalle_core.training.synonyms import EVERYDAY, everyday

NAMES = Glossary({
    "猫": "cat",
    "狗": "dog",
    "熊": "bear",
    "熊猫": "panda",
    "饼干": "cookie",
    "幸运饼干": "fortune cookie",
    "收起的伞": "closed umbrella",
    "困": "sleepy face",
})  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "worded"),
    [
        ("黑猫", "黑色的猫"),
        ("红色幸运饼干", "红色的幸运饼干"),
        ("浅蓝熊猫，noto 风格", "浅蓝色的熊猫，noto 风格"),
        ("小狗", "狗"),
        ("大黑狗", "黑色的狗"),
        ("白色小猫和黑色的大狗", "白色的猫和黑色的狗"),
        ("夜空中的小猫", "夜空中的猫"),
        ("三只小黑猫", "三只黑色的猫"),
        ("大红伞", "红伞"),  # a name itself
        ("白色男人", "白色的男人"),
    ],
)
def test_a_name_behind_its_colour_and_size_is_read_by_itself(prompt: str, worded: str) -> None:
    names = Glossary(NAMES.names | {"红伞": "red umbrella", "男人": "man"})
    assert names.worded(prompt) == worded
    assert names.worded(worded) == worded


@pytest.mark.parametrize(
    "prompt",
    ["黑色的猫", "红伞", "白人", "黑男人", "小的猫", "小小的猫", "猫，白色背景", "白色背景上的猫", "大熊猫",
     "黑", "小", "黑猫头鹰", "浅黑白猫", "红绿狗", "一点红"],
)  # fmt: skip
def test_what_is_no_colour_of_a_name_stays(prompt: str) -> None:
    names = Glossary(NAMES.names | {"红伞": "red umbrella", "男人": "man", "大熊猫": "panda", "白人": "man"})
    assert names.worded(prompt) == prompt


@pytest.mark.parametrize(
    ("prompt", "read"),
    [
        ("猫", "cat"),
        ("熊猫", "panda"),
        ("一只猫和一只狗", "一只cat和一只dog"),
        ("猫和狗", "cat和dog"),
        ("两个红色的幸运饼干", "两个红色的fortune cookie"),
        ("三只熊猫绿色背景", "三只panda绿色背景"),
        ("猫在狗的左边", "cat在dog的左边"),
        ("收起的伞下面的猫", "closed umbrella下面的cat"),
        ("夜空中的，noto 风格的熊", "夜空中的，noto 风格的bear"),
        ("绿色的收起的伞，黄色到红色渐变背景", "绿色的closed umbrella，黄色到红色渐变背景"),
        ("小小的猫, blob", "小小的cat, blob"),
        (" 猫，困", " cat，困"),
        ("blob 猫", "blob cat"),
    ],
)
def test_a_name_by_itself_is_looked_up(prompt: str, read: str) -> None:
    assert NAMES.read(prompt) == read


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "a cat",
        "猫头鹰",
        "小猫",
        "熊猫茶",
        "困的鸟",
        "猫的眼睛",
        "饼干盒在桌子上",
        "热狗",
        "🐈",
        "é猫咪",
        "小鸟，困",
        "夜空 熊",
    ],
)
def test_what_is_part_of_a_word_stays(prompt: str) -> None:
    assert NAMES.read(prompt) == prompt


def test_everyday_words_come_before_names_and_are_kept(tmp_path: Path) -> None:
    glossary = Glossary({"卡车": "car", "狗": "dog", "three": "3"}, Everyday(
        {"卡车": "delivery truck", "苹果": "red apple", "bike": "bicycle", "fries": "french fries"},
        {"dogs": "dog", "bikes": "bike", "bicycles": "bicycle"},
    ))  # fmt: skip
    assert glossary.read("一辆卡车和狗") == "一辆delivery truck和dog"
    assert glossary.read("红色的卡车") == "红色的delivery truck"
    assert glossary.read("苹果") == "red apple"
    assert glossary.read("一个苹果") == "一个red apple"
    for coloured in ("绿色的苹果", "红色苹果", "金色的苹果", "红的苹果", "可爱的苹果", "苹果派"):
        assert glossary.read(coloured) == coloured
    assert glossary.read(glossary.worded("three bikes")) == "三个bicycle"
    assert glossary.read(glossary.worded("three fries")) == "三个french fries"
    assert glossary.read(glossary.worded("bikes")) == "三个bicycle"
    assert glossary.read(glossary.worded("bikes and dogs")) == "a bicycle and a dog"
    assert all(map(glossary.knows, ("bike", "a bicycle", "苹果", "狗")))
    assert not glossary.knows("toy bike")
    glossary.save(tmp_path / "glossary.json")
    kept = Glossary.load(tmp_path / "glossary.json")
    assert (kept.names, kept.everyday.words) == (glossary.names, glossary.everyday.words)
    assert kept.everyday.plurals == glossary.everyday.plurals


def test_without_names_nothing_is_looked_up() -> None:
    assert Glossary().read("一只猫") == "一只猫"
    assert Glossary().worded("3 mice") == "three mice"


PLURALS = Glossary({
    "mice": "mouse",
    "computer mice": "computer mouse",
    "rockets": "rocket",
    "hearts with arrow": "heart with arrow",
    "cups": "cup",
    "swords": "sword",
    "crossed swords": "crossed swords",
    "four leaf clovers": "four leaf clover",
    "clovers": "clover",
})  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "worded", "phrase"),
    [
        ("three mice", "三个mouse", "mouse"),
        ("Two Mice.", "两个mouse.", "mouse"),
        ("4 computer mice, noto style", "四个computer mouse, noto style", "computer mouse"),
        ("three tiny rockets in the night sky", "三个tiny rocket in the night sky", "tiny rocket"),
        ("two purple cups on a blue background", "两个purple cup on a blue background", "purple cup"),
        ("two hearts with arrow on red", "两个heart with arrow on red", "heart with arrow"),
        ("draw three cups of tea", "三个cup of tea", "cup of tea"),
        ("two crossed swords", "两个crossed swords", "crossed swords"),
    ],
)
def test_one_of_several_is_called_as_a_caption_calls_it(prompt: str, worded: str, phrase: str) -> None:
    assert PLURALS.worded(prompt) == worded
    assert PLURALS.worded(worded) == worded
    ((found,),) = readings(worded)
    assert (found.text, len(found.places)) == (phrase, {"两": 2, "三": 3, "四": 4}[worded[0]])


@pytest.mark.parametrize(
    "prompt",
    [
        "mice",
        "five mice",
        "four leaf clovers",
        "three blind deaf grey mute mice",  # too far off
        "two mice and a geese",
        "two micewood trees",
        "two mice and two micewood trees",
        "two geese",
        "a cup of two cups",
    ],
)
def test_what_is_not_counted_or_not_known_stays(prompt: str) -> None:
    assert PLURALS.worded(prompt) == prompt


class TestDifferentThings:
    """A transformer has learned of two that stand somehow one each, and of one thing up to four."""

    @pytest.mark.parametrize(
        ("prompt", "worded"),
        [
            ("two mice beside a cup", "a mouse beside a cup"),
            ("2 mice next to 1 cup.", "a mouse next to a cup."),
            ("four rockets above two happy mice, noto style", "a rocket above a mouse, noto style"),
            ("the two mice on top of the cup on a blue background", "a mouse above a cup on a blue background"),
            ("two red cups to the left of two computer mice", "a red cup to the left of a computer mouse"),
        ],
    )
    def test_are_one_each(self, prompt: str, worded: str) -> None:
        assert PLURALS.worded(prompt) == worded
        assert PLURALS.one_each(prompt) == worded
        assert PLURALS.worded(worded) == worded
        assert PLURALS.one_each(worded) == ""
        assert len(readings(worded)[0]) == 2

    @pytest.mark.parametrize(
        "prompt",
        ["", "two mice", "a mouse and a cup", "two mice and two mice", "two mice and a wug", "two wugs and a cup",
         "two mice and a cup and a rocket", "two mice, a cup", "two crossed swords and a cup",
         f"two mice and a cup, {'very ' * 60}"],
    )  # fmt: skip
    def test_what_is_no_such_prompt(self, prompt: str) -> None:
        assert PLURALS.one_each(prompt) == ""
        assert PLURALS.worded(f"two mice and a cup, {'very ' * 60}").startswith("two mice")

    @pytest.mark.parametrize(
        ("prompt", "worded"),
        [
            ("two mice and a cup", "a mouse﹐a mouse﹐a cup"),
            ("a cup & 3 mice", "a cup﹐a mouse﹐a mouse﹐a mouse"),
            ("2 mice and 1 cup.", "a mouse﹐a mouse﹐a cup"),
            ("a mouse, a red cup and a rocket", "a mouse﹐a red cup﹐a rocket"),
            ("mice, cups, and rockets on a blue background", "a mouse﹐a cup﹐a rocket on a blue background"),
            ("a mouse and a cup and a rocket, noto style", "a mouse﹐a cup﹐a rocket, noto style"),
            ("four rockets and two happy mice, noto style", "a rocket﹐a rocket﹐a mouse﹐a mouse, noto style"),
            ("two mice and two red mice", "a mouse﹐a mouse﹐a red mouse﹐a red mouse"),
            ("two mice and a mouse", "a mouse﹐a mouse﹐a mouse"),
            ("the two mice and some cups", "a mouse﹐a mouse﹐a cup﹐a cup"),
            ("a mouse above a cup and a rocket", "a mouse﹐a cup﹐a rocket"),
            ("nine mice and a cup", "a mouse﹐a mouse﹐a mouse﹐a cup"),
        ],
    )
    def test_three_or_four_are_listed(self, prompt: str, worded: str) -> None:
        assert PLURALS.worded(prompt) == PLURALS.worded(worded) == worded

    @pytest.mark.parametrize(
        ("prompt", "worded", "asked"),
        [
            ("两只猫和一只狗", "猫﹐猫﹐狗", 3),
            ("一只猫和三个红色的狗，noto 风格", "猫﹐红色的狗﹐红色的狗﹐红色的狗，noto 风格", 4),
            ("2个猫与熊猫", "猫﹐猫﹐熊猫", 3),
            ("四只猫和四只狗", "猫﹐猫﹐狗﹐狗", 8),
            ("夜空中的猫、狗和熊猫", "夜空中的猫﹐狗﹐熊猫", 3),
            ("猫、狗和熊猫在雪地里", "猫﹐狗﹐熊猫在雪地里", 3),
        ],
    )
    def test_so_they_are_in_chinese(self, prompt: str, worded: str, asked: int) -> None:
        listing = NAMES.listed(prompt)
        assert listing is not None
        assert (listing.told(), listing.asked) == (worded, asked)
        assert NAMES.worded(prompt) == NAMES.worded(worded) == worded

    @pytest.mark.parametrize(
        "prompt",
        ["", "两只猫", "猫和狗", "两只猫和一只鹦鹉", "两只猫在狗的左边", "two mice and a wug",
         "a mouse and a cup", f"two mice and a cup, {'very ' * 60}"],
    )  # fmt: skip
    def test_what_is_no_list(self, prompt: str) -> None:
        assert NAMES.listed(prompt) is None
        assert PLURALS.listed(prompt) is None

    @pytest.mark.parametrize(
        ("prompt", "worded"),
        [
            ("猫 狗", "猫和狗"),
            ("猫、熊猫，蓝色背景", "猫和熊猫，蓝色背景"),
            ("猫 狗 熊", "猫 狗 熊"),
            ("熊 猫", "熊 猫"),  # a panda, perhaps
            ("猫 白色", "猫 白色"),
            ("猫 猫", "猫 猫"),
        ],
    )
    def test_two_names_side_by_side_are_two_things(self, prompt: str, worded: str) -> None:
        assert NAMES.worded(prompt) == worded

    def test_but_not_where_they_are_one_word_with_a_space_in_it(self) -> None:
        reading = Glossary({"苹果": "red apple", "树": "tree", "鸟": "bird"})
        assert reading.worded("苹果 树") == "苹果 树"
        assert reading.worded("树 苹果") == "树和苹果"


@pytest.mark.parametrize(
    ("prompt", "worded"),
    [
        ("a hammer and a boy", "a hammer beside a boy"),
        ("boy & red hammer, noto style", "a boy beside a red hammer, noto style"),
        ("a mallet and a key on a blue background", "a mallet beside a key on a blue background"),
        ("a hammer above a boy", "a hammer above a boy"),
        ("a boy and a pick", "a boy and a pick"),  # no name begins with it
        ("a jackhammer and a boy", "a jackhammer and a boy"),
        ("hammer and pick", "hammer and pick"),
        ("a hammer and pick", "a hammer and pick"),
        ("two hammers", "两个hammer"),
        ("a hammer on the left, a boy on the right", "a hammer on the left, a boy on the right"),
        ("锤子和男孩", "锤子和男孩"),
    ],
)
def test_what_a_name_begins_with_is_not_joined_by_and(prompt: str, worded: str) -> None:
    """“hammer and” is mostly followed by “pick”, which is what is painted then."""
    names = {"hammer and pick": "hammer and pick", "hammers": "hammer"}
    reading = Glossary(names, Everyday({"mallet": "hammer"}, {"hammers": "hammer"}))
    assert reading.worded(prompt) == worded
    assert reading.worded(worded) == worded


def test_a_tokenizer_reads_by_it(tmp_path: Path) -> None:
    plain = train_tokenizer(["cat and panda", "猫和熊猫", "红色的猫"] * 4, 400, 12)
    reading = TextTokenizer(plain.library, 12, NAMES)
    assert reading.encode("红色的熊猫") == plain.encode("红色的panda")
    assert reading.encode("panda") == plain.encode("panda")
    assert reading.encode_with_dropout("熊猫", 0.0, 1) == plain.encode_with_dropout("panda", 0.0, 1)
    NAMES.save(tmp_path / "glossary.json")
    assert Glossary.load(tmp_path / "glossary.json").names == NAMES.names


@pytest.mark.parametrize(
    "text",
    [
        '{"names": {"猫": 3}}',
        '{"names": {}, "everyday": "cat"}',
        '{"names": {}, "other": {}}',
        '{"猫": 3}',
        '{"": "cat"}',
        '{"猫": ""}',
        '["猫"]',
        "{",
    ],
)
def test_what_is_no_glossary_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "glossary.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"glossary\.json"):
        Glossary.load(path)


def art(*labels: tuple[str, str]) -> ArtSet:
    """Each picture's English label, and its Chinese names, the label first."""
    rows = tuple(Picture(f"noto/{en}", "noto", en, (en,), tuple(zh.split())) for en, zh in labels)
    return ArtSet(np.zeros((len(rows), 2, 2, 4), np.uint8), rows)


def test_an_art_s_names_make_one() -> None:
    made = glossary(art(("Otter", "獭 水獭"), ("owl", ""), ("pt-boat", "T艇")))
    assert chinese(made) == {"T艇": "pt-boat", "獭": "otter", "水獭": "otter"}
    assert english(made) == {"otters": "otter", "owls": "owl", "pt-boats": "pt-boat"}


def test_what_is_a_name_itself_is_no_plural() -> None:
    rows = [("glass", "rockets", "杯"), ("glasses", "", "眼镜"), ("rocket", "rockets", "火箭"), ("sheep", "", "羊")]
    pictures = tuple(Picture(en, "noto", en, tuple(filter(None, (en, more))), (zh,)) for en, more, zh in rows)
    made = glossary(ArtSet(np.zeros((len(rows), 2, 2, 4), np.uint8), pictures))
    assert english(made) == {"glasses": "glasses", "rockets": "rocket", "sheep": "sheep"}


def test_without_chinese_nothing_is_counted_in_it() -> None:
    """A model that never saw 三个 is not told it."""
    assert glossary(art(("cat", ""), ("bow and arrow", ""))).names == {"bow and arrow": "bow and arrow"}


def test_everyday_words_of_the_labels_that_there_are_come_before_synonyms() -> None:
    made = glossary(
        art(("bicycle", "自行车"), ("hiking boot", "登山靴 背包"), ("backpack", "双肩包"), ("glasses", "眼镜"))
    )
    words, plurals = made.everyday.words, made.everyday.plurals
    assert {"bike": "bicycle", "rucksack": "backpack", "背包": "backpack"}.items() <= words.items()
    assert set(words.values()) == {"bicycle", "backpack", "glasses"}
    assert {"bicycles": "bicycle", "bikes": "bike", "glasses": "glasses"}.items() <= plurals.items()
    assert "背包" not in made.names
    assert made.read(made.worded("four bikes")) == "四个bicycle"
    assert made.read(made.worded("four red bikes")) == "四个red bicycle"


def test_an_animal_is_read_as_its_face_unless_it_is_to_stand() -> None:
    labels = {"dog", "dog face", "pig", "cat", "cat face", "bicycle"}
    words = everyday(labels)
    assert {word: words[word] for word in ("dog", "puppy", "kitten", "bike")} == {
        "dog": "dog face", "puppy": "dog face", "kitten": "cat face", "bike": "bicycle"
    }  # fmt: skip
    assert "pig" not in words  # there is no face
    reading = Glossary({"狗": "dog", "猫": "cat"}, Everyday(words, {"dogs": "dog"}))
    told = {
        prompt: reading.read(reading.worded(prompt))
        for prompt in ("a standing dog", "站着的狗", "a dog face", "狗和猫", "a sitting orange cat", "站着的白猫")
    }
    assert list(told.values()) == ["a dog", "dog", "a dog face", "dog face和cat face", "an orange cat", "白色的cat"]
    assert reading.left_out("a standing dog") == reading.left_out("站着的狗") == ()


def test_each_everyday_word_means_one_thing() -> None:
    told = [word for words in EVERYDAY.values() for word in map(str.strip, re.split("[,/]", words)) if word]
    assert len(told) == len(set(told))
    assert all(word == word.lower() for word in (*told, *EVERYDAY))
    assert everyday({"bicycle", "bike"}) == {"push bike": "bicycle", "pushbike": "bicycle", "单车": "bicycle"}


def test_one_s_own_art_is_called_as_it_is() -> None:
    made = glossary(replace(art(("bicycle", "自行车")), origin="own"))
    assert (made.everyday.words, made.everyday.plurals) == ({}, {})


def english(made: Glossary) -> dict[str, str]:
    return {name: read for name, read in made.names.items() if name.isascii()}


def chinese(made: Glossary) -> dict[str, str]:
    return {name: read for name, read in made.names.items() if not name.isascii()}


def test_a_synonym_gives_way_to_a_label_and_to_what_it_may_mean_besides() -> None:
    made = glossary(art(("cat", "猫 宠物 咪 蓝色"), ("dog", "狗 宠物 猫")))
    assert chinese(made) == {"猫": "cat", "狗": "dog"}


def test_a_label_of_several_things_is_left_out() -> None:
    assert chinese(glossary(art(("crab", "蟹"), ("king crab", "蟹"), ("crab", "螃蟹")))) == {"螃蟹": "crab"}


def test_a_colour_that_the_prompt_may_change_is_not_put_in() -> None:
    made = glossary(art(("red apple", "苹果"), ("red heart", "红心"), ("black bird", "乌鸫")))
    assert chinese(made) == {"红心": "red heart"}


def test_a_name_is_known_in_both_languages_with_an_article_or_without() -> None:
    glossary = Glossary({"青苹果": "green apple", "green apples": "green apple"})
    assert all(map(glossary.knows, ("green apple", "A green apple", "青苹果", "green apples")))
    assert not any(map(glossary.knows, ("apple", "a red apple", "苹果", "")))
