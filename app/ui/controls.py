"""The widgets that every tab with a Paint button has, and what happens when it is pressed. Knows no tab.

`tab` is the empty text for Create, whose widgets have plain element ids, and a prefix of the ids elsewhere.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.errors import shown
from app.studio import Studio
from app.ui.examples import offered_styles
from app.ui.form import RANDOM_SEEDS
from app.ui.payloads import Payload
from dalle_core.errors import DalleError
from dalle_core.request import GenerationRequest

DEFAULTS = GenerationRequest(prompt="defaults", count=9, keep=4)
CHIPS = '<section class="chips"><h3>${title}</h3><div class="chip-row"></div></section>'
MESSAGE = '<div class="message" role="alert" hidden></div>'
# What the picture dialog hands back to the forms, whichever tab opened it.
SENDS = """{
    useSeed: image => trigger('use_seed', {image}),
    usePrompt: image => trigger('use_prompt', {image}),
    useSettings: image => trigger('use_settings', {image}),
    completeFrom: image => trigger('complete_from', {image}),
    varyFrom: image => trigger('vary_from', {image}),
    exploreFrom: image => trigger('explore_from', {image}),
}"""
PRIVATE: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class Numbers:
    count: gr.Number
    keep: gr.Number
    seed: gr.Textbox
    dice: gr.Button


@dataclass(frozen=True)
class Actions:
    paint: gr.Button
    stop: gr.Button
    message: gr.HTML


@dataclass(frozen=True)
class FineTuning:
    negative: gr.Textbox
    temperature: gr.Slider
    top_k: gr.Slider
    top_p: gr.Slider
    guidance: gr.Slider


def prompt_box(tab: str, placeholder: str) -> gr.Textbox:
    box = gr.Textbox(label="Prompt", lines=3, max_lines=8, elem_id=_id(tab, "prompt"), elem_classes="prompt-box",
                     placeholder=placeholder)  # fmt: skip
    box.change(None, js="() => dalleStudio.prompted()", api_visibility="private")
    return box


def style_chips(studio: Studio) -> gr.HTML:
    """Writes the styles of its value into the prompt beside it."""
    script = "dalleStudio.styles(element, {props, watch})"
    return script_html(CHIPS, script, title="Style", value=offered_styles(studio))


def numbers(tab: str) -> Numbers:
    with gr.Row(elem_classes="numbers"):
        return Numbers(
            count=gr.Number(DEFAULTS.count, label="Candidates", min_width=70, elem_id=_id(tab, "count")),
            keep=gr.Number(DEFAULTS.keep, label="Keep best", min_width=70, elem_id=_id(tab, "keep")),
            seed=gr.Textbox(label="Seed", placeholder="random", min_width=110, elem_id=_id(tab, "seed"),
                            elem_classes="seed-box", max_lines=1),
            dice=gr.Button("Roll", elem_id=_id(tab, "dice"), elem_classes="dice", min_width=44, scale=0),
        )  # fmt: skip


def actions(tab: str) -> Actions:
    with gr.Row(elem_classes="actions"):
        paint = gr.Button("Paint", variant="primary", elem_id=_id(tab, "paint"), elem_classes="paint", scale=3)
        stop = gr.Button("Stop", elem_id=_id(tab, "stop"), elem_classes="stop", scale=1)  # studio.js dims it
    return Actions(paint, stop, script_html(MESSAGE, "dalleStudio.message(element, {props, watch})"))


def fine_tuning(tab: str) -> FineTuning:
    with gr.Accordion("Fine tuning", open=False, elem_classes="drawer"):
        negative = gr.Textbox(label="Leave out (optional)", lines=1, elem_id=_id(tab, "negative"),
                              placeholder="For example: background")  # fmt: skip
        guidance = gr.Slider(0, 20, DEFAULTS.guidance_scale, step=0.1, label="Guidance",
                             info="How closely to follow the words. 1 turns it off.")  # fmt: skip
        temperature = gr.Slider(0, 2, DEFAULTS.temperature, step=0.05, label="Temperature",
                                info="Low is safe, high is adventurous.")  # fmt: skip
        top_k = gr.Slider(0, 2048, DEFAULTS.top_k, step=1, label="Top-k",
                          info="Only the k likeliest choices. 0 keeps all.")  # fmt: skip
        top_p = gr.Slider(0.05, 1, DEFAULTS.top_p, step=0.01, label="Top-p",
                          info="Only the likeliest share. 1 keeps all.")  # fmt: skip
    return FineTuning(negative, temperature, top_k, top_p, guidance)


def form(prompt: gr.Textbox, numbers: Numbers, tuning: FineTuning) -> tuple[gr.components.Component, ...]:
    """In the order of `form.FIELDS`."""
    sampling = (tuning.temperature, tuning.top_k, tuning.top_p, tuning.guidance)
    return prompt, tuning.negative, numbers.count, numbers.keep, numbers.seed, *sampling


def script_html(template: str, script: str, **options: Any) -> gr.HTML:
    """An HTML widget whose template stays as it is: the scripts in assets/ui draw its value."""
    return gr.HTML(html_template=template, js_on_load=script, apply_default_css=False, **options)


def wire_numbers(numbers: Numbers) -> None:
    wire_dice(numbers.dice, numbers.seed)


def wire_dice(dice: gr.Button, seed: gr.Textbox) -> None:
    roll = f"() => String(Math.floor(Math.random() * {RANDOM_SEEDS}))"
    dice.click(None, outputs=seed, js=roll, api_visibility="private")


def wire_stop(studio: Studio, stop: gr.Button) -> None:
    stop.click(studio.stop_painting, concurrency_limit=None, **PRIVATE)


def submitted(submit: Callable[[], str]) -> Payload:
    """What the message shows once `submit` has queued a job, or said why it cannot."""
    try:
        return {"text": "", "job": submit()}
    except DalleError as error:
        return {"text": shown(error), "code": error.code, "try": secrets.token_hex(4)}


def event_field(event: gr.EventData, name: str) -> str:
    """One value of what the browser sent with an event. The service layer decides whether it means anything."""
    return str((event._data or {}).get(name, ""))


def _id(tab: str, name: str) -> str:
    return f"{tab}-{name}" if tab else name
