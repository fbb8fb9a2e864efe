"""The pages. `build` lays them out over a Studio, `serve` opens them to a browser; nothing below knows of Gradio.

Importing this package does not import Gradio: `app.ui.serve` sets the environment Gradio reads at import first.
"""

from typing import TYPE_CHECKING

from app.studio import Studio

if TYPE_CHECKING:
    import gradio

__all__ = ["build"]


def build(studio: Studio) -> "gradio.Blocks":
    """The whole app as one Blocks, not yet launched."""
    from app.ui.page import build_page

    return build_page(studio)
