"""What pictures are filed under: tags, collections, saved searches. Keeps the search index true to the tags.

Names come from people: any text up to a length, never a path and never markup.
"""

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime

from ulid import ULID

from app.errors import NotFound
from app.gallery_views import CollectionView, Labels, SavedSearch
from app.history.checkup import search_rows
from app.history.store import History, storable
from dalle_core.errors import RequestError

MAX_TAG = 60
MAX_NAME = 80
MAX_TAGS_EACH = 50  # of one picture
JOINERS = dict.fromkeys((0x200C, 0x200D))  # unseen, but Persian words and emoji of several parts hold them
_GIVEN = "(SELECT value FROM json_each(?))"
_THERE = f"SELECT id FROM images WHERE trashed_at IS NULL AND id IN {_GIVEN}"
_FULL = f"""
    SELECT 1 FROM ({_THERE}) AS given WHERE (SELECT COUNT(*) FROM tags WHERE image_id = given.id) >= {MAX_TAGS_EACH}
        AND NOT EXISTS (SELECT 1 FROM tags WHERE image_id = given.id AND tag = ?) LIMIT 1
"""


def as_json(image_ids: Sequence[str]) -> str:
    """Any number of ids as one value of a statement."""
    return json.dumps([storable(image_id) for image_id in image_ids])


def clean_name(what: str, text: str, most: int) -> str:
    """One line without control characters. Raises RequestError."""
    name = " ".join(text.split())
    if not name:
        raise RequestError(f"The {what} is empty.")
    if len(name) > most:
        raise RequestError(f"The {what} has {len(name)} characters; at most {most} are allowed.")
    if not name.translate(JOINERS).isprintable():
        raise RequestError(f"The {what} holds characters that cannot be seen; type it again.")
    return name


def labels_of(history: History, image_id: str) -> Labels:
    sql = """
        SELECT id, name FROM collections JOIN collection_images ON collection_id = id WHERE image_id = ? ORDER BY name
    """
    tags = history.read("SELECT tag FROM tags WHERE image_id = ? ORDER BY tag", (storable(image_id),))
    collections = history.read(sql, (storable(image_id),))
    return Labels(tuple(row["tag"] for row in tags), {row["id"]: row["name"] for row in collections})


# Tags


def add_tag(history: History, image_ids: Sequence[str], tag: str) -> int:
    """How many pictures did not have it. Raises RequestError."""
    tag = clean_name("tag", tag, MAX_TAG)
    with history.writing() as writer:
        if writer.execute(_FULL, (as_json(image_ids), tag)).fetchone():
            raise RequestError(f"A picture has {MAX_TAGS_EACH} tags already, which is as many as it can have.")
        sql = f"INSERT OR IGNORE INTO tags (image_id, tag) SELECT id, ? FROM ({_THERE}) WHERE 1 RETURNING image_id"
        return _reindexed(writer, writer.execute(sql, (tag, as_json(image_ids))).fetchall())


def remove_tag(history: History, image_ids: Sequence[str], tag: str) -> int:
    """How many pictures had it."""
    with history.writing() as writer:
        sql = f"DELETE FROM tags WHERE tag = ? AND image_id IN {_GIVEN} RETURNING image_id"
        return _reindexed(writer, writer.execute(sql, (storable(tag), as_json(image_ids))).fetchall())


def rename_tag(history: History, old: str, new: str) -> int:
    """How many pictures have the tag under its new name; where some had that already, the two are one now.

    Raises NotFound, RequestError.
    """
    new = clean_name("tag", new, MAX_TAG)
    with history.writing() as writer:
        if old != new:
            sql = "INSERT OR IGNORE INTO tags (image_id, tag) SELECT image_id, ? FROM tags WHERE tag = ?"
            writer.execute(sql, (new, storable(old)))
            _delete_tag(writer, old)
        (found,) = writer.execute("SELECT COUNT(*) FROM tags WHERE tag = ?", (new,)).fetchone()
        if not found:
            raise NotFound(f"There is no tag {old!r:.80}.")
        return int(found)


def delete_tag(history: History, tag: str) -> int:
    """Take a tag off every picture that has it; how many that were. Raises NotFound."""
    with history.writing() as writer:
        return _delete_tag(writer, tag)


def _delete_tag(writer: sqlite3.Connection, tag: str) -> int:
    changed = writer.execute("DELETE FROM tags WHERE tag = ? RETURNING image_id", (storable(tag),)).fetchall()
    if not changed:
        raise NotFound(f"There is no tag {tag!r:.80}.")
    return _reindexed(writer, changed)


def _reindexed(writer: sqlite3.Connection, changed: Sequence[sqlite3.Row]) -> int:
    """Bring the search entries of these pictures up to date."""
    ids = as_json([row["image_id"] for row in changed])
    rows = [(tags, rowid) for rowid, _, _, _, tags in search_rows(writer, ids)]
    writer.executemany("UPDATE search SET tags = ? WHERE rowid = ?", rows)
    return len(changed)


def tags(history: History) -> dict[str, int]:
    """Every tag, with how many pictures have it, those in the trash left out."""
    sql = """
        SELECT tag, COUNT(images.id) AS size FROM tags
        LEFT JOIN images ON images.id = image_id AND trashed_at IS NULL GROUP BY tag ORDER BY tag
    """
    return {row["tag"]: row["size"] for row in history.read(sql)}


# Collections


def collections(history: History) -> list[CollectionView]:
    sql = """
        SELECT collections.id, name, COUNT(images.id) AS size, max(images.id) AS cover FROM collections
        LEFT JOIN collection_images ON collection_id = collections.id
        LEFT JOIN images ON images.id = image_id AND trashed_at IS NULL
        GROUP BY collections.id ORDER BY name
    """
    return [CollectionView(row["id"], row["name"], row["size"], row["cover"]) for row in history.read(sql)]


def new_collection(history: History, name: str) -> str:
    """Raises RequestError where the name is taken."""
    name, collection_id = clean_name("collection's name", name, MAX_NAME), str(ULID())
    with history.writing() as writer:
        _refuse_taken(writer, "collections", name)
        sql = "INSERT INTO collections (id, name, created) VALUES (?, ?, ?)"
        writer.execute(sql, (collection_id, name, datetime.now(UTC).isoformat()))
    return collection_id


def rename_collection(history: History, collection_id: str, name: str, *, merge: bool) -> str:
    """The id of the collection of that name since: its own, or that of the one it was merged into.

    Raises NotFound; RequestError where the name is taken and this is not to `merge`.
    """
    name = clean_name("collection's name", name, MAX_NAME)
    with history.writing() as writer:
        _check_collection(writer, collection_id)
        other = writer.execute("SELECT id FROM collections WHERE name = ?", (name,)).fetchone()
        if other is None or other["id"] == collection_id:
            writer.execute("UPDATE collections SET name = ? WHERE id = ?", (name, collection_id))
            return collection_id
        if not merge:
            _refuse_taken(writer, "collections", name)
        moved = "INSERT OR IGNORE INTO collection_images SELECT ?, image_id, position FROM collection_images"
        writer.execute(f"{moved} WHERE collection_id = ?", (other["id"], collection_id))
        writer.execute("DELETE FROM collections WHERE id = ?", (collection_id,))
        return str(other["id"])


def delete_collection(history: History, collection_id: str) -> None:
    """Its pictures stay. Raises NotFound."""
    with history.writing() as writer:
        _check_collection(writer, collection_id)
        writer.execute("DELETE FROM collections WHERE id = ?", (collection_id,))


def collect(history: History, image_ids: Sequence[str], collection_id: str) -> int:
    """Put pictures into a collection; how many were not in it. Raises NotFound."""
    with history.writing() as writer:
        _check_collection(writer, collection_id)
        last = "(SELECT coalesce(max(position), 0) FROM collection_images WHERE collection_id = :collection)"
        sql = f"""
            INSERT OR IGNORE INTO collection_images (collection_id, image_id, position)
            SELECT :collection, id, {last} + row_number() OVER (ORDER BY id)
            FROM images WHERE trashed_at IS NULL AND id IN (SELECT value FROM json_each(:ids))
        """
        return writer.execute(sql, {"collection": collection_id, "ids": as_json(image_ids)}).rowcount


def uncollect(history: History, image_ids: Sequence[str], collection_id: str) -> int:
    """Take pictures out of a collection; how many were in it. Raises NotFound."""
    with history.writing() as writer:
        _check_collection(writer, collection_id)
        sql = f"DELETE FROM collection_images WHERE collection_id = ? AND image_id IN {_GIVEN}"
        return writer.execute(sql, (collection_id, as_json(image_ids))).rowcount


def _check_collection(writer: sqlite3.Connection, collection_id: str) -> None:
    if not writer.execute("SELECT 1 FROM collections WHERE id = ?", (storable(collection_id),)).fetchone():
        raise NotFound("There is no such collection.")


def _refuse_taken(writer: sqlite3.Connection, table: str, name: str) -> None:
    if writer.execute(f"SELECT 1 FROM {table} WHERE name = ?", (name,)).fetchone():
        raise RequestError(f"The name {name!r} is taken. Choose another name.")


# Saved searches


def saved_searches(history: History) -> list[SavedSearch]:
    return [SavedSearch(row["id"], row["name"]) for row in history.read("SELECT * FROM saved_searches ORDER BY name")]


def save_search(history: History, name: str, text: str) -> str:
    """Raises RequestError where the name is taken."""
    name, search_id = clean_name("search's name", name, MAX_NAME), str(ULID())
    with history.writing() as writer:
        _refuse_taken(writer, "saved_searches", name)
        sql = "INSERT INTO saved_searches (id, name, query, created) VALUES (?, ?, ?, ?)"
        writer.execute(sql, (search_id, name, text, datetime.now(UTC).isoformat()))
    return search_id


def saved_search(history: History, search_id: str) -> str:
    """What was saved. Raises NotFound."""
    rows = history.read("SELECT query FROM saved_searches WHERE id = ?", (storable(search_id),))
    if not rows:
        raise NotFound("There is no such saved search.")
    return str(rows[0]["query"])


def delete_search(history: History, search_id: str) -> None:
    """Raises NotFound."""
    with history.writing() as writer:
        if not writer.execute("DELETE FROM saved_searches WHERE id = ?", (storable(search_id),)).rowcount:
            raise NotFound("There is no such saved search.")
