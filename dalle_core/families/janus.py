"""Janus-Pro (Chen et al., 2501.17811): the library `transformers` brings the networks, the decode loop is ours.

Only what paints is built: language model, image embeddings, head and VQ; the tower that looks at pictures stays on
disk. A model's folder holds the published files as they are, under `weights/`, and `tokenizer.json`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from dalle_core.checkpoints import check_hash, check_tensors, read_json, stored_shapes
from dalle_core.device import pick_dtype
from dalle_core.errors import CheckpointError
from dalle_core.families.base import Conditioning, ModelSpec, Pace, Reranker
from dalle_core.families.memory import LEFT_ON_DISK
from dalle_core.families.optional import require_transformers
from dalle_core.families.registry import CONFIG, read_spec
from dalle_core.tokenizers import cut_to_fit, read_tokenizer, without_marks

if TYPE_CHECKING:
    from transformers import JanusConfig, StaticCache

WEIGHTS, TOKENIZER, NETWORK = "weights", "tokenizer.json", "weights/config.json"
TEMPLATE = "<|User|>: {prompt}\n\n<|Assistant|>:"


class JanusNetwork(nn.Module):
    """The published modules that paint, by their published names."""

    def __init__(self, config: "JanusConfig") -> None:
        from transformers import JanusVQVAE, LlamaModel
        from transformers.models.janus.modeling_janus import JanusVQVAEAlignerMLP, JanusVQVAEHead

        super().__init__()
        vq = config.vq_config
        self.language_model = LlamaModel(config.text_config)
        self.generation_embeddings = nn.Embedding(vq.num_embeddings, vq.embed_dim)
        self.generation_aligner = JanusVQVAEAlignerMLP(vq)
        self.generation_head = JanusVQVAEHead(vq)
        self.vqmodel = JanusVQVAE(vq)

    def advance(self, stream: Tensor, mask: Tensor | None, cache: "StaticCache", places: int = 1) -> Tensor:
        """(R, n, C) more of the stream, which the cache takes in → (R, places, K) logits of what follows its last."""
        hidden = self.language_model(inputs_embeds=stream, attention_mask=mask, cache=cache, use_cache=True)
        logits: Tensor = self.generation_head(hidden.last_hidden_state[:, -places:])
        return logits

    def embed_image(self, tokens: Tensor) -> Tensor:
        """(R, N) image tokens → (R, N, C)."""
        embedded: Tensor = self.generation_aligner(self.generation_embeddings(tokens))
        return embedded

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1] → (B, N) int64.

        The nearest code by angle, as the model was trained; the library's own `encode` measures unnormalised distance.
        """
        latents = F.normalize(self.vqmodel.quant_conv(self.vqmodel.encoder(images)), dim=1)  # (B, D, h, w)
        codebook = F.normalize(self.vqmodel.quantize.embedding.weight, dim=-1)  # (K, D)
        return torch.einsum("bdhw,kd->bhwk", latents, codebook).argmax(-1).flatten(1)


class JanusTokenizer:
    """A prompt as the chat turn the model was trained on, ending in the mark that begins a picture."""

    def __init__(self, library: Tokenizer, bos: int, pad: int, begin_image: int, text_length: int) -> None:
        self.library = library
        self.bos, self.pad, self.begin_image = bos, pad, begin_image
        self.text_length = text_length

    def encode(self, prompt: str) -> tuple[list[int], str]:
        """Ids of the whole turn, and what did not fit."""
        plain = without_marks(self.library, prompt).strip()
        kept, cut = cut_to_fit(plain, lambda text: len(self._ids(text)) <= self.text_length)
        return self._ids(kept), cut

    def unconditional(self, length: int) -> list[int]:
        """No prompt: both marks kept, padding between them that is attended to, as in training."""
        return [self.bos, *[self.pad] * (length - 2), self.begin_image]

    def _ids(self, prompt: str) -> list[int]:
        turn: list[int] = self.library.encode(TEMPLATE.format(prompt=prompt), add_special_tokens=False).ids
        return [self.bos, *turn, self.begin_image]


@dataclass(frozen=True)
class JanusPrompts:
    """(G, T) ids, and which of them are real: a shorter prompt is padded on the left."""

    ids: Tensor
    real: Tensor


@dataclass
class JanusState:
    cache: "StaticCache"
    groups: int  # 1, or 2 with guidance
    mask: Tensor | None  # (R, length) where a row is padded; None where all of it is real


class JanusModel:
    """An ImageModel over Janus-Pro's networks."""

    reranker: Reranker | None = None

    def __init__(self, spec: ModelSpec, network: JanusNetwork, tokenizer: JanusTokenizer, device: torch.device) -> None:
        self.spec = spec
        self.pace = Pace()
        self.network = network.eval().requires_grad_(False).to(device)
        self.tokenizer = tokenizer
        self.device = device
        self._blank_tokens: Tensor | None = None

    def encode_prompts(self, prompts: Sequence[str]) -> Conditioning:
        """The empty prompt takes as many places as the other has, or as its own turn has where it is alone."""
        encoded = [self.tokenizer.encode(prompt) for prompt in prompts]
        written = [ids for prompt, (ids, _) in zip(prompts, encoded, strict=True) if prompt.strip()]
        length = max(len(ids) for ids in written or [ids for ids, _ in encoded])
        rows = [
            self.tokenizer.unconditional(length) if not prompt.strip() else ids
            for prompt, (ids, _) in zip(prompts, encoded, strict=True)
        ]
        notes = tuple(
            f"The prompt is longer than the model reads ({self.tokenizer.text_length} tokens). Left out: “{cut}”"
            for _, cut in encoded
            if cut
        )
        ids = torch.tensor([[self.tokenizer.pad] * (length - len(row)) + row for row in rows])
        real = torch.tensor([[False] * (length - len(row)) + [True] * len(row) for row in rows])
        return Conditioning(tuple(prompts), JanusPrompts(ids.to(self.device), real.to(self.device)), notes)

    @torch.inference_mode()
    def image_to_tokens(self, images: Tensor) -> Tensor:
        expected = (3, self.spec.image_size, self.spec.image_size)
        if images.ndim != 4 or tuple(images.shape[1:]) != expected:
            raise ValueError(f"expected pictures of shape (B, {expected}), got {tuple(images.shape)}")
        return self.network.encode(images.to(self.device).float() * 2 - 1).cpu()

    @torch.inference_mode()
    def tokens_to_images(self, tokens: Tensor, filled: int) -> Tensor:
        if filled < self.spec.token_count:
            known = torch.arange(tokens.shape[1]) < filled
            tokens = torch.where(known, tokens, self.blank_tokens)
        pixels: Tensor = self.network.vqmodel.decode(tokens.to(self.device))
        return ((pixels + 1) / 2).clamp(0, 1).float().cpu()

    @property
    def blank_tokens(self) -> Tensor:
        """(N,) tokens of a white picture, encoded when the first preview asks for them."""
        if self._blank_tokens is None:
            self._blank_tokens = self.image_to_tokens(torch.ones(1, 3, self.spec.image_size, self.spec.image_size))[0]
        return self._blank_tokens

    @torch.inference_mode()
    def prefill(self, conditioning: Conditioning, prefix_tokens: Tensor, count: int) -> tuple[JanusState, Tensor]:
        state, stream = self._begin(conditioning, prefix_tokens, count)
        return state, self._advance(state, stream)

    @torch.inference_mode()
    def next_logits(self, state: JanusState, digits: Tensor) -> Tensor:
        rows = digits.to(self.device).repeat(state.groups)
        return self._advance(state, self.network.embed_image(rows.unsqueeze(1)))

    @torch.inference_mode()
    def forced_logits(self, conditioning: Conditioning, tokens: Tensor) -> tuple[Tensor, ...]:
        state, stream = self._begin(conditioning, tokens[:-1], 1)
        return (self.network.advance(stream, state.mask, state.cache, len(tokens)).float(),)

    def _begin(self, conditioning: Conditioning, prefix_tokens: Tensor, count: int) -> tuple[JanusState, Tensor]:
        """An empty cache, and the (G·B, T+P, C) stream of prompts and given tokens that it is to take in."""
        from transformers import StaticCache

        prompts: JanusPrompts = conditioning.value
        network = self.network
        ids = prompts.ids.repeat_interleave(count, dim=0)  # (G·B, T)
        prefix = prefix_tokens.to(self.device).expand(len(ids), -1)
        stream = torch.cat([network.language_model.embed_tokens(ids), network.embed_image(prefix)], dim=1)
        length = ids.shape[1] + self.spec.token_count
        cache = StaticCache(config=network.language_model.config, max_cache_len=length)
        return JanusState(cache, len(conditioning.prompts), _padding_mask(prompts.real, count, length)), stream

    def _advance(self, state: JanusState, stream: Tensor) -> Tensor:
        """(G·B, n, C) more of the stream → (G, B, K) logits of the token behind it."""
        logits = self.network.advance(stream, state.mask, state.cache)[:, 0]
        return logits.float().view(state.groups, -1, logits.shape[-1])


def _padding_mask(real: Tensor, count: int, length: int) -> Tensor | None:
    if bool(real.all()):
        return None
    return F.pad(real, (0, length - real.shape[1]), value=True).repeat_interleave(count, dim=0).long()


def load_janus(
    folder: Path, device: torch.device, dtype: torch.dtype | None = None, *, low_memory: bool = False
) -> JanusModel:
    """Everything is checked before anything is used. `dtype` is the language model's; the VQ always works in fp32."""
    require_transformers(folder.name)
    config, spec = read_json(folder / CONFIG), read_spec(folder)
    for name, expected in config["files"].items():
        check_hash(folder / name, expected)
    published = read_network_config(folder / NETWORK)
    tokenizer = read_janus_tokenizer(folder / TOKENIZER, config.get("tokens", {}), spec.text_length)
    if tokenizer.library.get_vocab_size() > published.text_config.vocab_size:
        raise CheckpointError(
            f"{TOKENIZER}: its vocabulary of {tokenizer.library.get_vocab_size()} is larger than the model's "
            f"{published.text_config.vocab_size}; it belongs to another model"
        )
    dtype = dtype or pick_dtype(device, low_memory=low_memory)
    network = load_network(published, sorted((folder / WEIGHTS).glob("*.safetensors")), dtype)
    return JanusModel(spec, network, tokenizer, device)


def read_network_config(path: Path) -> "JanusConfig":
    """The library's own config of a published model, or a CheckpointError that says why it is none."""
    from transformers import JanusConfig

    values = read_json(path)
    kinds = (values.get("model_type"), (values.get("text_config") or {}).get("model_type", "llama"))
    if kinds != ("janus", "llama"):
        raise CheckpointError(f"{path.name}: expected a model of type janus over llama, found {kinds}")
    try:
        config = JanusConfig.from_dict(values)
    except Exception as error:  # the library's checks raise many kinds
        raise CheckpointError(f"{path.name}: not a config of Janus ({error})") from error
    return config


def read_janus_tokenizer(path: Path, tokens: dict[str, Any], text_length: int) -> JanusTokenizer:
    """`tokens` name the marks: `bos`, `pad` and `begin_image`."""
    library = read_tokenizer(path)
    ids = {}
    for name in ("bos", "pad", "begin_image"):
        found = library.token_to_id(str(tokens.get(name)))
        if found is None:
            raise CheckpointError(f"{path.name} lacks {tokens.get(name)!r} ({name}); it belongs to another model")
        ids[name] = found
    return JanusTokenizer(library, **ids, text_length=text_length)


def load_network(config: "JanusConfig", files: Sequence[Path], dtype: torch.dtype) -> JanusNetwork:
    """Weights stay mapped where the file's dtype is the wanted one; a tensor at a time is converted where it is not."""
    from safetensors import safe_open

    network = empty_network(config)
    check_tensors(WEIGHTS, painting_shapes(files), network)
    tensors: dict[str, Tensor] = {}
    for path in files:
        for name in filter(_paints, stored_shapes(path)):
            with safe_open(path, "pt") as file:  # anew for each: a mapping's pages count for as long as it stands
                short = name.removeprefix("model.")
                tensors[short] = file.get_tensor(name).to(torch.float32 if short.startswith("vqmodel.") else dtype)
    network.load_state_dict(tensors, assign=True)
    compute_rotary(network)
    return network


def compute_rotary(network: JanusNetwork) -> None:
    """The table of rotary embeddings, which no file holds: it is worked out, not read."""
    rotary = network.language_model.rotary_emb
    network.language_model.rotary_emb = type(rotary)(config=network.language_model.config)


def painting_shapes(files: Sequence[Path]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the published tensors that paint, from the files' headers."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in files:
        found = stored_shapes(path)
        if twice := sorted(shapes.keys() & found.keys()):
            raise CheckpointError(f"{path.name}: another file holds {twice[:5]} too")
        shapes |= found
    return {name.removeprefix("model."): shape for name, shape in shapes.items() if _paints(name)}


def _paints(name: str) -> bool:
    return not name.startswith(LEFT_ON_DISK["janus"])


def empty_network(config: "JanusConfig") -> JanusNetwork:
    """Names and shapes alone, on the meta device."""
    try:
        with torch.device("meta"):
            return JanusNetwork(config)
    except (ValueError, TypeError, ZeroDivisionError, RuntimeError) as error:
        raise CheckpointError(f"{NETWORK}: the networks cannot be built ({error})") from error
