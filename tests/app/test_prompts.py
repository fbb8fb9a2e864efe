"""Templates: what they expand to, in which order, how many they are; and what is said where they cannot be read."""

import time
from pathlib import Path

import pytest

from app.prompts import Prompts, Template
from app.wildcards import MAX_BYTES, Wildcards
from dalle_core.errors import RequestError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "wildcards"
    (folder / "nature").mkdir(parents=True)
    (folder / "animals.txt").write_text("# a comment\ncat\n3::dog\n{big|small} bird\n", encoding="utf-8")
    (folder / "动物.txt").write_text("猫\n狗\n", encoding="utf-8")
    (folder / "nature" / "trees.txt").write_text("oak\nelm\n", encoding="utf-8")
    (folder / "nature" / "flowers.txt").write_text("rose\n", encoding="utf-8")
    (folder / "round.txt").write_text("__about__\n", encoding="utf-8")
    (folder / "about.txt").write_text("a __round__\n", encoding="utf-8")
    return folder


@pytest.fixture
def prompts(folder: Path) -> Prompts:
    return Prompts(Wildcards(folder))


def everything(template: Template) -> list[str]:
    return template.first(template.count)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a red cat", ["a red cat"]),
        ("{red|blue} {cat|dog}", ["red cat", "red dog", "blue cat", "blue dog"]),
        ("{2::red|blue} cat", ["red cat", "blue cat"]),
        ("{red|0::blue} cat", ["red cat"]),
        ("{a|a|b}", ["a", "b"]),
        ("{a|{b|c}} d", ["a d", "b d", "c d"]),
        ("{|big} cat", ["cat", "big cat"]),
        ("{2$$ and $$a|b|c}", ["a and b", "a and c", "b and a", "b and c", "c and a", "c and b"]),
        ("{1-2$$a|b}", ["a", "b", "a,b", "b,a"]),
        ("a __animals__", ["a cat", "a dog", "a big bird", "a small bird"]),
        ("{2$$+$$__nature/trees__}", ["oak+elm", "elm+oak"]),
        ("__nature/*__", ["rose", "oak", "elm"]),
        ("一只__动物__，{红|蓝}色", ["一只猫，红色", "一只猫，蓝色", "一只狗，红色", "一只狗，蓝色"]),
        ("${x=!{a|b}}${x} and ${x}", ["a and a", "b and b"]),
        ("${x={a|b}}${x} and ${x}", ["a and a", "a and b", "b and a", "b and b"]),
        ("${x:{a|b}} c", ["a c", "b c"]),
        (r"a \{plain\} {c|d}", ["a {plain} c", "a {plain} d"]),
        ("50% off #1 // $5 {a|b}", ["50% off #1 // $5 a", "50% off #1 // $5 b"]),
        ("snake__case {a|b}", ["snake__case a", "snake__case b"]),
        ("<b>{a|b}</b>", ["<b>a</b>", "<b>b</b>"]),
    ],
)
def test_a_template_expands_in_the_order_it_is_written(prompts: Prompts, prompt: str, expected: list[str]) -> None:
    template = prompts.read(prompt)
    assert everything(template) == expected
    assert template.count == len(expected)


@pytest.mark.parametrize(
    "prompt", ["{red|blue} {cat|dog}, {a|b|c}", "{a|{b|c {d|e}}} f", "{2$$a|b|c} x", "{1-3$$ or $$a|b|c}", "no choice"]
)
def test_it_expands_as_the_library_does_that_the_grammar_is_from(prompts: Prompts, prompt: str) -> None:
    from dynamicprompts.generators import CombinatorialPromptGenerator

    assert everything(prompts.read(prompt)) == CombinatorialPromptGenerator().generate(prompt, None)


def test_millions_are_counted_and_looked_into_at_once(prompts: Prompts) -> None:
    prompt = "{0|1|2|3|4|5|6|7|8|9}" * 7
    prompts.read("{warm|up}")  # the library is imported with the first
    started = time.monotonic()
    template = prompts.read(prompt)
    assert template.count == 10**7
    assert template.expansion(1234567) == "1234567"
    assert len(set(template.draw(20, seed=1))) == 20
    assert time.monotonic() - started < 2  # listing them all takes a minute


def test_what_is_drawn_depends_on_seed_and_weights_alone(prompts: Prompts) -> None:
    template = prompts.read("{9::a|b}{9::c|d}{9::e|f}{9::g|h}")
    drawn = [template.expansion(number) for number in template.draw(6, seed=3)]
    assert [template.expansion(number) for number in template.draw(6, seed=3)] == drawn
    assert template.draw(6, seed=4) != template.draw(6, seed=3)
    assert len(set(drawn)) == 6
    assert "".join(drawn).count("a") > 3
    assert template.draw(100, seed=0) == list(range(16))
    assert len(prompts.read("{1000000000::a|b|c|d}").draw(3, seed=0)) == 3


def test_the_places_that_vary_are_told_apart(prompts: Prompts) -> None:
    template = prompts.read("a {red|blue|green} {cat} on {sand|grass}")
    assert [part.count for part in template.varying] == [3, 2]
    assert template.choices(0, 10) == ["red", "blue", "green"]
    assert template.choices(0, 2) == ["red", "blue"]
    assert template.filled([1, 0]) == "a blue cat on sand"


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("a {red|blue cat", "“{red|blue cat” is never closed"),
        ("red} cat", "The } after “red” closes nothing"),
        ("{a|b} $$ c", "“$$ c”"),
        ("{@a|b}", "~, @ and !"),
        ("${y} {a|b}", "${y} is used before"),
        ("{0::a}", "weight 0"),
        ("__dragons__", "no wildcard __dragons__ with a line in it. There are: "),
        ("__round__", "round → about → round"),
        ("__../secrets__", "'../secrets'; expected the name of a text file in"),
        ("__/etc/passwd__", "'/etc/passwd'"),
        ("__C:\\secrets__", "'C:\\\\secrets'"),
        ("__nature/..__", "'nature/..'"),
        ("{" * 40 + "a" + "}" * 40, "more than 16 deep"),
        ("{a|b}" * 200, "200 braces; at most 100"),
        ("{a|b}" + "x" * 3000, "3005 characters"),
    ],
)
def test_what_cannot_be_read_is_named(prompts: Prompts, prompt: str, found: str) -> None:
    with pytest.raises(RequestError) as caught:
        prompts.read(prompt)
    assert found in str(caught.value)


def test_a_number_without_a_variation_is_refused(prompts: Prompts) -> None:
    assert prompts.chosen("{a|b}", 1) == "b"
    assert prompts.chosen("plain", 0) == "plain"
    for number in (-1, 2):
        with pytest.raises(RequestError, match="from 1 to 2"):
            prompts.chosen("{a|b}", number)


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, prompts: Prompts, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret\n")
    (folder / "leak.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(RequestError, match="no wildcard __leak__"):
        prompts.read("__leak__")
    assert "leak" not in {view.name for view in prompts.wildcards()}


def test_files_that_are_no_text_or_too_long_are_named_and_the_others_go_on(folder: Path, prompts: Prompts) -> None:
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00")
    (folder / "long.txt").write_bytes(b"x" * (MAX_BYTES + 1))
    for name, words in (("binary", "UTF-8"), ("long", "at most")):
        with pytest.raises(RequestError, match=words):
            prompts.read(f"__{name}__")
    views = {view.name: view for view in prompts.wildcards()}
    assert views["binary"].error
    assert (views["animals"].count, views["animals"].error) == (3, "")
    assert views["nature/trees"].count == 2


def test_wildcards_of_wildcards_stay_within_bounds(folder: Path, prompts: Prompts) -> None:
    (folder / "many.txt").write_text("\n".join(f"{{a|b}} {i}" for i in range(2100)))
    with pytest.raises(RequestError, match="more than 2000 lines"):
        prompts.read("__many__")


def test_without_a_folder_it_says_where_to_put_one(tmp_path: Path) -> None:
    prompts = Prompts(Wildcards(tmp_path / "none"))
    assert prompts.wildcards() == []
    with pytest.raises(RequestError, match="Put text files in"):
        prompts.read("__animals__")
