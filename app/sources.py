"""The picture a completion or variation starts from: a file or one of the history, cut to a square, and its tokens.

Pictures are opened and cut on the caller's thread; only what needs the model is asked of whoever owns it.
"""

import hashlib
import io
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.errors import NotFound
from app.history import History, ImageRow
from dalle_core.errors import ImageError, RequestError

if TYPE_CHECKING:
    from PIL import Image

    from dalle_core.families.base import ImageModel, ImageTokenizer

MAX_UPLOAD_BYTES = 32 * 2**20
MAX_EDGE = 2048  # what is kept of an upload; no model sees as much
PREVIEW_EDGE = 1024
UPLOADS_KEPT = 8
MIN_SIDE = 0.02


@dataclass(frozen=True)
class Crop:
    """Which square of a picture to take.

    `side` is a share of the shorter edge; `x` and `y` place the square in the room that is left, 0 at the left and the
    top, 1 at the right and the bottom. `letterbox` takes the whole picture instead, with bars where it is no square.
    """

    x: float = 0.5
    y: float = 0.5
    side: float = 1.0
    letterbox: bool = False

    def __post_init__(self) -> None:
        for name, value, low in (("x", self.x, 0), ("y", self.y, 0), ("side", self.side, MIN_SIDE)):
            if not low <= value <= 1:  # also catches NaN
                raise RequestError(f"{name} of the square is {value}; expected a value from {low:g} to 1.")

    def takes_all(self, width: int, height: int) -> bool:
        """Whether the square of such a picture is the picture itself."""
        return width == height and (self.letterbox or self.side == 1)


WHOLE = Crop()


@dataclass(frozen=True)
class Source:
    """A square as the model has it. `square` and `reconstruction` are PNGs of the model's size.

    `tokens` are rows · cols of them, of the model with this hash; `reconstruction` is what they show. `exact` says that
    they are those the picture was painted with, `parent_id` which picture of the history it was.
    """

    square: bytes
    reconstruction: bytes
    tokens: tuple[int, ...]
    rows: int
    cols: int
    model_sha256: str
    exact: bool = False
    parent_id: str | None = None

    def top(self, rows: int) -> tuple[int, ...]:
        """The tokens of the top `rows`, which a completion keeps. Raises RequestError."""
        check_rows(rows, self.rows)
        return self.tokens[: rows * self.cols]


@dataclass(frozen=True)
class Upload:
    """A foreign picture that was taken in: `preview` is a PNG of all of it, at most PREVIEW_EDGE a side.

    `image_id` names the picture of the history that has the same bytes, if one has.
    """

    id: str
    image: "Image.Image"
    preview: bytes
    image_id: str | None = None


class Uploads:
    """The last few uploads, in memory, under ids nobody can guess. Any thread may add and get."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Upload] = OrderedDict()

    def add(self, data: bytes, image_id: str | None) -> Upload:
        """Raises ImageError. One at a time: a small file may hold a large picture."""
        with self._lock:
            image = read_picture(data)
            upload = Upload(secrets.token_urlsafe(18), image, to_png_bytes(_shrunk(image, PREVIEW_EDGE)), image_id)
            self._kept[upload.id] = upload
            while len(self._kept) > UPLOADS_KEPT:
                self._kept.popitem(last=False)
        return upload

    def get(self, upload_id: str) -> Upload:
        """Raises NotFound."""
        with self._lock:
            if upload_id not in self._kept:
                raise NotFound("This picture is no longer there. Choose it again.")
            self._kept.move_to_end(upload_id)
            return self._kept[upload_id]


class Sources:
    """Prepares sources from one history's pictures and from foreign ones. Any thread may ask.

    `run` gives what an errand gives for the model; whoever owns the model says how.
    """

    def __init__(self, history: History, run: Callable[[Callable[["ImageModel"], Source]], Source]) -> None:
        self.uploads = Uploads()
        self._history = history
        self._run = run

    def take_upload(self, data: bytes) -> Upload:
        own = self._own(data)
        return self.uploads.add(data, own.id if own else None)

    def prepare(self, data: bytes | None, image_id: str | None, upload_id: str | None, crop: Crop) -> Source:
        image, own = self._picture(data, image_id, upload_id)
        square = cut_square(image, crop)
        if own is None:
            return self._run(lambda model: encode(model, square))
        exact = crop.takes_all(own.width, own.height)
        source = self._run(lambda model: restore(model, image, own) if exact else encode(model, square))
        return replace(source, parent_id=own.id)

    def _picture(
        self, data: bytes | None, image_id: str | None, upload_id: str | None
    ) -> tuple["Image.Image", ImageRow | None]:
        """The one that was given, and its row where it is one of ours."""
        match data, image_id, upload_id:
            case bytes(), None, None:
                return read_picture(data), self._own(data)
            case None, str(), None:
                return read_picture(self._history.image_path(image_id).read_bytes()), self._history.image(image_id)
            case None, None, str():
                upload = self.uploads.get(upload_id)
                return upload.image, None if upload.image_id is None else self._history.image(
                    upload.image_id, in_trash=True
                )
            case _:
                raise RequestError("Give one picture: a file's bytes, the id of one in the history, or an upload's.")

    def _own(self, data: bytes) -> ImageRow | None:
        return self._history.image_of_bytes(hashlib.sha256(data).hexdigest())


def check_rows(rows: int, of: int) -> None:
    """Raises RequestError unless something is kept and something is left to paint."""
    if not 1 <= rows <= of - 1:
        raise RequestError(f"{rows} rows are to be kept; expected a number from 1 to {of - 1}, of {of} rows.")


def read_picture(data: bytes) -> "Image.Image":
    """A foreign picture as RGB, upright, on white, at most MAX_EDGE a side. Raises ImageError."""
    from dalle_core.images import flatten, open_image

    if len(data) > MAX_UPLOAD_BYTES:
        raise ImageError(f"This file has {len(data) / 2**20:.0f} MiB; at most {MAX_UPLOAD_BYTES // 2**20} are read.")
    return flatten(_shrunk(open_image(data), MAX_EDGE))


def cut_square(image: "Image.Image", crop: Crop) -> "Image.Image":
    from dalle_core.images import crop_square, letterbox

    return letterbox(image) if crop.letterbox else crop_square(image, crop.x, crop.y, crop.side)


def encode(model: "ImageTokenizer", square: "Image.Image") -> Source:
    """Raises RequestError where the model cannot see pictures."""
    from dalle_core.images import from_pil, to_pil

    spec = model.spec
    if not spec.can_encode:
        raise RequestError(f"{spec.name} cannot turn pictures into tokens; it completes only what it painted itself.")
    pixels = from_pil(square, spec.image_size)
    tokens = tuple(model.image_to_tokens(pixels[None])[0].tolist())
    return Source(to_png_bytes(to_pil(pixels)), painted(model, tokens), tokens, spec.rows, spec.cols, spec.sha256)


def restore(model: "ImageModel", image: "Image.Image", row: ImageRow) -> Source:
    """A picture of the history: with the tokens it was painted from, where `model` painted it."""
    spec = model.spec
    if row.model_sha256 != spec.sha256 or len(row.tokens) != spec.token_count:
        return encode(model, image)
    tokens = row.tokens
    return Source(to_png_bytes(image), painted(model, tokens), tokens, spec.rows, spec.cols, spec.sha256, exact=True)


def painted(model: "ImageTokenizer", tokens: tuple[int, ...]) -> bytes:
    """PNG of what they show."""
    import torch

    from dalle_core.images import to_pil

    return to_png_bytes(to_pil(model.tokens_to_images(torch.tensor([tokens]), len(tokens))[0]))


def to_png_bytes(image: "Image.Image") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _shrunk(image: "Image.Image", edge: int) -> "Image.Image":
    """At most `edge` a side; a smaller one stays as it is."""
    from PIL import Image

    if max(image.size) <= edge:
        return image
    scale = edge / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    smooth = image if image.mode in {"L", "RGB", "RGBA"} else image.convert("RGBA")
    return smooth.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
