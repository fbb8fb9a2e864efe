"""DALL·E mini against kuprel/min-dalle (pip: min-dalle): the same weights in both, compared number by number."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from dalle_core.bart import ImageDecoder, TextEncoder
from dalle_core.config import BartConfig, VQGANConfig
from dalle_core.families.convert_dalle_mini import PUBLISHED, Published, convert_dalle_mini
from dalle_core.families.dalle_mini import DalleMiniModel, load_dalle_mini
from dalle_core.families.dalle_mini_text import normalise, read_vocabulary
from dalle_core.generate import Finished, GenerationRequest, generate
from dalle_core.sampling import choose, combine_guidance, uniform_streams
from dalle_core.vqgan import VQGAN
from tests.core.published import shake, write_published
from tests.parity.prompts import PROMPTS

CPU = torch.device("cpu")
# What the reference fixes in its code stays: 64 text tokens, 16 × 16 image tokens, 16384 codes. The rest is small.
SMALL = Published(
    "Small",
    "_mini",
    BartConfig(layers=2, heads=4, width=48, hidden=80, text_vocab=800),
    VQGANConfig(channels=32, multipliers=(1, 1, 1, 1, 1), blocks=1, latent_channels=8, code_channels=4),
)
PROMPT = "a red apple on a blue plate, oil on canvas"


@pytest.fixture(scope="module")
def reference() -> Iterator[ModuleType]:
    """The package, without what importing it does to torch: it turns gradients off and takes every core."""
    grads, threads = torch.is_grad_enabled(), torch.get_num_threads()
    module = importlib.import_module("min_dalle.min_dalle")
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    yield module
    torch.set_grad_enabled(grads)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    write_published(folder, SMALL)
    return folder


@pytest.fixture(scope="module")
def ours(published: Path) -> DalleMiniModel:
    convert_dalle_mini(published, published / "small", SMALL)
    return load_dalle_mini(published / "small", CPU)


@pytest.fixture(scope="module")
def theirs(reference: ModuleType, published: Path) -> Any:
    """Their whole program, but for its downloads and its VQGAN, which hands the tokens on instead."""
    model, bart = object.__new__(reference.MinDalle), SMALL.bart
    shape = {
        "attention_head_count": bart.heads, "embed_count": bart.width, "glu_embed_count": bart.hidden,
        "layer_count": bart.layers, "device": "cpu",
    }  # fmt: skip
    model.encoder = reference.DalleBartEncoder(text_token_count=64, text_vocab_count=bart.text_vocab, **shape).eval()
    model.decoder = reference.DalleBartDecoder(image_vocab_count=bart.image_vocab, **shape).eval()
    model.encoder.load_state_dict(torch.load(published / "encoder_mini.pt", weights_only=True), strict=False)
    model.decoder.load_state_dict(torch.load(published / "decoder_mini.pt", weights_only=True), strict=False)
    vocab, merges = read_vocabulary(published / "vocab_mini.json", published / "merges_mini.txt")
    model.tokenizer = reference.TextTokenizer(vocab, [" ".join(pair) for pair in merges])
    model.detokenizer = SimpleNamespace(forward=lambda seamless, tokens: tokens)
    model.device, model.dtype, model.is_reusable = "cpu", torch.float32, True
    model.text_token_count, model.layer_count, model.embed_count = 64, bart.layers, bart.width
    return model


def text_ids(theirs: Any, prompt: str) -> Tensor:
    """The rows their program gives its encoder: first "no prompt", then the prompt."""
    ids = theirs.tokenizer.tokenize(prompt)
    rows = torch.ones(2, 64, dtype=torch.int64)
    rows[0, :2] = torch.tensor([ids[0], ids[-1]])
    rows[1, : len(ids)] = torch.tensor(ids)
    return rows


@pytest.mark.parametrize("prompt", [PROMPT, "猫", "x"])
def test_encoder_states(theirs: Any, ours: DalleMiniModel, prompt: str) -> None:
    states, _ = ours.encode_prompts([prompt, ""]).value
    wanted = theirs.encoder.forward(text_ids(theirs, prompt)).flip(0)
    torch.testing.assert_close(states, wanted, atol=1e-4, rtol=0)


def test_logits_at_every_position(theirs: Any, ours: DalleMiniModel) -> None:
    """Along one given picture, through both caches; ours also from a prefix taken in one pass."""
    bart, tokens = SMALL.bart, torch.randint(0, 16384, (256,), generator=torch.Generator().manual_seed(2))
    ids = text_ids(theirs, PROMPT)
    encoded, cache = theirs.encoder.forward(ids), torch.zeros(bart.layers, 4, 256, bart.width)
    conditioning = ours.encode_prompts([PROMPT, ""])
    (forced,) = ours.forced_logits(conditioning, tokens)
    previous, state, difference = torch.tensor([[2**14 - 1]]), None, 0.0
    for position in range(256):
        wanted, cache = theirs.decoder.forward(
            attention_mask=(ids != 1)[:, None, None, :], encoder_state=encoded, attention_state=cache,
            prev_tokens=previous, token_index=torch.tensor([position]),
        )  # fmt: skip
        wanted = wanted[:, -1, :16384].flip(0)
        if state is None:
            state, logits = ours.prefill(conditioning, tokens[:0], 1)
        else:
            logits = ours.next_logits(state, previous[0])
        difference = max(
            difference, *(float((each - wanted).abs().max()) for each in (logits[:, 0], forced[:, position]))
        )
        if position in (16, 128, 240):
            _, at_once = ours.prefill(conditioning, tokens[:position], 1)
            difference = max(difference, float((at_once[:, 0] - wanted).abs().max()))
        previous = tokens[position][None, None]
    assert difference < 1e-4


@pytest.mark.parametrize(
    ("side", "temperature", "top_k", "guidance"), [(2, 1.0, 256, 16), (1, 0.7, 50, 4), (1, 1.0, 1, 16)]
)
def test_the_same_draws_give_the_same_tokens(
    theirs: Any, ours: DalleMiniModel, monkeypatch: pytest.MonkeyPatch, side: int, temperature: float, top_k: int,
    guidance: int,
) -> None:  # fmt: skip
    """Their generation loop and ours, each with its own sampling; only the random numbers are shared."""
    count = side * side
    draws = uniform_streams(range(7, 7 + count), 256)
    position = iter(range(256))

    def multinomial(probabilities: Tensor, _: int) -> Tensor:
        return choose(probabilities.log(), draws[:, next(position)])[:, None]

    monkeypatch.setattr(torch, "multinomial", multinomial)
    with pytest.warns(FutureWarning, match="autocast"):
        (wanted,) = theirs.generate_raw_image_stream(
            PROMPT, seed=0, grid_size=side, temperature=temperature, top_k=top_k, supercondition_factor=guidance
        )
    request = GenerationRequest(PROMPT, count=count, keep=1, seed=7, temperature=temperature, top_k=top_k,
                                guidance_scale=guidance, batch_width=count)  # fmt: skip
    *_, finished = generate(ours, request, previews=False)
    assert isinstance(finished, Finished)
    assert torch.equal(torch.stack([candidate.tokens for candidate in finished.candidates]), wanted)


def test_the_guidance_formula() -> None:
    """They write `uncond · (1 − s) + cond · s`, the unconditional rows first."""
    unconditional, conditional = torch.randn(2, 3, 50)
    ours = combine_guidance(torch.stack([conditional, unconditional]), 16)
    torch.testing.assert_close(ours, unconditional * (1 - 16) + conditional * 16, atol=1e-4, rtol=0)


def test_prompts_become_the_same_ids(theirs: Any, ours: DalleMiniModel) -> None:
    """Two hundred prompts. Where we read a prompt otherwise, their ids are those of what we read."""
    assert len(PROMPTS) == 200
    as_they_read, alike = ours.networks.tokenizer.encode, 0
    for prompt in PROMPTS:
        mine = as_they_read(prompt)
        wanted = theirs.tokenizer.tokenize(normalise(prompt))
        kept = wanted if len(wanted) <= 64 else [*wanted[:63], wanted[-1]]  # they would drop the end token
        assert mine.ids == (*kept, *[1] * (64 - len(kept)))
        assert bool(mine.cut) == (len(wanted) > 64)
        alike += theirs.tokenizer.tokenize(prompt) == wanted
    assert alike >= 100


@pytest.mark.parametrize(
    ("prompt", "read"),
    [
        ("café à la crème", "cafe a la creme"),  # they drop the letter with its accent
        ("１２３ ﬁne", "123 fine"),
        ("red\tapple\nand pear", "red apple and pear"),  # they make one word of these, and of these emoji
        ("a🦊🍎b", "a fox red_apple b"),
        ("straße ½", "strasse 1/2"),
    ],
)
def test_where_a_prompt_is_read_otherwise(theirs: Any, prompt: str, read: str) -> None:
    assert normalise(prompt) == read
    assert theirs.tokenizer.tokenize(prompt) != theirs.tokenizer.tokenize(read)


@pytest.fixture(scope="module")
def detokenizers(reference: ModuleType) -> tuple[Any, VQGAN]:
    """Both at the published shape, since theirs has no other; ours for pictures of 64 pixels, to be quick."""
    torch.manual_seed(1)
    theirs = importlib.import_module("min_dalle.models").VQGanDetokenizer().eval()
    shake(theirs, 3)
    ours = VQGAN(VQGANConfig(image_size=64, attention_sizes=(4,), has_encoder=False)).eval()
    state = {name.replace("embedding.", "codebook."): value for name, value in theirs.state_dict().items()}
    ours.load_state_dict(state)
    return theirs, ours


def test_pixels(detokenizers: tuple[Any, VQGAN]) -> None:
    """They normalise with ε 1e-5, the VQGAN was trained with 1e-6: within the tolerance."""
    theirs, ours = detokenizers
    tokens = torch.randint(0, 16384, (2, 16), generator=torch.Generator().manual_seed(4))
    codes = theirs.embedding(tokens).view(2, 4, 4, 256).permute(0, 3, 1, 2)
    wanted = theirs.decoder(theirs.post_quant_conv(codes)).clip(0, 1)
    assert float(wanted.std()) > 0.02
    torch.testing.assert_close(ours.decode(tokens), wanted, atol=1e-3, rtol=0)


@pytest.fixture(scope="module")
def whole(detokenizers: tuple[Any, VQGAN]) -> VQGAN:
    """The same weights for pictures of the published size."""
    with torch.device("meta"):
        ours = VQGAN(VQGANConfig(has_encoder=False)).eval()
    ours.load_state_dict(detokenizers[1].state_dict(), assign=True)
    return ours


def test_the_levels_that_attend_over_a_whole_grid(detokenizers: tuple[Any, VQGAN], whole: VQGAN) -> None:
    """All 16 × 16 places at once; what follows knows only neighbours, and is compared above."""
    codes = torch.randn(1, 256, 16, 16, generator=torch.Generator().manual_seed(5))
    wanted, found = (net.up[4](net.mid(net.conv_in(codes))) for net in (detokenizers[0].decoder, whole.decoder))
    assert found.shape == (1, 512, 32, 32)
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-3)


def test_tokens_go_in_and_pixels_come_out_alike(
    detokenizers: tuple[Any, VQGAN], whole: VQGAN, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What their program does around its decoder: order of tokens, range and place of pixels."""

    def enlarged(latents: Tensor) -> Tensor:
        return torch.nn.functional.interpolate(latents[:, :3], scale_factor=16) * 3

    for network in (detokenizers[0], whole):
        monkeypatch.setattr(network.decoder, "forward", enlarged)
    tokens = torch.randint(0, 16384, (1, 256), generator=torch.Generator().manual_seed(5))
    wanted = detokenizers[0].forward(False, tokens).permute(2, 0, 1)[None] / 255
    assert 0.1 < float(wanted.mean()) < 0.9
    torch.testing.assert_close(whole.decode(tokens), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_names_and_shapes(reference: ModuleType, name: str) -> None:
    """At the true sizes, on the meta device: every tensor of theirs has its place in ours, and the reverse."""
    bart = PUBLISHED[name].bart
    shape = {
        "attention_head_count": bart.heads, "embed_count": bart.width, "glu_embed_count": bart.hidden,
        "layer_count": bart.layers, "device": "meta",
    }  # fmt: skip
    text = {"text_token_count": 64, "text_vocab_count": bart.text_vocab}
    with torch.device("meta"):
        pairs = (
            (TextEncoder(bart), reference.DalleBartEncoder(**text, **shape)),
            (ImageDecoder(bart), reference.DalleBartDecoder(image_vocab_count=bart.image_vocab, **shape)),
        )
    for ours, theirs in pairs:
        wanted = {key: value.shape for key, value in theirs.state_dict().items()}
        assert {key: value.shape for key, value in ours.state_dict().items()} == wanted
