"""What a newcomer is offered: some of it in each language of the page, and pictures that are there."""

import base64
import io
from pathlib import Path

from PIL import Image

from app.settings import LANGUAGES, Settings
from app.studio import Studio
from app.ui.examples import example_pictures, example_prompts, offered_styles

SPOKEN = set(LANGUAGES) - {"auto"}


def test_every_language_has_prompts_of_its_own() -> None:
    prompts = example_prompts()
    assert prompts.keys() == SPOKEN
    assert all(len(set(texts)) == len(texts) >= 4 for texts in prompts.values())
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in text) for text in prompts["zh"])
    assert all(text.isascii() for text in prompts["en"])


def test_pictures_are_small_and_have_words_in_every_language() -> None:
    pictures = example_pictures()
    assert pictures
    for picture in pictures:
        assert picture["words"].keys() == SPOKEN
        with Image.open(io.BytesIO(base64.b64decode(picture["data"])), formats=("PNG",)) as image:
            assert max(image.size) <= 256


def test_the_styles_of_a_model_are_there_before_it_is(tmp_path: Path) -> None:
    studio = Studio(Settings(data_dir=tmp_path))
    studio.open()
    assert studio.model_status().state == "loading"
    assert "noto" in offered_styles(studio)
    studio.close()
