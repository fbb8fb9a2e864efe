"""What to paint, validated. Knows no tensors: a page or a command line builds requests before torch loads."""

from dataclasses import dataclass

from dalle_core.errors import RequestError

MAX_COUNT = 256
MAX_BATCH_WIDTH = 64
MAX_PROMPT_CHARACTERS = 2000
MIN_STRENGTH = 0.01
STRENGTH_VERSION = 2
MAX_SEED = 2**53 - 1  # every JSON reader keeps it exactly
MAX_FIRST_SEED = MAX_SEED - MAX_COUNT


def even_width(count: int, widest: int = 8) -> int:
    """The width of micro-batches that share `count` pictures evenly, so that the last one is padded least."""
    batches = -(-count // widest)
    return -(-count // batches)


class OutOfRange(RequestError):
    """A value beyond what its field, called `name` in the message, may have."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True)
class GenerationRequest:
    """What to paint. Candidate i has the seed `seed + i`; `prefix_tokens` are whole top rows, given and kept.

    A `guidance_scale` of 1 does no second pass; `top_k` 0 and `top_p` 1 keep all; a `batch_width` of 0 becomes one that
    suits `count`; `rerank_text` None means the prompt. `slot` is the row of the micro-batch that the first candidate
    takes: floating point depends on it, so a picture painted again takes the row it had.

    A `strength` below 1 asks for variations of the picture of `source_tokens`, a whole grid of them: near 0 they are
    all but that picture, at 1 only the prompt counts. Such a request needs no prompt. What a strength does is measured
    for each picture, as `dalle_core.variation` says; a `strength_version` of 1 is the fixed scale of earlier recipes.
    """

    prompt: str
    negative_prompt: str = ""
    count: int = 16
    keep: int = 4
    seed: int = 0
    temperature: float = 0.6
    top_k: int = 0
    top_p: float = 1.0
    guidance_scale: float = 3.5
    batch_width: int = 0
    prefix_tokens: tuple[int, ...] = ()
    rerank_text: str | None = None
    slot: int = 0
    source_tokens: tuple[int, ...] = ()
    strength: float = 1.0
    strength_version: int = STRENGTH_VERSION

    def __post_init__(self) -> None:
        _check_range("strength", self.strength, MIN_STRENGTH, 1)
        _check_range("strength_version", self.strength_version, 1, STRENGTH_VERSION)
        _check_text("prompt", self.prompt, required=not self.varies)
        _check_text("negative prompt", self.negative_prompt, required=False)
        _check_range("count", self.count, 1, MAX_COUNT)
        _check_range("keep", self.keep, 1, self.count)
        _check_range("seed", self.seed, 0, MAX_FIRST_SEED)
        _check_range("temperature", self.temperature, 0, 5)
        _check_range("top_k", self.top_k, 0, 2**20)
        _check_range("top_p", self.top_p, 0.01, 1)
        _check_range("guidance_scale", self.guidance_scale, 0, 30)
        if self.batch_width == 0:
            object.__setattr__(self, "batch_width", even_width(self.count))
        _check_range("batch_width", self.batch_width, 1, MAX_BATCH_WIDTH)
        _check_range("slot", self.slot, 0, self.batch_width - 1)
        if self.slot and self.count > 1:
            raise RequestError(f"slot is {self.slot} with a count of {self.count}; only a lone picture takes a slot.")
        if self.rerank_text is not None:
            _check_text("rerank text", self.rerank_text, required=True)

    @property
    def varies(self) -> bool:
        """Whether it asks for variations of a picture."""
        return self.strength < 1

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(self.seed + i for i in range(self.count))


def _check_text(name: str, text: str, *, required: bool) -> None:
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise RequestError(f"The {name} has {len(text)} characters; at most {MAX_PROMPT_CHARACTERS} are allowed.")
    if any("\ud800" <= character <= "\udfff" or character == "\0" for character in text):
        raise RequestError(f"The {name} holds characters that are not text; type it again.")
    if required and not any(character.isprintable() and not character.isspace() for character in text):
        raise RequestError(f"The {name} is empty. Say what to paint, for example: red apple")


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also catches NaN
        raise OutOfRange(f"{name} is {value}; expected a value from {low} to {high}.", name)
