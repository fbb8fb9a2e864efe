"""What the page's own scripts are told: plain JSON values, and the words an artist reads.

Knows the service layer's views and no widgets. Texts go out raw: the page sets them as text, never as markup.
"""

import json
from collections.abc import Sequence
from typing import Any

from app.gallery_views import Comparison, Family
from app.recipes import request_to_json
from app.views import REPRODUCTION, VARIATION, ImageView, JobView, ModelStatus, Reproduction, Tile

Payload = dict[str, Any]
STYLES_SHOWN = 12


def status_payload(status: ModelStatus) -> Payload:
    state: str = "loading" if status.loading else status.state
    words = {
        "loading": f"Loading {status.loading or status.name}",
        "ready": f"{status.name} is ready",
        "failed": f"{status.name} could not be loaded",
    }
    return {
        "state": state,
        "text": words[state],
        "detail": status.message or status.device,
        "model": status.name,
        "version": status.spec.sha256 if status.spec else None,
        "styles": list(status.spec.styles[:STYLES_SHOWN]) if status.spec else [],
        "tuned": status.sampling is not None,
        "loading": status.loading,
        "share": round(status.share, 2),
        "failed": status.failed,
    }


def job_payload(view: JobView) -> Payload:
    shown = view.status == "running"  # a long queue of large jobs stays a short message
    tiles = [tile for tile in view.tiles if tile.image_id or shown]
    return {
        "id": view.id,
        "kind": view.kind,
        "sheet": view.sheet_id,
        "status": view.status,
        "final": view.final,
        "started": view.started.isoformat() if view.started else None,
        "again": view.unfinished and not view.resolved,
        "ranking": ranking_payload(view),
        "prompt": view.request.prompt,
        "settings": request_words(view),
        "seed": str(view.request.seed),
        "state": state_words(view),
        "notes": list(view.notes),
        "original": f"media/varied/{view.id}" if view.kind == VARIATION else None,
        "progress": progress(view),
        "painted": view.row / view.rows if view.rows else 0,
        "tiles": [_tile_payload(view, tile) for tile in tiles],
    }


def _tile_payload(view: JobView, tile: Tile) -> Payload:
    return {
        "index": tile.index,
        "state": tile.state,
        "image": tile.image_id,
        "preview": f"media/preview/{view.id}/{tile.index}?v={view.preview_row}" if shows_preview(view, tile) else None,
        "rank": tile.rank,
        "kept": tile.kept,
        "starred": tile.starred,
        "match": match_words(tile.score, tile.percentile, view.ranked_by),
    }


def queue_payload(waiting: Sequence[JobView]) -> list[Payload]:
    """The waiting cells of a sheet are one row."""
    cells: dict[str, int] = {}
    for view in waiting:
        if view.sheet_id:
            cells[view.sheet_id] = cells.get(view.sheet_id, 0) + 1
    first = {view.sheet_id: view.id for view in reversed(waiting) if view.sheet_id}
    return [
        {
            "id": view.id,
            "sheet": view.sheet_id,
            "prompt": view.request.prompt,
            "model": view.model,
            "words": f"{counted(cells[view.sheet_id], 'cell')} of a sheet" if view.sheet_id else waiting_words(view),
        }
        for view in waiting
        if not view.sheet_id or first[view.sheet_id] == view.id
    ]


def waiting_words(view: JobView) -> str:
    return "once more, to compare" if view.kind == REPRODUCTION else counted(view.count, "candidate")


def ranking_payload(view: JobView) -> Payload | None:
    """What the ranks of an ended job belong to; None where there is nothing to rank."""
    if not view.final or view.finished < 2 or view.kind == REPRODUCTION:
        return None
    own = view.request.rerank_text or view.request.prompt
    return {"text": view.ranked_by, "own": view.ranked_by in {None, own}}


def shows_preview(view: JobView, tile: Tile) -> bool:
    return tile.state == "painting" and view.preview_row > 0 and view.row > 0


def progress(view: JobView) -> float:
    """Share of the work that is done, in [0, 1]."""
    if view.final:
        return 1.0
    width = min(view.request.batch_width, view.count - view.finished)
    painted, to_paint = view.row - view.kept_rows, view.rows - view.kept_rows
    started = width * painted / to_paint if view.row < view.rows else 0.0  # a full one is counted as finished
    return min(1.0, (view.finished + started) / view.count)


def request_words(view: JobView) -> str:
    request = view.request
    parts = [f"top {counted(view.kept_rows, 'row')} kept"] if view.kept_rows else []
    parts += [f"strength {request.strength:.0%}"] if request.varies else []
    parts += [counted(request.count, "candidate"), f"seed {request.seed}", f"temperature {request.temperature:g}"]
    if request.guidance_scale != 1:
        parts.append(f"guidance {request.guidance_scale:g}")
    if request.negative_prompt:
        parts.append(f"without {request.negative_prompt}")
    return " · ".join(parts)


def state_words(view: JobView) -> str:
    finished = f"{view.finished} of {counted(view.count, 'candidate')} finished"
    match view.status:
        case "queued":
            ahead = view.position_in_queue - 1
            return f"Waiting, {counted(ahead, 'job')} before it" if ahead > 0 else "Waiting, next in line"
        case "running":
            return _running_words(view)
        case "done":
            candidates = counted(view.finished, "candidate")
            return candidates if view.ranked_by is None else f"{candidates}, best first"
        case "cancelled":
            return f"Stopped. {finished}." if view.finished else "Stopped before a picture was finished."
        case "failed":
            return view.error or "Something went wrong while painting."
        case "interrupted":
            return f"Interrupted when the app was closed. {finished}."


def _running_words(view: JobView) -> str:
    if view.finished == view.count:
        return "Ranking the candidates"
    if not view.rows:
        return "Starting"
    finished, row = f"{view.finished} of {view.count} finished", f"row {view.row} of {view.rows}"
    return " · ".join((finished, row, time_words(view.seconds_left)))


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def time_words(seconds: float | None) -> str:
    if seconds is None:
        return "measuring the pace"
    if seconds < 1:
        return "almost done"
    return f"about {round(seconds)} s left" if seconds < 90 else f"about {round(seconds / 60)} min left"


def duration_words(seconds: float) -> str:
    if seconds < 1:
        return "about a second"
    return f"about {round(seconds)} s" if seconds < 90 else f"about {round(seconds / 60)} min"


def match_words(score: float | None, percentile: float | None, text: str | None = None) -> Payload | None:
    """`like` says that no text was matched, but the picture that is varied."""
    if score is None:
        return None
    share = None if percentile is None else min(99, int(percentile))  # nothing beats everything
    return {
        "score": f"{score:.3f}" if text == "" else f"{score:.2f}",  # siblings are all but alike
        "like": text == "",
        "words": "" if share is None else f"beats {share}% of random pairs",
    }


def thumbnail_payload(image: ImageView) -> Payload:
    return {"image": image.id, "prompt": image.prompt, "starred": image.starred}


def family_payload(family: Family) -> Payload:
    """Who is there, oldest generation first, and which of them were made from which."""
    return {
        "members": [
            thumbnail_payload(member.image) | {"generation": member.generation, "trashed": member.image.trashed}
            for member in family.members
        ],
        "links": [
            {"child": link.child_id, "parent": link.parent_id, "relation": link.relation, "keptRows": link.kept_rows}
            for link in family.links
        ],
        "more": family.more,
    }


def comparison_payload(comparison: Comparison) -> Payload:
    return {
        "first": thumbnail_payload(comparison.first),
        "second": thumbnail_payload(comparison.second),
        "rows": [(row.name, row.first, row.second) for row in comparison.rows],
    }


def details_payload(image: ImageView) -> Payload:
    """A picture that came from elsewhere has no seed, and no settings to speak of."""
    request = image.request
    return {
        "image": image.id,
        "prompt": image.prompt,
        "seed": "" if image.imported else str(image.seed),
        "foreign": image.imported,
        "enlarged": image.enlarged,
        "trashed": image.trashed,
        "rank": image.rank,
        "of": request.count,
        "match": match_words(image.score, image.percentile, image.text_scored),
        "ranked": f"for “{image.text_scored}”" if image.text_scored not in {None, "", image.prompt} else "",
        "varied": image.request.varies,
        "starred": image.starred,
        "kept": image.kept,
        "facts": _facts(image),
        "painted": image.created.isoformat(),  # the page knows the reader's clock
        "recipe": recipe_text(image),
    }


def _facts(image: ImageView) -> list[tuple[str, str]]:
    request = image.request
    if image.imported:
        return [("Size", f"{image.width} × {image.height}")]
    facts = [
        ("Kept", f"the top {counted(image.kept_rows, 'row')} of another picture" if image.kept_rows else ""),
        ("Varied", f"another picture, strength {request.strength:.0%}" if request.varies else ""),
        ("Without", request.negative_prompt),
        ("Guidance", f"{request.guidance_scale:g}"),
        ("Temperature", f"{request.temperature:g}"),
        ("Top-k", str(request.top_k) if request.top_k else "all"),
        ("Top-p", f"{request.top_p:g}"),
        ("Size", f"{image.width} × {image.height}"),
        ("Model", image.model),
        ("Ranked by", image.reranker or ""),
    ]
    return [(name, value) for name, value in facts if value]


def reproduction_payload(again: Reproduction) -> Payload:
    return {
        "job": again.job.id,
        "image": again.image_id,
        "final": again.job.final,
        "identical": again.identical,
        "words": reproduction_words(again),
    }


def reproduction_words(again: Reproduction) -> str:
    """Whether a picture that was painted again is the same, and if not, what may be why."""
    if not again.job.final:
        return f"Painting it again. {state_words(again.job)}."
    if again.image_id is None:
        return f"It was not painted again. {state_words(again.job)}"
    if again.identical:
        return "Painted again: identical, every token and every pixel."
    what = f"{counted(again.tokens_differ, 'token')} came out otherwise" if again.tokens_differ else "the pixels differ"
    why = "; ".join(again.changes) or "model, version and device are the same: the file or the history was changed"
    return f"Painted again: not identical, {what}. What changed: {why}."


def recipe_text(image: ImageView) -> str:
    """What Copy recipe puts on the clipboard: JSON that `Recipe.single` and a person both read."""
    values = json.loads(request_to_json(image.request)) | {"seed": image.seed, "count": 1, "keep": 1}
    return json.dumps({"model": image.model, "request": values}, ensure_ascii=False, indent=2)
