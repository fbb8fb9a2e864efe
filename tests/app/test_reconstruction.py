"""What an image tokenizer alone makes of a picture: a tiny discrete VAE of OpenAI's design, random weights."""

from pathlib import Path

import pytest
import torch

from app.errors import NotFound
from app.studio import Studio
from dalle_core.checkpoints import save_weights, sha256_of, write_json
from dalle_core.config import OpenAIDVAEConfig
from dalle_core.errors import CheckpointError
from dalle_core.images import open_image
from dalle_core.openai_dvae import OpenAIDVAE
from tests.app.test_sources import file, picture


def put_tokenizer(place: Path, name: str) -> Path:
    """A folder as its converter writes it."""
    small = OpenAIDVAEConfig(image_size=32, width=8, decoder_width=8, blocks=1, codebook_size=16)
    spec = {"name": name, "family": "openai-dvae", "image_size": 32, "rows": 4, "cols": 4, "levels": [16],
            "text_length": 0, "languages": [], "licence": "MIT", "can_encode": True, "styles": []}  # fmt: skip
    folder = place / name
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    save_weights(folder / "dvae.safetensors", OpenAIDVAE(small).state_dict(), None)
    files = {"dvae.safetensors": sha256_of(folder / "dvae.safetensors")}
    write_json(folder / "config.json", {"format": 1, "spec": spec, "files": files, "dvae": small.to_dict()})
    return folder


def test_a_picture_goes_into_tokens_and_back(studio: Studio) -> None:
    folder = put_tokenizer(studio.settings.own_models, "tiny-dvae")
    upload = studio.take_upload(file(picture()))
    made = studio.reconstruct("tiny-dvae", upload.id)
    assert (made.rows, made.cols, len(made.tokens)) == (4, 4, 16)
    assert open_image(made.square).size == open_image(made.reconstruction).size == (32, 32)
    with pytest.raises(NotFound, match="no longer there"):
        studio.reconstruct("tiny-dvae", "nothing")
    (folder / "dvae.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="corrupt or another file"):
        studio.reconstruct("tiny-dvae", upload.id)
