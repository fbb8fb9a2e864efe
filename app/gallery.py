"""The gallery: everything ever made, to find, sort, mark, file, compare and throw away, one picture or many at once.

Works on rows and files; knows no model and no widgets.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from app.comparing import differences
from app.errors import NotFound
from app.gallery_views import (
    CollectionView,
    Comparison,
    Facets,
    Family,
    Filters,
    GalleryPage,
    Imported,
    Labels,
    Relative,
    SavedSearch,
    Trashed,
    TrashView,
)
from app.history import History, ImageRow, album, catalogue, labels, lineage, trash
from app.history.intake import Intake
from app.history.labels import as_json
from app.history.offers import offered
from app.settings import Settings
from app.styles import style_finder
from app.views import ImageView
from app.worker import Bell
from dalle_core.errors import RequestError

MAX_PAGE = 500
MAX_AT_ONCE = 5000  # pictures that one call changes
ALL = Filters()


class Gallery:
    """Every method may be called from any thread, changes all it is given or nothing, and leaves out ids that are none.

    Raises RequestError for what cannot be asked, NotFound, and HistoryError where database or files fail.
    """

    def __init__(self, history: History, settings: Settings, bell: Bell) -> None:
        self.history = history
        self.settings = settings
        self._bell = bell

    # Finding

    def page(
        self, filters: Filters = ALL, limit: int = 60, before: str | None = None, stacked: bool = False
    ) -> GalleryPage:
        """Newest first, older than picture `before`: the last page's `next`."""
        if not 1 <= limit <= MAX_PAGE:
            raise RequestError(f"limit is {limit}; expected a value from 1 to {MAX_PAGE}.")
        found = catalogue.page(self.history, filters, limit, before, stacked=stacked)
        return GalleryPage(
            images=[image_view(row) for row in found.rows],
            total=found.total,
            next=found.rows[-1].id if found.more and found.rows else None,
            stacks={image_id: size for image_id, size in found.sizes.items() if size > 1},
            over=found.over,
        )

    def facets(self, filters: Filters = ALL) -> Facets:
        """What there is to filter by; the counts of each kind of choice leave out what is chosen of that kind."""
        return catalogue.facets(self.history, filters)

    def select(
        self, filters: Filters, from_id: str | None = None, to_id: str | None = None, stacked: bool = False
    ) -> list[str]:
        """Ids of the pictures between two, both included, as `page` orders them; of all without any."""
        return catalogue.select(self.history, filters, from_id, to_id, stacked=stacked)

    def image(self, image_id: str) -> ImageView:
        """A picture, in the trash or not."""
        return image_view(self.history.image(image_id, in_trash=True))

    def labels(self, image_id: str) -> Labels:
        """The tags and collections of one picture."""
        return labels.labels_of(self.history, image_id)

    def standing(self, image_ids: Sequence[str], trashed: bool = False) -> dict[str, bool]:
        """Of these pictures those that are there, or in the trash, and whether each is starred."""
        return catalogue.standing(self.history, _checked(image_ids), trashed=trashed)

    # Marks

    def star(self, image_ids: Sequence[str], starred: bool = True) -> int:
        """How many pictures were changed."""
        sql = (
            "UPDATE images SET starred = ? WHERE starred != ? AND trashed_at IS NULL"
            " AND id IN (SELECT value FROM json_each(?)) RETURNING job_id"
        )
        with self.history.writing() as writer:
            rows = writer.execute(sql, (starred, starred, as_json(_checked(image_ids)))).fetchall()
        self._bell.ring_gallery({row["job_id"] for row in rows})
        return len(rows)

    # Trash

    def trash(self, image_ids: Sequence[str], include_starred: bool = False) -> Trashed:
        """Out of sight, until `restore` or `undo`; starred pictures stay unless they are included."""
        trashed, job_ids = trash.trash(self.history, _checked(image_ids), include_starred=include_starred)
        self._bell.ring_gallery(job_ids)
        return trashed

    def restore(self, image_ids: Sequence[str]) -> int:
        """Take pictures out of the trash; how many that were."""
        return self._restored(*trash.restore(self.history, _checked(image_ids)))

    def undo(self, batch: str) -> int:
        """Take back what went to the trash together; how many pictures that were."""
        return self._restored(*trash.restore_batch(self.history, batch))

    def _restored(self, count: int, job_ids: list[str]) -> int:
        self._bell.ring_gallery(job_ids)
        return count

    def purge(self, image_ids: Sequence[str] | None = None) -> TrashView:
        """Delete for good what is in the trash, or these of it; what that was. Nothing outside the trash is touched."""
        gone = trash.purge(self.history, None if image_ids is None else _checked(image_ids))
        self._bell.ring_gallery()
        return gone

    def in_trash(self) -> TrashView:
        return trash.measure(self.history)

    # Tags

    def tags(self) -> dict[str, int]:
        """Every tag and how many pictures have it."""
        return labels.tags(self.history)

    def tag(self, image_ids: Sequence[str], tag: str) -> int:
        """How many pictures did not have it."""
        return self._told(labels.add_tag(self.history, _checked(image_ids), tag))

    def untag(self, image_ids: Sequence[str], tag: str) -> int:
        """How many pictures had it."""
        return self._told(labels.remove_tag(self.history, _checked(image_ids), tag))

    def rename_tag(self, old: str, new: str) -> int:
        """How many pictures have it now. A tag that is there under the new name takes the old one's pictures in."""
        return self._told(labels.rename_tag(self.history, old, new))

    def delete_tag(self, tag: str) -> int:
        """How many pictures had it."""
        return self._told(labels.delete_tag(self.history, tag))

    def _told(self, count: int) -> int:
        self._bell.ring_gallery()
        return count

    # Collections

    def collections(self) -> list[CollectionView]:
        return labels.collections(self.history)

    def new_collection(self, name: str) -> str:
        """Its id."""
        collection_id = labels.new_collection(self.history, name)
        self._bell.ring_gallery()
        return collection_id

    def rename_collection(self, collection_id: str, name: str, merge: bool = False) -> str:
        """The id of the collection that has the name now: to `merge` is to join the one that has it already."""
        collection_id = labels.rename_collection(self.history, collection_id, name, merge=merge)
        self._bell.ring_gallery()
        return collection_id

    def delete_collection(self, collection_id: str) -> None:
        """Its pictures stay."""
        labels.delete_collection(self.history, collection_id)
        self._bell.ring_gallery()

    def collect(self, image_ids: Sequence[str], collection_id: str) -> int:
        """How many pictures were not in the collection."""
        return self._told(labels.collect(self.history, _checked(image_ids), collection_id))

    def uncollect(self, image_ids: Sequence[str], collection_id: str) -> int:
        """How many pictures were in the collection."""
        return self._told(labels.uncollect(self.history, _checked(image_ids), collection_id))

    # Saved searches

    def saved_searches(self) -> list[SavedSearch]:
        return labels.saved_searches(self.history)

    def save_search(self, name: str, filters: Filters) -> str:
        """Its id."""
        search_id = labels.save_search(self.history, name, filters.to_json())
        self._bell.ring_gallery()
        return search_id

    def open_search(self, search_id: str) -> Filters:
        """Raises RequestError where another version saved it."""
        return Filters.from_json(labels.saved_search(self.history, search_id))

    def delete_search(self, search_id: str) -> None:
        labels.delete_search(self.history, search_id)
        self._bell.ring_gallery()

    # In and out

    def download(self, image_ids: Sequence[str]) -> Iterator[bytes]:
        """A ZIP file, made as it is read: the PNGs, `recipes.json` and a contact sheet."""
        self.check_some_there(image_ids)
        return album.stream(self.history, image_ids)

    def check_some_there(self, image_ids: Sequence[str]) -> None:
        """Raises NotFound where not even one of these pictures is, the trash left out."""
        there = "SELECT 1 FROM images WHERE trashed_at IS NULL AND id IN (SELECT value FROM json_each(?)) LIMIT 1"
        if not self.history.read(there, (as_json(_checked(image_ids)),)):
            raise NotFound("None of these pictures is there any more.")

    def import_path(self, path: Path) -> Imported:
        """Take in the PNGs of a folder or a ZIP file, or a single one: ours with their recipes, others as they are."""
        return self.import_files([(path.name, path)])

    def import_files(self, files: Sequence[tuple[str, Path]]) -> Imported:
        """Take in files, each under the name a person knows it by: PNGs, and ZIP files of them. Never one twice."""
        imported = Intake(self.history, style_finder(self.settings)).run(offered(files))
        self._bell.ring_gallery()
        if not imported.found:
            raise RequestError("There is nothing to import: no PNG was found.")
        return imported

    # Two pictures, and families

    def compare(self, image_ids: Sequence[str]) -> Comparison:
        """What the recipes of two pictures say differently. Raises RequestError where they are not two."""
        if len(image_ids) != 2 or len(set(image_ids)) != 2:
            raise RequestError("Choose two different pictures to compare.")
        first, second = (self.history.image(image_id, in_trash=True) for image_id in image_ids)
        return Comparison(image_view(first), image_view(second), differences(first, second))

    def family(self, image_id: str) -> Family:
        """What a picture was made from, and what was made from it, as far as a page can show."""
        image_id = self.history.image(image_id, in_trash=True).id
        generations, links, more = lineage.family(self.history, image_id)
        rows = self.history.images_of(sorted(generations, key=lambda relative: (generations[relative], relative)))
        return Family(
            image_id, tuple(Relative(image_view(row), generations[row.id]) for row in rows), tuple(links), more
        )


def image_view(row: ImageRow) -> ImageView:
    return ImageView(
        id=row.id,
        job_id=row.job_id,
        prompt=row.prompt,
        seed=row.seed,
        model=row.model,
        created=row.created,
        width=row.width,
        height=row.height,
        kept=row.kept,
        starred=row.starred,
        score=row.score,
        percentile=row.percentile,
        rank=row.rank,
        request=row.request,
        text_scored=row.text_scored,
        reranker=row.reranker,
        seconds=row.seconds,
        kept_rows=row.kept_rows,
        model_sha256=row.model_sha256,
        kind=row.kind,
        trashed=row.trashed,
    )


def _checked(image_ids: Sequence[str]) -> Sequence[str]:
    if not image_ids:
        raise RequestError("No picture is selected.")
    if len(image_ids) > MAX_AT_ONCE:
        raise RequestError(f"{len(image_ids)} pictures are selected; at most {MAX_AT_ONCE} can be changed at once.")
    return image_ids
