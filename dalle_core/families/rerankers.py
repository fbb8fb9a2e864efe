"""Public rerankers: CLIP, SigLIP 2 and PickScore, from a folder or the hub's cache, through `transformers`.

Their score is a cosine, a measure of match; how random pairs score has not been measured, so there are no percentiles.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from dalle_core.checkpoints import atomic_folder, read_json, second_name
from dalle_core.errors import CheckpointError
from dalle_core.families.optional import require_transformers
from dalle_core.tokenizers import cut_to_fit, read_tokenizer, without_marks

# Short names of what is known to work -> the hub's own.
KNOWN = {
    "clip-vit-base-patch32": "openai/clip-vit-base-patch32",
    "siglip2-base-patch32-256": "google/siglip2-base-patch32-256",
    "pickscore-v1": "yuvalkirstain/PickScore_v1",
}
FILES = ("config.json", "tokenizer.json", "*.safetensors.index.json")
WEIGHTS = ("*.safetensors", "pytorch_model.bin")  # the latter where there is none of the former; never run, only read
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
BATCH = 16


@dataclass(frozen=True)
class Kind:
    """What tells the families apart: how pixels are scaled, and which marks stand before, behind and after the text.

    With a `pad` the text always fills its places, as it did in training.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    begin: tuple[str, ...]
    end: tuple[str, ...]
    pad: tuple[str, ...] = ()


KINDS = {
    "clip": Kind(CLIP_MEAN, CLIP_STD, ("<|startoftext|>",), ("<|endoftext|>",)),
    "siglip": Kind((0.5,) * 3, (0.5,) * 3, (), ("<eos>",), ("<pad>",)),
}


class HubReranker:
    """A contrastive model of the library `transformers` as a Reranker."""

    surprisal_weight = 0.0

    def __init__(self, name: str, model: nn.Module, tokenizer: Tokenizer, kind: Kind, device: torch.device) -> None:
        self.name = name
        config: Any = model.config
        self.model: Any = model.eval().requires_grad_(False).to(device)
        self.tokenizer = tokenizer
        self.kind = kind
        self.device = device
        self.text_length = int(config.text_config.max_position_embeddings)
        self.image_size = int(config.vision_config.image_size)
        self.begin, self.end, self.pad = (_ids_of(name, tokenizer, part) for part in (kind.begin, kind.end, kind.pad))

    @torch.inference_mode()
    def score(self, images: Tensor, text: str) -> Tensor:
        """(B, 3, H, W) in [0, 1] and one text → (B,) cosine similarities in [-1, 1], on the CPU."""
        ids, _ = self._ids(text)
        wanted = _features(self.model.get_text_features(input_ids=torch.tensor([ids], device=self.device)))
        return (self._encode(images) @ wanted[0]).cpu()

    @torch.inference_mode()
    def likeness(self, images: Tensor, picture: Tensor) -> Tensor:
        """(B, 3, H, W) and one (3, H, W), all in [0, 1] → (B,) cosine similarities in [-1, 1], on the CPU."""
        return (self._encode(images) @ self._encode(picture[None])[0]).cpu()

    def percentile(self, score: float) -> float | None:
        return None

    def notes(self, text: str) -> tuple[str, ...]:
        _, cut = self._ids(text)
        if not cut:
            return ()
        return (f"{self.name} ranks by the first {self.text_length} tokens of the text. Left out: “{cut}”",)

    def _encode(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, dim), unit length, a few pictures at a time."""
        found = [
            _features(self.model.get_image_features(pixel_values=self._pixels(images[first : first + BATCH])))
            for first in range(0, len(images), BATCH)
        ]
        return torch.cat(found)

    def _ids(self, text: str) -> tuple[list[int], str]:
        """As much of the text as there is room for, in lower case, as both families read it; and what was cut."""

        def encode(part: str) -> list[int]:
            return [*self.begin, *self.tokenizer.encode(part, add_special_tokens=False).ids, *self.end]

        plain = without_marks(self.tokenizer, text.lower()).strip()
        kept, cut = cut_to_fit(plain, lambda part: len(encode(part)) <= self.text_length)
        ids = encode(kept)
        return ids + self.pad * (self.text_length - len(ids)), cut

    def _pixels(self, images: Tensor) -> Tensor:
        """Resized as the library does it: bicubic, smoothed where it shrinks."""
        size = self.image_size
        images = images.to(self.device)
        if images.shape[-1] != size:
            images = F.interpolate(images, size=(size, size), mode="bicubic", antialias=True).clamp(0, 1)
        mean, std = torch.tensor([self.kind.mean, self.kind.std], device=self.device).view(2, 3, 1, 1)
        scaled: Tensor = (images - mean) / std
        return scaled


def _ids_of(name: str, tokenizer: Tokenizer, marks: tuple[str, ...]) -> list[int]:
    ids: list[int | None] = [tokenizer.token_to_id(mark) for mark in marks]
    if None in ids:
        raise CheckpointError(f"{name}: its tokenizer lacks {', '.join(marks)}; it belongs to another model")
    return [identity for identity in ids if identity is not None]


def _features(output: Any) -> Tensor:
    """Unit vectors. Releases before 5 of the library give a tensor, later ones an output that holds it."""
    features: Tensor = output if isinstance(output, Tensor) else output.pooler_output
    return F.normalize(features.float(), dim=-1)


def load_reranker(name: str, folder: Path, device: torch.device, *, download: bool = False) -> HubReranker:
    """A reranker by name: a folder in `folder`, or a known or hub name that this machine's cache holds.

    Only with `download` is anything fetched. Raises CheckpointError that says what is missing.
    """
    require_transformers(name)
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise CheckpointError(f"{name!r} names no reranker; expected one of {', '.join(KNOWN)}, or owner/name")
    found = folder / name if (folder / name).is_dir() else _cached(name, download=download)
    kind = _kind_of(name, found)
    tokenizer = read_tokenizer(found / "tokenizer.json")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return HubReranker(name, _load_network(name, found), tokenizer, kind, device)


def adopt_reranker(source: Path, target: Path) -> None:
    """Check the published files in `source` and bring them into a new folder `target` as they are."""
    require_transformers(target.name)
    if target.exists():
        raise CheckpointError(f"{target} is there already")
    _kind_of(target.name, source)
    read_tokenizer(source / "tokenizer.json")
    if not any(any(source.glob(weights)) for weights in WEIGHTS):
        raise CheckpointError(f"{target.name}: its files hold no {' or '.join(WEIGHTS)}")
    with atomic_folder(target) as staging:
        for path in sorted(source.iterdir()):
            if any(path.match(pattern) for pattern in (*FILES, *WEIGHTS)):
                second_name(path, staging / path.name)


def _kind_of(name: str, folder: Path) -> Kind:
    kind = KINDS.get(str(read_json(folder / "config.json").get("model_type")))
    if kind is None:
        raise CheckpointError(f"{name}: no reranker; expected a model of type {' or '.join(KINDS)}")
    return kind


def _cached(name: str, *, download: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    hub_name = KNOWN.get(name, name)
    try:
        for weights in WEIGHTS:
            patterns = [*FILES, weights]
            found = Path(snapshot_download(hub_name, allow_patterns=patterns, local_files_only=not download))
            if any(found.glob(weights)):
                return found
    except HFValidationError as error:
        known = ", ".join(KNOWN)
        raise CheckpointError(f"{name!r} names no reranker; expected one of {known}, or owner/name") from error
    except Exception as error:  # no network, no such name, no room: many kinds
        raise CheckpointError(
            f"The reranker {name} is not on this machine ({hub_name} is not in the hub's cache). "
            f"Known rerankers: {', '.join(KNOWN)}."
        ) from error
    raise CheckpointError(f"{name}: {hub_name} holds no {' or '.join(WEIGHTS)}")


def _load_network(name: str, folder: Path) -> nn.Module:
    from transformers import AutoModel

    try:
        model, report = AutoModel.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except Exception as error:  # the library raises many kinds
        raise CheckpointError(f"{name}: cannot be loaded ({error})") from error
    wrong = [*report["missing_keys"], *report.get("mismatched_keys", ())]
    if wrong:
        raise CheckpointError(f"{name}: missing or misshapen tensors {sorted(map(str, wrong))[:5]}")
    network: nn.Module = model.float()
    return network
