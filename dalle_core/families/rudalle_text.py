"""The BPE of ruDALL-E: its published file read into the library `tokenizers`, which splits text the same way.

The file is plain text, written by the package youtokentome: a line with the number of characters and of merges, a line
`character id` a character, a line `id id id` a merge (left, right, whole), and the ids of the four special tokens.
"""

from dataclasses import dataclass
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from dalle_core.errors import CheckpointError
from dalle_core.tokenizers import cut_to_fit, read_tokenizer

SPACE = "▁"  # stands before every word
UNKNOWN, PAD, BEGIN, END = "<UNK>", "<PAD>", "<BOS>", "<EOS>"
IDS = {PAD: 0, UNKNOWN: 1, BEGIN: 2, END: 3}


@dataclass(frozen=True)
class RudalleTokenizer:
    """Prompts as rows of `text_length` ids: begin, text, end, zeros."""

    library: Tokenizer
    text_length: int

    def encode(self, prompt: str) -> tuple[list[int], str]:
        """The row, and what did not fit. Over-long text is cut at a word; its end mark stays."""
        kept, cut = cut_to_fit(prompt, lambda text: len(self._ids(text)) + 2 <= self.text_length)
        row = [IDS[BEGIN], *self._ids(kept), IDS[END]]
        return row + [0] * (self.text_length - len(row)), cut

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.library.encode(text.lower().strip()).ids
        return ids


def load_rudalle_tokenizer(path: Path, text_length: int, vocab_size: int) -> RudalleTokenizer:
    library = read_tokenizer(path)
    check_vocabulary(path.name, library, vocab_size)
    return RudalleTokenizer(library, text_length)


def check_vocabulary(name: str, library: Tokenizer, vocab_size: int) -> None:
    """Raises CheckpointError where a tokenizer is not the one of a model of `vocab_size` ids."""
    found = {mark: library.token_to_id(mark) for mark in IDS}
    highest = max(library.get_vocab().values())
    if found != IDS or highest >= vocab_size:
        raise CheckpointError(
            f"{name}: expected the special tokens {IDS} and no id from {vocab_size} on, "
            f"found {found} and {highest}; it belongs to another model"
        )


def read_youtokentome(path: Path) -> Tokenizer:
    """The published file as a tokenizer of the library. Raises CheckpointError, which names the line that is wrong."""
    lines = _read_numbers(path)
    characters, merges, special = _sections(path.name, lines)
    if special != [IDS[UNKNOWN], IDS[PAD], IDS[BEGIN], IDS[END]]:
        raise CheckpointError(f"{path.name}: expected special tokens 1, 0, 2 and 3, found {special}")
    spelled = {identity: name for name, identity in IDS.items()}
    for character, identity in characters:
        spelled[identity] = _character(path.name, character)
    pairs = []
    for left, right, whole in merges:
        if left not in spelled or right not in spelled or whole in spelled:
            raise CheckpointError(f"{path.name}: the merge {left} {right} {whole} does not follow from those before")
        spelled[whole] = spelled[left] + spelled[right]
        pairs.append((spelled[left], spelled[right]))
    vocabulary = {text: identity for identity, text in spelled.items()}
    if len(vocabulary) < len(spelled) or len(spelled) != len(IDS) + len(characters) + len(merges):
        raise CheckpointError(f"{path.name}: two of its tokens have the same spelling or the same number")
    return _build(vocabulary, pairs)


def _build(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    """Words are parted at white space, each begins with ▁, and a run of unknown characters is one unknown token."""
    library = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token=UNKNOWN, fuse_unk=True))
    gaps = Regex(r"[ \t\n\v\f\r▁]+")
    library.normalizer = normalizers.Sequence([normalizers.Replace(gaps, " "), normalizers.Strip()])
    library.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(" ", "removed"), pre_tokenizers.Metaspace(SPACE, prepend_scheme="always", split=False),
    ])  # fmt: skip
    return library


def _read_numbers(path: Path) -> list[list[int]]:
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError as error:
        raise CheckpointError(f"missing file: {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path.name}: expected the plain text of a youtokentome model ({error})") from error
    try:
        return [[int(number) for number in line.split()] for line in text.splitlines()]
    except ValueError as error:
        raise CheckpointError(f"{path.name}: expected lines of numbers only ({error})") from error


def _sections(name: str, lines: list[list[int]]) -> tuple[list[list[int]], list[list[int]], list[int]]:
    if not lines or len(lines[0]) != 2 or len(lines) != 2 + sum(lines[0]):
        raise CheckpointError(f"{name}: its first line does not tell how many lines follow; it is cut or another file")
    characters, merges, special = lines[1 : 1 + lines[0][0]], lines[1 + lines[0][0] : -1], lines[-1]
    for section, width in ((characters, 2), (merges, 3), ([special], 4)):
        if odd := [line for line in section if len(line) != width]:
            raise CheckpointError(f"{name}: expected {width} numbers on a line, found {odd[0]}")
    return characters, merges, special


def _character(name: str, code: int) -> str:
    try:
        return chr(code)
    except (ValueError, OverflowError) as error:
        raise CheckpointError(f"{name}: {code} is no character") from error
