"""Which words of a prompt were never learned, what is near them, and finding a name: in English and in Chinese."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.models import DEFAULT_MODEL
from app.settings import Settings
from app.ui.examples import example_prompts
from dalle_core.errors import CheckpointError
from dalle_core.glossary import GLOSSARY
from dalle_core.phrases import division
from dalle_core.training.art import ArtSet, Picture
from dalle_core.training.bundle import glossary, vocabulary
from dalle_core.training.compose import stage
from dalle_core.training.kinds import KINDS, kinds
from dalle_core.training.scenes import Mixture
from dalle_core.training.sheets import PROMPTS
from dalle_core.vocabulary import QUOTED, VOCABULARY, Name, Vocabulary, quoted

BUNDLED = Settings.models_dir / DEFAULT_MODEL
LABELS = (
    ("cat", "猫"),
    ("cat face", "猫脸"),
    ("black cat", "黑猫"),
    ("dog", "狗 小狗"),
    ("bicycle", "自行车"),
    ("fire", "火 火焰"),
    ("dragon", "龙"),
    ("rocket", "火箭"),
    ("orange book", "橙色书本"),
    ("horse racing", "赛马"),
    ("fork and knife", "刀叉"),
)


def art() -> ArtSet:
    rows = tuple(Picture(f"noto/{en}", "noto", en, (en, f"{en} tag"), tuple(zh.split()), hue=30.0) for en, zh in LABELS)
    return ArtSet(np.zeros((len(rows), 4, 4, 4), np.uint8), rows)


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    return vocabulary(art(), glossary(art()))


@pytest.fixture(scope="module")
def bundled() -> Vocabulary:
    found = Vocabulary.of_model(BUNDLED)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("", []),
        ("A CAT'S dog", []),
        ("a cat and a dog on a light blue background, noto style", []),
        ("three bikes in the night sky", []),  # an everyday word, a plural, a ground
        ("my cat, please!", []),
        ("a corgi and a cat", ["corgi"]),
        ("Zorgon cat zorgon, a zorgon", ["Zorgon"]),
        ("a naïve café", ["naïve", "café"]),
        ("cat 🚀 42 ?!", []),
        ("racing", []),
        ("猫", []),
        ("草地上的三只小狗", []),
        ("两本橙色书本，noto 风格", []),
        ("粉色背景上的猫和火箭", []),
        ("猫在狗的左边，蓝色到白色渐变背景", []),
        ("一只红色的榴莲", ["榴莲"]),
        ("榴莲和猫和榴莲", ["榴莲"]),
        ("火龙果", ["火龙果"]),  # neither fire nor a dragon
        ("猫骑自行车 riding", ["riding"]),
        ("it's a cat's dog, don't draw a zorgon's face", ["zorgon"]),
        ("a 3d cat w/ a t-zorgon, cat2, zorgon/cat", ["t-zorgon", "zorgon"]),
        ("give me a black-cat", []),
        ("a german shepherd and two German Shepherds", ["german shepherd", "German Shepherds"]),
        ("Corgi corgi CORGI", ["Corgi"]),
        ("seven cats and ten dogs", []),  # which is told otherwise
        ("一碗火焰，五只猫，红猫", []),
        ("布偶骑着龙", ["布偶"]),
        ("夜空里的猫", []),
        ("戴帽子的猫，卡通风格，彩色贴纸", ["帽子"]),
        ("十二只开心的猫和一个人", []),
    ],
)
def test_words_that_were_never_learned_are_told(words: Vocabulary, prompt: str, unknown: list[str]) -> None:
    assert list(words.unknown(prompt)) == unknown


@pytest.mark.parametrize(
    ("prompt", "things"),
    [
        ("a cat", ["cat face"]),
        ("a cat and a dog on the grass", ["cat face", "dog"]),
        ("a cat, a red dog, and three bikes, noto", ["cat face", "dog", "bicycle"]),
        ("two dogs above a cat next to a rocket", ["dog", "cat face", "rocket"]),
        ("cat, cat tag, noto style, blue background", ["cat face"]),
        ("a cat with a cat", ["cat face"]),
        ("cat with rocket and fire", ["cat face", "fire"]),  # what a thing is with may be a part of it
        ("a zorgon, a cat and a wibble", ["cat face"]),
        ("fork and knife, cat", ["fork and knife", "cat face"]),
        ("一只红色的猫、狗和两个火箭，蓝色背景", ["cat face", "dog", "rocket"]),
        ("猫在狗的左边", ["cat face", "dog"]),
        ("", []),
    ],
)
def test_the_things_of_a_prompt_are_told_apart(words: Vocabulary, prompt: str, things: list[str]) -> None:
    assert list(words.things(prompt)) == things


def test_of_a_list_everything_has_to_be_known_and_four_are_painted(words: Vocabulary) -> None:
    assert words.notes("a cat and a dog") == ()
    unknown, crowded = words.notes("a zorgon, a cat, a dog and a rocket")
    assert unknown == "Words that the model has not learned: “zorgon”"
    assert crowded == "The model paints up to four things that are just listed. Of these 3 some will be missing."
    assert words.notes("a cat, a dog and a rocket") == ()
    (cut,) = words.notes("three cats, two dogs and a rocket")
    assert cut == (
        "Of different things the model paints four at most. This is read as: “a cat, a cat, a dog, a rocket”"
    )


@pytest.mark.parametrize(
    ("prompt", "number"),
    [
        ("five cats", "five"),
        ("a dog, 12 cats in a box", "12"),
        ("a dozen black cats", "a dozen"),
        ("五只猫", "五"),
        ("一只狗和十二只猫", "十二"),
        ("four cats", ""),
        ("4 cats", ""),
        ("四只猫", ""),
        ("high five", ""),
        ("pool 8 ball", ""),
        ("24 hours", ""),
        ("10 o'clock", ""),
        ("便利店，24 小时", ""),
        ("the 5th cat", ""),
        ("十字", ""),
    ],
)
def test_it_counts_to_four(words: Vocabulary, prompt: str, number: str) -> None:
    limits = words.limits(prompt)
    assert [limit for limit in limits if "counts" in limit] == (
        [f"The model counts to four. It cannot tell how many this is: “{number}”"] if number else []
    )


def test_captions_have_no_unknown_word(words: Vocabulary) -> None:
    """Of every kind of scene, in both languages."""
    drawn, mixture = art(), Mixture(counted=0.3, paired=0.4, backdrop=0.2, recolour=0.3, tiny=0.1)
    captions = [stage(drawn, n % len(LABELS), np.random.default_rng((2, n)), mixture)[1] for n in range(2000)]
    assert [text for text in captions if words.notes(text)] == []
    assert sum(not text.isascii() for text in captions) > 300


def test_no_prompt_that_the_studio_offers_has_one(bundled: Vocabulary) -> None:
    offered = [*PROMPTS, *(prompt for prompts in example_prompts().values() for prompt in prompts)]
    assert {prompt: found for prompt in offered if (found := bundled.notes(prompt))} == {}


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("rokcet", ["rocket"]),
        ("Rockets", ["rocket"]),
        ("bycicle", ["bicycle"]),
        ("dragonfire", ["dragon", "fire"]),
        ("firecat", ["fire", "cat"]),
        ("firezorgon", []),
        ("dgo", ["dog"]),
        ("cog", []),  # three letters are soon like others
        ("rocking", []),
        ("corgi", ["dog"]),
        ("corgis", ["dogs"]),
        ("corgi's", ["dog"]),
        ("huskies", ["dogs"]),
        ("crimson", ["red"]),
        ("zebra", []),
        ("柯基犬", ["狗"]),
        ("夜空里", ["夜空中"]),
        ("beard", []),  # spelt as it should be
        ("金色", ["黄色"]),
        ("天", []),
        ("猫" * 20, []),
        ("橙色书", ["橙色书本"]),
        ("榴莲", []),
    ],
)
def test_something_like_it_is_named(words: Vocabulary, word: str, near: list[str]) -> None:
    assert list(words.near(word)) == near


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("cat", ["cat", "black cat", "cat face"]),
        ("CAT  f", ["cat face"]),
        ("bike", ["bicycle"]),  # as it is called every day
        ("the bikes", ["bicycle"]),
        ("Horse-Racing", ["horse racing"]),
        ("corgi", ["dog"]),  # there is none
        ("rokcet", ["rocket"]),
        ("柯基", ["dog"]),
        ("rac", ["horse racing"]),
        ("ocke", ["rocket"]),
        ("oke", []),  # inside of words, unless it is long
        ("tag", [label for label, _ in sorted(LABELS)]),  # a synonym's word
        ("猫", ["cat", "black cat", "cat face"]),
        ("火", ["fire", "rocket"]),
        ("nothing", []),
        ("\\d{", []),
    ],
)
def test_names_are_found_by_what_is_typed(words: Vocabulary, query: str, found: list[str]) -> None:
    names = [name.en[0] for name in words.find(query, 20)]
    assert sorted(names) == sorted(found)
    assert names[:1] == found[:1]


def test_all_names_are_listed_once_page_by_page(bundled: Vocabulary) -> None:
    pages = [bundled.find("", 100, first) for first in range(0, len(bundled.names) + 100, 100)]
    assert not pages[-1]
    listed = [name for page in pages for name in page]
    assert sorted(listed, key=lambda name: name.en) == sorted(bundled.names, key=lambda name: name.en)
    assert len({name.en[0][0] for name in pages[0]}) > 10  # a sample, not those with an A
    assert [*bundled.find("cat", 3), *bundled.find("cat", 3, 3)] == bundled.find("cat", 6)


def test_only_the_first_words_are_quoted() -> None:
    assert quoted(["one", "two"]) == "“one”, “two”"
    assert quoted(list("abcdefghij")).count("“") == QUOTED
    assert quoted(list("abcdefghij")).endswith(", …")


def test_kinds_are_of_labels_that_there_are_and_of_words_that_are_not_known(bundled: Vocabulary) -> None:
    labels = {name.en[0].lower() for name in bundled.names}
    assert KINDS.keys() <= labels
    assert bundled.kinds == kinds(labels)
    assert [word for word in bundled.kinds if not bundled.unknown(word)] == []
    assert kinds({"dog"}).items() >= {"corgi": "dog", "柯基": "dog"}.items()
    assert "lynx" not in kinds({"dog"})
    assert (kinds(set())["crimson"], kinds(set())["金色"], kinds(set())["table"]) == ("red", "黄色", "")


def test_one_s_own_art_is_its_own_vocabulary() -> None:
    own = replace(art(), origin="own")
    assert vocabulary(own, glossary(own)).kinds == {}


def test_what_it_paints_and_what_is_said_for_it_is_known(bundled: Vocabulary) -> None:
    called = [text for name in bundled.names for text in (*name.en[:1], *name.zh[:1])]
    said = [*called, *bundled.glossary.everyday.words]
    assert {text: found for text in said if (found := bundled.notes(text))} == {}


@pytest.mark.parametrize(
    ("prompt", "note"),
    [
        (
            "a cat riding a bike",
            "The model sets things beside or above one another. This is read as: “a cat above a bike”",
        ),
        ("戴帽子的猫", "The model sets things beside or above one another. This is read as: “帽子在猫的上面”"),
        ("two cats above a dog", "Of things that stand somehow the model paints one each."),
        ("two cats and a dog", ""),
        ("两只猫和一只狗", ""),
        (
            "猫、狗、鸟、鱼和一只牛",
            "Of different things the model paints four at most. This is read as: “猫、狗、鸟、鱼”",
        ),
        (
            "a realistic, hand-drawn picture of a cat",
            "The model knows the styles of its art and no others. Left out: “realistic, hand-drawn”",
        ),
        ("a picture of a cat", ""),
        ("a cat above a bike", ""),
        ("three cats in the snow", ""),
    ],
)
def test_what_is_read_otherwise_is_told(bundled: Vocabulary, prompt: str, note: str) -> None:
    assert bundled.notes(prompt) == ((note,) if note else ())


@pytest.mark.parametrize(
    ("prompt", "things"),
    [
        ("sun, cloud and rain", ("a sun", "a cloud", "a rain")),
        ("a few clouds, a sun and a bird", ("a cloud", "a cloud", "a sun", "a bird")),
        ("THE TWO CATS AND MY DOG IN THE SNOW, NOTO STYLE", ("a cat", "a cat", "a dog")),
        ("a cat, a dog and a cup with straw", ("a cat", "a dog", "a cup with straw")),
        ("a big cat, a cute dog and a tiny red bird.", ("a cat", "a dog", "a red bird")),
        ("red apple, green apple, yellow apple", ("a red apple", "a green apple", "a yellow apple")),
        ("8 ball, pizza, beer", ("a 8 ball", "a pizza", "a beer")),
        ("a bunny, a rabbit and a hare", ("a bunny", "a bunny", "a bunny")),
        ("a house and a tree under a rainbow, noto style", ("a rainbow", "a house", "a tree")),
        ("两颗心和一朵玫瑰", ("心", "心", "玫瑰")),
        ("一栋房子、一棵树和三轮摩托车", ("房子", "树", "三轮摩托车")),
        ("可爱的猫、开心的狗和小鸟，蓝色背景", ("猫", "狗", "小鸟")),
        ("noto风格，猫、狗和鸟", ("猫", "狗", "鸟")),
        ("fork and knife and plate", ()),  # the first two are a name
        ("two cats, cute", ()),
        ("a cat and a dog, cute, winter", ()),
        ("fox, funny, cartoon, sticker", ()),
        ("cat, kitten, feline", ()),
        ("a small, cute cat and two dogs", ()),
        ("a cat, a dog, a dragonfly and a frog", ()),
        ("two cats and a dog in a car", ()),
        ("a pizza with cheese, tomato and olives", ()),
        ("红色、黄色、蓝色的气球", ()),
        ("猫、可爱、卡通、贴纸", ()),
        ("篮子里的苹果、香蕉和橙子", ()),
        ("两只沙发和灯", ()),
    ],
)
def test_a_list_is_of_things_alone(bundled: Vocabulary, prompt: str, things: tuple[str, ...]) -> None:
    listing = bundled.glossary.listed(prompt)
    assert (() if listing is None else listing.things) == things
    worded = bundled.glossary.worded(prompt)
    assert bundled.glossary.worded(worded) == worded
    assert (division(worded, 16, 16) is not None) == bool(things)


def test_no_name_is_a_list(bundled: Vocabulary) -> None:
    called = [text for name in bundled.names for text in (*name.en, *name.zh)]
    said = [*called, *bundled.glossary.everyday.words, *bundled.glossary.everyday.plurals]
    assert [text for text in said if bundled.glossary.listed(text)] == []


def test_any_prompt_is_read_at_once(bundled: Vocabulary) -> None:
    bundled.near("zorgon")
    for prompt in ("榴" * 100_000, "zorgon " * 20_000, "{" * 10_000, "猫榴" * 50_000, "榴猫狗莲" * 50_000):
        began = time.monotonic()
        assert len(bundled.unknown(prompt)) <= 500
        bundled.notes(prompt)
        for word in bundled.unknown(prompt)[:6]:
            bundled.near(word)
        assert time.monotonic() - began < 2  # 0.1 of them, where nothing else is done


def test_what_is_saved_is_read_again(words: Vocabulary, tmp_path: Path) -> None:
    assert Vocabulary.of_model(tmp_path) is None
    words.save(tmp_path / VOCABULARY)
    words.glossary.save(tmp_path / GLOSSARY)
    again = Vocabulary.of_model(tmp_path)
    assert again is not None
    assert (again.names, again.words, again.kinds) == (words.names, words.words, words.kinds)
    assert again.unknown("bikes and corgis") == ("corgis",)
    (tmp_path / GLOSSARY).unlink()
    assert Vocabulary.of_model(tmp_path) is not None


@pytest.mark.parametrize(
    "wrong",
    [
        {"names": [{"en": ["cat"], "zh": "猫"}]},
        {"names": [{"en": [3], "zh": []}]},
        {"names": [{"en": [], "zh": ["猫"]}]},
        {"names": [{"zh": []}]},
        {"names": ["cat"]},
        {"names": {"cat": "猫"}},
        {"words": [""]},
        {"words": None},
        {"kinds": {"corgi": 3}},
        {"kinds": ["corgi"]},
    ],
)
def test_what_is_no_vocabulary_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    right = {"names": [{"en": ["cat"], "zh": ["猫"]}], "words": ["two"], "kinds": {"lynx": "cat"}}
    path = tmp_path / VOCABULARY
    path.write_text(json.dumps(right), encoding="utf-8")
    assert Vocabulary.load(path).names == (Name(("cat",), ("猫",)),)
    path.write_text(json.dumps(right | wrong), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"vocabulary\.json"):
        Vocabulary.load(path)
