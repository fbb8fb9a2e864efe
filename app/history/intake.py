"""Taking pictures in from elsewhere: ours with their recipes, others as plain pictures that only have a name.

Files are kept byte for byte, so that a picture which is there already is known by its hash. A plain picture is a job of
its own kind, with the file's name for a prompt, and without model, tokens or seed.
"""

import contextlib
import hashlib
import io
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from PIL import Image, UnidentifiedImageError
from ulid import ULID

from app.errors import NoRecipe, RecipeError
from app.gallery_views import Imported
from app.history import repair, trash
from app.history.files import locate, relative_path, thumbnail_of, write_file, write_thumbnail
from app.history.labels import as_json
from app.history.offers import Offer, Unreadable, shown
from app.history.recovery import ULID_TEXT, Found, StyleOf, index, recover
from app.history.store import History, plain_words
from app.recipes import Recipe, read_recipe, request_to_json
from app.views import IMPORT
from dalle_core import __version__
from dalle_core.request import GenerationRequest

MAX_PIXELS = 64_000_000
MAX_TITLE = 300
BATCH = 64  # pictures whose rows are written together
REFUSED_SHOWN = 20
EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
UNNAMED = "Imported picture"


@dataclass(frozen=True)
class Taken:
    """A picture whose file is in place, and whose row is not yet. Without a `recipe` it is a plain one."""

    id: str
    name: str
    path: str
    sha256: str
    width: int
    height: int
    created: datetime
    title: str
    recipe: Recipe | None


class Intake:
    """One import. `style_of` says which style a recipe's prompt names."""

    def __init__(self, history: History, style_of: StyleOf) -> None:
        self._history = history
        self._style_of = style_of
        self._began = datetime.now(UTC)
        self._batch: list[Taken] = []
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
        path = str(relative_path(image_id, created))
        settings = self._history.settings
        title = title_of(image, offer.stem)
        taken = Taken(image_id, offer.name, path, sha256, image.width, image.height, created, title, recipe)
        with plain_words(settings.database):
            write_file(settings.images / path, data)
            self._batch.append(taken)
            write_thumbnail(thumbnail_of(settings.thumbnails, path), image)

    def _identity(self, claimed: str) -> tuple[str, datetime]:
        """The id that a picture of ours had, where it is free and of a time that has been; else a new one."""
        if ULID_TEXT.fullmatch(claimed) and self._is_free(claimed):
            with contextlib.suppress(ValueError, OverflowError, OSError):  # a year that calendars do not reach
                created = ULID.from_str(claimed).datetime
                if EARLIEST <= created <= self._began:
                    return claimed, created
        number = len(self._ids) + len(self._batch)
        created = self._began + timedelta(milliseconds=number)  # the order in which they came
        return str(ULID.from_datetime(created)), created

    def _is_free(self, image_id: str) -> bool:
        taken = any(other.id == image_id for other in self._batch)
        return not taken and not self._history.read("SELECT 1 FROM images WHERE id = ?", (image_id,))

    def _write_rows(self) -> None:
        """The rows of what was taken since the last time; files that got none go."""
        ours = [found(taken, taken.recipe) for taken in self._batch if taken.recipe]
        recover(self._history, ours, [], self._style_of, everything=False)
        insert_plain(self._history, [taken for taken in self._batch if not taken.recipe])
        batch, there = self._batch, self._with_rows()
        self._remove_rowless()
        for taken in batch:
            if taken.id in there:
                self._ids.append(taken.id)
                self._with_recipe += taken.recipe is not None
            else:
                self._refuse(taken.name, "Its recipe breaks a rule of the history.")

    def _with_rows(self) -> set[str]:
        sql = "SELECT id FROM images WHERE id IN (SELECT value FROM json_each(?))"
        return {row["id"] for row in self._history.read(sql, (as_json([taken.id for taken in self._batch]),))}

    def _remove_rowless(self) -> None:
        there, settings = self._with_rows(), self._history.settings
        for taken in self._batch:
            if taken.id not in there:
                (settings.images / taken.path).unlink(missing_ok=True)
                thumbnail_of(settings.thumbnails, taken.path).unlink(missing_ok=True)
        self._batch = []


def found(taken: Taken, recipe: Recipe) -> Found:
    return Found(taken.path, taken.id, taken.sha256, taken.width, taken.height, taken.created, recipe)


def insert_plain(history: History, pictures: Sequence[Taken]) -> None:
    """Each plain picture with a job of its own, which has its title for a prompt."""
    with history.writing() as writer:
        for taken in pictures:
            request = GenerationRequest(taken.title, count=1, keep=1, guidance_scale=1.0)
            values = {
                **vars(taken),
                "job_id": str(ULID.from_datetime(taken.created)),
                "kind": IMPORT,
                "request": request_to_json(request),
                "app_version": __version__,
                "created": taken.created.isoformat(),
            }
            del values["recipe"]
            writer.execute(_PLAIN_JOB, values)
            writer.execute(_PLAIN_IMAGE, values)
        index(writer, [taken.id for taken in pictures])


_PLAIN_JOB = """
    INSERT INTO jobs (id, kind, request_json, model, app_version, status, created, started, finished, resolved)
    VALUES (:job_id, :kind, :request, '', :app_version, 'done', :created, :created, :created, 1)
"""
_PLAIN_IMAGE = """
    INSERT INTO images (id, job_id, position, prompt, request_json, style, seed, path, sha256, tokens, width, height,
        seconds, created, kept)
    VALUES (:id, :job_id, 0, :title, :request, '', 0, :path, :sha256, X'', :width, :height, 0, :created, 1)
"""


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
