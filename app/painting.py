"""One job while it is painted: the generation's events go in, snapshots come out. Knows no threads and no files.

Only the worker changes a Painting; any thread may read its `view` and `preview`, which are replaced, never altered.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from app.history import ImageRow, JobRow
from app.views import JobStatus, JobView, Tile

if TYPE_CHECKING:
    from torch import Tensor

    from dalle_core.generate import Preview, Progress


@dataclass(frozen=True)
class Previews:
    """The pictures of the running micro-batch as they stand: (B, 3, H, W) for candidates first, first + 1, …"""

    first: int
    images: "Tensor"
    encoded: dict[int, bytes] = field(default_factory=dict)

    def png(self, index: int) -> bytes | None:
        """Encoded when first asked for. Two threads may both encode; they get the same."""
        if not self.first <= index < self.first + len(self.images):
            return None
        if index not in self.encoded:
            from dalle_core.images import to_pil

            buffer = io.BytesIO()
            to_pil(self.images[index - self.first]).save(buffer, "PNG", compress_level=1)
            self.encoded[index] = buffer.getvalue()
        return self.encoded[index]


class Painting:
    def __init__(self, job: JobRow) -> None:
        request = job.request
        tiles = tuple(Tile(index, seed, "waiting") for index, seed in enumerate(request.seeds))
        self.job = job
        self.previews: Previews | None = None
        self.view = JobView(
            id=job.id,
            status="running",
            request=request,
            model=job.model,
            notes=(),
            error=None,
            finished=0,
            count=request.count,
            row=0,
            rows=0,
            seconds_left=None,
            preview_row=0,
            tiles=tiles,
            position_in_queue=0,
            kind=job.kind,
            kept_rows=job.kept_rows,
            source_id=job.source_id,
            started=job.started,
            sheet_id=job.sheet_id,
        )

    def resume(self, pictures: Sequence[ImageRow]) -> None:
        """Take over what an earlier run of the job finished."""
        tiles = list(self.view.tiles)
        for row in pictures:
            tiles[row.position] = replace(
                tiles[row.position], state="done", image_id=row.id, starred=row.starred, kept=row.kept
            )
        self.view = replace(self.view, tiles=tuple(tiles), finished=len(pictures))

    def image_id(self, index: int) -> str:
        """The picture of a candidate that is in the history."""
        image_id = self.view.tiles[index].image_id
        assert image_id is not None
        return image_id

    def begin(self, notes: tuple[str, ...], kept_rows: int) -> None:
        self.view = replace(self.view, notes=notes, kept_rows=kept_rows)

    def advance(self, progress: "Progress") -> None:
        batch = range(progress.first, progress.first + self.job.request.batch_width)
        tiles = self.view.tiles
        if progress.row < progress.rows:
            tiles = tuple(
                replace(tile, state="painting") if tile.index in batch and tile.state == "waiting" else tile
                for tile in tiles
            )
        self.view = replace(
            self.view, tiles=tiles, row=progress.row, rows=progress.rows, seconds_left=progress.seconds_left
        )

    def show(self, preview: "Preview") -> None:
        self.previews = Previews(preview.first, preview.images)
        self.view = replace(self.view, preview_row=self.view.preview_row + 1)

    def complete(self, index: int, image_id: str) -> None:
        tiles = list(self.view.tiles)
        tiles[index] = replace(tiles[index], state="done", image_id=image_id)
        self.view = replace(self.view, tiles=tuple(tiles), finished=self.view.finished + 1)

    def settle(self, status: JobStatus, error: str | None) -> None:
        """What watchers see until the history has it."""
        tiles = tuple(tile for tile in self.view.tiles if tile.state == "done")
        self.view = replace(self.view, status=status, error=error, tiles=tiles, row=0, rows=0, seconds_left=None)

    def preview(self, index: int) -> bytes | None:
        """PNG of a candidate as it stands; None unless it is being painted and has a first row."""
        tiles, previews = self.view.tiles, self.previews
        if previews is None or not 0 <= index < len(tiles) or tiles[index].state != "painting":
            return None
        return previews.png(index)
