"""DALL·E mini and Mega: BART's encoder and decoder write the tokens of a VQGAN. Converted by `convert_dalle_mini`.

One folder holds config.json, encoder, decoder and vqgan as safetensors, and tokenizer.json.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dalle_core.bart import DecodeState, ImageDecoder, TextEncoder
from dalle_core.checkpoints import check_hash, check_tensors, map_weights, read_json, stored_shapes
from dalle_core.config import BartConfig, VQGANConfig
from dalle_core.errors import CheckpointError, RequestError
from dalle_core.families.base import Conditioning, ModelSpec, Pace
from dalle_core.families.dalle_mini_text import EncodedPrompt, PromptTokenizer
from dalle_core.families.registry import CONFIG, read_network, read_spec
from dalle_core.vqgan import VQGAN

ENCODER, DECODER, VQGAN_FILE, TOKENIZER = (
    "encoder.safetensors", "decoder.safetensors", "vqgan.safetensors", "tokenizer.json",
)  # fmt: skip
SHAPES = {
    "dalle-mini": BartConfig(),
    "dalle-mega": BartConfig(
        layers=24, heads=32, width=2048, hidden=4096, text_vocab=50272, image_vocab=16415,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Networks:
    """What a folder holds, for the device it runs on."""

    encoder: TextEncoder
    decoder: ImageDecoder
    vqgan: VQGAN
    tokenizer: PromptTokenizer


class NetworksInTurn:
    """The same, for little memory: one network at a time, read when it is asked for, the one before let go."""

    def __init__(self, tokenizer: PromptTokenizer, read: Callable[[str], nn.Module]) -> None:
        self.tokenizer = tokenizer
        self._read = read
        self._held: dict[str, Any] = {}  # at most one

    @property
    def encoder(self) -> TextEncoder:
        encoder: TextEncoder = self._take(ENCODER)
        return encoder

    @property
    def decoder(self) -> ImageDecoder:
        decoder: ImageDecoder = self._take(DECODER)
        return decoder

    @property
    def vqgan(self) -> VQGAN:
        vqgan: VQGAN = self._take(VQGAN_FILE)
        return vqgan

    def _take(self, name: str) -> Any:
        if name not in self._held:
            self._held.clear()
            self._held[name] = self._read(name)
        return self._held[name]


@dataclass
class DalleMiniState:
    decode: DecodeState
    groups: int  # 1, or 2 with guidance


class DalleMiniModel:
    """An ImageModel over the published networks."""

    def __init__(self, spec: ModelSpec, networks: Networks | NetworksInTurn, device: torch.device) -> None:
        self.spec = spec
        self.pace = Pace()
        self.networks = networks
        self.device = device

    @torch.inference_mode()
    def encode_prompts(self, prompts: Sequence[str]) -> Conditioning:
        """The text is read here, once, however many pictures it is painted for."""
        encoded = [self.networks.tokenizer.encode(prompt) for prompt in prompts]
        ids = torch.tensor([prompt.ids for prompt in encoded], device=self.device)
        notes = tuple(note for prompt in encoded for note in self._notes(prompt))
        return Conditioning(tuple(prompts), self.networks.encoder(ids), notes)

    def _notes(self, prompt: EncodedPrompt) -> list[str]:
        notes = []
        if prompt.cut:
            notes.append(
                f"The prompt is longer than the model reads ({self.networks.tokenizer.room} tokens). "
                f"Left out: “{prompt.cut}”"
            )
        if prompt.unread:
            notes.append(f"The model reads English letters alone. Left out: “{prompt.unread}”")
        return notes

    @torch.inference_mode()
    def image_to_tokens(self, images: Tensor) -> Tensor:
        if not self.spec.can_encode:
            raise RequestError(f"{self.spec.name} was converted without an image encoder; it cannot take a picture.")
        return self.networks.vqgan.encode(images.to(self.device)).cpu()

    @torch.inference_mode()
    def tokens_to_images(self, tokens: Tensor, filled: int) -> Tensor:
        """Only the rows that are begun are decoded: attention would mix what the rest holds into them."""
        spec = self.spec
        rows = -(-filled // spec.cols)
        images = torch.ones(len(tokens), 3, spec.image_size, spec.image_size)
        if rows:
            known = tokens[:, : rows * spec.cols].clone()
            known[:, filled:] = known[:, filled - 1 : filled]
            for image, row in zip(images, known.to(self.device), strict=True):  # a batch at once would take gigabytes
                painted = self.networks.vqgan.decode(row[None])[0].cpu()
                image[:, : painted.shape[1]] = painted
        return images

    @torch.inference_mode()
    def prefill(self, conditioning: Conditioning, prefix_tokens: Tensor, count: int) -> tuple[DalleMiniState, Tensor]:
        states, mask = conditioning.value  # (G, S, C), (G, 1, 1, S)
        groups = len(states)
        prefix = prefix_tokens.to(self.device).expand(groups * count, -1)
        state, logits = self.networks.decoder.prefill(states, mask, prefix)
        return DalleMiniState(state, groups), logits.view(groups, count, -1)

    @torch.inference_mode()
    def next_logits(self, state: DalleMiniState, digits: Tensor) -> Tensor:
        rows = digits.to(self.device).repeat(state.groups)
        return self.networks.decoder.next_logits(state.decode, rows).view(state.groups, len(digits), -1)

    @torch.inference_mode()
    def forced_logits(self, conditioning: Conditioning, tokens: Tensor) -> tuple[Tensor, ...]:
        states, mask = conditioning.value
        return (self.networks.decoder.forced_logits(states, mask, tokens.to(self.device).expand(len(states), -1)),)


def compute_dtype(device: torch.device) -> torch.dtype:
    """The transformers run in fp16, as they are published, where that is fast; the VQGAN always in fp32."""
    return torch.float16 if device.type == "cuda" else torch.float32


def load_dalle_mini(folder: Path, device: torch.device, *, low_memory: bool = False) -> DalleMiniModel:
    """Everything is checked before anything is used: hashes, names and shapes of tensors, the tokenizer's ids.

    With `low_memory` one network is held at a time, and nothing is shown of what is unfinished: that would need two.
    """
    config, spec = read_json(folder / CONFIG), read_spec(folder)
    for name, expected in config["files"].items():
        check_hash(folder / name, expected)
    bart, vqgan = read_network(config, "bart", BartConfig), read_network(config, "vqgan", VQGANConfig)
    if (bart.image_length, bart.codebook_size) != (vqgan.grid**2, vqgan.codebook_size):
        raise CheckpointError(f"{folder.name}: transformer and VQGAN disagree about the tokens they share")
    tokenizer = PromptTokenizer.load(folder / TOKENIZER, bart.text_length, bart.text_vocab)
    for name in (ENCODER, DECODER, VQGAN_FILE):
        check_tensors(name, stored_shapes(folder / name), empty_network(name, bart, vqgan))

    def read(name: str) -> Any:
        network = empty_network(name, bart, vqgan)
        map_weights(folder / name, network, device, torch.float32 if name == VQGAN_FILE else compute_dtype(device))
        return network.eval().requires_grad_(False)

    if low_memory:
        return DalleMiniModel(replace(spec, preview_rows=spec.rows), NetworksInTurn(tokenizer, read), device)
    return DalleMiniModel(spec, Networks(read(ENCODER), read(DECODER), read(VQGAN_FILE), tokenizer), device)


def empty_network(name: str, bart: BartConfig, vqgan: VQGANConfig) -> nn.Module:
    """The network of one file: names and shapes alone, on the meta device."""
    try:
        with torch.device("meta"):
            if name == VQGAN_FILE:
                return VQGAN(vqgan)
            return TextEncoder(bart) if name == ENCODER else ImageDecoder(bart)
    except (ValueError, TypeError, ZeroDivisionError, RuntimeError) as error:
        raise CheckpointError(f"{CONFIG}: the networks cannot be built ({error})") from error
