"""Rows from pictures: what a recipe and the sidecar know is put back into the database. Never deletes a picture.

One way for three needs: a picture whose row was lost, a database that was lost, a backup that is merged in. Recipes and
marks may come from anywhere, so every value is checked before it becomes a row.
"""

import contextlib
import hashlib
import io
import json
import re
import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isqrt
from pathlib import Path

from PIL import Image
from ulid import ULID

from app.errors import NoRecipe, RecipeError
from app.history.checkup import search_rows
from app.history.marks import TABLES, Marks, Value
from app.history.store import History
from app.recipes import Recipe, plain_recipe, read_recipe, request_from_json, request_to_json, stack_key
from app.views import FINAL_STATUSES, IMPORT, kind_of
from dalle_core.errors import DalleError

ULID_TEXT = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
StyleOf = Callable[[Recipe], str]
Record = dict[str, Value | bytes]


@dataclass(frozen=True)
class Found:
    """A PNG with a recipe of ours. `path` is below the images folder; `id` None where its name is none of ours."""

    path: str
    id: str | None
    sha256: str
    width: int
    height: int
    created: datetime
    recipe: Recipe


@dataclass
class Recovered:
    """How many rows came back; `guessed` pictures had no marks: which were kept is not known, so all are."""

    pictures: int = 0
    jobs: int = 0
    guessed: int = 0
    refused: int = 0  # pictures that break a rule of the database


def plain_titles(known: Sequence[Marks]) -> dict[str, str]:
    """The pictures that came from elsewhere without a recipe, as the marks have them: by id, what they are called."""
    titles = {}
    for marks in reversed(known):
        jobs = {row.get("id"): row for row in _records(marks, "jobs") if row.get("kind") == IMPORT}
        for row in _records(marks, "images"):
            with contextlib.suppress(DalleError, KeyError):
                titles[str(row.get("id"))] = request_from_json(str(jobs[row.get("job_id")]["request_json"])).prompt
    return titles


def read_picture(images: Path, path: str, titles: Mapping[str, str]) -> Found:
    """One with a recipe, or one that has a title. Raises RecipeError."""
    file = images / path
    try:
        data, changed = file.read_bytes(), file.stat().st_mtime
    except OSError as error:
        raise RecipeError(f"The picture cannot be read: {error.strerror or error}.") from error
    recipe = recipe_of(data, titles.get(file.stem))
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        width, height = image.size
    named = _moment(file.stem)
    created = named or datetime.fromtimestamp(max(0.0, changed), UTC)
    return Found(path, file.stem if named else None, hashlib.sha256(data).hexdigest(), width, height, created, recipe)


def recipe_of(data: bytes, title: str | None) -> Recipe:
    """Raises RecipeError."""
    try:
        return read_recipe(data)
    except NoRecipe:
        if title is None:
            raise
        return plain_recipe(title)


def _moment(name: str) -> datetime | None:
    """The time in a ULID; None where the name is none."""
    try:
        return ULID.from_str(name).datetime if ULID_TEXT.fullmatch(name) else None
    except (ValueError, OverflowError, OSError):  # a year that calendars do not reach
        return None


def recover(
    history: History, found: Iterable[Found], known: Sequence[Marks], style_of: StyleOf, *, everything: bool
) -> Recovered:
    """Give each of `found` its row, with what the first of `known` that has it says about it.

    Pictures and jobs that the history has stay as they are. `everything` also brings back what belongs to no picture:
    jobs that never painted, saved searches, sheets. Raises HistoryError; then nothing has changed.
    """
    with history.writing() as writer:
        recovery = _Recovery(writer, known, style_of)
        for picture in sorted(found, key=lambda picture: (picture.created, picture.recipe.index, picture.path)):
            recovery.add(picture)
        recovery.finish(everything)
    return recovery.recovered


class _Recovery:
    """One transaction's work."""

    def __init__(self, writer: sqlite3.Connection, known: Sequence[Marks], style_of: StyleOf) -> None:
        self.recovered = Recovered()
        self._writer = writer
        self._known = known
        self._style_of = style_of
        self._columns = {name: [row[1] for row in writer.execute(f"PRAGMA table_info({name})")] for name in TABLES}
        self._images = self._by_id("images")
        self._jobs = self._by_id("jobs")
        self._added: dict[str, Recipe] = {}
        self._made: dict[tuple[str, str, str], str] = {}  # request and model -> the latest job made for them
        self._guessed: set[str] = set()  # the jobs among those of whose end nothing is known
        self._sources = {name: row.get("source_id") for name, row in self._jobs.items()}  # job -> what it is about

    def add(self, picture: Found) -> None:
        image_id = picture.id
        if image_id is None or self._has("images", image_id):
            image_id = str(ULID.from_datetime(picture.created))
        mark = self._images.get(image_id)
        row = _image_record(picture, image_id, self._job_of(picture, mark), mark or {}, self._style_of)
        if not self._insert("images", row):
            self.recovered.refused += 1
            return
        self._added[image_id] = picture.recipe
        self.recovered.pictures += 1
        self.recovered.guessed += mark is None

    def finish(self, everything: bool) -> None:
        """Whatever else is known about what was added."""
        for job_id in self._jobs if everything else ():
            self._known_job(job_id)
        self._settle_jobs()
        for table in ("scores", "tags", "edges"):
            for row in self._rows(table):
                if {row.get("image_id"), row.get("child_id"), row.get("parent_id")} & self._added.keys():
                    self._insert(table, row)
        self._edges_of_recipes()
        self._collections()
        for table in ("sheets", "sheet_cells", "saved_searches") if everything else ():
            for row in self._rows(table):
                self._insert(table, row)
        index(self._writer, self._added)

    # Jobs

    def _job_of(self, picture: Found, mark: Record | None) -> str:
        """The job the marks name; else one for the picture's request and model that has this candidate free."""
        recipe = picture.recipe
        named = str(mark["job_id"]) if mark is not None and mark.get("job_id") else ""
        if self._known_job(named) and self._is_free(named, recipe.index):
            return named
        key = (request_to_json(recipe.request), recipe.model, recipe.model_sha256)
        if key not in self._made or not self._is_free(self._made[key], recipe.index):
            self._made[key] = self._make_job(picture, key[0])
            self._guessed.add(self._made[key])
        return self._made[key]

    def _known_job(self, job_id: str) -> bool:
        """Whether the history has this job, or has it back from the marks."""
        if self._has("jobs", job_id):
            return True
        record = _job_record(self._jobs.get(job_id, {}))
        return record is not None and self._add_job(record)

    def _make_job(self, picture: Found, request_json: str) -> str:
        recipe, created = picture.recipe, picture.created.isoformat()
        job_id = str(ULID.from_datetime(picture.created))
        self._add_job(
            {
                "id": job_id,
                "kind": _kind(recipe),
                "request_json": request_json,
                "model": recipe.model,
                "model_sha256": recipe.model_sha256,
                "app_version": recipe.app_version,
                "status": "interrupted",
                "resolved": 1,
                "created": created,
                "started": created,
                "source_id": next(iter(recipe.parents), None),
                "kept_rows": _kept_rows(recipe),
            }
        )
        return job_id

    def _add_job(self, record: Record) -> bool:
        self._sources[str(record["id"])] = record.get("source_id")  # which may come back after the job
        added = self._insert("jobs", {**record, "source_id": None})
        self.recovered.jobs += added
        return added

    def _settle_jobs(self) -> None:
        """A job made from recipes is done where all its pictures are there; and each is about its picture again."""
        of_job = "FROM images WHERE job_id = jobs.id"
        for job_id in self._guessed:
            self._writer.execute(
                f"UPDATE jobs SET finished = (SELECT max(created) {of_job}), status = CASE"
                f" WHEN (SELECT COUNT(*) {of_job}) = json_extract(request_json, '$.count') THEN 'done' ELSE status END"
                " WHERE id = ?",
                (job_id,),
            )
        about = "UPDATE jobs SET source_id = (SELECT id FROM images WHERE id = ?) WHERE id = ? AND source_id IS NULL"
        self._writer.executemany(about, [(source, job_id) for job_id, source in self._sources.items()])

    def _is_free(self, job_id: str, position: int) -> bool:
        taken = "SELECT 1 FROM images WHERE job_id = ? AND position = ?"
        return self._writer.execute(taken, (job_id, position)).fetchone() is None

    # What belongs to pictures

    def _edges_of_recipes(self) -> None:
        """Where the marks have no edge, the recipe still names the parents."""
        with_edges = {row[0] for row in self._writer.execute("SELECT DISTINCT child_id FROM edges")}
        for image_id, recipe in self._added.items():
            for parent in recipe.parents if image_id not in with_edges else ():
                edge: Record = {"child_id": image_id, "parent_id": parent, "relation": kind_of(recipe.request)}
                self._insert("edges", {**edge, "kept_rows": _kept_rows(recipe)})

    def _collections(self) -> None:
        """A collection that is there under the same name takes the pictures in."""
        names = {row.get("id"): row.get("name") for row in self._rows("collections")}
        for row in self._rows("collections"):
            self._insert("collections", row)
        there = dict(self._writer.execute("SELECT name, id FROM collections").fetchall())
        for row in self._rows("collection_images"):
            if row.get("image_id") in self._added:
                collection = there.get(names.get(row.get("collection_id")))
                self._insert("collection_images", {**row, "collection_id": collection})

    # Rows

    def _by_id(self, table: str) -> dict[str, Record]:
        """Records by id; those of the first marks count most."""
        records = {str(row.get("id")): row for marks in reversed(self._known) for row in _records(marks, table)}
        return {name: row for name, row in records.items() if ULID_TEXT.fullmatch(name)}

    def _rows(self, table: str) -> Iterator[Record]:
        for marks in self._known:
            yield from _records(marks, table)

    def _has(self, table: str, row_id: str) -> bool:
        return self._writer.execute(f"SELECT 1 FROM {table} WHERE id = ?", (row_id,)).fetchone() is not None

    def _insert(self, table: str, row: Record) -> bool:
        """Whether the row is new. One that is there already, or breaks a rule of the table, is left out."""
        columns = [name for name in self._columns[table] if name in row]
        sql = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        try:
            return self._writer.execute(sql, [row[name] for name in columns]).rowcount == 1
        except sqlite3.IntegrityError:
            return False


def index(writer: sqlite3.Connection, image_ids: Iterable[str]) -> None:
    """Add pictures to the search index, by the text that their rows and tags hold now."""
    rows = list(search_rows(writer, json.dumps(list(image_ids))))
    sql = "INSERT OR REPLACE INTO search (rowid, image_id, prompt, style, tags) VALUES (?, ?, ?, ?, ?)"
    writer.executemany(sql, rows)


def _records(marks: Marks, table: str) -> Sequence[Record]:
    return [dict(record) for record in marks[table].records()] if table in marks else ()


def _image_record(picture: Found, image_id: str, job_id: str, mark: Record, style_of: StyleOf) -> Record:
    recipe, request = picture.recipe, picture.recipe.request
    style, seconds, created = mark.get("style"), mark.get("seconds"), mark.get("created")
    return {
        "id": image_id,
        "job_id": job_id,
        "position": recipe.index,
        "prompt": request.prompt,
        "request_json": request_to_json(request),
        "style": style if isinstance(style, str) else style_of(recipe),
        "seed": recipe.seed,
        "path": picture.path,
        "sha256": picture.sha256,
        "tokens": struct.pack(f"<{len(recipe.tokens)}I", *recipe.tokens),
        "width": picture.width,
        "height": picture.height,
        "seconds": float(seconds) if isinstance(seconds, int | float) else 0.0,
        "created": created if _is_time(created) else picture.created.isoformat(),
        "stack": stack_key(request_to_json(request), recipe.model) if recipe.tokens else "",
        "kept": int(bool(mark.get("kept", True))),
        "starred": int(bool(mark.get("starred"))),
        **_trashing(mark),
    }


def _trashing(mark: Record) -> Record:
    """What was in the trash stays there; what was out of sight because its file was gone is here again."""
    moment, batch = mark.get("trashed_at"), mark.get("trash_batch")
    return {"trashed_at": moment, "trash_batch": batch} if _is_time(moment) and isinstance(batch, str) else {}


def _job_record(mark: Record) -> Record | None:
    """A job as the marks have it, never one that would start to paint; None where it cannot be used."""
    try:
        request_from_json(str(mark.get("request_json")))
        notes = json.loads(str(mark.get("notes_json", "[]")))
    except (DalleError, ValueError, RecursionError):
        return None
    times = [mark.get("created"), *(mark[name] for name in ("started", "finished") if mark.get(name) is not None)]
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes) or not all(map(_is_time, times)):
        return None
    final = mark.get("status") in FINAL_STATUSES
    return {**mark, "cancel_requested": 0, "status": mark["status"] if final else "interrupted"}


def _kept_rows(recipe: Recipe) -> int:
    """How many rows were given, on the square grid that every model here has."""
    return len(recipe.request.prefix_tokens) // max(1, isqrt(len(recipe.tokens)))


def _kind(recipe: Recipe) -> str:
    """As far as it can be told from a recipe alone."""
    if not recipe.model and not recipe.tokens:
        return IMPORT
    return kind_of(recipe.request)


def _is_time(value: object) -> bool:
    try:
        return datetime.fromisoformat(str(value)).tzinfo is not None
    except ValueError:
        return False
