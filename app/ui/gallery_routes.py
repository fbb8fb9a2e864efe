"""Routes of the Gallery for what is larger than a question. Both ask for the same sign-in as the app.

`/media/zip/<basket>` downloads pictures, `/media/import` takes a file in.
"""

import tempfile
from pathlib import Path

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from app.errors import shown
from app.gallery_views import Imported
from app.studio import Studio
from app.ui.baskets import Baskets
from app.ui.payloads import Payload
from app.ui.routes import UNSTORED, explained, signed_in
from dalle_core.errors import DalleError, RequestError

MAX_IMPORT_BYTES = 4 * 2**30
ZIP_NAME = "dalle-studio.zip"


def gallery_routes(studio: Studio, baskets: Baskets) -> list[Route]:
    async def download(request: Request) -> Response:
        image_ids = baskets.get(request.path_params["basket"])
        if image_ids is None:
            return _missing("Select the pictures again, then download.")
        try:
            data = await run_in_threadpool(studio.gallery.download, image_ids)
        except DalleError as error:
            return _missing(shown(error))
        headers = UNSTORED | {"content-disposition": f'attachment; filename="{ZIP_NAME}"'}
        return StreamingResponse(iterate_in_threadpool(data), media_type="application/zip", headers=headers)

    async def take_in(request: Request) -> Response:
        try:
            with tempfile.TemporaryDirectory(dir=studio.settings.temp) as folder:
                file = await _received(request, Path(folder))
                name = request.query_params.get("name", "")
                imported = await run_in_threadpool(studio.gallery.import_files, [(name, file)])
        except OSError as error:  # the disk is full, most likely
            words = f"Cannot write to {studio.settings.temp}: {error.strerror or error}."
            return JSONResponse({"error": words}, status_code=507, headers=UNSTORED)
        return JSONResponse(imported_payload(imported), headers=UNSTORED)

    return [
        Route("/media/zip/{basket}", signed_in(download)),
        Route("/media/import", explained(take_in), methods=["POST"]),
    ]


def imported_payload(imported: Imported) -> Payload:
    return {
        "added": len(imported.ids),
        "recipes": imported.with_recipe,
        "known": imported.known,
        "ignored": imported.ignored,
        "refused": list(imported.refused),
        "refusedCount": imported.refused_count,
    }


async def _received(request: Request, folder: Path) -> Path:
    """The request's body on disk, under a name of ours. Raises RequestError where it is too large."""
    path, size = folder / "import", 0
    with path.open("wb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_IMPORT_BYTES:
                raise RequestError(f"This file is larger than the {MAX_IMPORT_BYTES // 2**30} GiB that are read.")
            file.write(chunk)
    return path


def _missing(words: str) -> Response:
    return PlainTextResponse(words, status_code=404, headers=UNSTORED)
