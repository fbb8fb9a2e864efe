"""Routes that serve pictures, by id and by nothing else.

`/media/<id>.png` is the file, `/media/shown/<id>` what is looked at, `/media/thumbnail/<id>` the same among others, and
`/media/preview/<job>/<index>` what is being painted. Paths come from the service layer, never from the browser. A
picture to complete or vary comes in at `/media/source` and is shown at `/media/source/<id>`; `/media/varied/<job>` is
what a job varies. All ask for the same sign-in as the app.
"""

import asyncio
import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from app.studio import MAX_UPLOAD_BYTES, Studio
from app.ui.routes import UNSTORED, by_id, explained, missing, signed_in
from dalle_core.errors import DalleError, ImageError

TYPES = {".png": "image/png", ".webp": "image/webp"}
FOREVER = "private, max-age=31536000, immutable"  # a picture never changes under its id
MAX_NAME = 60


def media_routes(studio: Studio) -> list[Route]:
    media = _Media(studio)
    return [
        Route("/media/{id}.png", by_id(media.original)),
        Route("/media/sheet/{id}.png", by_id(media.sheet)),
        Route("/media/shown/{id}", by_id(media.shown)),
        Route("/media/thumbnail/{id}", by_id(media.thumbnail)),
        Route("/media/preview/{id}/{index:int}", by_id(media.preview)),
        Route("/media/varied/{id}", by_id(media.varied)),
        Route("/media/source", explained(media.take_source), methods=["POST"]),
        Route("/media/source/{upload}", signed_in(media.source)),
    ]


class _Media:
    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.making = ThreadPoolExecutor(1, "showing", give_way)  # a wall of new pictures holds nothing else up

    async def original(self, request: Request, image_id: str) -> Response:
        """The untouched file with its recipe; `?download=1` offers it under a telling name."""
        path = await run_in_threadpool(self.studio.image_path, image_id)
        name = await run_in_threadpool(self._download_name, image_id) if "download" in request.query_params else None
        if path.suffix not in TYPES or not path.is_file():
            return missing()
        return FileResponse(path, media_type=TYPES[path.suffix], filename=name, headers={"cache-control": FOREVER})

    async def shown(self, request: Request, image_id: str) -> Response:
        """A small picture larger than it is; any other as it is."""
        enlarged = await run_in_threadpool(self.studio.showing.is_enlarged, image_id)
        return await (self.thumbnail if enlarged else self.original)(request, image_id)

    async def thumbnail(self, request: Request, image_id: str) -> Response:
        """In one go: a wall of them is asked for at once, and each is a few kilobytes."""
        showing = self.studio.showing
        path = await run_in_threadpool(showing.ready, image_id)
        if path is None:
            path = await asyncio.get_running_loop().run_in_executor(self.making, showing.make, image_id)
        try:
            webp = await run_in_threadpool(path.read_bytes)
        except OSError:
            return missing()
        return Response(webp, media_type="image/webp", headers={"cache-control": FOREVER})

    async def sheet(self, request: Request, sheet_id: str) -> Response:
        """All of a sheet as one labelled picture, as far as it is painted."""
        png = await run_in_threadpool(self.studio.sheets.picture, sheet_id)
        name = await run_in_threadpool(self.studio.sheets.name_of, sheet_id)
        words = "-".join(re.findall(r"\w+", name.lower()))[:MAX_NAME].strip("-_") or "sheet"
        disposition = f"attachment; filename*=utf-8''{quote(words)}.png"
        return Response(png, media_type="image/png", headers=UNSTORED | {"content-disposition": disposition})

    async def preview(self, request: Request, job_id: str) -> Response:
        png = await run_in_threadpool(self.studio.preview, job_id, request.path_params["index"])
        if png is None:  # finished or not begun since the page was told: nothing to show, and nothing wrong
            return Response(status_code=204, headers=UNSTORED)
        return Response(png, media_type="image/png", headers=UNSTORED)

    async def varied(self, request: Request, job_id: str) -> Response:
        """The picture that a job varies, as its tokens show it, and shown as its variations are."""
        png = await run_in_threadpool(lambda: self.studio.showing.enlarged(self.studio.variations.original(job_id)))
        return Response(png, media_type="image/png", headers={"cache-control": FOREVER})

    async def take_source(self, request: Request) -> Response:
        """A foreign picture, as the body of the request, to be completed or varied. Answers its id from now on."""
        data = await bounded_body(request, MAX_UPLOAD_BYTES)
        upload = await run_in_threadpool(self.studio.take_upload, data)
        return JSONResponse({"image": upload.image_id} if upload.image_id else {"upload": upload.id}, headers=UNSTORED)

    async def source(self, request: Request) -> Response:
        """An upload as it was read: upright, the first frame, of a size to look at. Its id is no ULID."""
        try:
            png = self.studio.upload_preview(request.path_params["upload"])
        except DalleError:
            return missing()
        return Response(png, media_type="image/png", headers=UNSTORED)

    def _download_name(self, image_id: str) -> str:
        image = self.studio.image(image_id)
        return file_name(image.prompt, image.seed)


def give_way() -> None:
    """This thread runs when others do not want to, where the system knows such a thing of a thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


async def bounded_body(request: Request, limit: int) -> bytes:
    """A picture's bytes, the body of the request. Raises ImageError where there are more than `limit`."""
    data = await body_within(request, limit)
    if data is None:
        raise ImageError(f"This file is larger than the {limit // 2**20} MiB that are read.")
    return data


async def body_within(request: Request, limit: int) -> bytes | None:
    """The request's body, read no further than `limit` bytes, whatever it says of itself; None where it is longer."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            return None
    return bytes(data)


def file_name(prompt: str, seed: int) -> str:
    """A file name any system takes: the prompt's letters and digits, in any script, and the seed."""
    words = "-".join(re.findall(r"\w+", prompt.lower()))[:MAX_NAME].strip("-_")
    return f"{words or 'picture'}-{seed}.png"
