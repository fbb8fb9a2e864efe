"""DALL·E mini and Mega: BART's encoder and decoder write the tokens of a VQGAN. Converted by `dalle_core.conversion`.

One folder holds config.json, encoder, decoder and vqgan as safetensors, and tokenizer.json.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dalle_core.bart import DecodeState, ImageDecoder, TextEncoder
from dalle_core.checkpoints import check_hash, map_weights, read_json
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


@dataclass
class DalleMiniState:
    decode: DecodeState
    groups: int  # 1, or 2 with guidance


class DalleMiniModel:
    """An ImageModel over the published networks."""

    def __init__(self, spec: ModelSpec, networks: Networks, device: torch.device) -> None:
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


def compute_dtype(device: torch.device) -> torch.dtype:
    """The transformers run in fp16, as they are published, where that is fast; the VQGAN always in fp32."""
    return torch.float16 if device.type == "cuda" else torch.float32


def load_dalle_mini(folder: Path, device: torch.device) -> DalleMiniModel:
    """Everything is checked before anything is used: hashes, names and shapes of tensors, the tokenizer's ids."""
    config, spec = read_json(folder / CONFIG), read_spec(folder)
    for name, expected in config["files"].items():
        check_hash(folder / name, expected)
    bart, vqgan = read_network(config, "bart", BartConfig), read_network(config, "vqgan", VQGANConfig)
    if (bart.image_length, bart.codebook_size) != (vqgan.grid**2, vqgan.codebook_size):
        raise CheckpointError(f"{folder.name}: transformer and VQGAN disagree about the tokens they share")
    try:
        with torch.device("meta"):
            encoder, decoder, pictures = TextEncoder(bart), ImageDecoder(bart), VQGAN(vqgan)
    except (ValueError, TypeError, ZeroDivisionError, RuntimeError) as error:
        raise CheckpointError(f"{CONFIG}: the networks cannot be built ({error})") from error
    tokenizer = PromptTokenizer.load(folder / TOKENIZER, bart.text_length, bart.text_vocab)
    for name, module, dtype in (
        (ENCODER, encoder, compute_dtype(device)),
        (DECODER, decoder, compute_dtype(device)),
        (VQGAN_FILE, pictures, torch.float32),
    ):
        map_weights(folder / name, module, device, dtype)
        module.eval().requires_grad_(False)
    return DalleMiniModel(spec, Networks(encoder, decoder, pictures, tokenizer), device)
