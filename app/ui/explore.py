"""The Explore tab: one prompt over one axis or two, as a labelled grid that fills in while it is painted.

Layout and wiring only. The axes and the grid are drawn by assets/ui/explore.js.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.axes import TITLES
from app.errors import shown
from app.studio import Studio
from app.ui import controls
from app.ui.asked import is_number, value
from app.ui.controls import PRIVATE, event_field, script_html, wire_dice
from app.ui.form import form_values, read_form
from app.ui.payloads import Payload
from app.ui.prompt_calls import MOST_PAINTED
from app.ui.sheet_calls import plan_words, read_sheet, sheet_calls
from dalle_core.errors import DalleError
from dalle_core.request import GenerationRequest

TAB = "explore"
AXES = """<section class="axes" aria-label="What varies">
<fieldset class="axis" data-axis="x"><legend>Columns</legend>
<select aria-label="What varies along the columns"></select>
<input type="text" maxlength="10000" autocomplete="off" aria-label="Values of the columns"><small></small></fieldset>
<fieldset class="axis" data-axis="y"><legend>Rows</legend>
<select aria-label="What varies along the rows"></select>
<input type="text" maxlength="10000" autocomplete="off" aria-label="Values of the rows"><small></small></fieldset>
<p class="axes-source" hidden><img alt="The picture that is completed or varied">
<span>The picture for Rows kept and Strength</span>
<button type="button" class="link">Leave it out</button></p></section>"""
AXES_SCRIPT = "dalleStudio.axes(element, {props, watch, changed: () => trigger('axes_changed', {})})"
PLAN = '<p class="sheet-plan" role="status"></p>'
BOARD = """<div class="explorer">
<div class="blank"><div class="blank-grid" aria-hidden="true"></div><h2>Choose what varies, then press Paint.</h2>
<p>Each value becomes a picture, with two axes each pair of values. Everything painted here is in the gallery too.</p>
</div>
<section class="sheet" hidden><header><div class="run-title"><h2></h2><p class="run-settings"></p></div>
<div class="offers"><button type="button" class="quiet stop-sheet">Stop the sheet</button>
<button type="button" class="quiet resume-sheet">Paint what is missing</button>
<button type="button" class="quiet reuse-sheet">Use its words and axes</button>
<a class="quiet save-sheet" download>Save as one picture</a></div></header>
<p class="run-state" role="status"></p>
<div class="bar" role="progressbar" aria-label="Progress" aria-valuemin="0" aria-valuemax="100"><i></i></div>
<div class="sheet-scroll" tabindex="0" role="region" aria-label="The sheet"></div></section>
<section class="earlier" hidden><h3>Earlier sheets</h3><ul></ul></section></div>"""
# kind -> an example of its values, and what else there is to know; without an example it needs none.
HINTS = {
    "seed": ("1-4", ""),
    "temperature": ("0.2-1.0 [5]", "A list, or from-to [how many]."),
    "guidance": ("1, 3, 5", ""),
    "top_k": ("0, 8, 32", ""),
    "top_p": ("0.5-1 [3]", "A list, or from-to [how many]."),
    "style": ("noto, twemoji", "Nothing here: every style of the model."),
    "negative": ('"", background', 'Words with commas between them; "" for none.'),
    "replace": ("red, green, blue", "The prompt holds the first; the others take its place."),
    "prompt": ("draw 24", "Nothing here: every variation of {red|blue} and the like."),
    "place_1": ("1-3", "Nothing here: all choices of the first {red|blue}."),
    "place_2": ("1-3", "Nothing here: all choices of the second {red|blue}."),
    "place_3": ("1-3", "Nothing here: all choices of the third {red|blue}."),
    "rows": ("0-4", "How much of a picture's top is kept."),
    "strength": ("0.2-0.8 [4]", "How far a picture is varied; 1 leaves only the prompt."),
}


@dataclass(frozen=True)
class Widgets:
    """`form` is in the order of `form.FIELDS`, without how many to keep: a cell shows its best."""

    form: tuple[gr.components.Component, ...]
    seed: gr.Textbox
    dice: gr.Button
    paint: gr.Button
    message: gr.HTML
    axes: gr.HTML
    plan: gr.HTML
    board: gr.HTML


def layout(studio: Studio) -> Widgets:
    with gr.Row(elem_classes="studio-columns exploring"):
        with gr.Column(elem_classes="composer", scale=0, min_width=320):
            prompt = controls.prompt_box(TAB, "A red apple on a blue background, noto")
            kinds = [[kind, TITLES[kind], *hint] for kind, hint in HINTS.items()]
            axes = script_html(AXES, AXES_SCRIPT, kinds=kinds)
            with gr.Row(elem_classes="numbers"):
                count = gr.Number(1, label="Candidates a cell", min_width=70, elem_id=f"{TAB}-count")
                seed = gr.Textbox(label="Seed", placeholder="random", min_width=110, elem_id=f"{TAB}-seed", max_lines=1)
                dice = gr.Button("Roll", elem_id=f"{TAB}-dice", elem_classes="dice", min_width=44, scale=0)
            plan = script_html(PLAN, "dalleStudio.sheetPlan(element, {props, watch})")
            with gr.Row(elem_classes="actions"):
                paint = gr.Button("Paint", variant="primary", elem_id=f"{TAB}-paint", elem_classes="paint")
            message = script_html(controls.MESSAGE, "dalleStudio.message(element, {props, watch})")
            tuning = controls.fine_tuning(TAB)
        with gr.Column(elem_classes="board-column"):
            board = script_html(
                BOARD, "dalleStudio.explorer(element, {props, watch, server})", server_functions=sheet_calls(studio)
            )
    sampling = (tuning.temperature, tuning.top_k, tuning.top_p, tuning.guidance)
    form = (prompt, tuning.negative, count, seed, *sampling)
    return Widgets(form, seed, dice, paint, message, axes, plan, board)


def wire(studio: Studio, widgets: Widgets) -> None:
    def paint(chosen: object, *values: object) -> tuple[Any, ...]:
        """What is refused is said below the button, and no longer above it."""
        said, shown = _started(lambda: studio.sheets.start(read_sheet(studio, chosen, _request(values))))
        return said, _plan(chosen) if said["text"] else gr.skip(), shown

    def plan(chosen: object, *values: object) -> Payload:
        """It takes the place of what was refused before."""
        if not values[0] or not (value(chosen, "x") or value(chosen, "y")):
            return _plan(chosen)
        try:
            asked = read_sheet(studio, chosen, _request(values))
            return _plan(chosen, plan_words(studio.sheets.plan(asked)))
        except DalleError as error:
            return _plan(chosen, shown(error), wrong=True)

    form = list(widgets.form)
    chosen = "(_, ...form) => [dalleStudio.chosenAxes(), ...form]"  # as they stand when the button is pressed
    inputs = [widgets.axes, *form]
    widgets.paint.click(paint, inputs=inputs, outputs=[widgets.message, widgets.plan, widgets.board], js=chosen,
                        concurrency_limit=None, **PRIVATE)  # fmt: skip
    listening: dict[str, Any] = {"concurrency_limit": None, "trigger_mode": "always_last", "js": chosen, **PRIVATE}
    widgets.axes.axes_changed(plan, inputs=inputs, outputs=widgets.plan, **listening)
    changes = [getattr(widget, "change") for widget in widgets.form]  # noqa: B009 - each kind of widget has its own
    gr.on(changes, plan, inputs=inputs, outputs=widgets.plan, **listening)
    wire_dice(widgets.dice, widgets.seed)


def wire_grid(
    studio: Studio, prompts: gr.HTML, form: Sequence[Any], message: gr.HTML, widgets: Widgets, tabs: gr.Tabs
) -> None:
    """Paint as a grid, of Create: the variations of the prompt as it stands in that form."""

    def paint_grid(*values: object) -> tuple[Any, ...]:
        one = (*values[:2], 1, *values[4:])  # picture a cell
        said, shown = _started(lambda: studio.sheets.start_template(_request(one), MOST_PAINTED))
        return said, shown, gr.skip() if said["text"] else gr.Tabs(selected=TAB)

    prompts.paint_grid(paint_grid, inputs=list(form), outputs=[message, widgets.board, tabs],
                       concurrency_limit=None, **PRIVATE)  # fmt: skip


def wire_sending(studio: Studio, galleries: Sequence[gr.HTML], widgets: Widgets, tabs: gr.Tabs) -> None:
    """Explore from here, of the picture dialog, whichever tab opened it."""

    def explore_from(event: gr.EventData) -> tuple[Any, ...]:
        """With the picture's own settings and seed; it is the one to complete or vary, where an axis says so.

        The fine tuning of another model's picture would not suit this one.
        """
        try:
            image = studio.image(event_field(event, "image"))
        except DalleError as error:
            raise gr.Error(shown(error), print_exception=False) from error
        values = list(form_values(image.request, image.seed))
        values[2:4] = [1]
        if image.model != studio.model_status().name:
            values[4:] = [gr.skip()] * len(values[4:])
        if image.imported:  # from elsewhere, with neither words nor settings
            values = ["", *[gr.skip()] * (len(values) - 1)]
        return {"image": image.id, "sent": secrets.token_hex(4)}, *values, gr.Tabs(selected=TAB)

    outputs = [widgets.axes, *widgets.form, tabs]
    for gallery in galleries:
        gallery.explore_from(explore_from, outputs=outputs, **PRIVATE)


def _request(values: Sequence[object]) -> GenerationRequest:
    return read_form(*values[:3], 1, *values[3:])


def _plan(chosen: object, text: str = "", *, wrong: bool = False) -> Payload:
    """With the turn in which it was asked for: answers may overtake each other."""
    turn = value(chosen, "turn")
    return {"text": text, "wrong": wrong, "turn": turn if is_number(turn) else 0}


def _started(start: Callable[[], str]) -> tuple[Payload, Any]:
    """What the message and the board show once a sheet is queued, or why it is not."""
    try:
        return {"text": ""}, {"sheet": start(), "sent": secrets.token_hex(4)}
    except DalleError as error:
        return {"text": shown(error), "code": error.code, "try": secrets.token_hex(4)}, gr.skip()
