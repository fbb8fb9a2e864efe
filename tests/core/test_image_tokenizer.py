"""A transformer on the tokens of a published image tokenizer: trained, bundled, painting, and clear refusals."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from dalle_core.checkpoints import sha256_of
from dalle_core.config import OpenAIDVAEConfig
from dalle_core.errors import CheckpointError, TrainingError
from dalle_core.families.memory import memory_needs
from dalle_core.families.openai_dvae import load_openai_dvae
from dalle_core.families.registry import load_model, read_spec
from dalle_core.generate import Finished, GenerationRequest, Preview, generate
from dalle_core.training.__main__ import main
from dalle_core.training.presets import PRESETS, preset
from tests.core.published import TINY_DVAE, write_openai_dvae

CPU = torch.device("cpu")
LEVELS = ["--set", "transformer.levels=20"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_openai_dvae(tmp_path_factory.mktemp("published") / "openai-dvae")


@pytest.fixture(scope="module")
def runs(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a transformer needs beside its tokens: a vocabulary and the CLIP that reads sentences to it."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(project / "runs" / "test" / "clip", folder / "test" / "clip")
    shutil.copy(project / "runs" / "test" / "tokenizer.json", folder / "test")
    return folder


@pytest.fixture(scope="module")
def common(project: Path, runs: Path, tokenizer: Path) -> list[str]:
    return ["--preset", "test", "--art", str(project / "art"), "--runs", str(runs), "--device", "cpu",
            "--image-tokenizer", str(tokenizer), *LEVELS]  # fmt: skip


@pytest.fixture(scope="module")
def folder(common: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that the commands make."""
    models = tmp_path_factory.mktemp("models")
    assert main(["transformer", *common]) == 0
    assert main(["bundle", *common, "--out", str(models)]) == 0
    return models / "my-test"


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def finish(folder: Path, request: GenerationRequest) -> Finished:
    *_, last = generate(load_model(folder, CPU), request, None)
    assert isinstance(last, Finished)
    return last


def test_the_model_stands_by_itself(folder: Path, tokenizer: Path) -> None:
    """With the published weights bit for bit, what they are and under which licence."""
    assert sha256_of(folder / "dvae.safetensors") == sha256_of(tokenizer / "dvae.safetensors")
    spec = read_spec(folder)
    assert (spec.rows, spec.cols, spec.levels) == (4, 4, (20,))
    assert spec.licence == "its author's to say; the dVAE: Modified MIT"
    assert json.loads((folder / "config.json").read_text())["image_tokenizer"] == {
        "family": "openai-dvae",
        "name": "openai-dvae",
    }
    assert (
        "it is openai-dvae, by OpenAI, as it was published, under [Modified MIT](https"
        in (folder / "MODEL_CARD.md").read_text()
    )
    weights = sum(parameter.numel() for parameter in load_openai_dvae(tokenizer, CPU).dvae.parameters())
    assert memory_needs(folder, "cuda").parameters > weights


def test_it_paints_completes_and_varies_in_the_published_tokens(folder: Path, tokenizer: Path) -> None:
    model, published = load_model(folder, CPU), load_openai_dvae(tokenizer, CPU)
    images = torch.rand(2, 3, 32, 32)
    tokens = model.image_to_tokens(images)
    assert torch.equal(tokens, published.image_to_tokens(images))
    assert torch.equal(model.tokens_to_images(tokens, 16), published.tokens_to_images(tokens, 16))
    events = list(generate(model, GenerationRequest("red disc", count=3, keep=1, seed=4, guidance_scale=2), None))
    assert [event.row for event in events if isinstance(event, Preview)] == [1, 2, 3]
    painted = events[-1]
    assert isinstance(painted, Finished)
    for each in painted.candidates:
        torch.testing.assert_close(each.image, published.tokens_to_images(each.tokens[None], 16)[0])
    kept = tuple(tokens[0, :8].tolist())
    completed = finish(folder, GenerationRequest("red disc", count=2, keep=1, prefix_tokens=kept))
    assert all(tuple(each.tokens[:8].tolist()) == kept for each in completed.candidates)
    source = tuple(tokens[0].tolist())
    near, far = (
        finish(folder, GenerationRequest("red disc", count=8, keep=1, source_tokens=source, strength=strength))
        for strength in (0.1, 1.0)
    )
    same = [sum(int((each.tokens == tokens[0]).sum()) for each in made.candidates) for made in (near, far)]
    assert same[0] > same[1]


def test_a_preview_shows_the_rows_there_are(folder: Path) -> None:
    model = load_model(folder, CPU)
    tokens = model.image_to_tokens(torch.rand(1, 3, 32, 32))
    preview = model.tokens_to_images(tokens, 8)
    assert preview.shape == (1, 3, 32, 32)
    assert not bool((preview[:, :, :16] == 1).all())
    assert bool((preview[:, :, 24:] == 1).all())


def test_it_is_measured_and_taken_up_again(
    folder: Path, common: list[str], project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [each if each != common[5] else str(tmp_path / "runs") for each in common]
    assert main(["unbundle", str(folder), *others]) == 0
    for stage in ("judge", "grader"):
        shutil.copytree(project / "runs" / "test" / stage, tmp_path / "runs" / "test" / stage)
    assert main(["transformer", *others, "--until", "2"]) == 0
    extent = ["--prompts", "2", "--pictures", "2", "--candidates", "2"]
    assert main(["evaluate", *others, *extent, "--model", str(folder)]) == 0
    assert "reconstruction PSNR, whole picture" in capsys.readouterr().out
    another = write_openai_dvae(tmp_path / "other-dvae", seed=1)
    others = [each if each != common[9] else str(another) for each in others]
    assert main(["transformer", *others, "--until", "4"]) == 1
    assert "was trained on another dvae than there is now" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "runs")
    assert main(["unbundle", str(folder), *others]) == 1
    assert "my-test was trained on another image tokenizer's tokens than other-dvae's" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_what_cannot_be_trained_says_so(
    common: list[str], model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: str) -> str:
        assert main(list(arguments)) == 1
        return capsys.readouterr().err

    assert "the dvae is published and taken as it is" in refused("dvae", *common)
    without = [each for each in common if each not in LEVELS]
    assert refused("transformer", *without) == (
        "error: the image tokenizer turns 32 px into 4 × 4 tokens of 20 codes, and the networks of 'test' are made "
        "for others; add --set transformer.levels=20\n"
    )
    elsewhere = ["--art", common[3], "--runs", common[5]]
    assert "is of the family 'bundled'; expected an image tokenizer, 'openai-dvae'" in refused(
        "transformer", *elsewhere, "--image-tokenizer", str(model_folder)
    )
    assert f"no model folder at {tmp_path / 'none'}" in refused(
        "transformer", *elsewhere, "--image-tokenizer", str(tmp_path / "none")
    )


def test_the_preset_for_the_published_one_fits_it(capsys: pytest.CaptureFixture[str], common: list[str]) -> None:
    published = OpenAIDVAEConfig()
    assert preset("emblem-256", published=published) == PRESETS["emblem-256"]
    with pytest.raises(TrainingError, match=r"take --preset emblem-256, or add --set transformer\.rows=32 --set"):
        preset("emblem-128", published=published)
    with pytest.raises(TrainingError, match=r"made for others; add --set transformer\.rows=4 --set"):
        preset("emblem-64", published=TINY_DVAE)
    Path(common[5], "emblem-256").mkdir()
    shutil.copy(Path(common[5], "test", "tokenizer.json"), Path(common[5], "emblem-256"))
    sentence = ["--set", "transformer.sentence=0", "--set", "transformer.phrases=false"]
    assert main(["transformer", *common[2:8], "--preset", "emblem-256", *sentence]) == 1
    assert "say where its folder is, with --image-tokenizer FOLDER" in capsys.readouterr().err


def test_a_damaged_or_unknown_tokenizer_is_refused(copy: Path) -> None:
    weights, config = copy / "dvae.safetensors", copy / "config.json"
    whole, described = weights.read_bytes(), json.loads(config.read_text())
    weights.write_bytes(whole[:-1])
    with pytest.raises(CheckpointError, match=r"dvae\.safetensors is corrupt or another file"):
        load_model(copy, CPU)
    weights.write_bytes(whole)
    for field, value, message in [
        ("image_tokenizer", {"family": "gan"}, "its image tokenizer is of the family 'gan'; expected 'openai-dvae'"),
        ("image_tokenizer", "gan", "family None"),
        ("dvae", {**described["dvae"], "codebook_size": 21}, r"dvae\.safetensors: .* expected"),
        ("dvae", {"patch": 4}, "unknown fields"),
        ("transformer", {**described["transformer"], "levels": [5, 4]}, "expected|missing"),
    ]:
        config.write_text(json.dumps({**described, field: value}))
        with pytest.raises(CheckpointError, match=message):
            load_model(copy, CPU)
