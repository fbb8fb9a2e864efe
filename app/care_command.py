"""Care of the history on the command line: the doctor's report, and what leaves and enters the data folder.

Knows no flags; it is handed settings and values, and prints what was done.
"""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app import doctor
from app.doctor import Report
from app.errors import HistoryError, OutputError
from app.gallery import Gallery
from app.history import History, space, trash
from app.history.checkup import refuse_lost
from app.history.copies import back_up, export
from app.history.files import unused, write_file
from app.history.ownership import owning
from app.history.restore import restore
from app.settings import Settings
from app.studio import open_history, space_view
from app.styles import style_finder
from app.views import SpaceView, printable, readable_size
from app.worker import Bell

if TYPE_CHECKING:
    from app.exports import Export

SHOWN = 20  # problems of one kind that are listed one by one


def examine(settings: Settings, *, repair: bool, as_json: bool) -> bool:
    """Print a report; whether the data folder is sound."""
    report = doctor.mend(settings) if repair else doctor.examine(settings)
    print(_report_json(settings, report) if as_json else "\n".join(_report_lines(settings, report, repair)))
    return report.is_sound


def _report_json(settings: Settings, report: Report) -> str:
    problems = [asdict(problem) for problem in report.problems if not problem.is_note]
    notes = [asdict(problem) for problem in report.problems if problem.is_note]
    values = {"data_dir": str(settings.data_dir), "sound": report.is_sound, "problems": problems, "notes": notes}
    repaired = {"mended": report.mended, "lost": report.lost, "space": asdict(report.space)}
    return json.dumps(values | repaired, ensure_ascii=False)


def _report_lines(settings: Settings, report: Report, repaired: bool) -> list[str]:
    size = readable_size(report.space.total_bytes)
    lines = [f"{settings.data_dir}: {counted(report.space.pictures, 'picture')}, {size} in all"]
    lines += [f"mended: {words}" for words in report.mended]
    lines += [f"lost: {words}" for words in report.lost]
    lines += _problem_lines(report)
    if report.is_sound:
        return [*lines, "Everything is sound."]
    return [*lines, "Some of it could not be mended." if repaired else "Mend it with: python app.py doctor --repair"]


def _problem_lines(report: Report) -> list[str]:
    lines: list[str] = []
    for kind in dict.fromkeys(problem.kind for problem in report.problems):
        alike = [problem for problem in report.problems if problem.kind == kind]
        name = "note" if alike[0].is_note else "problem"
        lines += [f"{name}: {printable(problem.words)}" for problem in alike[:SHOWN]]
        if len(alike) > SHOWN:
            lines.append(f"{name}: … and {len(alike) - SHOWN} more like these.")
    return lines


def export_pictures(settings: Settings, query: str, out: Path | None, *, everything: bool) -> None:
    target = out or Path(f"dalle-studio-pictures-{_stamp()}")
    with open_history(settings) as history:
        copied = export(history, query, target, kept_only=not everything)
    print(f"{copied.path}\t{counted(copied.pictures, 'picture')}{_missing(copied.missing)}")


def save_export(export: "Export", out: Path | None) -> Path:
    """Where it was written, over nothing. Raises OutputError."""
    target = out or unused(Path(export.name))
    try:
        if target.exists():
            raise OutputError(f"{target} is there already; choose another --out.")
        write_file(target, export.data)
    except OSError as error:
        raise OutputError(f"Cannot write to {target}: {error.strerror or error}.") from error
    return target


def write_backup(settings: Settings, out: Path | None) -> None:
    with open_history(settings) as history:
        copied = back_up(history, out or Path(f"dalle-studio-backup-{_stamp()}.zip"))
    print(f"{copied.path}\t{counted(copied.pictures, 'picture')}{_missing(copied.missing)}")


def read_backup(settings: Settings, source: Path, *, merge: bool) -> None:
    if not source.exists():
        raise HistoryError(f"There is no backup at {source}.")
    with owning(settings):
        restored = restore(settings, source, style_finder(settings), merge=merge)
    print(f"{counted(restored.pictures, 'picture')} restored to {settings.data_dir}")
    if restored.there:
        print(f"{counted(restored.there, 'picture')} there already")
    if restored.refused:
        print(f"{counted(restored.refused, 'picture')} refused: without a recipe of ours, or with its place taken")
    if not restored.marked:
        print("no stars, tags, collections and scores: the backup has no marks that can be read")


def import_pictures(settings: Settings, source: Path) -> None:
    if not settings.database.is_file():
        with owning(settings):
            refuse_lost(settings)
            History(settings, owner=True).close()
    with open_history(settings) as history:
        imported = Gallery(history, settings, Bell()).import_path(source)
    print(f"{counted(len(imported.ids), 'picture')} imported, {imported.with_recipe} of them with a recipe")
    if imported.known:
        print(f"{counted(imported.known, 'picture')} there already")
    for name, why in imported.refused:
        print(f"refused: {printable(name)}: {why}")
    if unlisted := imported.refused_count - len(imported.refused):
        print(f"refused: … and {unlisted} more.")
    if imported.ignored:
        print(f"{counted(imported.ignored, 'file')} left out: no PNG")


def purge(settings: Settings, *, confirmed: bool) -> None:
    with open_history(settings) as history:
        found = space.unkept(history)
        words = f"{counted(found.count, 'unkept candidate')}, {readable_size(found.bytes)}"
        if not found.count or not confirmed:
            print(words + (" (nothing was deleted; add --yes to delete them)" if found.count else ""))
            return
        gone = space.purge(history, found.up_to)
    print(f"deleted {counted(gone.count, 'candidate')}, {readable_size(gone.bytes)}")


def empty_trash(settings: Settings, *, confirmed: bool) -> None:
    with open_history(settings) as history:
        found = trash.purge(history, None) if confirmed else trash.measure(history)
    words = f"{counted(found.count, 'picture')} in the trash, {readable_size(found.bytes)}"
    if confirmed:
        print(f"deleted {words}")
    else:
        print(words + (" (nothing was deleted; add --yes to delete them)" if found.count else ""))


def space_line(settings: Settings) -> str:
    """What the history takes, in one line."""
    with open_history(settings) as history:
        view: SpaceView = space_view(history)
    unkept = f", of which {counted(view.unkept, 'unkept candidate')} take {readable_size(view.unkept_bytes)}"
    total = f"{counted(view.pictures, 'picture')}, {readable_size(view.total_bytes)} in all"
    return total + (unkept if view.unkept else "")


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _missing(number: int) -> str:
    return f", {number} without a file left out" if number else ""


def _stamp() -> str:
    return f"{datetime.now().astimezone():%Y%m%d-%H%M%S}"
