"""What the gallery is asked and what it answers: frozen values, without files, rows or widgets."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from app.views import ImageView
from dalle_core.errors import RequestError

VERSION = 1
MAX_TEXT = 200
MAX_CHOICES = 100
LISTS = frozenset({"kinds", "models", "styles"})
SWITCHES = frozenset({"starred", "everything", "trashed"})
MOMENTS = frozenset({"since", "until"})


@dataclass(frozen=True)
class Filters:
    """Which pictures to show: those for which all of it holds.

    `query` is words of prompt, style and tags; `since` and `until` (not included) are when a picture was painted, with
    a time zone; `min_percentile` is how its latest score compares to random pairs; `like` is a picture's id: those that
    are the same but for the seed. `everything` shows the candidates that nobody kept too, `trashed` those in the trash.
    """

    query: str = ""
    starred: bool = False
    kinds: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    tag: str = ""
    collection_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    min_percentile: float | None = None
    like: str = ""
    everything: bool = False
    trashed: bool = False

    def __post_init__(self) -> None:
        for name in ("query", "tag", "collection_id", "like"):
            _check_text(name, getattr(self, name))
        for name in LISTS:
            _check_choices(name, getattr(self, name))
        for name in MOMENTS:
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise RequestError(f"{name} is {moment}, which has no time zone.")
        if self.min_percentile is not None and not 0 <= self.min_percentile <= 100:  # also catches NaN
            raise RequestError(f"min_percentile is {self.min_percentile}; expected a value from 0 to 100.")

    def to_json(self) -> str:
        """What a saved search keeps: only what is not as it would be anyway."""
        plain = Filters()
        chosen = {name: value for name, value in asdict(self).items() if value != getattr(plain, name)}
        return json.dumps({"version": VERSION, "filters": chosen}, default=datetime.isoformat)

    @classmethod
    def from_json(cls, text: str) -> "Filters":
        """Raises RequestError. A text without a version is of the time when a search was words and nothing more."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            return cls(query=text)
        if not isinstance(values, dict) or "version" not in values:
            return cls(query=text)
        if values["version"] != VERSION:
            raise RequestError(
                f"This saved search is of version {values['version']!r:.20}, and this Dalle Studio reads {VERSION}."
                " Set it up again and save it anew."
            )
        return cls.from_dict(values.get("filters"))

    @classmethod
    def from_dict(cls, values: object) -> "Filters":
        """From plain JSON values, wherever they come from. Raises RequestError."""
        if not isinstance(values, dict):
            raise RequestError(f"The filters are {type(values).__name__}; expected an object.")
        known = {setting.name for setting in fields(cls)}
        if unknown := sorted(str(name) for name in values.keys() - known):
            raise RequestError(f"There are no filters {', '.join(unknown)[:80]}; expected some of {sorted(known)}.")
        return cls(**{name: _typed(name, value) for name, value in values.items()})


def _typed(name: str, value: Any) -> Any:
    if name in LISTS:
        if isinstance(value, list | tuple):
            return tuple(value)
    elif name in SWITCHES:
        if isinstance(value, bool):
            return value
    elif name in MOMENTS:
        if value is None or isinstance(value, str):
            return _moment(name, value)
    elif name == "min_percentile":
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
    elif isinstance(value, str):
        return value
    raise RequestError(f"The filter {name} cannot be {value!r:.80}.")


def _moment(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RequestError(f"{name} is {text!r:.80}; expected a date such as 2026-03-31.") from error


def _check_text(name: str, text: str) -> None:
    if len(text) > MAX_TEXT:
        raise RequestError(f"The {name} has {len(text)} characters; at most {MAX_TEXT} are allowed.")


def _check_choices(name: str, choices: tuple[str, ...]) -> None:
    if len(choices) > MAX_CHOICES:
        raise RequestError(f"There are {len(choices)} {name}; at most {MAX_CHOICES} can be chosen.")
    for choice in choices:
        if not isinstance(choice, str):
            raise RequestError(f"One of the {name} is {choice!r:.80}; expected a text.")
        _check_text(name, choice)


@dataclass(frozen=True)
class GalleryPage:
    """Newest first. `total` is how many there are in all, counted for the first page only, and of a search no further
    than some thousands: `over` where there are more. `next` is what to ask for the page after this one, None where
    this was the last. Stacked, each picture stands for all that are the same but for the seed: `stacks` says of how
    many, where there is more than one; `total` counts the stacks.
    """

    images: list[ImageView]
    total: int | None
    next: str | None
    stacks: dict[str, int] = field(default_factory=dict)
    over: bool = False


@dataclass(frozen=True)
class Facets:
    """What is there to filter by, and how many pictures each choice would show: the most first."""

    kinds: dict[str, int]
    models: dict[str, int]
    styles: dict[str, int]


@dataclass(frozen=True)
class Trashed:
    """`count` pictures went to the trash together, and come back together by `batch`; `protected` ones have a star."""

    batch: str
    count: int
    protected: int


@dataclass(frozen=True)
class TrashView:
    """What is in the trash, and the bytes on disk that emptying it gives back."""

    count: int
    bytes: int


@dataclass(frozen=True)
class CollectionView:
    """`cover` is the newest picture's id; `count` leaves out what is in the trash."""

    id: str
    name: str
    count: int
    cover: str | None


@dataclass(frozen=True)
class SavedSearch:
    id: str
    name: str


@dataclass(frozen=True)
class Labels:
    """What one picture is filed under: its tags, and the ids and names of its collections."""

    tags: tuple[str, ...]
    collections: Mapping[str, str]


@dataclass(frozen=True)
class Difference:
    """One thing that two pictures' recipes say differently, in words."""

    name: str
    first: str
    second: str


@dataclass(frozen=True)
class Comparison:
    """`rows` are what differs; none where the two were made alike."""

    first: ImageView
    second: ImageView
    rows: tuple[Difference, ...]


@dataclass(frozen=True)
class Relative:
    """A picture of a family. `generation` is 0 for the one that was asked about, -1 for a parent, 1 for a child."""

    image: ImageView
    generation: int


@dataclass(frozen=True)
class Link:
    """`relation` is the kind of job that made the child; its top `kept_rows` are the parent's."""

    child_id: str
    parent_id: str
    relation: str
    kept_rows: int


@dataclass(frozen=True)
class Family:
    """A picture, what it was made from and what was made from it, oldest generation first. `more` where some of it was
    left out, being too far away or too many.
    """

    focus: str
    members: tuple[Relative, ...]
    links: tuple[Link, ...]
    more: bool


@dataclass(frozen=True)
class Imported:
    """What came in. `ids` are the new pictures, with and without a recipe of ours; `known` were there already;
    `refused` are the first of those that could not be read, and why, of `refused_count` in all; `ignored` files are
    no PNGs.
    """

    ids: tuple[str, ...]
    with_recipe: int
    known: int
    refused: tuple[tuple[str, str], ...]
    refused_count: int
    ignored: int

    @property
    def found(self) -> int:
        """How many PNGs were offered, whatever became of them."""
        return len(self.ids) + self.known + self.refused_count
