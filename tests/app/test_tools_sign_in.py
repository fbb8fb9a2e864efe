"""The tools of --mcp beside a password: assistants sign in with it, and nobody else gets in."""

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.ui.api import NAMES
from app.ui.tools_sign_in import TOOLS, ToolsSignIn
from tests.app.conftest import OpenPage, painted

AUTH = ("ada", "love:lace é")


def basic(text: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def guarded(auth: tuple[str, str] | None) -> TestClient:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse("in")

    app = Starlette(routes=[Route("/{path:path}", answer)], middleware=[Middleware(ToolsSignIn, auth=auth)])
    return TestClient(app)


@pytest.mark.parametrize("path", [TOOLS, f"{TOOLS}/", f"{TOOLS}/http", "/gradio_api/%6dcp"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("ada:"),
        basic("ada:lovelace"),
        {"authorization": "Basic"},
        {"authorization": "Basic é".encode("latin-1").decode("latin-1")},
        {"authorization": "Bearer " + base64.b64encode(":".join(AUTH).encode()).decode()},
    ],
)
def test_without_the_password_no_tool_is_reached(path: str, headers: dict[str, str]) -> None:
    answer = guarded(AUTH).get(path, headers=[(name, value.encode("latin-1")) for name, value in headers.items()])  # type: ignore[arg-type]
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert "--auth" in answer.text


def test_with_it_they_are_and_everything_else_is_not_asked() -> None:
    client = guarded(AUTH)
    assert client.get(TOOLS, headers=basic(":".join(AUTH))).text == "in"
    assert client.get("/gradio_api/mcpx").text == client.get("/").text == "in"
    assert guarded(None).get(TOOLS).text == "in"


def test_an_assistant_that_signs_in_uses_the_tools(open_a_page: Callable[..., OpenPage]) -> None:
    pytest.importorskip("mcp")
    page = open_a_page(auth=AUTH, mcp=True)
    view = painted(page.studio)
    server = Assistant(page.url, basic(":".join(AUTH)))
    assert {tool["name"] for tool in server.ask("tools/list")["tools"]} == set(NAMES)
    found = server.ask("tools/call", name="history_search", arguments={"text": "apple"})
    assert not found.get("isError"), found
    assert view.id in found["content"][0]["text"]
    assert httpx.post(f"{page.url}gradio_api/mcp/", json={}).status_code == 401


class Assistant:
    """The least that speaks to an MCP server."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.url = f"{url}gradio_api/mcp/"
        self.headers = {**headers, "accept": "application/json, text/event-stream"}
        hello = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        self.ask("initialize", **hello)

    def ask(self, method: str, **parameters: Any) -> Any:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        answer = httpx.post(self.url, json=message, headers=self.headers, timeout=60)
        assert answer.status_code == 200, answer.text
        text = answer.text
        if answer.headers["content-type"].startswith("text/event-stream"):
            text = next(line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: "))
        return httpx.Response(200, text=text).json()["result"]
