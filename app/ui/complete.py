"""The Complete tab: a picture, how much of its top is kept, and what the model makes of the rest.

Layout and wiring only. The bench, where the square is chosen, is drawn by assets/ui/complete.js.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.studio import MAX_UPLOAD_BYTES, Studio
from app.ui import controls
from app.ui.bench import bench_calls, complete
from app.ui.controls import PRIVATE, event_field, script_html, submitted, wire_numbers, wire_stop
from app.ui.create import QUEUE
from app.ui.form import form_values, read_form
from app.ui.job_calls import job_calls
from app.ui.payloads import Payload
from dalle_core.errors import DalleError

TAB = "complete"
BENCH = f"""<section class="bench" aria-label="The picture to complete" data-limit="{MAX_UPLOAD_BYTES}">
<div class="drop"><p class="drop-title">Drop a picture here, paste one, or
<button type="button" class="choose">choose a file</button></p>
<p>Or open any picture you painted and press Complete from here.</p>
<div class="suggested" hidden><h3></h3><div class="suggested-row"></div></div>
<input type="file" accept="image/*" aria-label="A picture to complete" tabindex="-1" hidden></div>
<p class="bench-error" role="alert" hidden></p>
<div class="workpiece" hidden>
<div class="panes">
<figure><div class="pane"><div class="fit"><img class="full" alt="The chosen picture">
<div class="mask"><div class="cut" tabindex="0" role="group"><div class="below"></div><i class="handle"></i></div></div>
</div></div>
<figcaption>The picture</figcaption></figure>
<figure><div class="pane made"><img alt="What the tokens make of the square"><div class="below"></div></div>
<figcaption>What its tokens make of it</figcaption></figure>
</div>
<div class="bench-controls">
<label class="slide"><span>Keep the top <b class="kept"></b></span>
<input type="range" name="rows" min="1" step="1"></label>
<label class="slide"><span>Size of the square</span>
<input type="range" name="side" min="10" max="100" step="1"></label>
<label class="tick"><input type="checkbox" name="letterbox"><span>Whole picture, with bars</span></label>
<button type="button" class="quiet another">Another picture</button>
</div></div>
<p class="why">Only the top can be kept: a picture is written in tokens, row by row from the top, and each token sees
only those before it.</p></section>"""
BENCH_SCRIPT = "dalleStudio.bench(element, {props, watch, server})"
BOARD = """<div class="board"><div class="blank" hidden></div>
<div class="runs"></div><div class="spoken" role="status"></div></div>"""


@dataclass(frozen=True)
class Widgets:
    """`form` is in the order of `form.FIELDS`."""

    form: tuple[gr.components.Component, ...]
    numbers: controls.Numbers
    actions: controls.Actions
    styles: gr.HTML
    bench: gr.HTML


def layout(studio: Studio) -> Widgets:
    with gr.Row(elem_classes="studio-columns completing"):
        with gr.Column(elem_classes="composer", scale=0, min_width=320):
            prompt = controls.prompt_box(TAB, "What the whole picture shows")
            styles = controls.style_chips()
            numbers = controls.numbers(TAB)
            actions = controls.actions(TAB)
            script_html(QUEUE, "dalleStudio.queue(element, {server})", server_functions=job_calls(studio))
            tuning = controls.fine_tuning(TAB)
        with gr.Column(elem_classes="bench-column"):
            bench = script_html(BENCH, BENCH_SCRIPT, server_functions=bench_calls(studio))
        with gr.Column(elem_classes="board-column"):
            script_html(BOARD, "dalleStudio.completions(element)")
    return Widgets(controls.form(prompt, numbers, tuning), numbers, actions, styles, bench)


def wire(studio: Studio, widgets: Widgets) -> None:
    def paint(chosen: object, *values: object) -> Payload:
        return submitted(lambda: complete(studio, chosen, lambda: read_form(*values)))

    actions, form = widgets.actions, list(widgets.form)
    # The bench says what is chosen when Paint is pressed; until then nothing of it needs to be here.
    chosen = "(_, ...form) => [dalleStudio.chosen(), ...form]"
    actions.paint.click(paint, inputs=[widgets.bench, *form], outputs=actions.message, js=chosen,
                        concurrency_limit=None, **PRIVATE)  # fmt: skip
    wire_stop(studio, actions.stop)
    wire_numbers(widgets.numbers)


def wire_sending(studio: Studio, galleries: Sequence[gr.HTML], widgets: Widgets, tabs: gr.Tabs) -> None:
    """Complete from here, of the picture dialog, whichever tab opened it."""

    def complete_from(event: gr.EventData) -> tuple[Any, ...]:
        """With the picture's own words and fine tuning; the numbers stay, and the seed is a new one."""
        try:
            image = studio.image(event_field(event, "image"))
        except DalleError as error:
            raise gr.Error(str(error), print_exception=False) from error
        values = list(form_values(image.request, image.seed))
        values[2:5] = gr.skip(), gr.skip(), ""
        sent = {"image": image.id, "sent": secrets.token_hex(4)}
        return sent, *values, gr.Tabs(selected=TAB)

    outputs = [widgets.bench, *widgets.form, tabs]
    for gallery in galleries:
        gallery.complete_from(complete_from, outputs=outputs, **PRIVATE)
