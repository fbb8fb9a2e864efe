"""What makes the page an app that browsers install: a manifest and icons of our own, in place of Gradio's.

Browsers ask for a manifest without the cookies of a sign-in, so these routes ask for none. They hold nothing private.
"""

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.ui.brand import ASSETS, PAPER, TITLE

DESCRIPTION = "Paint pictures from words with a small model of your own, on your own machine."
ICONS = {
    "any-192.png": "icon-192.png",
    "any-512.png": "icon.png",
    "maskable-192.png": "icon-maskable-192.png",
    "maskable-512.png": "icon-maskable-512.png",
}
A_DAY = {"cache-control": "public, max-age=86400"}


def installable_routes() -> list[Route]:
    return [Route("/manifest.json", send_manifest), Route("/icons/{name}", send_icon)]


async def send_manifest(request: Request) -> Response:
    return JSONResponse(manifest(), media_type="application/manifest+json", headers=A_DAY)


def manifest() -> dict[str, object]:
    return {
        "id": "/",
        "name": TITLE,
        "short_name": TITLE,
        "description": DESCRIPTION,
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": PAPER,
        "theme_color": PAPER,
        "categories": ["graphics", "photo"],
        "icons": [_icon(name) for name in ICONS],
    }


def _icon(name: str) -> dict[str, str]:
    purpose, side = name.removesuffix(".png").split("-")
    return {"src": f"icons/{name}", "sizes": f"{side}x{side}", "type": "image/png", "purpose": purpose}


async def send_icon(request: Request) -> Response:
    file = ICONS.get(request.path_params["name"])
    if file is None:
        return PlainTextResponse("There is no such icon.", status_code=404)
    return FileResponse(ASSETS / file, media_type="image/png", headers=A_DAY)
