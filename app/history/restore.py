"""Taking a backup in: into an empty data folder, or beside what is there.

A backup may come from anywhere. Only names that our own backups have are read, each up to a size; links and encrypted
entries are refused; and no database of somebody else's is opened: rows come from the recipes and the marks.
"""

import contextlib
import json
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from app.errors import HistoryError, RecipeError
from app.history import marks
from app.history.checkup import is_lost
from app.history.copies import DATABASE, FORMAT, MANIFEST, MARKS
from app.history.files import write_file
from app.history.marks import Marks
from app.history.recovery import Found, StyleOf, plain_titles, read_picture, recipe_of, recover
from app.history.store import History, plain_words
from app.recipes import MAX_FILE_BYTES
from app.settings import Settings

PICTURE = re.compile(r"images/([0-9]{4}/(?:0[1-9]|1[0-2])/[0-7][0-9A-HJKMNP-TV-Z]{25}\.png)")
SIZES = {MANIFEST: 2**16, DATABASE: 2**36, MARKS: marks.MAX_BYTES}
MAX_ENTRIES = 2_000_000
ENCRYPTED = 1  # bit of a ZIP entry's flags


@dataclass(frozen=True)
class Entry:
    """A file in a backup; `size` is what the backup claims, and no more is read."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]

    def read(self) -> bytes:
        with self.open() as file:
            data = file.read(self.size + 1)
        if len(data) != self.size:
            raise HistoryError(f"The backup is damaged: {self.name} has not the {self.size} bytes it should have.")
        return data


@dataclass(frozen=True)
class Restored:
    """How many pictures came in, were `there` already, or were `refused`; `marked` where stars and the like came."""

    pictures: int
    there: int
    refused: int
    marked: bool


def restore(settings: Settings, source: Path, style_of: StyleOf, *, merge: bool) -> Restored:
    """Take in a backup, for whoever owns the data folder: it is empty, unless this is to `merge`.

    The backup is checked before anything is written, and whatever is there stays. Raises HistoryError.
    """
    with _opened(source) as entries:
        _check(entries, settings)
        known = _marks(entries)
        if is_lost(settings):
            raise HistoryError(f"The database of {settings.data_dir} is gone. Run first: python app.py doctor --repair")
        history = History(settings, owner=True)
        try:
            if not merge and history.read("SELECT 1 FROM jobs LIMIT 1"):
                raise HistoryError(f"{settings.data_dir} has a history already. Add --merge to take the backup in too.")
            restored = _take_in(history, entries, known, style_of)
            marks.write(history, settings.marks)
        finally:
            history.close()
    return restored


def _take_in(history: History, entries: dict[str, Entry], known: Marks | None, style_of: StyleOf) -> Restored:
    written: list[Found] = []
    try:
        marked = [known] if known else []
        there, refused = _take_pictures(history, entries, plain_titles(marked), written)
        recovered = recover(history, written, marked, style_of, everything=True)
    except BaseException:
        for picture in written:
            (history.settings.images / picture.path).unlink(missing_ok=True)
        raise
    return Restored(recovered.pictures, there, refused + recovered.refused, known is not None)


def _take_pictures(
    history: History, entries: dict[str, Entry], titles: Mapping[str, str], written: list[Found]
) -> tuple[int, int]:
    """Write the pictures that are new, noting each in `written`; returns how many were there, and how many refused."""
    images = history.settings.images
    known = {value for row in history.read("SELECT id, path FROM images") for value in row}
    there = refused = 0
    for path in sorted(match[1] for name in entries if (match := PICTURE.fullmatch(name))):
        if path in known or Path(path).stem in known:
            there += 1
            continue
        data = entries[f"images/{path}"].read()
        with plain_words(history.settings.database):
            picture = _take_picture(images, path, data, titles)
        if picture is None:
            refused += 1
        else:
            written.append(picture)
    return there, refused


def _take_picture(images: Path, path: str, data: bytes, titles: Mapping[str, str]) -> Found | None:
    """None where it has neither a recipe of ours nor a title, or another file has its place."""
    try:
        recipe_of(data, titles.get(Path(path).stem))
        if (images / path).exists():
            return None
        write_file(images / path, data)
        return read_picture(images, path, titles)
    except RecipeError:
        return None


def _marks(entries: dict[str, Entry]) -> Marks | None:
    """None where they are missing or of no use: the pictures are worth having without."""
    if MARKS not in entries:
        return None
    try:
        return marks.from_json(entries[MARKS].read().decode())
    except (HistoryError, UnicodeDecodeError):
        return None


# What may come in


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[dict[str, Entry]]:
    """A backup's files by name. Raises HistoryError where a name or a kind of file is none of ours."""
    try:
        if source.is_dir():
            yield _checked_names(_in_folder(source))
        else:
            with zipfile.ZipFile(source) as archive:
                yield _checked_names(_in_zip(archive))
    except FileNotFoundError as error:
        raise HistoryError(f"There is no backup at {source}.") from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, UnicodeDecodeError) as error:
        raise HistoryError(f"{source} is not a ZIP file that can be read: {error}.") from error
    except OSError as error:
        raise HistoryError(f"The backup {source} cannot be read: {error.strerror or error}.") from error


def _in_zip(archive: zipfile.ZipFile) -> Iterator[Entry]:
    for info in archive.infolist():
        if info.is_dir():
            continue
        if stat.S_ISLNK(info.external_attr >> 16) or info.flag_bits & ENCRYPTED:
            raise HistoryError(f"The backup holds {info.filename!r:.80}, a link or an encrypted file; it is refused.")
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise HistoryError(f"The backup holds {info.filename!r:.80}, packed in a way that is not read here.")
        yield Entry(info.orig_filename, info.file_size, lambda info=info: archive.open(info))  # type: ignore[misc]


def _in_folder(folder: Path) -> Iterator[Entry]:
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_symlink() or not (file.is_file() or file.is_dir()):
            raise HistoryError(f"The backup holds {name!r:.80}, a link or a device; it is refused.")
        if file.is_file():
            yield Entry(name, file.stat().st_size, lambda file=file: file.open("rb"))  # type: ignore[misc]


def _checked_names(found: Iterator[Entry]) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for entry in found:
        most = MAX_FILE_BYTES if PICTURE.fullmatch(entry.name) else SIZES.get(entry.name)
        if most is None:
            raise HistoryError(f"The backup holds {entry.name!r:.80}, which no backup of ours does; it is refused.")
        if entry.size > most:
            raise HistoryError(f"The backup's {entry.name} has {entry.size} bytes; at most {most} are taken.")
        if entry.name in entries or len(entries) == MAX_ENTRIES:
            raise HistoryError(f"The backup holds {entry.name} twice, or more than {MAX_ENTRIES} files; it is refused.")
        entries[entry.name] = entry
    return entries


def _check(entries: dict[str, Entry], settings: Settings) -> None:
    """Whether it is a backup of ours, and fits the disk."""
    manifest: object = None
    if MANIFEST in entries:
        with contextlib.suppress(ValueError, RecursionError):
            manifest = json.loads(entries[MANIFEST].read())
    if not isinstance(manifest, dict) or not isinstance(manifest.get("format"), int):
        raise HistoryError(f"This is no backup of a Dalle Studio: it has no {MANIFEST} that can be read.")
    if manifest["format"] > FORMAT:
        raise HistoryError(f"The backup is of format {manifest['format']}, and this studio knows {FORMAT}; update it.")
    needed = sum(entry.size for entry in entries.values() if entry.name != DATABASE)
    free = shutil.disk_usage(settings.data_dir).free
    if needed > free:
        raise HistoryError(f"The backup needs {needed} bytes, and the disk has {free} left.")
