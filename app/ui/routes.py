"""What our own routes begin and end with: the sign-in, ids that can be ones of ours, and errors in words.

Routes beside Gradio's own do not go through its check of the sign-in.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.errors import shown
from dalle_core.errors import DalleError

ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
UNSTORED = {"cache-control": "no-store"}

Endpoint = Callable[[Request], Awaitable[Response]]


def signed_in(answer: Endpoint) -> Endpoint:
    """Only who is signed in, where that is needed at all, gets an answer."""

    async def guarded(request: Request) -> Response:
        if not _is_signed_in(request):
            return PlainTextResponse("Sign in first.", status_code=401, headers=UNSTORED)
        return await answer(request)

    return guarded


def explained(answer: Endpoint) -> Endpoint:
    """As `signed_in`; and what goes wrong is said in words, with the code that translates them."""

    async def answered(request: Request) -> Response:
        try:
            return await answer(request)
        except DalleError as error:
            return JSONResponse({"error": shown(error), "code": error.code}, status_code=422, headers=UNSTORED)

    return signed_in(answered)


def by_id(answer: Callable[[Request, str], Awaitable[Response]]) -> Endpoint:
    """As `signed_in`; and the `id` in the path is given along. One that is none of ours, or is gone, is not found."""

    async def found(request: Request) -> Response:
        given = request.path_params["id"]
        if not ULID.fullmatch(given):
            return missing()
        try:
            return await answer(request, given)
        except DalleError:
            return missing()

    return signed_in(found)


def missing() -> Response:
    return PlainTextResponse("There is no such picture.", status_code=404, headers=UNSTORED)


def _is_signed_in(request: Request) -> bool:
    """Gradio's own rule."""
    app: Any = request.app
    if app.auth is None and app.auth_dependency is None:
        return True
    cookies = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(request.cookies.get(cookie) in app.tokens for cookie in cookies)
