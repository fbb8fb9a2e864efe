"""Finding pictures: which ones pass the gallery's filters, a page at a time, and what else to filter by. Only reads.

Each question is answered from a narrow index first; whole rows are read for the few pictures that are shown.
"""

import json
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ulid import ULID

from app.gallery_views import Facets, Filters
from app.history.search import match_expression
from app.history.store import History, ImageRow, storable
from dalle_core.errors import RequestError

MAX_SELECTED = 5000
MOST_COUNTED = 5000  # of what was searched for; further nobody counts on, and the page is there sooner
FEW_HITS = 5000  # up to here they are looked up one by one; of more, some are likely to lie near
MANY_HITS = 20_000  # from here on, all of them are found sooner on the way through the index
NEAR = 1000  # pictures that are looked at first where a page may lie among the newest,
FURTHER = 4  # and how many times as many next, if it did not
TIME_PART = 10  # how many of a ULID's characters are its time


@dataclass(frozen=True)
class Found:
    """A page's rows; `sizes` says of how many alike each stands; `more` whether there are older ones; `total` how many
    there are in all, for the first page. Of a search `total` is MOST_COUNTED where there are more than that: `over`.
    """

    rows: list[ImageRow]
    sizes: dict[str, int]
    more: bool
    total: int | None
    over: bool


def page(history: History, filters: Filters, limit: int, before: str | None, *, stacked: bool) -> Found:
    """Newest first, older than picture `before`. Stacked, the newest of those that are alike but for the seed."""
    where, older = _Where(history, filters), None if before is None else storable(before)
    if stacked or (where.expression is not None and not where.few):
        found = _nearest(history, where, limit + 1, older, stacked=stacked)
    else:
        found = _direct(history, where, limit + 1, older)
    shown = dict(found[:limit])
    counted = _sizes(history, where, shown.values()) if stacked else {}
    total = None if before is not None else _total(history, where, stacked=stacked)
    return Found(
        rows=history.images_of(list(shown)),
        sizes={image_id: counted.get(stack, 1) for image_id, stack in shown.items()},
        more=len(found) > limit,
        total=None if total is None else min(total, where.countable),
        over=total is not None and total > where.countable,
    )


def _direct(history: History, where: "_Where", limit: int, before: str | None) -> list[tuple[str, str]]:
    """Ids and stacks of the newest pictures."""
    older, values = "", [*where.values]
    if before is not None:
        older = "AND id < ?"
        values.append(before)
    sql = f"SELECT id, stack FROM images WHERE {where} {older} ORDER BY id DESC LIMIT ?"
    return [(row["id"], row["stack"]) for row in history.read(sql, (*values, limit))]


def _nearest(
    history: History, where: "_Where", limit: int, before: str | None, *, stacked: bool
) -> list[tuple[str, str]]:
    """The same, looked for among a few pictures first, then among more: neither all hits nor all stacks are gone
    through for a page that is near.
    """
    near = sys.maxsize if where.few else NEAR
    while True:
        rows = _among(history, where, near, limit, before, stacked=stacked)
        found = [(row["id"], row["stack"]) for row in rows if row["id"] is not None]
        if len(found) >= limit or rows[0]["looked"] < near:
            return found
        near *= FURTHER


def _among(
    history: History, where: "_Where", near: int, limit: int, before: str | None, *, stacked: bool
) -> list[sqlite3.Row]:
    """What is found among the newest `near` pictures, and at how many of them was `looked`: at least one row."""
    passing, values = (f"{where}", [*where.values]) if where.few else (where.apart, [*where.values_apart])
    if before is not None:
        passing += " AND id < ?"
        values.append(before)
    terms, values = ["1"], [*values, near]
    if where.expression is not None and not where.few:
        between = "(SELECT min(number) FROM near) AND (SELECT max(number) FROM near)"
        terms.append(f"number IN ({_HITS} AND rowid BETWEEN {between})")
        values.append(where.expression)
    if stacked and before is not None:  # one that has a newer picture was on an earlier page
        terms.append(f"NOT EXISTS (SELECT 1 FROM images WHERE stack = near.stack AND id >= ? AND {where})")
        values += [before, *where.values]
    sql = f"""
        WITH near AS MATERIALIZED (
            SELECT id, stack, rowid AS number FROM images WHERE {passing} ORDER BY id DESC LIMIT ?
        )
        SELECT id, stack, looked FROM (SELECT COUNT(*) AS looked FROM near) LEFT JOIN (
            SELECT {"max(id)" if stacked else "id"} AS id, stack FROM near WHERE {" AND ".join(terms)}
            {"GROUP BY stack" if stacked else ""} ORDER BY 1 DESC LIMIT ?
        ) ORDER BY id DESC
    """
    return history.read(sql, (*values, limit))


def _sizes(history: History, where: "_Where", stacks: Iterable[str]) -> dict[str, int]:
    given = "stack IN (SELECT value FROM json_each(?))"
    sql = f"SELECT stack, COUNT(*) AS size FROM images WHERE {where} AND {given} GROUP BY stack"
    rows = history.read(sql, (*where.values, json.dumps(list(stacks))))
    return {row["stack"]: row["size"] for row in rows}


def _total(history: History, where: "_Where", *, stacked: bool) -> int:
    """How many pictures or stacks pass; of a search no more than one above what is counted."""
    if stacked:
        inner, values = f"SELECT 1 FROM images WHERE {where} GROUP BY stack", where.values
    elif where.expression is None or where.narrowed:
        inner, values = f"SELECT 1 FROM images WHERE {where}", where.values
    else:  # one by one, until there are enough
        hits = "(SELECT rowid AS number FROM search WHERE search MATCH ?)"
        inner = f"SELECT 1 FROM {hits} CROSS JOIN images ON images.rowid = number WHERE {where.apart}"
        values = [where.expression, *where.values_apart]
    count: int = history.read(f"SELECT COUNT(*) FROM ({inner} LIMIT ?)", (*values, where.countable + 1))[0][0]
    return count


def select(history: History, filters: Filters, first: str | None, last: str | None, *, stacked: bool) -> list[str]:
    """The ids from one picture to another, both included, in whichever order they are given; to the end without one.

    Newest first. Raises RequestError where there are more than MAX_SELECTED.
    """
    where, values, bounds = _Where(history, filters), list[object](), ""
    if first is not None and last is not None:
        first, last = max(first, last), min(first, last)
    for end, sign in ((first, "<="), (last, ">=")):
        if end is not None:
            bounds += f" AND id {sign} ?"
            values.append(storable(end))
    inner = f"SELECT id, stack FROM images WHERE {where}"
    shown = f"SELECT max(id) AS id FROM ({inner}) GROUP BY stack" if stacked else inner
    sql = f"SELECT id FROM ({shown}) WHERE 1{bounds} ORDER BY id DESC LIMIT ?"
    found = history.read(sql, (*where.values, *values, MAX_SELECTED + 1))
    if len(found) > MAX_SELECTED:
        raise RequestError(f"More than {MAX_SELECTED} pictures are between these two; select fewer at a time.")
    return [row["id"] for row in found]


def standing(history: History, image_ids: Sequence[str], *, trashed: bool) -> dict[str, bool]:
    """Which of these pictures are there, or in the trash, and whether they are starred."""
    place = "trash_batch IS NOT NULL" if trashed else "trashed_at IS NULL"
    sql = f"SELECT id, starred FROM images WHERE {place} AND id IN (SELECT value FROM json_each(?))"
    given = json.dumps([storable(image_id) for image_id in image_ids])
    return {row["id"]: bool(row["starred"]) for row in history.read(sql, (given,))}


def facets(history: History, filters: Filters) -> Facets:
    """How many pictures each choice would show, with the other filters as they are."""
    return Facets(
        kinds=_counts(history, "kind", replace(filters, kinds=())),
        models=_counts(history, "model", replace(filters, models=())),
        styles=_counts(history, "style", replace(filters, styles=())),
    )


def _counts(history: History, column: str, filters: Filters) -> dict[str, int]:
    where = _Where(history, filters)
    sql = f"SELECT {column}, COUNT(*) AS size FROM images WHERE {where} GROUP BY {column} ORDER BY size DESC, {column}"
    return {row[0]: row["size"] for row in history.read(sql, where.values) if row[0]}


_HITS = "SELECT rowid FROM search WHERE search MATCH ?"


class _Where:
    """A condition on `images` and its values. Its words are those of the indexes, or they would not be used.

    `apart` and `values_apart` leave the words out that are searched for: those are `expression`, of `hits` pictures,
    whatever else is asked for.
    """

    def __init__(self, history: History, filters: Filters) -> None:
        self.values_apart: list[object] = []
        self._terms = ["trash_batch IS NOT NULL"] if filters.trashed else ["trashed_at IS NULL"]
        if not filters.everything and not filters.trashed:
            self._terms.append("(kept OR starred)")
        usual = len(self._terms)
        if filters.starred:
            self._terms.append("starred")
        for column, choices in (("kind", filters.kinds), ("model", filters.models), ("style", filters.styles)):
            if choices:
                self._add(f"{column} IN ({', '.join('?' * len(choices))})", *map(storable, choices))
        if filters.tag:
            self._add("id IN (SELECT image_id FROM tags WHERE tag = ?)", storable(filters.tag))
        if filters.collection_id:
            members = "SELECT image_id FROM collection_images WHERE collection_id = ?"
            self._add(f"id IN ({members})", storable(filters.collection_id))
        if filters.since is not None:
            self._add("id >= ?", _first_id(filters.since))
        if filters.until is not None:
            self._add("id < ?", _first_id(filters.until))
        if filters.min_percentile is not None:
            self._add("percentile >= ?", filters.min_percentile)
        if filters.like:
            self._add("stack = (SELECT stack FROM images WHERE id = ?)", storable(filters.like))
        self.narrowed = len(self._terms) > usual
        self.expression: str | None = None
        self.hits = 0
        if filters.query.strip():
            self._search(history, filters.query)

    def _search(self, history: History, query: str) -> None:
        self.expression = match_expression(query)
        if self.expression is None:
            self._terms.append("0")
        else:
            self.hits = history.read(f"SELECT COUNT(*) FROM ({_HITS})", (self.expression,))[0][0]

    def _add(self, term: str, *values: object) -> None:
        self._terms.append(term)
        self.values_apart += values

    @property
    def few(self) -> bool:
        """Whether the words lead to so few that it is best to begin there."""
        return self.expression is not None and self.hits <= (MANY_HITS if self.narrowed else FEW_HITS)

    @property
    def countable(self) -> int:
        return sys.maxsize - 1 if self.expression is None else MOST_COUNTED

    @property
    def apart(self) -> str:
        return " AND ".join(self._terms)

    @property
    def values(self) -> list[object]:
        return self.values_apart if self.expression is None else [*self.values_apart, self.expression]

    def __str__(self) -> str:
        if self.expression is None:
            return self.apart
        scan = "+" if self.hits > MANY_HITS else ""  # through the index, not each hit by itself: SQLite minds the plus
        return f"{self.apart} AND {scan}images.rowid IN ({_HITS})"


def _first_id(moment: datetime) -> str:
    """No picture of that moment, or later, has an id before this one: ids begin with their time."""
    try:
        return str(ULID.from_datetime(moment))[:TIME_PART]
    except (ValueError, OverflowError, OSError):  # before 1970
        return ""
