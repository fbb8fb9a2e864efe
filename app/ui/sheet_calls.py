"""What the Explore tab is told about sheets, and what it asks for. Whatever the browser sends is checked here."""

from collections.abc import Callable
from typing import Any

from app.axes import OF_A_PICTURE, AxisText
from app.sheets import Cell, Head, Plan, SheetCard, SheetRequest, SheetView
from app.studio import Studio
from app.ui.asked import answer, text, ulid, value
from app.ui.payloads import Payload, counted, duration_words
from dalle_core.errors import RequestError
from dalle_core.request import GenerationRequest


def sheet_calls(studio: Studio) -> list[Callable[[Any], Any]]:
    """Functions of one JSON value. Each answers `{"error": words}` where it cannot."""

    def show_sheet(asked: Any) -> Payload:
        return answer(lambda: sheet_payload(studio.sheets.view(ulid(asked, "sheet"))))

    def sheet_state(asked: Any) -> Payload:
        return answer(lambda: state_payload(studio.sheets.view(ulid(asked, "sheet"))))

    def stop_sheet(asked: Any) -> Payload:
        return answer(lambda: {"jobs": studio.sheets.stop(ulid(asked, "sheet"))})

    def resume_sheet(asked: Any) -> Payload:
        return answer(lambda: {"count": studio.sheets.resume(ulid(asked, "sheet"))})

    def remove_sheet(asked: Any) -> Payload:
        def remove() -> Payload:
            studio.sheets.remove(ulid(asked, "sheet"))
            return {}

        return answer(remove)

    def list_sheets(asked: Any) -> Payload:
        return answer(lambda: {"sheets": [card_payload(card) for card in studio.sheets.listed()]})

    return [show_sheet, sheet_state, stop_sheet, resume_sheet, remove_sheet, list_sheets]


def read_sheet(studio: Studio, chosen: object, request: GenerationRequest) -> SheetRequest:
    """What the page asks for. Raises RequestError, and what is wrong with a picture whose rows are to be kept."""
    x, y = (_axis(value(chosen, name)) for name in ("x", "y"))
    needed = any(axis is not None and axis.kind in OF_A_PICTURE for axis in (x, y))
    image = ulid(chosen, "image")
    source = studio.prepare_source(image_id=image) if needed and image else None
    return SheetRequest(request, x, y, source)


def _axis(asked: Any) -> AxisText | None:
    if asked is None:
        return None
    kind, written = text(asked, "kind"), text(asked, "text")
    if kind is None or written is None:
        raise RequestError("An axis is a kind and its values.")
    return AxisText(kind, written) if kind else None


def plan_words(plan: Plan) -> str:
    cells = counted(plan.cells, "cell")
    if plan.x and plan.y:
        cells = f"{cells}, {len(plan.x.labels)} across and {len(plan.y.labels)} down"
    parts = [cells]
    if plan.pictures != plan.cells:
        parts.append(counted(plan.pictures, "candidate"))
    parts.append("the first one will tell how long it takes" if plan.seconds is None else duration_words(plan.seconds))
    return " · ".join(parts)


def sheet_payload(view: SheetView) -> Payload:
    return {
        "sheet": view.id,
        "name": view.name,
        "prompt": view.request.prompt,
        "settings": _settings(view),
        "created": view.created.isoformat(),
        "x": _head(view.x),
        "y": _head(view.y),
        "cells": [_cell(cell) for cell in view.cells],
        **state_payload(view),
    }


def state_payload(view: SheetView) -> Payload:
    return {"state": view.state, "words": _state_words(view), "progress": view.done / max(1, len(view.cells))}


def card_payload(card: SheetCard) -> Payload:
    return {
        "sheet": card.id,
        "name": card.name,
        "axes": list(card.axes),
        "created": card.created.isoformat(),
        "state": card.state,
        "words": "painting" if card.state == "painting" else _painted(card.done, card.cells),
    }


def _state_words(view: SheetView) -> str:
    painted = _painted(view.done, len(view.cells))
    if view.state == "painting":
        left = "measuring the pace" if view.seconds_left is None else f"{duration_words(view.seconds_left)} left"
        return f"{painted} · {left}"
    if view.state == "done":
        return counted(len(view.cells), "cell")
    failed = sum(cell.status == "failed" for cell in view.cells)
    return f"Stopped. {painted}." if not failed else f"Stopped. {painted}, {failed} failed."


def _painted(done: int, cells: int) -> str:
    return f"{done} of {counted(cells, 'cell')} painted"


def _settings(view: SheetView) -> str:
    request = view.request
    varied = {head.kind for head in (view.x, view.y) if head}
    parts = {"seed": f"seed {request.seed}", "temperature": f"temperature {request.temperature:g}"}
    if request.guidance_scale != 1:
        parts["guidance"] = f"guidance {request.guidance_scale:g}"
    if request.negative_prompt:
        parts["negative"] = f"without {request.negative_prompt}"
    return " · ".join(words for kind, words in parts.items() if kind not in varied)


def _head(head: Head | None) -> Payload | None:
    if head is None:
        return None
    return {"kind": head.kind, "title": head.title, "text": head.text, "labels": list(head.labels)}


def _cell(cell: Cell) -> Payload:
    return {
        "x": cell.x,
        "y": cell.y,
        "job": cell.job_id,
        "status": cell.status,
        "error": cell.error,
        "image": cell.image_id,
    }
