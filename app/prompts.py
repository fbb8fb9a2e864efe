"""Prompt templates: `{red|blue} {cat|dog}`, weights, `__wildcards__` from text files, `${variables}`.

A template is counted and any of its expansions found by number without listing the others, so ten million of them
answer at once. The order is fixed: as written, the last place turning fastest. The grammar is that of dynamicprompts,
which is imported when the first template is read; what it cannot do (jinja, random order) is refused in words.
"""

import random
import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, islice
from math import factorial, prod
from typing import TYPE_CHECKING, Any

from app.wildcards import Wildcards, WildcardView
from dalle_core.errors import RequestError
from dalle_core.request import MAX_PROMPT_CHARACTERS

if TYPE_CHECKING:
    from dynamicprompts.commands import Command, VariantCommand, WildcardCommand

MAX_DEPTH = 16
MAX_BRACES = 100  # pairs in one prompt: each is parsed
MAX_LINES_WITH_TEMPLATES = 2000  # in all the wildcards of a prompt: each is parsed
DRAWS = 20  # for each expansion wanted, before the rest is taken in order

WILDCARD = re.compile(r"__[^\s{}|$_](?:(?!__)[^{}|$\n])*?__")
# What the library's grammar takes for comments or commands and an artist types as it is; and what a backslash keeps.
ORDINARY = {mark: chr(0xE000 + i) for i, mark in enumerate("#%/\\{}|_$")}
RESTORED = str.maketrans({stand_in: mark for mark, stand_in in ORDINARY.items()})


@dataclass(frozen=True)
class Text:
    text: str
    count = 1


@dataclass(frozen=True)
class Value:
    """What a variable was given, which was chosen elsewhere."""

    name: str
    count = 1


@dataclass(frozen=True, eq=False)
class Choice:
    """One of these. `weights` count only where expansions are drawn."""

    options: tuple["Node", ...]
    weights: tuple[float, ...]

    @cached_property
    def ends(self) -> list[int]:
        return list(accumulate(option.count for option in self.options))

    @property
    def count(self) -> int:
        return self.ends[-1]


@dataclass(frozen=True, eq=False)
class Several:
    """From `low` to `high` of these, none twice, in every order."""

    options: tuple["Node", ...]
    low: int
    high: int
    separator: str

    @cached_property
    def count(self) -> int:
        counts = [option.count for option in self.options]
        return sum(_arrangements(counts, size) for size in range(self.low, self.high + 1))


@dataclass(frozen=True, eq=False)
class Chain:
    parts: tuple["Node", ...]

    @cached_property
    def count(self) -> int:
        return prod(part.count for part in self.parts)


Node = Text | Value | Choice | Several | Chain
Values = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Part:
    """A place of a template. It varies where `count` is above 1; a named one is shown only where its name is."""

    node: Node
    name: str = ""

    @property
    def count(self) -> int:
        return self.node.count


@dataclass(frozen=True, eq=False)
class Template:
    """A prompt with its places, in order."""

    source: str
    places: tuple[Part, ...]

    @cached_property
    def count(self) -> int:
        return prod(place.count for place in self.places)

    @cached_property
    def varying(self) -> tuple[Part, ...]:
        return tuple(place for place in self.places if place.count > 1)

    def expansion(self, number: int) -> str:
        """The expansion with this number, from 0. Raises RequestError."""
        if not 0 <= number < self.count:
            raise RequestError(f"The variation is {number + 1}; expected a value from 1 to {self.count}.")
        return self.filled(_digits(number, [part.count for part in self.varying]))

    def filled(self, chosen: Sequence[int]) -> str:
        """The prompt with these choices, one for each of `varying`."""
        wanted = iter(chosen)
        values: dict[str, str] = {}
        texts = []
        for place in self.places:
            text = nth(place.node, next(wanted) if place.count > 1 else 0, values)
            if place.name:
                values[place.name] = text
            else:
                texts.append(text)
        return " ".join("".join(texts).split())

    def first(self, most: int) -> list[str]:
        return [self.expansion(number) for number in range(min(most, self.count))]

    def choices(self, part: int, most: int) -> list[str]:
        """What can stand at one of the varying places, the first `most`."""
        node = self.varying[part].node
        return [" ".join(nth(node, number, {}).split()) for number in range(min(most, node.count))]

    def draw(self, count: int, seed: int) -> list[int]:
        """Numbers of `count` expansions in order: all where there are no more, else drawn by their weights."""
        if count >= self.count:
            return list(range(self.count))
        chance = random.Random(seed)
        drawn: set[int] = set()
        for _ in range(DRAWS * count):
            drawn.add(self._draw(chance))
            if len(drawn) == count:
                return sorted(drawn)
        rest = (number for number in range(self.count) if number not in drawn)  # weights that leave hardly a choice
        return sorted([*drawn, *islice(rest, count - len(drawn))])

    def _draw(self, chance: random.Random) -> int:
        number = 0
        for place in self.varying:
            number = number * place.count + _drawn(place.node, chance)
        return number


class Prompts:
    """Reads templates, with the wildcards of one data folder."""

    def __init__(self, wildcards: Wildcards) -> None:
        self._wildcards = wildcards

    @property
    def folder(self) -> str:
        """Where the wildcards' text files are."""
        return str(self._wildcards.folder)

    def wildcards(self) -> list[WildcardView]:
        return self._wildcards.listed()

    def read(self, prompt: str) -> Template:
        """Raises RequestError, which names what was found; a prompt without marks has one expansion, itself."""
        if not is_template(prompt):
            return Template(prompt, (Part(Text(prompt)),))
        if len(prompt) > MAX_PROMPT_CHARACTERS:
            raise RequestError(f"The prompt has {len(prompt)} characters; at most {MAX_PROMPT_CHARACTERS} are allowed.")
        return Template(prompt, tuple(_Reader(self._wildcards.lines).places(prompt)))

    def chosen(self, prompt: str, number: int) -> str:
        """The expansion of `prompt` with this number, from 0; `prompt` as it is where it is no template."""
        return self.read(prompt).expansion(number) if is_template(prompt) else prompt


def is_template(prompt: str) -> bool:
    """Whether a prompt holds braces or a wildcard."""
    return any(mark in prompt for mark in "{}") or WILDCARD.search(prompt) is not None


def nth(node: Node, number: int, values: Values) -> str:
    """The text of expansion `number` of a node, from 0."""
    match node:
        case Text():
            return node.text
        case Value():
            return values.get(node.name, "")
        case Choice():
            at = bisect_right(node.ends, number)
            return nth(node.options[at], number - (node.ends[at - 1] if at else 0), values)
        case Chain():
            digits = _digits(number, [part.count for part in node.parts])
            return "".join(nth(part, digit, values) for part, digit in zip(node.parts, digits, strict=True))
        case Several():
            return node.separator.join(_arranged(node, number, values))


def _digits(number: int, bases: Sequence[int]) -> list[int]:
    """`number` in mixed radix, the last digit turning fastest."""
    digits = []
    for base in reversed(bases):
        number, digit = divmod(number, base)
        digits.append(digit)
    return digits[::-1]


def _arrangements(counts: Sequence[int], size: int) -> int:
    """How many texts `size` of the options make, in every order: each option in any of its expansions."""
    sums = [1] + [0] * size  # sums[k]: the products of k different counts, added up
    for count in counts:
        for k in range(size, 0, -1):
            sums[k] += sums[k - 1] * count
    return sums[size] * factorial(size)


def _arranged(node: Several, number: int, values: Values) -> list[str]:
    counts = [option.count for option in node.options]
    size = node.low
    while number >= (some := _arrangements(counts, size)):
        number -= some
        size += 1
    left, texts = list(node.options), []
    for remaining in range(size - 1, -1, -1):
        for i, option in enumerate(left):
            others = _arrangements([other.count for other in left[:i] + left[i + 1 :]], remaining)
            if number < option.count * others:
                break
            number -= option.count * others
        which, number = divmod(number, others)
        texts.append(nth(left.pop(i), which, values))
    return texts


def _drawn(node: Node, chance: random.Random) -> int:
    """The number of an expansion of `node`, by weight."""
    match node:
        case Choice():
            (at,) = chance.choices(range(len(node.options)), weights=node.weights)
            return (node.ends[at - 1] if at else 0) + _drawn(node.options[at], chance)
        case Chain():
            number = 0
            for part in node.parts:
                number = number * part.count + _drawn(part, chance)
            return number
    return chance.randrange(node.count)


class _Reader:
    """Reads one prompt: the library's commands become nodes, wildcards their lines, each only once."""

    def __init__(self, lines: Callable[[str], Sequence[str]]) -> None:
        self._lines = lines
        self._known: dict[str, Node] = {}
        self._open: list[str] = []  # wildcards on the way here
        self._parsed = 0
        self._variables: dict[str, Node] = {}

    def places(self, prompt: str) -> list[Part]:
        from dynamicprompts.commands import SequenceCommand
        from dynamicprompts.commands.variable_commands import VariableAssignmentCommand

        command = _parse(prompt)
        places = []
        for token in command.tokens if isinstance(command, SequenceCommand) else [command]:
            if not isinstance(token, VariableAssignmentCommand):
                places.append(Part(self._node(token)))
            elif token.overwrite or token.name not in self._variables:
                value = self._node(token.value)
                places += [Part(value, token.name)] if token.immediate else []
                self._variables[token.name] = Value(token.name) if token.immediate else value
        return places

    def _node(self, command: "Command") -> Node:
        from dynamicprompts.commands import LiteralCommand, SequenceCommand, VariantCommand, WildcardCommand
        from dynamicprompts.commands.variable_commands import VariableAccessCommand

        if command.sampling_method is not None:
            raise RequestError("The marks ~, @ and ! do nothing here: the order is as written. Leave them out.")
        match command:
            case LiteralCommand():
                return Text(command.literal.translate(RESTORED))
            case SequenceCommand():
                return Chain(tuple(self._node(token) for token in command.tokens))
            case VariantCommand():
                return self._variant(command)
            case WildcardCommand():
                return self._wildcard(command)
            case VariableAccessCommand():
                return self._variable(command)
        raise RequestError(f"The template holds {type(command).__name__}, which is not known here.")

    def _variant(self, command: "VariantCommand") -> Node:
        weighted = [(self._node(option.value), option.weight) for option in command.variants]
        if len(weighted) == 1 and isinstance(weighted[0][0], Choice):  # {2$$__colours__}: some of its lines
            only = weighted[0][0]
            weighted = list(zip(only.options, only.weights, strict=True))
        options, weights = _distinct(weighted)
        low, high = (min(bound, len(options)) for bound in (command.min_bound, command.max_bound))
        if low == high == 1:
            return Choice(options, weights)
        return Several(options, low, high, command.separator.translate(RESTORED))

    def _variable(self, command: Any) -> Node:
        if command.name in self._variables:
            return self._variables[command.name]
        if command.default is None:
            raise RequestError(
                f"The variable ${{{command.name}}} is used before it has a value. "
                f"Give it one first: ${{{command.name}=!{{red|blue}}}}"
            )
        return self._node(command.default)

    def _wildcard(self, command: "WildcardCommand") -> Node:
        if not isinstance(command.wildcard, str) or command.variables:
            raise RequestError("A wildcard is the name of a text file between double underscores, like __animals__.")
        name = command.wildcard.translate(RESTORED)
        if name in self._open:
            way = " → ".join([*self._open[self._open.index(name) :], name])
            raise RequestError(f"The wildcard __{name}__ leads back to itself: {way}.")
        if name not in self._known:
            self._open.append(name)
            self._known[name] = self._choice(name)
            self._open.pop()
        return self._known[name]

    def _choice(self, name: str) -> Choice:
        weighted = [self._line(line) for line in self._lines(name)]
        options, weights = _distinct(weighted)
        return Choice(options, weights)

    def _line(self, line: str) -> tuple[Node, float]:
        weight, separator, text = line.partition("::")
        if not separator or not re.fullmatch(r"\s*\d+(\.\d+)?\s*", weight):
            weight, text = "1", line
        if not is_template(text):
            return Text(text.strip()), float(weight)
        self._parsed += 1
        if self._parsed > MAX_LINES_WITH_TEMPLATES:
            raise RequestError(
                f"The wildcards of this prompt hold more than {MAX_LINES_WITH_TEMPLATES} lines with templates in them."
            )
        if len(text) > MAX_PROMPT_CHARACTERS:
            raise RequestError(
                f"A wildcard's line has {len(text)} characters; at most {MAX_PROMPT_CHARACTERS} are read."
            )
        return self._node(_parse(text.strip())), float(weight)


def _distinct(weighted: Sequence[tuple[Node, float]]) -> tuple[tuple[Node, ...], tuple[float, ...]]:
    """Without options of no weight, and with equal texts as one."""
    merged: dict[object, tuple[Node, float]] = {}
    for node, weight in weighted:
        key = node if isinstance(node, Text | Value) else id(node)
        if weight > 0:
            merged[key] = (node, weight + (merged[key][1] if key in merged else 0))
    if not merged:
        raise RequestError("The template has a place where nothing can stand: each choice has the weight 0.")
    nodes, weights = zip(*merged.values(), strict=True)
    return nodes, weights


# The grammar

_parsing = threading.Lock()  # the library's parser is one for all, and not said to be safe


def _parse(text: str) -> "Command":
    from dynamicprompts.parser.parse import parse
    from pyparsing import ParseBaseException

    shielded = _shielded(text)
    _check_braces(shielded)
    try:
        with _parsing:
            return parse(shielded)
    except (ParseBaseException, ValueError, RecursionError) as error:
        at = getattr(error, "loc", 0)
        raise RequestError(f"The template cannot be read from here on: “{_excerpt(text, at)}”.") from error


def _shielded(text: str) -> str:
    """`text` with stand-ins, of the same length mostly, for what is meant as it is written."""
    text = re.sub(r"\\([{}|_$\\])", lambda found: ORDINARY[found[1]], text)
    kept: list[tuple[int, int]] = [found.span() for found in WILDCARD.finditer(text)]
    shielded = []
    for at, mark in enumerate(text):
        beside = text[max(0, at - 1) : at] + text[at + 1 : at + 2]
        meant = {"$": "{" in beside[-1:] or "$" in beside, "_": "_" not in beside}.get(mark, mark not in ORDINARY)
        meant = meant or mark in "{}|" or any(start <= at < end for start, end in kept)
        shielded.append(mark if meant else ORDINARY[mark])
    return "".join(shielded)


def _check_braces(text: str) -> None:
    """Raises RequestError where they do not pair."""
    if (pairs := text.count("{")) > MAX_BRACES:
        raise RequestError(f"The template has {pairs} braces; at most {MAX_BRACES} are read.")
    opened: list[int] = []
    for at, mark in enumerate(text):
        if mark == "{":
            opened.append(at)
        elif mark == "}" and not opened:
            raise RequestError(
                f"The }} after “{_excerpt(text[:at][-24:], 0)}” closes nothing. For a brace itself write \\}}"
            )
        elif mark == "}":
            opened.pop()
        if len(opened) > MAX_DEPTH:
            raise RequestError(f"The template's braces are nested more than {MAX_DEPTH} deep.")
    if opened:
        raise RequestError(
            f"The brace of “{_excerpt(text, opened[-1])}” is never closed. For a brace itself write \\{{"
        )


def _excerpt(text: str, start: int) -> str:
    shown = text[start : start + 24].translate(RESTORED)
    return shown + "…" if len(text) > start + 24 else shown
