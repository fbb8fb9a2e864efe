"""What an export is to be: one frozen description, checked when it is made, whoever asks. Knows no pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from app.exports.enlarge import Edges
from dalle_core.errors import RequestError

Kind = Literal["png", "svg", "sheet"]
Outline = Literal["none", "thin", "wide"]
Page = Literal["fit", "a4", "letter"]
SheetFile = Literal["png", "pdf"]
Ground = Literal["transparent", "white"]

SCALES = (1, 2, 4, 8)
RANGES = {"colours": (2, 32), "columns": (1, 12), "cell": (64, 1024), "gap": (0, 256), "margin": (0, 512)}
SWITCHES = {"1": True, "0": False}


@dataclass(frozen=True)
class ExportSpec:
    """`transparent` takes a plain ground away, with `holes` where it is enclosed, too; `outline` is a white rim.

    `scale`, `edges` and `recipe` are a PNG's, `colours` an SVG's. The others are a sheet's: `columns` stickers side by
    side, each `cell` pixels wide unless a page of paper says how much room there is, at 300 pixels an inch.
    """

    kind: Kind = "png"
    transparent: bool = False
    holes: bool = False
    outline: Outline = "none"
    scale: int = 1
    edges: Edges = "crisp"
    recipe: bool = True
    colours: int = 8
    columns: int = 4
    cell: int = 256
    gap: int = 24
    margin: int = 32
    page: Page = "fit"
    ground: Ground = "white"
    file: SheetFile = "png"

    def __post_init__(self) -> None:
        hints = get_type_hints(ExportSpec)
        for field in fields(self):
            value, choices = getattr(self, field.name), get_args(hints[field.name])
            if choices and value not in choices:
                raise RequestError(f"{field.name} is {str(value)[:40]!r}; expected one of {', '.join(choices)}.")
        for name, (low, high) in RANGES.items():
            if not low <= (value := getattr(self, name)) <= high:
                raise RequestError(f"{name} is {value}; expected a value from {low} to {high}.")
        if self.scale not in SCALES:
            raise RequestError(f"scale is {self.scale}; expected one of {', '.join(map(str, SCALES))}.")


def read_spec(texts: Mapping[str, str]) -> ExportSpec:
    """From an address or flags: numbers in digits, switches as 1 or 0. Raises RequestError."""
    hints = get_type_hints(ExportSpec)
    if unknown := sorted(texts.keys() - hints.keys()):
        raise RequestError(f"An export has no setting {unknown[0][:40]!r}; it has {', '.join(hints)}.")
    values: dict[str, Any] = {name: _read(name, text, hints[name]) for name, text in texts.items()}
    return ExportSpec(**values)


def _read(name: str, text: str, kind: object) -> object:
    if kind is bool:
        if text not in SWITCHES:
            raise RequestError(f"{name} is {text[:40]!r}; expected 1 or 0.")
        return SWITCHES[text]
    if kind is int:
        if not (text.isascii() and text.isdigit() and len(text) < 8):
            raise RequestError(f"{name} is {text[:40]!r}; expected a whole number.")
        return int(text)
    return text
