"""OpenAI's discrete VAE as an ImageTokenizer: it turns pictures into 32 × 32 tokens and back, and paints nothing.

A transformer can be trained on its tokens, and brings it along then. Converted by `convert_openai_dvae`.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dalle_core.checkpoints import check_hash, map_weights, read_json
from dalle_core.config import OpenAIDVAEConfig
from dalle_core.errors import CheckpointError
from dalle_core.families.base import ModelSpec
from dalle_core.families.registry import CONFIG, read_network, read_spec
from dalle_core.openai_dvae import OpenAIDVAE

FAMILY = "openai-dvae"
WEIGHTS = "dvae.safetensors"


class OpenAITokenizer:
    def __init__(self, spec: ModelSpec, dvae: OpenAIDVAE, device: torch.device) -> None:
        self.spec = spec
        self.dvae = dvae
        self.device = device

    @torch.inference_mode()
    def image_to_tokens(self, images: Tensor) -> Tensor:
        return self.dvae.encode(images.to(self.device)).cpu()

    @torch.inference_mode()
    def tokens_to_images(self, tokens: Tensor, filled: int) -> Tensor:
        """A code's reach is a few tokens, so what is not filled is decoded as it is and then blanked."""
        images = self.dvae.decode(tokens.to(self.device)).cpu()
        rows = -(-filled // self.spec.cols) * (self.spec.image_size // self.spec.rows)
        images[:, :, rows:] = 1
        return images


def load_openai_dvae(folder: Path, device: torch.device) -> OpenAITokenizer:
    """Everything is checked before anything is used: hash, names and shapes of tensors."""
    config, spec = read_json(folder / CONFIG), read_spec(folder)
    for name, expected in config["files"].items():
        check_hash(folder / name, expected)
    return OpenAITokenizer(spec, read_dvae(folder, config, device), device)


def read_dvae(folder: Path, config: dict[str, Any], device: torch.device) -> OpenAIDVAE:
    """The network in `folder`, whose hashes were checked, as the folder's `config` describes it."""
    settings = read_network(config, "dvae", OpenAIDVAEConfig)
    try:
        with torch.device("meta"):
            dvae = OpenAIDVAE(settings)
    except (ValueError, TypeError, ZeroDivisionError, RuntimeError) as error:
        raise CheckpointError(f"{CONFIG}: the dVAE cannot be built ({error})") from error
    map_weights(folder / WEIGHTS, dvae, device, torch.float32)
    return dvae.eval().requires_grad_(False)


def read_settings(folder: Path) -> OpenAIDVAEConfig:
    """What the tokenizer in `folder` is built of, from its config alone."""
    if (family := read_spec(folder).family) != FAMILY:
        raise CheckpointError(f"{folder.name} is of the family {family!r}; expected an image tokenizer, {FAMILY!r}")
    return read_network(read_json(folder / CONFIG), "dvae", OpenAIDVAEConfig)
