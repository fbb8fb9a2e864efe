"""The pages. `build` lays them out over a Studio, `serve` opens them to a browser; nothing below knows of Gradio.

Importing this package does not import Gradio: `app.ui.serve` sets the environment Gradio reads at import first.
"""

from typing import TYPE_CHECKING

from app.studio import Studio

if TYPE_CHECKING:
    import gradio

    from app.ui.baskets import Baskets

__all__ = ["build"]


def build(studio: Studio, baskets: "Baskets | None" = None) -> "gradio.Blocks":
    """The whole app as one Blocks, not yet launched. `baskets` are those whose downloads are served."""
    from app.ui.baskets import Baskets
    from app.ui.page import build_page

    return build_page(studio, baskets or Baskets())
