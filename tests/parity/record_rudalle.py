"""Records what the packages `rudalle` 1.1.3 and `youtokentome` 1.0.6 answer, for test_rudalle.py to compare ours with.

Neither installs beside a current torch, so their answers are stored in data/. To record them again, unpack both wheels
of `rudalle` and `taming-transformers` 0.0.1 into a folder, install `einops` there, build `youtokentome` in an
environment of its own (it needs cython<3), and run

    python -m tests.parity.record_rudalle bpe             # there
    PYTHONPATH=FOLDER python -m tests.parity.record_rudalle networks   # here
"""

import importlib
import json
import sys
import types
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"


def record_bpe() -> None:
    """Train a small BPE on the prompts, and split them with it."""
    from tests.parity.prompts import PROMPTS

    youtokentome = importlib.import_module("youtokentome")
    corpus = DATA / "corpus.txt"
    corpus.write_text("\n".join(prompt.lower().strip().replace("\n", " ") for prompt in PROMPTS), encoding="utf-8")
    bpe = youtokentome.BPE.train(data=str(corpus), vocab_size=400, model=str(DATA / "bpe.model"), coverage=0.98)
    corpus.unlink()
    ids = bpe.encode([prompt.lower().strip() for prompt in PROMPTS], output_type=youtokentome.OutputType.ID)
    (DATA / "bpe.json").write_text(json.dumps(ids) + "\n")


def record_networks() -> None:
    from safetensors.torch import save_file

    tensors = {f"logits.{layout}": _logits(layout) for layout in ("v2", "v3")} | _pictures()
    save_file(tensors, DATA / "rudalle.safetensors")


def _reference(module: str) -> Any:
    """A module of `rudalle`, without running its packages' own imports, which no current library satisfies."""
    for name in ("rudalle", "rudalle.dalle", "rudalle.vae"):
        if name not in sys.modules:
            package = types.ModuleType(name)
            package.__path__ = [f"{folder}/{name.replace('.', '/')}" for folder in sys.path]
            sys.modules[name] = package
    wavelets = types.ModuleType("rudalle.vae.decoder_dwt")  # another decoder, which needs a library more
    wavelets.DecoderDWT = None  # type: ignore[attr-defined]
    sys.modules[wavelets.__name__] = wavelets
    return importlib.import_module(module)


def _logits(layout: str) -> Any:
    """(N, K): of every image token, the whole stream at once."""
    import torch

    from dalle_core.families.rudalle_text import RudalleTokenizer, read_youtokentome
    from tests.parity.rudalle_tiny import MALEVICH, PROMPT, example_tokens, seeded_state

    model = _reference("rudalle.dalle.model").DalleModel(
        "cpu", num_layers=MALEVICH.layers, vocab_size=MALEVICH.padded_vocab_size, hidden_size=MALEVICH.width,
        num_attention_heads=MALEVICH.heads, embedding_dropout_prob=0.1, attention_dropout_prob=0.1,
        output_dropout_prob=0.1, text_seq_length=MALEVICH.text_length, image_tokens_per_dim=MALEVICH.grid,
        image_vocab_size=MALEVICH.codebook_size, cogview_sandwich_layernorm=True, cogview_pb_relax=True,
        hf_version=layout,
    ).eval()  # fmt: skip
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items() if "_mask" not in name}
    model.load_state_dict(seeded_state(shapes), strict=False)
    row, _ = RudalleTokenizer(read_youtokentome(DATA / "bpe.model"), MALEVICH.text_length).encode(PROMPT)
    ids = torch.cat([torch.tensor([row]), example_tokens()], dim=1)
    total = MALEVICH.text_length + MALEVICH.grid**2
    with torch.no_grad():
        logits, _ = model(ids, torch.ones(1, 1, total, total).tril())
    first = MALEVICH.text_length - (layout == "v3")
    return logits[0, first : first + MALEVICH.grid**2, MALEVICH.padded_vocab_size :].contiguous()


def _pictures() -> dict[str, Any]:
    import torch

    from tests.parity.rudalle_tiny import GUMBEL, example_image, example_tokens, seeded_state

    settings = {
        "double_z": False, "z_channels": GUMBEL.latent_channels, "resolution": GUMBEL.image_size, "in_channels": 3,
        "out_ch": 3, "ch": GUMBEL.channels, "ch_mult": list(GUMBEL.multipliers), "num_res_blocks": GUMBEL.blocks,
        "attn_resolutions": list(GUMBEL.attention_sizes), "dropout": 0.0,
    }  # fmt: skip
    model = _reference("rudalle.vae.model").GumbelVQ(settings, GUMBEL.codebook_size, GUMBEL.code_channels).eval()
    model.load_state_dict(seeded_state({name: tuple(value.shape) for name, value in model.state_dict().items()}))
    with torch.no_grad():
        _, _, (_, _, tokens) = model.encode(example_image() * 2 - 1, disable_gumbel_softmax=True)
        codes = model.quantize.embed(example_tokens()).mT.unflatten(2, (GUMBEL.grid, GUMBEL.grid))
        pixels = (model.decode(codes).clamp(-1, 1) + 1) / 2
    return {"tokens": tokens.flatten(1), "pixels": pixels}


if __name__ == "__main__":
    {"bpe": record_bpe, "networks": record_networks}[sys.argv[1]]()
