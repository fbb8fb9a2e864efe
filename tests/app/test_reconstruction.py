"""What an image tokenizer alone makes of a picture: a tiny discrete VAE of OpenAI's design, random weights."""

import pytest

from app.errors import NotFound
from app.studio import Studio
from dalle_core.errors import CheckpointError
from dalle_core.images import open_image
from tests.app.test_sources import file, picture
from tests.core.published import write_openai_dvae


def test_a_picture_goes_into_tokens_and_back(studio: Studio) -> None:
    folder = write_openai_dvae(studio.settings.own_models / "tiny-dvae")
    upload = studio.take_upload(file(picture()))
    made = studio.reconstruct("tiny-dvae", upload.id)
    assert (made.rows, made.cols, len(made.tokens)) == (4, 4, 16)
    assert open_image(made.square).size == open_image(made.reconstruction).size == (32, 32)
    with pytest.raises(NotFound, match="no longer there"):
        studio.reconstruct("tiny-dvae", "nothing")
    (folder / "dvae.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="corrupt or another file"):
        studio.reconstruct("tiny-dvae", upload.id)
