"""Ranking finished pictures by other words, without painting again."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor

from app.generate_command import load
from app.ranking import give_reranker, rank
from app.settings import Settings
from app.studio import JobView, NotFound, Studio
from dalle_core.errors import CheckpointError, RequestError
from dalle_core.families.base import ModelSpec
from dalle_core.generate import Finished, generate
from dalle_core.request import GenerationRequest
from tests.app.conftest import StartStudio, painted, quick_model, request, wait_until
from tests.app.test_models import put_model
from tests.fakes import QUICK_SPEC, SPEC, FakeModel, FakeReranker, fake_settings

OTHER = "a dark pear"


class Turncoat(FakeReranker):
    """Likes light pictures, but for OTHER dark ones. Counts how often it was asked."""

    asked = 0

    def score(self, images: Tensor, text: str) -> Tensor:
        self.asked += 1
        scores = super().score(images, text)
        return 1 - scores if text == OTHER else scores


@pytest.fixture
def studio(start_studio: StartStudio) -> Studio:
    return start_studio(quick_model(reranker=Turncoat()))


def kept(studio: Studio, view: JobView) -> set[str]:
    return {picture.id for picture in studio.images() if picture.job_id == view.id}


def test_other_words_turn_the_ranking_and_what_is_kept(studio: Studio) -> None:
    first = painted(studio)
    other = studio.rerank(first.id, f"  {OTHER} ")
    assert [tile.image_id for tile in other.tiles] == [tile.image_id for tile in reversed(first.tiles)]
    assert [tile.rank for tile in other.tiles] == [1, 2, 3, 4]
    assert kept(studio, other) == {tile.image_id for tile in other.tiles[:2]}
    assert (first.ranked_by, other.ranked_by) == ("red apple, noto", OTHER)
    assert {studio.image(tile.image_id or "").text_scored for tile in other.tiles} == {OTHER}


def test_the_way_back_gives_the_first_ranking_exactly_and_asks_nobody(studio: Studio) -> None:
    first = painted(studio)
    studio.rerank(first.id, OTHER)
    asked = Turncoat.asked
    assert studio.rerank(first.id) == first
    assert studio.rerank(first.id, OTHER).ranked_by == OTHER
    assert studio.rerank(first.id, first.request.prompt) == first
    assert Turncoat.asked == asked


def test_scores_of_files_are_those_of_the_painting(studio: Studio) -> None:
    first = painted(studio, rerank_text="anything")
    again = studio.rerank(first.id, first.request.prompt)
    scores = {tile.image_id: tile.score for tile in again.tiles}
    for tile in first.tiles:
        shift = studio.image(tile.image_id or "").score
        assert shift == scores[tile.image_id]
    differences = {round((tile.score or 0) - (scores[tile.image_id] or 0), 2) for tile in first.tiles}
    assert len(differences) == 1  # the fake's scores for two texts differ by a constant


def test_a_stopped_job_can_be_ranked(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=0.002))
    job_id = studio.submit(request(count=20, keep=1))
    wait_until(lambda: studio.job(job_id).finished >= 2)
    studio.cancel(job_id)
    wait_until(lambda: studio.job(job_id).final)
    view = studio.rerank(job_id)
    assert view.status == "cancelled"
    assert [tile.rank for tile in view.tiles] == list(range(1, view.finished + 1))
    assert view.ranked_by == "red apple, noto"


def test_what_cannot_be_ranked_is_refused_and_nothing_changes(start_studio: StartStudio) -> None:
    studio = start_studio(quick_model(step_seconds=0.02))
    job_id = studio.submit(request())
    wait_until(lambda: studio.running_job() == job_id)
    with pytest.raises(RequestError, match="nothing to rank"):
        studio.rerank(job_id, OTHER)
    studio.cancel(job_id)
    wait_until(lambda: studio.job(job_id).final)
    with pytest.raises(RequestError, match="nothing to rank"):
        studio.rerank(job_id, OTHER)
    with pytest.raises(NotFound):
        studio.rerank("nothing", OTHER)


@pytest.mark.parametrize(("text", "words"), [("  ", "empty"), ("x" * 2001, "2001 characters"), ("\ud800", "not text")])
def test_odd_words_are_refused(studio: Studio, text: str, words: str) -> None:
    view = painted(studio)
    with pytest.raises(RequestError, match=words):
        studio.rerank(view.id, text)
    assert studio.job(view.id) == view


def test_a_model_without_a_reranker_says_so(start_studio: StartStudio) -> None:
    no_reranker: Any = None
    studio = start_studio(quick_model(reranker=no_reranker))
    view = painted(studio)
    assert all(tile.kept and tile.rank is None for tile in view.tiles)
    with pytest.raises(RequestError, match="no reranker"):
        studio.rerank(view.id, OTHER)


def test_a_score_says_what_gave_it_and_another_reranker_reads_the_words_again(studio: Studio) -> None:
    view = painted(studio)
    first = view.tiles[0].image_id or ""
    studio.rerank(view.id, OTHER)
    assert studio.image(first).reranker == "fake-clip"
    newer = Turncoat()
    newer.name = "newer"
    studio.worker.run_errand(lambda model: setattr(model, "reranker", newer))
    studio.rerank(view.id, OTHER)
    assert (studio.image(first).reranker, newer.asked) == ("newer", 1)
    studio.rerank(view.id)
    assert (studio.image(first).reranker, newer.asked) == ("fake-clip", 1), "back to how it was"


class TestTheRerankerAModelIsLoadedWith:
    @pytest.fixture(autouse=True)
    def rerankers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One is on this machine, `here`; others are not."""

        def load_reranker(name: str, folder: Path, device: torch.device) -> FakeReranker:
            if name != "here":
                raise CheckpointError(f"The reranker {name} is not on this machine.")
            found = FakeReranker()
            found.name = "here"
            return found

        monkeypatch.setattr("dalle_core.families.rerankers.load_reranker", load_reranker)

    def load(self, tmp_path: Path, model: FakeModel, **flags: object) -> str | None:
        settings = fake_settings(tmp_path, **flags)
        give_reranker(model, settings, torch.device("cpu"))
        reranker: FakeReranker | None = getattr(model, "reranker", None)
        return reranker.name if reranker else None

    def without_own(self, suits: str, spec: ModelSpec = SPEC) -> FakeModel:
        model = FakeModel(spec=replace(spec, reranker=suits))
        model.reranker = None  # type: ignore[assignment]
        return model

    def test_its_own_unless_another_is_named(self, tmp_path: Path) -> None:
        assert self.load(tmp_path, FakeModel()) == "fake-clip"
        assert self.load(tmp_path, FakeModel(), reranker="here") == "here"

    def test_the_one_that_suits_it_where_it_is_on_this_machine(self, tmp_path: Path) -> None:
        assert self.load(tmp_path, self.without_own("here")) == "here"
        assert self.load(tmp_path, self.without_own("elsewhere")) is None
        assert self.load(tmp_path, self.without_own("")) is None

    def test_one_that_was_asked_for_and_cannot_be_had_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="elsewhere is not on this machine"):
            self.load(tmp_path, FakeModel(), reranker="elsewhere")

    def test_one_that_comes_later_ranks_from_then_on(self, start_studio: StartStudio) -> None:
        studio = start_studio(self.without_own("here", QUICK_SPEC))
        before = painted(studio)
        place = studio.settings.own_rerankers / "here"
        place.mkdir(parents=True)
        (place / "config.json").write_text("{}")
        view = studio.rerank(before.id)
        assert [tile.rank for tile in view.tiles] == [1, 2, 3, 4]
        after = painted(studio)
        rankings = studio.history.rankings(after.id, after.request.prompt, after.request.keep)
        assert {ranking.reranker for ranking in rankings} == {"here"}

    def test_one_that_comes_later_and_is_broken_stops_nothing(
        self, start_studio: StartStudio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        studio = start_studio(self.without_own("broken", QUICK_SPEC))
        painted(studio)
        broken = Mock(side_effect=RuntimeError("of another kind"))
        monkeypatch.setattr("dalle_core.families.rerankers.load_reranker", broken)
        place = studio.settings.own_rerankers / "broken"
        place.mkdir(parents=True)
        (place / "config.json").write_text("{}")
        assert [painted(studio).status for _ in range(2)] == ["done", "done"]
        assert broken.call_count == 1

    def test_another_is_chosen_while_the_studio_is_open_and_given_up_again(self, start_studio: StartStudio) -> None:
        studio = start_studio(quick_model())
        before = painted(studio)
        assert studio.rerankers() == ()
        for name in ("here", "broken"):
            (studio.settings.own_rerankers / name).mkdir(parents=True)
            (studio.settings.own_rerankers / name / "config.json").write_text("{}")
        assert studio.rerankers() == ("broken", "here")
        studio.choose_reranker("here")
        studio.rerank(before.id, OTHER)
        after = painted(studio)

        def by(view: JobView) -> str | None:
            return studio.image(view.tiles[0].image_id or "").reranker

        assert (by(before), by(after), studio.worker.ranker) == ("here", "here", "here")
        with pytest.raises(CheckpointError, match="broken is not on this machine"):
            studio.choose_reranker("broken")
        with pytest.raises(NotFound, match="no reranker 'elsewhere' here"):
            studio.choose_reranker("elsewhere")
        assert (by(painted(studio)), studio.worker.ranker) == ("here", "here")
        studio.choose_reranker("")
        assert (by(painted(studio)), studio.worker.ranker) == ("fake-clip", "")

    def test_what_is_chosen_ranks_for_other_models_too(self, tmp_path: Path) -> None:
        settings = fake_settings(tmp_path, models_dir=tmp_path / "models")
        for name in ("one", "two"):
            put_model(settings.models_dir, name)
        (settings.own_rerankers / "here").mkdir(parents=True)
        (settings.own_rerankers / "here" / "config.json").write_text("{}")
        studio = Studio(settings, lambda folder, _: FakeModel(spec=replace(QUICK_SPEC, name=folder.name)))
        studio.start()
        studio.models.choose("one")
        wait_until(lambda: studio.model_status().name == "one" and not studio.model_status().loading)
        studio.choose_reranker("here")
        studio.models.choose("two")
        wait_until(lambda: studio.model_status().name == "two" and not studio.model_status().loading)
        assert studio.worker.reranker == "here"
        studio.close()

    def test_what_was_chosen_is_remembered_until_it_is_gone_or_broken(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = fake_settings(tmp_path)
        here = settings.own_rerankers / "here"

        def put() -> None:
            here.mkdir(parents=True, exist_ok=True)
            (here / "config.json").write_text("{}")

        def ranked_by(choose: str | None = None, flag: str = "") -> str | None:
            studio = Studio(replace(settings, reranker=flag), lambda *_: FakeModel(spec=QUICK_SPEC))
            studio.start()
            wait_until(lambda: studio.model_status().state == "ready")
            if choose is not None:
                studio.choose_reranker(choose)
            studio.close()
            return studio.worker.reranker

        put()
        assert ranked_by() == "fake-clip"
        assert [ranked_by("here"), ranked_by(), self.load_by_command(settings)] == ["here"] * 3
        assert [ranked_by(""), ranked_by()] == ["fake-clip"] * 2
        ranked_by("here")
        (here / "config.json").unlink()
        assert ranked_by() == "fake-clip"
        put()
        assert ranked_by() == "fake-clip", "forgotten, not waiting"
        assert [ranked_by(flag="here"), ranked_by()] == ["here", "fake-clip"], "a flag is for one run"
        ranked_by("here")
        monkeypatch.setattr("dalle_core.families.rerankers.load_reranker", Mock(side_effect=RuntimeError("cut short")))
        assert self.load_by_command(settings) == "fake-clip"
        assert not settings.chosen_reranker.exists()

    def load_by_command(self, settings: Settings) -> str:
        return load(settings, lambda *_: FakeModel()).reranker.name  # type: ignore[attr-defined]

    @pytest.mark.parametrize("name", ["../clip", "/etc", "a/b/c", "a b", "C:\\clip", "."])
    def test_names_that_are_none(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(RequestError, match="expected the name of a folder in"):
            fake_settings(tmp_path, reranker=name)


def test_a_ranking_that_is_made_again_counts_surprisal_where_the_model_painted_the_pictures_itself() -> None:
    class Unsurprised(FakeReranker):
        surprisal_weight = 1000.0

    model, request = FakeModel(spec=QUICK_SPEC, reranker=Unsurprised()), GenerationRequest("red apple", count=4, keep=2)
    *_, first = generate(model, request, model.reranker)
    assert isinstance(first, Finished)
    ids = {candidate.index: f"id{candidate.index}" for candidate in first.candidates}
    bare = [replace(candidate, surprisal=None, score=None, rank=None) for candidate in first.candidates]

    def order(painted_by: str | None, asked: GenerationRequest = request) -> list[str]:
        return [row.image_id for row in rank(model, asked, bare, ids, painted_by)]

    lightest = sorted(first.candidates, key=lambda candidate: -float(candidate.image.mean()))
    by_match = [ids[candidate.index] for candidate in lightest]
    assert [ids[candidate.index] for candidate in first.candidates] != by_match
    assert order(model.spec.sha256) == [ids[candidate.index] for candidate in first.candidates]
    assert order("another") == order(None) == by_match
    assert order(model.spec.sha256, replace(request, rerank_text="a pear")) == by_match
