"""The catalogue of the page's words: whole, and put into the page before anything of Gradio's runs."""

import asyncio
import re

import pytest
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Scope

from app.ui import words
from app.ui.first_script import FirstScript

PLACEHOLDER = re.compile(r"\{(\w+)(?::words)?\}")
WORDLESS = re.compile(r"\{.*?\}|Top-[kp]")  # values, and names that Chinese keeps
CHINESE = re.compile(r"[\u3400-\u9fff]")


@pytest.mark.parametrize("text", words.catalogue())
def test_a_translation_holds_the_same_values_and_is_chinese(text: str) -> None:
    said = words.catalogue()[text]
    assert set(PLACEHOLDER.findall(said)) == set(PLACEHOLDER.findall(text))
    assert ":words" not in text, "only a translation says which of its values are words"
    assert CHINESE.search(said) or not re.search("[A-Za-z]", WORDLESS.sub("", said))


def test_the_script_cannot_be_ended_by_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "catalogue", lambda: {"</script><b>": "危险"})
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
