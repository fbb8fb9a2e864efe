"""ruDALL-E Malevich and what was tuned from it, such as Emojich: 32 × 32 tokens at 256 px, prompts in Russian."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dalle_core.checkpoints import check_hash, map_weights, read_json
from dalle_core.config import MalevichConfig, VQGANConfig
from dalle_core.device import pick_dtype
from dalle_core.errors import CheckpointError
from dalle_core.families.base import Conditioning, ModelSpec, Pace, Reranker
from dalle_core.families.registry import CONFIG, read_network, read_spec
from dalle_core.families.rudalle_text import RudalleTokenizer, load_rudalle_tokenizer
from dalle_core.layers import KVCache
from dalle_core.malevich import Malevich
from dalle_core.vqgan import VQGAN

TRANSFORMER, VQ, TOKENIZER = "transformer.safetensors", "vqgan.safetensors", "tokenizer.json"
CYRILLIC = re.compile(r"[\u0400-\u04ff]")
WRITTEN = re.compile(r"[^\W\d_]")


@dataclass
class RudalleState:
    cache: KVCache
    groups: int  # 1, or 2 with guidance


class RudalleModel:
    """An ImageModel over Malevich's networks."""

    reranker: Reranker | None = None

    def __init__(self, spec: ModelSpec, transformer: Malevich, vqgan: VQGAN, tokenizer: RudalleTokenizer,
                 device: torch.device) -> None:  # fmt: skip
        self.spec = spec
        self.pace = Pace()
        self.transformer = transformer.eval().requires_grad_(False).to(device)
        self.vqgan = vqgan.eval().requires_grad_(False).to(device)
        self.tokenizer = tokenizer
        self.device = device

    def encode_prompts(self, prompts: Sequence[str]) -> Conditioning:
        encoded = [self.tokenizer.encode(prompt) for prompt in prompts]
        notes = [
            f"The prompt is longer than the model reads ({self.tokenizer.text_length - 2} tokens). Left out: “{cut}”"
            for _, cut in encoded
            if cut
        ]
        if any(WRITTEN.search(prompt) and not CYRILLIC.search(prompt) for prompt in prompts):
            notes.append(f"{self.spec.name} reads Russian; a prompt in another language says little to it.")
        ids = torch.tensor([row for row, _ in encoded], device=self.device)
        return Conditioning(tuple(prompts), ids, tuple(notes))

    @torch.inference_mode()
    def image_to_tokens(self, images: Tensor) -> Tensor:
        return self.vqgan.encode(images.to(self.device).float()).cpu()

    @torch.inference_mode()
    def tokens_to_images(self, tokens: Tensor, filled: int) -> Tensor:
        """Rows that are not full are white."""
        rows = filled // self.spec.cols
        if not rows:
            return torch.ones(len(tokens), 3, self.spec.image_size, self.spec.image_size)
        images = self.vqgan.decode(tokens[:, : rows * self.spec.cols].to(self.device)).float().cpu()
        return F.pad(images, (0, 0, 0, self.spec.image_size - images.shape[2]), value=1.0)

    @torch.inference_mode()
    def prefill(self, conditioning: Conditioning, prefix_tokens: Tensor, count: int) -> tuple[RudalleState, Tensor]:
        text: Tensor = conditioning.value.repeat_interleave(count, dim=0)  # (G·B, T)
        groups = len(conditioning.prompts)
        prefix = prefix_tokens.to(self.device).expand(len(text), -1)
        cache, logits = self.transformer.prefill(text, prefix)
        return RudalleState(cache, groups), logits.float().view(groups, count, -1)

    @torch.inference_mode()
    def next_logits(self, state: RudalleState, digits: Tensor) -> Tensor:
        rows = digits.to(self.device).repeat(state.groups)
        logits = self.transformer.next_logits(state.cache, rows)
        return logits.float().view(state.groups, len(digits), -1)

    @torch.inference_mode()
    def forced_logits(self, conditioning: Conditioning, tokens: Tensor) -> tuple[Tensor, ...]:
        text: Tensor = conditioning.value
        return (self.transformer.forced_logits(text, tokens.to(self.device).expand(len(text), -1)).float(),)


def load_rudalle(
    folder: Path, device: torch.device, dtype: torch.dtype | None = None, *, low_memory: bool = False
) -> RudalleModel:
    """Everything is checked before anything is used. `dtype` is the transformer's; the VQGAN always works in fp32."""
    config, spec = read_json(folder / CONFIG), read_spec(folder)
    for name, expected in config["files"].items():
        check_hash(folder / name, expected)
    transformer, vqgan = build_networks(config)
    shared = [(network.grid, network.codebook_size) for network in (vqgan.config, transformer.config)]
    if shared[0] != shared[1]:
        raise CheckpointError(f"{folder.name}: VQGAN and transformer disagree about the tokens they share")
    tokenizer = load_rudalle_tokenizer(
        folder / TOKENIZER, transformer.config.text_length, transformer.config.vocab_size
    )
    dtype = dtype or pick_dtype(device, low_memory=low_memory)
    map_weights(folder / TRANSFORMER, transformer, device, dtype)
    map_weights(folder / VQ, vqgan, device, torch.float32)
    return RudalleModel(spec, transformer, vqgan, tokenizer, device)


def build_networks(config: dict[str, Any]) -> tuple[Malevich, VQGAN]:
    """Names and shapes alone, on the meta device."""
    settings = read_network(config, "transformer", MalevichConfig), read_network(config, "vqgan", VQGANConfig)
    try:
        with torch.device("meta"):
            return Malevich(settings[0]), VQGAN(settings[1])
    except (ValueError, TypeError, ZeroDivisionError, RuntimeError) as error:
        raise CheckpointError(f"{CONFIG}: the networks cannot be built ({error})") from error
