"""The catalogue of the page's words: whole, without leftovers, and in the page before anything of Gradio's runs."""

import asyncio
import re
from pathlib import Path

import gradio as gr
import pytest
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Scope

from app.settings import PROJECT_FOLDER
from app.ui import build, words
from app.ui.brand import ASSETS
from app.ui.first_script import FirstScript
from dalle_core.families.catalogue import OFFERS
from tests.app import sentences
from tests.fakes import fake_studio

APP, CORE = PROJECT_FOLDER / "app", PROJECT_FOLDER / "dalle_core"
PAGE_ONLY = ("api.py", "desktop.py", "serve.py", "share.py")  # in app/ui, and what they say is not said in the page
# What goes wrong in these is told in the page. What is told nowhere but in a terminal or a log stays English.
SAY_ERRORS = (
    *(module for module in sorted((APP / "ui").glob("*.py")) if module.name not in PAGE_ONLY),
    *(APP / name for name in ("axes.py", "prompts.py", "sheets.py", "swaps.py", "wildcards.py")),
    *(
        APP / name
        for name in (
            "errors.py",
            "gallery.py",
            "gallery_views.py",
            "studio.py",
            "sources.py",
            "ranking.py",
            "recipes.py",
            "reproduction.py",
            "variations.py",
            "worker.py",
            "models.py",
            "loading.py",
            "downloads.py",
        )
    ),
    *sorted((APP / "exports").glob("*.py")),
    *(APP / "history" / name for name in ("store.py", "files.py", "sheets.py", "space.py")),
    *(APP / "history" / name for name in ("catalogue.py", "intake.py", "labels.py", "offers.py")),
    *(CORE / name for name in ("request.py", "generate.py", "hub.py", "families/optional.py")),
)
SAY_WORDS = (
    *(APP / "ui" / name for name in ("payloads.py", "form.py", "prompt_calls.py", "sheet_calls.py")),
    APP / "ui" / "model_downloads.py",
    APP / "reproduction.py",
    APP / "comparing.py",
)
SCRIPTS = sorted(ASSETS.glob("*.js"))
CATALOGUE = words.catalogue()["page"] | words.catalogue()["studio"]
KNOWN = {sentences.plain(text) for text in CATALOGUE}
NO_WORDS = re.compile(r"[^A-Za-z]*|PNG|RGB|\{\} \{\}s?")

# What Gradio's own scripts say in English whatever the page's language is, and words.js translates as it comes up.
GRADIOS = (
    "number input for {}",
    "range slider for {}",
    "Error",
    "Warning",
    "Info",
    "Connection Lost",
    "Connection to the server was lost. Attempting reconnection...",
    "Connection errored out.",
)

PLACEHOLDER = re.compile(r"\{(\w+)(?::words)?\}")
WORDLESS = re.compile(r"\{.*?\}|Top-[kp]")  # values, and names that Chinese keeps
CHINESE = re.compile(r"[\u3400-\u9fff]")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> gr.Blocks:
    studio = fake_studio(tmp_path_factory.mktemp("words"), open_browser=False)
    page = build(studio)
    studio.close()
    return page


@pytest.mark.parametrize("text", CATALOGUE)
def test_a_translation_holds_the_same_values_and_is_chinese(text: str) -> None:
    said = CATALOGUE[text]
    assert set(PLACEHOLDER.findall(said)) == set(PLACEHOLDER.findall(text))
    assert ":words" not in text, "only a translation says which of its values are words"
    assert CHINESE.search(said) or not re.search("[A-Za-z]", WORDLESS.sub("", said))


def test_a_text_is_translated_once() -> None:
    assert not words.catalogue()["page"].keys() & words.catalogue()["studio"].keys()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_what_a_script_says_is_translated(script: Path) -> None:
    assert [text for text in sentences.translated(script) if sentences.plain(text) not in KNOWN] == []


@pytest.mark.parametrize("module", SAY_ERRORS, ids=lambda path: path.name)
def test_what_goes_wrong_is_translated(module: Path) -> None:
    assert [text for text in sentences.raised(module) if text not in KNOWN] == []


def test_what_can_be_had_is_described_in_chinese_too() -> None:
    said = [text for offer in OFFERS.values() for text in (offer.about, offer.licence.terms)]
    assert [text for text in said if text not in KNOWN] == []


@pytest.mark.parametrize("module", SAY_WORDS, ids=lambda path: path.name)
def test_what_the_studio_says_is_translated(module: Path) -> None:
    said = (text for text in sentences.written(module) if " " in text or text[:1].isupper())
    assert [text for text in said if text not in KNOWN and not NO_WORDS.fullmatch(text)] == []


def test_every_widget_and_all_markup_is_translated(page: gr.Blocks) -> None:
    markup = set(sentences.in_templates(page))
    chinese = words.localized(page).translations_dict["zh-CN"]
    assert markup - KNOWN - {"Language / 语言", "English", "中文"} == set()
    assert chinese.keys() - KNOWN == set()


def test_no_translation_is_left_of_a_text_that_is_gone(page: gr.Blocks) -> None:
    modules = [*APP.rglob("*.py"), *CORE.rglob("*.py")]
    said = {text for module in modules for text in sentences.written(module)}
    said |= {sentences.plain(text) for script in SCRIPTS for text in sentences.literals(script)}
    said |= set(sentences.in_templates(page))
    assert KNOWN - said - set(GRADIOS) == set()


def test_what_is_translated_of_gradios_own_is_what_it_says() -> None:
    scripts = Path(gr.__file__).parent.glob("templates/frontend/assets/*.js")
    code = "".join(script.read_text(encoding="utf-8", errors="replace") for script in scripts)
    assert [text for text in GRADIOS if text.removesuffix("{}") not in code] == []


def test_the_script_cannot_be_ended_by_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "catalogue", lambda: {"page": {"</script><b>": "危险"}})
    assert "</script><b>" not in words.script("auto")
    assert '"language": "zh"' in words.script("zh")


def test_the_script_is_the_first_thing_in_the_page() -> None:
    page = HTMLResponse("<html><head><title>é</title></head><body><head></body>")
    start, body = _answer(FirstScript(page, "<script>1</script>"), "/")
    assert body.decode() == "<html><head><script>1</script><title>é</title></head><body><head></body>"
    assert dict(start["headers"])[b"content-length"] == str(len(body)).encode()


@pytest.mark.parametrize(
    ("response", "path"),
    [(HTMLResponse("<head>"), "/elsewhere"), (PlainTextResponse("<head>"), "/")],
)
def test_nothing_else_is_changed(response: Response, path: str) -> None:
    assert _answer(FirstScript(response, "<script>1</script>"), path)[1] == b"<head>"


def _answer(app: ASGIApp, path: str) -> tuple[Message, bytes]:
    """Start and whole body of what `app` answers to a GET of `path`."""
    messages: list[Message] = []
    scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": []}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    return messages[0], b"".join(message["body"] for message in messages[1:])
