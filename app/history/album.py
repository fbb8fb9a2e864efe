"""Pictures as one ZIP file, made while it is sent: the PNGs as they are, their recipes, and a contact sheet.

At no time is more than one picture in memory. Names inside come from prompts, as letters and digits alone.
"""

import base64
import contextlib
import html
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import IO
from urllib.parse import quote

from app.errors import NotFound, RecipeError
from app.history.copies import numbered
from app.history.files import file_stem
from app.history.store import History, ImageRow
from app.recipes import read_recipe, to_json
from dalle_core.errors import DalleError

VERSION = 1
CHUNK = 200  # rows read at a time
SPOOL_BYTES = 2**22  # what waits in memory for its turn in the archive, before it goes to a temporary file
COPY_BYTES = 2**18
RECIPES, SHEET = "recipes.json", "contact-sheet.html"


def stream(history: History, image_ids: Sequence[str]) -> Iterator[bytes]:
    """The archive's bytes. A picture whose file is gone, or that went to the trash, is left out."""
    pipe = _Pipe()
    with (
        zipfile.ZipFile(pipe, "w") as archive,
        tempfile.SpooledTemporaryFile(SPOOL_BYTES) as recipes,
        tempfile.SpooledTemporaryFile(SPOOL_BYTES) as sheet,
    ):
        names: set[str] = set()
        for row in _rows(history, image_ids):
            with contextlib.suppress(NotFound, OSError):
                data = history.image_path(row.id).read_bytes()
                name = _name(row, names)
                archive.writestr(_entry(name, row), data)
                recipes.write((",\n" if recipes.tell() else "").encode() + _recipe(row, name, data))
                sheet.write(_figure(history, row, name).encode())
            yield pipe.take()
        opening = f'{{"version": {VERSION}, "pictures": [\n'
        yield from _put(archive, pipe, RECIPES, opening, recipes, "\n]}\n")
        yield from _put(archive, pipe, SHEET, _HEAD.format(count=len(names)), sheet, _FOOT)
    yield pipe.take()


class _Pipe(io.RawIOBase):
    """What the archive is written to: holds what was written since the last look."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self._written.append(bytes(data))  # type: ignore[call-overload]
        return len(self._written[-1])

    def take(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        return taken


def _rows(history: History, image_ids: Sequence[str]) -> Iterator[ImageRow]:
    for start in range(0, len(image_ids), CHUNK):
        yield from (row for row in history.images_of(image_ids[start : start + CHUNK]) if not row.trashed)


def _name(row: ImageRow, names: set[str]) -> str:
    """One that is not taken, nor would be where capitals do not count."""
    name = next(name for name in numbered(file_stem(row.prompt, row.seed)) if name.casefold() not in names)
    names.add(name.casefold())
    return name


def _entry(name: str, row: ImageRow) -> zipfile.ZipInfo:
    """The comment says which picture it is, so that it has the same id where it is imported."""
    entry = _text_entry(name, row.created)
    entry.comment = row.id.encode()
    entry.compress_type = zipfile.ZIP_STORED
    return entry


def _text_entry(name: str, moment: datetime) -> zipfile.ZipInfo:
    local = moment.astimezone()
    stamp = (max(1980, local.year), local.month, local.day, local.hour, local.minute, local.second)
    entry = zipfile.ZipInfo(name, stamp)  # the format knows no year before 1980
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _put(
    archive: zipfile.ZipFile, pipe: _Pipe, name: str, opening: str, middle: IO[bytes], closing: str
) -> Iterator[bytes]:
    middle.seek(0)
    with archive.open(_text_entry(name, datetime.now(UTC)), "w") as file:
        file.write(opening.encode())
        while part := middle.read(COPY_BYTES):
            file.write(part)
            yield pipe.take()
        file.write(closing.encode())
    yield pipe.take()


def _recipe(row: ImageRow, name: str, data: bytes) -> bytes:
    recipe = None
    with contextlib.suppress(RecipeError):
        recipe = json.loads(to_json(read_recipe(data)))
    values = {"file": name, "id": row.id, "prompt": row.prompt, "created": row.created.isoformat(), "recipe": recipe}
    return json.dumps(values, ensure_ascii=False).encode()


def _figure(history: History, row: ImageRow, name: str) -> str:
    source = ""
    with contextlib.suppress(DalleError, OSError):
        thumbnail = base64.b64encode(history.thumbnail_path(row.id).read_bytes()).decode()
        source = f"data:image/webp;base64,{thumbnail}"
    facts = [f"seed {row.seed}", row.model] if row.tokens else []
    words = " · ".join([*facts, f"{row.created.astimezone():%Y-%m-%d}"])
    prompt = html.escape(row.prompt)
    return (
        f'<figure><a href="{html.escape(quote(name))}"><img src="{source}" alt="{prompt}" loading="lazy"></a>'
        f"<figcaption>{prompt}<small>{html.escape(words)}</small></figcaption></figure>\n"
    )


_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Contact sheet</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }}
body {{ margin: 2rem auto; padding: 0 1rem; max-width: 80rem }}
h1 {{ font-size: 1.1rem; font-weight: 600 }}
main {{ display: grid; gap: 1.25rem 1rem; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)) }}
figure {{ margin: 0 }}
img {{ width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 6px; background: #8881 }}
figcaption {{ margin-top: .35rem; font-size: .85rem; overflow-wrap: anywhere }}
small {{ display: block; opacity: .65 }}
</style></head><body><h1>{count} pictures</h1><main>
"""
_FOOT = "</main></body></html>\n"
