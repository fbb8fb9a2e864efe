"""Who descends from whom: the pictures around one, along the edges between them. Only reads."""

import json
from collections.abc import Sequence

from app.gallery_views import Link
from app.history.store import History

MAX_GENERATIONS = 8
MAX_RELATIVES = 120


def family(history: History, image_id: str) -> tuple[dict[str, int], list[Link], bool]:
    """Ancestors and descendants of a picture by generation, itself at 0, the edges between all of these, and whether
    some were left out. Pictures in the trash belong to it; purged ones left no trace.
    """
    generations, cut = {image_id: 0}, False
    for step, near, far in ((-1, "child_id", "parent_id"), (1, "parent_id", "child_id")):
        cut |= _walk(history, generations, image_id, step, near, far)
    return generations, _links(history, list(generations)), cut


def _walk(history: History, generations: dict[str, int], start: str, step: int, near: str, far: str) -> bool:
    """Add what lies in one direction, a generation at a time; whether there is more than that."""
    edge = [start]
    generation = 0
    while edge:
        sql = f"SELECT DISTINCT {far} AS id FROM edges WHERE {near} IN (SELECT value FROM json_each(?)) ORDER BY 1 DESC"
        found = [row["id"] for row in history.read(sql, (json.dumps(edge),)) if row["id"] not in generations]
        generation += step
        if found and abs(generation) > MAX_GENERATIONS:
            return True
        room = MAX_RELATIVES - sum(step * other > 0 for other in generations.values())
        generations.update(dict.fromkeys(found[:room], generation))
        if len(found) > room:
            return True
        edge = found
    return False


def _links(history: History, image_ids: Sequence[str]) -> list[Link]:
    sql = """
        SELECT child_id, parent_id, relation, kept_rows FROM edges
        WHERE child_id IN (SELECT value FROM json_each(:ids)) AND parent_id IN (SELECT value FROM json_each(:ids))
        ORDER BY child_id, parent_id
    """
    return [Link(*row) for row in history.read(sql, {"ids": json.dumps(list(image_ids))})]
