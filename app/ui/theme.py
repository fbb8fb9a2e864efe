"""How the app looks to Gradio: its palette and type handed to Gradio's own variables. The rest is in assets/ui.

Neutral greys, so that the pictures keep their colours; one accent, the red of a painter's seal. System fonts only.
"""

from inspect import signature

import gradio as gr

from app.ui import brand
from app.ui.brand import DARK_PAPER, PAPER

ASSETS = brand.ASSETS
ICON = ASSETS / "icon.png"
FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
        "Microsoft YaHei", "sans-serif")  # fmt: skip
# In this order: studio.js makes window.dalleStudio, the others add to it.
SCRIPTS = (
    "studio.js", "asides.js", "keys.js", "picture.js", "queue.js", "recipe_drop.js", "bench.js", "complete.js",
    "variations.js", "shelf.js", "gallery_filters.js", "gallery_places.js", "gallery_select.js", "gallery_import.js",
    "compare.js", "labels.js", "lineage.js", "gallery.js", "exports.js", "prompts.js", "names.js", "explore.js",
    "models.js", "downloads.js", "reconstruction.js", "tuning.js", "reuse.js", "tabs.js",
)  # fmt: skip
MONO = ("ui-monospace", "SFMono-Regular", "Consolas", "Liberation Mono", "monospace")

# The colour of an installed app's title bar, and its icon on Apple's home screens.
WINDOW = (
    f'<meta name="theme-color" media="(prefers-color-scheme: light)" content="{PAPER}">'
    f'<meta name="theme-color" media="(prefers-color-scheme: dark)" content="{DARK_PAPER}">'
    '<link rel="apple-touch-icon" href="icons/maskable-192.png">'
)

# Gradio's variable -> ours, which change with light and dark in studio.css.
VARIABLES = {
    "body_text_size": "15px",
    "body_text_color_subdued": "var(--ink-soft)",
    "background_fill_primary": "var(--surface)",
    "background_fill_secondary": "var(--paper)",
    "border_color_primary": "var(--line)",
    "border_color_accent": "var(--accent)",
    "color_accent": "var(--accent)",
    "color_accent_soft": "var(--accent-wash)",
    "block_background_fill": "transparent",
    "block_border_width": "0px",
    "block_border_color": "transparent",
    "block_info_text_color": "var(--ink-soft)",
    "block_label_background_fill": "transparent",
    "block_label_border_width": "0px",
    "block_label_text_color": "var(--ink-soft)",
    "block_title_text_color": "var(--ink-soft)",
    "panel_background_fill": "transparent",
    "panel_border_width": "0px",
    "input_background_fill": "var(--field)",
    "input_background_fill_focus": "var(--field)",
    "input_border_color": "var(--line-strong)",
    "input_border_color_hover": "var(--ink-faint)",
    "input_background_fill_hover": "var(--field)",
    "input_border_color_focus": "var(--accent)",
    "input_placeholder_color": "var(--ink-faint)",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "slider_color": "var(--accent)",
    "loader_color": "var(--accent)",
    "accordion_text_color": "var(--ink)",
    "button_primary_background_fill": "var(--accent-fill)",
    "button_primary_background_fill_hover": "var(--accent-fill-strong)",
    "button_primary_border_color": "transparent",
    "button_primary_border_color_hover": "transparent",
    "button_primary_text_color": "var(--on-accent)",
    "button_primary_text_color_hover": "var(--on-accent)",
    "button_primary_shadow": "none",
    "button_secondary_background_fill": "var(--surface)",
    "button_secondary_background_fill_hover": "var(--hover)",
    "button_secondary_border_color": "var(--line-strong)",
    "button_secondary_border_color_hover": "var(--ink-faint)",
    "button_secondary_text_color": "var(--ink)",
    "button_secondary_text_color_hover": "var(--ink)",
    "button_secondary_shadow": "none",
}
SHAPES = {
    "block_title_text_size": "13px",
    "block_title_text_weight": "550",
    "block_title_padding": "0",
    "block_padding": "0",
    "block_shadow": "none",
    "block_radius": "8px",
    "input_radius": "8px",
    "input_border_width": "1px",
    "input_padding": "10px 12px",
    "input_text_size": "15px",
    "form_gap_width": "0px",
    "layout_gap": "16px",
    "button_large_radius": "8px",
    "button_small_radius": "8px",
    "button_medium_radius": "8px",
    "button_large_text_weight": "600",
    "button_transform_hover": "none",
    "button_transform_active": "none",
}


def theme() -> gr.themes.Base:
    base = gr.themes.Base(font=FONT, font_mono=MONO)
    known = signature(base.set).parameters
    dark = {f"{name}_dark": value for name, value in VARIABLES.items() if f"{name}_dark" in known}
    # The first paint happens before our style sheet is there: the body's own colours are spelled out.
    body = {"body_background_fill": PAPER, "body_background_fill_dark": DARK_PAPER,
            "body_text_color": "#1d2023", "body_text_color_dark": "#e9ebec"}  # fmt: skip
    return base.set(**VARIABLES, **dark, **SHAPES, **body)


def head() -> str:
    """Our style sheet and scripts, inline: nothing to fetch, and there before the first component is."""
    style = (ASSETS / "studio.css").read_text(encoding="utf-8")
    scripts = "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return f"{WINDOW}<style>{style}</style><script>{scripts}</script>"


def apply_theme(choice: str) -> str | None:
    """Script that fixes light or dark whatever the system prefers; None leaves it to the system."""
    if choice == "system":
        return None
    return f"() => document.body.classList.toggle('dark', {str(choice == 'dark').lower()})"
