"""DALL·E mini as an ImageModel: converted whole or not at all, painting like any family, refusing what is not it."""

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dalle_core.bart import ImageDecoder, TextEncoder
from dalle_core.errors import CheckpointError, RequestError
from dalle_core.families.base import Sampling
from dalle_core.families.convert import convert, main
from dalle_core.families.convert_dalle_mini import PUBLISHED, convert_dalle_mini, from_flax
from dalle_core.families.dalle_mini import (
    DECODER,
    ENCODER,
    VQGAN_FILE,
    DalleMiniModel,
    NetworksInTurn,
    load_dalle_mini,
)
from dalle_core.families.memory import memory_needs
from dalle_core.families.registry import load_model, load_tokenizer, read_spec
from dalle_core.generate import Finished, GenerationRequest, Preview, Started, generate
from tests.core.published import (
    TINY,
    TINY_BART,
    TINY_VQGAN,
    without_weights,
    write_openai_dvae,
    write_published,
    write_vocabulary,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    write_published(folder, TINY)
    return folder


@pytest.fixture(scope="module")
def folder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("models") / "tiny"
    convert_dalle_mini(source, target, TINY)
    return target


@pytest.fixture(scope="module")
def model(folder: Path) -> DalleMiniModel:
    return load_dalle_mini(folder, CPU)


@pytest.fixture
def copy(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source, tmp_path / "copy"))


def finish(model: DalleMiniModel, request: GenerationRequest) -> Finished:
    *_, last = generate(model, request)
    assert isinstance(last, Finished)
    return last


def test_the_spec_is_read_without_the_weights(folder: Path, model: DalleMiniModel) -> None:
    spec = read_spec(folder)
    assert spec == model.spec
    assert (spec.name, spec.family, spec.rows, spec.levels, spec.can_encode) == ("tiny", "dalle-mini", 4, (64,), True)


def test_a_card_says_what_it_is(folder: Path) -> None:
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.startswith("# tiny\n\nTiny: pictures of 32 px from prompts in English, by 4 × 4 tokens of 64 codes.")
    assert "It takes pictures of your own." in card
    assert "guidance of 16" in card


def test_the_registry_loads_it(folder: Path) -> None:
    assert isinstance(load_model(folder, CPU), DalleMiniModel)
    assert isinstance(load_tokenizer(folder, CPU), DalleMiniModel)


def test_the_same_seed_paints_the_same_picture(model: DalleMiniModel) -> None:
    request = GenerationRequest("a red cat", count=5, keep=1, batch_width=3, seed=11, guidance_scale=4, temperature=1)
    first, again = finish(model, request), finish(model, request)
    assert all(torch.equal(a.tokens, b.tokens) for a, b in zip(first.candidates, again.candidates, strict=True))
    alone = finish(model, replace(request, count=1, seed=13, slot=2)).candidates[0]
    assert torch.equal(alone.image, first.candidates[2].image)


def test_pictures_beside_each_other_do_not_mix(model: DalleMiniModel) -> None:
    """All rows share one text's keys and values; each has its own past."""
    conditioning, tokens = model.encode_prompts(["a red cat", ""]), torch.randint(0, 64, (3, 4))
    state, together = model.prefill(conditioning, tokens[0, :0], 3)
    for column in tokens.T:
        together = model.next_logits(state, column)
    for row in range(3):
        _, alone = model.prefill(conditioning, tokens[row], 1)
        torch.testing.assert_close(together[:, row], alone[:, 0], atol=1e-5, rtol=0)


def test_forced_logits_are_those_of_decoding(model: DalleMiniModel) -> None:
    conditioning, tokens = model.encode_prompts(["a red cat", ""]), torch.randint(0, 64, (16,))
    (forced,) = model.forced_logits(conditioning, tokens)
    state, logits = model.prefill(conditioning, tokens[:0], 1)
    for position, token in enumerate(tokens):
        torch.testing.assert_close(logits[:, 0], forced[:, position], atol=1e-5, rtol=0)
        if position + 1 < len(tokens):
            logits = model.next_logits(state, token[None])


def test_kept_rows_come_back_unchanged(model: DalleMiniModel) -> None:
    kept = tuple(model.image_to_tokens(torch.rand(1, 3, 32, 32))[0, :8].tolist())
    for candidate in finish(model, GenerationRequest("red", count=3, keep=1, prefix_tokens=kept)).candidates:
        assert tuple(candidate.tokens[:8].tolist()) == kept


def test_words_and_negative_words_count(model: DalleMiniModel) -> None:
    def tokens(prompt: str, negative: str = "", guidance_scale: float = 8) -> list[int]:
        request = GenerationRequest(prompt, negative, count=4, keep=1, guidance_scale=guidance_scale, temperature=0)
        return finish(model, request).candidates[0].tokens.tolist()

    assert tokens("a red cat") != tokens("Blue, trending")
    assert tokens("a red cat", "Blue") != tokens("a red cat")
    assert tokens("a red cat", "Blue", 1) == tokens("a red cat", "", 1)


def test_previews_show_what_is_painted_and_leave_the_rest_white(model: DalleMiniModel) -> None:
    tokens = torch.randint(0, 64, (2, 16))
    other = torch.cat([tokens[:, :8], 63 - tokens[:, 8:]], dim=1)
    preview = model.tokens_to_images(tokens, 8)
    assert preview.shape == (2, 3, 32, 32)
    assert torch.equal(preview, model.tokens_to_images(other, 8))
    assert bool((preview[:, :, 16:] == 1).all())
    assert not bool((preview[:, :, :16] == 1).all())
    assert bool((model.tokens_to_images(tokens, 0) == 1).all())
    assert torch.equal(model.tokens_to_images(tokens, 6)[:, :, 16:], preview[:, :, 16:])


def test_previews_come_as_often_as_the_family_says(model: DalleMiniModel, folder: Path) -> None:
    seldom = load_dalle_mini(folder, CPU)
    seldom.spec = replace(model.spec, preview_rows=2)
    events = list(generate(seldom, GenerationRequest("red", count=1, keep=1)))
    assert [event.row for event in events if isinstance(event, Preview)] == [2]


def test_what_of_a_prompt_is_not_read_is_said(model: DalleMiniModel) -> None:
    started = next(iter(generate(model, GenerationRequest("red 红苹果 " + "wheel " * 30, count=1, keep=1))))
    assert isinstance(started, Started)
    long, foreign = started.notes
    assert long.startswith("The prompt is longer than the model reads (14 tokens). Left out: “")
    assert long.endswith("wheel”")
    assert foreign == "The model reads English letters alone. Left out: “红苹果”"


def test_a_long_prompt_keeps_its_end_token(model: DalleMiniModel) -> None:
    ids = model.networks.tokenizer.encode("wheel " * 50).ids
    assert (len(ids), ids[0], ids[-1]) == (16, 0, 2)
    assert model.networks.tokenizer.encode("").ids == (0, 2, *[1] * 14)


def test_the_memory_it_needs_is_read_from_headers(folder: Path, model: DalleMiniModel) -> None:
    networks = model.networks.encoder, model.networks.decoder, model.networks.vqgan
    needs = memory_needs(folder, "cpu")
    assert needs.parameters == sum(p.numel() for network in networks for p in network.parameters())
    assert needs.weights == 4 * needs.parameters


def test_half_precision_is_kept_on_disk_and_widened_on_the_cpu(copy: Path) -> None:
    for name in ("encoder_mini.pt", "decoder_mini.pt"):
        state = torch.load(copy / name, weights_only=True)
        torch.save({key: value.half() for key, value in state.items()}, copy / name)
    convert_dalle_mini(copy, copy / "half", TINY)
    cuda, cpu = (memory_needs(copy / "half", device) for device in ("cuda", "cpu"))
    assert (cuda.weights, cuda.painting) < (cpu.weights, cpu.painting)
    model = load_dalle_mini(copy / "half", CPU)
    assert {parameter.dtype for parameter in model.networks.decoder.parameters()} == {torch.float32}
    assert len(finish(model, GenerationRequest("red", count=1, keep=1)).candidates) == 1


def test_with_low_memory_one_network_is_held_at_a_time(folder: Path, model: DalleMiniModel) -> None:
    request = GenerationRequest("a red cat", count=3, keep=1, batch_width=2, seed=3, guidance_scale=4, temperature=1)
    sparing = load_model(folder, CPU, low_memory=True)
    assert isinstance(sparing, DalleMiniModel)
    assert isinstance(sparing.networks, NetworksInTurn)
    read: list[str] = []
    take = sparing.networks._read

    def noted(name: str) -> torch.nn.Module:
        read.append(name)
        return take(name)

    sparing.networks._read = noted
    events = list(generate(sparing, request))
    assert read == [ENCODER, DECODER, VQGAN_FILE, DECODER, VQGAN_FILE], "two batches"
    assert not [event for event in events if isinstance(event, Preview)], "a preview would need two of them"
    last = events[-1]
    assert isinstance(last, Finished)
    for ours, whole in zip(last.candidates, finish(model, request).candidates, strict=True):
        assert torch.equal(ours.image, whole.image)
    assert sparing.image_to_tokens(torch.rand(1, 3, 32, 32)).shape == (1, 16)
    assert len(sparing.networks._held) == 1
    assert memory_needs(folder, "cpu", low_memory=True).weights < memory_needs(folder, "cpu").weights


def test_with_low_memory_too_everything_is_checked_first(folder: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    config = json.loads((broken / "config.json").read_text())
    config["bart"]["hidden"] = 40
    (broken / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"encoder\.safetensors: .* is \(.*48.*\), expected \(.*40"):
        load_model(broken, CPU, low_memory=True)


def test_its_publishers_settings_are_part_of_the_spec(folder: Path) -> None:
    assert read_spec(folder).sampling == Sampling(temperature=1, top_k=256, top_p=1, guidance_scale=16)


def test_without_the_flax_file_it_takes_no_pictures(copy: Path) -> None:
    (copy / "flax_model.msgpack").unlink()
    convert_dalle_mini(copy, copy / "blind", TINY)
    model = load_dalle_mini(copy / "blind", CPU)
    assert not model.spec.can_encode
    with pytest.raises(RequestError, match="blind was converted without an image encoder"):
        model.image_to_tokens(torch.rand(1, 3, 32, 32))
    assert len(finish(model, GenerationRequest("red", count=1, keep=1)).candidates) == 1


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("encoder.down_0.block_1.norm1.scale", "encoder.down.0.block.1.norm1.weight"),
        ("encoder.down_4.attn_0.proj_out.kernel", "encoder.down.4.attn.0.proj_out.weight"),
        ("encoder.mid.attn_1.q.bias", "encoder.mid.attn_1.q.bias"),
        ("encoder.mid.block_2.conv1.kernel", "encoder.mid.block_2.conv1.weight"),
        ("decoder.up_3.upsample.conv.bias", "decoder.up.3.upsample.conv.bias"),
        ("quantize.embedding.embedding", "codebook.weight"),
    ],
)
def test_names_of_flax(theirs: str, ours: str) -> None:
    assert from_flax(theirs, torch.zeros(2))[0] == ours


def test_kernels_of_flax_are_turned() -> None:
    kernel = torch.randn(3, 5, 7, 11)
    assert torch.equal(from_flax("encoder.conv_in.kernel", kernel)[1][4, 2], kernel[:, :, 2, 4])


# --- what is refused ---


class Bomb:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return Path, ("/tmp/was-run",)


def change(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, path)


def with_code(copy: Path) -> None:
    torch.save({"embed_tokens.weight": Bomb()}, copy / "encoder_mini.pt")


def bare_pickle(copy: Path) -> None:
    (copy / "decoder_mini.pt").write_bytes(pickle.dumps(Bomb()))


def cut_short(copy: Path) -> None:
    content = (copy / "decoder_mini.pt").read_bytes()
    (copy / "decoder_mini.pt").write_bytes(content[: len(content) // 2])


def a_tensor_less(copy: Path) -> None:
    change(copy / "encoder_mini.pt", lambda state: state.pop("layers.1.self_attn.q_proj.weight"))


def a_bias_less(copy: Path) -> None:
    change(copy / "encoder_mini.pt", lambda state: state.pop("final_ln.bias"))


def a_needed_norm_less(copy: Path) -> None:
    change(copy / "encoder_mini.pt", lambda state: state.pop("layernorm_embedding.weight"))


def a_tensor_more(copy: Path) -> None:
    change(copy / "decoder_mini.pt", lambda state: state.update(extra=torch.zeros(1)))


def another_shape(copy: Path) -> None:
    change(copy / "decoder_mini.pt", lambda state: state.update({"lm_head.weight": torch.zeros(70, 32)}))


def whole_numbers(copy: Path) -> None:
    change(copy / "decoder_mini.pt", lambda state: state.update({"final_ln.bias": torch.zeros(32, dtype=torch.int64)}))


def not_tensors(copy: Path) -> None:
    torch.save({"epoch": 3}, copy / "detoker.pt")


def a_list(copy: Path) -> None:
    torch.save([torch.zeros(1)], copy / "detoker.pt")


def another_vqgan(copy: Path) -> None:
    change(copy / "detoker.pt", lambda state: state.update({"embedding.weight": torch.zeros(64, 4)}))


def flax_cut_short(copy: Path) -> None:
    content = (copy / "flax_model.msgpack").read_bytes()
    (copy / "flax_model.msgpack").write_bytes(content[:-100])


def other_vocabulary(copy: Path) -> None:
    write_vocabulary(copy, replace(TINY, bart=replace(TINY_BART, text_vocab=1000)))


def small_vocabulary(copy: Path) -> None:
    write_vocabulary(copy, replace(TINY, bart=replace(TINY_BART, text_vocab=300)))


def merges_of_another(copy: Path) -> None:
    (copy / "merges_mini.txt").write_text("#version: 0.2\nqq zz\n")


def no_marks(copy: Path) -> None:
    vocab = json.loads((copy / "vocab_mini.json").read_text())
    vocab["</S>"] = vocab.pop("</s>")
    (copy / "vocab_mini.json").write_text(json.dumps(vocab))


def no_file(copy: Path) -> None:
    (copy / "merges_mini.txt").unlink()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (with_code, r"encoder_mini\.pt: refused, since loading it would run code \(pathlib"),
        (bare_pickle, r"decoder_mini\.pt: "),
        (cut_short, r"decoder_mini\.pt: not a PyTorch file, or one that is cut short"),
        (a_tensor_less, r"encoder_mini\.pt: missing tensors \['layers\.1\.self_attn\.q_proj\.weight'\]"),
        (a_bias_less, r"encoder_mini\.pt: missing tensors \['final_ln\.bias', 'final_ln\.weight'\]"),
        (a_needed_norm_less, r"encoder_mini\.pt: missing tensors \['layernorm_embedding\.weight'\]"),
        (a_tensor_more, r"decoder_mini\.pt: .*unexpected tensors \['extra'\]"),
        (another_shape, r"decoder_mini\.pt: lm_head\.weight is \(70, 32\), expected \(65, 32\)"),
        (whole_numbers, r"decoder_mini\.pt: expected floating-point numbers, found others in \['final_ln\.bias'"),
        (not_tensors, r"detoker\.pt: expected tensors alone, found something else under \['epoch'\]"),
        (a_list, r"detoker\.pt: expected names and tensors, found list"),
        (another_vqgan, r"flax_model\.msgpack: its codebook is not that of detoker\.pt"),
        (flax_cut_short, r"flax_model\.msgpack: not a Flax checkpoint, or one that is cut short"),
        (other_vocabulary, r"vocab_mini\.json: its ids end at \d+, the model's at 511; it belongs to another model"),
        (small_vocabulary, r"vocab_mini\.json: its ids end at 295, the model's at 511"),
        (merges_of_another, r"vocabulary and merges do not belong together"),
        (no_marks, r"vocab_mini\.json: lacks </s>; it belongs to another model"),
        (no_file, r"missing file: .*merges_mini\.txt"),
    ],
)
def test_what_does_not_belong_is_refused_and_nothing_is_written(
    copy: Path, harm: Callable[[Path], None], message: str
) -> None:
    harm(copy)
    before = sorted(copy.iterdir())
    with pytest.raises(CheckpointError, match=message):
        convert_dalle_mini(copy, copy / "new", TINY)
    assert sorted(copy.iterdir()) == before


def test_a_model_is_not_written_over(copy: Path, folder: Path) -> None:
    with pytest.raises(CheckpointError, match="tiny is there already"):
        convert_dalle_mini(copy, folder, TINY)


@pytest.mark.parametrize("name", ["encoder.safetensors", "vqgan.safetensors", "tokenizer.json"])
def test_one_flipped_byte_is_seen(folder: Path, tmp_path: Path, name: str) -> None:
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    content = bytearray((broken / name).read_bytes())
    content[len(content) // 2] ^= 1
    (broken / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{name} is corrupt or another file"):
        load_model(broken, CPU)


@pytest.mark.parametrize(
    ("network", "changes", "message"),
    [
        ("bart", {"codebook_size": 63}, "disagree about the tokens they share"),
        ("bart", {"hidden": 40}, r"encoder\.safetensors: .* is \(.*48.*\), expected \(.*40"),
        ("bart", {"depth": 3}, r"unknown fields \['depth'\]"),
        ("vqgan", {"channels": 33}, "the networks cannot be built"),
        ("vqgan", None, "expected an object under 'vqgan'"),
    ],
)
def test_a_config_of_another_model(
    folder: Path, tmp_path: Path, network: str, changes: dict[str, int] | None, message: str
) -> None:
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    config = json.loads((broken / "config.json").read_text())
    config[network] = None if changes is None else {**config[network], **changes}
    (broken / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=message):
        load_model(broken, CPU)


@pytest.mark.parametrize(
    ("name", "encoder", "decoder"),
    [("dalle-mini", 405_201_458, 470_515_674), ("dalle-mega", 2_220_079_602, 2_955_054_938)],
)
def test_the_published_files_have_the_size_of_these_shapes(name: str, encoder: int, decoder: int) -> None:
    """Two bytes a number, and some thousands for names and the archive's own records."""
    for network, size in ((TextEncoder, encoder), (ImageDecoder, decoder)):
        with torch.device("meta"):
            tensors = without_weights(network(PUBLISHED[name].bart).state_dict())
        assert 0 < size - 2 * sum(value.numel() for value in tensors.values()) < 200_000


def test_the_tiny_one_is_like_the_published_one() -> None:
    assert TINY_VQGAN.grid**2 == TINY_BART.image_length


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dalle-mini", str(tmp_path), str(tmp_path / "new")]) == 1
    assert "error: missing file: " in capsys.readouterr().err
    assert main(["openai-dvae", str(tmp_path / "none"), str(tmp_path / "new")]) == 1
    assert "error: no folder of published files at " in capsys.readouterr().err
    with pytest.raises(CheckpointError, match="unknown kind 'gan'; expected one of dalle-mini"):
        convert("gan", tmp_path, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_alone_does_not_paint(tmp_path: Path) -> None:
    folder = write_openai_dvae(tmp_path / "dvae")
    with pytest.raises(CheckpointError, match="it reads no words, so it cannot paint by itself"):
        load_model(folder, CPU)
    tokenizer = load_tokenizer(folder, CPU)
    tokens = tokenizer.image_to_tokens(torch.rand(2, 3, 32, 32))
    assert tokens.shape == (2, 16)
    assert bool((tokenizer.tokens_to_images(tokens, 4)[:, :, 8:] == 1).all())
    assert not bool((tokenizer.tokens_to_images(tokens, 16)[:, :, 8:] == 1).all())
