"""What the service layer hands to a page or a command line: frozen snapshots, without tensors, files or widgets."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dalle_core.families.catalogue import Memory
from dalle_core.request import GenerationRequest

if TYPE_CHECKING:
    from dalle_core.families.base import ModelSpec, Sampling

JobStatus = Literal["queued", "running", "done", "cancelled", "failed", "interrupted"]
TileState = Literal["waiting", "painting", "done"]
Move = Literal["front", "up", "down", "back"]
REPRODUCTION = "reproduce"  # the kind of a job that paints one picture again, to compare
SMALL = 128  # pixels a side, at most, of pictures that are shown larger than they are
IMPORT = "import"  # the kind of a job that stands for a picture from elsewhere; its prompt is the file's name
VARIATION = "variation"  # of one that paints variations of its source
DESCENDING = frozenset({"complete", VARIATION})  # kinds whose pictures have the job's source as a parent
FINAL_STATUSES: frozenset[JobStatus] = frozenset({"done", "cancelled", "failed", "interrupted"})


def kind_of(request: GenerationRequest) -> str:
    """The kind of job that a request is of, as far as it tells."""
    if request.prefix_tokens:
        return "complete"
    return VARIATION if request.varies else "generate"


@dataclass(frozen=True)
class Tile:
    """One candidate of a job. `image_id` is set once it is in the history; `rank` 1 is best, None until reranked."""

    index: int
    seed: int
    state: TileState
    image_id: str | None = None
    score: float | None = None
    percentile: float | None = None
    rank: int | None = None
    kept: bool = False
    starred: bool = False


@dataclass(frozen=True)
class JobView:
    """A job at one moment.

    `finished` of `count` candidates are in the history. While a micro-batch is painted, `row` of `rows` of its token
    rows are done; both are 0 for a job that is not being painted. `preview_row` grows with every new set of previews
    of this job: a version, not a row number. `position_in_queue` is 1 for the next in line, 0 for any job not queued.
    `kind` says what it does (generate, complete, variation); `kept_rows` are given to it.
    `source_id` is the picture the job is about, if any; `ranked_by` the text that its ranks belong to, empty where that
    is likeness to the picture that was varied; `resolved` says that the artist has dealt with how it ended. `started`
    is when it was last begun: a job that ended early may go on. `sheet_id` is the
    sheet of which it paints a cell.
    """

    id: str
    status: JobStatus
    request: GenerationRequest
    model: str
    notes: tuple[str, ...]
    error: str | None
    finished: int
    count: int
    row: int
    rows: int
    seconds_left: float | None
    preview_row: int
    tiles: tuple[Tile, ...]  # best first once ranked, else by index
    position_in_queue: int
    kind: str = "generate"
    source_id: str | None = None
    ranked_by: str | None = None
    resolved: bool = False
    kept_rows: int = 0
    started: datetime | None = None
    sheet_id: str | None = None

    @property
    def unfinished(self) -> bool:
        """Whether it ended early, so that painting it again makes sense."""
        return self.final and self.status != "done"

    @property
    def final(self) -> bool:
        return self.status in FINAL_STATUSES


@dataclass(frozen=True)
class ImageView:
    """A picture of the history. `request` is its job's; `created` is in UTC; `seconds` is what painting it took.

    Its top `kept_rows` were given, by its parents where there are any, as tokens of the model with this hash; `kind` is
    its job's; `trashed` while it is in the trash. `reranker` names what gave the score.
    """

    id: str
    job_id: str
    prompt: str
    seed: int
    model: str
    created: datetime
    width: int
    height: int
    kept: bool
    starred: bool
    score: float | None
    percentile: float | None
    rank: int | None
    request: GenerationRequest
    text_scored: str | None
    seconds: float
    kept_rows: int = 0
    model_sha256: str | None = None
    kind: str = "generate"
    trashed: bool = False
    reranker: str | None = None

    @property
    def imported(self) -> bool:
        """Whether it came from elsewhere without a recipe: it has no model, seed or settings worth telling."""
        return self.kind == IMPORT

    @property
    def enlarged(self) -> bool:
        """Whether it is shown larger than it is: it is small, and painted. One from elsewhere may be pixel art."""
        return not self.imported and max(self.width, self.height) <= SMALL


@dataclass(frozen=True)
class Reproduction:
    """A picture painted again by its own recipe. `image_id` is the new one, None until it is finished.

    `tokens_differ` counts the image tokens that came out otherwise; `changes` says in words what else is not as it was.
    """

    source_id: str
    job: JobView
    image_id: str | None
    tokens_differ: int = 0
    same_pixels: bool = False
    changes: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        return self.image_id is not None and self.tokens_differ == 0 and self.same_pixels


@dataclass(frozen=True)
class Departure:
    """How far each of a picture's tokens is from the varied picture's, row by row: 0 is the same, 1 far."""

    rows: int
    cols: int
    shares: tuple[float, ...]


@dataclass(frozen=True)
class ModelStatus:
    """The model that new jobs are for, and whether it can paint yet. `spec` is there once it is ready.

    `loading` names another one that is being loaded, `share` of it read, be it for new jobs or for one that waited;
    `failed` one that was chosen and could not be loaded. `message` says what failed. `sampling` is that of the model
    `name`, known before it is loaded; None where this project's defaults suit it.
    """

    state: Literal["loading", "ready", "failed"]
    name: str
    message: str
    spec: "ModelSpec | None"
    device: str
    loading: str = ""
    share: float = 0.0
    failed: str = ""
    sampling: "Sampling | None" = None


@dataclass(frozen=True)
class ModelView:
    """A model's folder, before it is loaded. `spec` is there, and the sizes, unless a `problem` says why it is useless.

    `own` are in the data folder. `memory` is about what it takes while it paints, in bytes; not all paint: some only
    turn pictures into tokens and back.
    """

    name: str
    folder: Path
    own: bool
    bytes_on_disk: int
    spec: "ModelSpec | None" = None
    parameters: int = 0
    memory: int = 0
    problem: str = ""
    has_card: bool = False
    paints: bool = True


@dataclass(frozen=True)
class DownloadView:
    """How far a model's download is, in bytes. `speed` is of the last seconds, in bytes a second, once it is known;
    `message` says why it failed."""

    state: Literal["looking", "fetching", "checking", "converting", "done", "stopped", "failed"]
    done: int = 0
    total: int = 0
    speed: float | None = None
    message: str = ""

    @property
    def running(self) -> bool:
        return self.state in {"looking", "fetching", "checking", "converting"}

    @property
    def seconds_left(self) -> float | None:
        return (self.total - self.done) / self.speed if self.speed and self.state == "fetching" else None


@dataclass(frozen=True)
class OfferView:
    """A public model that can be had: about `size` bytes to fetch; to do so and to convert it takes `room` on disk,
    and to paint with it, `memory`.

    `fetched` bytes lie here from an earlier attempt; `there` says that a model of its name is here already; one that
    `ranks` is a reranker.
    """

    name: str
    title: str
    about: str
    licence: str
    licence_url: str
    terms: str
    size: int
    room: int
    memory: Memory
    fetched: int
    there: bool
    ranks: bool
    download: DownloadView | None


@dataclass(frozen=True)
class SpaceView:
    """Room on disk, in bytes. `unkept` candidates may be purged; `up_to` is the newest one's id."""

    pictures: int
    picture_bytes: int
    total_bytes: int
    unkept: int
    unkept_bytes: int
    up_to: str


def printable(text: str) -> str:
    """Text for a terminal, which would take control characters for commands: they come from prompts and file names."""
    return "".join("\ufffd" if unicodedata.category(character) == "Cc" else character for character in text)


def readable_size(size: int) -> str:
    """`512 bytes`, `1.4 MB`: powers of 1000, as file managers count."""
    if size < 1000:
        return f"{size} byte" if size == 1 else f"{size} bytes"
    for unit in ("kB", "MB", "GB"):
        size_in_unit = size / 1000
        if size_in_unit < 999.5 or unit == "GB":
            break
        size = round(size_in_unit)
    return f"{size_in_unit:.1f} {unit}" if size_in_unit < 9.95 else f"{size_in_unit:.0f} {unit}"
