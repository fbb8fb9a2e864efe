"""The Models tab: what there is to paint with, what each needs, and which one new jobs are for. Layout and answers.

Cards are foreign text: they go out as they are, and assets/ui/models.js draws them as text, never as markup.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from app.studio import Studio
from app.ui.asked import answer, text
from app.ui.bench import MAX_ID, source_payload
from app.ui.controls import script_html
from app.ui.model_downloads import download_calls
from app.ui.payloads import Payload, status_payload
from app.views import ModelStatus, ModelView, readable_size

MODELS = """<section class="models" aria-label="Models"><p class="models-where"></p>
<div class="model-list"></div><p class="model-note" role="status"></p>
<label class="ranker" hidden><span>Pictures are ranked by</span> <select></select></label>
<section class="public-models" aria-labelledby="offers-title" hidden><h2 id="offers-title">Public models</h2>
<p class="models-where">Others have published these. Nothing is fetched before you agree to a model's licence.</p>
<div class="offer-list model-list"></div><p class="offers-note" role="status"></p></section></section>"""
LANGUAGES = {"en": "English", "zh": "Chinese"}


def layout(studio: Studio) -> gr.HTML:
    return script_html(MODELS, "dalleStudio.models(element, {server})", server_functions=model_calls(studio))


def model_calls(studio: Studio) -> list[Callable[[Any], Any]]:
    """Functions of one JSON value. Each answers `{"error": words}` where it cannot."""

    def list_models(asked: Any) -> Payload:
        return answer(lambda: _list(studio))

    def choose_model(asked: Any) -> Payload:
        return answer(lambda: _choose(studio, text(asked, "model") or ""))

    def model_card(asked: Any) -> Payload:
        return answer(lambda: {"card": studio.models.card(text(asked, "model") or "")})

    def choose_reranker(asked: Any) -> Payload:
        return answer(lambda: _rank_by(studio, text(asked, "reranker") or ""))

    def reconstruct_picture(asked: Any) -> Payload:
        return answer(lambda: _reconstruct(studio, text(asked, "model") or "", text(asked, "upload") or ""))

    return [list_models, choose_model, model_card, choose_reranker, reconstruct_picture, *download_calls(studio)]


def _choose(studio: Studio, name: str) -> Payload:
    studio.models.choose(name)
    return _list(studio)


def _rank_by(studio: Studio, name: str) -> Payload:
    studio.choose_reranker(name)
    return _list(studio)


def _reconstruct(studio: Studio, name: str, upload_id: str) -> Payload:
    made = source_payload(studio.reconstruct(name, upload_id[:MAX_ID]))
    spec = next(view.spec for view in studio.models.all() if view.name == name)
    codes = 0 if spec is None else spec.codebook_size
    return {**made, "words": f"{made['rows']} × {made['rows']} tokens of {codes:,} codes"}


def _list(studio: Studio) -> Payload:
    status = studio.model_status()
    free = studio.models.free_memory()
    return {
        "models": [model_payload(view, status, free) for view in studio.models.all()],
        "status": status_payload(status),
        "where": home_relative(studio.settings.own_models),
        "rerankers": list(studio.rerankers()),
        "ranker": studio.worker.ranker,
    }


def home_relative(path: Path) -> str:
    """As people write it, and without their name where it is below their home."""
    with contextlib.suppress(ValueError, RuntimeError):  # elsewhere, or nobody's home is known
        return str("~" / path.relative_to(Path.home()))
    return str(path)


def model_payload(view: ModelView, status: ModelStatus, free: int | None) -> Payload:
    current = view.name == status.name
    return {
        "name": view.name,
        "current": current,
        "problem": view.problem,
        "paints": view.paints,
        "card": view.has_card,
        "about": _about(view),
        "facts": [(name, value) for name, value in _facts(view, free) if value],
        "tight": free is not None and not current and view.memory > free,
    }


def _about(view: ModelView) -> list[str]:
    spec = view.spec
    if spec is None:
        return []
    what = [] if view.paints else ["Turns pictures into tokens and back"]
    return [
        *what,
        f"{spec.image_size} × {spec.image_size} pixels",
        *(LANGUAGES.get(tag, tag) for tag in spec.languages),
    ]


def _facts(view: ModelView, free: int | None) -> list[tuple[str, str | int]]:
    """Words, and numbers that the page says in its language."""
    spec = view.spec
    place = "your data folder" if view.own else "the studio"
    if spec is None:
        return [("On disk", readable_size(view.bytes_on_disk)), ("Found in", place)]
    needs = readable_size(view.memory)
    return [
        ("Licence", spec.licence),
        ("Parameters", view.parameters),
        ("On disk", readable_size(view.bytes_on_disk)),
        ("Memory", f"about {needs}" if free is None else f"about {needs}, {readable_size(free)} free"),
        ("Styles", ", ".join(spec.styles)),
        ("Found in", place),
    ]
