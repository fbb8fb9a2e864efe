"""What stands before every request: known hosts only, no foreign origins, and headers that keep the page to itself.

Plain ASGI, so that streams pass through untouched. Knows nothing of pages or pictures.
"""

import logging
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Of Gradio's routes, those that its page and its clients need. Among the others are some that read files by their
# path, fetch addresses, write uploads, or store runs elsewhere. Pictures have routes of their own.
OPEN_PATHS = frozenset(
    {
        "/", "/events", "/config", "/theme.css", "/favicon.ico", "/robots.txt", "/login", "/logout", "/manifest.json",
        "/gradio_api/info", "/gradio_api/openapi.json", "/gradio_api/app_id", "/gradio_api/startup-events",
        "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/cancel", "/gradio_api/reset",
        "/gradio_api/component_server", "/gradio_api/mcp",
    }
)  # fmt: skip
OPEN_FOLDERS = ("/assets/", "/static/", "/svelte/", "/gradio_api/heartbeat/", "/gradio_api/call/", "/gradio_api/mcp/")
# Gradio reads a body whole, before it asks who sends it. The largest it needs to is a picture in base64.
MAX_BODY_BYTES = 64 * 2**20
OWN_FOLDERS = ("/media/", "/icons/")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Gradio compiles its templates in the browser, hence 'unsafe-eval'; everything else stays on this server.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}

logger = logging.getLogger(__name__)


def guards(knows_host: Callable[[str], bool]) -> list[Middleware]:
    """Middleware, outermost first. `knows_host` is asked about each request's Host header."""
    return [
        Middleware(KnownHost, knows=knows_host),
        Middleware(SameOrigin),
        Middleware(ClosedPaths),
        Middleware(BoundedBodies),
        Middleware(ProtectiveHeaders),
        Middleware(PlainFaults),
    ]


class KnownHost:
    """Refuses requests that call this studio by a name that is not its own."""

    def __init__(self, app: ASGIApp, knows: Callable[[str], bool]) -> None:
        self.app = app
        self.knows = knows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self.knows(Headers(scope=scope).get("host", "")):
            await self.app(scope, receive, send)
        else:
            words = (
                "This studio does not know the name it was called by. Start it with --allowed-host NAME to allow it."
            )
            await _refuse(scope, receive, send, words, 400)


class SameOrigin:
    """Refuses what another site's page asks for: any foreign or opaque Origin, and any unsafe method from elsewhere.

    Programs that are no browser send no Origin and pass.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _is_same_origin(Headers(scope=scope), scope.get("method") in SAFE_METHODS):
            await self.app(scope, receive, send)
        else:
            await _refuse(scope, receive, send, "This request came from another site.", 403)


class ClosedPaths:
    """Refuses what this page never asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_open(scope["path"]):
            await _refuse(scope, receive, send, "This studio does not serve this.", 403)
        else:
            await self.app(scope, receive, send)


class BoundedBodies:
    """Reads no more than MAX_BODY_BYTES of what is sent to Gradio's routes; ours have bounds of their own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(OWN_FOLDERS):
            await self.app(scope, receive, send)
            return
        said = Headers(scope=scope).get("content-length", "")
        if said.isdecimal() and int(said) > MAX_BODY_BYTES:
            await _refuse(scope, receive, send, f"At most {MAX_BODY_BYTES // 2**20} MiB are read.", 413)
        else:
            await self.app(scope, _bounded(receive), send)


def _bounded(receive: Receive) -> Receive:
    """`receive`, which ends like a connection that broke where more comes than is read."""
    room = MAX_BODY_BYTES

    async def receive_within() -> Message:
        nonlocal room
        message = await receive()
        room -= len(message.get("body", b""))
        return message if room >= 0 else {"type": "http.disconnect"}

    return receive_within


def is_open(path: str) -> bool:
    return (path.rstrip("/") or "/") in OPEN_PATHS or path.startswith((*OPEN_FOLDERS, *OWN_FOLDERS))


async def _refuse(scope: Scope, receive: Receive, send: Send, words: str, status: int) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await PlainTextResponse(words, status_code=status)(scope, receive, send)


def _is_same_origin(headers: Headers, safe: bool) -> bool:
    """A link from elsewhere is a safe request without an Origin; a script elsewhere that wants to read sends one."""
    origin = headers.get("origin")
    if origin is None:
        return safe or headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
    return urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""


class PlainFaults:
    """Answers in words where Gradio or what it stands on stumbles over a request, such as half a character in JSON.

    A stream that has begun, such as one for a page that an earlier run served, breaks off. The log has the traceback.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun: Message = {}

        async def send_on(message: Message) -> None:
            begun.update(message if message["type"] == "http.response.start" else {})
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        except Exception:
            logger.exception("%s %r", scope.get("method"), scope.get("path"))
            if scope["type"] == "http" and not begun:
                await _own_up(scope, receive, send)
            elif not (begun and _is_stream(begun)):
                raise


async def _own_up(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"].startswith("/gradio_api/"):
        await _refuse(scope, receive, send, "This request cannot be understood.", 400)
    else:
        await _refuse(scope, receive, send, "Something unexpected went wrong. The log says more.", 500)


def _is_stream(start: Message) -> bool:
    return Headers(raw=start["headers"]).get("content-type", "").startswith("text/event-stream")


class ProtectiveHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_protected if scope["type"] == "http" else send)
