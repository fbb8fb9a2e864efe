"""The Complete tab: a picture, how much of its top is kept, and what the model makes of the rest.

Layout and wiring only. The bench's own part, how much is kept, is drawn by assets/ui/complete.js.
"""

from app.studio import Studio
from app.ui import workplace
from app.ui.bench import bench_markup, complete
from app.ui.form import read_form
from app.ui.workplace import Workplace

TAB = "complete"
BENCH = bench_markup(
    label="The picture to complete",
    file_label="A picture to complete",
    how="Or open any picture you painted and press Complete from here.",
    slide="""<label class="slide"><span>Keep the top <b class="kept"></b></span>
<input type="range" name="rows" min="1" step="1"></label>""",
    why="""Only the top can be kept: a picture is written in tokens, row by row from the top, and each token sees
only those before it.""",
    veil='<div class="below"></div>',
)
BENCH_SCRIPT = "dalleStudio.bench(element, {props, watch, server})"
BOARD_SCRIPT = "dalleStudio.completions(element)"
CHOSEN = "dalleStudio.chosen()"


def layout(studio: Studio) -> Workplace:
    return workplace.layout(studio, TAB, "What the whole picture shows", BENCH, BENCH_SCRIPT, BOARD_SCRIPT)


def wire(studio: Studio, place: Workplace) -> None:
    workplace.wire(studio, place, CHOSEN, lambda chosen, *values: complete(studio, chosen, lambda: read_form(*values)))
