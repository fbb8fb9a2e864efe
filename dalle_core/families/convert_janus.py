"""From a published folder of Janus-Pro, as `transformers` writes it, to one of ours. Reads headers, not weights."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dalle_core.checkpoints import (
    FORMAT,
    atomic_folder,
    check_tensors,
    read_json,
    second_name,
    sha256_of,
    write_json,
)
from dalle_core.errors import CheckpointError
from dalle_core.families.base import ModelSpec, Sampling
from dalle_core.families.janus import (
    NETWORK,
    TOKENIZER,
    WEIGHTS,
    empty_network,
    painting_shapes,
    read_janus_tokenizer,
    read_network_config,
)
from dalle_core.families.optional import require_transformers
from dalle_core.families.registry import CONFIG

if TYPE_CHECKING:
    from transformers import JanusConfig

TEXT_LENGTH = 1024
BEGIN_IMAGE = "<begin_of_image>"
LICENCE = "DeepSeek Model License"


def convert_janus(source: Path, target: Path) -> ModelSpec:
    """Check the published files in `source` and bring them into a new folder `target`, whole or not at all."""
    require_transformers(target.name)
    if target.exists():
        raise CheckpointError(f"{target} is there already")
    published = read_network_config(source / "config.json")
    files = sorted(source.glob("*.safetensors"))
    if not files:
        raise CheckpointError(f"{source.name}: no *.safetensors in it; other kinds of weight files are not read")
    tokens = _marks(source / "tokenizer_config.json")
    read_janus_tokenizer(source / TOKENIZER, tokens, TEXT_LENGTH)
    check_tensors(source.name, painting_shapes(files), empty_network(published))
    with atomic_folder(target) as staging:
        (staging / WEIGHTS).mkdir()
        places = {source / "config.json": NETWORK, source / TOKENIZER: TOKENIZER}
        places |= {path: f"{WEIGHTS}/{path.name}" for path in files}
        for path, place in places.items():
            second_name(path, staging / place)
        hashes = {place: sha256_of(staging / place) for place in places.values()}
        spec = published_spec(target.name, published)
        write_json(staging / CONFIG, _config(spec, hashes, tokens))
    return spec


def published_spec(name: str, published: "JanusConfig") -> ModelSpec:
    """What there is to know of a published model, under the name of its folder; `sha256` is for its files to tell."""
    vision, vq, text = published.vision_config, published.vq_config, published.text_config
    side = vq.num_patches
    room = text.max_position_embeddings - side * side
    if room < 64:
        raise CheckpointError(f"{name}: its {text.max_position_embeddings} positions leave no room for a prompt")
    return ModelSpec(
        name=name,
        family="janus",
        image_size=vision.image_size,
        rows=side,
        cols=side,
        levels=(vq.num_embeddings,),
        text_length=min(TEXT_LENGTH, room),
        languages=("en",),
        licence=LICENCE,
        can_encode=True,
        sha256="",
        sampling=Sampling(temperature=1, guidance_scale=5),
        preview_rows=4,  # decoding a picture costs as much as painting several rows of it
        reranker="clip-vit-base-patch32",
    )


def _config(spec: ModelSpec, files: dict[str, str], tokens: dict[str, str]) -> dict[str, Any]:
    described = {name: value for name, value in asdict(spec).items() if name != "sha256"}
    return {"format": FORMAT, "spec": described, "files": files, "tokens": tokens}


def _marks(path: Path) -> dict[str, str]:
    """How the published tokenizer spells its marks."""
    values = read_json(path)
    marks = {"begin_image": BEGIN_IMAGE}
    for name in ("bos", "pad"):
        mark = values.get(f"{name}_token")
        marks[name] = str(mark.get("content") if isinstance(mark, dict) else mark)
    return marks
