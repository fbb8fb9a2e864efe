import pytest

from dalle_core.listing import MOST, Listing, is_several, listed

NAMES = {"cat", "dog", "bird", "fish", "bow and arrow", "cup and saucer"}


def item(phrase: str) -> tuple[str, int]:
    """Knows “cat” and “3 cats”."""
    count, _, name = phrase.rpartition(" ")
    if count.isdecimal():
        return (name.removesuffix("s"), int(count)) if name.removesuffix("s") in NAMES else ("", 0)
    return (phrase, 1) if phrase in NAMES else ("", 0)


def alike(one: str, other: str) -> bool:
    return {one, other} == {"dog", "fish"}


@pytest.mark.parametrize(
    ("text", "listing"),
    [
        ("cat, dog and bird", Listing("", ("cat", "dog", "bird"), "", 3)),
        ("cat & dog & bird", Listing("", ("cat", "dog", "bird"), "", 3)),
        ("cat, dog, and 2 birds.", Listing("", ("cat", "dog", "bird", "bird"), "", 4)),
        ("2 cats and dog", Listing("", ("cat", "cat", "dog"), "", 3)),
        ("dog, 2 cats, dog", Listing("", ("dog", "cat", "cat", "dog"), "", 4)),
        ("cat、dog、bird", Listing("", ("cat", "dog", "bird"), "", 3)),
        ("cat and dog and bird in the snow, noto", Listing("", ("cat", "dog", "bird"), " in the snow, noto", 3)),
        ("cat, dog, bird, noto style", Listing("", ("cat", "dog", "bird"), ", noto style", 3)),
        ("夜空中的cat和dog和bird", Listing("夜空中的", ("cat", "dog", "bird"), "", 3)),
    ],
)
def test_things_are_listed(text: str, listing: Listing) -> None:
    assert listed(text, item, alike) == listing


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("bird above cat and dog", ("bird", "cat", "dog")),
        ("bird on top of 2 cats in the snow", ("bird", "cat", "cat")),
        ("cat, dog below bird and fish", ("bird", "fish", "cat", "dog")),
        ("2 birds over 2 cats, noto style", ("bird", "bird", "cat", "cat")),
        ("bird在cat和dog的上面", ("bird", "cat", "dog")),
        ("cat和dog在bird下面", ("bird", "cat", "dog")),
    ],
)
def test_one_or_two_stand_above_two(text: str, things: tuple[str, ...]) -> None:
    found = listed(text, item, alike)
    assert found is not None
    assert found.things == things
    assert found.tail in ("", " in the snow", ", noto style")


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("cat, dog, bird, fish, 3 cats", ("cat", "dog", "bird", "fish")),
        ("9 cats and dog", ("cat", "cat", "cat", "dog")),
        ("3 cats and 3 dogs", ("cat", "cat", "dog", "dog")),
        ("2 cats, 2 dogs, bird", ("cat", "cat", "dog", "bird")),
    ],
)
def test_there_are_four_at_most(text: str, things: tuple[str, ...]) -> None:
    found = listed(text, item, alike)
    assert found is not None
    assert found.things == things
    assert found.asked > len(things) == MOST


@pytest.mark.parametrize(
    "text",
    ["", "cat", "cat and dog", "3 cats", "cat, dog and emu", "emu, cat, dog, bird", "cat, noto",
     "cat, dog, noto", "cat and emu, dog", ", , ,", "and and and", "2 cats and saucer", "bird above cat",
     "2 birds above cat", "3 birds above 2 cats", "bird, noto above cat and dog"],
)  # fmt: skip
def test_what_is_no_list(text: str) -> None:
    assert listed(text, item, alike) is None


def test_what_is_another_word_for_a_thing_is_none() -> None:
    assert listed("cat, dog, fish", item, alike) is None
    assert listed("cat, dog, 1 fish", item, alike) is None
    for text in ("cat, dog and fish", "cat, dog, 2 fishs"):
        assert listed(text, item, alike) is not None


@pytest.mark.parametrize(
    ("text", "tail"),
    [
        ("cat, dog and bird, fish", ", fish"),  # behind the last one
        ("cat, dog, bird, night", ", night"),
        ("cat、dog、bird，夜晚", "，夜晚"),
        ("cat, dog, bird, cute, shiny", ", cute, shiny"),
        ("cat, dog, bird in the snow, noto style", " in the snow, noto style"),
        ("CAT, DOG, BIRD ON A BLUE BACKGROUND", " ON A BLUE BACKGROUND"),
        ("noto style, cat, dog, bird", ", noto style"),
        ("蓝色背景，cat、dog、bird", ", 蓝色背景"),
        ("cat, dog, bird?", ""),
    ],
)
def test_what_is_said_of_all_of_them_stays_behind_them(text: str, tail: str) -> None:
    found = listed(text, lambda phrase: item(phrase.lower()) if phrase != "night" else ("night", 1), alike)
    assert found is not None
    assert (found.things, found.tail) == (("cat", "dog", "bird"), tail)


@pytest.mark.parametrize(
    "text", ["cat, dog and bird in a car", "篮子里的cat、dog、bird", "cat, an emu, dog, bird", "cat, dog, bird, an emu"]
)
def test_what_is_said_of_none_of_them_is_no_list(text: str) -> None:
    assert listed(text, item, alike) is None


def test_names_that_look_like_lists_are_known() -> None:
    assert is_several("bow and arrow")
    assert not is_several("cup with straw")


def test_it_is_told_to_people_with_commas() -> None:
    listing = Listing("", ("a cat", "a dog", "a bird"), " in the snow", 3)
    assert listing.told(", ") == "a cat, a dog, a bird in the snow"
    assert listing.told() == "a cat﹐a dog﹐a bird in the snow"
