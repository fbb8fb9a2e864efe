"""Histories without a studio: pictures put into one by hand, and every row of one read out."""

import sqlite3
from datetime import UTC, datetime, timedelta

from PIL import Image
from ulid import ULID

from app.history import Edge, History, NewImage, Ranking, marks
from app.history.recovery import index
from app.recipes import Recipe, request_to_json, stack_key
from app.settings import Settings
from dalle_core.request import GenerationRequest

COLOURS = ("red", "green", "blue", "white", "black")


def paint(
    history: History, prompt: str, count: int = 1, model: str = "fake", parents: tuple[str, ...] = (),
    image: Image.Image | None = None,
) -> list[str]:  # fmt: skip
    """A finished job with `count` pictures, the first one kept and scored; their ids."""
    prefix = (1, 2) if parents else ()
    request = GenerationRequest(prompt, count=count, keep=1, batch_width=1, prefix_tokens=prefix)
    job = history.add_job(request, model, "complete" if parents else "generate", next(iter(parents), None))
    edges = tuple(Edge(parent, "complete", 1) for parent in parents)
    recipes = [Recipe(request, i, i, model, "ab", (i, 1, 2, 3), parents) for i in range(count)]
    ids = [
        history.add_image(NewImage(job, image or Image.new("RGB", (8, 8), (i, 0, 0)), recipe, "noto", 0.5, edges))
        for i, recipe in enumerate(recipes)
    ]
    rankings = [Ranking(id, "clip", prompt, 0.9 - i / 10, 50.0, i + 1, i == 0) for i, id in enumerate(ids)]
    history.finish_job(job, "done", rankings=rankings)
    return ids


def fill(history: History, count: int) -> list[str]:
    """Rows of kept pictures without files, four of each job, as painting leaves them; the ids, newest first."""
    began, ids = datetime.now(UTC) - timedelta(days=30), []
    with history.writing() as writer:
        for number in range(count):
            job_id, created = f"01J{number // 4:023}", began + timedelta(seconds=number)
            prompt, image_id = f"{COLOURS[number // 4 % len(COLOURS)]} apple", str(ULID.from_datetime(created))
            request = request_to_json(GenerationRequest(prompt, count=4))
            if number % 4 == 0:
                writer.execute(_JOB, (job_id, request, created.isoformat()))
            stack = stack_key(request, "fake")
            row = (image_id, job_id, number % 4, prompt, request, number, image_id, created.isoformat(), stack)
            writer.execute(_IMAGE, row)
            ids.append(image_id)
        index(writer, ids)
    return ids[::-1]


_JOB = """
    INSERT INTO jobs (id, kind, request_json, model, app_version, status, created)
    VALUES (?, 'generate', ?, 'fake', '0', 'done', ?)
"""
_IMAGE = """
    INSERT INTO images (id, job_id, position, prompt, request_json, style, seed, path, sha256, tokens, width, height,
        seconds, created, kept, stack)
    VALUES (?, ?, ?, ?, ?, '', ?, ?, '', X'', 8, 8, 0, ?, 1, ?)
"""


def dump(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, the search index included."""
    connection = sqlite3.connect(settings.database)
    tables = (*marks.TABLES, "search")
    rows = {table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in tables}
    connection.close()
    return rows
