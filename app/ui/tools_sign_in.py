"""The sign-in of assistants: beside a password, the tools of --mcp ask for it by HTTP Basic authentication.

Gradio opens its MCP server to whoever asks, whatever the page's password, and calls the endpoints through a client of
its own, which has to sign in like any other.
"""

import base64
import binascii
import secrets
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    import gradio

TOOLS = "/gradio_api/mcp"
CHALLENGE = {"www-authenticate": 'Basic realm="Dalle Studio", charset="UTF-8"'}


class ToolsSignIn:
    """Refuses requests for the tools that do not bring the user and the password; passes all where there are none."""

    def __init__(self, app: ASGIApp, auth: tuple[str, str] | None) -> None:
        self.app = app
        self.auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.auth is None or not _asks_for_tools(scope) or _brings(Headers(scope=scope), self.auth):
            await self.app(scope, receive, send)
        else:
            words = "Sign in with the user and password of --auth, by HTTP Basic authentication."
            await PlainTextResponse(words, status_code=401, headers=CHALLENGE)(scope, receive, send)


def let_tools_in(page: "gradio.Blocks", auth: tuple[str, str]) -> None:
    """Have the tools of a running page call its endpoints signed in."""
    from gradio_client import Client

    assert page.mcp_server_obj is not None
    page.mcp_server_obj._client_instance = Client(
        str(page.local_url),
        auth=auth,
        download_files=False,
        verbose=False,
        analytics_enabled=False,
        _skip_components=False,
        headers={"x-gradio-user": "mcp"},
    )


def _asks_for_tools(scope: Scope) -> bool:
    return bool(scope["type"] == "http" and f"{scope['path']}/".startswith(f"{TOOLS}/"))


def _brings(headers: Headers, auth: tuple[str, str]) -> bool:
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return scheme.lower() == "basic" and bool(secrets.compare_digest(given, ":".join(auth).encode()))
