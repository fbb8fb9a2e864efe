"""The Gallery tab: everything ever made, to be found again, looked at and put in order. Layout only."""

import gradio as gr

from app.studio import Studio
from app.ui.baskets import Baskets
from app.ui.browser_calls import browser_calls
from app.ui.care_calls import care_calls
from app.ui.controls import SENDS, script_html
from app.ui.gallery_calls import gallery_calls

GALLERY = """<div class="gallery"><nav class="places" id="gallery-places" aria-label="Places"></nav>
<div class="gallery-main">
<form role="search" class="search"><input type="search" name="query" maxlength="200" autocomplete="off"
placeholder="Search prompts, styles and tags" aria-label="Search the gallery">
<button type="button" class="quiet places-open" aria-expanded="false" aria-controls="gallery-places">Places</button>
<button type="button" class="quiet filter-open">Filter</button>
<button type="button" class="quiet import-open">Import</button></form>
<div class="filter-chips" role="group" aria-label="Filters that are on" hidden></div>
<div class="shelf-head"><p class="history-count" role="status"></p>
<label class="tick stack-choice" title="Pictures that differ only by their seed become one stack">
<input type="checkbox" name="stacked"><span>Stack seeds</span></label>
<button type="button" class="quiet empty-trash" hidden>Empty the trash</button>
<p class="history-space"><span></span> <button type="button" class="quiet" hidden>Clear away</button></p>
<button type="button" class="link keys-open" aria-label="Show the keys">Keys</button></div>
<button type="button" class="quiet fresh" hidden>Show what is new</button>
<div class="history-note"></div>
<div class="shelf" role="listbox" aria-multiselectable="true" aria-label="Pictures" hidden></div></div></div>"""
SCRIPT = f"dalleStudio.gallery(element, {{server, send: {SENDS}}})"


def layout(studio: Studio, baskets: Baskets) -> gr.HTML:
    calls = [*browser_calls(studio), *gallery_calls(studio, baskets), *care_calls(studio)]
    return script_html(GALLERY, SCRIPT, server_functions=calls)
