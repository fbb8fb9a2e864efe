"""Sheets: one prompt over up to two axes, each cell an ordinary job. Plans, paints, stops, resumes and draws them.

Knows no widgets. A sheet is as far as its jobs are: whatever happens to those, in any process, is what it shows.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from app.axes import MAX_CELLS, TITLES, Axis, AxisText, CellPlan, Ground, plan_cells, read_axis
from app.errors import HistoryError
from app.history import History
from app.history import sheets as rows
from app.history.sheets import CellRow, NewCell, SheetRow
from app.history.store import NewJob
from app.models import check_there
from app.prompts import Prompts, Template
from app.recipes import request_from_dict
from app.sources import Source
from app.styles import styles_of
from app.views import VARIATION, JobStatus
from app.worker import Worker
from dalle_core.errors import DalleError, RequestError
from dalle_core.request import GenerationRequest

if TYPE_CHECKING:
    from dalle_core.families.base import ModelSpec

VERSION = 1
MAX_NAME = 120
SheetState = Literal["painting", "stopped", "done"]


@dataclass(frozen=True)
class SheetRequest:
    """What a sheet is asked to be. The prompt of `request` may be a template; `source` is the picture whose rows are
    kept, or that is varied, where an axis says how much.
    """

    request: GenerationRequest
    x: AxisText | None = None
    y: AxisText | None = None
    source: Source | None = None


@dataclass(frozen=True)
class Head:
    """What stands along one side of a sheet."""

    kind: str
    title: str
    text: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What would be painted. `seconds` is how long that takes about, None while that cannot be told."""

    cells: int
    pictures: int
    seconds: float | None
    x: Head | None
    y: Head | None


@dataclass(frozen=True)
class Cell:
    x: int
    y: int
    job_id: str
    status: JobStatus
    error: str | None
    image_id: str | None


@dataclass(frozen=True)
class SheetView:
    """A sheet as it is now; cells row by row. `seconds_left` is about what is missing."""

    id: str
    name: str
    created: datetime
    request: GenerationRequest
    x: Head | None
    y: Head | None
    cells: tuple[Cell, ...]
    seconds_left: float | None

    @property
    def done(self) -> int:
        return sum(cell.status == "done" for cell in self.cells)

    @property
    def state(self) -> SheetState:
        if any(cell.status in {"queued", "running"} for cell in self.cells):
            return "painting"
        return "done" if self.done == len(self.cells) else "stopped"


@dataclass(frozen=True)
class SheetCard:
    """A sheet in the list of all. `axes` are their titles."""

    id: str
    name: str
    axes: tuple[str, ...]
    created: datetime
    cells: int
    done: int
    state: SheetState


class Sheets:
    """`told` is called with a job's id whenever a cell's job ends outside the worker, else with None; `kinds` tells
    how many things a prompt's picture is painted of one by one, each of which takes about as long as a picture.
    """

    def __init__(
        self,
        history: History,
        worker: Worker,
        prompts: Prompts,
        most_queued: int,
        told: Callable[[str | None], None],
        kinds: Callable[[str], int],
    ) -> None:
        self._history = history
        self._worker = worker
        self._prompts = prompts
        self._most_queued = most_queued
        self._told = told
        self._kinds = kinds

    def plan(self, asked: SheetRequest) -> Plan:
        """What `start` would paint, and how long that takes. Raises RequestError."""
        x, y, cells = self._planned(asked)
        return Plan(
            cells=len(cells),
            pictures=sum(cell.request.count for cell in cells),
            seconds=self._seconds([(cell.request, cell.kept_rows) for cell in cells]),
            x=_head(x),
            y=_head(y),
        )

    def start(self, asked: SheetRequest) -> str:
        """Queue the cells; returns the sheet's id. Raises RequestError, and then nothing is queued."""
        x, y, cells = self._planned(asked)
        self._check_room(len(cells))
        jobs = [NewCell(cell.x, cell.y, self._job(cell, asked.source)) for cell in cells]
        for cell in jobs:
            self._worker.check(cell.job.request)
        definition = {
            "version": VERSION,
            "request": asdict(asked.request),
            "x": _axis_to_dict(x),
            "y": _axis_to_dict(y),
            "source": asked.source.parent_id if asked.source else None,
        }
        sheet_id = rows.add(self._history, name_of_prompt(asked.request.prompt), _to_json(definition), jobs)
        self._wake()
        return sheet_id

    def start_template(self, request: GenerationRequest, most: int) -> str:
        """A sheet of the prompt's variations: two varying places become rows and columns, else they stand in line.

        Of more than `most` as many are drawn, by their weights. Raises RequestError.
        """
        template = self._prompts.read(request.prompt)
        most = min(most, MAX_CELLS)
        if template.count > most:
            return self.start(SheetRequest(request, AxisText("prompt", f"draw {most}")))
        if len(template.varying) == 2:
            return self.start(SheetRequest(request, AxisText("place_2"), AxisText("place_1")))
        return self.start(SheetRequest(request, AxisText("prompt")))

    def stop(self, sheet_id: str) -> list[str]:
        """Take what waits off the queue and stop what is painted; finished cells stay. Returns the jobs that waited."""
        sheet = rows.sheet(self._history, sheet_id)
        waited = rows.cancel_waiting(self._history, sheet.id)
        for job_id in waited:
            self._told(job_id)
        if (painted := rows.running(self._history, sheet.id)) is not None:
            self._history.request_cancel(painted)
            self._worker.cancel(painted)
        self._told(None)
        return waited

    def resume(self, sheet_id: str) -> int:
        """Queue the cells that are missing once more; returns how many. Raises RequestError."""
        sheet = rows.sheet(self._history, sheet_id)
        for model in sorted(rows.missing_models(self._history, sheet.id) - {self._worker.status.name}):
            check_there(self._worker.settings, model, "This sheet is for")
        missing = [cell for cell in rows.cells(self._history, sheet.id) if _is_missing(cell)]
        if not missing:
            raise RequestError("Nothing of this sheet is missing.")
        self._check_room(len(missing))
        count = len(rows.paint_missing(self._history, sheet.id))
        self._wake()
        return count

    def remove(self, sheet_id: str) -> None:
        """Forget a sheet that is not being painted; its pictures stay. Raises RequestError."""
        if self.view(sheet_id).state == "painting":
            raise RequestError("This sheet is being painted. Stop it first.")
        rows.remove(self._history, sheet_id)

    def view(self, sheet_id: str) -> SheetView:
        """Raises NotFound, or HistoryError for a sheet of another version that cannot be read."""
        sheet = rows.sheet(self._history, sheet_id)
        request, x, y = _definition(sheet)
        found = rows.cells(self._history, sheet.id)
        missing = [(request, cell.kept_rows) for cell in found if cell.status in {"queued", "running"}]
        return SheetView(
            id=sheet.id,
            name=sheet.name,
            created=sheet.created,
            request=request,
            x=x,
            y=y,
            cells=tuple(Cell(c.x, c.y, c.job_id, c.status, c.error, c.image_id) for c in found),
            seconds_left=self._seconds(missing) if missing else None,
        )

    def listed(self, limit: int = 50) -> list[SheetCard]:
        """The newest first."""
        return [
            SheetCard(
                id=counted.sheet.id,
                name=counted.sheet.name,
                axes=_axes(counted.sheet),
                created=counted.sheet.created,
                cells=counted.cells,
                done=counted.done,
                state="painting" if counted.active else "done" if counted.done == counted.cells else "stopped",
            )
            for counted in rows.sheets(self._history, limit)
        ]

    def name_of(self, sheet_id: str) -> str:
        return rows.sheet(self._history, sheet_id).name

    def picture(self, sheet_id: str) -> bytes:
        """The sheet as one labelled PNG, as far as it is painted. Raises RequestError where nothing is."""
        from app.sheet_image import draw_sheet

        view = self.view(sheet_id)
        paths = {(c.x, c.y): self._history.image_path(c.image_id) for c in view.cells if c.image_id}
        if not paths:
            raise RequestError("Nothing of this sheet is painted yet.")
        return draw_sheet(view.name, _shared(view), _titled(view.x), _titled(view.y), paths)

    def seconds_for(self, pictures: int) -> float | None:
        """How long so many single pictures take, about; None while that cannot be told."""
        return self._seconds([(GenerationRequest("picture", count=1, keep=1), 0)] * pictures)

    def _planned(self, asked: SheetRequest) -> tuple[Axis | None, Axis | None, list[CellPlan]]:
        if asked.x is None and asked.y is None:
            raise RequestError("Choose what varies: at least one axis needs a kind and values.")
        ground = self._ground(asked)
        x, y = (None if written is None else read_axis(written, ground) for written in (asked.x, asked.y))
        return x, y, plan_cells(ground, x, y)

    def _ground(self, asked: SheetRequest) -> Ground:
        status, source = self._worker.status, asked.source
        template: Template = self._prompts.read(asked.request.prompt)
        return Ground(
            request=asked.request,
            template=template,
            styles=status.spec.styles if status.spec else styles_of(self._worker.settings, status.name),
            rows=source.rows if source else 0,
            tokens=source.tokens if source else (),
        )

    def _job(self, cell: CellPlan, source: Source | None) -> NewJob:
        model = self._worker.status.name
        given = cell.kept_rows or cell.request.varies
        if source is None or not given:
            return NewJob(cell.request, model)
        kind = VARIATION if cell.request.varies else "complete"
        return NewJob(cell.request, model, kind, source.parent_id, source.model_sha256, cell.kept_rows)

    def _seconds(self, requests: list[tuple[GenerationRequest, int]]) -> float | None:
        """How long these take, each with so many rows given: by the model's pace, else as the newest picture took, else
        by trying a few steps. None while that cannot be told.
        """
        spec = self._worker.status.spec
        if spec is None or not requests:
            return None
        newest: float | None = None
        seconds = 0.0
        for request, kept_rows in requests:
            pace = self._worker.pace(request.batch_width)
            if pace is None and newest is None:
                newest = self._newest_pace(spec)
            pace = newest if pace is None else pace
            if pace is None:
                self._worker.measure(request)
                pace = self._worker.pace(request.batch_width)
            if pace is None:
                return None
            batches = -(-request.count // request.batch_width)
            seconds += pace * self._kinds(request.prompt) * batches * (spec.rows - kept_rows)
        return seconds

    def _newest_pace(self, spec: "ModelSpec") -> float | None:
        """Seconds a row of the newest picture took, with all that were painted beside it."""
        found = self._history.images("", 1, None, kept_only=False)
        if not found or found[0].model != spec.name:
            return None
        beside = min(found[0].request.batch_width, found[0].request.count)
        return found[0].seconds * beside / (spec.rows - found[0].kept_rows)

    def _check_room(self, count: int) -> None:
        waiting = self._history.queued_count()
        if waiting + count > self._most_queued:
            raise RequestError(
                f"{waiting} jobs are waiting, and the sheet has {count} cells; the queue holds {self._most_queued}. "
                "Wait for some, or cancel some, then try again."
            )

    def _wake(self) -> None:
        self._worker.wake()
        self._told(None)


def _is_missing(cell: CellRow) -> bool:
    return cell.status in {"cancelled", "failed", "interrupted"}


def name_of_prompt(prompt: str) -> str:
    words = " ".join(prompt.split())
    return f"{words[:MAX_NAME]}…" if len(words) > MAX_NAME else words


def _shared(view: SheetView) -> str:
    return shared_settings(view.request, {head.kind for head in (view.x, view.y) if head})


def shared_settings(request: GenerationRequest, varied: Collection[str]) -> str:
    """The settings that all cells share, in words: those that are no axis."""
    parts = {
        "seed": f"seed {request.seed}",
        "temperature": f"temperature {request.temperature:g}",
        "guidance": f"guidance {request.guidance_scale:g}",
        "top_k": f"top-k {request.top_k}" if request.top_k else "",
        "top_p": f"top-p {request.top_p:g}" if request.top_p != 1 else "",
        "negative": f"without {request.negative_prompt}" if request.negative_prompt else "",
    }
    return " · ".join(words for kind, words in parts.items() if words and kind not in varied)


def _head(axis: Axis | None) -> Head | None:
    return None if axis is None else Head(axis.kind, axis.title, axis.text, axis.labels)


def _titled(head: Head | None) -> tuple[str, tuple[str, ...]]:
    return (head.title, head.labels) if head else ("", ("",))


# The stored definition


def _axis_to_dict(axis: Axis | None) -> dict[str, object] | None:
    return None if axis is None else {"kind": axis.kind, "text": axis.text, "labels": axis.labels}


def _to_json(definition: dict[str, object]) -> str:
    return json.dumps(definition, ensure_ascii=False)


def _definition(sheet: SheetRow) -> tuple[GenerationRequest, Head | None, Head | None]:
    try:
        values: dict[str, Any] = json.loads(sheet.definition)
        if values["version"] > VERSION:
            raise HistoryError(f"The sheet {sheet.id} is of a newer Dalle Studio; update this one.")
        return request_from_dict(values["request"]), _head_from(values["x"]), _head_from(values["y"])
    except (ValueError, KeyError, TypeError, DalleError) as error:
        if isinstance(error, HistoryError):
            raise
        raise HistoryError(f"The sheet {sheet.id} cannot be read: {error}.") from error


def _axes(sheet: SheetRow) -> tuple[str, ...]:
    """None of a sheet that cannot be read: the list goes on."""
    try:
        _, x, y = _definition(sheet)
    except HistoryError:
        return ()
    return tuple(head.title for head in (x, y) if head)


def _head_from(values: Any) -> Head | None:
    if values is None:
        return None
    kind = str(values["kind"])
    return Head(kind, TITLES.get(kind, kind), str(values["text"]), tuple(map(str, values["labels"])))
