"""Where pictures to import come from: a folder, a ZIP file, single files. Nothing here is trusted, nothing is written.

Names are shown to a person and tell a PNG from the rest; they are never paths. A file is read when its turn comes, and
no more of it than a picture may have.
"""

import os
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from app.errors import HistoryError
from app.recipes import MAX_FILE_BYTES

MAX_FILES = 50_000
MAX_SHOWN = 120
ENCRYPTED = 1  # bit of a ZIP entry's flags
PLAIN = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


class Unreadable(HistoryError):
    """One offered file that cannot be taken; the others can."""


@dataclass(frozen=True)
class Offer:
    """A file by the name a person knows it by. `fault` says why it is not read at all."""

    name: str
    file: Path
    inside: zipfile.ZipInfo | None = None
    archive: zipfile.ZipFile | None = None
    fault: str = ""

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name.replace("\\", "/")).stem

    @property
    def claimed_id(self) -> str:
        """What it calls itself: a ZIP file of ours says so beside each picture, the history names files after it."""
        comment = b"" if self.inside is None else self.inside.comment
        return comment.decode(errors="replace") or self.stem

    @property
    def is_png(self) -> bool:
        base = PurePosixPath(self.name.replace("\\", "/")).name
        return base.lower().endswith(".png") and not base.startswith(".")

    def read(self) -> bytes:
        """Raises Unreadable."""
        if self.fault:
            raise Unreadable(self.fault)
        try:
            with self._open() as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise Unreadable(f"It cannot be read: {getattr(error, 'strerror', None) or error}.") from error
        if len(data) > MAX_FILE_BYTES:
            raise Unreadable(f"It has more than {MAX_FILE_BYTES} bytes, which is as much as is read.")
        return data

    def _open(self) -> IO[bytes]:
        if self.archive is None or self.inside is None:
            return self.file.open("rb")
        return self.archive.open(self.inside)


def shown(name: str) -> str:
    """A foreign file's name as a person may read it: one short line."""
    line = "".join(character if character.isprintable() else "�" for character in name)
    return line if len(line) <= MAX_SHOWN else f"…{line[1 - MAX_SHOWN :]}"


def offered(sources: Iterable[tuple[str, Path]]) -> Iterator[Offer]:
    """What is in these folders, ZIP files and single files. Raises HistoryError for one that is none of those."""
    for name, path in sources:
        try:
            yield from _in_source(name, path)
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, EOFError) as error:
            raise HistoryError(f"{shown(name)} is not a ZIP file that can be read: {error}.") from error
        except (OSError, ValueError) as error:
            raise HistoryError(f"{shown(name)} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def _in_source(name: str, path: Path) -> Iterator[Offer]:
    alone = Offer(name, path)
    if path.is_dir():
        yield from _in_folder(path)
    elif not alone.is_png and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_number(len(entries))
            yield from (_zipped(path, archive, entry) for entry in entries if not entry.is_dir())
    elif path.is_file():
        yield alone
    else:
        raise HistoryError(f"There is nothing to import at {shown(str(path))}.")


def _in_folder(folder: Path) -> Iterator[Offer]:
    """Links are not followed: they may lead anywhere."""
    files = list[Path]()
    for place, folders, names in os.walk(folder):
        folders.sort()
        files += [Path(place, name) for name in sorted(names)]
        _check_number(len(files))
    for file in files:
        regular = stat.S_ISREG(file.lstat().st_mode)
        yield Offer(str(file.relative_to(folder)), file, fault="" if regular else "It is a link or a device.")


def _check_number(count: int) -> None:
    if count > MAX_FILES:
        raise HistoryError(f"There are more than {MAX_FILES} files; import fewer at a time.")


def _zipped(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Offer:
    return Offer(entry.orig_filename, path, entry, archive, _entry_fault(entry))


def _entry_fault(entry: zipfile.ZipInfo) -> str:
    name = entry.orig_filename
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or ":" in parts[0] or "\0" in name:
        return "Its name leads out of the archive."
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "It is a link."
    if entry.flag_bits & ENCRYPTED:
        return "It is encrypted."
    if entry.compress_type not in PLAIN:
        return "It is packed in a way that is not read here."
    if entry.file_size > MAX_FILE_BYTES:
        return f"It has {entry.file_size} bytes; at most {MAX_FILE_BYTES} are read."
    return ""
