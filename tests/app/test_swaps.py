"""A plain prompt becomes a template with one click, in English and in Chinese."""

import pytest

from app.swaps import COLOURS, GROUNDS, vary, with_style
from dalle_core.errors import RequestError
from dalle_core.hues import HUES
from dalle_core.training.palette import BACKGROUNDS

STYLES = ("noto", "fluent", "fluent flat")


def test_the_words_are_those_of_the_captions() -> None:
    assert {colour.en: colour.zh for colour in BACKGROUNDS} == GROUNDS
    assert tuple(HUES) == COLOURS


@pytest.mark.parametrize(
    ("prompt", "what", "expected"),
    [
        ("red apple, noto", "style", "red apple, {noto|fluent|fluent flat}"),
        ("red apple", "style", "red apple, {noto|fluent|fluent flat}"),
        ("cat, fluent flat style on red", "style", "cat, {fluent flat|noto|fluent} style on red"),
        ("猫，noto 风格", "style", "猫，{noto|fluent|fluent flat} 风格"),
        ("猫", "style", "猫，{noto|fluent|fluent flat}"),
        ("a green dragon on a blue background", "colour", "a {green|red|orange|yellow|blue|purple|pink} dragon on"),
        ("a cat", "colour", "a {red|orange|yellow|green|blue|purple|pink} cat"),
        ("红色的苹果", "colour", "{红色|橙色|黄色|绿色|蓝色|紫色|粉色}的苹果"),
        ("猫，蓝色背景", "colour", "{红色|橙色|黄色|绿色|蓝色|紫色|粉色}的猫，蓝色背景"),
        ("red cat on a light blue background", "background", "red cat on a {light blue|white|black|"),
        ("cat on black", "background", "cat on {black|white|"),
        ("red apple", "background", "red apple on a {white|black|grey|red|"),
        ("猫，蓝色背景", "background", "猫，{蓝色|白色|"),
        ("猫", "background", "猫，{白色|黑色|"),
    ],
)
def test_it_varies_in_place_of_what_the_prompt_names(prompt: str, what: str, expected: str) -> None:
    assert vary(prompt, what, STYLES).startswith(expected)


@pytest.mark.parametrize("prompt", ["red apple, noto", "a cat", "猫，noto 风格", "cat on black"])
@pytest.mark.parametrize("what", ["style", "colour", "background"])
def test_a_second_click_changes_nothing(prompt: str, what: str) -> None:
    once = vary(prompt, what, STYLES)
    assert vary(once, what, STYLES) == once


def test_an_unknown_swap_and_a_model_without_styles_are_told() -> None:
    with pytest.raises(RequestError, match="'size' is none of these"):
        vary("cat", "size")
    with pytest.raises(RequestError, match="names no styles"):
        vary("cat", "style")


@pytest.mark.parametrize(
    ("prompt", "style", "expected"),
    [
        ("cat, noto", "fluent", "cat, fluent"),
        ("cat", "noto", "cat, noto"),
        ("cat, noto style on red", "", "cat on red"),
        ("cat", "", "cat"),
        ("猫，noto 风格", "", "猫"),
        ("notorious cat", "noto", "notorious cat, noto"),
    ],
)
def test_a_style_is_put_in_replaced_or_taken_out(prompt: str, style: str, expected: str) -> None:
    assert with_style(prompt, style, STYLES) == expected
