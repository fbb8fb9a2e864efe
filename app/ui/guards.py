"""What stands before every request: known hosts only, no foreign origins, and headers that keep the page to itself.

Plain ASGI, so that streams pass through untouched. Knows nothing of pages or pictures.
"""

from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
# Gradio's own file routes fetch addresses and show paths of this machine. Pictures have routes of their own.
CLOSED_PATHS = ("/file=", "/file/", "/proxy=", "/upload", "/stream/")
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


def guards(allowed_hosts: Sequence[str]) -> list[Middleware]:
    """Middleware, outermost first. `allowed_hosts` are names without a port, besides this machine's own."""
    return [
        Middleware(TrustedHostMiddleware, allowed_hosts=[*LOCAL_HOSTS, *allowed_hosts], www_redirect=False),
        Middleware(SameOrigin),
        Middleware(ClosedPaths),
        Middleware(ProtectiveHeaders),
    ]


class SameOrigin:
    """Refuses unsafe methods and web sockets that another site's page sends: any foreign or opaque Origin.

    Programs that are no browser send no Origin and pass.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope.get("method") in SAFE_METHODS or _is_same_origin(Headers(scope=scope)):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse("This request came from another site.", status_code=403)(scope, receive, send)


class ClosedPaths:
    """Refuses what this page never asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and any(closed in unquote(scope["path"]) for closed in CLOSED_PATHS):
            await PlainTextResponse("This studio does not serve files this way.", status_code=403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _is_same_origin(headers: Headers) -> bool:
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
    return urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""


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
