"""The database's shape, as ordered migrations, and how they are applied: after a backup, by the owner of the folder.

A migration that has been released is never changed; a new one is added after it.
"""

import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database, Migrations

from app.history.checkup import search_rows
from app.recipes import stack_key
from dalle_core.checkpoints import atomic_path

BACKUPS_KEPT = 5
migrations = Migrations("dalle-studio")


def upgrade(connection: sqlite3.Connection, backups: Path, version: int) -> None:
    """Bring the database to the shape `version`, the newest. One that already holds something is copied first."""
    database = Database(connection)
    if migrations.pending(database):
        if database.table_names():
            back_up(connection, backups)
        migrations.apply(database)
    connection.execute(f"PRAGMA user_version = {version}")


def back_up(connection: sqlite3.Connection, folder: Path) -> None:
    """Copy the database into `folder`, as of one moment; the oldest copies go."""
    folder.mkdir(parents=True, exist_ok=True)
    copy_database(connection, folder / f"history-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}.sqlite3")
    for old in sorted(folder.glob("history-*.sqlite3"))[:-BACKUPS_KEPT]:
        old.unlink()


def copy_database(connection: sqlite3.Connection, target: Path) -> None:
    """A copy as of one moment, whoever else reads and writes meanwhile; whole, or not there at all."""
    with atomic_path(target) as staging, contextlib.closing(sqlite3.connect(staging)) as copy:
        connection.backup(copy)


@migrations()
def m001_history(database: Database) -> None:
    for statement in _FIRST:
        database.conn.execute(statement)


@migrations()
def m002_queue(database: Database) -> None:
    """Waiting jobs have a place; unfinished ones are settled by the artist; a job may be about a picture."""
    for statement in _QUEUE:
        database.conn.execute(statement)


@migrations()
def m003_completions(database: Database) -> None:
    """Of a completion, how much was given; and a picture is found again by its file's bytes."""
    database.conn.execute("ALTER TABLE jobs ADD COLUMN kept_rows INTEGER NOT NULL DEFAULT 0")
    database.conn.execute("CREATE INDEX images_by_sha256 ON images (sha256)")


@migrations()
def m004_reproductions(database: Database) -> None:
    """What a job was painted on, and a picture's own jobs."""
    database.conn.execute("ALTER TABLE jobs ADD COLUMN device TEXT")
    database.conn.execute("CREATE INDEX jobs_by_source ON jobs (source_id)")


@migrations()
def m005_gallery(database: Database) -> None:
    """A trash; and what the gallery filters by lies in the pictures' own rows, where one narrow index holds it all."""
    for statement in _GALLERY:
        database.conn.execute(statement)
    database.conn.create_function("stack_key", 2, stack_key)
    readable = "json_valid(request_json) AND json_type(request_json) = 'object'"
    database.conn.execute(
        f"UPDATE images SET stack = CASE WHEN {readable} THEN stack_key(request_json, model) ELSE id END"
    )
    database.conn.execute("DROP TABLE search")  # whose rows get the numbers of their pictures
    database.conn.execute(_SEARCH)
    rows = list(search_rows(database.conn))
    database.conn.executemany("INSERT INTO search (rowid, image_id, prompt, style, tags) VALUES (?, ?, ?, ?, ?)", rows)
    for statement in _GALLERY_INDEXES:
        database.conn.execute(statement)


@migrations()
def m006_sheets(database: Database) -> None:
    """Which cell of a sheet a job paints; of several for one cell the latest counts."""
    for statement in _SHEETS:
        database.conn.execute(statement)


_SEARCH = """
    CREATE VIRTUAL TABLE search USING fts5 (
        image_id UNINDEXED, prompt, style, tags, tokenize = 'unicode61 remove_diacritics 2'
    )
"""

_FIRST = (
    """
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        request_json TEXT NOT NULL,
        model TEXT NOT NULL,
        model_sha256 TEXT,
        app_version TEXT NOT NULL,
        status TEXT NOT NULL
            CHECK (status IN ('queued', 'running', 'done', 'cancelled', 'failed', 'interrupted')),
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        notes_json TEXT NOT NULL DEFAULT '[]',
        error TEXT,
        created TEXT NOT NULL,
        started TEXT,
        finished TEXT
    ) STRICT
    """,
    "CREATE INDEX jobs_by_status ON jobs (status, id)",
    """
    CREATE TABLE images (
        id TEXT PRIMARY KEY,
        job_id TEXT NOT NULL REFERENCES jobs (id),
        position INTEGER NOT NULL,
        prompt TEXT NOT NULL,
        request_json TEXT NOT NULL,
        style TEXT NOT NULL,
        seed INTEGER NOT NULL,
        path TEXT NOT NULL UNIQUE,
        sha256 TEXT NOT NULL,
        tokens BLOB NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        seconds REAL NOT NULL,
        created TEXT NOT NULL,
        kept INTEGER NOT NULL DEFAULT 0,
        starred INTEGER NOT NULL DEFAULT 0,
        trashed_at TEXT,
        UNIQUE (job_id, position)
    ) STRICT
    """,
    """
    CREATE TABLE scores (
        image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
        reranker TEXT NOT NULL,
        text TEXT NOT NULL,
        score REAL NOT NULL,
        percentile REAL,
        rank INTEGER NOT NULL,
        PRIMARY KEY (image_id, reranker, text)
    ) STRICT
    """,
    """
    CREATE TABLE edges (
        child_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
        parent_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
        relation TEXT NOT NULL,
        kept_rows INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (child_id, parent_id, relation)
    ) STRICT
    """,
    "CREATE INDEX edges_by_parent ON edges (parent_id)",
    """
    CREATE TABLE sheets (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        definition_json TEXT NOT NULL,
        created TEXT NOT NULL
    ) STRICT
    """,
    "CREATE TABLE collections (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created TEXT NOT NULL) STRICT",
    """
    CREATE TABLE collection_images (
        collection_id TEXT NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
        image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        PRIMARY KEY (collection_id, image_id)
    ) STRICT
    """,
    """
    CREATE TABLE tags (
        image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
        tag TEXT NOT NULL,
        PRIMARY KEY (image_id, tag)
    ) STRICT
    """,
    """
    CREATE TABLE saved_searches (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        query TEXT NOT NULL,
        created TEXT NOT NULL
    ) STRICT
    """,
    _SEARCH,
)

_QUEUE = (
    "ALTER TABLE jobs ADD COLUMN place INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE jobs ADD COLUMN resolved INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE jobs ADD COLUMN source_id TEXT REFERENCES images (id) ON DELETE SET NULL",
    "UPDATE jobs SET resolved = 1 WHERE status = 'interrupted'",
    "CREATE INDEX jobs_by_place ON jobs (status, place, id)",
    "DROP INDEX jobs_by_status",
)

# `trash_batch` is what went to the trash together; a picture with `trashed_at` alone is one whose file is gone.
_GALLERY = (
    "ALTER TABLE images ADD COLUMN trash_batch TEXT",
    "ALTER TABLE images ADD COLUMN kind TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE images ADD COLUMN model TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE images ADD COLUMN stack TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE images ADD COLUMN percentile REAL",
    """
    UPDATE images SET
        kind = coalesce((SELECT kind FROM jobs WHERE jobs.id = job_id), ''),
        model = coalesce((SELECT model FROM jobs WHERE jobs.id = job_id), ''),
        percentile = (SELECT percentile FROM scores WHERE image_id = images.id ORDER BY rowid DESC LIMIT 1)
    """,
    """
    CREATE TRIGGER images_of_jobs AFTER INSERT ON images BEGIN
        UPDATE images SET
            kind = coalesce((SELECT kind FROM jobs WHERE jobs.id = NEW.job_id), ''),
            model = coalesce((SELECT model FROM jobs WHERE jobs.id = NEW.job_id), ''),
            stack = CASE NEW.stack WHEN '' THEN NEW.id ELSE NEW.stack END
        WHERE id = NEW.id;
    END
    """,
    """
    CREATE TRIGGER latest_scores AFTER INSERT ON scores BEGIN
        UPDATE images SET percentile = NEW.percentile WHERE id = NEW.image_id;
    END
    """,
)

# Every column that a filter asks for, those of the condition included, or SQLite looks the rows up all the same.
_SHOWN = "kept, starred, trashed_at, kind, model, style, percentile"
_GALLERY_INDEXES = (
    f"CREATE INDEX images_there ON images (id, {_SHOWN}, stack) WHERE trashed_at IS NULL",
    f"CREATE INDEX images_by_stack ON images (stack, id, {_SHOWN}) WHERE trashed_at IS NULL",
    f"CREATE INDEX images_in_trash ON images (id, {_SHOWN}, stack, trash_batch) WHERE trash_batch IS NOT NULL",
    "CREATE INDEX tags_by_name ON tags (tag, image_id)",
    "CREATE INDEX collections_of_images ON collection_images (image_id)",
)

_SHEETS = (
    """
    CREATE TABLE sheet_cells (
        job_id TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
        sheet_id TEXT NOT NULL REFERENCES sheets (id) ON DELETE CASCADE,
        x INTEGER NOT NULL,
        y INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX sheet_cells_by_sheet ON sheet_cells (sheet_id, y, x, job_id)",
)
