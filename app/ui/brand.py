"""The app's name, colours of its paper, and where its drawings are. Knows no widgets."""

from pathlib import Path

TITLE = "Dalle Studio"
PAPER, DARK_PAPER = "#f3f4f4", "#17191b"  # as in studio.css
ASSETS = Path(__file__).resolve().parents[2] / "assets" / "ui"
