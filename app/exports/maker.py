"""Makes exports of the history's pictures: the bytes that are previewed are those that are saved.

Pictures come from their files and are never changed. One export is made at a time, and the last few are remembered.
"""

import contextlib
import io
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from PIL import Image

from app.errors import ExportError, RecipeError
from app.exports.artwork import drawing, picture, sticker
from app.exports.spec import ExportSpec
from app.exports.sticker import DPI, grid, rim, sheet
from app.history import History
from app.history.files import file_stem
from app.recipes import read_recipe, to_png
from dalle_core.errors import ImageError, RequestError

MAX_PICTURES = 60
STICKER_SIDE = 256  # pixels: for more, a sheet of many would take minutes, and on paper nobody sees it
KEPT, KEPT_BYTES = 8, 64 * 2**20
TYPES = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf", "zip": "application/zip"}


@dataclass(frozen=True)
class Export:
    """A finished file. `whole` counts the pictures whose ground was to be taken away and could not be."""

    data: bytes
    name: str
    whole: int = 0

    @property
    def media_type(self) -> str:
        return TYPES[PurePath(self.name).suffix.removeprefix(".")]


class Exports:
    """Any thread may ask."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._lock = threading.Lock()
        self._made: OrderedDict[tuple[ExportSpec, tuple[str, ...]], Export] = OrderedDict()
        self._stickers: OrderedDict[tuple[object, ...], Image.Image] = OrderedDict()

    def preview(self, spec: ExportSpec, image_ids: Sequence[str]) -> Export:
        """What `make` gives, as a picture to look at: of several files the first, of a PDF its page."""
        ids = _distinct(image_ids)
        if spec.kind != "sheet":
            return self.make(spec, ids[:1])
        ground = "white" if spec.file == "pdf" else spec.ground
        return self.make(replace(spec, file="png", ground=ground), ids)

    def make(self, spec: ExportSpec, image_ids: Sequence[str]) -> Export:
        """One file; a ZIP of them for several pictures that are no sheet.

        Raises RequestError, NotFound, ExportError, and ImageError where a picture's file is damaged.
        """
        ids = _distinct(image_ids)
        for image_id in ids:
            self._history.image(image_id)  # what was thrown away since is not to be had from memory
        with self._lock:
            if (known := self._made.get((spec, ids))) is None:
                known = self._made[spec, ids] = self._new(spec, ids)
                self._forget()
            self._made.move_to_end((spec, ids))
            return known

    def _forget(self) -> None:
        while len(self._made) > 1 and (
            len(self._made) > KEPT or sum(len(export.data) for export in self._made.values()) > KEPT_BYTES
        ):
            self._made.popitem(last=False)

    def _new(self, spec: ExportSpec, ids: tuple[str, ...]) -> Export:
        if spec.kind == "sheet":
            return self._sheet(spec, ids)
        return self._file(spec, ids[0]) if len(ids) == 1 else self._zip(spec, ids)

    def _file(self, spec: ExportSpec, image_id: str) -> Export:
        row, path = self._history.image(image_id), self._history.image_path(image_id)
        stem = file_stem(row.prompt, row.seed)
        if _is_as_it_is(spec):
            return Export(path.read_bytes(), f"{stem}.png")
        image = self._open(path)
        if spec.kind == "svg":
            return Export(drawing(image, spec).encode(), f"{stem}.svg")
        art = picture(image, spec)
        data = to_png(art, read_recipe(path)) if spec.recipe and _has_recipe(path) else png(art)
        return Export(data, f"{stem}{_suffix(spec)}.png")

    def _zip(self, spec: ExportSpec, ids: tuple[str, ...]) -> Export:
        buffer, whole, names = io.BytesIO(), 0, set[str]()
        with zipfile.ZipFile(buffer, "w") as archive:
            for image_id in ids:
                try:
                    export = self._file(spec, image_id)
                except ExportError:
                    export, whole = self._file(replace(spec, transparent=False), image_id), whole + 1
                archive.writestr(_unused(export.name, names), export.data)
        return Export(buffer.getvalue(), f"pictures-{len(ids)}.zip", whole)

    def _sheet(self, spec: ExportSpec, ids: tuple[str, ...]) -> Export:
        side, whole, stickers = min(grid(spec, len(ids)).cell, STICKER_SIDE), 0, []
        for image_id in ids:
            try:
                stickers.append(self._sticker(spec, image_id, side))
            except ExportError:
                stickers.append(self._sticker(replace(spec, transparent=False), image_id, side))
                whole += 1
        page = sheet([rim(art, spec.outline) for art in stickers], spec)
        buffer = io.BytesIO()
        if spec.file == "pdf":
            page.convert("RGB").save(buffer, "PDF", resolution=DPI, quality=95)
        else:
            page.save(buffer, "PNG", dpi=(DPI, DPI), compress_level=3)
        return Export(buffer.getvalue(), f"stickers-{len(ids)}.{spec.file}", whole)

    def _sticker(self, spec: ExportSpec, image_id: str, side: int) -> Image.Image:
        """Remembered, so that another grid or rim shows at once."""
        key = (image_id, spec.transparent, spec.holes, spec.edges, side)
        if key not in self._stickers:
            image = self._open(self._history.image_path(image_id))
            self._stickers[key] = sticker(image, spec, side)
        self._stickers.move_to_end(key)
        while len(self._stickers) > MAX_PICTURES:
            self._stickers.popitem(last=False)
        return self._stickers[key]

    def _open(self, path: Path) -> Image.Image:
        """On white where it is transparent. Raises ImageError."""
        try:
            with Image.open(path, formats=("PNG",)) as image:
                art = image.convert("RGBA")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ImageError(f"The file of picture {path.stem} is damaged: {error}.") from error
        return Image.alpha_composite(Image.new("RGBA", art.size, "white"), art).convert("RGB")


def _distinct(image_ids: Sequence[str]) -> tuple[str, ...]:
    ids = tuple(dict.fromkeys(image_ids))
    if not 1 <= len(ids) <= MAX_PICTURES:
        raise RequestError(f"{len(ids)} pictures are to be exported; expected 1 to {MAX_PICTURES}.")
    return ids


def _is_as_it_is(spec: ExportSpec) -> bool:
    """Whether the file itself is what is wanted."""
    return spec.kind == "png" and spec.scale == 1 and spec.recipe and not spec.transparent and spec.outline == "none"


def _has_recipe(path: Path) -> bool:
    with contextlib.suppress(RecipeError):
        read_recipe(path)
        return True
    return False


def _suffix(spec: ExportSpec) -> str:
    return ("-sticker" if spec.transparent else "") + (f"-{spec.scale}x" if spec.scale > 1 else "")


def png(art: Image.Image) -> bytes:
    """The pixels and nothing else."""
    buffer = io.BytesIO()
    art.save(buffer, "PNG")
    return buffer.getvalue()


def _unused(name: str, names: set[str]) -> str:
    """`name`, or the same with the first number that makes it new, which is noted."""
    path, number = PurePath(name), 1
    while name in names:
        number += 1
        name = f"{path.stem}-{number}{path.suffix}"
    names.add(name)
    return name
