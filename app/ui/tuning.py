"""The settings of sampling that suit a model, put into every form when another model comes into use."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.studio import Studio
from app.ui.controls import PRIVATE, script_html
from app.ui.form import FIELDS

SAMPLING = FIELDS[5:]  # the last widgets of every form, in this order


def layout() -> gr.HTML:
    """Knows, in the browser, when the forms' settings are of another model."""
    return script_html("<i hidden></i>", "dalleStudio.tuning(() => trigger('other_model', {}))")


def wire(studio: Studio, marker: gr.HTML, forms: Sequence[Sequence[Any]]) -> None:
    widgets = [widget for form in forms for widget in form[-len(SAMPLING) :]]

    def suited() -> tuple[float, ...]:
        return sampling(studio) * len(forms)

    marker.other_model(suited, outputs=widgets, concurrency_limit=None, **PRIVATE)


def sampling(studio: Studio) -> tuple[float, ...]:
    """As the model's publishers say, or this project's defaults."""
    suits = studio.sampling()
    return tuple(suits[name] for name in SAMPLING)
