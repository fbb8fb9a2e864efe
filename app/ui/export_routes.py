"""`/media/export` serves pictures as files for elsewhere: `?ids=…` and the settings of an export, by their names.

What it answers is to be looked at; with `save` it is offered as a file. An SVG is only ever offered as a file, and
where a browser opens one all the same nothing in it runs. Asks for the same sign-in as the app.
"""

from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.studio import Studio
from app.ui.routes import ULID, UNSTORED, explained
from dalle_core.errors import RequestError

SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
WHOLE = "x-dalle-whole"  # how many pictures have no plain ground that could be taken away


def export_routes(studio: Studio) -> list[Route]:
    async def export(request: Request) -> Response:
        return await run_in_threadpool(_answer, studio, dict(request.query_params))

    return [Route("/media/export", explained(export))]


def _answer(studio: Studio, asked: dict[str, str]) -> Response:
    from app.exports import read_spec

    ids = asked.pop("ids", "").split(",")
    if not all(ULID.fullmatch(image_id) for image_id in ids):
        raise RequestError("Choose the pictures to export first.")
    saves = asked.pop("save", "") == "1"
    spec = read_spec(asked)
    made = (studio.exports.make if saves else studio.exports.preview)(spec, ids)
    headers = {**UNSTORED, "content-security-policy": SANDBOX, WHOLE: str(made.whole)}
    if saves or made.media_type != "image/png":
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(made.name)}"
    return Response(made.data, media_type=made.media_type, headers=headers)
