"""Public rerankers against `transformers` itself: tiny ones with random weights, saved as the published ones are."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor

from dalle_core.errors import CheckpointError
from dalle_core.families.base import Reranker
from dalle_core.families.rerankers import load_reranker
from tests.parity.prompts import PROMPTS

transformers = pytest.importorskip("transformers", reason="pip install -r requirements-models.txt")

CPU = torch.device("cpu")
TOLERANCE = 1e-5
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


MARKS = {"clip": ("<|startoftext|>", "<|endoftext|>"), "siglip": ("<pad>", "<eos>")}


def tiny_tokenizer(kind: str) -> Tokenizer:
    """Marks around the text, as the published files add them."""
    library = Tokenizer(models.BPE())
    library.normalizer = normalizers.Lowercase()
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    first, last = MARKS[kind]
    marks = ["<pad>", "<unk>", "<other>", *(mark for mark in (first, last) if mark != "<pad>")]
    trainer = trainers.BpeTrainer(
        vocab_size=400, show_progress=False, special_tokens=marks,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    library.train_from_iterator(PROMPTS, trainer)
    library.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}" if kind == "clip" else f"$A {last}",
        special_tokens=[(mark, library.token_to_id(mark)) for mark in (first, last)],
    )
    return library


def publish(kind: str, folder: Path) -> Any:
    """A folder such as the hub has; returns the reference on the same weights."""
    torch.manual_seed(0)
    library = tiny_tokenizer(kind)
    vision = {**TOWER, "image_size": 32, "patch_size": 8}
    text: dict[str, Any] = {**TOWER, "vocab_size": library.get_vocab_size(), "max_position_embeddings": 24}
    text |= {"eos_token_id": library.token_to_id(MARKS[kind][1]), "bos_token_id": 1, "pad_token_id": 0}
    if kind == "clip":
        model = transformers.CLIPModel(
            transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
        )
    else:
        text["projection_size"] = 32
        model = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision))
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    model.save_pretrained(folder)
    library.save(str(folder / "tokenizer.json"))
    return model.eval()


def reference_scores(kind: str, model: Any, folder: Path, images: Tensor, text: str) -> Tensor:
    """The library's own tokenizer class, image processor and forward pass."""
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), pad_token="<pad>")
    padding = {"padding": "max_length", "max_length": 24} if kind == "siglip" else {}
    ids = tokenizer([text.lower()], return_tensors="pt", truncation=False, **padding).input_ids
    assert ids.shape[1] <= 24
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3} if kind == "siglip" else {}
    processor = transformers.CLIPImageProcessor(
        size={"height": 32, "width": 32}, do_center_crop=False, do_rescale=False, **half
    )
    pixels = processor(images=list(images), return_tensors="pt").pixel_values
    with torch.inference_mode():
        output = model(input_ids=ids, pixel_values=pixels)
    scores: Tensor = (output.image_embeds @ output.text_embeds.T)[:, 0]
    return scores


@pytest.fixture(scope="module", params=["clip", "siglip"])
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any, Path]:
    folder = tmp_path_factory.mktemp("rerankers")
    return request.param, publish(request.param, folder / request.param), folder


def test_scores_are_those_of_the_library(published: tuple[str, Any, Path]) -> None:
    kind, model, folder = published
    reranker: Reranker = load_reranker(kind, folder, CPU)
    images = torch.rand(18, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    for text in ("Red cat", "猫", "a fox on a hill"):
        expected = reference_scores(kind, model, folder / kind, images, text)
        assert (reranker.score(images, text) - expected).abs().max() < TOLERANCE
        assert expected.std() > 100 * TOLERANCE
    assert torch.equal(reranker.score(images, "red cat"), reranker.score(images, f"red{MARKS[kind][1]}cat"))
    assert (reranker.name, reranker.percentile(0.3), reranker.notes("red")) == (kind, None, ())


def test_pictures_of_another_size_are_resized_as_the_library_does(published: tuple[str, Any, Path]) -> None:
    kind, model, folder = published
    coarse = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(2))
    images = torch.nn.functional.interpolate(coarse, size=48, mode="bilinear")
    found = load_reranker(kind, folder, CPU).score(images, "red cat")
    assert (found - reference_scores(kind, model, folder / kind, images, "red cat")).abs().max() < 1e-3


def test_a_picture_is_most_like_itself(published: tuple[str, Any, Path]) -> None:
    kind, _, folder = published
    images = torch.rand(3, 3, 48, 48, generator=torch.Generator().manual_seed(3))
    likeness = load_reranker(kind, folder, CPU).likeness(images, images[1])
    assert likeness.argmax() == 1
    assert abs(float(likeness[1]) - 1) < TOLERANCE


def test_an_over_long_text_is_cut_and_said(published: tuple[str, Any, Path]) -> None:
    kind, _, folder = published
    reranker = load_reranker(kind, folder, CPU)
    text = "red cat, " * 30 + "end"
    (note,) = reranker.notes(text)
    assert note.startswith(f"{kind} ranks by the first 24 tokens of the text. Left out: “")
    assert note.endswith("end”")
    images = torch.rand(2, 3, 32, 32)
    kept = text[: len(text) - len(note.partition("“")[2]) + 1].rstrip()
    assert torch.equal(reranker.score(images, text), reranker.score(images, kept))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "The reranker nothing is not on this machine"),
        ("clip-vit-base-patch32", r"openai/clip-vit-base-patch32 is not in the hub's cache"),
        ("../../etc", "names no reranker|is not on this machine"),
    ],
)
def test_what_is_not_here_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match=message):
        load_reranker(name, tmp_path / "rerankers", CPU)


class Bomb:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (print, ("boom",))


def test_older_weight_files_are_read_and_never_run(published: tuple[str, Any, Path], tmp_path: Path) -> None:
    kind, model, folder = published
    copy = Path(shutil.copytree(folder / kind, tmp_path / kind))
    (copy / "model.safetensors").unlink()
    torch.save(model.state_dict(), copy / "pytorch_model.bin")
    images = torch.rand(2, 3, 32, 32)
    expected = load_reranker(kind, folder, CPU).score(images, "red cat")
    assert (load_reranker(kind, tmp_path, CPU).score(images, "red cat") - expected).abs().max() < TOLERANCE
    torch.save({**model.state_dict(), "more": Bomb()}, copy / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_reranker(kind, tmp_path, CPU)


def test_a_damaged_folder_is_refused(published: tuple[str, Any, Path], tmp_path: Path) -> None:
    kind, model, _ = published
    folder = tmp_path / "r"
    publish(kind, folder / "whole")
    weights = folder / "whole" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="whole: cannot be loaded"):
        load_reranker("whole", folder, CPU)
    weights.write_bytes(content)
    (folder / "whole" / "config.json").write_text(json.dumps({**model.config.to_dict(), "model_type": "bert"}))
    with pytest.raises(CheckpointError, match="expected a model of type clip or siglip"):
        load_reranker("whole", folder, CPU)


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dalle_core.families.optional.find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match=r"pip install -r requirements-models\.txt"):
        load_reranker("clip-vit-base-patch32", tmp_path, CPU)
