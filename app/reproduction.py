"""Whether a picture that was painted again came out the same, and if not, what was different. Reads, never writes."""

from pathlib import Path

from PIL import Image

from app.history import History, ImageRow, JobRow
from app.views import JobView, Reproduction
from dalle_core.errors import ImageError


def compare(history: History, source: ImageRow, view: JobView) -> Reproduction:
    """Raises NotFound, ImageError where a picture's file is gone or damaged."""
    image_id = view.tiles[0].image_id if view.tiles else None
    if image_id is None:
        return Reproduction(source.id, view, None)
    again = history.image(image_id)
    return Reproduction(
        source_id=source.id,
        job=view,
        image_id=image_id,
        tokens_differ=_count_differences(source.tokens, again.tokens),
        same_pixels=_pixels(history.image_path(source.id)) == _pixels(history.image_path(image_id)),
        changes=_changes(history.job(source.job_id), history.job(view.id)),
    )


def _count_differences(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    return sum(a != b for a, b in zip(first, second, strict=False)) + abs(len(first) - len(second))


def _pixels(path: Path) -> tuple[tuple[int, int], bytes]:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return image.size, image.convert("RGB").tobytes()
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"The file of picture {path.stem} is damaged: {error}.") from error


def _changes(then: JobRow, now: JobRow) -> tuple[str, ...]:
    """What may explain a difference, in words, from what both jobs noted."""
    changes = []
    if then.model_sha256 and then.model_sha256 != now.model_sha256:
        changes.append(f"the weights of {now.model} are other ones now")
    if then.app_version != now.app_version:
        changes.append(f"it was painted by version {then.app_version}, this is {now.app_version}")
    if then.device and then.device != now.device:
        changes.append(f"it was painted on {then.device}, this is {now.device}")
    return tuple(changes)
