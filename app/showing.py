"""Pictures as they are looked at: small painted ones several times as large, with clean edges, as exports draw them.

A browser that enlarges 128 pixels leaves them soft. What is made for the eye takes the thumbnail's place; the picture's
own file, which is saved, varied and ranked, is not touched.
"""

import contextlib
import io
from pathlib import Path

from PIL import Image, ImageFilter

from app.exports.enlarge import work_up
from app.gallery import image_view
from app.history import History
from app.history.files import write_webp
from app.views import SMALL, ImageView

LARGE = 512  # pixels a side of what is shown then
ROUNDED = 0.7  # pixels
UNREADABLE = (OSError, ValueError, SyntaxError)  # what decoders raise


class Showing:
    """Any thread may ask. What was once made is kept in the place of the thumbnail, which can be made again, too."""

    def __init__(self, history: History) -> None:
        self._history = history

    def is_enlarged(self, image_id: str) -> bool:
        """Of a picture in the trash or not. Raises NotFound."""
        return self._view(image_id).enlarged

    def ready(self, image_id: str) -> Path | None:
        """The file to show among others, of a picture in the trash or not; None where it is still to be made.

        Raises NotFound, HistoryError.
        """
        image, path = self._view(image_id), self._history.thumbnail_path(image_id)
        return path if not image.enlarged or _side(path) > max(image.width, image.height) else None

    def make(self, image_id: str) -> Path:
        """The same, made where it is not there. It takes a moment. Raises NotFound, HistoryError."""
        path = self.ready(image_id)
        if path is None:
            path = self._history.thumbnail_path(image_id)
            with contextlib.suppress(*UNREADABLE):  # a full disk, a damaged file: what there is is shown
                with Image.open(self._history.image_path(image_id, in_trash=True), formats=("PNG",)) as image:
                    large = _enlarged(image)
                write_webp(path, large)
        return path

    @staticmethod
    def enlarged(png: bytes) -> bytes:
        """A painted picture that has no file, as it is shown: PNG to PNG."""
        with Image.open(io.BytesIO(png)) as image:
            if max(image.size) > SMALL:
                return png
            buffer = io.BytesIO()
            _enlarged(image).save(buffer, "PNG")
        return buffer.getvalue()

    def _view(self, image_id: str) -> ImageView:
        return image_view(self._history.image(image_id, in_trash=True))


def _enlarged(image: Image.Image) -> Image.Image:
    """Its edges are a pixel wide, as on a stair; a trace of blur rounds them as a reduction from twice as many would,
    in a fifth of the time.
    """
    return work_up(image.convert("RGB"), LARGE, "crisp").filter(ImageFilter.GaussianBlur(ROUNDED))


def _side(path: Path) -> int:
    """Pixels of a thumbnail's longer side; 0 where it cannot be read."""
    with contextlib.suppress(*UNREADABLE), Image.open(path, formats=("WEBP",)) as image:
        return max(image.size)
    return 0
