"""The Create tab: the form on the left, on the right every job of this visit, painting row by row.

Layout and wiring only. Jobs belong to the studio: this page submits them; what becomes of them comes by `/events`.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from app.errors import shown
from app.studio import Studio
from app.ui import controls, recipe_drop
from app.ui.browser_calls import browser_calls
from app.ui.controls import PRIVATE, SENDS, event_field, script_html, submitted, wire_numbers, wire_stop
from app.ui.examples import example_prompts
from app.ui.form import form_values, read_form, restored, tokens_fit, with_restored
from app.ui.job_calls import job_calls
from app.ui.payloads import Payload
from app.ui.prompt_calls import prompt_calls
from app.views import ImageView
from dalle_core.errors import DalleError

BOARD = """<div class="board"><div class="blank"><div class="blank-grid" aria-hidden="true"></div>
<h2>Describe a picture, then press Paint.</h2>
<p>Candidates appear here token row by token row, from the top. The best matches to your words come first.</p></div>
<div class="runs"></div><div class="spoken" role="status"></div></div>"""
VARYING = """<section class="varying"><p class="varying-row"><span>Vary by</span>
<button type="button" class="vary" data-by="style">style</button>
<button type="button" class="vary" data-by="colour">colour</button>
<button type="button" class="vary" data-by="background">background</button>
<span><button type="button" class="link names" aria-expanded="false">What it knows</button>
<button type="button" class="link wildcards" aria-expanded="false">Wildcards</button></span></p>
<div class="wildcard-list" hidden></div>
<section class="name-list" aria-label="What it knows" hidden><input type="search" autocomplete="off" spellcheck="false"
aria-label="Search names" placeholder="Search names"><div class="chip-row"></div>
<p role="status"></p></section>
<section class="unlearned" aria-label="Words the model has not learned" hidden></section>
<p class="varying-error" role="alert" hidden></p>
<div class="expansions" hidden><p class="expansions-count" role="status"></p>
<div class="chip-row" role="group" aria-label="Variations of the prompt"></div>
<button type="button" class="quiet as-grid">Paint as grid</button></div></section>"""
VARYING_SCRIPT = "dalleStudio.varying(element, {server, paintGrid: () => trigger('paint_grid', {})})"
RESTORED = """<p class="restored" role="status" hidden><span></span>
<button type="button" class="link" aria-label="Forget what was restored beside the form">Forget</button></p>"""
EXAMPLES_SCRIPT = "dalleStudio.examples(element, {props, watch})"
QUEUE = '<section class="queue" aria-label="Queue" hidden></section>'

BOARD_SCRIPT = f"dalleStudio.board(element, {{server, send: {SENDS}}})"


@dataclass(frozen=True)
class Widgets:
    """`form` is in the order of `form.FIELDS`; `beside` holds what came along with restored settings."""

    form: tuple[gr.components.Component, ...]
    varying: gr.HTML
    beside: gr.HTML
    numbers: controls.Numbers
    actions: controls.Actions
    styles: gr.HTML
    from_picture: gr.HTML
    board: gr.HTML


def layout(studio: Studio) -> Widgets:
    with gr.Row(elem_classes="studio-columns"):
        with gr.Column(elem_classes="composer", scale=0, min_width=320):
            prompt = controls.prompt_box("", "A red apple on a blue background, noto")
            varying = script_html(VARYING, VARYING_SCRIPT, server_functions=prompt_calls(studio))
            styles = controls.style_chips(studio)
            numbers = controls.numbers("")
            beside = script_html(RESTORED, "dalleStudio.restored(element, {props, watch})")
            actions = controls.actions("")
            script_html(QUEUE, "dalleStudio.queue(element, {server})", server_functions=job_calls(studio))
            tuning = controls.fine_tuning("")
            from_picture = recipe_drop.layout()
            script_html(controls.CHIPS, EXAMPLES_SCRIPT, title="Try", value=example_prompts())
        with gr.Column(elem_classes="board-column"):
            calls = [*browser_calls(studio), *job_calls(studio)]
            board = script_html(BOARD, BOARD_SCRIPT, server_functions=calls)
    form = controls.form(prompt, numbers, tuning)
    return Widgets(form, varying, beside, numbers, actions, styles, from_picture, board)


def wire(studio: Studio, widgets: Widgets) -> None:
    def paint(variation: object, beside: object, *values: object) -> Payload:
        return submitted(lambda: submit(studio, variation, beside, values))

    actions = widgets.actions
    inputs = [widgets.varying, widgets.beside, *widgets.form]
    marked = "(_, ...rest) => [dalleStudio.markedVariation(), ...rest]"
    actions.paint.click(paint, inputs=inputs, outputs=actions.message, js=marked, concurrency_limit=None,
                        **PRIVATE)  # fmt: skip
    wire_stop(studio, actions.stop)
    wire_numbers(widgets.numbers)


def wire_reuse(
    studio: Studio, galleries: Sequence[gr.HTML], widgets: Widgets, varying: Sequence[Any], tabs: gr.Tabs
) -> None:
    """What the picture dialog hands back to the form, whichever tab opened it.

    The settings of a variation go to where variations are made, `varying`: that tab's bench and form.
    """

    def picture(event: gr.EventData) -> ImageView:
        try:
            return studio.image(event_field(event, "image"))
        except DalleError as error:
            raise gr.Error(shown(error), print_exception=False) from error

    def use_seed(event: gr.EventData) -> tuple[Any, Any]:
        return str(picture(event).seed), gr.Tabs(selected="create")

    def use_prompt(event: gr.EventData) -> tuple[Any, Any]:
        return picture(event).prompt, gr.Tabs(selected="create")

    def use_settings(event: gr.EventData) -> tuple[Any, ...]:
        image, status = picture(event), studio.model_status()
        form = form_values(image.request, image.request.seed)
        if (varied := studio.variations.varied(image.id)) is not None:
            bench = {"image": varied, "strength": image.request.strength, "sent": secrets.token_hex(4)}
            return *_unchanged([*widgets.form, None]), bench, *form, gr.Tabs(selected="variations")
        beside = restored(image.request, image.model_sha256, tokens_fit(image.model_sha256, status))
        # Nothing for the bench: skipped, it would lose its properties where its tab was not opened yet.
        return *form, beside, None, *_unchanged(varying[1:]), gr.Tabs(selected="create")

    for gallery in galleries:
        gallery.use_seed(use_seed, outputs=[widgets.numbers.seed, tabs], **PRIVATE)
        gallery.use_prompt(use_prompt, outputs=[widgets.form[0], tabs], **PRIVATE)
        gallery.use_settings(use_settings, outputs=[*widgets.form, widgets.beside, *varying, tabs], **PRIVATE)


def _unchanged(widgets: Sequence[object]) -> list[Any]:
    return [gr.skip()] * len(widgets)


def submit(studio: Studio, variation: object, beside: object, values: Sequence[object]) -> str:
    """Of a template that variation which is marked."""
    request, model_sha256 = with_restored(read_form(*values), beside)
    number = variation if isinstance(variation, int) else 0
    request = replace(request, prompt=studio.prompts.chosen(request.prompt, number))
    given = request.prefix_tokens or request.source_tokens
    return studio.submit(request, model_sha256=model_sha256 if given else None)
