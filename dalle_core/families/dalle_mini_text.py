"""How DALL·E mini reads a prompt: spelled out in lower-case ASCII, then cut into byte pairs.

Knows no network. Source: kuprel/min-dalle's tokenizer, of which this keeps the ids. It differs where that one loses
words: accents are folded instead of dropped with their letter, any white space ends a word, emoji are words of their
own, and a text that is too long keeps its end token.
"""

import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from emoji import demojize
from tokenizers import Tokenizer, models, pre_tokenizers

from dalle_core.bart import PAD
from dalle_core.errors import CheckpointError

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
NEVER_WRITTEN = "<mask>"  # in the vocabulary, but no text has it
MOST_UNUSED = 64  # rows of the embedding that no token has: it is rounded up
WORD = "Ġ"  # what a word begins with in the vocabulary
OPEN, CLOSE = "\ue000", "\ue001"  # private characters, around the name of an emoji
BESIDE = re.compile(rf"(?<=\w){OPEN}|{CLOSE}(?=[\w{OPEN}])")  # where a name touches a word or another name


@dataclass(frozen=True)
class EncodedPrompt:
    """`ids` (text_length,): start, text, end, padding. `cut` is what did not fit, `unread` what is not ASCII."""

    ids: tuple[int, ...]
    cut: str
    unread: str


def normalise(text: str) -> str:
    """What is left of a text in the model's alphabet, words apart by one space."""
    return " ".join(_spelled(text).encode("ascii", "ignore").decode().split())


def unread(text: str) -> str:
    """The letters and digits of a text that the model's alphabet lacks."""
    return "".join(character for character in _spelled(text) if ord(character) > 127 and character.isalnum())


def _spelled(text: str) -> str:
    """Emoji as words, accents apart from their letters, lower case."""
    named = BESIDE.sub(" ", demojize(text, delimiters=(OPEN, CLOSE))).replace(OPEN, "").replace(CLOSE, "")
    return unicodedata.normalize("NFKD", named).casefold().replace("\u2044", "/")  # the stroke of ½


class PromptTokenizer:
    """The byte-pair encoder of one checkpoint, at a fixed text length."""

    def __init__(self, library: Tokenizer, text_length: int) -> None:
        self.library = library
        self.text_length = text_length
        self.start_id, self.end_id = _id_of(library, START), _id_of(library, END)

    @property
    def room(self) -> int:
        """Tokens a text may have."""
        return self.text_length - 2

    def encode(self, text: str) -> EncodedPrompt:
        plain = normalise(text)
        encoding = self.library.encode(plain)
        ids = [self.start_id, *encoding.ids[: self.room], self.end_id]
        cut = plain[encoding.offsets[self.room][0] :].strip() if len(encoding.ids) > self.room else ""
        return EncodedPrompt((*ids, *[PAD] * (self.text_length - len(ids))), cut, unread(text))

    @classmethod
    def load(cls, path: Path, text_length: int, vocab_size: int) -> "PromptTokenizer":
        try:
            library = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise CheckpointError(f"{path.name}: not a readable tokenizer ({error})") from error
        check_ids(path.name, library.get_vocab(), vocab_size)
        return cls(library, text_length)


def build_tokenizer(vocab: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    """From the published vocabulary and merges, best first. Raises CheckpointError where the two do not belong."""
    try:
        library = Tokenizer(models.BPE(vocab, merges, unk_token=UNKNOWN))
    except Exception as error:  # the library raises bare Exception
        raise CheckpointError(f"vocabulary and merges do not belong together ({error})") from error
    library.pre_tokenizer = pre_tokenizers.Metaspace(replacement=WORD, prepend_scheme="always")
    return library


def check_ids(name: str, vocab: dict[str, int], vocab_size: int) -> None:
    """Refuse a vocabulary that is larger or far smaller than the model's, or whose marks are missing or elsewhere."""
    if missing := [mark for mark in (START, END, UNKNOWN) if mark not in vocab]:
        raise CheckpointError(f"{name}: lacks {', '.join(missing)}; it belongs to another model")
    if (pad := vocab.get("<pad>", PAD)) != PAD:
        raise CheckpointError(f"{name}: expected <pad> to be {PAD}, found {pad}; it belongs to another model")
    highest = max(i for token, i in vocab.items() if token != NEVER_WRITTEN)
    if not vocab_size - MOST_UNUSED <= highest < vocab_size:
        raise CheckpointError(
            f"{name}: its ids end at {highest}, the model's at {vocab_size - 1}; it belongs to another model"
        )


def read_vocabulary(vocab: Path, merges: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The published pair of files. The first line of the merges is a comment."""
    try:
        ids = json.loads(vocab.read_text(encoding="utf-8"))
        lines = merges.read_text(encoding="utf-8").split("\n")[1:]
    except FileNotFoundError as error:
        raise CheckpointError(f"missing file: {error.filename}") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{vocab.name}, {merges.name}: not readable ({error})") from error
    if not isinstance(ids, dict) or not all(isinstance(i, int) for i in ids.values()):
        raise CheckpointError(f"{vocab.name}: expected a JSON object of token ids")
    pairs = [tuple(line.split()) for line in lines if line.strip()]
    if not all(len(pair) == 2 for pair in pairs):
        raise CheckpointError(f"{merges.name}: expected two tokens a line")
    return ids, pairs  # type: ignore[return-value]  # the lengths were just checked


def _id_of(library: Tokenizer, token: str) -> int:
    found: int | None = library.token_to_id(token)
    if found is None:
        raise CheckpointError(f"the tokenizer lacks {token}; it belongs to another model")
    return found
