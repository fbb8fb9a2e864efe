"""Wildcards: text files below one folder, one choice a line. Knows files and names, nothing of templates.

A name never leads out of the folder: not by its dots, not by a link.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from dalle_core.errors import RequestError

SUFFIX = ".txt"
MAX_BYTES = 2**20
MAX_LINES = 10_000
MAX_FILES = 2000
NAME = re.compile(r"[\w*?. -]+(/[\w*?. -]+)*")  # letters and digits of any script


@dataclass(frozen=True)
class WildcardView:
    """A wildcard's name, and how many choices it has; `error` says why it cannot be used."""

    name: str
    count: int
    error: str = ""


class Wildcards:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def lines(self, name: str) -> list[str]:
        """The choices of a wildcard, or of all that a pattern such as `colours*` matches. Raises RequestError."""
        _check_name(name, self.folder)
        if any(mark in name for mark in "*?"):
            found = [line for file in self._files() if fnmatchcase(self._name(file), name) for line in self._read(file)]
        else:
            file = self._inside(self.folder / f"{name}{SUFFIX}")
            found = self._read(file) if file is not None else []
        if not found:
            raise RequestError(self._missing(name))
        if len(found) > MAX_LINES:
            raise RequestError(f"The wildcard __{name}__ has {len(found)} lines; at most {MAX_LINES} are read.")
        return found

    def listed(self) -> list[WildcardView]:
        """What is there, by name."""
        return [self._view(file) for file in self._files()]

    def _view(self, file: Path) -> WildcardView:
        try:
            return WildcardView(self._name(file), len(self._read(file)))
        except RequestError as error:
            return WildcardView(self._name(file), 0, str(error))

    def _files(self) -> list[Path]:
        return sorted(self._walk())

    def _walk(self) -> Iterator[Path]:
        found = self.folder.rglob(f"*{SUFFIX}") if self.folder.is_dir() else iter(())
        for number, file in enumerate(found):
            if number == MAX_FILES:
                raise RequestError(f"{self.folder} holds more than {MAX_FILES} text files; no more are looked at.")
            if self._inside(file) is not None:
                yield file

    def _inside(self, file: Path) -> Path | None:
        """The file, if it is one and lies in the folder, links followed."""
        try:
            there = file.is_file() and file.resolve().is_relative_to(self.folder.resolve())
        except (OSError, RuntimeError):  # a name that is too long; links in a circle
            return None
        return file if there else None

    def _name(self, file: Path) -> str:
        return file.relative_to(self.folder).with_suffix("").as_posix()

    def _read(self, file: Path) -> list[str]:
        """The lines that are no comment. Raises RequestError."""
        name = self._name(file)
        try:
            size = file.stat().st_size
            if size > MAX_BYTES:
                raise RequestError(f"The wildcard __{name}__ has {size} bytes; at most {MAX_BYTES} are read.")
            text = file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise RequestError(f"The wildcard __{name}__ is no text in UTF-8. Save it in that encoding.") from error
        except OSError as error:
            raise RequestError(f"The wildcard __{name}__ cannot be read: {error.strerror or error}.") from error
        lines = (line.strip() for line in text.replace("\0", "").splitlines())
        return [line for line in lines if line and not line.startswith("#")]

    def _missing(self, name: str) -> str:
        names = [view.name for view in self.listed() if view.count]
        there = f"There are: {_some(names)}." if names else f"Put text files in {self.folder}, one choice a line."
        return f"There is no wildcard __{name}__ with a line in it. {there}"


def _check_name(name: str, folder: Path) -> None:
    parts = name.split("/")
    if not NAME.fullmatch(name) or any(set(part) <= set(". ") or part.startswith(".") for part in parts):
        raise RequestError(f"The wildcard is named {name!r:.80}; expected the name of a text file in {folder}.")


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
