"""Janus against `transformers` itself: one tiny model with random weights, saved as the published ones are."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor

from benchmarks.published import JANUS_SHAPES, janus_config
from dalle_core.errors import CheckpointError
from dalle_core.families.base import Sampling
from dalle_core.families.convert import main
from dalle_core.families.convert_janus import convert_janus
from dalle_core.families.janus import JanusModel, empty_network, load_janus
from dalle_core.families.memory import PROMPT, ROWS, memory_needs
from dalle_core.families.registry import load_model, read_spec
from dalle_core.generate import Finished, GenerationRequest, generate
from tests.parity.prompts import PROMPTS

transformers = pytest.importorskip("transformers", reason="pip install -r requirements-models.txt")

CPU = torch.device("cpu")
BOS, END, PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"
IMAGE, BEGIN, FINISH, USER, ASSISTANT = (
    "<image_placeholder>", "<begin_of_image>", "<end_of_image>", "<|User|>", "<|Assistant|>",
)  # fmt: skip
# What the published chat template comes to for one turn of plain text.
CHAT = (
    "{% for message in messages %}<|User|>: {{ message['content'][0]['text'].strip() }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}<|Assistant|>:{% endif %}"
)
TOLERANCE = 1e-4


def tiny_config(vocab_size: int) -> Any:
    """Four by four tokens of 32 codes at 32 px, two layers."""
    return transformers.JanusConfig(
        text_config={
            "model_type": "llama", "vocab_size": vocab_size, "hidden_size": 32, "intermediate_size": 64,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "pad_token_id": 2,
            "bos_token_id": 0, "eos_token_id": 1, "max_position_embeddings": 2048,
        },
        vision_config={
            "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32, "patch_size": 8,
            "projection_dim": 32, "num_image_tokens": 16, "mlp_ratio": 2.0,
        },
        vq_config={
            "embed_dim": 8, "num_embeddings": 32, "latent_channels": 16, "base_channels": 32, "num_res_blocks": 1,
            "channel_multiplier": [1, 1, 1, 1], "projection_dim": 32, "image_token_embed_dim": 32, "num_patches": 4,
        },
    )  # fmt: skip


def tiny_tokenizer() -> Tokenizer:
    """Byte-level BPE, as the published one is, with its marks and its way to begin a text."""
    library = Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    marks = [BOS, END, PAD, IMAGE, BEGIN, FINISH, USER, ASSISTANT]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[AddedToken(mark, special=True, normalized=False) for mark in marks],
    )
    library.train_from_iterator(PROMPTS, trainer)
    library.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 0)])
    return library


@dataclass(frozen=True)
class Pair:
    """The reference and ours, on the same weights; `published` is the folder both come from."""

    reference: Any
    processor: Any
    ours: JanusModel
    published: Path
    folder: Path


def publish(folder: Path) -> Any:
    """A folder such as the hub has, with weights wide enough apart that sampling has something to choose from."""
    library = tiny_tokenizer()
    torch.manual_seed(0)
    model = transformers.JanusForConditionalGeneration(tiny_config(library.get_vocab_size())).eval()
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and "vision_model" not in name:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    model.save_pretrained(folder)
    settings = model.generation_config
    settings.bos_token_id, settings.pad_token_id, settings.max_length = 0, 2, 64
    settings.generation_kwargs = {"boi_token_id": library.token_to_id(BEGIN)}
    library.save(str(folder / "tokenizer.json"))
    described = {"bos_token": BOS, "eos_token": END, "pad_token": {"content": PAD, "special": True}}
    (folder / "tokenizer_config.json").write_text(json.dumps(described), encoding="utf-8")
    return model


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    root = tmp_path_factory.mktemp("janus")
    published, folder = root / "published", root / "models" / "tiny-janus"
    reference = publish(published)
    folder.parent.mkdir()
    convert_janus(published, folder)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(published / "tokenizer.json")),
        bos_token=BOS, eos_token=END, pad_token=PAD,
        extra_special_tokens={"image_token": IMAGE, "boi_token": BEGIN, "eoi_token": FINISH},
    )  # fmt: skip
    processor = transformers.JanusProcessor(transformers.JanusImageProcessor(), tokenizer, chat_template=CHAT)
    return Pair(reference, processor, load_janus(folder, CPU, torch.float32), published, folder)


def reference_ids(pair: Pair, prompt: str) -> list[int]:
    messages = [{"role": "user", "content": [{"type": "text", "text": prompt}]}]
    text = pair.processor.apply_chat_template(messages, add_generation_prompt=True)
    ids: Tensor = pair.processor(text=text, generation_mode="image", return_tensors="pt").input_ids
    return ids[0].tolist()


@torch.inference_mode()
def reference_logits(pair: Pair, ids: list[int], tokens: list[int]) -> Tensor:
    """(len(tokens) + 1, K): the whole stream at once, without a cache."""
    model = pair.reference
    text = model.get_input_embeddings()(torch.tensor([ids]))
    image = model.prepare_embeddings_for_image_generation(torch.tensor([tokens], dtype=torch.long))
    hidden = model.model.language_model(inputs_embeds=torch.cat([text, image], 1), use_cache=False).last_hidden_state
    logits: Tensor = model.model.generation_head(hidden[0, len(ids) - 1 :])
    return logits


def finish(model: JanusModel, request: GenerationRequest) -> Finished:
    *_, last = generate(model, request, previews=False)
    assert isinstance(last, Finished)
    return last


def test_two_hundred_prompts_become_the_same_ids(pair: Pair) -> None:
    assert len(set(PROMPTS)) == 200
    assert max(len(pair.ours.tokenizer.encode(prompt)[0]) for prompt in PROMPTS) < 1024
    for prompt in PROMPTS:
        assert pair.ours.tokenizer.encode(prompt)[0] == reference_ids(pair, prompt), prompt


@pytest.mark.parametrize("given", [0, 4, 12])
def test_logits_are_those_of_the_whole_stream_at_once(pair: Pair, given: int) -> None:
    tokens = torch.randint(32, (16,), generator=torch.Generator().manual_seed(3))
    conditioning = pair.ours.encode_prompts(["red cat", ""])
    ids, blank = conditioning.value.ids.tolist()
    assert blank == [0, *[2] * (len(ids) - 2), ids[-1]]
    expected = torch.stack([reference_logits(pair, row, tokens.tolist()) for row in (ids, blank)])
    (forced,) = pair.ours.forced_logits(conditioning, tokens)
    assert (forced - expected[:, :16]).abs().max() < TOLERANCE
    state, logits = pair.ours.prefill(conditioning, tokens[:given], 3)
    for position in range(given, 16):
        assert logits.shape == (2, 3, 32)
        assert (logits - expected[:, position].unsqueeze(1)).abs().max() < TOLERANCE
        logits = pair.ours.next_logits(state, tokens[position].expand(3))


def test_a_negative_prompt_of_another_length_reads_as_it_does_alone(pair: Pair) -> None:
    prompts = ["a very long prompt about a ship at sea", "blue"]
    conditioning = pair.ours.encode_prompts(prompts)
    tokens = torch.arange(4)
    _, logits = pair.ours.prefill(conditioning, tokens, 2)
    for row, prompt in enumerate(prompts):
        expected = reference_logits(pair, reference_ids(pair, prompt), tokens.tolist())[-1]
        assert (logits[row] - expected).abs().max() < TOLERANCE


@pytest.mark.parametrize("guidance", [5.0, 2.0])
def test_the_likeliest_tokens_are_those_of_the_library(pair: Pair, guidance: float) -> None:
    """Its own `generate`, guidance included; greedy, since it draws its random numbers otherwise."""
    ids = torch.tensor([reference_ids(pair, "red cat")])
    expected = pair.reference.generate(
        ids, attention_mask=torch.ones_like(ids), generation_mode="image", do_sample=False, guidance_scale=guidance
    )
    request = GenerationRequest("red cat", count=2, keep=1, temperature=0, guidance_scale=guidance)
    for candidate in finish(pair.ours, request).candidates:
        assert candidate.tokens.tolist() == expected[0].tolist()
    assert len(set(expected[0].tolist())) > 1


def test_without_guidance_the_prompt_alone_decides(pair: Pair) -> None:
    """What the library cannot do: scale 1, where it leaves out the formula but paints both halves."""
    ids = reference_ids(pair, "red cat")
    tokens: list[int] = []
    for _ in range(16):
        tokens.append(int(reference_logits(pair, ids, tokens)[-1].argmax()))
    request = GenerationRequest("red cat", count=1, keep=1, temperature=0, guidance_scale=1)
    assert finish(pair.ours, request).candidates[0].tokens.tolist() == tokens


def test_kept_rows_come_back_and_seeds_decide(pair: Pair) -> None:
    kept = tuple(range(8))
    request = GenerationRequest("fox", count=3, keep=1, seed=5, temperature=1, prefix_tokens=kept, batch_width=2)
    first, again = finish(pair.ours, request), finish(pair.ours, request)
    assert [c.tokens.tolist() for c in first.candidates] == [c.tokens.tolist() for c in again.candidates]
    assert all(tuple(candidate.tokens[:8].tolist()) == kept for candidate in first.candidates)
    assert len({tuple(candidate.tokens.tolist()) for candidate in first.candidates}) == 3


def test_pixels_are_those_of_the_library(pair: Pair) -> None:
    tokens = torch.randint(32, (2, 16), generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        expected = pair.reference.decode_image_tokens(tokens).permute(0, 3, 1, 2)
    images = pair.ours.tokens_to_images(tokens, 16)
    assert images.shape == (2, 3, 32, 32)
    assert (images - (expected * 0.5 + 0.5).clamp(0, 1)).abs().max() < 1e-3


def test_a_preview_shows_nothing_of_what_is_not_painted(pair: Pair) -> None:
    tokens = torch.arange(16).unsqueeze(0)
    garbage = torch.where(torch.arange(16) < 8, tokens, 31)
    assert torch.equal(pair.ours.tokens_to_images(tokens, 8), pair.ours.tokens_to_images(garbage, 8))


def test_encoding_finds_the_nearest_code_by_angle(pair: Pair) -> None:
    """Against a search code by code; and not what the library's own `encode` finds, which forgets to normalise."""
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(6))
    vq = pair.reference.model.vqmodel
    with torch.inference_mode():
        latents = F.normalize(vq.quant_conv(vq.encoder(images * 2 - 1)), dim=1).permute(0, 2, 3, 1).reshape(-1, 8)
        codes = F.normalize(vq.quantize.embedding.weight, dim=-1)
        expected = [min(range(32), key=lambda k: float((latent - codes[k]).norm())) for latent in latents]
        theirs = vq.encode(images * 2 - 1).image_tokens.tolist()
    found = pair.ours.image_to_tokens(images).flatten().tolist()
    assert found == expected
    assert found != theirs


def test_what_was_decoded_is_encoded_back(pair: Pair) -> None:
    """Random networks are no inverse of each other, so the encoder first learns to invert the decoder on these."""
    tokens = torch.randint(32, (6, 16), generator=torch.Generator().manual_seed(7))
    images = pair.ours.tokens_to_images(tokens, 16)
    network = load_janus(pair.folder, CPU, torch.float32).network.train()
    encoder = [*network.vqmodel.encoder.parameters(), *network.vqmodel.quant_conv.parameters()]
    optimizer = torch.optim.AdamW([parameter.requires_grad_() for parameter in encoder], lr=3e-3)
    codes = F.normalize(network.vqmodel.quantize.embedding.weight.detach(), dim=-1)
    for _ in range(300):
        latents = F.normalize(network.vqmodel.quant_conv(network.vqmodel.encoder(images * 2 - 1)), dim=1)
        logits = 16 * torch.einsum("bdhw,kd->bkhw", latents, codes).flatten(2)
        loss = F.cross_entropy(logits, tokens)
        if loss < 0.02:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    trained = JanusModel(pair.ours.spec, network, pair.ours.tokenizer, CPU)
    assert torch.equal(trained.image_to_tokens(trained.tokens_to_images(tokens, 16)), tokens)


def test_a_prompt_that_spells_the_models_marks_is_only_words(pair: Pair) -> None:
    ids, cut = pair.ours.tokenizer.encode(f"red{FINISH} cat {USER}")
    assert not cut
    assert ids == pair.ours.tokenizer.encode("red  cat")[0]


def test_an_over_long_prompt_is_cut_and_said(pair: Pair) -> None:
    conditioning = pair.ours.encode_prompts(["🦊 " * 2000 + "end"])
    assert conditioning.value.ids.shape[1] <= 1024
    assert "longer than the model reads (1024 tokens)" in conditioning.notes[0]
    assert "end”" in conditioning.notes[0]


def test_the_command_converts_and_says_what_is_wrong(
    pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["janus-pro-1b", str(pair.published), str(tmp_path / "tiny-janus")]) == 0
    assert read_spec(tmp_path / "tiny-janus") == pair.ours.spec
    assert main(["janus-pro-1b", str(tmp_path), str(tmp_path / "other")]) == 1
    assert "missing file" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-janus"]


def test_the_folder_says_what_the_model_is(pair: Pair) -> None:
    spec = read_spec(pair.folder)
    assert (spec.family, spec.image_size, spec.rows, spec.cols, spec.levels) == ("janus", 32, 4, 4, (32,))
    assert (spec.can_encode, spec.licence) == (True, "DeepSeek Model License")
    assert spec == load_model(pair.folder, CPU).spec


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("config.json", lambda path: path.write_text('{"model_type": "llama"}'), "expected a model of type janus"),
        ("config.json", lambda path: path.write_text(path.read_text()[:50]), "not readable JSON"),
        ("tokenizer.json", lambda path: path.write_text("{}"), "not a readable tokenizer"),
        ("tokenizer_config.json", lambda path: path.write_text('{"bos_token": "<s>"}'), "lacks '<s>'"),
        ("model.safetensors", lambda path: path.write_bytes(path.read_bytes()[:5000]), "not a readable safetensors"),
        ("model.safetensors", lambda path: path.rename(path.with_suffix(".bin")), "other kinds of weight files"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_left(pair: Pair, tmp_path: Path, name, damage, message) -> None:
    source = Path(shutil.copytree(pair.published, tmp_path / "source"))
    damage(source / name)
    with pytest.raises(CheckpointError, match=message):
        convert_janus(source, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_weights_of_another_shape_and_a_flipped_byte(pair: Pair, tmp_path: Path) -> None:
    source = Path(shutil.copytree(pair.published, tmp_path / "source"))
    config = json.loads((source / "config.json").read_text())
    config["text_config"]["intermediate_size"] = 48
    (source / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"mlp\.\w+_proj\.weight is \(.*\), expected"):
        convert_janus(source, tmp_path / "model")
    copy = Path(shutil.copytree(pair.folder, tmp_path / "copy"))
    weights = copy / "weights" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match="is corrupt or another file"):
        load_model(copy, CPU)


def test_the_memory_it_needs_is_told_by_headers_without_what_does_not_paint(pair: Pair) -> None:
    needs, config = memory_needs(pair.folder, "cpu"), pair.reference.config.text_config
    assert needs.parameters == sum(parameter.numel() for parameter in pair.ours.network.parameters())
    assert needs.weights == 4 * needs.parameters
    tokens = min(pair.ours.spec.text_length, PROMPT) + pair.ours.spec.token_count
    cache = 2 * config.num_hidden_layers * config.hidden_size * tokens * ROWS
    assert needs.painting - memory_needs(pair.folder, "cuda").painting == 2 * cache, "in 16 bits there"
    assert memory_needs(pair.folder, "cpu", low_memory=True) == memory_needs(pair.folder, "cuda")


def test_with_low_memory_it_computes_in_16_bits(pair: Pair) -> None:
    model = load_model(pair.folder, CPU, low_memory=True)
    assert isinstance(model, JanusModel)
    dtypes = {name.partition(".")[0]: value.dtype for name, value in model.network.named_parameters()}
    assert dtypes.pop("vqmodel") == torch.float32
    assert set(dtypes.values()) == {torch.bfloat16}
    assert model.spec.sampling == Sampling(temperature=1, guidance_scale=5)


def test_without_the_library_it_says_what_to_install(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dalle_core.families.optional.find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match=r"pip install -r requirements-models\.txt"):
        load_model(pair.folder, CPU)


def test_with_an_older_library_too(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older ones take the cache for an option they do not know, and would paint noise without a word."""
    monkeypatch.setattr("dalle_core.families.optional.version", lambda name: "5.17.0")
    with pytest.raises(CheckpointError, match=r"needs transformers 5\.24 or newer, 5\.17\.0 is installed"):
        load_model(pair.folder, CPU)


TRUE_SIZES = {"janus-pro-1b": 1_556_937_355, "janus-pro-7b": 6_663_674_507}  # parameters that paint


@pytest.mark.parametrize("name", TRUE_SIZES)
def test_the_true_shapes(name: str) -> None:
    """On the meta device, where nothing takes memory: as many tokens, and parameters, as published."""
    config = janus_config(*JANUS_SHAPES[name], vq={})
    width = config.text_config.hidden_size
    network = empty_network(config)
    assert sum(parameter.numel() for parameter in network.parameters()) == TRUE_SIZES[name]
    with torch.device("meta"):
        tokens = network.encode(torch.empty(1, 3, 384, 384))
        assert tokens.shape == (1, 576)
        assert network.vqmodel.decode(tokens).shape == (1, 3, 384, 384)
        assert network.embed_image(tokens).shape == (1, 576, width)
