"""Sheets: planned, painted cell by cell as ordinary jobs, stopped, resumed, found again after a restart, drawn."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app import doctor
from app.axes import AxisText
from app.errors import HistoryError, NotFound
from app.history import History, NewImage, marks
from app.history import sheets as rows
from app.history.sheets import NewCell
from app.history.store import NewJob
from app.models import DEFAULT_MODEL
from app.recipes import Recipe
from app.settings import Settings
from app.sheets import SheetRequest, SheetView
from app.studio import Studio
from app.styles import styles_of
from app.ui.payloads import queue_payload
from dalle_core.errors import RequestError
from dalle_core.request import GenerationRequest
from dalle_core.vocabulary import Vocabulary
from tests.app.conftest import StartStudio, painted, quick_model, request, wait_until
from tests.fakes import QUICK_SPEC


def asked(prompt: str = "red apple", x: tuple[str, str] | None = ("seed", "1-3"), **values: Any) -> SheetRequest:
    y = values.pop("y", None)
    base = request(prompt, **{"count": 1, "keep": 1, "batch_width": 1, **values})
    return SheetRequest(base, x and AxisText(*x), y and AxisText(*y))


def finished(studio: Studio, sheet_id: str) -> SheetView:
    wait_until(lambda: studio.sheets.view(sheet_id).state != "painting")
    return studio.sheets.view(sheet_id)


def test_every_cell_is_an_ordinary_picture(studio: Studio) -> None:
    sheet_id = studio.sheets.start(asked(y=("temperature", "0.2, 0.9")))
    view = finished(studio, sheet_id)
    assert (view.state, view.done, view.seconds_left) == ("done", 6, None)
    assert view.name == "red apple"
    assert view.x is not None
    assert (view.x.title, view.x.labels) == ("Seed", ("1", "2", "3"))
    for cell in view.cells:
        image = studio.image(cell.image_id or "")
        assert image.seed == cell.x + 1
        assert image.request.temperature == (0.2, 0.9)[cell.y]
        assert image.kept
    assert len(studio.images()) == 6
    assert studio.job(view.cells[0].job_id).sheet_id == sheet_id


def test_the_styles_of_a_model_are_known_before_it_is_there(tmp_path: Path) -> None:
    studio = Studio(Settings(data_dir=tmp_path))
    studio.open()
    try:
        styles = styles_of(studio.settings, studio.model_status().name)
        plan = studio.sheets.plan(asked(x=("style", "")))
        assert plan.x is not None
        assert plan.x.labels == styles
        with pytest.raises(RequestError, match=f"no style “watercolour”; it has {styles[0]}, "):
            studio.sheets.plan(asked(x=("style", "watercolour")))
    finally:
        studio.close()


def test_the_plan_says_how_long_it_takes_before_anything_was_painted(start_studio: StartStudio) -> None:
    model = quick_model(step_seconds=0.02)
    studio = start_studio(model)
    wait_until(lambda: studio.model_status().state == "ready")
    seconds = 3 * QUICK_SPEC.token_count * len(QUICK_SPEC.levels) * model.step_seconds
    found = studio.sheets.plan(asked()).seconds or 0.0
    assert seconds < found < 10 * seconds  # the clock of a busy machine runs on
    assert studio.images_count() == 0
    model.fail_at = 0
    model.pace.seconds_per_row.clear()
    assert studio.sheets.plan(asked()).seconds is None


def test_the_plan_goes_by_what_was_painted(studio: Studio) -> None:
    wait_until(lambda: studio.model_status().state == "ready")
    painted(studio, count=1, keep=1, batch_width=1)
    plan = studio.sheets.plan(asked())
    pace = studio.worker.pace(1)
    assert pace is not None
    assert (plan.cells, plan.pictures) == (3, 3)
    assert plan.seconds == pytest.approx(3 * QUICK_SPEC.rows * pace)
    assert studio.images_count() == 1, "a plan paints nothing"


def test_a_list_takes_as_long_as_its_kinds(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    words = Vocabulary.of_model(Settings.models_dir / DEFAULT_MODEL)
    monkeypatch.setattr(studio, "vocabulary", lambda: words)
    wait_until(lambda: studio.model_status().state == "ready")
    painted(studio, count=1, keep=1, batch_width=1)
    one = studio.sheets.plan(asked("a cat")).seconds
    assert one is not None
    for prompt, kinds in (("a cat and a dog", 1), ("a cat, a dog and a bird", 3), ("two cats and two dogs", 2)):
        assert studio.sheets.plan(asked(prompt)).seconds == pytest.approx(kinds * one)


def test_after_a_restart_the_history_tells_the_pace(start_studio: StartStudio) -> None:
    image = painted(start_studio(), count=1, keep=1, batch_width=1).tiles[0].image_id
    studio = start_studio()
    wait_until(lambda: studio.model_status().state == "ready")
    assert studio.sheets.plan(asked()).seconds == pytest.approx(3 * studio.image(image or "").seconds)


def test_a_stopped_sheet_paints_only_what_is_missing(start_studio: StartStudio) -> None:
    model = quick_model(step_seconds=0.04)
    studio = start_studio(model)
    sheet_id = studio.sheets.start(asked(x=("seed", "1-6")))
    wait_until(lambda: studio.sheets.view(sheet_id).done >= 2)
    studio.stop_painting()
    view = finished(studio, sheet_id)
    assert view.state == "stopped"
    assert 2 <= view.done < 6
    kept = {cell.image_id for cell in view.cells if cell.image_id}
    model.step_seconds = 0
    assert studio.sheets.resume(sheet_id) == 6 - view.done
    view = finished(studio, sheet_id)
    assert view.state == "done"
    assert kept < {cell.image_id for cell in view.cells}
    assert [studio.image(cell.image_id or "").seed for cell in view.cells] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(RequestError, match="Nothing of this sheet is missing"):
        studio.sheets.resume(sheet_id)


def test_a_sheet_is_stopped_between_two_of_its_cells(
    start_studio: StartStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = start_studio(quick_model(step_seconds=0.04))
    sheet_id = studio.sheets.start(asked(x=("seed", "1-20")))
    wait_until(lambda: studio.sheets.view(sheet_id).done >= 1)
    with monkeypatch.context() as between:  # as the worker is for a moment, when one is done and the next not begun
        between.setattr(studio.worker, "painting", None)
        studio.stop_painting()
    view = finished(studio, sheet_id)
    assert view.state == "stopped"
    assert 1 <= view.done < 20


def test_a_sheet_survives_a_restart(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=0.01))
    sheet_id = studio.sheets.start(asked(x=("seed", "1-4")))
    wait_until(lambda: studio.sheets.view(sheet_id).done == 1)
    studio = start_studio(quick_model())  # what waited goes on by itself, what was being painted is missing
    view = finished(studio, sheet_id)
    assert (view.state, view.done) == ("stopped", 3)
    assert studio.interrupted() == [], "the sheet itself says so"
    assert studio.sheets.resume(sheet_id) == 1
    assert finished(studio, sheet_id).state == "done"


def test_what_is_queued_elsewhere_goes_before_a_sheet_s_cells(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=0.05))  # so that the job still waits when it is looked for
    sheet_id = studio.sheets.start(asked(x=("seed", "1-5")))
    wait_until(lambda: studio.running_job() is not None)
    job = studio.submit(request("a pear"))
    assert studio.queue_order()[0] == job
    assert studio.job(job).position_in_queue == 1
    wait_until(lambda: studio.job(job).final)
    assert studio.sheets.view(sheet_id).state == "painting"


def test_the_waiting_cells_of_a_sheet_are_one_row_of_the_queue(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=0.05))
    sheet_id = studio.sheets.start(asked(x=("seed", "1-5")))
    wait_until(lambda: studio.running_job() is not None)
    job = studio.submit(request("a pear"))
    first, second = queue_payload(studio.queue())
    assert (first["id"], first["sheet"]) == (job, None)
    assert (second["sheet"], second["words"]) == (sheet_id, "4 cells of a sheet")


def test_cells_taken_off_the_queue_and_put_back_stay_in_the_sheet(start_studio: StartStudio) -> None:
    model = quick_model(step_seconds=0.05)
    studio = start_studio(model)
    sheet_id = studio.sheets.start(asked(x=("seed", "1-3")))
    wait_until(lambda: studio.running_job() is not None)
    cleared = studio.clear_queue()
    model.step_seconds = 0
    assert len(cleared) == 2
    assert finished(studio, sheet_id).done == 1
    for job_id in cleared:
        studio.requeue(job_id)
    assert finished(studio, sheet_id).state == "done"


def test_one_cell_s_failure_is_its_own(start_studio: StartStudio) -> None:
    model = quick_model(fail_on="blue")
    studio = start_studio(model)
    sheet_id = studio.sheets.start(asked("{red|blue|green} apple", ("prompt", "")))
    view = finished(studio, sheet_id)
    assert [cell.status for cell in view.cells] == ["done", "failed", "done"]
    assert view.cells[1].error
    model.fail_on = ""
    assert studio.sheets.resume(sheet_id) == 1
    assert finished(studio, sheet_id).state == "done"


def test_several_candidates_a_cell_show_the_best(studio: Studio) -> None:
    view = finished(studio, studio.sheets.start(asked(count=4, batch_width=4)))
    for cell in view.cells:
        assert cell.image_id == studio.job(cell.job_id).tiles[0].image_id


def test_rows_of_a_picture_are_kept_in_more_and_more_cells(studio: Studio) -> None:
    parent = painted(studio, "blue pear", count=1, keep=1, batch_width=1).tiles[0].image_id
    source = studio.prepare_source(image_id=parent)
    sheet = replace(asked(x=("rows", "0, 1, 3")), source=source)
    view = finished(studio, studio.sheets.start(sheet))
    given = studio.history.image(parent or "").tokens
    for kept, cell in zip((0, 1, 3), view.cells, strict=True):
        row = studio.history.image(cell.image_id or "")
        assert row.tokens[: kept * QUICK_SPEC.cols] == given[: kept * QUICK_SPEC.cols]
        assert row.kept_rows == kept
        assert [edge.parent_id for edge in studio.history.edges(row.id)] == ([parent] if kept else [])


def test_the_time_left_counts_no_rows_that_are_kept(start_studio: StartStudio) -> None:
    model = quick_model()
    studio = start_studio(model)
    parent = painted(studio, "blue pear", count=1, keep=1, batch_width=1).tiles[0].image_id
    model.step_seconds = 0.2  # so that all cells are still there
    sheet = replace(asked(x=("rows", "1, 3")), source=studio.prepare_source(image_id=parent))
    view = studio.sheets.view(studio.sheets.start(sheet))
    pace = studio.worker.pace(view.request.batch_width)
    assert pace is not None
    assert view.seconds_left == pytest.approx(pace * (2 * QUICK_SPEC.rows - 1 - 3))


def test_a_picture_is_varied_in_stronger_and_stronger_cells(studio: Studio) -> None:
    parent = painted(studio, "blue pear", count=1, keep=1, batch_width=1).tiles[0].image_id
    source = studio.prepare_source(image_id=parent)
    view = finished(studio, studio.sheets.start(replace(asked(x=("strength", "0.1, 0.9, 1")), source=source)))
    parents = [[edge.parent_id for edge in studio.history.edges(cell.image_id or "")] for cell in view.cells]
    assert parents == [[parent], [parent], []]
    assert [studio.job(cell.job_id).kind for cell in view.cells] == ["variation", "variation", "generate"]


class TestTemplates:
    def test_two_places_become_rows_and_columns(self, studio: Studio) -> None:
        base = asked("{red|blue} {cat|dog}").request
        view = finished(studio, studio.sheets.start_template(base, 50))
        assert view.x is not None
        assert view.y is not None
        assert (view.x.labels, view.y.labels) == (("cat", "dog"), ("red", "blue"))
        assert studio.image(view.cells[2].image_id or "").prompt == "blue cat"

    def test_others_stand_in_line(self, studio: Studio) -> None:
        view = finished(studio, studio.sheets.start_template(asked("{a|b|c} cat").request, 50))
        assert view.x is not None
        assert view.x.labels == ("a cat", "b cat", "c cat")
        assert view.y is None

    def test_of_too_many_some_are_drawn(self, studio: Studio) -> None:
        view = studio.sheets.view(studio.sheets.start_template(asked("{0|1|2|3|4|5|6|7|8|9}" * 8).request, 5))
        assert len(view.cells) == 5


class TestBadInput:
    def test_nothing_is_queued_where_one_cell_cannot_be_painted(self, studio: Studio) -> None:
        for wrong in (
            asked(x=("temperature", "hot")),
            asked(x=("temperature", "0.5, 50")),
            asked(x=None),
            asked("{red|blue apple"),
            asked(x=("rows", "2")),
        ):
            with pytest.raises(RequestError):
                studio.sheets.start(wrong)
        assert studio.queue_order() == []
        assert studio.sheets.listed() == []

    def test_a_full_queue_takes_no_sheet(self, start_studio: StartStudio) -> None:
        studio = start_studio(quick_model(step_seconds=0.2))
        for _ in range(2):
            studio.sheets.start(asked(x=("seed", "1-200")))
        with pytest.raises(RequestError, match="the queue holds 500"):
            studio.sheets.start(asked(x=("seed", "1-200")))
        assert len(studio.sheets.listed()) == 2

    def test_an_unknown_sheet_is_not_found(self, studio: Studio) -> None:
        for name in ("", "x", "\ud800"):
            with pytest.raises(NotFound):
                studio.sheets.view(name)
            with pytest.raises(NotFound):
                studio.sheets.stop(name)

    @pytest.mark.parametrize("definition", ["", "{}", "[1]", '{"version": 9}', '{"version": 1, "request": {}}'])
    def test_a_sheet_that_cannot_be_read_is_told_and_the_list_goes_on(self, studio: Studio, definition: str) -> None:
        sheet_id = rows.add(studio.history, "odd", definition, [])
        with pytest.raises(HistoryError, match=sheet_id):
            studio.sheets.view(sheet_id)
        assert [card.name for card in studio.sheets.listed()] == ["odd"]


def test_earlier_sheets_are_listed_newest_first_and_can_be_forgotten(start_studio: StartStudio) -> None:
    model = quick_model()
    studio = start_studio(model)
    first = studio.sheets.start(asked())
    finished(studio, first)
    model.step_seconds = 0.02
    second = studio.sheets.start(asked("pear"))
    cards = studio.sheets.listed()
    assert [(card.id, card.cells, card.state) for card in cards] == [(second, 3, "painting"), (first, 3, "done")]
    assert cards[0].axes == ("Seed",)
    with pytest.raises(RequestError, match="Stop it first"):
        studio.sheets.remove(second)
    studio.sheets.remove(first)
    assert [card.id for card in studio.sheets.listed()] == [second]
    assert studio.images_count("apple") == 3, "its pictures stay"


def test_a_lost_database_gets_its_sheets_back(settings: Settings) -> None:
    history = History(settings, owner=True)
    definition = {"version": 1, "request": {"prompt": "cat"}, "x": None, "y": None}
    cells = [NewCell(x, 0, NewJob(request("cat"), "fake")) for x in range(2)]
    sheet_id = rows.add(history, "cat", json.dumps(definition), cells)
    job = history.claim_job()
    assert job is not None
    image_id = history.add_image(NewImage(job.id, Image.new("RGB", (8, 8)), recipe_of(job.request), "", 0.5))
    history.finish_job(job.id, "done")
    marks.write(history, settings.marks)
    history.close()
    for file in settings.database.parent.glob("history.sqlite3*"):
        file.unlink()
    doctor.mend(settings)
    history = History(settings, owner=True)
    assert [(cell.x, cell.status, cell.image_id) for cell in rows.cells(history, sheet_id)] == [
        (0, "done", image_id), (1, "interrupted", None)
    ]  # fmt: skip
    history.close()


def recipe_of(asked: GenerationRequest) -> Recipe:
    return Recipe(asked, 0, asked.seed, "fake", "ab", (1, 2, 3, 4))


class TestPicture:
    def test_a_sheet_is_drawn_with_its_labels(self, studio: Studio) -> None:
        sheet_id = studio.sheets.start(asked("{red|blue} 猫", ("place_1", ""), y=("seed", "1, 2")))
        view = finished(studio, sheet_id)
        with Image.open(io.BytesIO(studio.sheets.picture(sheet_id))) as image:
            assert image.format == "PNG"
            assert image.text["Title"] == view.name  # type: ignore[attr-defined]
            cell = studio.image_path(view.cells[0].image_id or "")
            with Image.open(cell) as painted_cell:
                wanted = painted_cell.convert("RGB").resize((192, 192), Image.Resampling.NEAREST)
            assert wanted.tobytes() in {
                image.convert("RGB").crop((x, y, x + 192, y + 192)).tobytes()
                for x in range(150, 300)
                for y in (range(100, 200) if x == 28 + 190 else ())
            }

    def test_of_an_unfinished_one_what_there_is(self, start_studio: StartStudio) -> None:
        model = quick_model(step_seconds=0.01)
        studio = start_studio(model)
        sheet_id = studio.sheets.start(asked(x=("seed", "1-4")))
        with pytest.raises(RequestError, match="Nothing of this sheet is painted"):
            studio.sheets.picture(sheet_id)
        wait_until(lambda: studio.sheets.view(sheet_id).done >= 1)
        assert studio.sheets.picture(sheet_id).startswith(b"\x89PNG")
