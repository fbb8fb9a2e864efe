"""The frame around the tabs: header, model status, tabs. Layout and wiring only."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from app.studio import Studio
from app.ui import complete, create, explore, gallery, models, recipe_drop, tuning, variations, words
from app.ui.api import add_endpoints
from app.ui.baskets import Baskets
from app.ui.brand import ASSETS, TITLE
from app.ui.examples import offered_styles
from app.ui.payloads import status_payload
from app.ui.workplace import wire_sending

POLL_SECONDS = 0.4
CACHE_SWEEP = (3600, 24 * 3600)  # seconds between sweeps of Gradio's own cache, and the age at which a file goes


def build_page(studio: Studio, baskets: Baskets) -> gr.Blocks:
    page = gr.Blocks(title=TITLE, fill_width=True, delete_cache=CACHE_SWEEP)
    with page:
        with gr.Row(elem_classes="studio-header"):
            gr.HTML(_brand(), apply_default_css=False, js_on_load=None)
            status = gr.HTML(
                html_template='<div class="model-status" role="status"><i></i><span></span></div>',
                js_on_load="dalleStudio.status(element, {props, watch})",
                apply_default_css=False,
            )
            tuned = tuning.layout()
            gr.HTML(html_template=words.CHOICE, js_on_load="dalleWords.chooser(element)", apply_default_css=False)
        with gr.Tabs(selected="create", overflow_behavior="wrap", elem_classes="studio-tabs") as tabs:
            with gr.Tab("Create", id="create"):
                widgets = create.layout(studio)
            with gr.Tab("Complete", id="complete"):
                completing = complete.layout(studio)
            with gr.Tab("Variations", id="variations"):
                varying = variations.layout(studio)
            with gr.Tab("Explore", id="explore", elem_id="explore"):
                exploring = explore.layout(studio)
            with gr.Tab("Gallery", id="gallery"):
                pictures = gallery.layout(studio, baskets)
            with gr.Tab("Models", id="models"):
                models.layout(studio)
        create.wire(studio, widgets)
        complete.wire(studio, completing)
        variations.wire(studio, varying)
        explore.wire(studio, exploring)
        explore.wire_grid(studio, widgets.varying, widgets.form, widgets.actions.message, exploring, tabs)
        galleries = [widgets.board, pictures]
        create.wire_reuse(studio, galleries, widgets, [varying.bench, *varying.form], tabs)
        wire_sending(studio, galleries, "complete_from", completing, tabs)
        wire_sending(studio, galleries, "vary_from", varying, tabs)
        explore.wire_sending(studio, galleries, exploring, tabs)
        forms = (widgets.form, completing.form, varying.form, exploring.form)
        tuning.wire(studio, tuned, forms)
        recipe_drop.wire(studio, widgets.from_picture, widgets.form, widgets.beside, tabs)

        async def watch_status() -> AsyncIterator[tuple[Any, ...]]:
            """Until the model is there, or not: what changes later comes by `/events`."""
            while True:
                current = studio.model_status()
                styles = offered_styles(studio)  # skipped, a widget of a tab not opened yet would lose its properties
                yield status_payload(current), styles, styles, styles
                if current.state != "loading":
                    return
                while studio.model_status() == current:
                    await asyncio.sleep(POLL_SECONDS)

        told = [status, widgets.styles, completing.styles, varying.styles]
        page.load(watch_status, outputs=told, show_progress="hidden", concurrency_limit=None, api_visibility="private")
        add_endpoints(studio)
    return page


def _brand() -> str:
    icon = (ASSETS / "icon.svg").read_text(encoding="utf-8").replace("<svg ", '<svg aria-hidden="true" ', 1)
    return f'<div class="brand">{icon}<h1>{TITLE}</h1></div>'
