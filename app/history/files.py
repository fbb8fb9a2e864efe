"""Pictures on disk: where each one lies, written whole or not at all. Knows nothing of the database."""

import contextlib
import os
from datetime import datetime
from pathlib import Path, PurePosixPath

from PIL import Image

from app.errors import OutputError
from dalle_core.checkpoints import atomic_path

THUMBNAIL_SIDE = 256
QUALITY = 88


def relative_path(image_id: str, created: datetime) -> PurePosixPath:
    """`YYYY/MM/<id>.png`, below the images folder."""
    return PurePosixPath(f"{created:%Y}", f"{created:%m}", f"{image_id}.png")


def thumbnail_of(thumbnails: Path, path: str) -> Path:
    """Where the thumbnail of the picture `path` lies."""
    return (thumbnails / path).with_suffix(".webp")


def locate(folder: Path, path: str) -> Path | None:
    """The file that a row's `path` names below `folder`; None where it would lead out of there."""
    with contextlib.suppress(ValueError, OSError):  # a NUL, or a loop of links
        file = folder / path
        return file if file.resolve().is_relative_to(folder.resolve()) else None
    return None


def write_file(target: Path, data: bytes) -> None:
    """Write through a temporary file beside `target`: fsync, then move into place, then fsync the folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(target) as staging:
        staging.write_bytes(data)
    _sync_folder(target.parent)


def write_thumbnail(target: Path, image: Image.Image) -> None:
    """`image`, at most THUMBNAIL_SIDE pixels a side, as WebP."""
    small = image.convert("RGB")
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    write_webp(target, small, lossless=max(image.size) <= THUMBNAIL_SIDE)


def write_webp(target: Path, image: Image.Image, *, lossless: bool = False) -> None:
    """A picture to look at. It can be made again, so it is moved but not synced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(target) as staging:
        image.save(staging, "WEBP", lossless=lossless, quality=QUALITY)


def save_beside_others(folder: Path, stem: str, data: bytes) -> Path:
    """Write a PNG into a folder of the artist's, never over a file that is there. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target = unused(folder / f"{stem}.png")
        write_file(target, data)
    except OSError as error:
        raise OutputError(f"Cannot write to {folder}: {error.strerror or error}.") from error
    return target


def unused(target: Path) -> Path:
    """`target`, or the same name with the first number that makes it new."""
    number, candidate = 1, target
    while candidate.exists():
        number += 1
        candidate = target.with_stem(f"{target.stem}-{number}")
    return candidate


def file_stem(prompt: str, seed: int) -> str:
    """A name a person recognises: the prompt's letters and digits, then the seed."""
    letters = "".join(character if character.isalnum() else " " for character in prompt[:80])
    words = "-".join(letters.split()).encode()[:80].decode(errors="ignore")
    return f"{words or 'picture'}-{seed}"


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some systems cannot open or sync a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
