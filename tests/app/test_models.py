"""Models beside each other: what is told of them, how one is chosen, and what becomes of jobs that wait for another."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from safetensors.torch import save_file

from app import models
from app.cli import build_request, main, parse
from app.errors import NotFound
from app.models import (
    DEFAULT_MODEL,
    catalogue,
    current_name,
    fitting_device,
    folder_of,
    memory_words,
    read_through,
    remember,
    suited_sampling,
)
from app.recipes import read_recipe
from app.settings import Settings, is_model_name
from app.studio import Studio, load_model, open_history, submit_to_owner
from app.ui.models import home_relative
from dalle_core.checkpoints import sha256_of
from dalle_core.errors import CheckpointError, RequestError
from dalle_core.families import registry
from dalle_core.families.base import Sampling
from tests.app.conftest import painted, request, wait_until, watched
from tests.app.test_sources import file, picture
from tests.fakes import QUICK_SPEC, FakeModel, fake_loader, fake_settings

SLOW = 0.02
SUITED = Sampling(temperature=1.0, top_k=256, guidance_scale=16.0)


def put_model(place: Path, name: str, weights: dict[str, torch.Tensor] | None = None, **changes: Any) -> Path:
    """A folder as the bundled family writes it, with weights of no meaning."""
    folder = place / name
    folder.mkdir(parents=True)
    save_file(weights or {"a": torch.zeros(250, dtype=torch.bfloat16)}, folder / "dvae.safetensors")
    spec = asdict(QUICK_SPEC) | {"name": name, "family": "bundled"} | changes
    files = {"dvae.safetensors": sha256_of(folder / "dvae.safetensors")}
    del spec["sha256"]
    config = {"format": 1, "spec": spec, "files": files, "transformer": {"layers": 2, "width": 64}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


class Switchboard:
    """A studio over several fake models. `broken` names those that cannot be loaded; `loaded` notes which were."""

    def __init__(self, tmp_path: Path) -> None:
        self.settings = fake_settings(tmp_path, models_dir=tmp_path / "models", model=None)
        self.broken: set[str] = set()
        self.loaded: list[str] = []
        self.step_seconds = 0.0
        self.sampling: Sampling | None = None
        for name in (DEFAULT_MODEL, "other"):
            put_model(self.settings.models_dir, name)
        self.studio = Studio(self.settings, self.load)

    def load(self, folder: Path, device: object) -> FakeModel:
        self.loaded.append(folder.name)
        if folder.name in self.broken:
            raise RuntimeError("out of memory")
        named = {"name": folder.name, "sha256": folder.name[0] * 64, "styles": (folder.name,)}
        spec = replace(QUICK_SPEC, sampling=self.sampling, **named)  # type: ignore[arg-type]
        return FakeModel(spec=spec, step_seconds=self.step_seconds)

    def is_used(self, name: str) -> bool:
        status = self.studio.model_status()
        return (status.name, status.state, status.loading) == (name, "ready", "")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Switchboard]:
    board = Switchboard(tmp_path)
    yield board
    board.studio.close()


@pytest.fixture
def started(board: Switchboard) -> Switchboard:
    board.studio.start()
    wait_until(lambda: board.is_used(DEFAULT_MODEL))
    return board


def test_what_is_told_of_a_model_before_it_is_loaded(settings: Settings) -> None:
    put_model(settings.models_dir, "small")
    put_model(settings.own_models, "mine", licence="CC-BY-4.0")
    put_model(settings.own_models, "small", licence="hidden")
    (settings.models_dir / "notes").mkdir()
    mine, small = catalogue(settings)
    assert (mine.name, mine.own, small.name, small.own) == ("mine", True, "small", False)
    assert small.parameters == 250
    assert small.memory > 1000, "fp32, and what a batch takes"
    assert small.bytes_on_disk == sum(file.stat().st_size for file in small.folder.iterdir())
    assert small.spec is not None
    assert small.spec.licence == "MIT", "the studio's own comes first"


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda folder: (folder / "config.json").write_text("{"), "not readable JSON"),
        (lambda folder: (folder / "config.json").unlink(), "missing file"),
        (lambda folder: (folder / "dvae.safetensors").unlink(), "missing file"),
        (lambda folder: (folder / "dvae.safetensors").write_bytes(b"no weights"), "not a readable safetensors file"),
    ],
)
def test_a_broken_model_is_listed_with_the_reason(
    settings: Settings, break_it: Callable[[Path], object], words: str
) -> None:
    folder = put_model(settings.models_dir, "broken")
    save_file({"b": torch.zeros(1)}, folder / "more.safetensors")
    break_it(folder)
    [view] = catalogue(settings)
    assert view.spec is None
    assert words in view.problem


def test_a_model_that_only_turns_pictures_into_tokens_is_none_to_paint_with(started: Switchboard) -> None:
    put_model(started.settings.models_dir, "tokens", family="openai-dvae")
    view = next(view for view in catalogue(started.settings) if view.name == "tokens")
    assert (view.problem, view.paints) == ("", False)
    models = started.studio.models
    assert models.tokenizer("tokens") == view.folder
    with pytest.raises(CheckpointError, match="reads no words"):
        models.choose("tokens")
    with pytest.raises(RequestError, match=f"{DEFAULT_MODEL} paints"):
        models.tokenizer(DEFAULT_MODEL)
    with pytest.raises(NotFound):
        models.tokenizer("../tokens")


def test_a_chosen_model_paints_what_comes_next(started: Switchboard) -> None:
    studio = started.studio
    assert painted(studio).model == DEFAULT_MODEL
    studio.models.choose("other")
    wait_until(lambda: started.is_used("other"))
    spec = studio.model_status().spec
    assert spec is not None
    assert spec.styles == ("other",)
    view = painted(studio)
    assert (view.status, view.model) == ("done", "other")
    assert started.loaded == [DEFAULT_MODEL, "other"]


def test_a_choice_takes_effect_while_painting_and_what_waits_keeps_its_model(board: Switchboard) -> None:
    board.step_seconds = SLOW
    board.studio.start()
    studio = board.studio
    wait_until(lambda: board.is_used(DEFAULT_MODEL))
    first, second = (studio.submit(request(count=2)) for _ in range(2))
    wait_until(lambda: studio.running_job() == first)
    studio.models.choose("other")
    wait_until(lambda: board.is_used("other"))
    assert studio.running_job() == first, "the job goes on"
    assert studio.queue_order() == [second]
    third = studio.submit(request(count=1, keep=1, batch_width=1))
    views = [watched(studio, job_id)[-1] for job_id in (first, second, third)]
    assert [(view.status, view.model) for view in views] == [
        ("done", DEFAULT_MODEL),
        ("done", DEFAULT_MODEL),
        ("done", "other"),
    ]
    assert board.loaded == [DEFAULT_MODEL, "other"], "the older model stayed as long as it was needed"
    wait_until(lambda: set(studio.worker.loader._models) == {"other"})


def test_a_model_that_fails_to_load_leaves_the_one_in_use_in_use(started: Switchboard) -> None:
    started.broken = {"other"}
    studio = started.studio
    studio.models.choose("other")
    wait_until(lambda: studio.model_status().failed == "other")
    status = studio.model_status()
    assert (status.name, status.state, status.loading) == (DEFAULT_MODEL, "ready", "")
    assert status.message.startswith("other could not be loaded. There is not enough memory")
    assert painted(studio).status == "done"
    assert current_name(started.settings) == DEFAULT_MODEL
    started.broken = set()
    studio.models.choose("other")
    wait_until(lambda: started.is_used("other"))
    assert studio.model_status().failed == ""


def test_after_a_start_that_failed_another_model_can_be_chosen_or_the_same_tried_again(board: Switchboard) -> None:
    board.broken = {DEFAULT_MODEL}
    studio = board.studio
    studio.start()
    wait_until(lambda: studio.model_status().state == "failed")
    studio.models.choose("other")
    wait_until(lambda: board.is_used("other"))
    assert painted(studio).model == "other"
    board.broken = set()
    studio.models.choose(DEFAULT_MODEL)
    wait_until(lambda: board.is_used(DEFAULT_MODEL))


def test_a_job_of_another_process_is_painted_by_the_model_it_names(started: Switchboard) -> None:
    with open_history(started.settings) as other:
        job_id = submit_to_owner(other, replace(started.settings, model="other"), request())
        gone_id = submit_to_owner(other, replace(started.settings, model="gone"), request())
        assert watched(started.studio, job_id)[-1].status == "done"
        gone = watched(started.studio, gone_id)[-1]
    assert gone.status == "failed"
    assert gone.error is not None
    assert gone.error.startswith("This job is for the model gone, which is not here.")
    assert started.is_used(DEFAULT_MODEL)


def test_the_choice_outlives_the_studio_and_a_flag_wins(started: Switchboard, tmp_path: Path) -> None:
    settings = started.settings
    started.studio.models.choose("other")
    wait_until(lambda: started.is_used("other"))
    assert current_name(settings) == "other"
    assert current_name(replace(settings, model=DEFAULT_MODEL)) == DEFAULT_MODEL
    remember(settings, "../../etc")
    assert current_name(settings) == DEFAULT_MODEL
    settings.chosen_model.write_bytes(b"\xff\xfe")
    assert current_name(settings) == DEFAULT_MODEL


def test_what_cannot_be_tried_is_refused_at_once(started: Switchboard) -> None:
    put_model(started.settings.own_models, "alien", family="alien")
    with pytest.raises(CheckpointError, match="unknown family"):
        started.studio.models.choose("alien")
    for name in ("nobody", "", "..", "../data/models/alien", "a" * 300):
        with pytest.raises(NotFound):
            started.studio.models.choose(name)
        with pytest.raises(NotFound):
            started.studio.models.card(name)
    assert started.is_used(DEFAULT_MODEL)


def test_a_card_is_given_as_it_was_written(started: Switchboard) -> None:
    text = "# Mine\n<script>alert(1)</script>\n"
    (started.settings.models_dir / "other" / "MODEL_CARD.md").write_text(text)
    assert started.studio.models.card("other") == text
    with pytest.raises(NotFound, match="no card"):
        started.studio.models.card(DEFAULT_MODEL)


def test_pictures_are_painted_again_by_the_model_that_painted_them(started: Switchboard) -> None:
    studio = started.studio
    image_id = painted(studio).tiles[0].image_id
    assert image_id is not None
    studio.models.choose("other")
    wait_until(lambda: started.is_used("other"))
    view = watched(studio, studio.reproduce(image_id))[-1]
    assert (view.status, view.model) == ("done", DEFAULT_MODEL)
    again = studio.reproduction(image_id)
    assert again is not None
    assert again.identical
    for part in folder_of(started.settings, DEFAULT_MODEL).iterdir():
        part.unlink()
    with pytest.raises(RequestError, match=f"painted by the model {DEFAULT_MODEL}, which is not here"):
        studio.reproduce(image_id)


def test_what_a_model_needs_and_what_there_is_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory_words(settings) == "", "nothing is known of a model that is not there"
    put_model(settings.models_dir, DEFAULT_MODEL)
    put_model(settings.models_dir, "large", {"a": torch.zeros(10_000_000, dtype=torch.bfloat16)}, family="rudalle")
    large = replace(settings, model="large")
    monkeypatch.setattr(models, "free_memory", lambda device: 3_000_000_000)
    assert re.fullmatch(rf"{DEFAULT_MODEL} needs about [\d.]+ MB of memory; 3\.0 GB are free\.", memory_words(settings))
    assert memory_words(settings, only_where_tight=True) == ""
    monkeypatch.setattr(models, "free_memory", lambda device: 1000)
    assert memory_words(settings, only_where_tight=True) == memory_words(settings)
    assert "--low-memory" not in memory_words(settings), "which would not help"
    assert re.search(r" Held sparingly \(--low-memory\) it needs \d+ MB\.$", memory_words(large))
    assert "--low-memory" not in memory_words(replace(large, low_memory=True))


@pytest.mark.parametrize(
    ("free", "asked", "sparing"), [(10**12, False, False), (1000, False, True), (None, True, True)]
)
def test_a_model_that_would_not_fit_is_held_sparingly(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, free: int | None, asked: bool, sparing: bool
) -> None:
    folder, load = put_model(settings.models_dir, "large", family="rudalle"), Mock()
    monkeypatch.setattr(models, "free_memory", lambda device: free)
    monkeypatch.setattr(registry, "load_model", load)
    load_model(folder, torch.device("cpu"), asked)
    load.assert_called_once_with(folder, torch.device("cpu"), sparing)


def test_a_model_too_large_for_the_gpu_is_computed_by_the_cpu(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put_model(settings.models_dir, "small")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for free, device in ((10**9, "cuda"), (10, "cpu")):
        monkeypatch.setattr(models, "free_memory", lambda device, free=free: free)
        assert fitting_device(settings, folder).type == device
    assert fitting_device(replace(settings, device="cuda"), folder).type == "cuda", "asked for by name"


def test_the_settings_that_suit_a_model_are_read_from_it(settings: Settings) -> None:
    suited = {"temperature": 1.0, "top_k": 256, "top_p": 1.0, "guidance_scale": 16.0}
    put_model(settings.models_dir, "mini", sampling=suited)
    put_model(settings.models_dir, DEFAULT_MODEL)
    assert suited_sampling(settings) is None
    assert suited_sampling(replace(settings, model="gone")) is None
    sampling = suited_sampling(replace(settings, model="mini"))
    request = build_request(parse(["generate", "a cat", "--guidance", "4"]), sampling)
    assert (request.temperature, request.top_k, request.guidance_scale) == (1, 256, 4)
    studio = Studio(replace(settings, model="mini"), lambda folder, device: FakeModel())
    studio.open()  # which loads nothing
    assert studio.sampling() == suited
    studio.close()


@pytest.mark.parametrize("command", [["generate"], ["generate", "--vary"], ["explore", "--x", "seed=1", "--picture"]])
def test_commands_draw_as_suits_the_model_where_no_flag_says_otherwise(tmp_path: Path, command: list[str]) -> None:
    put_model(tmp_path / "models", "mini", sampling=asdict(SUITED))
    given, out = tmp_path / "given.png", tmp_path / "out"
    given.write_bytes(file(picture()))
    picked = [str(given)] if command[-1] in {"--vary", "--picture"} else []
    where = ["--models-dir", str(tmp_path / "models"), "--data-dir", str(tmp_path / "data"), "--out", str(out)]
    flags = ["--model", "mini", "--device", "cpu", "--count", "1", "--top-p", "0.5"]
    load = fake_loader(FakeModel(spec=replace(QUICK_SPEC, name="mini")))
    assert main([command[0], "a cat", *command[1:], *picked, *flags, *where], load) == 0
    made = read_recipe(next(path for path in out.iterdir() if path.name != "sheet.png")).request
    assert (made.temperature, made.top_k, made.guidance_scale, made.top_p) == (1, 256, 16, 0.5)


def test_settings_stay_with_the_model_that_they_suit(started: Switchboard) -> None:
    studio = started.studio
    own = painted(studio, temperature=0.3, guidance_scale=2.0).tiles[0].image_id or ""
    started.sampling = SUITED
    studio.models.choose("other")
    wait_until(lambda: started.is_used("other"))
    assert studio.sampling() == asdict(SUITED)
    more = watched(studio, studio.variations.more_like(own))[-1]
    assert (more.model, more.request.temperature, more.request.guidance_scale) == ("other", 1.0, 16.0)
    again = watched(studio, studio.branch(own))[-1]
    assert (again.model, again.request.temperature, again.request.guidance_scale) == (DEFAULT_MODEL, 0.3, 2.0)
    assert again.status == "done"


def test_reading_through_tells_how_far_it_is(settings: Settings, tmp_path: Path) -> None:
    folder = put_model(settings.models_dir, "small", {"a": torch.zeros(5_000_000)})
    shares: list[float] = []
    read_through(folder, shares.append)
    assert len(shares) > 1
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a\\b", "C:x", "a\0b", "a\nb", "a" * 201])
def test_what_is_no_name_of_a_model(name: str) -> None:
    assert not is_model_name(name)
    assert is_model_name("my model-64 红")


def test_the_command_line_lists_models(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    put_model(settings.models_dir, DEFAULT_MODEL)
    put_model(settings.own_models, "odd", family="alien")
    where = ["--models-dir", str(settings.models_dir), "--data-dir", str(settings.data_dir)]
    assert main(["models", "list", *where]) == 0
    default, odd, *others = capsys.readouterr().out.splitlines()
    assert all("\tcan be downloaded\t" in line for line in others)
    assert default.startswith(f"{DEFAULT_MODEL}\t64 px\ten, zh\tMIT\t")
    assert default.endswith("in use")
    assert odd.startswith("odd\tcannot be used: odd: unknown family 'alien'")
    assert main(["models", "list", "--json", *where]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    values = [value for value in listed if value["here"]]
    assert [(value["name"], value["current"], value["own"]) for value in values] == [
        (DEFAULT_MODEL, True, False),
        ("odd", False, True),
    ]
    assert values[0]["spec"]["rows"] == QUICK_SPEC.rows


def test_a_folder_below_home_is_shown_without_whose_home_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert home_relative(tmp_path / "art" / "models") == str(Path("~/art/models"))
    assert home_relative(tmp_path.parent / "models") == str(tmp_path.parent / "models")
    monkeypatch.setattr(Path, "home", Mock(side_effect=RuntimeError("no home")))
    assert home_relative(tmp_path) == str(tmp_path)
