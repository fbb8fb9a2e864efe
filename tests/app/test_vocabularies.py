"""What the page is told of the words of a model: from the model's folder, whether it is loaded or not."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.models import DEFAULT_MODEL
from app.settings import Settings
from app.studio import Studio
from app.ui.prompt_calls import NAMES_SHOWN, prompt_calls
from app.vocabularies import vocabulary_of
from dalle_core.vocabulary import QUOTED, VOCABULARY, Name, Vocabulary
from tests.fakes import fake_settings

WORDS = Vocabulary(
    [Name((f"thing {number}",), (f"物{number}",)) for number in range(NAMES_SHOWN + 5)] + [Name(("Cat", "kitty"))],
    ["red", "blue"],
    {"lynx": "cat"},
)


NOTHING = {"unlearned": [], "others": False, "limits": ()}


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """Not started: nothing is loaded, and nothing needs to be."""
    settings = fake_settings(tmp_path, models_dir=tmp_path / "models")
    folder = settings.models_dir / "fake"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    WORDS.save(folder / VOCABULARY)
    made = Studio(settings)
    made.open()
    yield made
    made.close()


@pytest.fixture
def ask(studio: Studio) -> Any:
    calls = {call.__name__: call for call in prompt_calls(studio)}
    return lambda name, **asked: calls[name](asked)


def test_words_of_a_prompt_that_were_not_learned_come_with_others(ask: Any) -> None:
    assert ask("read_prompt", prompt="a red cat") == NOTHING
    answer = ask("read_prompt", prompt="a red lynx, zorgon")
    assert answer["unlearned"] == [{"word": "lynx", "near": ("cat",)}, {"word": "zorgon", "near": ()}]
    assert ask("read_prompt", prompt="") == NOTHING
    (limit,) = ask("read_prompt", prompt="thing 1, thing 2 and thing 3")["limits"]
    assert "some will be missing" in limit
    many = ask("read_prompt", prompt="aa bb cc dd ee ff gg")
    assert (len(many["unlearned"]), many["others"]) == (QUOTED, True)


def test_of_a_template_they_are_those_of_its_first_variations(ask: Any) -> None:
    answer = ask("read_prompt", prompt="a {red|zorgon} {cat|lynx}")
    assert [each["word"] for each in answer["unlearned"]] == ["lynx", "zorgon"]
    assert answer["count"] == "4"
    assert "never closed" in ask("read_prompt", prompt="{red|lynx")["error"]


def test_names_come_page_by_page(ask: Any) -> None:
    first, second = ask("find_names", query="thing"), ask("find_names", query="thing", first=NAMES_SHOWN)
    assert (len(first["names"]), first["more"], len(second["names"]), second["more"]) == (NAMES_SHOWN, True, 5, False)
    assert first["count"] == f"{NAMES_SHOWN + 6}"
    assert {"en": "thing 3", "zh": "物3"} in first["names"]
    assert ask("find_names", query="kit")["names"] == [{"en": "cat", "zh": "Cat"}]
    assert ask("find_names", query="zorgon") == {"names": [], "more": False, "count": f"{NAMES_SHOWN + 6}"}


@pytest.mark.parametrize("first", [-3, "many", None, True, 1e300, [4]])
def test_whatever_a_browser_sends_is_answered(ask: Any, first: object) -> None:
    assert ask("find_names", query=["thing"], first=first)["more"] is True
    assert ask("find_names", query="thing" * 100_000)["names"] == []
    assert ask("read_prompt", prompt={"a": 3}) == NOTHING


def test_a_model_that_does_not_say_has_no_words(studio: Studio, ask: Any) -> None:
    (studio.settings.models_dir / "fake" / VOCABULARY).unlink()
    assert studio.vocabulary() is None
    assert ask("read_prompt", prompt="zorgon") == {}
    assert ask("find_names", query="") == {}


def test_one_that_was_trained_anew_says_its_own(studio: Studio) -> None:
    path = studio.settings.models_dir / "fake" / VOCABULARY
    before = studio.vocabulary()
    assert before is not None
    assert studio.vocabulary() is before
    Vocabulary([Name(("owl",))]).save(path)
    os.utime(path, ns=(1, 1))
    after = studio.vocabulary()
    assert after is not None
    assert after.unknown("cat owl") == ("cat",)
    path.write_text("{")
    assert studio.vocabulary() is None


def test_the_bundled_one_says_as_many_names_as_it_has_concepts(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    words = vocabulary_of(settings, DEFAULT_MODEL)
    assert words is not None
    assert len(words.names) > 1000
    assert vocabulary_of(settings, "none-such") is None
    folder = settings.own_models / "copy"
    folder.mkdir(parents=True)
    shutil.copyfile(settings.models_dir / DEFAULT_MODEL / "config.json", folder / "config.json")
    assert vocabulary_of(settings, "copy") is None
