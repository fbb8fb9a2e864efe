"""The public models at their published shapes, with random weights: memory and time do not depend on what was learnt.

Weights are drawn where they are used and in the dtype that the studio would compute in. Tokenizers are stand-ins with
as many ids as the published ones, in which a word is one token. `tiny` models are for trying out what uses these.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn

from dalle_core.config import OpenAIDVAEConfig
from dalle_core.device import pick_dtype
from dalle_core.families import convert_dalle_mini, convert_janus, convert_openai_dvae, convert_rudalle
from dalle_core.families.base import ImageTokenizer
from dalle_core.families.dalle_mini import (
    DECODER,
    ENCODER,
    VQGAN_FILE,
    DalleMiniModel,
    Networks,
    compute_dtype,
    empty_network,
)
from dalle_core.families.dalle_mini_text import PromptTokenizer
from dalle_core.families.janus import JanusModel, JanusTokenizer, compute_rotary
from dalle_core.families.janus import empty_network as empty_janus
from dalle_core.families.openai_dvae import OpenAITokenizer
from dalle_core.families.optional import require_transformers
from dalle_core.families.rudalle import RudalleModel, build_networks
from dalle_core.families.rudalle_text import BEGIN, END, PAD, UNKNOWN, RudalleTokenizer
from dalle_core.openai_dvae import OpenAIDVAE

if TYPE_CHECKING:
    from transformers import JanusConfig

PROMPT = " ".join(map(str, range(60)))  # in the stand-ins, as many tokens
JANUS_SHAPES = {  # of the published configs: layers, width, hidden, heads
    "janus-pro-1b": (24, 2048, 5632, 16),
    "janus-pro-7b": (30, 4096, 11008, 32),
}
TINY_VQGAN: dict[str, Any] = {"image_size": 128, "channels": 32, "blocks": 1, "latent_channels": 8, "code_channels": 8}
TINY_BART = {"layers": 2, "heads": 2, "width": 32, "hidden": 48, "image_length": 64}
TINY_JANUS_VQ = {"base_channels": 32, "num_res_blocks": 1, "channel_multiplier": [1, 1, 1, 1, 1], "num_patches": 8}
TINY_MALEVICH: dict[str, Any] = {"layers": 2, "heads": 2, "width": 32, "grid": 16}


@dataclass(frozen=True)
class Built:
    """A model and the networks it is made of."""

    model: ImageTokenizer
    networks: tuple[nn.Module, ...]

    @property
    def parameters(self) -> dict[str, int]:
        """How many there are of each dtype."""
        counts: dict[str, int] = {}
        for parameter in self._all():
            name = str(parameter.dtype).removeprefix("torch.")
            counts[name] = counts.get(name, 0) + parameter.numel()
        return counts

    @property
    def weight_bytes(self) -> int:
        return sum(parameter.numel() * parameter.element_size() for parameter in self._all())

    def _all(self) -> list[nn.Parameter]:
        return [parameter for network in self.networks for parameter in network.parameters()]


def build(name: str, device: torch.device, *, tiny: bool = False) -> Built:
    """One of BUILDERS, always with the same weights. Raises CheckpointError where a library is missing."""
    torch.manual_seed(0)
    return BUILDERS[name](name, device, tiny)


def dalle_mini(name: str, device: torch.device, tiny: bool) -> Built:
    published = convert_dalle_mini.PUBLISHED[name]
    bart, vqgan = published.bart, published.vqgan
    if tiny:
        bart, vqgan = replace(bart, **TINY_BART), replace(vqgan, **TINY_VQGAN, attention_sizes=(8,))
    encoder, decoder = (
        randomise(empty_network(file, bart, vqgan).to(compute_dtype(device)), device) for file in (ENCODER, DECODER)
    )
    pictures = randomise(empty_network(VQGAN_FILE, bart, vqgan), device)
    library = stand_in(("<s>", "<pad>", "</s>", "<unk>"), bart.text_vocab)
    networks = Networks(encoder, decoder, pictures, PromptTokenizer(library, bart.text_length))
    spec = convert_dalle_mini.published_spec(name, replace(published, bart=bart), vqgan)
    return Built(DalleMiniModel(spec, networks, device), (encoder, decoder, pictures))


def janus(name: str, device: torch.device, tiny: bool) -> Built:
    """The language model in the studio's dtype, the VQ in fp32. Raises CheckpointError without `transformers`."""
    require_transformers(name)
    config = janus_config(*((2, 32, 48, 2) if tiny else JANUS_SHAPES[name]), vq=TINY_JANUS_VQ if tiny else {})
    network = empty_janus(config).to(pick_dtype(device))
    network.vqmodel.float()
    randomise(network, device)
    compute_rotary(network)
    library = stand_in(("<unk>", "<bos>", "<pad>", "<begin>"), config.text_config.vocab_size)
    spec = convert_janus.published_spec(name, config)
    tokenizer = JanusTokenizer(library, bos=1, pad=2, begin_image=3, text_length=spec.text_length)
    return Built(JanusModel(spec, network, tokenizer, device), (network,))


def janus_config(layers: int, width: int, hidden: int, heads: int, *, vq: dict[str, Any]) -> "JanusConfig":
    """The library's config of a Janus-Pro whose language model has these sizes; `vq` changes its picture part."""
    from transformers import JanusConfig

    return JanusConfig(
        text_config={
            "model_type": "llama", "vocab_size": 102400, "hidden_size": width, "intermediate_size": hidden,
            "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": heads,
            "max_position_embeddings": 16384,
        },
        vision_config={"projection_dim": width, "image_size": 16 * vq.get("num_patches", 24)},
        vq_config={"projection_dim": width, "image_token_embed_dim": width, **vq},
    )  # fmt: skip


def rudalle(name: str, device: torch.device, tiny: bool) -> Built:
    malevich, vqgan = convert_rudalle.MALEVICH, convert_rudalle.GUMBEL_F8
    if tiny:
        malevich, vqgan = replace(malevich, **TINY_MALEVICH), replace(vqgan, **TINY_VQGAN, attention_sizes=(16,))
    transformer, pictures = build_networks({"transformer": malevich.to_dict(), "vqgan": vqgan.to_dict()})
    randomise(transformer.to(pick_dtype(device)), device)
    randomise(pictures, device)
    library = stand_in((PAD, UNKNOWN, BEGIN, END), malevich.vocab_size)
    spec = convert_rudalle.published_spec(name, malevich, vqgan)
    tokenizer = RudalleTokenizer(library, malevich.text_length)
    return Built(RudalleModel(spec, transformer, pictures, tokenizer, device), (transformer, pictures))


def openai_dvae(name: str, device: torch.device, tiny: bool) -> Built:
    config = OpenAIDVAEConfig(image_size=32, width=16, blocks=1) if tiny else OpenAIDVAEConfig()
    with torch.device("meta"):
        dvae = OpenAIDVAE(config)
    randomise(dvae, device)
    return Built(OpenAITokenizer(convert_openai_dvae.published_spec(name, config), dvae, device), (dvae,))


# Name as in the studio's list of downloads -> how it is built. The most asked for come first.
BUILDERS: dict[str, Callable[[str, torch.device, bool], Built]] = {
    "dalle-mega": dalle_mini,
    "janus-pro-1b": janus,
    "dalle-mini": dalle_mini,
    "janus-pro-7b": janus,
    "openai-dvae": openai_dvae,
    "rudalle-malevich": rudalle,
}


def randomise(network: Any, device: torch.device) -> Any:
    """Fill a network of the meta device on `device`: signals keep their size, norms are as they start out."""
    network.to_empty(device=device).eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if parameter.ndim > 1:
            parameter.normal_(std=parameter[0].numel() ** -0.5)
        else:
            parameter.fill_(float(name.endswith("weight")))
    return network


def stand_in(marks: tuple[str, ...], size: int) -> Tokenizer:
    """`size` ids: the marks, then whole numbers as words of their own; whatever else is unknown."""
    words = [*marks, *map(str, range(size - len(marks)))]
    unknown = next(mark for mark in marks if "unk" in mark.lower())
    library = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=unknown))
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return library
