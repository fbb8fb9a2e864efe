"""The bundled family: what `dalle_core.training` writes. One folder holds dVAE, transformer, CLIP, tokenizer, a
glossary of names and what CLIP makes of pictures of them.

The dVAE is this project's own, or OpenAI's where the transformer was trained on the tokens of that one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dalle_core.checkpoints import check_hash, load_weights, read_json, stored_shapes
from dalle_core.clip import CLIP
from dalle_core.conditioning import features, read
from dalle_core.config import CLIPConfig, DVAEConfig, NetworkConfig, TransformerConfig
from dalle_core.dvae import DiscreteVAE
from dalle_core.errors import CheckpointError
from dalle_core.families import openai_dvae
from dalle_core.families.base import Conditioning, ModelSpec, Pace
from dalle_core.families.registry import CONFIG, read_network, read_spec
from dalle_core.glossary import GLOSSARY, Glossary
from dalle_core.openai_dvae import OpenAIDVAE
from dalle_core.packing import pack_linears
from dalle_core.phrases import division
from dalle_core.quantizers import split_digits
from dalle_core.rerank import CLIPReranker, Prototypes
from dalle_core.tokenizers import TextTokenizer
from dalle_core.transformer import DecodeState, Outline, Transformer
from dalle_core.vocabulary import VOCABULARY, Vocabulary

PROTOTYPES = "prototypes.safetensors"  # where a model has them
IMAGE_TOKENIZER = "image_tokenizer"  # in a config: whose the dVAE is, where it is not this project's own


@dataclass(frozen=True)
class Told:
    """What the transformer is told of G prompts in R rows: (R, T) text ids, and if it takes them, CLIP's features:
    (R, F) of the sentences and (R, N, F) of the phrases in their places.

    `outlines` (2, N, C) are the first prompt's and those of what it is held against, if it paints with any.

    A row a prompt, but for a list of different things: then there are K rows each, of one thing by itself and of what
    that is held against. `owners` (N,) says whose each token is; `shown` (R, N) hides from a row all but its own.
    """

    ids: Tensor
    sentences: Tensor | None
    phrases: Tensor | None
    outlines: Tensor | None
    owners: Tensor | None = None
    shown: Tensor | None = None

    def of_prompts(self, logits: Tensor, position: int, prompts: int) -> Tensor:
        """(R·B, L) logits of the token at `position` → (G, B, L), by the rows whose it is."""
        if self.owners is None:
            return logits.view(prompts, -1, logits.shape[-1])
        kinds = len(self.ids) // prompts
        return logits.view(prompts, kinds, -1, logits.shape[-1])[:, int(self.owners[position])]


@dataclass
class BundledState:
    decode: DecodeState
    told: Told
    groups: int  # 1, or 2 with guidance
    outline: Outline | None

    @property
    def rows(self) -> int:
        return len(self.told.ids)


class BundledModel:
    """An ImageModel over this project's own networks."""

    def __init__(self, spec: ModelSpec, dvae: DiscreteVAE | OpenAIDVAE, transformer: Transformer,
                 tokenizer: TextTokenizer, reranker: CLIPReranker, device: torch.device,
                 vocabulary: Vocabulary | None = None) -> None:  # fmt: skip
        self.spec = spec
        self.pace = Pace()
        self.dvae = dvae.eval().requires_grad_(False).to(device)
        self.transformer = transformer.eval().requires_grad_(False).to(device)
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
        self.reranker = reranker
        self.clip = reranker.clip  # reads sentences to the transformer, whatever ranks
        self.device = device
        blank = torch.ones(1, 3, spec.image_size, spec.image_size)
        self.blank_tokens = self.image_to_tokens(blank)[0]

    def encode_prompts(self, prompts: Sequence[str]) -> Conditioning:
        config = self.transformer.config
        first, *others = (self.tokenizer.glossary.worded(prompt) for prompt in prompts)
        divided = division(first, config.rows, config.cols) if config.phrases else None
        parts = (first,) if divided is None else divided.prompts
        encoded = [self.tokenizer.encode(text) for text in (*parts, *others)]
        notes = tuple(
            f"The prompt is longer than the model reads ({self.tokenizer.text_length - 1} tokens). "
            f"Left out: “{text.cut}”"
            for text in encoded
            if text.cut
        )
        if self.vocabulary is not None:
            notes += self.vocabulary.notes(prompts[0])
        told = self._told(parts, others, None if divided is None else divided.owners)
        return Conditioning(tuple(prompts), told, notes, len(parts))

    @torch.inference_mode()
    def _told(self, parts: Sequence[str], others: Sequence[str], owners: np.ndarray | None) -> Told:
        """The first prompt as its parts, of which `owners` (N,) says whose each token is; and the one that is guided
        away from, if there is guidance. Outlines are held against that, or against no words at all.
        """
        transformer, kinds = self.transformer, len(parts)
        texts = [*parts, *[*others, ""][:1]]
        words = read(texts, self.tokenizer, transformer.config)
        ids = torch.from_numpy(words.whole).to(self.device)
        sentences, phrases = features(words, self.clip, self.tokenizer.pad_id, transformer.config)
        outlines = transformer.outlines(ids, sentences, phrases) if transformer.config.outline else None
        rows = torch.tensor([*range(kinds), *[kinds] * kinds * len(others)], device=self.device)
        told = Told(
            ids[rows],
            None if sentences is None else sentences[rows],
            None if phrases is None else phrases[rows],
            outlines,
        )
        if owners is None:
            return told
        whose = torch.from_numpy(owners).to(self.device)
        each = torch.arange(kinds, device=self.device).repeat(1 + len(others))
        if outlines is not None:
            outlines = torch.stack([outlines[whose, self._places], outlines[kinds]])
        return replace(told, outlines=outlines, owners=whose, shown=whose == each.unsqueeze(-1))

    @property
    def _places(self) -> Tensor:
        """(N,) numbers of a picture's tokens."""
        return torch.arange(self.spec.token_count, device=self.device)

    @torch.inference_mode()
    def image_to_tokens(self, images: Tensor) -> Tensor:
        return self.dvae.encode(images.to(self.device)).cpu()

    @torch.inference_mode()
    def tokens_to_images(self, tokens: Tensor, filled: int) -> Tensor:
        """An unfinished picture is decoded down to one blank row below what there is, and white from there on.

        That costs half as much over a picture's rows, and what is painted looks more as it will: the decoder's norms
        take in less that is blank.
        """
        known = torch.arange(tokens.shape[1]) < filled
        rows = min(self.spec.rows, -(-filled // self.spec.cols) + 1)
        shown = torch.where(known, tokens, self.blank_tokens)[:, : rows * self.spec.cols]
        images = self.dvae.decode(shown.to(self.device)).cpu()
        return F.pad(images, (0, 0, 0, self.spec.image_size - images.shape[2]), value=1.0)

    @torch.inference_mode()
    def prefill(self, conditioning: Conditioning, prefix_tokens: Tensor, count: int) -> tuple[BundledState, Tensor]:
        told: Told = conditioning.value
        prefix = prefix_tokens.to(self.device).expand(len(told.ids), -1)
        decode, logits = self.transformer.prefill(told.ids, prefix, told.sentences, count, told.phrases, told.shown)
        outline = None
        if told.outlines is not None:
            outline = Outline(self.transformer.head, told.outlines, count, prefix.shape[1])
        state = BundledState(decode, told, len(conditioning.prompts), outline)
        return state, self._with_outline(state, logits)

    @torch.inference_mode()
    def next_logits(self, state: BundledState, digits: Tensor) -> Tensor:
        digits = digits.to(self.device)
        if state.outline is not None:
            state.outline.take(digits)
        return self._with_outline(state, self.transformer.next_logits(state.decode, digits.repeat(state.rows)))

    @torch.inference_mode()
    def forced_logits(self, conditioning: Conditioning, tokens: Tensor) -> tuple[Tensor, ...]:
        told: Told = conditioning.value
        tokens = tokens.to(self.device)
        pictures = tokens.expand(len(told.ids), -1)
        forced = self.transformer.forced_logits(told.ids, pictures, told.sentences, told.phrases, told.shown)
        if told.owners is not None:
            each = (logits.view(-1, conditioning.kinds, *logits.shape[1:]) for logits in forced)
            forced = [logits[:, told.owners, self._places] for logits in each]
        if told.outlines is None:
            return tuple(forced)
        digits = split_digits(tokens, self.spec.levels).expand(2, -1, -1)
        outlines = self.transformer.head.forced_logits(told.outlines, digits)
        return tuple(self._guided(logits, said[0] - said[1]) for logits, said in zip(forced, outlines, strict=True))

    def _with_outline(self, state: BundledState, logits: Tensor) -> Tensor:
        """(R·B, L) → (G, B, L), the first prompt's with what its text alone says."""
        grouped = state.told.of_prompts(logits, state.decode.position, state.groups)
        return grouped if state.outline is None else self._guided(grouped, state.outline.evidence())

    def _guided(self, logits: Tensor, evidence: Tensor) -> Tensor:
        """(G, ..., L) logits, the first prompt's with the (..., L) evidence for it."""
        return torch.cat([logits[:1] + self.transformer.config.outline * evidence, logits[1:]])


def load_bundled(folder: Path, device: torch.device) -> BundledModel:
    """Everything is checked before anything is used: hashes, names and shapes of tensors, the vocabulary's size."""
    config, spec = read_json(folder / CONFIG), read_spec(folder)
    for name, expected in config["files"].items():
        check_hash(folder / name, expected)
    networks = _networks(folder, config, device)
    dvae, transformer, clip = networks["dvae"], networks["transformer"], networks["clip"]
    assert isinstance(dvae, DiscreteVAE | OpenAIDVAE)
    assert isinstance(transformer, Transformer)
    assert isinstance(clip, CLIP)
    if dvae.config.levels != transformer.config.levels or dvae.config.grid != transformer.config.rows:
        raise CheckpointError(f"{folder.name}: dVAE and transformer disagree about the tokens they share")
    if transformer.config.sentence not in (0, clip.config.dim):
        raise CheckpointError(
            f"{folder.name}: the transformer takes sentences of {transformer.config.sentence} numbers, "
            f"CLIP gives {clip.config.dim}"
        )
    glossary = Glossary.load(folder / GLOSSARY) if GLOSSARY in config["files"] else None
    tokenizer = TextTokenizer.load(
        folder / "tokenizer.json", transformer.config.text_length, transformer.config.vocab_size, glossary
    )
    if device.type == "cpu":
        pack_linears(transformer)
    clip.eval().requires_grad_(False).to(device)
    prototypes = _prototypes(folder, clip, device) if PROTOTYPES in config["files"] else None
    baseline = tuple(config.get("baseline_scores", ()))
    reranker = CLIPReranker(f"{spec.name}-clip", clip, tokenizer, baseline, prototypes)
    vocabulary = Vocabulary.load(folder / VOCABULARY, glossary) if (folder / VOCABULARY).is_file() else None
    return BundledModel(spec, dvae, transformer, tokenizer, reranker, device, vocabulary)


def _networks(folder: Path, config: dict[str, Any], device: torch.device) -> dict[str, torch.nn.Module]:
    """Each built as the config says, with the weights of its file."""
    kinds: dict[str, tuple[type[torch.nn.Module], type[NetworkConfig]]] = {
        "dvae": (DiscreteVAE, DVAEConfig),
        "transformer": (Transformer, TransformerConfig),
        "clip": (CLIP, CLIPConfig),
    }
    loaded: dict[str, torch.nn.Module] = {}
    if IMAGE_TOKENIZER in config:
        loaded["dvae"] = _published_dvae(folder, config, device)
        del kinds["dvae"]
    for name, (network, kind) in kinds.items():
        settings = read_network(config, name, kind)
        try:
            loaded[name] = network(settings)
        except (ValueError, TypeError, ZeroDivisionError, RuntimeError) as error:
            raise CheckpointError(f"{CONFIG}: the {name} cannot be built ({error})") from error
        load_weights(folder / f"{name}.safetensors", loaded[name])
    return loaded


def _prototypes(folder: Path, clip: CLIP, device: torch.device) -> Prototypes:
    path = folder / PROTOTYPES
    shapes = stored_shapes(path)
    count = next(iter(shapes.values()), (0,))[0]
    hues = torch.zeros(count, 2) if "hues" in shapes else None  # older ones have none
    named, seen = torch.zeros(2, count, clip.config.dim)
    prototypes = Prototypes(named, seen, hues)
    load_weights(path, prototypes)
    return prototypes.to(device)


def _published_dvae(folder: Path, config: dict[str, Any], device: torch.device) -> OpenAIDVAE:
    described = config[IMAGE_TOKENIZER]
    family = described.get("family") if isinstance(described, dict) else None
    if family != openai_dvae.FAMILY:
        raise CheckpointError(
            f"{folder.name}: its image tokenizer is of the family {family!r}; expected {openai_dvae.FAMILY!r}"
        )
    return openai_dvae.read_dvae(folder, config, device)
