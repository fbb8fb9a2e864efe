"""What can be had: public checkpoints, where their files are, how large, under which licence. Fetches nothing itself.

Sizes are about right, for those who choose; the hub tells the true ones before anything is fetched, and `memory` what
a model needs once it is here.
"""

from dataclasses import dataclass

from dalle_core.hub import Source

GB = 10**9
MB = 10**6


@dataclass(frozen=True)
class Licence:
    """`terms` is what it comes to, in a sentence or two; the whole of it is at `url`."""

    name: str
    url: str
    terms: str


@dataclass(frozen=True)
class Memory:
    """Bytes to hold a model and to paint a batch of eight, on a CPU, there as sparingly as can be, and on CUDA.

    A reranker's are those of its weights, beside the model.
    """

    cpu: int
    sparing: int
    cuda: int


@dataclass(frozen=True)
class Offer:
    """One model to be had. `name` is its converter's kind and its folder's name.

    `size` bytes are fetched; converting takes `extra` ones beside them, none where weights are taken as they are.
    """

    name: str
    title: str
    about: str
    licence: Licence
    sources: tuple[Source, ...]
    size: int
    extra: int
    memory: Memory
    needs_transformers: bool = False
    folder: str = ""  # below that of models, for what is none


APACHE = Licence(
    "Apache-2.0",
    "https://www.apache.org/licenses/LICENSE-2.0",
    "Any use, commercial too. Whoever passes the weights on keeps the licence and its notices.",
)
DEEPSEEK = Licence(
    "DeepSeek Model License",
    "https://github.com/deepseek-ai/DeepSeek-LLM/blob/HEAD/LICENSE-MODEL",
    "Any use, commercial too, but for what its Attachment A rules out. Whoever passes the weights on, or offers them "
    "as a service, passes these restrictions on.",
)
MODIFIED_MIT = Licence(
    "Modified MIT",
    "https://github.com/openai/DALL-E/blob/master/LICENSE",
    "Any use; copies keep its notice. OpenAI claims nothing of what you make, and asks you to use it responsibly and "
    "to say that it was used.",
)

MIT = Licence("MIT", "https://opensource.org/license/mit", "Any use; copies keep its notice.")

RERANKER_FILES = ("config.json", "tokenizer.json", "*.safetensors|pytorch_model.bin")
RERANKERS = "rerankers"
MIN_DALLE = "kuprel/min-dalle"
RUDALLE_PARTS = Source("shonenkov/rudalle-utils", ("vqgan.gumbelf8-sber.model.ckpt", "bpe.model"))
VQGAN_ENCODER = Source("dalle-mini/vqgan_imagenet_f16_16384", ("flax_model.msgpack",))
JANUS_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "*.safetensors")


def _min_dalle(suffix: str) -> tuple[Source, ...]:
    weights = (f"encoder{suffix}.pt", f"decoder{suffix}.pt", "detoker.pt")
    return Source(MIN_DALLE, (*weights, f"vocab{suffix}.json", f"merges{suffix}.txt")), VQGAN_ENCODER


def _rudalle(name: str, title: str, about: str, place: str, file: str) -> Offer:
    sources, memory = (Source(place, (file,)), RUDALLE_PARTS), _memory(13.3, 7.1, 7.1)
    return Offer(name, title, about, APACHE, sources, 3700 * MB, 3 * GB, memory)


def _memory(cpu: float, sparing: float, cuda: float) -> Memory:
    """In gigabytes."""
    return Memory(*(round(each * GB) for each in (cpu, sparing, cuda)))


OFFERS = {
    offer.name: offer
    for offer in (
        Offer(
            "dalle-mini", "DALL·E mini", "Pictures of 256 pixels from prompts in English; runs on a CPU.",
            APACHE, _min_dalle("_mini"), 1370 * MB, 1180 * MB, _memory(3.1, 2.0, 2.0),
        ),
        Offer(
            "dalle-mega", "DALL·E Mega", "The larger DALL·E mini, 2.6 billion parameters; wants a GPU.",
            APACHE, _min_dalle(""), 5670 * MB, 5480 * MB, _memory(13.2, 8.5, 7.0),
        ),
        Offer(
            "janus-pro-1b", "Janus-Pro 1B", "Pictures of 384 pixels from prompts in English; wants a GPU of 8 GB.",
            DEEPSEEK, (Source("deepseek-community/Janus-Pro-1B", JANUS_FILES),), 4200 * MB, 0, _memory(11.9, 6.7, 6.7),
            True,
        ),
        Offer(
            "janus-pro-7b", "Janus-Pro 7B", "The best that can be had here; wants a GPU of 24 GB.",
            DEEPSEEK, (Source("deepseek-community/Janus-Pro-7B", JANUS_FILES),), 14900 * MB, 0,
            _memory(38.9, 20.3, 20.3), True,
        ),
        _rudalle(
            "rudalle-malevich", "ruDALL-E Malevich", "Pictures of 256 pixels from prompts in Russian.",
            "ai-forever/rudalle-Malevich", "pytorch_model_v3.bin",
        ),
        _rudalle(
            "rudalle-emojich", "ruDALL-E Emojich", "Malevich, tuned on emoji; prompts in Russian.",
            "ai-forever/rudalle-Emojich", "pytorch_model.bin",
        ),
        _rudalle(
            "rudalle-surrealist-xl", "ruDALL-E Surrealist", "Malevich, tuned on surrealism; prompts in Russian.",
            "shonenkov-AI/rudalle-xl-surrealist", "pytorch_model.bin",
        ),
        Offer(
            "openai-dvae", "OpenAI's discrete VAE", "Turns pictures into tokens and back; it cannot paint by itself.",
            MODIFIED_MIT, (Source("https://cdn.openai.com/dall-e", ("encoder.pkl", "decoder.pkl")),),
            391 * MB, 391 * MB, _memory(0.9, 0.9, 0.9),
        ),
        Offer(
            "clip-vit-base-patch32", "CLIP ViT-B/32", "Ranks what DALL·E mini and Janus-Pro paint, by English prompts.",
            MIT, (Source("openai/clip-vit-base-patch32", RERANKER_FILES),), 608 * MB, 0, _memory(0.6, 0.6, 0.6),
            True, RERANKERS,
        ),
        Offer(
            "siglip2-base-patch32-256", "SigLIP 2 B/32", "Ranks by prompts in many languages, Russian and Chinese too.",
            APACHE, (Source("google/siglip2-base-patch32-256", RERANKER_FILES),), 1540 * MB, 0,
            _memory(1.5, 1.5, 1.5), True, RERANKERS,
        ),
    )
}  # fmt: skip
