"""The Create tab: the form on the left, on the right every job of this visit, painting row by row.

Layout and wiring only. Jobs belong to the studio: this page submits, watches and cancels them.
"""

import json
import logging
import secrets
from asyncio import to_thread
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import gradio as gr

from app.studio import Studio
from app.ui.browser_calls import browser_calls
from app.ui.form import RANDOM_SEEDS, form_values, read_form
from app.ui.payloads import Payload, job_payload
from app.ui.theme import ASSETS
from app.views import ImageView, ModelStatus
from dalle_core.errors import DalleError
from dalle_core.request import GenerationRequest

log = logging.getLogger(__name__)
DEFAULTS = GenerationRequest(prompt="defaults", count=9, keep=4)
STYLES_SHOWN = 12

CHIPS = '<section class="chips"><h3>${title}</h3><div class="chip-row"></div></section>'
MESSAGE = '<div class="message" role="alert" hidden></div>'
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
    seed: gr.Textbox
    dice: gr.Button
    paint: gr.Button
    stop: gr.Button
    styles: gr.HTML
    examples: gr.HTML
    message: gr.HTML
    board: gr.HTML


def layout(studio: Studio) -> Widgets:
    with gr.Row(elem_classes="studio-columns"):
        with gr.Column(elem_classes="composer", scale=0, min_width=320):
            prompt = gr.Textbox(label="Prompt", lines=3, max_lines=8, elem_id="prompt",
                                placeholder="A red apple on a blue background, noto")  # fmt: skip
            styles = _script_html(CHIPS, "dalleStudio.styles(element, {props, watch})", title="Style")
            with gr.Row(elem_classes="numbers"):
                count = gr.Number(DEFAULTS.count, label="Candidates", min_width=70, elem_id="count")
                keep = gr.Number(DEFAULTS.keep, label="Keep best", min_width=70, elem_id="keep")
                seed = gr.Textbox(label="Seed", placeholder="random", min_width=110, elem_id="seed", max_lines=1)
                dice = gr.Button("Roll", elem_id="dice", min_width=44, scale=0)
            with gr.Row(elem_classes="actions"):
                paint = gr.Button("Paint", variant="primary", elem_id="paint", scale=3)
                stop = gr.Button("Stop", elem_id="stop", scale=1, interactive=False)
            message = _script_html(MESSAGE, "dalleStudio.message(element, {props, watch})")
            with gr.Accordion("Fine tuning", open=False, elem_classes="drawer"):
                negative, *sampling = _fine_tuning()
            examples = _script_html(CHIPS, "dalleStudio.examples(element, {props, watch})", title="Try")
        with gr.Column(elem_classes="board-column"):
            board = _script_html(BOARD, BOARD_SCRIPT, server_functions=browser_calls(studio))
    form = (prompt, negative, count, keep, seed, *sampling)
    return Widgets(form, seed, dice, paint, stop, styles, examples, message, board)


def _fine_tuning() -> tuple[gr.components.Component, ...]:
    negative = gr.Textbox(label="Leave out (optional)", lines=1, elem_id="negative", placeholder="background")
    guidance = gr.Slider(0, 10, DEFAULTS.guidance_scale, step=0.1, label="Guidance",
                         info="How closely to follow the words. 1 turns it off.")  # fmt: skip
    temperature = gr.Slider(0, 2, DEFAULTS.temperature, step=0.05, label="Temperature",
                            info="Low is safe, high is adventurous.")  # fmt: skip
    top_k = gr.Slider(0, 64, DEFAULTS.top_k, step=1, label="Top-k", info="Only the k likeliest choices. 0 keeps all.")
    top_p = gr.Slider(0.05, 1, DEFAULTS.top_p, step=0.01, label="Top-p", info="Only the likeliest share. 1 keeps all.")
    return negative, temperature, top_k, top_p, guidance


def _script_html(template: str, script: str, **options: Any) -> gr.HTML:
    """An HTML widget whose template stays as it is: assets/ui/studio.js draws its value."""
    return gr.HTML(html_template=template, js_on_load=script, apply_default_css=False, **options)


def wire(studio: Studio, widgets: Widgets) -> None:
    def paint(*values: object) -> tuple[Payload, Any]:
        try:
            job = studio.job(studio.submit(read_form(*values)))
        except DalleError as error:
            return {"text": str(error), "code": error.code, "try": secrets.token_hex(4)}, gr.skip()
        return {"text": "", "job": job.id}, {"jobs": [job_payload(job)]}

    def cancel(event: gr.EventData) -> Any:
        try:
            studio.cancel(job_id := _field(event, "job"))
            return {"jobs": [job_payload(studio.job(job_id))]}
        except DalleError as error:
            log.info("nothing to cancel: %s", error)
            return gr.skip()

    def stop() -> None:
        if (running := studio.running_job()) is not None:
            studio.cancel(running)

    async def watch_jobs() -> AsyncIterator[tuple[Any, Any]]:
        async for payload in follow(studio):
            yield payload, gr.update(interactive=not all(job["final"] for job in payload["jobs"]))

    private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
    widgets.paint.click(paint, inputs=list(widgets.form), outputs=[widgets.message, widgets.board], **private)
    # The page asks to follow when it opens and after each submission. A running follower picks new jobs up by itself;
    # always_last covers the one that just ended.
    widgets.board.follow(watch_jobs, outputs=[widgets.board, widgets.stop], trigger_mode="always_last", **private)
    widgets.stop.click(stop, **private)
    widgets.board.cancel(cancel, outputs=widgets.board, **private)
    roll = f"() => String(Math.floor(Math.random() * {RANDOM_SEEDS}))"
    widgets.dice.click(None, outputs=widgets.seed, js=roll, api_visibility="private")


def wire_reuse(studio: Studio, galleries: Sequence[gr.HTML], widgets: Widgets, tabs: gr.Tabs) -> None:
    """Use seed and Use settings of the picture dialog, whichever tab opened it."""

    def picture(event: gr.EventData) -> ImageView:
        try:
            return studio.image(_field(event, "image"))
        except DalleError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def use_seed(event: gr.EventData) -> tuple[Any, Any]:
        return str(picture(event).seed), gr.Tabs(selected="create")

    def use_settings(event: gr.EventData) -> tuple[Any, ...]:
        image = picture(event)
        return *form_values(image.request, image.seed), gr.Tabs(selected="create")

    private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    for gallery in galleries:
        gallery.use_seed(use_seed, outputs=[widgets.seed, tabs], **private)
        gallery.use_settings(use_settings, outputs=[*widgets.form, tabs], **private)


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


def _field(event: gr.EventData, name: str) -> str:
    """One value of what the browser sent with an event. The service layer decides whether it means anything."""
    return str((event._data or {}).get(name, ""))
