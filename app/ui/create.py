"""The Create tab: the form on the left, on the right every job of this visit, painting row by row.

Layout and wiring only. Jobs belong to the studio: this page submits, watches and cancels them.
"""

import json
import logging
from asyncio import to_thread
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import gradio as gr

from app.studio import Studio
from app.ui import controls
from app.ui.browser_calls import browser_calls
from app.ui.controls import PRIVATE, event_field, script_html, submitted, wire_numbers, wire_stop
from app.ui.form import form_values, read_form
from app.ui.payloads import Payload, job_payload
from app.ui.theme import ASSETS
from app.views import ImageView, ModelStatus
from dalle_core.errors import DalleError

log = logging.getLogger(__name__)
STYLES_SHOWN = 12

CHIPS = '<section class="chips"><h3>${title}</h3><div class="chip-row"></div></section>'
BOARD = """<div class="board"><div class="blank"><div class="blank-grid" aria-hidden="true"></div>
<h2>Describe a picture, then press Paint.</h2>
<p>Candidates appear here token row by token row, from the top. The best matches to your words come first.</p></div>
<div class="runs"></div><div class="spoken" role="status"></div></div>"""

BOARD_SCRIPT = """dalleStudio.board(element, {props, watch, server, send: {
    follow: () => trigger('follow'),
    cancel: job => trigger('cancel', {job}),
    useSeed: image => trigger('use_seed', {image}),
    useSettings: image => trigger('use_settings', {image}),
}})"""


@dataclass(frozen=True)
class Widgets:
    """`form` is in the order of `form.FIELDS`."""

    form: tuple[gr.components.Component, ...]
    numbers: controls.Numbers
    actions: controls.Actions
    styles: gr.HTML
    examples: gr.HTML
    board: gr.HTML


def layout(studio: Studio) -> Widgets:
    with gr.Row(elem_classes="studio-columns"):
        with gr.Column(elem_classes="composer", scale=0, min_width=320):
            prompt = controls.prompt_box("", "A red apple on a blue background, noto")
            styles = script_html(CHIPS, "dalleStudio.styles(element, {props, watch})", title="Style")
            numbers = controls.numbers("")
            actions = controls.actions("")
            tuning = controls.fine_tuning("")
            examples = script_html(CHIPS, "dalleStudio.examples(element, {props, watch})", title="Try")
        with gr.Column(elem_classes="board-column"):
            board = script_html(BOARD, BOARD_SCRIPT, server_functions=browser_calls(studio))
    return Widgets(controls.form(prompt, numbers, tuning), numbers, actions, styles, examples, board)


def wire(studio: Studio, widgets: Widgets, stops: Sequence[gr.Button]) -> None:
    """`stops` are every tab's: they can be pressed while something is painted or waits."""

    def paint(*values: object) -> tuple[Payload, Any]:
        return submitted(studio, lambda: studio.submit(read_form(*values)))

    def cancel(event: gr.EventData) -> Any:
        try:
            studio.cancel(job_id := event_field(event, "job"))
            return {"jobs": [job_payload(studio.job(job_id))]}
        except DalleError as error:
            log.info("nothing to cancel: %s", error)
            return gr.skip()

    async def watch_jobs() -> AsyncIterator[tuple[Any, ...]]:
        async for payload in follow(studio):
            busy = gr.update(interactive=not all(job["final"] for job in payload["jobs"]))
            yield payload, *(busy for _ in stops)

    private: dict[str, Any] = {**PRIVATE, "concurrency_limit": None}
    actions = widgets.actions
    actions.paint.click(paint, inputs=list(widgets.form), outputs=[actions.message, widgets.board], **private)
    # The page asks to follow when it opens and after each submission. A running follower picks new jobs up by itself;
    # always_last covers the one that just ended.
    widgets.board.follow(watch_jobs, outputs=[widgets.board, *stops], trigger_mode="always_last", **private)
    widgets.board.cancel(cancel, outputs=widgets.board, **private)
    wire_stop(studio, actions.stop)
    wire_numbers(widgets.numbers)


def wire_reuse(studio: Studio, galleries: Sequence[gr.HTML], widgets: Widgets, tabs: gr.Tabs) -> None:
    """Use seed and Use settings of the picture dialog, whichever tab opened it."""

    def picture(event: gr.EventData) -> ImageView:
        try:
            return studio.image(event_field(event, "image"))
        except DalleError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def use_seed(event: gr.EventData) -> tuple[Any, Any]:
        return str(picture(event).seed), gr.Tabs(selected="create")

    def use_settings(event: gr.EventData) -> tuple[Any, ...]:
        image = picture(event)
        return *form_values(image.request, image.seed), gr.Tabs(selected="create")

    for gallery in galleries:
        gallery.use_seed(use_seed, outputs=[widgets.numbers.seed, tabs], **PRIVATE)
        gallery.use_settings(use_settings, outputs=[*widgets.form, tabs], **PRIVATE)


async def follow(studio: Studio) -> AsyncIterator[Payload]:
    """Every job that is running or waiting, one after another, until none is left; then it says that it is idle.

    Each payload holds all jobs met so far, so that a page which misses one loses nothing.
    """
    known: dict[str, Payload] = {}
    yield {"jobs": await to_thread(_meet, studio, known)}
    while (job_id := await to_thread(_next_job, studio, known)) is not None:
        async for view in studio.watch(job_id):
            known[job_id] = job_payload(view)
            yield {"jobs": await to_thread(_meet, studio, known, job_id)}
    yield {"jobs": list(known.values()), "idle": True}


def _next_job(studio: Studio, known: dict[str, Payload]) -> str | None:
    unfinished = [studio.running_job(), *(view.id for view in studio.queue())]
    return next((id for id in unfinished if id is not None and not known.get(id, {}).get("final")), None)


def _meet(studio: Studio, known: dict[str, Payload], followed: str | None = None) -> list[Payload]:
    """Add what waits to `known`, and see to what stopped waiting without being followed: it was cancelled."""
    waiting = {view.id: view for view in studio.queue()}
    left = [id for id, job in known.items() if not job["final"] and id not in waiting and id != followed]
    for view in [*waiting.values(), *(studio.job(id) for id in left)]:
        known[view.id] = job_payload(view)
    return list(known.values())


def style_chips(status: ModelStatus) -> list[str]:
    return list(status.spec.styles[:STYLES_SHOWN]) if status.spec else []


@cache
def example_chips() -> list[str]:
    examples: list[str] = json.loads((ASSETS / "examples.json").read_text(encoding="utf-8"))
    return examples
