"""Settings out of a picture's own recipe: a PNG that is dropped on Create, or chosen with a button.

The browser sends the head of the file, where the recipe is; the service layer reads it, within its own bounds.
"""

from typing import Any

import gradio as gr
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.errors import shown
from app.recipes import Recipe, request_from_json, request_to_json
from app.studio import Studio
from app.ui.controls import PRIVATE, event_field, script_html
from app.ui.form import FIELDS, form_values, restored, tokens_fit
from app.ui.media import body_within
from app.ui.payloads import Payload, counted
from app.ui.routes import UNSTORED, explained
from app.views import ModelStatus
from dalle_core.errors import DalleError, RequestError
from dalle_core.request import GenerationRequest

HEAD_BYTES = 2 * 2**20  # more than the largest recipe has
MAX_SEED_DIGITS = 20
WIDGET = """<div class="from-picture"><button type="button" class="quiet">Settings from a picture</button>
<input type="file" accept="image/png,.png" aria-label="A picture painted here" hidden></div>"""
SCRIPT = """dalleStudio.recipeDrop(element, {send: {
    useRecipe: (request, seed, what, model) => trigger('use_recipe', {request, seed, what, model}),
}})"""


def layout() -> gr.HTML:
    return script_html(WIDGET, SCRIPT)


def wire(
    studio: Studio, widget: gr.HTML, form: tuple[gr.components.Component, ...], beside: gr.HTML, tabs: gr.Tabs
) -> None:
    """All settings, only the prompt or only the seed go into the form, which is shown; `beside` has what it cannot."""

    def use_recipe(event: gr.EventData) -> tuple[Any, ...]:
        try:
            request, seed = _read(event_field(event, "request"), event_field(event, "seed"))
        except DalleError as error:
            raise gr.Error(shown(error), print_exception=False) from error
        what = event_field(event, "what")
        wanted = FIELDS if what == "all" else (what,)
        values = zip(FIELDS, form_values(request, seed), strict=True)
        chosen = (value if name in wanted else gr.skip() for name, value in values)
        model = event_field(event, "model")
        along = restored(request, model, tokens_fit(model, studio.model_status())) if what == "all" else gr.skip()
        return *chosen, along, gr.Tabs(selected="create")

    widget.use_recipe(use_recipe, outputs=[*form, beside, tabs], **PRIVATE)


def _read(request: str, seed: str) -> tuple[GenerationRequest, int]:
    """Raises RequestError or RecipeError: what the page sends back may be anything by now."""
    if not (seed.isascii() and seed.isdigit() and len(seed) <= MAX_SEED_DIGITS) or len(request) > HEAD_BYTES:
        raise RequestError("This recipe has no seed that can be used.")
    return request_from_json(request), int(seed)


def recipe_routes(studio: Studio) -> list[Route]:
    """`/media/recipe` answers the recipe in the picture that is the request's body."""

    async def read(request: Request) -> Response:
        recipe = await run_in_threadpool(studio.read_recipe, await _bounded_body(request))
        return JSONResponse(recipe_payload(recipe, studio.model_status()), headers=UNSTORED)

    return [Route("/media/recipe", explained(read), methods=["POST"])]


async def _bounded_body(request: Request) -> bytes:
    data = await body_within(request, HEAD_BYTES)
    if data is None:
        raise RequestError(f"At most the first {HEAD_BYTES} bytes of a picture are read.")
    return data


def recipe_payload(recipe: Recipe, status: ModelStatus) -> Payload:
    """What a recipe says, and what will differ when it is used here. The seed is a text: browsers round numbers."""
    request = recipe.request
    return {
        "prompt": request.prompt,
        "seed": str(recipe.seed),
        "settings": _recipe_words(recipe),
        "notes": _recipe_notes(recipe, status),
        "request": request_to_json(request),
        "model": recipe.model_sha256,
    }


def _recipe_words(recipe: Recipe) -> str:
    request = recipe.request
    parts = [counted(request.count, "candidate"), f"temperature {request.temperature:g}"]
    if request.guidance_scale != 1:
        parts.append(f"guidance {request.guidance_scale:g}")
    if request.negative_prompt:
        parts.append(f"without {request.negative_prompt}")
    return " · ".join(parts)


def _recipe_notes(recipe: Recipe, status: ModelStatus) -> list[str]:
    notes, spec = [], status.spec
    if spec is not None and recipe.model != spec.name:
        notes.append(f"Painted by {recipe.model}; here {spec.name} is open, so the picture will be another.")
    elif spec is not None and recipe.model_sha256 != spec.sha256:
        notes.append(f"Painted by another version of {recipe.model}, so the picture will be another.")
    if recipe.request.prefix_tokens and tokens_fit(recipe.model_sha256, status):
        notes.append("The top of this picture was given to it. All settings bring that top along.")
    elif recipe.request.prefix_tokens:
        notes.append("The top of this picture was given to it. The settings alone paint a whole new one.")
    if recipe.request.varies and tokens_fit(recipe.model_sha256, status):
        notes.append("This is a variation of another picture. All settings bring that picture along.")
    elif recipe.request.varies:
        notes.append("This is a variation of another picture. The settings alone paint a whole new one.")
    return notes
