"""The Variations tab: a picture, how strongly it is varied, and what comes of it, beside the original.

Layout and wiring only. The strength's words, and where a variation departs, are drawn by assets/ui/variations.js.
"""

from app.studio import Studio
from app.ui import workplace
from app.ui.bench import bench_markup, vary
from app.ui.form import read_form
from app.ui.workplace import Workplace

TAB = "variations"
BENCH = bench_markup(
    label="The picture to vary",
    file_label="A picture to vary",
    how="Or open any picture you painted and press Vary from here.",
    slide="""<label class="slide"><span>Strength <b class="strength-words"></b></span>
<input type="range" name="strength" min="5" max="100" step="5"></label>""",
    why="""Every token is painted anew, pulled towards the one your picture has there: the weaker the strength, the
harder. Without a prompt the results are ranked by likeness to your picture.""",
)
BENCH_SCRIPT = "dalleStudio.variations.bench(element, {props, watch, server})"
BOARD_SCRIPT = "dalleStudio.variations.board(element)"
CHOSEN = "dalleStudio.variations.chosen()"


def layout(studio: Studio) -> Workplace:
    return workplace.layout(studio, TAB, "What it shows (optional)", BENCH, BENCH_SCRIPT, BOARD_SCRIPT)


def wire(studio: Studio, place: Workplace) -> None:
    def paint(chosen: object, *values: object) -> str:
        return vary(studio, chosen, lambda strength: read_form(*values, strength=strength))

    workplace.wire(studio, place, CHOSEN, paint)
