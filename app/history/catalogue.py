"""Finding pictures: which ones pass the gallery's filters, a page at a time, and what else to filter by. Only reads.

Each question is answered from a narrow index first; whole rows are read for the few pictures that are shown.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from ulid import ULID

from app.gallery_views import Facets, Filters
from app.history.search import match_expression
from app.history.store import History, ImageRow, storable
from dalle_core.errors import RequestError

MAX_SELECTED = 5000
SOME_HITS = 1000  # from here on, a few of them are found sooner on the way through the index
MANY_HITS = 20_000  # and all of them, too
MAX_TAGS = 200  # that are offered to filter by
TIME_PART = 10  # how many of a ULID's characters are its time


@dataclass(frozen=True)
class Found:
    """A page's rows; `sizes` says of how many alike each stands; `more` whether there are older ones; `total` how many
    there are in all, for the first page.
    """

    rows: list[ImageRow]
    sizes: dict[str, int]
    more: bool
    total: int | None


def page(history: History, filters: Filters, limit: int, before: str | None, *, stacked: bool) -> Found:
    """Newest first, older than picture `before`. Stacked, the newest of those that are alike but for the seed."""
    where = _Where(history, filters)
    older = [] if before is None else [storable(before)]
    if stacked:
        having = "HAVING max(id) < ?" if older else ""
        what = "max(id) AS id, COUNT(*) AS size, COUNT(*) OVER () AS total"
        sql = f"SELECT {what} FROM images WHERE {where} GROUP BY stack {having}"
    else:
        sql = f"SELECT id, 1 AS size FROM images WHERE {where.soonest} {'AND id < ?' if older else ''}"
    found = history.read(f"{sql} ORDER BY 1 DESC LIMIT ?", (*where.values, *older, limit + 1))
    sizes = {row["id"]: row["size"] for row in found[:limit]}
    total = None
    if before is None:
        total = _count(history, where) if not stacked else found[0]["total"] if found else 0
    return Found(history.images_of(list(sizes)), sizes, len(found) > limit, total)


def _count(history: History, where: "_Where") -> int:
    count: int = history.read(f"SELECT COUNT(*) FROM images WHERE {where}", where.values)[0][0]
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


def facets(history: History, filters: Filters) -> Facets:
    """How many pictures each choice would show, with the other filters as they are."""
    return Facets(
        kinds=_counts(history, "kind", replace(filters, kinds=())),
        models=_counts(history, "model", replace(filters, models=())),
        styles=_counts(history, "style", replace(filters, styles=())),
        tags=_tag_counts(history, replace(filters, tag="")),
        starred=_count(history, _Where(history, replace(filters, starred=True))),
    )


def _counts(history: History, column: str, filters: Filters) -> dict[str, int]:
    where = _Where(history, filters)
    sql = f"SELECT {column}, COUNT(*) AS size FROM images WHERE {where} GROUP BY {column} ORDER BY size DESC, {column}"
    return {row[0]: row["size"] for row in history.read(sql, where.values) if row[0]}


def _tag_counts(history: History, filters: Filters) -> dict[str, int]:
    where = _Where(history, filters)
    sql = f"""
        SELECT tag, COUNT(*) AS size FROM tags JOIN images ON id = image_id WHERE {where}
        GROUP BY tag ORDER BY size DESC, tag LIMIT {MAX_TAGS}
    """
    return {row["tag"]: row["size"] for row in history.read(sql, where.values)}


class _Where:
    """A condition on `images` and its values. Its words are those of the indexes, or they would not be used."""

    def __init__(self, history: History, filters: Filters) -> None:
        self.values: list[object] = []
        self._terms = ["trash_batch IS NOT NULL"] if filters.trashed else ["trashed_at IS NULL"]
        if not filters.everything and not filters.trashed:
            self._terms.append("(kept OR starred)")
        if filters.starred:
            self._terms.append("starred")
        self._hits = self._search(history, filters.query) if filters.query.strip() else 0
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

    def _search(self, history: History, query: str) -> int:
        """How many pictures hold the words, whatever else is asked for."""
        expression = match_expression(query)
        if expression is None:
            self._terms.append("0")
            return 0
        self._add(_FOUND, expression)
        hits: int = history.read("SELECT COUNT(*) FROM search WHERE search MATCH ?", (expression,))[0][0]
        return hits

    def _add(self, term: str, *values: object) -> None:
        self._terms.append(term)
        self.values += values

    def __str__(self) -> str:
        """For a question about all that pass."""
        return self._text(scan=self._hits > MANY_HITS)

    @property
    def soonest(self) -> str:
        """For the first few, in the order of the ids."""
        return self._text(scan=self._hits > SOME_HITS)

    def _text(self, scan: bool) -> str:
        """To `scan` is to go through the index and see what was hit, not to look up each hit: SQLite minds the plus."""
        return " AND ".join(f"+{term}" if scan and term == _FOUND else term for term in self._terms)


_FOUND = "images.rowid IN (SELECT rowid FROM search WHERE search MATCH ?)"


def _first_id(moment: datetime) -> str:
    """No picture of that moment, or later, has an id before this one: ids begin with their time."""
    try:
        return str(ULID.from_datetime(moment))[:TIME_PART]
    except (ValueError, OverflowError, OSError):  # before 1970
        return ""
