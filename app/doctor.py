"""Is this data folder sound, and if not, what can be mended? Needs the folder to itself; knows no command line.

A repair rebuilds: it never deletes a picture, and a damaged database is set aside before another takes its place.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from app.errors import HistoryError
from app.history import History, marks, repair
from app.history.checkup import Kind, Problem, check_database, check_history
from app.history.marks import Marks
from app.history.ownership import owning
from app.history.recovery import plain_titles, read_picture, recover
from app.history.space import Space, measure
from app.models import folders
from app.settings import Settings
from app.styles import style_finder
from dalle_core.checkpoints import check_hash, read_json
from dalle_core.errors import CheckpointError, DalleError
from dalle_core.families.registry import CONFIG, read_spec

# What is mended by changing rows, after a copy of the database has been made.
CHANGING: tuple[Kind, ...] = (
    "foreign_key",
    "search_index",
    "orphan",
    "file_missing",
    "file_back",
    "file_elsewhere",
    "file_changed",
)


@dataclass(frozen=True)
class Report:
    """What is wrong and, after a repair, what was `mended` and what is `lost` for good."""

    problems: tuple[Problem, ...]
    space: Space
    mended: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        return all(problem.is_note for problem in self.problems)


def examine(settings: Settings) -> Report:
    """Look, and change nothing. Raises DataFolderBusy while a studio has the folder open."""
    if not settings.data_dir.is_dir():
        return Report(tuple(_check_models(settings)), Space(0, 0, 0))
    with owning(settings):
        return _examine(settings)


def _examine(settings: Settings) -> Report:
    return Report((*check_history(settings), *_check_models(settings)), measure(settings))


def mend(settings: Settings) -> Report:
    """Rebuild what can be rebuilt, and look again. Raises DataFolderBusy, HistoryError where nothing can be done."""
    if not settings.data_dir.is_dir():
        return examine(settings)
    with owning(settings):
        mending = _Mending(settings)
        mending.run()
        after = _examine(settings)
        return Report(after.problems, after.space, tuple(mending.mended), tuple(mending.lost))


def _check_models(settings: Settings) -> list[Problem]:
    """Whether each model's files are those that its config was written with."""
    return [
        Problem("model", config.parent.name, f"The model {config.parent.name} cannot be used: {words}")
        for place in folders(settings)
        for config in sorted(place.glob(f"*/{CONFIG}"))
        for words in _model_faults(config.parent)
    ]


def _model_faults(folder: Path) -> list[str]:
    try:
        read_spec(folder)
        for name, sha256 in read_json(folder / CONFIG)["files"].items():
            check_hash(folder / name, sha256)
    except CheckpointError as error:
        return [str(error)]
    return []


@dataclass
class _Mending:
    settings: Settings
    mended: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def run(self) -> None:
        known, unreadable = self._known_marks()
        rebuilt = self._make_room()
        if unreadable:
            (self.lost if rebuilt else self.mended).append(unreadable + " They were written anew.")
        if not rebuilt and not self.settings.database.is_file():
            return
        history = History(self.settings, owner=True)
        try:
            self._mend_rows(history, known, rebuilt)
            self._mend_files(history)
            marks.write(history, self.settings.marks)
        finally:
            history.close()

    def _known_marks(self) -> tuple[list[Marks], str]:
        """The sidecar, and that of the time before, as far as they can be read; and why the first cannot."""
        known, words = [], ""
        for path in (marks.previous(self.settings.marks), self.settings.marks):
            try:
                known += [marks.read(path)] if path.is_file() else []
            except HistoryError as error:
                words = str(error)
        return known[::-1], words

    def _make_room(self) -> bool:
        """Whether the database is to be built from the pictures: it is gone, or was damaged and is now set aside."""
        problems = check_database(self.settings)
        kind = problems[0].kind if problems else None
        if kind == "database_newer":
            raise HistoryError(problems[0].words)
        if kind == "database_missing":
            return True
        if kind != "database_damaged":
            return False
        aside = repair.set_aside(self.settings)
        self.mended.append(f"The damaged database was copied to {aside}.")
        if repair.mend_in_place(self.settings):
            self.mended.append("The database's indexes were made anew.")
            return False
        repair.remove_database(self.settings)
        return True

    def _mend_rows(self, history: History, known: list[Marks], rebuilt: bool) -> None:
        problems = check_history(self.settings)
        subjects = {kind: [p.subject for p in problems if p.kind == kind] for kind in get_args(Kind)}
        if not rebuilt and any(subjects[kind] for kind in CHANGING):
            history.back_up()
        if subjects["foreign_key"]:
            self._tell(repair.mend_keys(history), "row", "belonged to nothing and was put right")
        if subjects["search_index"]:
            repair.rebuild_search(history)
            self.mended.append("The search index was made anew.")
        titles = plain_titles(known)
        lost = subjects["orphan"] + [subject for subject in subjects["no_recipe"] if Path(subject).stem in titles]
        if lost or rebuilt:
            self._recover(history, known, titles, lost, rebuilt)
        for kind, (action, words) in _PLACING.items():
            if subjects[kind]:
                action(history, subjects[kind])
                self._tell(len(subjects[kind]), "picture", words)
        self._accept(history, subjects["file_changed"])

    def _recover(
        self, history: History, known: list[Marks], titles: dict[str, str], subjects: list[str], rebuilt: bool
    ) -> None:
        found = [read_picture(self.settings.images, subject.removeprefix("images/"), titles) for subject in subjects]
        recovered = recover(history, found, known, style_finder(self.settings), everything=rebuilt)
        self._tell(recovered.pictures, "picture", "has a row in the history again")
        self._tell(recovered.jobs, "job", "has a row in the history again")
        if recovered.guessed:
            self.lost.append(
                f"Stars, tags, collections, scores and which were kept: not known for {recovered.guessed} of them;"
                " all of those count as kept."
            )
        if recovered.refused:
            self.lost.append(f"{recovered.refused} pictures could not get a row.")
        if rebuilt and (gone := _marked(known) - {row["id"] for row in history.read("SELECT id FROM images")}):
            self.lost.append(f"{len(gone)} pictures of the lost database have no file any more.")

    def _accept(self, history: History, image_ids: list[str]) -> None:
        damaged = [image_id for image_id in image_ids if not repair.accept(history, image_id)]
        accepted = len(image_ids) - len(damaged)
        self._tell(accepted, "picture", "was changed by another program and is taken as it is now")
        if damaged:
            repair.hide(history, damaged)
            files = "1 file is" if len(damaged) == 1 else f"{len(damaged)} files are"
            self.lost.append(
                f"{files} damaged and cannot be shown: out of sight until put back from a backup and repaired again."
            )

    def _mend_files(self, history: History) -> None:
        problems = check_history(self.settings)
        made = 0
        for image_id in (problem.subject for problem in problems if problem.kind == "thumbnail_missing"):
            with contextlib.suppress(DalleError):
                history.thumbnail_path(image_id)
                made += 1
        self._tell(made, "thumbnail", "was made anew")
        leftovers = [problem.subject for problem in problems if problem.kind == "leftover"]
        for leftover in leftovers:
            (self.settings.data_dir / leftover).unlink(missing_ok=True)
        self._tell(len(leftovers), "half-written file", "was removed")

    def _tell(self, count: int, noun: str, words: str) -> None:
        if count == 1:
            self.mended.append(f"1 {noun} {words}.")
        elif count:
            plural = words
            for one, more in _PLURALS:
                plural = plural.replace(one, more, 1)
            self.mended.append(f"{count} {noun}s {plural}.")


def _marked(known: list[Marks]) -> set[str]:
    """The pictures that were in the history when the marks were last written."""
    rows = known[0]["images"].records() if known and "images" in known[0] else []
    return {str(row.get("id")) for row in rows if row.get("trashed_at") is None}


_PLURALS = (
    ("has a row", "have rows"),
    ("its file is", "their files are"),
    ("where it had", "where they had"),
    ("was ", "were "),
    ("is taken as it is", "are taken as they are"),
)

_PLACING: dict[Kind, tuple[Callable[[History, list[str]], None], str]] = {
    "file_missing": (repair.hide, "was taken out of sight: its file is gone"),
    "file_back": (repair.show, "was put in sight again: its file is back"),
    "file_elsewhere": (repair.move, "was found where it had been moved"),
}
