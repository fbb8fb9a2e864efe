"""The VQGAN's encoder and nearest-code search against the ones `transformers` has (Chameleon's, of the same design)."""

import pytest
import torch

from dalle_core.config import VQGANConfig
from dalle_core.vqgan import VQGAN
from tests.core.published import shake

CONFIG = VQGANConfig(
    image_size=64, channels=32, multipliers=(1, 2, 2), attention_sizes=(16,), latent_channels=16, code_channels=12,
    codebook_size=200,
)  # fmt: skip


def test_encoder_and_codes() -> None:
    pytest.importorskip("transformers")
    from transformers.models.chameleon.configuration_chameleon import ChameleonVQVAEConfig
    from transformers.models.chameleon.modeling_chameleon import ChameleonVQVAEEncoder, ChameleonVQVAEVectorQuantizer

    torch.manual_seed(0)
    ours = VQGAN(CONFIG).eval().requires_grad_(False)
    shake(ours, 1)
    ours.codebook.weight.mul_(0.3)  # so that more than the code next to zero is taken
    settings = ChameleonVQVAEConfig(
        embed_dim=12, num_embeddings=200, latent_channels=16, resolution=64, base_channels=32,
        channel_multiplier=[1, 2, 2], num_res_blocks=2, attn_resolutions=[16], double_latent=False,
    )  # fmt: skip
    encoder, quantizer = ChameleonVQVAEEncoder(settings).eval(), ChameleonVQVAEVectorQuantizer(settings)
    encoder.load_state_dict(ours.encoder.state_dict())
    quantizer.embedding.load_state_dict(ours.codebook.state_dict())
    images = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        wanted = encoder(images)
        *_, tokens = quantizer(ours.quant_conv(wanted))
    torch.testing.assert_close(ours.encoder(images), wanted, atol=1e-4, rtol=0)
    assert torch.equal(ours.encode(images).flatten(), tokens)
    assert len(tokens.unique()) > 1
