"""`explore` on the command line: one prompt over one axis or two, into a folder or as a sheet of the history.

Knows no flags; it is handed settings, a request and axes, and gives back the cells, row by row, as they are painted.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.axes import Axis, AxisText, CellPlan, Ground, plan_cells, read_axis
from app.errors import DataFolderBusy, OutputError, RecipeError
from app.generate_command import POLL_SECONDS, Meter, check_folder, encode_whole, load, paint_kept, wait_for_model
from app.history.files import write_file
from app.loading import LoadModel
from app.prompts import Prompts
from app.recipes import read_recipe, to_png
from app.settings import Settings
from app.sheets import SheetRequest, SheetView, name_of_prompt, shared_settings
from app.studio import Studio
from app.wildcards import Wildcards
from app.worker import make_recipe
from dalle_core.errors import DalleError, RequestError
from dalle_core.request import GenerationRequest

if TYPE_CHECKING:
    from dalle_core.families.base import ImageModel

SHEET = "sheet.png"
Axes = Sequence[AxisText | None]  # columns, then rows


@dataclass(frozen=True)
class PaintedCell:
    """`column` and `row` are what varies there, in words."""

    path: str
    column: str
    row: str
    prompt: str
    seed: int


def explore_to_folder(
    settings: Settings,
    request: GenerationRequest,
    axes: Axes,
    folder: Path,
    load_model: LoadModel,
    picture: bytes | None = None,
) -> Iterator[PaintedCell]:
    """Paint in this process and write cells and sheet to `folder`. Cells that are there already stay, so that what was
    stopped goes on.
    """
    check_folder(folder)
    model = load(settings, load_model)
    ground = _ground(settings, request, model, picture)
    x, y = (None if axis is None else read_axis(axis, ground) for axis in axes)
    cells = _planned(ground, x, y)
    paths = {(cell.x, cell.y): _cell_path(folder, cell.x, cell.y) for cell in cells}
    there = {place for place, path in paths.items() if path.exists()}
    for cell in cells:
        if (cell.x, cell.y) in there:
            _check_same(paths[cell.x, cell.y], cell, model)
    try:
        for number, cell in enumerate(cells):
            path = paths[cell.x, cell.y]
            if (cell.x, cell.y) not in there:
                _paint_cell(model, cell, path, f"cell {number + 1} of {len(cells)}: ")
            yield _painted_cell(cell, path, read_recipe(path).seed, x, y)
    finally:
        _write_sheet(folder, request, x, y, {place: path for place, path in paths.items() if path.exists()})


def begun_seed(folder: Path | None) -> int | None:
    """The seed of the sheet that was begun in a folder, which goes on by it."""
    if folder is not None:
        with suppress(RecipeError):
            return read_recipe(_cell_path(folder, 0, 0)).request.seed
    return None


def _cell_path(folder: Path, x: int, y: int) -> Path:
    return folder / f"cell-{y + 1:02}-{x + 1:02}.png"


def _ground(settings: Settings, request: GenerationRequest, model: "ImageModel", picture: bytes | None) -> Ground:
    source = None if picture is None else encode_whole(model, picture)
    return Ground(
        request=request,
        template=Prompts(Wildcards(settings.wildcards)).read(request.prompt),
        styles=model.spec.styles,
        rows=source.rows if source else 0,
        tokens=source.tokens if source else (),
    )


def _planned(ground: Ground, x: Axis | None, y: Axis | None) -> list[CellPlan]:
    if x is None and y is None:
        raise RequestError("Say what varies: --x KIND=VALUES, --y KIND=VALUES, or both.")
    return plan_cells(ground, x, y)


def _check_same(path: Path, cell: CellPlan, model: "ImageModel") -> None:
    """Raises OutputError for a file that is not this cell's picture."""
    with suppress(RecipeError):
        recipe = read_recipe(path)
        if (recipe.request, recipe.model_sha256) == (cell.request, model.spec.sha256):
            return
    raise OutputError(f"{path} is of another sheet. Choose another --out.")


def _paint_cell(model: "ImageModel", cell: CellPlan, path: Path, lead: str) -> None:
    from dalle_core.images import to_pil

    best = paint_kept(model, cell.request, Meter(sys.stderr, lead))[0]
    _write(path, to_png(to_pil(best.image), make_recipe(model, cell.request, best)))


def _painted_cell(cell: CellPlan, path: Path, seed: int, x: Axis | None, y: Axis | None) -> PaintedCell:
    return PaintedCell(
        str(path), x.labels[cell.x] if x else "", y.labels[cell.y] if y else "", cell.request.prompt, seed
    )


def _write_sheet(
    folder: Path, request: GenerationRequest, x: Axis | None, y: Axis | None, paths: dict[tuple[int, int], Path]
) -> None:
    from app.sheet_image import draw_sheet

    if not paths:
        return
    summary = shared_settings(request, {axis.kind for axis in (x, y) if axis})
    sheet = draw_sheet(name_of_prompt(request.prompt), summary, _titled(x), _titled(y), paths)
    _write(folder / SHEET, sheet)


def _titled(axis: Axis | None) -> tuple[str, tuple[str, ...]]:
    return (axis.title, axis.labels) if axis else ("", ("",))


def _write(path: Path, data: bytes) -> None:
    try:
        write_file(path, data)
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error


def explore_to_history(
    settings: Settings,
    request: GenerationRequest,
    axes: Axes,
    load_model: LoadModel,
    picture: bytes | None = None,
) -> Iterator[PaintedCell]:
    """Paint a sheet of the history, in this process. What is stopped goes on in the studio's Explore."""
    studio = Studio(settings, load_model)
    try:
        studio.start()
    except DataFolderBusy as error:
        raise DataFolderBusy("The studio is open. Explore there, or give --out DIR to paint beside it.") from error
    try:
        wait_for_model(studio)
        source = None if picture is None else studio.prepare_source(picture)
        x, y = axes
        sheet_id = studio.sheets.start(SheetRequest(request, x, y, source))
        try:
            view = _wait(studio, sheet_id)
        except KeyboardInterrupt:
            studio.sheets.stop(sheet_id)
            raise
        yield from _cells(studio, view)
    finally:
        studio.close()


def _wait(studio: Studio, sheet_id: str) -> SheetView:
    meter = Meter(sys.stderr)
    try:
        while (view := studio.sheets.view(sheet_id)).state == "painting":
            meter.say(f"{view.done} of {len(view.cells)} cells")
            time.sleep(POLL_SECONDS)
        return view
    finally:
        meter.clear()


def _cells(studio: Studio, view: SheetView) -> Iterator[PaintedCell]:
    """Those that were painted; then what went wrong with the others is raised."""
    for cell in view.cells:
        if cell.image_id is not None:
            image = studio.image(cell.image_id)
            column, row = (head.labels[at] if head else "" for head, at in ((view.x, cell.x), (view.y, cell.y)))
            yield PaintedCell(str(studio.image_path(image.id)), column, row, image.prompt, image.seed)
    if failed := [cell for cell in view.cells if cell.image_id is None]:
        raise DalleError(failed[0].error or f"{len(failed)} cells were not painted.")
