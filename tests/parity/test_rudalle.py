"""ruDALL-E against the packages `rudalle` and `youtokentome`, whose answers `record_rudalle.py` stored in data/."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dalle_core.config import MalevichConfig
from dalle_core.errors import CheckpointError
from dalle_core.families.base import Sampling
from dalle_core.families.convert import RUDALLE, main
from dalle_core.families.convert_rudalle import (
    GUMBEL_F8,
    VQ_NAMES,
    PublishedRudalle,
    convert_rudalle,
    published_files,
)
from dalle_core.families.registry import load_model, read_spec
from dalle_core.families.rudalle import RudalleModel, build_networks, load_rudalle
from dalle_core.families.rudalle_text import RudalleTokenizer, read_youtokentome
from dalle_core.generate import Finished, GenerationRequest, generate
from dalle_core.malevich import Malevich, build_mask, mask_of_layer
from dalle_core.vqgan import VQGAN
from tests.parity.prompts import PROMPTS
from tests.parity.rudalle_tiny import GUMBEL, MALEVICH, PROMPT, example_image, example_tokens, seeded_state

DATA = Path(__file__).parent / "data"
CPU = torch.device("cpu")
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def recorded() -> dict[str, Tensor]:
    return load_file(DATA / "rudalle.safetensors")


def shapes(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def published_name(name: str) -> str:
    for theirs, ours in VQ_NAMES.items():
        name = name.replace(ours, theirs, 1) if name.startswith(ours) else name
    return name


def training_class() -> type:
    """A class by the name under which training checkpoints mention one of their trainer's."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    for part in ("pytorch_lightning", "pytorch_lightning.callbacks", name):
        sys.modules[part] = ModuleType(part)
    found = type("ModelCheckpoint", (), {"__module__": name})
    sys.modules[name].ModelCheckpoint = found  # type: ignore[attr-defined]
    return found


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> PublishedRudalle:
    """Files as the hub has them: half-precision weights without masks, a training checkpoint, the BPE's own text."""
    folder = tmp_path_factory.mktemp("published")
    torch.save(seeded_state(shapes(Malevich(MALEVICH))), folder / "pytorch_model_v3.bin")
    vqgan = seeded_state({published_name(name): shape for name, shape in shapes(VQGAN(GUMBEL)).items()})
    training = {"epoch": 4, "callbacks": {training_class(): {"best": 0.1}}}
    torch.save({"state_dict": vqgan | {"loss.discriminator.weight": torch.ones(3)}, **training}, folder / "vqgan.ckpt")
    for part in [part for part in sys.modules if part.partition(".")[0] == "pytorch_lightning"]:
        del sys.modules[part]
    shutil.copy(DATA / "bpe.model", folder / "bpe.model")
    return PublishedRudalle(folder / "pytorch_model_v3.bin", folder / "vqgan.ckpt", folder / "bpe.model", "v3")


def convert(source: PublishedRudalle, folder: Path) -> Path:
    convert_rudalle(source, folder, MALEVICH, GUMBEL)
    return folder


@pytest.fixture(scope="module")
def folder(published: PublishedRudalle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert(published, tmp_path_factory.mktemp("models") / "tiny-rudalle")


@pytest.fixture(scope="module")
def model(folder: Path) -> RudalleModel:
    return load_rudalle(folder, CPU, torch.float32)


def finish(model: RudalleModel, request: GenerationRequest) -> Finished:
    *_, last = generate(model, request)
    assert isinstance(last, Finished)
    return last


def test_two_hundred_prompts_become_the_same_ids() -> None:
    tokenizer = RudalleTokenizer(read_youtokentome(DATA / "bpe.model"), 2000)
    expected = json.loads((DATA / "bpe.json").read_text())
    assert len(set(PROMPTS)) == len(expected) == 200
    assert any(1 in ids for ids in expected), "no prompt holds an unknown character"
    for prompt, ids in zip(PROMPTS, expected, strict=True):
        row, cut = tokenizer.encode(prompt)
        assert row[: len(ids) + 3] == [2, *ids, 3, 0], prompt
        assert not cut


@pytest.mark.parametrize("layout", ["v2", "v3"])
@pytest.mark.parametrize("given", [0, 28, 182])
def test_logits_are_those_of_the_reference(
    recorded: dict[str, Tensor], model: RudalleModel, layout: str, given: int
) -> None:
    """Step by step from a cache, against its whole stream at once."""
    network = Malevich(replace(MALEVICH, layout=layout)).eval()
    network.load_state_dict(seeded_state(shapes(network)))
    text = model.encode_prompts([PROMPT]).value
    tokens, expected = example_tokens()[0], recorded[f"logits.{layout}"]
    with torch.inference_mode():
        assert (network.forced_logits(text, tokens[None])[0] - expected).abs().max() < TOLERANCE
        cache, logits = network.prefill(text.repeat(2, 1), tokens[:given].expand(2, -1))
        for position in range(given, MALEVICH.grid**2):
            assert (logits - expected[position]).abs().max() < TOLERANCE
            if position + 1 < MALEVICH.grid**2:
                logits = network.next_logits(cache, tokens[position].expand(2))
    assert (recorded["logits.v2"] - recorded["logits.v3"]).abs().max() > 100 * TOLERANCE


def test_the_likeliest_token_is_that_of_the_reference(recorded: dict[str, Tensor], model: RudalleModel) -> None:
    """Kept rows as the reference was given them; the token behind them as its logits say."""
    expected = recorded["logits.v3"]
    for kept in (140, 182):
        prefix = tuple(example_tokens()[0, :kept].tolist())
        request = GenerationRequest(
            PROMPT, count=2, keep=1, temperature=0, guidance_scale=1, prefix_tokens=prefix, batch_width=2
        )
        for candidate in finish(model, request).candidates:
            assert tuple(candidate.tokens[:kept].tolist()) == prefix
            assert int(candidate.tokens[kept]) == int(expected[kept].argmax())


def test_pictures_are_those_of_the_reference(recorded: dict[str, Tensor], model: RudalleModel) -> None:
    images = model.tokens_to_images(example_tokens(), 196)
    assert (images - recorded["pixels"]).abs().max() < 1e-3
    assert torch.equal(model.image_to_tokens(example_image()), recorded["tokens"])
    assert len(recorded["tokens"].unique()) > 4


def test_masks_by_their_definition() -> None:
    """Place by place on a small grid: 3 places of text, 12 × 12 tokens."""
    for layout in ("v2", "v3"):
        config = MalevichConfig(layout=layout, text_length=3, grid=12, layers=4)
        masks = {kind: build_mask(kind, config) for kind in ("row", "column", "convolution")}
        size = config.length
        for query in range(size):
            for key in range(0, size, 5):
                found = {kind: bool(mask[query, key]) for kind, mask in masks.items()}
                if key > query or key < 3:
                    assert set(found.values()) == {key <= query}
                    continue
                (row, column), (r, c) = divmod(query - 3, 12), divmod(key - 3, 12)
                across, down = abs(column - c), abs(row - r)
                if layout == "v2":
                    row, down = row % 12, min(abs(row % 12 - r), 12 - abs(row % 12 - r))
                    across = min(across, 12 - across)
                near = down <= 5 and across <= 5
                expected = {"row": query - key <= 12, "column": (query - key) % 12 == 0, "convolution": near}
                assert found == expected, (layout, query, key)
    assert [mask_of_layer(layer, 24) for layer in (0, 1, 2, 5, 21, 23)] == [
        "row", "column", "row", "column", "column", "convolution",
    ]  # fmt: skip


def test_a_preview_is_white_below_the_painted_rows(model: RudalleModel) -> None:
    tokens = example_tokens()
    preview = model.tokens_to_images(tokens, 28)
    assert preview.shape == (1, 3, 112, 112)
    assert bool((preview[:, :, 16:] == 1).all())
    assert torch.equal(preview, model.tokens_to_images(torch.where(torch.arange(196) < 28, tokens, 0), 28))


def test_guidance_and_seeds(model: RudalleModel) -> None:
    """Of the last two rows, in two batches."""
    given = tuple(example_tokens()[0, :168].tolist())
    request = GenerationRequest(
        PROMPT, "синий", count=3, keep=1, seed=5, temperature=1, batch_width=2, prefix_tokens=given
    )
    first, again = finish(model, request), finish(model, request)
    assert [c.tokens.tolist() for c in first.candidates] == [c.tokens.tolist() for c in again.candidates]
    assert len({tuple(candidate.tokens.tolist()) for candidate in first.candidates}) == 3


def test_a_prompt_that_is_cut_or_not_russian_is_said(model: RudalleModel) -> None:
    conditioning = model.encode_prompts(["кот " * 60 + "конец"])
    row = conditioning.value[0].tolist()
    assert len(row) == 24
    assert 3 in row
    assert conditioning.notes[0].startswith("The prompt is longer than the model reads (22 tokens).")
    assert conditioning.notes[0].endswith("конец”")
    assert model.encode_prompts(["red cat", ""]).notes == (
        "tiny-rudalle reads Russian; a prompt in another language says little to it.",
    )
    assert model.encode_prompts(["рыжий кот", ""]).notes == ()


def test_the_folder_says_what_the_model_is(folder: Path) -> None:
    spec = read_spec(folder)
    assert (spec.family, spec.image_size, spec.rows, spec.codebook_size, spec.languages) == (
        "rudalle", 112, 14, 32, ("ru",),
    )  # fmt: skip
    assert spec == load_model(folder, CPU).spec


def test_with_low_memory_it_computes_in_16_bits(folder: Path) -> None:
    model = load_model(folder, CPU, low_memory=True)
    assert isinstance(model, RudalleModel)
    assert {parameter.dtype for parameter in model.transformer.parameters()} == {torch.bfloat16}
    assert {parameter.dtype for parameter in model.vqgan.parameters()} == {torch.float32}
    assert model.spec.sampling == Sampling(temperature=1, top_k=2048, top_p=0.995)


def test_the_layout_is_told_by_the_masks_or_asked_for(published: PublishedRudalle, tmp_path: Path) -> None:
    state = torch.load(published.transformer, weights_only=True)
    size = MALEVICH.text_length + MALEVICH.grid**2
    for layout in ("v2", "v3"):
        kinds = {"row_mask": "row", "col_mask": "column", "conv_mask": "convolution"}
        masks = {
            f"transformer.{name}": build_mask(kind, replace(MALEVICH, layout=layout))[:size, :size].float()
            for name, kind in kinds.items()
        }
        torch.save(state | masks, tmp_path / "told.bin")
        told = replace(published, transformer=tmp_path / "told.bin", layout=None)
        convert(told, tmp_path / layout)
        assert json.loads((tmp_path / layout / "config.json").read_text())["transformer"]["layout"] == layout
        other = "v3" if layout == "v2" else "v2"
        with pytest.raises(CheckpointError, match=f"masks are those of {layout}, not of {other}"):
            convert(replace(told, layout=other), tmp_path / "never")
    masks["transformer.row_mask"] = 1 - masks["transformer.row_mask"]
    torch.save(state | masks, tmp_path / "told.bin")
    with pytest.raises(CheckpointError, match="masks are those of no known layout"):
        convert(told, tmp_path / "never")
    with pytest.raises(CheckpointError, match="say which"):
        convert(replace(published, layout=None), tmp_path / "never")


class Bomb:
    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return (print, ("boom",))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def bomb(path: Path) -> None:
    torch.save({"to_logits.0.weight": Bomb()}, path)


def drop(path: Path) -> None:
    state = torch.load(path, weights_only=True)
    del state["to_logits.0.bias"]
    torch.save(state | {"extra": torch.ones(1)}, path)


def reshape(path: Path) -> None:
    state = torch.load(path, weights_only=True)
    torch.save(state | {"to_logits.0.bias": torch.ones(3)}, path)


@pytest.mark.parametrize(
    ("part", "damage", "message"),
    [
        ("transformer", cut, "pytorch_model_v3.bin: not a PyTorch file"),
        ("transformer", bomb, "refused, since loading it would run code"),
        ("transformer", drop, r"missing tensors \['to_logits.0.bias'\], unexpected tensors \['extra'\]"),
        ("transformer", reshape, r"to_logits.0.bias is \(3,\), expected \(16,\)"),
        ("transformer", Path.unlink, "missing file"),
        ("vqgan", cut, "vqgan.ckpt: not a PyTorch file"),
        ("vqgan", lambda path: torch.save({"state_dict": {"a": 3}}, path), "expected names and tensors"),
        ("bpe", cut, "bpe.model: its first line does not tell how many lines follow|expected 3 numbers"),
        ("bpe", lambda path: path.write_text("not numbers\n"), "expected lines of numbers only"),
        ("bpe", lambda path: path.write_bytes(b"\xff\xfe"), "expected the plain text of a youtokentome model"),
        ("bpe", lambda path: path.write_text("1 1\n9601 4\n4 9 10\n1 0 2 3\n"), "the merge 4 9 10 does not follow"),
        ("bpe", lambda path: path.write_text("1 0\n9601 4\n3 2 1 0\n"), "expected special tokens 1, 0, 2 and 3"),
        ("bpe", lambda path: path.write_text("2 0\n9601 4\n97 4\n1 0 2 3\n"), "the same spelling or the same number"),
        ("bpe", lambda path: path.write_text("2 0\n9601 4\n97 900\n1 0 2 3\n"), "no id from 400 on"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_left(
    published: PublishedRudalle, tmp_path: Path, part: str, damage: Callable[[Path], object], message: str
) -> None:
    paths = {name: Path(shutil.copy(getattr(published, name), tmp_path)) for name in ("transformer", "vqgan", "bpe")}
    damage(paths[part])
    with pytest.raises(CheckpointError, match=message):
        convert(PublishedRudalle(**paths, layout="v3"), tmp_path / "model")
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


@pytest.mark.parametrize("kind", RUDALLE)
def test_the_command_names_the_file_that_is_missing(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "files").mkdir()
    assert main([kind, str(tmp_path / "files"), str(tmp_path / "model")]) == 1
    assert "missing file" in capsys.readouterr().err
    shutil.copy(DATA / "bpe.model", tmp_path / "files")
    assert main([kind, str(tmp_path / "files"), str(tmp_path / "model")]) == 1
    assert published_files(kind, tmp_path / "files").transformer.name in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["files"]


def test_the_true_shapes() -> None:
    """On the meta device: 1.3 billion parameters, as published."""
    settings = {"transformer": MalevichConfig().to_dict(), "vqgan": GUMBEL_F8.to_dict()}
    transformer, vqgan = build_networks(settings)
    assert sum(parameter.numel() for parameter in transformer.parameters()) == 1_310_410_880
    assert sum(parameter.numel() for parameter in vqgan.parameters()) == 68_995_971
