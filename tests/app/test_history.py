import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from app.errors import HistoryError, NotFound
from app.history import History, NewImage
from app.history.files import file_stem
from app.history.migrations import migrations
from app.history.search import indexable, match_expression
from app.history.store import SHAPE
from app.recipes import Recipe
from app.settings import Settings
from dalle_core.request import GenerationRequest

PROMPTS = (
    "a red apple, noto",
    "红苹果，蓝色背景",
    "小猫和狐狸",
    "Café au lait",
    'the quick fox\'s "den"',
    "fullwidth ＡＰＰＬＥ",
    "🦊🍎❤️👩‍🚀",
)


def add(history: History, prompt: str, count: int = 1) -> list[str]:
    """A finished job with `count` pictures; their ids."""
    request = GenerationRequest(prompt, count=count, keep=1)
    job = history.add_job(request, "fake")
    recipes = [Recipe(request, i, i, "fake", "", (i, 2**20)) for i in range(count)]
    ids = [history.add_image(NewImage(job, Image.new("RGB", (8, 8)), recipe, "noto", 0.5)) for recipe in recipes]
    history.finish_job(job, "done")
    return ids


@pytest.fixture(scope="module")
def searchable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """One picture for each of PROMPTS."""
    history = History(Settings(data_dir=tmp_path_factory.mktemp("data")), owner=True)
    for prompt in PROMPTS:
        add(history, prompt)
    yield history
    history.close()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("apple", {0, 5}),
        ("APP", {0, 5}),
        ("red apple", {0}),
        ("apple red", {0}),
        ("apple blue", set()),
        ("苹果", {1}),
        ("红苹", {1}),
        ("苹", {1}),
        ("红果", set()),
        ("蓝色 苹果", {1}),
        ("猫", {2}),
        ("cafe", {3}),
        ("fox's", {4}),
        ('fox "', {4}),
        ('"den"', {4}),
        ("🦊", {6}),
        ("❤ 🍎", {6}),
        ("👩‍🚀", {6}),
        ("🐙", set()),
        ("noto", {0, 1, 2, 3, 4, 5, 6}),
        ("  ", {0, 1, 2, 3, 4, 5, 6}),
        ('"', set()),
    ],
)
def test_search_finds_words_and_characters(searchable: History, query: str, found: set[int]) -> None:
    rows = searchable.images(query, 60, None, kept_only=True)
    assert {PROMPTS.index(row.prompt) for row in rows} == found


ODD = (
    'fox "',
    '"',
    "*",
    "fox*",
    "a AND",
    "NEAR(",
    "prompt:x",
    "-",
    "^",
    "(",
    ")",
    "{x}",
    "\0",
    "\ud800",
    "🦊",
    "½",
    "'",
    "ก่",
    "़",
)


def test_search_never_raises_on_odd_input(searchable: History) -> None:
    for odd in (*ODD, *(f"fox {odd} 猫{odd}" for odd in ODD), " ".join(ODD), "x " * 5000, "猫" * 5000):
        searchable.images(odd, 60, None, kept_only=False)


def test_text_is_split_the_same_way_for_index_and_query() -> None:
    assert indexable("红苹果apple  Ａ") == "红 苹 果 apple A"
    assert match_expression('红苹 fox "') == '"红 苹" "fox"*'
    assert match_expression(' " ') is None


def test_four_threads_add_and_read_at_once(settings: Settings) -> None:
    history = History(settings, owner=True)

    def use(number: int) -> None:
        for i in range(10):
            (image_id,) = add(history, f"apple {number} {i}")
            assert history.image(image_id).tokens == (0, 2**20)
            assert image_id in [row.id for row in history.images(f"apple {number}", 60, None, kept_only=True)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))
    assert len(history.images("", 100, None, kept_only=True)) == 40
    history.close()


def test_two_processes_worth_of_connections_write_at_once(settings: Settings) -> None:
    owner = History(settings, owner=True)
    other = History(settings, owner=False)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(add, history, "apple") for history in (owner, other) * 10]
    assert all(job.result() for job in jobs)
    assert len(owner.images("", 100, None, kept_only=True)) == 20
    owner.close()
    other.close()


def test_jobs_left_running_are_interrupted_with_their_pictures_kept(settings: Settings) -> None:
    history = History(settings, owner=True)
    request = GenerationRequest("apple", count=2, keep=1)
    job = history.add_job(request, "fake")
    assert history.claim_job() is not None
    recipe = Recipe(request, 0, 0, "fake", "", (1,))
    image_id = history.add_image(NewImage(job, Image.new("RGB", (8, 8)), recipe, "", 0.5))
    assert not history.image(image_id).kept
    assert history.interrupt_running() == 1
    assert history.job(job).status == "interrupted"
    assert history.image(image_id).kept
    assert history.claim_job() is None
    history.close()


def test_a_queued_job_that_cannot_be_read_fails_and_the_next_is_claimed(settings: Settings) -> None:
    history = History(settings, owner=True)
    bad, good = (history.add_job(GenerationRequest("apple"), "fake") for _ in range(2))
    with sqlite3.connect(settings.database) as connection:
        connection.execute("UPDATE jobs SET request_json = '{' WHERE id = ?", (bad,))
    connection.close()
    claimed = history.claim_job()
    assert claimed is not None
    assert claimed.id == good
    history.close()


def test_a_picture_without_a_row_leaves_no_file(settings: Settings) -> None:
    history = History(settings, owner=True)
    recipe = Recipe(GenerationRequest("apple"), 0, 0, "fake", "", (1,))
    with pytest.raises(HistoryError, match="FOREIGN KEY"):
        history.add_image(NewImage("no such job", Image.new("RGB", (8, 8)), recipe, "", 0.5))
    assert [path for path in settings.images.rglob("*") if path.is_file()] == []
    history.close()


def test_the_database_is_strict_and_in_wal_mode(settings: Settings) -> None:
    History(settings, owner=True).close()
    connection = sqlite3.connect(settings.database)
    tables = [
        row[1:] for row in connection.execute("PRAGMA table_list") if not row[1].startswith(("sqlite_", "_", "search"))
    ]
    assert {name for name, *_ in tables} == {
        "jobs", "images", "scores", "edges", "sheets", "sheet_cells", "collections", "collection_images", "tags",
        "saved_searches"
    }  # fmt: skip
    assert all(strict for *_, strict in tables)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA user_version").fetchone() == (SHAPE,) == (len(migrations._migrations),)
    connection.close()


def test_an_older_database_is_backed_up_before_it_is_migrated(settings: Settings) -> None:
    settings.database.parent.mkdir(parents=True)
    with sqlite3.connect(settings.database) as old:
        old.execute("CREATE TABLE something (old TEXT)")
    old.close()
    with pytest.raises(HistoryError, match="older"):
        History(settings, owner=False)
    History(settings, owner=True).close()
    (backup,) = settings.backups.iterdir()
    copy = sqlite3.connect(backup)
    assert copy.execute("SELECT name FROM sqlite_master").fetchall() == [("something",)]
    copy.close()
    History(settings, owner=True).close()
    assert len(list(settings.backups.iterdir())) == 1


def test_a_newer_database_is_refused_unchanged(settings: Settings) -> None:
    History(settings, owner=True).close()
    with sqlite3.connect(settings.database) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(HistoryError, match="update it"):
        History(settings, owner=True)


def test_a_damaged_database_is_named(settings: Settings) -> None:
    settings.database.parent.mkdir(parents=True)
    settings.database.write_bytes(b"no database at all" * 100)
    with pytest.raises(HistoryError, match=r"damaged.*backups"):
        History(settings, owner=True)


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HistoryError, match="cannot be used"):
        History(Settings(data_dir=tmp_path / "file" / "data"), owner=True)


def test_a_path_that_leaves_the_images_folder_is_not_served(settings: Settings, tmp_path: Path) -> None:
    history = History(settings, owner=True)
    (image_id,) = add(history, "apple")
    (tmp_path / "secret.png").write_bytes(b"secret")
    with sqlite3.connect(settings.database) as connection:
        connection.execute("UPDATE images SET path = '../../secret.png'")
    connection.close()
    with pytest.raises(NotFound):
        history.image_path(image_id)
    history.close()


def test_file_names_are_readable_and_harmless() -> None:
    assert file_stem("red apple, noto", 7) == "red-apple-noto-7"
    assert file_stem("../..", 7) == "picture-7"
    assert file_stem("红苹果", 7) == "红苹果-7"
    assert len(file_stem("猫" * 2000, 7).encode()) < 100
