"""Histories without a studio: pictures put into one by hand, and every row of one read out."""

import sqlite3

from PIL import Image

from app.history import Edge, History, NewImage, Ranking, marks
from app.recipes import Recipe
from app.settings import Settings
from dalle_core.request import GenerationRequest


def paint(
    history: History, prompt: str, count: int = 1, model: str = "fake", parents: tuple[str, ...] = ()
) -> list[str]:
    """A finished job with `count` pictures, the first one kept and scored; their ids."""
    prefix = (1, 2) if parents else ()
    request = GenerationRequest(prompt, count=count, keep=1, batch_width=1, prefix_tokens=prefix)
    job = history.add_job(request, model, "complete" if parents else "generate", next(iter(parents), None))
    edges = tuple(Edge(parent, "complete", 1) for parent in parents)
    recipes = [Recipe(request, i, i, model, "ab", (i, 1, 2, 3), parents) for i in range(count)]
    ids = [
        history.add_image(NewImage(job, Image.new("RGB", (8, 8), (i, 0, 0)), recipe, "noto", 0.5, edges))
        for i, recipe in enumerate(recipes)
    ]
    rankings = [Ranking(id, "clip", prompt, 0.9 - i / 10, 50.0, i + 1, i == 0) for i, id in enumerate(ids)]
    history.finish_job(job, "done", rankings=rankings)
    return ids


def dump(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, the search index included."""
    connection = sqlite3.connect(settings.database)
    tables = (*marks.TABLES, "search")
    rows = {table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in tables}
    connection.close()
    return rows
