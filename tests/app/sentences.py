"""Finds the English that the page may show, in the sources: templates with every value written {}."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import gradio as gr

PLACEHOLDER = re.compile(r"\{\w+(?::words)?\}")
LETTERS = re.compile(r"[A-Za-z]{2}")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
READ_BY_PEOPLE = ("placeholder", "aria-label", "title", "alt")


def plain(text: str) -> str:
    """A template without the names of its values."""
    return PLACEHOLDER.sub("{}", text)


def raised(module: Path) -> Iterator[str]:
    """The message of every error that a module raises by itself, and what its `explain` makes of others."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from (text for argument in node.exc.args if (text := _text(argument)) and LETTERS.search(text))
        if isinstance(node, ast.FunctionDef) and node.name.endswith("explain"):
            answers = (found.value for found in ast.walk(node) if isinstance(found, ast.Return) and found.value)
            yield from filter(LETTERS.search, map(_text, answers))


def written(module: Path) -> Iterator[str]:
    """Every text in a module that is not a docstring, and both numbers of every noun that is counted."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if id(node) not in docs | parts and (text := _text(node)):
            yield text
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "counted":
            noun = _text(node.args[1])
            yield from (f"{{}} {noun}", f"{{}} {noun}s")


def _text(node: ast.AST) -> str:
    """A literal text, or an f-string with {} for each value; else nothing."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value) or "{}" for value in values)
    return ""


def translated(script: Path) -> Iterator[str]:
    """What a script of the page asks a translation for: the literal texts in the first argument of t(…)."""
    source = script.read_text(encoding="utf-8")
    for call in re.finditer(r"(?<![\w.])t\(", source):
        yield from filter(None, LITERAL.findall(_first_argument(source[call.end() :])))


def _first_argument(source: str) -> str:
    """Up to the comma or bracket that ends it, strings skipped."""
    depth = 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[()\[\]{},]', source):
        if depth == 0 and token[0] in {",", ")"}:
            return source[: token.start()]
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token[0], 0)
    return ""


def literals(script: Path) -> Iterator[str]:
    yield from LITERAL.findall(script.read_text(encoding="utf-8"))


def in_templates(page: gr.Blocks) -> Iterator[str]:
    """What people read in the markup of every HTML widget that has a script."""
    for block in page.blocks.values():
        if isinstance(block, gr.HTML) and block.js_on_load:
            reader = _Reader()
            reader.feed(block.html_template)
            yield from reader.texts
            yield from (text for name, text in block.props.items() if isinstance(text, str) and name != "value")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.texts += [text for name, text in attributes if name in READ_BY_PEOPLE and text]

    def handle_data(self, data: str) -> None:
        if LETTERS.search(data) and "${" not in data:
            self.texts.append(" ".join(data.split()))
