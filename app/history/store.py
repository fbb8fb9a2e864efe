"""The history's rows. One locked writer connection a process; every reading thread has a connection of its own.

A picture's file is in place before its row is, so a row never points at a missing or half-written file.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sqlite3
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import cast

from PIL import Image
from ulid import ULID

from app.errors import DiskFull, HistoryError, NotFound
from app.history.files import locate, relative_path, thumbnail_of, write_file, write_thumbnail
from app.history.marks import Marks, collect
from app.history.search import indexable, match_expression
from app.recipes import Recipe, request_from_json, request_to_json, stack_key, to_png
from app.settings import Settings
from app.views import JobStatus
from dalle_core import __version__
from dalle_core.errors import DalleError
from dalle_core.request import GenerationRequest

BUSY_SECONDS = 10.0
WRITER_CACHE_KIB = 32 * 1024  # a thousand pictures, marked in one go, touch as much
CHECKPOINT_PAGES = 4000
SHAPE = 6  # how many migrations there are; the database has it as its user_version
_FULL = {errno.ENOSPC, errno.EDQUOT}
_NEEDED_BYTES = 2**16  # SQLite wants about half of this to open a database that nobody has open


@dataclass(frozen=True)
class JobRow:
    """`device` is what it was painted on, and by which PyTorch; `source_id` the picture that it is about, if any;
    `resolved` once the artist dealt with how it ended; `sheet_id` the sheet of which it paints a cell.
    """

    id: str
    kind: str
    request: GenerationRequest
    model: str
    model_sha256: str | None
    app_version: str
    status: JobStatus
    notes: tuple[str, ...]
    error: str | None
    created: datetime
    started: datetime | None
    finished: datetime | None
    device: str | None
    source_id: str | None
    resolved: bool
    kept_rows: int
    sheet_id: str | None


@dataclass(frozen=True)
class NewJob:
    """A request to be queued. `source_id` is the picture it is about, `model_sha256` is of the model whose tokens the
    request holds, in `kept_rows` rows.
    """

    request: GenerationRequest
    model: str
    kind: str = "generate"
    source_id: str | None = None
    model_sha256: str | None = None
    kept_rows: int = 0


@dataclass(frozen=True)
class ImageRow:
    """`path` is below the images folder; `kind` is its job's; `score` to `reranker` are those of the latest
    reranking, if any; `trashed` while it is in the trash.
    """

    id: str
    job_id: str
    position: int
    prompt: str
    request: GenerationRequest
    style: str
    seed: int
    path: str
    sha256: str
    tokens: tuple[int, ...]
    width: int
    height: int
    seconds: float
    created: datetime
    kept: bool
    starred: bool
    model: str
    score: float | None
    percentile: float | None
    rank: int | None
    text_scored: str | None
    reranker: str | None
    model_sha256: str | None
    kept_rows: int
    kind: str
    trashed: bool


@dataclass(frozen=True)
class Edge:
    """What a picture has from another: `relation` is the kind of job that made it, `kept_rows` what that left alone."""

    parent_id: str
    relation: str
    kept_rows: int = 0


@dataclass(frozen=True)
class NewImage:
    """A finished candidate, to be written. `recipe` says everything about it that the pixels do not."""

    job_id: str
    image: Image.Image
    recipe: Recipe
    style: str
    seconds: float
    edges: tuple[Edge, ...] = ()


@dataclass(frozen=True)
class Ranking:
    """What the reranker said about one picture; `kept` when it is among the job's best."""

    image_id: str
    reranker: str
    text: str
    score: float
    percentile: float | None
    rank: int
    kept: bool


class History:
    """The database and the picture files of one data folder. Every method may be called from any thread.

    `owner` says that this process holds the folder's lock: only then is the database created or migrated.
    """

    def __init__(self, settings: Settings, *, owner: bool) -> None:
        self.settings = settings
        self._writer_lock = threading.Lock()
        self._threads = threading.local()
        self._closed = False
        if not owner and not settings.database.is_file():
            raise HistoryError(f"There is no history in {settings.data_dir} yet.")
        with plain_words(settings.database):
            settings.database.parent.mkdir(parents=True, exist_ok=True)
            self._writer = connect(settings.database)
            try:
                self._prepare(owner)
            except BaseException:
                self._writer.close()
                raise

    def _prepare(self, owner: bool) -> None:
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
        self._writer.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        found: int = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if found > SHAPE:
            raise HistoryError(f"The history is of shape {found}, and this Dalle Studio knows {SHAPE}; update it.")
        if found < SHAPE and owner:
            from app.history import migrations  # its library is slow to import

            migrations.upgrade(self._writer, self.settings.backups, SHAPE)
        elif found < SHAPE:
            raise HistoryError("The history is of an older version. Start this Dalle Studio once to update it.")

    def close(self) -> None:
        """Closes the writer; readers close as their threads end."""
        with self._writer_lock:
            self._closed = True
            self._writer.close()
            self._threads = threading.local()

    # Jobs

    def add_job(
        self,
        request: GenerationRequest,
        model: str,
        kind: str = "generate",
        source_id: str | None = None,
        model_sha256: str | None = None,
        kept_rows: int = 0,
        instead_of: str | None = None,
    ) -> str:
        """Queue `request` behind what waits; returns the job's id. See NewJob for the rest.

        `instead_of` is a job whose place in a sheet, if it has one, the new job takes.
        """
        with self._writing() as writer:
            job_id = insert_job(writer, NewJob(request, model, kind, source_id, model_sha256, kept_rows))
            writer.execute(
                "INSERT INTO sheet_cells (job_id, sheet_id, x, y)"
                " SELECT ?, sheet_id, x, y FROM sheet_cells WHERE job_id = ?",
                (job_id, instead_of),
            )
        return job_id

    def claim_job(self) -> JobRow | None:
        """Mark the first in the queue `running`; None when none waits."""
        with self._writing() as writer:
            row = writer.execute(
                "UPDATE jobs SET status = 'running', started = ?"
                f" WHERE id = ({_QUEUED_IDS} LIMIT 1) RETURNING *, {_SHEET}",
                (_now(),),
            ).fetchone()
        if row is None:
            return None
        try:
            return _job_row(row)
        except DalleError as error:  # written by hand, or by a version with other limits
            self.finish_job(row["id"], "failed", f"This job cannot be read. {error}")
            return self.claim_job()

    def describe_job(
        self, job_id: str, model_sha256: str, device: str, notes: Sequence[str], kept_rows: int = 0
    ) -> None:
        """Note what is known once painting begins."""
        with self._writing() as writer:
            writer.execute(
                "UPDATE jobs SET model_sha256 = ?, device = ?, notes_json = ?, kept_rows = ? WHERE id = ?",
                (model_sha256, device, json.dumps(list(notes), ensure_ascii=False), kept_rows, job_id),
            )

    def finish_job(
        self, job_id: str, status: JobStatus, error: str | None = None, rankings: Sequence[Ranking] = ()
    ) -> None:
        """Settle a job, with its pictures' ranks. Where nothing was ranked none is worse than another: all are kept."""
        with self._writing() as writer:
            _write_rankings(writer, rankings)
            if not rankings:
                writer.execute(_KEEP_ALL + "= ?", (job_id,))
            writer.execute(
                "UPDATE jobs SET status = ?, error = ?, finished = ? WHERE id = ?", (status, error, _now(), job_id)
            )

    def request_cancel(self, job_id: str) -> JobStatus:
        """Cancel a queued job at once, ask a running one to stop; a finished one stays. Returns the status since."""
        with self._writing() as writer:
            writer.execute(
                "UPDATE jobs SET status = 'cancelled', finished = ? WHERE id = ? AND status = 'queued'",
                (_now(), job_id),
            )
            writer.execute("UPDATE jobs SET cancel_requested = 1 WHERE id = ? AND status = 'running'", (job_id,))
            row = writer.execute("SELECT status FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if row is None:
            raise _no_job(job_id)
        return cast(JobStatus, row["status"])

    def cancel_requested(self, job_id: str) -> bool:
        """Whether anyone, in any process, asked this job to stop."""
        return bool(self._read("SELECT 1 FROM jobs WHERE id = ? AND cancel_requested", (job_id,)))

    def interrupt_running(self) -> int:
        """Mark the jobs that a crash left `running`, and keep what they painted. For the folder's owner, at start."""
        with self._writing() as writer:
            writer.execute(_KEEP_ALL + "IN (SELECT id FROM jobs WHERE status = 'running')")
            return writer.execute(
                "UPDATE jobs SET status = 'interrupted', finished = ? WHERE status = 'running'", (_now(),)
            ).rowcount

    def job(self, job_id: str) -> JobRow:
        """Raises NotFound."""
        rows = self._read(f"{_JOBS} WHERE id = ?", (storable(job_id),))
        if not rows:
            raise _no_job(job_id)
        return _job_row(rows[0])

    def queued_jobs(self) -> list[JobRow]:
        """The next one first."""
        return [_job_row(row) for row in self._read(f"{_JOBS} WHERE status = 'queued' {_IN_TURN}")]

    def queued_ids(self) -> list[str]:
        """The next one first; cheap enough to ask often."""
        return [row[0] for row in self._read(_QUEUED_IDS)]

    def queued_count(self, before: str | None = None) -> int:
        """How many jobs wait, or how many of them are ahead of job `before`."""
        turn = f"({_LATER}, place, id)"
        ahead = "" if before is None else f" AND {turn} < (SELECT {_LATER}, place, id FROM jobs WHERE id = ?)"
        count: int = self._read(
            f"SELECT COUNT(*) FROM jobs WHERE status = 'queued'{ahead}", () if before is None else (before,)
        )[0][0]
        return count

    def move_job(self, job_id: str, step: int) -> None:
        """Move a waiting job `step` places back, or forward where it is negative, as far as there are places.

        Raises NotFound for a job that does not wait.
        """
        with self._writing() as writer:
            ids = [row[0] for row in writer.execute(_QUEUED_IDS)]
            if job_id not in ids:
                raise NotFound("This job is not waiting any more.")
            place = max(0, ids.index(job_id) + step)
            ids.remove(job_id)
            ids.insert(place, job_id)
            writer.executemany("UPDATE jobs SET place = ? WHERE id = ?", enumerate(ids, start=1))  # few: one queue

    def clear_queue(self) -> list[str]:
        """Cancel all that wait; returns their ids, the next one first."""
        with self._writing() as writer:
            ids = [row[0] for row in writer.execute(_QUEUED_IDS)]
            writer.execute("UPDATE jobs SET status = 'cancelled', finished = ? WHERE status = 'queued'", (_now(),))
        return ids

    def interrupted_ids(self, limit: int) -> list[str]:
        """Jobs that were interrupted and not yet dealt with, newest first."""
        wheres = f"status = 'interrupted' AND NOT resolved AND NOT {_LATER}"  # a sheet says itself what it lacks
        sql = f"SELECT id FROM jobs WHERE {wheres} ORDER BY id DESC LIMIT ?"
        return [row[0] for row in self._read(sql, (limit,))]

    def latest_job_about(self, image_id: str, kind: str) -> str | None:
        """The newest job of a kind whose source is this picture."""
        sql = "SELECT id FROM jobs WHERE source_id = ? AND kind = ? ORDER BY id DESC LIMIT 1"
        return next((row[0] for row in self._read(sql, (storable(image_id), kind))), None)

    def resolve_job(self, job_id: str) -> None:
        """Note that the artist has dealt with how a job ended."""
        with self._writing() as writer:
            writer.execute("UPDATE jobs SET resolved = 1 WHERE id = ?", (job_id,))

    # Pictures

    def add_image(self, new: NewImage) -> str:
        """Write a picture's file, then its row and search entry in one transaction; returns its id.

        Its thumbnail comes last: one that could not be written is made when it is asked for.
        """
        created, image_id = datetime.now(UTC), str(ULID())
        data = to_png(new.image, new.recipe)
        path = relative_path(image_id, created)
        with plain_words(self.settings.database):
            write_file(self.settings.images / path, data)
        try:
            self._insert_image(new, image_id, str(path), created, hashlib.sha256(data).hexdigest())
        except BaseException:
            (self.settings.images / path).unlink(missing_ok=True)
            raise
        with contextlib.suppress(OSError):
            write_thumbnail(self._thumbnail(str(path)), new.image)
        return image_id

    def _insert_image(self, new: NewImage, image_id: str, path: str, created: datetime, sha256: str) -> None:
        recipe, request = new.recipe, new.recipe.request
        values = {
            "id": image_id,
            "job_id": new.job_id,
            "position": recipe.index,
            "prompt": request.prompt,
            "request_json": request_to_json(request),
            "style": new.style,
            "seed": recipe.seed,
            "path": path,
            "sha256": sha256,
            "tokens": struct.pack(f"<{len(recipe.tokens)}I", *recipe.tokens),
            "width": new.image.width,
            "height": new.image.height,
            "stack": stack_key(request_to_json(request), recipe.model),
            "seconds": new.seconds,
            "created": created.isoformat(),
        }
        marks = ", ".join(f":{name}" for name in values)
        with self._writing() as writer:
            rowid = writer.execute(f"INSERT INTO images ({', '.join(values)}) VALUES ({marks})", values).lastrowid
            writer.execute(
                "INSERT OR REPLACE INTO search (rowid, image_id, prompt, style, tags) VALUES (?, ?, ?, ?, '')",
                (rowid, image_id, indexable(request.prompt), indexable(new.style)),
            )
            for edge in new.edges:  # a parent may have been purged since; the child's recipe still names it
                writer.execute(
                    "INSERT INTO edges (child_id, parent_id, relation, kept_rows)"
                    " SELECT ?, id, ?, ? FROM images WHERE id = ?",
                    (image_id, edge.relation, edge.kept_rows, storable(edge.parent_id)),
                )

    def edges(self, image_id: str) -> list[Edge]:
        """What a picture was made from."""
        sql = "SELECT parent_id, relation, kept_rows FROM edges WHERE child_id = ? ORDER BY parent_id"
        return [Edge(*row) for row in self._read(sql, (storable(image_id),))]

    def image_of_bytes(self, sha256: str) -> ImageRow | None:
        """The newest picture whose file has this hash."""
        wheres = "WHERE images.sha256 = ? AND trashed_at IS NULL ORDER BY images.id DESC LIMIT 1"
        return next((_image_row(row) for row in self._read(_IMAGES + wheres, (sha256,))), None)

    def image(self, image_id: str, *, in_trash: bool = False) -> ImageRow:
        """One that is in the trash only where that is said to be fine. Raises NotFound."""
        there = "(trashed_at IS NULL OR trash_batch IS NOT NULL)" if in_trash else "trashed_at IS NULL"
        rows = self._read(f"{_IMAGES} WHERE images.id = ? AND {there}", (storable(image_id),))
        if not rows:
            raise _no_picture(image_id)
        return _image_row(rows[0])

    def images_of(self, image_ids: Sequence[str]) -> list[ImageRow]:
        """These pictures, in the trash or not, in this order; those that are not there are left out."""
        wanted = json.dumps([storable(image_id) for image_id in image_ids])
        rows = self._read(_IMAGES + "WHERE images.id IN (SELECT value FROM json_each(?))", (wanted,))
        found = {row["id"]: _image_row(row) for row in rows}
        return [found[image_id] for image_id in image_ids if image_id in found]

    def job_images(self, job_id: str) -> list[ImageRow]:
        """A job's pictures, best first, by position where they have no rank."""
        order = (
            "WHERE images.job_id = ? AND trashed_at IS NULL ORDER BY scores.rank IS NULL, scores.rank, images.position"
        )
        return [_image_row(row) for row in self._read(_IMAGES + order, (job_id,))]

    def images(self, query: str, limit: int, before: str | None, kept_only: bool) -> list[ImageRow]:
        """Newest first, those older than picture `before`; with a query, those whose text holds each of its words."""
        wheres, values = _matching(query, kept_only)
        if before is not None:
            wheres.append("images.id < ?")
            values.append(storable(before))
        sql = f"{_IMAGES} WHERE {' AND '.join(wheres)} ORDER BY images.id DESC LIMIT ?"
        return [_image_row(row) for row in self._read(sql, (*values, limit))]

    def rankings(self, job_id: str, text: str, keep: int) -> list[Ranking]:
        """What was said before about a job's pictures for `text`, the best `keep` kept; empty where some lack it."""
        rows = self._read(_RANKINGS, (storable(job_id), storable(text)))
        names = {row["reranker"] for row in rows}
        if len(rows) < len(self.job_images(job_id)) or len(names) != 1:
            return []
        return [
            Ranking(
                row["image_id"],
                row["reranker"],
                text,
                row["score"],
                row["percentile"],
                row["rank"],
                row["rank"] <= keep,
            )
            for row in rows
        ]

    def rank(self, rankings: Sequence[Ranking]) -> None:
        """Make these the latest rankings of their pictures."""
        with self._writing() as writer:
            _write_rankings(writer, rankings)

    def images_count(self, query: str, kept_only: bool) -> int:
        """How many pictures `images` finds in all."""
        wheres, values = _matching(query, kept_only)
        count: int = self._read(f"SELECT COUNT(*) FROM images WHERE {' AND '.join(wheres)}", values)[0][0]
        return count

    def mark_image(self, image_id: str, *, starred: bool | None = None, kept: bool | None = None) -> None:
        """Set what is not None. Raises NotFound."""
        with self._writing() as writer:
            changed = writer.execute(
                "UPDATE images SET starred = coalesce(?, starred), kept = coalesce(?, kept)"
                " WHERE id = ? AND trashed_at IS NULL",
                (starred, kept, storable(image_id)),
            ).rowcount
        if not changed:
            raise _no_picture(image_id)

    def image_path(self, image_id: str, *, in_trash: bool = False) -> Path:
        """The picture's file. Raises NotFound where the row or the file is gone."""
        return self._file(self.image(image_id, in_trash=in_trash))

    def thumbnail_path(self, image_id: str) -> Path:
        """The picture's thumbnail, in the trash or not, made anew if missing. Raises NotFound, HistoryError."""
        row = self.image(image_id, in_trash=True)
        original, path = self._file(row), self._thumbnail(row.path)
        if not path.is_file():
            with plain_words(self.settings.database), Image.open(original, formats=("PNG",)) as image:
                write_thumbnail(path, image)
        return path

    def _file(self, image: ImageRow) -> Path:
        path = locate(self.settings.images, image.path)
        if path is None or not path.is_file():
            raise NotFound(
                f"The file of picture {image.id} is gone from the data folder.",
                "The file of this picture is gone from the data folder.",
            )
        return path

    def _thumbnail(self, path: str) -> Path:
        return thumbnail_of(self.settings.thumbnails, path)

    # Connections

    def writing(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """A transaction for the rest of this package. Raises HistoryError, with everything rolled back."""
        return self._writing()

    def read(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[sqlite3.Row]:
        """Rows for the rest of this package."""
        return self._read(sql, values)

    def back_up(self) -> None:
        """Copy the database beside itself."""
        from app.history import migrations  # its library is slow to import

        with self._writer_lock, plain_words(self.settings.database):
            self._check_open()
            migrations.back_up(self._writer, self.settings.backups)

    def copy_to(self, target: Path) -> None:
        """Copy the database to a new file. Raises OSError where there is no room for it."""
        from app.history import migrations

        reader = self._reader()
        try:
            migrations.copy_database(reader, target)
        except sqlite3.Error as error:
            if is_full(error, target.parent):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            with plain_words(self.settings.database):
                raise

    def marks(self) -> Marks:
        """What the sidecar holds."""
        with plain_words(self.settings.database):
            return collect(self._reader())

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """The writer, inside a transaction that took the write lock at once; rolled back on any error."""
        with self._writer_lock, plain_words(self.settings.database):
            self._check_open()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def _read(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[sqlite3.Row]:
        with plain_words(self.settings.database):
            return self._reader().execute(sql, values).fetchall()

    def _reader(self) -> sqlite3.Connection:
        self._check_open()
        holder: _Reader | None = getattr(self._threads, "holder", None)
        if holder is None:
            holder = self._threads.holder = _Reader(self.settings.database)
        return holder.connection

    def _check_open(self) -> None:
        if self._closed:
            raise HistoryError("The history is closed.")


class _Reader:
    """One thread's connection, closed when the thread's locals are dropped."""

    def __init__(self, database: Path) -> None:
        self.connection = connect(database)
        self.connection.execute("PRAGMA query_only = ON")

    def __del__(self) -> None:
        if hasattr(self, "connection"):
            self.connection.close()


# The cells of sheets give way to everything else that waits.
_SHEET = "(SELECT sheet_id FROM sheet_cells WHERE job_id = jobs.id) AS sheet_id"
_LATER = "EXISTS (SELECT 1 FROM sheet_cells WHERE job_id = jobs.id)"
_IN_TURN = f"ORDER BY {_LATER}, place, id"
_JOBS = f"SELECT jobs.*, {_SHEET} FROM jobs"
_QUEUED_IDS = f"SELECT id FROM jobs WHERE status = 'queued' {_IN_TURN}"
_KEEP_ALL = "UPDATE images SET kept = 1 WHERE (SELECT kind FROM jobs WHERE jobs.id = job_id) != 'reproduce' AND job_id "
_RANKINGS = """
    SELECT scores.* FROM scores JOIN images ON images.id = scores.image_id
    WHERE images.job_id = ? AND images.trashed_at IS NULL AND scores.text = ? ORDER BY scores.rank
"""
_IMAGES = """
    SELECT images.*, jobs.model_sha256 AS model_sha256, jobs.kept_rows AS kept_rows,
        scores.score AS score, scores.percentile AS percentile, scores.rank AS rank, scores.text AS text_scored,
        scores.reranker AS reranker
    FROM images JOIN jobs ON jobs.id = images.job_id
    LEFT JOIN scores ON scores.rowid = (SELECT max(rowid) FROM scores WHERE image_id = images.id)
"""


def insert_job(writer: sqlite3.Connection, job: NewJob) -> str:
    """Queue a job behind what waits; returns its id."""
    job_id = str(ULID())
    writer.execute(
        "INSERT INTO jobs"
        " (id, kind, request_json, model, model_sha256, app_version, status, created, source_id, kept_rows, place)"
        " VALUES (?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?,"
        " (SELECT coalesce(max(place), 0) + 1 FROM jobs WHERE status = 'queued'))",
        (
            job_id,
            job.kind,
            request_to_json(job.request),
            job.model,
            job.model_sha256,
            __version__,
            _now(),
            job.source_id,
            job.kept_rows,
        ),
    )
    return job_id


def _no_picture(image_id: str) -> NotFound:
    return NotFound(
        f"There is no picture {image_id!r}.",
        "This picture is not here any more: it is in the trash, or was deleted for good.",
    )


def _no_job(job_id: str) -> NotFound:
    return NotFound(f"There is no job {job_id!r}.", "This run is not here any more.")


def _write_rankings(writer: sqlite3.Connection, rankings: Sequence[Ranking]) -> None:
    """A row that replaces an older one is the latest again. A picture may have been purged while it was ranked."""
    for ranking in rankings:
        writer.execute(
            "INSERT OR REPLACE INTO scores (image_id, reranker, text, score, percentile, rank)"
            " SELECT id, ?, ?, ?, ?, ? FROM images WHERE id = ?",
            (ranking.reranker, ranking.text, ranking.score, ranking.percentile, ranking.rank, ranking.image_id),
        )
        writer.execute("UPDATE images SET kept = ? WHERE id = ?", (ranking.kept, ranking.image_id))


def _matching(query: str, kept_only: bool) -> tuple[list[str], list[object]]:
    """Conditions and their values for the pictures that `query` finds."""
    wheres, values = ["trashed_at IS NULL"], list[object]()
    if kept_only:
        wheres.append("(kept OR starred)")
    if query.strip():
        expression = match_expression(query)
        wheres.append("images.rowid IN (SELECT rowid FROM search WHERE search MATCH ?)" if expression else "0")
        values += [expression] if expression else []
    return wheres, values


def connect(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


@contextlib.contextmanager
def plain_words(database: Path) -> Iterator[None]:
    """Turns what SQLite and the file system raise about a data folder into HistoryErrors an artist can act on."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if is_full(error, database.parent):
            folder = database.parent.parent
            raise DiskFull(f"The disk with {folder} is full. Free some space and try again.") from error
        raise HistoryError(_explain(error, database)) from error


def _explain(error: sqlite3.Error | OSError, database: Path) -> str:
    text = str(error)
    if isinstance(error, PermissionError) or "readonly" in text or "unable to open" in text:
        return f"The data folder {database.parent.parent} cannot be written to. Check its permissions."
    if "locked" in text:
        return "Another program keeps the history locked. Close it and try again."
    if "malformed" in text or "not a database" in text:
        return (
            f"The history {database} is damaged. Run: python app.py doctor --repair. "
            f"Earlier copies are in {database.parent / 'backups'}."
        )
    return f"The history cannot be used: {text}."


def is_full(error: sqlite3.Error | OSError, folder: Path) -> bool:
    """SQLite calls a full disk a failure of the disk where it cannot even open a database."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code != sqlite3.SQLITE_IOERR:
        return code == sqlite3.SQLITE_FULL
    with contextlib.suppress(OSError):
        return shutil.disk_usage(folder).free < _NEEDED_BYTES
    return False


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def storable(text: str) -> str:
    """Ids come from outside too; SQLite takes no lone surrogates."""
    return text.encode(errors="replace").decode()


def _job_row(row: sqlite3.Row) -> JobRow:
    return JobRow(
        id=row["id"],
        kind=row["kind"],
        request=request_from_json(row["request_json"]),
        model=row["model"],
        model_sha256=row["model_sha256"],
        app_version=row["app_version"],
        status=row["status"],
        notes=tuple(json.loads(row["notes_json"])),
        error=row["error"],
        created=datetime.fromisoformat(row["created"]),
        started=_time(row["started"]),
        finished=_time(row["finished"]),
        device=row["device"],
        source_id=row["source_id"],
        resolved=bool(row["resolved"]),
        kept_rows=row["kept_rows"],
        sheet_id=row["sheet_id"],
    )


@lru_cache(maxsize=1024)
def _request(text: str) -> GenerationRequest:
    """A job's pictures all have the same request, and a page shows many of a job."""
    return request_from_json(text)


def _image_row(row: sqlite3.Row) -> ImageRow:
    return ImageRow(
        id=row["id"],
        job_id=row["job_id"],
        position=row["position"],
        prompt=row["prompt"],
        request=_request(row["request_json"]),
        style=row["style"],
        seed=row["seed"],
        path=row["path"],
        sha256=row["sha256"],
        tokens=struct.unpack(f"<{len(row['tokens']) // 4}I", row["tokens"]),
        width=row["width"],
        height=row["height"],
        seconds=row["seconds"],
        created=datetime.fromisoformat(row["created"]),
        kept=bool(row["kept"]),
        starred=bool(row["starred"]),
        model=row["model"],
        score=row["score"],
        percentile=row["percentile"],
        rank=row["rank"],
        text_scored=row["text_scored"],
        reranker=row["reranker"],
        model_sha256=row["model_sha256"],
        kept_rows=row["kept_rows"],
        kind=row["kind"],
        trashed=row["trash_batch"] is not None,
    )
