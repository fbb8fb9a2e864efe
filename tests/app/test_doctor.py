"""Every kind of damage is found, and what can be mended is, from whatever is left."""

import errno
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from PIL import Image

from app import doctor
from app.cli import main
from app.errors import DataFolderBusy, HistoryError
from app.history import Edge, History, marks
from app.models import DEFAULT_MODEL
from app.recipes import Recipe, to_png
from app.settings import PROJECT_FOLDER, Settings
from app.studio import Studio
from dalle_core.request import GenerationRequest
from tests.app.conftest import StartStudio, painted, wait_until
from tests.app.histories import dump, paint

BUNDLED = PROJECT_FOLDER / "assets" / "models"


def kinds(settings: Settings) -> list[str]:
    return sorted(problem.kind for problem in doctor.examine(settings).problems)


def file_of(settings: Settings, image_id: str) -> Path:
    (path,) = settings.images.rglob(f"{image_id}.png")
    return path


def execute(settings: Settings, sql: str, *values: object) -> None:
    connection = sqlite3.connect(settings.database)
    with connection:
        connection.execute(sql, values)
    connection.close()


def lose_database(settings: Settings) -> None:
    for file in settings.database.parent.glob("history.sqlite3*"):
        file.unlink()


def test_a_sound_history_is_sound_and_looking_changes_nothing(settings: Settings, ids: list[str]) -> None:
    before = dump(settings)
    report = doctor.examine(settings)
    assert report.is_sound
    assert report.problems == ()
    assert report.space.pictures == len(ids)
    assert dump(settings) == before
    assert doctor.mend(settings) == report
    assert dump(settings) == before


def test_what_a_studio_painted_is_sound(start_studio: StartStudio) -> None:
    studio = start_studio()
    painted(studio)
    studio.close()
    assert kinds(studio.settings) == []
    assert marks.read(studio.settings.marks)["images"].rows


def test_a_thumbnail_that_the_disk_had_no_room_for_is_no_damage(
    start_studio: StartStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = start_studio()
    with monkeypatch.context() as full:
        full.setattr("app.history.store.write_thumbnail", Mock(side_effect=OSError(errno.ENOSPC, "full")))
        painted(studio)
    image_id = studio.images()[0].id
    studio.close()
    assert set(kinds(studio.settings)) == {"thumbnail_missing"}
    assert doctor.examine(studio.settings).is_sound
    history = History(studio.settings, owner=True)
    assert history.thumbnail_path(image_id).is_file()
    history.close()


def test_an_empty_data_folder_is_sound_and_stays_empty(settings: Settings) -> None:
    assert doctor.examine(settings).is_sound
    assert doctor.mend(settings).is_sound
    assert not settings.data_dir.exists()


def test_the_empty_file_of_a_start_without_room_is_no_damage(settings: Settings) -> None:
    settings.database.parent.mkdir(parents=True)
    settings.database.touch()
    assert doctor.examine(settings).is_sound
    assert doctor.mend(settings).is_sound
    History(settings, owner=True).close()


Harm = Callable[[Settings, list[str]], None]


def lose_file(settings: Settings, ids: list[str]) -> None:
    file_of(settings, ids[0]).unlink()


def edit_file(settings: Settings, ids: list[str]) -> None:
    Image.new("RGB", (9, 9)).save(file_of(settings, ids[0]))


def move_file(settings: Settings, ids: list[str]) -> None:
    (settings.images / "mine").mkdir()
    shutil.move(file_of(settings, ids[0]), settings.images / "mine")


def lose_row(settings: Settings, ids: list[str]) -> None:
    execute(settings, "DELETE FROM images WHERE id = ?", ids[0])
    execute(settings, "DELETE FROM search WHERE image_id = ?", ids[0])
    for table, column in (("scores", "image_id"), ("tags", "image_id"), ("collection_images", "image_id")):
        execute(settings, f"DELETE FROM {table} WHERE {column} = ?", ids[0])
    execute(settings, "DELETE FROM edges")
    execute(settings, "UPDATE jobs SET source_id = NULL")


def lose_thumbnail(settings: Settings, ids: list[str]) -> None:
    next(settings.thumbnails.rglob(f"{ids[0]}.webp")).unlink()


def lose_job(settings: Settings, ids: list[str]) -> None:
    execute(settings, "DELETE FROM jobs WHERE id = (SELECT job_id FROM images WHERE id = ?)", ids[2])


def score_nothing(settings: Settings, ids: list[str]) -> None:
    execute(settings, "UPDATE scores SET image_id = 'nothing' WHERE image_id = ?", ids[0])


def miss_in_search(settings: Settings, ids: list[str]) -> None:
    execute(settings, "DELETE FROM search WHERE image_id = ?", ids[0])


def mislead_search(settings: Settings, ids: list[str]) -> None:
    execute(settings, "UPDATE search SET prompt = 'blue' WHERE image_id = ?", ids[0])


def break_search(settings: Settings, ids: list[str]) -> None:
    execute(settings, "UPDATE search_data SET block = x'00' WHERE id > 10")


def spoil_marks(settings: Settings, ids: list[str]) -> None:
    settings.marks.write_text('{"version": 1')


def leave_temporary(settings: Settings, ids: list[str]) -> None:
    file_of(settings, ids[0]).with_name(".x.png.0123.tmp").write_bytes(b"half")


@pytest.mark.parametrize(
    ("harm", "found", "same_after"),
    [
        (lose_file, ["file_missing"], False),
        (edit_file, ["file_changed"], False),
        (move_file, ["file_elsewhere"], False),
        (lose_row, ["orphan"], True),
        (lose_thumbnail, ["thumbnail_missing"], True),
        (lose_job, ["foreign_key"], False),
        (score_nothing, ["foreign_key"], False),
        (miss_in_search, ["search_index"], True),
        (mislead_search, ["search_index"], True),
        (break_search, ["search_index"], True),
        (spoil_marks, ["marks"], True),
        (leave_temporary, ["leftover"], True),
    ],
)
def test_damage_is_found_and_mended(
    settings: Settings, ids: list[str], harm: Harm, found: list[str], same_after: bool
) -> None:
    before, pictures = dump(settings), len(list(settings.images.rglob("*.png")))
    harm(settings, ids)
    left = len(list(settings.images.rglob("*.png")))
    assert kinds(settings) == found
    report = doctor.mend(settings)
    assert report.is_sound, report
    assert report.mended
    assert kinds(settings) == []
    assert len(list(settings.images.rglob("*.png"))) == left
    assert left == pictures - (harm is lose_file)
    if same_after:
        assert dump(settings) == before


def test_a_picture_whose_file_is_gone_comes_back_with_it(settings: Settings, ids: list[str]) -> None:
    file, before = file_of(settings, ids[1]), dump(settings)
    data = file.read_bytes()
    file.unlink()
    doctor.mend(settings)
    history = History(settings, owner=True)
    assert ids[1] not in [row.id for row in history.images("", 10, None, kept_only=False)]
    history.close()
    file.write_bytes(data)
    assert kinds(settings) == ["file_back"]
    doctor.mend(settings)
    assert dump(settings) == before


def test_a_damaged_picture_is_told_and_out_of_sight_until_its_file_is_put_back(
    settings: Settings, ids: list[str]
) -> None:
    file, before = file_of(settings, ids[0]), dump(settings)
    whole = file.read_bytes()
    file.write_bytes(whole[:-30])
    report = doctor.mend(settings)
    assert report.is_sound
    assert "1 file is damaged and cannot be shown" in report.lost[0]
    assert file.read_bytes() == whole[:-30]
    assert kinds(settings) == []
    history = History(settings, owner=True)
    assert ids[0] not in [row.id for row in history.images("", 10, None, kept_only=False)]
    history.close()
    file.write_bytes(whole)
    assert kinds(settings) == ["file_back"]
    doctor.mend(settings)
    assert dump(settings) == before


def test_what_was_mended_is_counted_in_good_english(settings: Settings, ids: list[str]) -> None:
    for image_id in ids:
        file_of(settings, image_id).unlink()
    assert doctor.mend(settings).mended == (f"{len(ids)} pictures were taken out of sight: their files are gone.",)


def test_strangers_and_copies_are_noted_and_left_alone(settings: Settings, ids: list[str]) -> None:
    Image.new("RGB", (4, 4)).save(settings.images / "stranger.png")
    shutil.copy(file_of(settings, ids[0]), settings.images / "copy.png")
    assert kinds(settings) == ["no_recipe", "no_recipe"]
    assert doctor.mend(settings).is_sound
    assert len(dump(settings)["images"]) == len(ids)


def test_a_recipe_under_any_name_gets_a_row(settings: Settings, ids: list[str]) -> None:
    recipe = Recipe(GenerationRequest("a bridge"), 0, 0, "fake", "ab", (1,))
    (settings.images / "bridge.png").write_bytes(to_png(Image.new("RGB", (8, 8)), recipe))
    assert kinds(settings) == ["orphan"]
    assert doctor.mend(settings).is_sound
    history = History(settings, owner=True)
    (found,) = history.images("bridge", 10, None, kept_only=True)
    assert history.image_path(found.id) == settings.images / "bridge.png"
    history.close()


def test_a_lost_database_comes_back_whole_from_pictures_and_marks(settings: Settings, ids: list[str]) -> None:
    before = dump(settings)
    lose_database(settings)
    assert kinds(settings) == ["database_missing"]
    report = doctor.mend(settings)
    assert (report.is_sound, report.lost) == (True, ())
    assert dump(settings) == before


def test_a_lost_database_comes_back_from_nothing_but_pictures(settings: Settings, ids: list[str]) -> None:
    shutil.rmtree(settings.database.parent)
    shutil.rmtree(settings.thumbnails)
    report = doctor.mend(settings)
    assert report.is_sound
    assert "not known for 3" in report.lost[0]
    history = History(settings, owner=True)
    rows = history.images("", 10, None, kept_only=True)
    assert [row.id for row in rows] == sorted(ids, reverse=True)
    first, second, last = (history.image(image_id) for image_id in ids)
    assert first.job_id == second.job_id != last.job_id
    assert [history.job(row.job_id).status for row in (first, last)] == ["done", "done"]
    assert history.job(last.job_id).kind == "complete"
    assert history.edges(last.id) == [Edge(first.id, "complete", 1)]
    assert (last.request.prompt, last.tokens, last.model) == ("红苹果", (0, 1, 2, 3), "fake")
    assert [row.id for row in history.images("苹果", 10, None, kept_only=True)] == [last.id]
    assert history.interrupted_ids(10) == []
    history.close()


def test_the_same_request_painted_twice_makes_two_jobs(settings: Settings) -> None:
    history = History(settings, owner=True)
    twice = [paint(history, "fox", 3)]
    time.sleep(0.005)  # ids say when to the millisecond
    twice.append(paint(history, "fox", 3))
    other = paint(history, "fox", 3, model="another")
    history.close()
    shutil.rmtree(settings.database.parent)
    file_of(settings, twice[1][2]).unlink()
    assert doctor.mend(settings).is_sound
    history = History(settings, owner=True)
    jobs = [{history.image(id).job_id for id in ids} for ids in (twice[0], twice[1][:2], other)]
    assert [len(each) for each in jobs] == [1, 1, 1]
    assert len(set.union(*jobs)) == 3
    assert [history.job(next(iter(each))).status for each in jobs] == ["done", "interrupted", "done"]
    history.close()


def overwrite(settings: Settings) -> None:
    lose_database(settings)
    settings.database.write_bytes(b"no database at all" * 1000)


def tear(settings: Settings) -> None:
    """Pages of zeros where tables were, as a failing disk leaves them."""
    data = settings.database.read_bytes()
    settings.database.write_bytes(data[:8192] + bytes(len(data) - 8192))


@pytest.mark.parametrize("harm", [overwrite, tear])
def test_a_damaged_database_is_set_aside_and_rebuilt(
    settings: Settings, ids: list[str], harm: Callable[[Settings], None]
) -> None:
    before = dump(settings)
    harm(settings)
    damaged = settings.database.read_bytes()
    assert kinds(settings) == ["database_damaged"]
    report = doctor.mend(settings)
    assert report.is_sound
    assert dump(settings) == before
    (aside,) = settings.database.parent.glob("damaged-*/history.sqlite3")
    assert aside.read_bytes() == damaged


def test_a_database_that_another_program_holds_is_no_damage(
    settings: Settings, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.history.store.BUSY_SECONDS", 0.1)
    other = sqlite3.connect(settings.database, isolation_level=None)
    for sql in ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN IMMEDIATE", "UPDATE jobs SET error = ''"):
        other.execute(sql)
    with pytest.raises(HistoryError, match="Another program keeps the history locked"):
        doctor.mend(settings)
    other.close()
    assert doctor.examine(settings).is_sound
    assert list(settings.database.parent.glob("damaged-*")) == []


def test_forged_marks_change_nothing_but_what_they_may(settings: Settings, ids: list[str]) -> None:
    values = json.loads(settings.marks.read_text(encoding="utf-8"))
    for table in values["tables"].values():
        table["columns"].append("x); DROP TABLE images; --")
        for row in table["rows"]:
            row.append("y")
    jobs = values["tables"]["jobs"]
    status, request = jobs["columns"].index("status"), jobs["columns"].index("request_json")
    jobs["rows"][0][status] = "running"
    jobs["rows"][1][request] = '{"prompt": ""}'
    kept = values["tables"]["images"]["columns"].index("kept")
    values["tables"]["images"]["rows"][0][kept] = "lots"
    values["tables"]["scores"]["rows"].append(["nothing", "clip", "x", 1.0, None, 1, "y"])
    values["tables"]["sqlite_master"] = {"columns": ["type"], "rows": [["table"]]}
    settings.marks.write_text(json.dumps(values), encoding="utf-8")
    lose_database(settings)
    assert doctor.mend(settings).is_sound
    history = History(settings, owner=True)
    assert history.job(history.image(ids[0]).job_id).status == "interrupted"
    assert history.queued_count() == 0
    assert len(history.images("", 10, None, kept_only=False)) == 3
    history.close()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"version": 2, "tables": {}}', '{"version": 1, "tables": {"images": []}}',
     '{"version": 1, "tables": {"images": {"columns": ["id"], "rows": [[{}]]}}}',
     '{"version": 1, "tables": {"images": {"columns": ["id"], "rows": [[1, 2]]}}}',
     '{"version": 1, "tables": {"images": {"columns": ["id"], "rows": [[1e999]]}}}', "[" * 100_000],
)  # fmt: skip
def test_marks_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(HistoryError, match="marks"):
        marks.from_json(text)


def test_the_marks_know_every_table(settings: Settings) -> None:
    history = History(settings, owner=True)
    tables = {row["name"] for row in history.read("PRAGMA table_list") if row["type"] == "table"}
    history.close()
    assert {name for name in tables if not name.startswith(("sqlite_", "_"))} == set(marks.TABLES)


def test_a_studio_that_runs_is_left_alone(studio: Studio) -> None:
    for action in (doctor.examine, doctor.mend):
        with pytest.raises(DataFolderBusy, match="Close it"):
            action(studio.settings)


def test_a_studio_does_not_start_over_a_lost_database(start_studio: StartStudio) -> None:
    studio = start_studio()
    painted(studio)
    studio.close()
    lose_database(studio.settings)
    with pytest.raises(HistoryError, match="doctor --repair"):
        start_studio()
    assert not studio.settings.database.exists()
    doctor.mend(studio.settings)
    assert len(start_studio().images()) == 2


def test_marks_are_written_soon_after_a_change_and_at_the_end(settings: Settings) -> None:
    history = History(settings, owner=True)
    (image_id,) = paint(history, "apple")
    sidecar = marks.Sidecar(history, settings.marks, pause=0.01)
    sidecar.start()
    wait_until(settings.marks.is_file)
    history.mark_image(image_id, starred=True)
    wait_until(lambda: marks.read(settings.marks)["images"].records()[0]["starred"] == 1)
    history.mark_image(image_id, starred=False)
    sidecar.close()
    assert marks.read(settings.marks)["images"].records()[0]["starred"] == 0
    history.close()


STARS = """
import sys
from pathlib import Path
from app.history import History, marks
from app.settings import Settings

settings = Settings(data_dir=Path(sys.argv[1]))
history = History(settings, owner=True)
marks.Sidecar(history, settings.marks, pause=0.001).start()
print("ready", flush=True)
starred = True
while True:
    history.mark_image(sys.argv[2], starred=starred)
    starred = not starred
"""


def test_marks_outlive_a_kill_in_the_middle_of_writing(settings: Settings, ids: list[str]) -> None:
    argv = [sys.executable, "-c", STARS, str(settings.data_dir), ids[0]]
    with subprocess.Popen(argv, cwd=PROJECT_FOLDER, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(0.3)
        child.kill()
    assert len(marks.read(settings.marks)["images"].rows) == len(ids)
    assert doctor.mend(settings).is_sound
    assert kinds(settings) == []


def test_marks_of_the_time_before_fill_in(settings: Settings, ids: list[str]) -> None:
    """A database that somebody replaced by an old copy: the newest marks know less than those before."""
    before = dump(settings)
    shutil.move(settings.marks, marks.previous(settings.marks))
    settings.marks.write_text(json.dumps({"version": 1, "tables": {}}))
    lose_database(settings)
    doctor.mend(settings)
    assert dump(settings) == before


class TestModels:
    def test_files_are_checked_against_their_config(self, settings: Settings) -> None:
        folder = settings.models_dir / "small"
        folder.mkdir(parents=True)
        config = json.loads((BUNDLED / DEFAULT_MODEL / "config.json").read_text(encoding="utf-8"))
        config["files"] = {"weights": "ab" * 32}
        (folder / "config.json").write_text(json.dumps(config))
        assert "missing file" in self.words(settings)
        (folder / "weights").write_bytes(b"other")
        assert "weights is corrupt" in self.words(settings)
        assert not doctor.mend(settings).is_sound

    def words(self, settings: Settings) -> str:
        (problem,) = doctor.examine(settings).problems
        return problem.words


class TestCommand:
    def test_it_tells_and_mends(self, settings: Settings, ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        where = ["--data-dir", str(settings.data_dir), "--models-dir", str(settings.models_dir)]
        assert main(["doctor", *where]) == 0
        assert "sound" in capsys.readouterr().out
        lose_row(settings, ids)
        assert main(["doctor", *where, "--json"]) == 1
        told = json.loads(capsys.readouterr().out)
        assert (told["sound"], [problem["kind"] for problem in told["problems"]]) == (False, ["orphan"])
        assert main(["doctor", *where]) == 1
        assert "--repair" in capsys.readouterr().out
        assert main(["doctor", *where, "--repair"]) == 0
        assert "mended: 1 picture has a row" in capsys.readouterr().out

    def test_it_waits_for_a_studio_to_close(self, studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["doctor", "--data-dir", str(studio.settings.data_dir)]) == 1
        assert "Another Dalle Studio is using" in capsys.readouterr().err
