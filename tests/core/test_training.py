"""Training end to end at `test` scale: every command, resuming to the bit, overriding, and clear refusals."""

import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from dalle_core.errors import TrainingError
from dalle_core.families.bundled import load_bundled
from dalle_core.training.__main__ import main
from dalle_core.training.card import training_record
from dalle_core.training.loop import Run, read_metrics
from dalle_core.training.objectives import TransformerObjective
from dalle_core.training.presets import STAGES, preset
from dalle_core.training.sheets import SHEETS
from dalle_core.training.workshop import Workshop


def test_every_stage_leaves_its_files(project: Path) -> None:
    runs = project / "runs" / "test"
    for stage in STAGES:
        rows = read_metrics(runs / stage)
        assert rows[-1]["step"] == 12
        assert any("heldout_loss" in row for row in rows)
        assert (runs / stage / "loss.png").stat().st_size > 1000
    figures = json.loads((runs / "evaluation.json").read_text())
    assert {"single object, best of 2", "held-out bits per image token"} <= {row["name"] for row in figures["rows"]}
    for sheet in ("nearest.png", "judged.png"):
        assert (runs / sheet).stat().st_size > 1000
    written = {path.name for path in (project / "sheets").iterdir()}
    assert written == {f"{name}.webp" for name in SHEETS if name != "prompts"}
    with Image.open(project / "sheets" / "samples.webp") as samples:
        assert samples.size == (8 * 36 + 16, 12 * 62 + 8)
    assert "red disc" not in (project / "models" / "my-test" / "MODEL_CARD.md").read_text()


def test_a_finished_model_is_measured_as_the_runs_are(project: Path, model_folder: Path, tmp_path: Path) -> None:
    runs = Path(shutil.copytree(project / "runs", tmp_path / "runs"))
    measured = runs / "test" / "evaluation.json"
    earlier = json.loads(measured.read_text())
    measured.unlink()
    common = ["--preset", "test", "--art", str(project / "art"), "--runs", str(runs), "--device", "cpu"]
    extent = ["--quick", "--prompts", "4", "--pictures", "2", "--candidates", "2"]
    assert main(["evaluate", *common, *extent, "--model", str(model_folder)]) == 0
    figures = json.loads(measured.read_text())
    assert [row["text"] for row in figures["rows"]] == [row["text"] for row in earlier["rows"]]
    assert len(figures["sha256"]) == 64


def test_what_cannot_be_measured_is_refused(
    project: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["evaluate", "--art", str(project / "art"), "--runs", str(project / "runs"), "--device", "cpu"]
    assert main([*common, "--preset", "test", "--prompts", "0"]) == 1
    assert "expected at least 1, found --prompts 0" in capsys.readouterr().err
    assert main([*common, "--preset", "emblem-64", "--model", str(model_folder)]) == 1
    assert "my-test paints 32 px, the graders of emblem-64 see 64" in capsys.readouterr().err


@pytest.mark.parametrize("stage", ["dvae", "transformer", "decoder"])
def test_a_run_cut_off_and_resumed_is_the_run_that_was_not(workshop: Workshop, tmp_path: Path, stage: str) -> None:
    schedule = replace(getattr(workshop.preset.schedules, stage), steps=6, evaluate_every=3)

    def weights(folder: Path, stops: tuple[int, ...]) -> dict[str, torch.Tensor]:
        for stop in stops:  # a fresh objective each time, as a fresh process would have
            run = Run(folder, workshop.objective(stage), schedule, torch.device("cpu"))
            run.train(until=stop)
        return torch.load(folder / "checkpoint.pt", weights_only=True)["average"]

    whole, pieces = weights(tmp_path / "whole", (6,)), weights(tmp_path / "pieces", (2, 5, 6))
    assert whole.keys() == pieces.keys()
    assert all(torch.equal(whole[name], pieces[name]) for name in whole)


def losses(workshop: Workshop, steps: Sequence[int]) -> list[float]:
    objective = workshop.objective("transformer")
    objective.model.eval()
    with torch.no_grad():
        return [float(objective.loss(step, 4, seed=1)[0]) for step in steps]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forks")
def test_workers_draw_ahead_what_would_be_drawn_anyway(workshop: Workshop) -> None:
    steps = (3, 4, 5, 2, 3)  # the way there is, and a run that was taken up at an earlier step
    with ProcessPoolExecutor(
        1, get_context("spawn"), torch.set_num_threads, (1,)
    ) as fresh:  # who forks has no other threads, as training has none
        ahead = fresh.submit(losses, replace(workshop, workers=1), steps).result()
    assert ahead == losses(workshop, steps)


def test_a_run_is_bound_to_what_it_was_made_from(project: Path, tmp_path: Path) -> None:
    """Another tokenizer or another dVAE would give the ids another meaning."""
    runs = Path(shutil.copytree(project / "runs", tmp_path / "runs"))
    changed = Workshop(preset("test"), project / "art", runs, torch.device("cpu"))
    changed.trained("transformer")
    tokenizer = runs / "test" / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + "\n")
    with pytest.raises(TrainingError, match="clip was trained on another tokenizer than there is now"):
        changed.trained("transformer")
    with pytest.raises(TrainingError, match="clip was trained on another tokenizer"):
        changed.train("clip")
    changed.trained("dvae")


def test_any_field_can_be_overridden() -> None:
    overrides = {"transformer.layers": "8", "dvae.channels": "32,96", "schedules.clip.learning_rate": "0.01"}
    changed = preset("emblem-64", overrides)
    assert changed.transformer.layers == 8
    assert changed.dvae.to_dict()["channels"] == [32, 96]
    assert changed.schedules.clip.learning_rate == 0.01


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"transformer.depth": "8"}, "'depth' is not one of"),
        ({"transformer.layers": "many"}, "transformer.layers: expected a value like 6, found 'many'"),
        ({"transformer": "8"}, "group of settings"),
        ({"transformer.phrases": "no"}, "transformer.phrases: expected a value like False, found 'no'"),
        ({"transformer.phrases": "true", "transformer.sentence": "0"}, "phrases wants transformer.sentence"),
        ({"dvae.levels": "8,5,5,5"}, r"dvae.levels and transformer.levels must be equal, but are \(8, 5, 5, 5\)"),
    ],
)
def test_a_wrong_override_is_named(overrides: dict[str, str], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        preset("emblem-64", overrides)


def test_stages_out_of_order_say_what_to_run_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    fresh = ["--preset", "test", "--art", str(project / "art"), "--runs", str(tmp_path)]
    assert main(["transformer", *fresh]) == 1
    assert "run first: python -m dalle_core.training text" in capsys.readouterr().err
    assert main(["dvae", "--preset", "test", "--art", str(tmp_path / "none")]) == 1
    assert "python -m dalle_core.training art" in capsys.readouterr().err


def test_a_finished_model_is_taken_up_again(project: Path, model_folder: Path, tmp_path: Path) -> None:
    """The networks begin where they ended; a run with Muon, cut off and resumed, is the run that was not."""
    common = ["--preset", "test", "--art", str(project / "art"), "--device", "cpu", "--precision", "fp32",
              "--set", "schedules.transformer.muon_rate=0.01"]  # fmt: skip
    averages = []
    for name, stops in (("whole", ["6"]), ("pieces", ["1", "3", "6"])):
        runs = ["--runs", str(tmp_path / name)]
        assert main(["unbundle", str(model_folder), *common, *runs]) == 0
        started = torch.load(tmp_path / name / "test" / "transformer" / "start.pt", weights_only=True)
        for stop in stops:
            assert main(["transformer", *common, *runs, "--until", stop]) == 0
        averages.append(torch.load(tmp_path / name / "test" / "transformer" / "checkpoint.pt", weights_only=True))
    taken_up = Workshop(preset("test"), project / "art", tmp_path / "whole", torch.device("cpu"))
    record = training_record(taken_up)
    assert [stretch["steps"] for stretch in record["transformer"]] == [12, 6]
    assert [stretch["steps"] for stretch in record["dvae"]] == [12]
    bundled = load_file(model_folder / "transformer.safetensors")
    assert all(torch.equal(started[name], bundled[name].float()) for name in bundled)
    assert all(torch.equal(averages[0]["model"][name], averages[1]["model"][name]) for name in started)
    moved = averages[0]["model"]["blocks.0.attention.qkv.weight"] - started["blocks.0.attention.qkv.weight"]
    assert 0 < float(moved.abs().max()) < 0.2


@pytest.mark.parametrize(("stage", "kept", "learnt"), [("clip", "text_encoder.", "image_encoder."),
                                                       ("dvae", "encoder.", "decoder.")])  # fmt: skip
def test_what_the_transformer_relies_upon_stays_as_it_was(
    project: Path, model_folder: Path, tmp_path: Path, stage: str, kept: str, learnt: str
) -> None:
    """So the transformer of a model that was taken up fits what is trained beside it."""
    common = ["--preset", "test", "--art", str(project / "art"), "--device", "cpu", "--precision", "fp32",
              "--runs", str(tmp_path)]  # fmt: skip
    assert main(["unbundle", str(model_folder), *common]) == 0
    assert main(["transformer", *common, "--until", "6"]) == 0
    assert main([stage, *common]) == 0
    before = load_file(model_folder / f"{stage}.safetensors")
    workshop = Workshop(preset("test"), project / "art", tmp_path, torch.device("cpu"))
    after = workshop.trained(stage).state_dict()
    changed = {name for name in before if not torch.equal(after[name], before[name].float())}
    assert not [name for name in changed if name.startswith(kept)]
    assert [name for name in changed if name.startswith(learnt)]
    assert main(["bundle", *common, "--out", str(tmp_path / "out")]) == 0


def test_what_is_not_trained_on_stays_as_it_was(project: Path, model_folder: Path, tmp_path: Path) -> None:
    """A model that was taken up can be bundled again at once, and where CLIP alone learned on."""
    common = ["--preset", "test", "--art", str(project / "art"), "--device", "cpu", "--precision", "fp32",
              "--runs", str(tmp_path)]  # fmt: skip
    (copy := shutil.copytree(model_folder, tmp_path / "model") / "curves.png").write_bytes(b"as they were")
    assert main(["unbundle", str(copy.parent), *common]) == 0
    assert main(["bundle", *common, "--out", str(tmp_path / "again")]) == 0
    again = tmp_path / "again" / "my-test"
    configs = [json.loads((folder / "config.json").read_text()) for folder in (model_folder, again)]
    assert configs[1]["files"] == configs[0]["files"]
    kept = ("dvae", "clip", "decoder", "transformer")
    assert configs[1]["training"] == {name: configs[0]["training"][name] for name in kept}
    assert (again / "curves.png").read_bytes() == b"as they were"
    assert main(["clip", *common]) == 0
    assert main(["bundle", *common, "--out", str(tmp_path / "later")]) == 0
    later = json.loads((tmp_path / "later" / "my-test" / "config.json").read_text())
    changed = {name for name, sha in later["files"].items() if sha != configs[0]["files"][name]}
    assert changed == {"clip.safetensors", "prototypes.safetensors"}
    assert (tmp_path / "later" / "my-test" / "curves.png").read_bytes() != b"as they were"


def test_a_model_that_was_not_told_phrases_learns_to_be(project: Path, tmp_path: Path) -> None:
    """It begins by taking what stands in a place as it takes what the whole text says."""
    common = ["--preset", "test", "--art", str(project / "art"), "--device", "cpu", "--precision", "fp32"]
    made = [*common, "--runs", str(tmp_path / "a"), "--set", "transformer.phrases=false"]
    for stage in ("text", "dvae", "clip", "transformer"):
        assert main([stage, *made]) == 0
    assert main(["bundle", *made, "--out", str(tmp_path)]) == 0
    model = load_bundled(tmp_path / "my-test", torch.device("cpu"))
    assert model.transformer.phrase is None
    assert model.encode_prompts(["two red discs"]).value.phrases is None
    assert main(["unbundle", str(tmp_path / "my-test"), *common, "--runs", str(tmp_path / "b")]) == 0
    weights = torch.load(tmp_path / "b" / "test" / "transformer" / "start.pt", weights_only=True)
    assert torch.equal(weights["phrase.weight"], weights["sentence.weight"])
    assert main(["transformer", *common, "--runs", str(tmp_path / "b"), "--until", "2"]) == 0


def test_a_model_is_not_taken_up_over_other_runs(
    project: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--preset", "test", "--art", str(project / "art"), "--runs", str(project / "runs")]
    assert main(["unbundle", str(model_folder), *common]) == 1
    assert "already holds runs" in capsys.readouterr().err


def test_a_model_of_another_shape_leaves_no_runs_behind(
    project: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--preset", "test", "--art", str(project / "art"), "--runs", str(tmp_path / "runs")]
    wider = ["--set", "transformer.width=64"]
    assert main(["unbundle", str(model_folder), *common, *wider]) == 1
    assert "my-test's transformer is" in capsys.readouterr().err
    assert main(["unbundle", str(model_folder), *common, "--art", str(tmp_path / "none")]) == 1
    assert "No art in" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    assert main(["unbundle", str(model_folder), *common]) == 0


def test_a_model_of_ones_own_art_says_so(model_folder: Path) -> None:
    """It neither takes the bundled model's name nor speaks of its art and licence."""
    spec = json.loads((model_folder / "config.json").read_text())["spec"]
    card = (model_folder / "MODEL_CARD.md").read_text()
    assert (spec["name"], spec["licence"]) == ("my-test", "its author's to say")
    assert "19 pictures" in card
    assert "iconify" not in card
    assert "Apache" not in card


def test_a_sheet_that_there_is_not_is_refused(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--preset", "test", "--art", str(project / "art"), "--runs", str(project / "runs")]
    assert main(["sheet", *common, "--out", str(tmp_path / "new"), "--only", "samples", "faces"]) == 1
    assert "no sheet 'faces'; expected some of reconstructions, samples" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_bundle_s_name_stays_in_its_folder(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--preset", "test", "--art", str(project / "art"), "--runs", str(project / "runs")]
    assert main(["bundle", *common, "--out", str(project / "models"), "--name", "../elsewhere"]) == 1
    assert "the name is '../elsewhere'" in capsys.readouterr().err


def test_bf16_training_stays_near_fp32(workshop: Workshop, tmp_path: Path) -> None:
    schedule = replace(workshop.preset.schedules.transformer, steps=8, evaluate_every=8)
    losses = []
    for precision in ("fp32", "bf16"):
        run = Run(tmp_path / precision, workshop.objective("transformer"), schedule, torch.device("cpu"), precision)
        losses.append(run.train().best_loss)
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert losses[0] != losses[1]


def test_a_veiled_picture_shows_few_tokens_and_any_other_all(workshop: Workshop) -> None:
    objective = workshop.objective("transformer")
    assert isinstance(objective, TransformerObjective)

    def shares(veiled: float) -> np.ndarray:
        objective.stream.mixture = replace(workshop.preset.mixture, veiled=veiled)
        return np.array([objective._shown(np.random.default_rng(seed)).mean() for seed in range(200)])

    assert (shares(0) == 1).all()
    assert shares(1).mean() == pytest.approx(1 / 3, abs=0.08)  # the mean of a squared uniform number
    assert 0.4 < (shares(0.5) == 1).mean() < 0.6
