"""Taking pictures in from elsewhere: ours with their recipes, others as plain pictures that only have a name.

Files are kept byte for byte, so that a picture which is there already is known by its hash. A plain picture is a job of
its own kind, with the file's name for a prompt, and without model, tokens or seed.
"""

import contextlib
import hashlib
import io
import re
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from PIL import Image, UnidentifiedImageError
from ulid import ULID

from app.errors import NoRecipe, RecipeError
from app.gallery_views import Imported
from app.history import repair, trash
from app.history.files import locate, relative_path, thumbnail_of, write_file, write_thumbnail
from app.history.labels import as_json
from app.history.offers import Offer, Unreadable, shown
from app.history.recovery import ULID_TEXT, Found, StyleOf, recover
from app.history.store import History, plain_words
from app.recipes import Recipe, plain_recipe, read_recipe

MAX_PIXELS = 64_000_000
MAX_TITLE = 300
BATCH = 64  # pictures whose rows are written together
REFUSED_SHOWN = 20
EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
UNNAMED = "Imported picture"


class Intake:
    """One import. `style_of` says which style a recipe's prompt names."""

    def __init__(self, history: History, style_of: StyleOf) -> None:
        self._history = history
        self._style_of = style_of
        self._began = datetime.now(UTC)
        self._batch: list[Found] = []  # files that are in place, and have no rows yet
        self._names: dict[str, str] = {}
        self._ids: list[str] = []
        self._refused: list[tuple[str, str]] = []
        self._refused_count = self._known = self._ignored = self._with_recipe = 0

    def run(self, offers: Iterable[Offer]) -> Imported:
        """Raises HistoryError where the history cannot be written; what was told as taken before that stays."""
        try:
            for offer in offers:
                self._take(offer)
                if len(self._batch) == BATCH:
                    self._write_rows()
            self._write_rows()
        finally:
            if self._batch:  # something went wrong
                self._remove_rowless()
        return Imported(
            tuple(self._ids),
            self._with_recipe,
            self._known,
            tuple(self._refused),
            self._refused_count,
            self._ignored,
        )

    def _take(self, offer: Offer) -> None:
        if not offer.is_png:
            self._ignored += 1
            return
        try:
            data = offer.read()
            sha256 = hashlib.sha256(data).hexdigest()
            if sha256 in {taken.sha256 for taken in self._batch} or self._is_known(sha256, data):
                self._known += 1
                return
            image, recipe = decoded(data), recipe_in(data)
        except (Unreadable, RecipeError) as error:
            self._refuse(offer.name, str(error))
            return
        self._write_file(offer, data, sha256, image, recipe)

    def _is_known(self, sha256: str, data: bytes) -> bool:
        """Whether the history has these bytes. One in the trash, or whose file was gone, is in sight again."""
        sql = "SELECT id, path, trashed_at, trash_batch FROM images WHERE sha256 = ? ORDER BY trashed_at LIMIT 1"
        rows = self._history.read(sql, (sha256,))
        if not rows or rows[0]["trashed_at"] is None:
            return bool(rows)
        if rows[0]["trash_batch"] is not None:
            trash.restore(self._history, [rows[0]["id"]])
        elif file := locate(self._history.settings.images, rows[0]["path"]):
            with plain_words(self._history.settings.database):
                write_file(file, data)
            repair.show(self._history, [rows[0]["id"]])
        return True

    def _refuse(self, name: str, why: str) -> None:
        self._refused_count += 1
        if len(self._refused) < REFUSED_SHOWN:
            self._refused.append((shown(name), why))

    def _write_file(self, offer: Offer, data: bytes, sha256: str, image: Image.Image, recipe: Recipe | None) -> None:
        image_id, created = self._identity(offer.claimed_id if recipe else "")
        path, settings = str(relative_path(image_id, created)), self._history.settings
        known = recipe or plain_recipe(title_of(image, offer.stem))
        with plain_words(settings.database):
            write_file(settings.images / path, data)
            self._batch.append(Found(path, image_id, sha256, *image.size, created, known))
            self._names[image_id] = offer.name
            write_thumbnail(thumbnail_of(settings.thumbnails, path), image)

    def _identity(self, claimed: str) -> tuple[str, datetime]:
        """The id that a picture of ours had, where it is free and of a time that has been; else a new one."""
        if ULID_TEXT.fullmatch(claimed) and self._is_free(claimed):
            with contextlib.suppress(ValueError, OverflowError, OSError):  # a year that calendars do not reach
                created = ULID.from_str(claimed).datetime
                file = self._history.settings.images / relative_path(claimed, created)
                if EARLIEST <= created <= self._began and not file.exists():  # nor the file of a row that was lost
                    return claimed, created
        number = len(self._ids) + len(self._batch)
        created = self._began + timedelta(milliseconds=number)  # the order in which they came
        return str(ULID.from_datetime(created)), created

    def _is_free(self, image_id: str) -> bool:
        taken = any(other.id == image_id for other in self._batch)
        return not taken and not self._history.read("SELECT 1 FROM images WHERE id = ?", (image_id,))

    def _write_rows(self) -> None:
        """The rows of what was taken since the last time; files that got none go."""
        recover(self._history, self._batch, [], self._style_of, everything=False)
        batch, there = self._batch, self._with_rows()
        self._remove_rowless()
        for picture in batch:
            if picture.id in there:
                self._ids.append(str(picture.id))
                self._with_recipe += bool(picture.recipe.model)
            else:
                self._refuse(self._names[str(picture.id)], "Its recipe breaks a rule of the history.")

    def _with_rows(self) -> set[str]:
        sql = "SELECT id FROM images WHERE id IN (SELECT value FROM json_each(?))"
        return {row["id"] for row in self._history.read(sql, (as_json([str(taken.id) for taken in self._batch]),))}

    def _remove_rowless(self) -> None:
        there, settings = self._with_rows(), self._history.settings
        for taken in self._batch:
            if taken.id not in there:
                (settings.images / taken.path).unlink(missing_ok=True)
                thumbnail_of(settings.thumbnails, taken.path).unlink(missing_ok=True)
        self._batch = []


def decoded(data: bytes) -> Image.Image:
    """The whole picture, so that one which is cut short is noticed now. Raises Unreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower
            image = Image.open(io.BytesIO(data), formats=("PNG",))
            if image.width * image.height > MAX_PIXELS:
                raise Unreadable(f"It has {image.width} × {image.height} pixels; at most {MAX_PIXELS} are read.")
            image.load()
            return image
    except Unreadable:
        raise
    except UnidentifiedImageError as error:
        raise Unreadable("It is not a PNG picture.") from error
    except Image.DecompressionBombError as error:
        raise Unreadable(f"It holds too large a picture; at most {MAX_PIXELS} pixels are read.") from error
    except Exception as error:  # on foreign bytes a decoder raises whatever it likes
        raise Unreadable(f"It is damaged or cut short: {error}.") from error


def recipe_in(data: bytes) -> Recipe | None:
    """None where there is none of ours. Raises RecipeError where there is one that cannot be used."""
    try:
        return read_recipe(data)
    except NoRecipe:
        return None


def title_of(image: Image.Image, stem: str) -> str:
    """What a plain picture is found by: the prompt that another tool wrote into it, else its file's name."""
    written = image.info.get("parameters")
    prompt = re.split(r"\n(?:Negative prompt|Steps):", written)[0] if isinstance(written, str) else ""
    for text in (prompt, stem):
        line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        if line:
            return line[:MAX_TITLE]
    return UNNAMED
