"""A sheet as one PNG: labels in any script, numbers where no font has them, places left empty."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageFont

from app.sheet_image import draw_sheet
from dalle_core.fonts import can_draw

RED = (200, 30, 30)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    Image.new("RGB", (64, 64), RED).save(path)
    return path


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def share(image: Image.Image, colour: tuple[int, int, int]) -> float:
    pixels = image.convert("RGB").getcolors(maxcolors=2**24) or []
    return sum(count for count, found in pixels if found == colour) / (image.width * image.height)


def test_two_axes_make_a_table_with_places_left_empty(picture: Path) -> None:
    paths = {(0, 0): picture, (1, 0): picture, (0, 1): picture}
    image = opened(draw_sheet("a cat", "seed 7", ("Seed", ["1", "2"]), ("Style", ["noto", "none"]), paths))
    whole = image.width * image.height
    assert share(image, RED) == pytest.approx(3 * 192 * 192 / whole)
    assert share(image, (230, 232, 232)) == pytest.approx(192 * 192 / whole)


def test_one_axis_wraps_into_rows(picture: Path) -> None:
    labels = [f"variation {i}" for i in range(10)]
    image = opened(draw_sheet("a cat", "", ("Prompt", labels), ("", [""]), {(i, 0): picture for i in range(10)}))
    assert image.width < 5 * 210
    assert image.height > 2 * 200


def test_a_column_alone_wraps_too(picture: Path) -> None:
    paths = {(0, i): picture for i in range(4)}
    image = opened(draw_sheet("a cat", "", ("", [""]), ("Seed", ["1", "2", "3", "4"]), paths))
    assert share(image, RED) == pytest.approx(4 * 192 * 192 / (image.width * image.height))


def test_labels_that_no_font_has_become_numbers_and_the_file_says_what_they_are(picture: Path) -> None:
    font = ImageFont.load_default(14)
    assert can_draw(font, "Plain words 1.5")
    assert not can_draw(font, "红色")
    paths = {(0, 0): picture, (1, 0): picture}
    data = draw_sheet("红色的猫", "seed 7", ("Prompt", ["红色", "blue"]), ("", [""]), paths, fonts=[font])
    assert opened(data).text["Description"] == "Prompt 1: 红色\nPrompt 2: blue"  # type: ignore[attr-defined]
    plain = draw_sheet("cat", "seed 7", ("Prompt", ["red", "blue"]), ("", [""]), paths, fonts=[font])
    assert "Description" not in opened(plain).text  # type: ignore[attr-defined]


def test_markup_and_endless_words_are_only_text(picture: Path) -> None:
    long = "<b>" + "x" * 2000 + "</b>"
    image = opened(draw_sheet(long, long, ("Prompt", [long, "a"]), ("Seed", ["1"]), {(0, 0): picture}))
    assert image.width < 800
    assert image.height < 900
