"""`/events`: the stream every open page listens to, as server-sent events of plain JSON.

A route of our own and no Gradio event: a browser that goes away ends it at once, it comes back by itself, and it takes
one connection a page. Asks for the same sign-in as the app.
"""

import json
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from app.follow import News, follow
from app.studio import Studio
from app.ui.payloads import Payload, job_payload, queue_payload, status_payload
from app.ui.routes import signed_in

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
BEAT = "event: beat\ndata:\n\n"


def event_routes(studio: Studio) -> list[Route]:
    async def events(request: Request) -> Response:
        return StreamingResponse(_stream(studio, request), media_type="text/event-stream", headers=HEADERS)

    return [Route("/events", signed_in(events))]


async def _stream(studio: Studio, request: Request) -> AsyncIterator[str]:
    first = True
    async for news in follow(studio):
        if request.app.stop_event.is_set() or await request.is_disconnected():
            return
        yield f"data: {json.dumps(news_payload(news) | {'first': first})}\n\n" if news else BEAT
        first = first and not news


def news_payload(news: News) -> Payload:
    payload: Payload = {"jobs": [job_payload(view) for view in news.jobs]}
    if news.queue is not None:
        payload["queue"] = queue_payload(news.queue)
    if news.status is not None:
        payload["status"] = status_payload(news.status)
    if news.gallery:
        payload |= {"gallery": True, "marked": list(news.marked)}
    return payload
