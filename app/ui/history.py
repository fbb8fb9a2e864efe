"""The History tab: everything ever painted here, newest first, a page at a time. Layout only."""

import gradio as gr

from app.studio import Studio
from app.ui.browser_calls import browser_calls
from app.ui.care_calls import care_calls

HISTORY = """<div class="history">
<form role="search" class="search"><input type="search" name="query" maxlength="200" autocomplete="off"
placeholder="Search prompts and styles" aria-label="Search the history">
<label><input type="checkbox" name="everything"><span>Show every candidate</span></label></form>
<div class="shelf-head"><p class="history-count" role="status"></p>
<p class="history-space"><span></span> <button type="button" class="quiet" hidden>Clear away</button></p></div>
<div class="history-note"></div><div class="shelf"></div>
<button type="button" class="more" hidden>Load more</button></div>"""
HISTORY_SCRIPT = """dalleStudio.history(element, {server, send: {
    useSeed: image => trigger('use_seed', {image}),
    usePrompt: image => trigger('use_prompt', {image}),
    useSettings: image => trigger('use_settings', {image}),
    completeFrom: image => trigger('complete_from', {image}),
    varyFrom: image => trigger('vary_from', {image}),
}})"""


def layout(studio: Studio) -> gr.HTML:
    return gr.HTML(
        html_template=HISTORY,
        js_on_load=HISTORY_SCRIPT,
        server_functions=[*browser_calls(studio), *care_calls(studio)],
        apply_default_css=False,
    )
