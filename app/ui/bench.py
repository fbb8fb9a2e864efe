"""The bench, where the picture to complete or vary is chosen: its markup, what the page's scripts say of it, checked,
and what they are told about it. It is drawn by assets/ui/bench.js.

Knows no widgets. An upload has an unguessable id; a picture of the history has its own.
"""

import base64
from collections.abc import Callable, Sequence
from typing import Any

from app.studio import MAX_UPLOAD_BYTES, Crop, Source, Studio
from app.ui.asked import answer, is_number, number
from app.ui.examples import example_pictures
from app.ui.payloads import Payload, thumbnail_payload
from app.ui.routes import ULID
from app.views import ImageView
from dalle_core.errors import RequestError
from dalle_core.request import GenerationRequest

MAX_ID = 64
SUGGESTED = 6


def bench_markup(*, label: str, file_label: str, how: str, slide: str, why: str, veil: str = "") -> str:
    """`label` names the bench, `how` a picture is sent here, `slide` is its tab's own control, `why` what to know.

    `veil` lies over what is not kept of a picture.
    """
    return f"""<section class="bench" aria-label="{label}" data-limit="{MAX_UPLOAD_BYTES}">
<div class="drop"><p class="drop-title">Drop a picture here, paste one, or
<button type="button" class="choose">choose a file</button></p>
<p>{how}</p>
<div class="suggested" hidden><h3></h3><div class="suggested-row"></div></div>
<input type="file" accept="image/*" aria-label="{file_label}" tabindex="-1" hidden></div>
<p class="bench-error" role="alert" hidden></p>
<div class="workpiece" hidden>
<div class="panes">
<figure><div class="pane"><div class="fit"><img class="full" alt="The chosen picture">
<div class="mask"><div class="cut" tabindex="0" role="group">{veil}<i class="handle"></i></div></div>
</div></div>
<figcaption>The picture</figcaption></figure>
<figure><div class="pane made"><img alt="What the tokens make of the square">{veil}</div>
<figcaption>What its tokens make of it</figcaption></figure>
</div>
<div class="bench-controls">
{slide}
<label class="slide"><span>Size of the square</span>
<input type="range" name="side" min="10" max="100" step="1"></label>
<label class="tick"><input type="checkbox" name="letterbox"><span>Whole picture, with bars</span></label>
<button type="button" class="quiet another">Another picture</button>
</div></div>
<p class="why">{why}</p></section>"""


def bench_calls(studio: Studio) -> list[Callable[[Any], Payload]]:
    """Functions of one JSON value. Each answers `{"error": words}` where it cannot."""

    def prepare_source(asked: Any) -> Payload:
        return answer(lambda: source_payload(read_source(studio, asked)))

    def suggest_pictures(asked: Any) -> Payload:
        return answer(lambda: suggestions_payload(studio.images(limit=SUGGESTED)))

    return [prepare_source, suggest_pictures]


def complete(studio: Studio, asked: Any, request: Callable[[], GenerationRequest]) -> str:
    """Queue what `request` gives on the chosen picture's top; returns the job's id. Raises whatever is wrong first."""
    chosen = _chosen(asked)
    checked = request()
    return studio.complete(checked, read_source(studio, chosen), _rows(chosen.get("rows")))


def vary(studio: Studio, asked: Any, request: Callable[[float], GenerationRequest]) -> str:
    """Queue variations of the chosen picture by what `request` gives for a strength; likewise."""
    chosen = _chosen(asked)
    checked = request(number(chosen.get("strength"), "strength"))
    return studio.variations.start(checked, read_source(studio, chosen))


def _chosen(asked: Any) -> Payload:
    if not isinstance(asked, dict):
        raise RequestError("Choose a picture first: drop one, paste one, or send one from Create or the Gallery.")
    return asked


def read_source(studio: Studio, asked: Any) -> Source:
    """The picture and square that `asked` names. Raises RequestError, NotFound, ImageError, CheckpointError."""
    if not isinstance(asked, dict):
        raise RequestError("Choose a picture first.")
    upload, image = asked.get("upload"), asked.get("image")
    crop = _crop(asked.get("crop"))
    if isinstance(upload, str) and len(upload) <= MAX_ID:
        return studio.prepare_source(upload_id=upload, crop=crop)
    if isinstance(image, str) and ULID.fullmatch(image):
        return studio.prepare_source(image_id=image, crop=crop)
    raise RequestError("Choose a picture first.")


def source_payload(source: Source) -> Payload:
    return {
        "square": _data_url(source.square),
        "reconstruction": _data_url(source.reconstruction),
        "rows": source.rows,
        "exact": source.exact,
    }


def suggestions_payload(latest: Sequence[ImageView]) -> Payload:
    """Pictures to begin with: those painted last, or examples where there are none yet."""
    return {
        "latest": [thumbnail_payload(image) for image in latest],
        "examples": [] if latest else example_pictures(),
    }


def _crop(asked: Any) -> Crop:
    values = asked if isinstance(asked, dict) else {}
    numbers = {name: values[name] for name in ("x", "y", "side") if name in values}
    if not all(is_number(value) for value in numbers.values()):
        raise RequestError("The square's place and size are to be numbers.")
    return Crop(**numbers, letterbox=values.get("letterbox") is True)


def _rows(asked: Any) -> int:
    if not is_number(asked) or asked != int(asked):
        raise RequestError("The rows to keep are to be a whole number.")
    return int(asked)


def _data_url(png: bytes) -> str:
    """These are as small as the model's own pictures."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
