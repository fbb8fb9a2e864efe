"""What a tab that starts from a picture has: the form, the bench with the picture, the board with what comes of it.

Layout and wiring only; knows no tab. What is done with the picture is said by whoever lays it out.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.errors import shown
from app.studio import Studio
from app.ui import controls
from app.ui.bench import bench_calls
from app.ui.controls import PRIVATE, event_field, script_html, submitted, wire_numbers, wire_stop
from app.ui.create import QUEUE
from app.ui.form import form_values
from app.ui.job_calls import job_calls
from app.ui.payloads import Payload
from dalle_core.errors import DalleError

BOARD = """<div class="board"><div class="blank" hidden></div>
<div class="runs"></div><div class="spoken" role="status"></div></div>"""


@dataclass(frozen=True)
class Workplace:
    """`form` is in the order of `form.FIELDS`."""

    tab: str
    form: tuple[gr.components.Component, ...]
    numbers: controls.Numbers
    actions: controls.Actions
    styles: gr.HTML
    bench: gr.HTML


def layout(
    studio: Studio, tab: str, placeholder: str, bench_template: str, bench_script: str, board_script: str
) -> Workplace:
    with gr.Row(elem_classes=["studio-columns", "completing", tab]):
        with gr.Column(elem_classes="composer", scale=0, min_width=320):
            prompt = controls.prompt_box(tab, placeholder)
            styles = controls.style_chips(studio)
            numbers = controls.numbers(tab)
            actions = controls.actions(tab)
            script_html(QUEUE, "dalleStudio.queue(element, {server})", server_functions=job_calls(studio))
            tuning = controls.fine_tuning(tab)
        with gr.Column(elem_classes="bench-column"):
            bench = script_html(bench_template, bench_script, server_functions=bench_calls(studio))
        with gr.Column(elem_classes="board-column"):
            script_html(BOARD, board_script)
    return Workplace(tab, controls.form(prompt, numbers, tuning), numbers, actions, styles, bench)


def wire(studio: Studio, place: Workplace, chosen: str, submit: Callable[..., str]) -> None:
    """`submit` is given what the script `chosen` says, then the form's values, when Paint is pressed."""

    def paint(*values: object) -> Payload:
        return submitted(lambda: submit(*values))

    actions, form = place.actions, list(place.form)
    # The bench says what is chosen when Paint is pressed; until then nothing of it needs to be here.
    actions.paint.click(paint, inputs=[place.bench, *form], outputs=actions.message,
                        js=f"(_, ...form) => [{chosen}, ...form]", concurrency_limit=None, **PRIVATE)  # fmt: skip
    wire_stop(studio, actions.stop)
    wire_numbers(place.numbers)


def wire_sending(studio: Studio, galleries: Sequence[gr.HTML], event: str, place: Workplace, tabs: gr.Tabs) -> None:
    """A button of the picture dialog, whichever tab opened it, sends `event`: its picture goes onto the bench."""

    def send(sent: gr.EventData) -> tuple[Any, ...]:
        """With the picture's own words and fine tuning; the numbers stay, and the seed is a new one.

        A picture from elsewhere has neither, and the fine tuning of another model's would not suit this one.
        """
        try:
            image = studio.image(event_field(sent, "image"))
        except DalleError as error:
            raise gr.Error(shown(error), print_exception=False) from error
        values = list(form_values(image.request, image.seed))
        values[2:5] = gr.skip(), gr.skip(), ""
        if image.model != studio.model_status().name:
            values[5:] = [gr.skip()] * len(values[5:])
        if image.imported:
            values = ["", *[gr.skip()] * (len(values) - 1)]
        chosen = {"image": image.id, "sent": secrets.token_hex(4)}
        return chosen, *values, gr.Tabs(selected=place.tab)

    outputs = [place.bench, *place.form, tabs]
    for gallery in galleries:
        getattr(gallery, event)(send, outputs=outputs, **PRIVATE)
