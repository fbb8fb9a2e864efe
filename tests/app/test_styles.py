import pytest

from app.styles import style_of

STYLES = ("noto", "fluent flat", "fluent", "blob")


@pytest.mark.parametrize(
    ("prompt", "style"),
    [
        ("red apple, noto", "noto"),
        ("a red apple, noto style on a blue background", "noto"),
        ("火箭，noto 风格", "noto"),
        ("Rocket in FLUENT style", "fluent"),
        ("rocket, fluent flat", "fluent flat"),
        ("rocket, fluent flat style", "fluent flat"),
        ("a fluent speaker", ""),
        ("red apple, notorious", ""),
        ("red apple", ""),
    ],
)
def test_the_style_a_prompt_names(prompt: str, style: str) -> None:
    assert style_of(prompt, STYLES) == style
