"""The gallery's service layer on a real database: pages, marks, trash, tags, collections, saved searches."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from PIL import Image
from sqlite_utils import Database

from app import doctor
from app.errors import NotFound
from app.gallery import Gallery
from app.gallery_views import Filters
from app.history import History, Ranking, catalogue
from app.history.checkup import check_history
from app.history.labels import MAX_TAGS_EACH
from app.history.lineage import MAX_RELATIVES
from app.history.migrations import migrations
from app.settings import Settings
from app.worker import Bell
from dalle_core.errors import RequestError
from tests.app.histories import fill, paint


@pytest.fixture
def gallery(settings: Settings) -> Iterator[Gallery]:
    history = History(settings, owner=True)
    yield Gallery(history, settings, Bell())
    history.close()


@pytest.fixture
def made(gallery: Gallery) -> dict[str, list[str]]:
    """Pictures by what was asked for; of each, the first one is kept."""
    history = gallery.history
    apples = paint(history, "red apple", 2)
    return {
        "apples": apples,
        "cats": paint(history, "小猫", 2),
        "pears": paint(history, "pear", 1, "other", (apples[0],)),
    }


def shown(gallery: Gallery, **filters: Any) -> list[str]:
    return [image.id for image in gallery.page(Filters(**filters)).images]


def test_pages_are_newest_first_and_follow_each_other(gallery: Gallery) -> None:
    ids = [id for number in range(7) for id in paint(gallery.history, f"apple {number}")][::-1]
    seen, before = [], None
    for total in (7, None, None):
        page = gallery.page(limit=3, before=before)
        assert page.total == total
        seen += [image.id for image in page.images]
        before = page.next
    assert (seen, before) == (ids, None)


def test_each_filter_narrows(gallery: Gallery, made: dict[str, list[str]]) -> None:
    (apple, spare), (cat, _), (pear,) = made["apples"], made["cats"], made["pears"]
    gallery.star([spare])
    gallery.tag([cat], "pet")
    shelf = gallery.new_collection("Fruit / <b>best</b>")
    gallery.collect([apple, pear], shelf)
    now = datetime.now(UTC)
    assert shown(gallery) == [pear, cat, spare, apple]
    assert shown(gallery, everything=True) == [pear, *made["cats"][::-1], spare, apple]
    assert shown(gallery, starred=True) == [spare]
    assert shown(gallery, query="apple") == [spare, apple]
    assert shown(gallery, query="猫") == [cat]
    assert shown(gallery, query="pet") == [cat]
    assert shown(gallery, kinds=("complete",)) == [pear]
    assert shown(gallery, models=("fake",), styles=("noto",)) == [cat, spare, apple]
    assert shown(gallery, models=("fake' OR 1",)) == []
    assert shown(gallery, tag="pet") == [cat]
    assert shown(gallery, collection_id=shelf) == [pear, apple]
    assert shown(gallery, since=now - timedelta(minutes=5), until=now + timedelta(minutes=5)) == shown(gallery)
    assert shown(gallery, since=now + timedelta(minutes=5)) == shown(gallery, until=now - timedelta(days=1)) == []
    assert shown(gallery, min_percentile=50) == [pear, cat, spare, apple]
    assert shown(gallery, min_percentile=50.1) == []
    assert shown(gallery, query='"') == []


def test_facets_count_what_each_choice_would_show(gallery: Gallery, made: dict[str, list[str]]) -> None:
    facets = gallery.facets(Filters(models=("other",)))
    assert (facets.models, facets.kinds) == ({"fake": 2, "other": 1}, {"complete": 1})
    assert gallery.facets().styles == {"noto": 3}


def test_trash_hides_protects_and_comes_back(gallery: Gallery, made: dict[str, list[str]]) -> None:
    apple, spare = made["apples"]
    gallery.star([spare])
    everything = shown(gallery)
    trashed = gallery.trash([apple, spare, "nothing"])
    assert (trashed.count, trashed.protected) == (1, 1)
    assert apple not in shown(gallery, everything=True)
    assert shown(gallery, trashed=True) == [apple]
    assert gallery.image(apple).trashed
    with pytest.raises(NotFound):
        gallery.history.image(apple)
    assert [row.id for row in gallery.history.job_images(gallery.image(apple).job_id)] == [spare]
    assert gallery.undo(trashed.batch) == 1
    assert shown(gallery) == everything
    assert gallery.trash([spare], include_starred=True).count == 1
    assert gallery.restore([spare]) == 1


def test_purging_removes_rows_and_files_of_the_trash_alone(gallery: Gallery, made: dict[str, list[str]]) -> None:
    apple, (pear,) = made["apples"][0], made["pears"]
    path = gallery.history.image_path(apple)
    assert gallery.purge([apple]).count == 0
    gallery.trash([apple, pear])
    assert gallery.in_trash().count == 2
    assert gallery.in_trash().bytes > 0
    gone = gallery.purge([apple])
    assert (gone.count, path.exists()) == (1, False)
    assert gone.bytes > 0
    assert gallery.purge().count == 1
    assert check_history(gallery.settings) == []


def test_a_job_whose_picture_was_purged_while_it_ran_still_ends(gallery: Gallery, made: dict[str, list[str]]) -> None:
    history, apple = gallery.history, made["apples"][0]
    job_id = history.image(apple).job_id
    gallery.trash([apple])
    gallery.purge()
    history.finish_job(job_id, "done", rankings=[Ranking(apple, "clip", "apple", 0.5, 50.0, 1, True)])
    assert history.job(job_id).status == "done"


def test_the_trash_stays_as_it_is_when_the_doctor_mends(gallery: Gallery, made: dict[str, list[str]]) -> None:
    apple, cat = made["apples"][0], made["cats"][0]
    gallery.trash([apple, cat])
    file = gallery.history.image_path(apple, in_trash=True)
    Image.new("RGB", (8, 8), "green").save(file)
    gallery.history.image_path(cat, in_trash=True).unlink()
    gallery.history.close()
    assert doctor.mend(gallery.settings).is_sound
    history = History(gallery.settings, owner=True)
    assert shown(Gallery(history, gallery.settings, Bell()), trashed=True) == [apple]
    history.close()


def test_a_search_entry_that_outlived_its_picture_stops_no_other(gallery: Gallery, made: dict[str, list[str]]) -> None:
    (pear,) = made["pears"]  # the last one: the next picture's row has its number
    with gallery.history.writing() as writer:
        writer.execute("DELETE FROM images WHERE id = ?", (pear,))
    (plum,) = paint(gallery.history, "plum")
    assert (shown(gallery, query="plum"), shown(gallery, query="pear")) == ([plum], [])


def test_what_is_in_the_trash_is_sound_to_the_doctor(gallery: Gallery, made: dict[str, list[str]]) -> None:
    gallery.trash(made["cats"])
    assert check_history(gallery.settings) == []


def test_tags_are_found_renamed_merged_and_deleted(gallery: Gallery, made: dict[str, list[str]]) -> None:
    apple, cat = made["apples"][0], made["cats"][0]
    assert gallery.tag([apple, cat], " my   水果 ") == 2
    assert gallery.tag([apple], "my 水果") == 0
    gallery.tag([cat], "pet")
    assert shown(gallery, query="果") == [cat, apple]
    assert gallery.rename_tag("my 水果", "pet") == 2
    assert gallery.tags() == {"pet": 2}
    assert shown(gallery, query="果") == []
    assert shown(gallery, query="pet") == [cat, apple]
    assert gallery.labels(cat).tags == ("pet",)
    assert gallery.untag([apple], "pet") == 1
    assert gallery.delete_tag("pet") == 1
    assert gallery.tags() == {}
    for new in ("pet", "cat"):
        with pytest.raises(NotFound):
            gallery.rename_tag("pet", new)
    assert check_history(gallery.settings) == []


def test_a_tag_may_be_of_any_script_and_markup_is_text(gallery: Gallery, made: dict[str, list[str]]) -> None:
    (apple, _), tags = made["apples"], ("👨‍👩‍👧", "می‌خواهم", "<b>x</b>", "' OR 1=1 --", "../../etc", "水 果")
    for tag in tags:
        assert gallery.tag([apple], tag) == 1
    assert set(gallery.labels(apple).tags) == set(tags)
    assert [shown(gallery, tag=tag) for tag in tags] == [[apple]] * len(tags)
    assert [shown(gallery, query=tag) for tag in ("👨‍👩‍👧", "水果", "etc")] == [[apple]] * 3
    assert check_history(gallery.settings) == []


def test_a_picture_has_only_so_many_tags(gallery: Gallery, made: dict[str, list[str]]) -> None:
    apple = made["apples"][0]
    for number in range(MAX_TAGS_EACH):
        gallery.tag([apple], f"tag {number}")
    with pytest.raises(RequestError, match="50 tags"):
        gallery.tag(made["cats"] + [apple], "one more")
    assert gallery.tag(made["cats"] + [apple], "tag 0") == 2
    assert "one more" not in gallery.tags()


@pytest.mark.parametrize("tag", ["x" * 10_000, "", " \n", "a\u0000b", "\ud800", "a\u202eb"])
def test_tags_that_are_none_are_refused(gallery: Gallery, made: dict[str, list[str]], tag: str) -> None:
    with pytest.raises(RequestError):
        gallery.tag(made["apples"], tag)
    assert gallery.tags() == {}


def test_collections_are_renamed_merged_and_deleted(gallery: Gallery, made: dict[str, list[str]]) -> None:
    apple, cat = made["apples"][0], made["cats"][0]
    best, odd = gallery.new_collection("Best"), gallery.new_collection("../<script>alert(1)</script>")
    assert gallery.collect([apple, cat, "nothing"], best) == 2
    assert gallery.collect([apple], best) == 0
    gallery.collect([apple], odd)
    with pytest.raises(RequestError, match="taken"):
        gallery.new_collection("Best")
    with pytest.raises(RequestError, match="taken"):
        gallery.rename_collection(odd, "Best")
    assert {view.name: (view.count, view.cover) for view in gallery.collections()} == {
        "Best": (2, cat),
        "../<script>alert(1)</script>": (1, apple),
    }
    assert gallery.rename_collection(odd, "Best", merge=True) == best
    assert [(view.id, view.count) for view in gallery.collections()] == [(best, 2)]
    assert gallery.uncollect([cat], best) == 1
    gallery.delete_collection(best)
    assert shown(gallery) != []
    with pytest.raises(NotFound):
        gallery.collect([cat], best)


def test_searches_are_saved_and_opened(gallery: Gallery) -> None:
    filters = Filters("苹果 <b> \ud83d", starred=True, kinds=("complete",), since=datetime(2026, 1, 2, tzinfo=UTC))
    search_id = gallery.save_search("Mine", filters)
    assert gallery.open_search(search_id) == filters
    with pytest.raises(RequestError, match="taken"):
        gallery.save_search("Mine", filters)
    assert [search.name for search in gallery.saved_searches()] == ["Mine"]
    gallery.delete_search(search_id)
    with pytest.raises(NotFound):
        gallery.open_search(search_id)


def test_a_search_of_an_older_version_opens_and_of_a_newer_one_says_so() -> None:
    assert Filters.from_json("red apple") == Filters(query="red apple")
    with pytest.raises(RequestError, match="version 99"):
        Filters.from_json(json.dumps({"version": 99, "filters": {}}))


@pytest.mark.parametrize(
    "values",
    [
        {"nonsense": 1},
        {"query": 5},
        {"query": "x" * 10_000},
        {"starred": "yes"},
        {"kinds": "generate"},
        {"kinds": [1]},
        {"since": "soon"},
        {"min_percentile": float("nan")},
        [],
    ],
)
def test_filters_that_are_none_are_refused(values: object) -> None:
    with pytest.raises(RequestError):
        Filters.from_dict(values)


# Many


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gallery, list[str]]]:
    """5,000 pictures, newest first, of five requests: four pictures a job, each fifth job alike."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("many"))
    history = History(settings, owner=True)
    ids = fill(history, 5000)
    yield Gallery(history, settings, Bell()), ids
    history.close()


def test_thousands_of_pictures_are_paged_through_once_each(many: tuple[Gallery, list[str]]) -> None:
    gallery, ids = many
    seen, before = list[str](), None
    while page := gallery.page(limit=500, before=before):
        seen += [image.id for image in page.images]
        before = page.next
        if before is None:
            break
    assert seen == ids
    page = gallery.page(Filters(query="apple"), limit=60, before=ids[99])
    assert [image.id for image in page.images] == ids[100:160]
    assert gallery.page(Filters(query="apple green"), limit=1).total == 1000


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("query", ["", "apple", "green"])
def test_however_pages_are_looked_for_they_are_the_same(
    many: tuple[Gallery, list[str]], monkeypatch: pytest.MonkeyPatch, query: str, stacked: bool
) -> None:
    gallery, _ = many
    monkeypatch.setattr(catalogue, "FEW_HITS", 5000)  # each hit looked up by itself
    expected = paged(gallery, Filters(query=query), stacked)
    monkeypatch.setattr(catalogue, "FEW_HITS", 10)  # the nearest pictures first
    monkeypatch.setattr(catalogue, "NEAR", 30)
    for many_hits in (20, 5000):
        monkeypatch.setattr(catalogue, "MANY_HITS", many_hits)
        assert paged(gallery, Filters(query=query), stacked) == expected
    assert len(expected) == (1 if query == "green" else 5) * (1 if stacked else 1000)
    assert set(expected.values()) == {1000 if stacked else 1}


def paged(gallery: Gallery, filters: Filters, stacked: bool) -> dict[str, int]:
    """Each picture in its turn, and for how many it stands."""
    seen, before = dict[str, int](), None
    while True:
        page = gallery.page(filters, 400 if not stacked else 2, before, stacked)
        assert not seen.keys() & {image.id for image in page.images}
        seen |= {image.id: page.stacks.get(image.id, 1) for image in page.images}
        before = page.next
        if before is None:
            return seen


def test_what_came_in_later_but_is_older_stands_in_its_place(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """As imported pictures do."""
    monkeypatch.setattr(catalogue, "FEW_HITS", 1)
    monkeypatch.setattr(catalogue, "NEAR", 2)
    ids = [id for _ in range(6) for id in paint(gallery.history, "apple")]
    with gallery.history.writing() as writer:
        writer.execute("DELETE FROM scores WHERE image_id = ?", (ids[5],))
        writer.execute("UPDATE images SET id = '01A' || substr(id, 4) WHERE id = ?", (ids[5],))
    shown = [*ids[:5][::-1], "01A" + ids[5][3:]]
    assert list(paged(gallery, Filters(query="apple"), stacked=False)) == shown
    assert paged(gallery, Filters(query="apple"), stacked=True) == {shown[0]: 6}


def test_a_search_is_counted_so_far_and_no_further(
    many: tuple[Gallery, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, _ = many
    monkeypatch.setattr(catalogue, "MOST_COUNTED", 999)
    for filters in (Filters(query="green"), Filters(query="green", kinds=("generate",))):
        page = gallery.page(filters)
        assert (page.total, page.over) == (999, True)
    monkeypatch.setattr(catalogue, "MOST_COUNTED", 1000)
    assert (gallery.page(filters).total, gallery.page(filters).over) == (1000, False)
    assert (gallery.page().total, gallery.page().over) == (5000, False)


def test_selection_spans_pages_in_either_direction(many: tuple[Gallery, list[str]]) -> None:
    gallery, ids = many
    assert gallery.select(Filters(), ids[40], ids[900]) == ids[40:901]
    assert gallery.select(Filters(), ids[900], ids[40]) == ids[40:901]
    assert gallery.select(Filters()) == ids
    assert gallery.select(Filters(query="red"), ids[0], ids[399]) == [
        id for number, id in enumerate(ids[:400]) if (4999 - number) // 4 % 5 == 0
    ]


def test_more_than_can_be_changed_at_once_is_refused(settings: Settings) -> None:
    history = History(settings, owner=True)
    gallery = Gallery(history, settings, Bell())
    fill(history, 5001)
    with pytest.raises(RequestError, match="5000"):
        gallery.select(Filters())
    with pytest.raises(RequestError, match="5001"):
        gallery.star([str(number) for number in range(5001)])
    with pytest.raises(RequestError, match="No picture"):
        gallery.trash([])
    history.close()


def test_pictures_that_differ_in_their_seed_alone_are_stacked(many: tuple[Gallery, list[str]]) -> None:
    gallery, ids = many
    page = gallery.page(stacked=True, limit=3)
    assert (page.total, list(page.stacks.values())) == (5, [1000] * 3)
    assert [image.id for image in page.images] == [ids[0], ids[4], ids[8]]
    rest = gallery.page(stacked=True, limit=3, before=page.next)
    assert ([image.id for image in rest.images], rest.next, rest.total) == ([ids[12], ids[16]], None, None)
    alike = gallery.page(Filters(like=ids[0]), limit=500)
    assert alike.total == 1000
    assert {image.request.prompt for image in alike.images} == {gallery.image(ids[0]).request.prompt}
    assert gallery.select(Filters(), stacked=True) == [ids[number] for number in (0, 4, 8, 12, 16)]


def test_many_are_marked_in_one_go(many: tuple[Gallery, list[str]]) -> None:
    gallery, ids = many
    some = ids[1000:2000]
    assert gallery.star(some) == 1000
    assert gallery.star(some) == 0
    assert gallery.page(Filters(starred=True)).total == 1000
    assert (gallery.trash(some).count, gallery.star(some, False)) == (0, 1000)
    assert gallery.tag(some, "水果") == 1000
    assert gallery.page(Filters(query="水果 apple")).total == 1000
    assert gallery.delete_tag("水果") == 1000
    batch = gallery.trash(some).batch
    assert gallery.page().total == 4000
    assert gallery.undo(batch) == 1000
    assert gallery.page().total == 5000


def test_a_page_of_thousands_is_read_from_an_index(many: tuple[Gallery, list[str]]) -> None:
    gallery, ids = many
    asked = list[str]()
    read = gallery.history.read

    def note(sql: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        asked.append(sql)
        return read(sql, values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery.history, "read", note)
        for filters in (Filters(), Filters(everything=True), Filters(starred=True), Filters(min_percentile=5.0)):
            gallery.page(filters, before=ids[10])
            gallery.page(filters, before=ids[10], stacked=True)
    assert len(asked) >= 8
    for sql in asked:
        plan = [row["detail"] for row in read(f"EXPLAIN QUERY PLAN {sql}", ("x",) * sql.count("?"))]
        assert [step for step in plan if "images" in step and "COVERING INDEX" not in step] == [], sql


def test_marks_and_painting_at_once_lose_nothing(gallery: Gallery) -> None:
    ids = fill(gallery.history, 200)

    def paint_some() -> None:
        for number in range(10):
            paint(gallery.history, f"pear {number}", 2)

    def mark(tag: str) -> None:
        for start in range(0, 100, 10):
            gallery.tag(ids[start : start + 10], tag)
            gallery.star(ids[start : start + 10])

    def throw_away() -> None:
        for start in range(100, 200, 10):
            gallery.undo(gallery.trash(ids[start : start + 10]).batch)

    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(paint_some), pool.submit(throw_away), pool.submit(mark, "a"), pool.submit(mark, "b")]
        for done in work:
            done.result()
    assert gallery.tags() == {"a": 100, "b": 100}
    assert gallery.page(Filters(everything=True)).total == 220
    assert gallery.page(Filters(starred=True, query="b")).total == 100
    assert [problem for problem in check_history(gallery.settings) if problem.kind == "search_index"] == []


# Two pictures, and families


def test_what_differs_between_two_pictures(gallery: Gallery, made: dict[str, list[str]]) -> None:
    (first, second), (pear,) = made["apples"], made["pears"]
    rows = {row.name: (row.first, row.second) for row in gallery.compare([first, second]).rows}
    assert rows == {"Seed": ("0", "1"), "Score": ("0.90", "0.80"), "Tokens": ("1 of 4 differ", "1 of 4 differ")}
    rows = {row.name: (row.first, row.second) for row in gallery.compare([first, pear]).rows}
    assert rows["Prompt"] == ("red apple", "pear")
    assert rows["Model"] == ("fake", "other")
    assert rows["Kind"] == ("generate", "complete")
    for chosen in ([], [first], [first, first], [first, second, pear]):
        with pytest.raises(RequestError, match="two different"):
            gallery.compare(chosen)
    with pytest.raises(NotFound):
        gallery.compare([first, "nothing"])


def test_a_family_has_ancestors_descendants_and_what_binds_them(gallery: Gallery) -> None:
    history = gallery.history
    (root,) = paint(history, "root")
    (child,) = paint(history, "child", parents=(root,))
    grandchildren = [paint(history, f"grandchild {number}", parents=(child,))[0] for number in range(2)]
    paint(history, "stranger")
    family = gallery.family(child)
    assert {relative.image.prompt: relative.generation for relative in family.members} == {
        "root": -1,
        "child": 0,
        "grandchild 0": 1,
        "grandchild 1": 1,
    }
    assert [(link.child_id, link.parent_id) for link in family.links] == [
        (child, root),
        *((grandchild, child) for grandchild in grandchildren),
    ]
    assert {(link.relation, link.kept_rows) for link in family.links} == {("complete", 1)}
    assert family.more is False
    gallery.trash([root])
    assert next(relative for relative in gallery.family(child).members if relative.generation == -1).image.trashed


def test_a_family_that_goes_round_in_a_circle_or_on_for_ever_has_an_end(gallery: Gallery) -> None:
    ids = fill(gallery.history, 300)
    with gallery.history.writing() as writer:
        chain = [(child, parent, "complete", 1) for child, parent in pairwise(ids[:30])]
        crowd = [(child, ids[29], "complete", 1) for child in ids[30:]]
        writer.executemany("INSERT INTO edges VALUES (?, ?, ?, ?)", [*chain, *crowd, (ids[29], ids[0], "complete", 1)])
    for focus in (ids[0], ids[15], ids[29]):
        family = gallery.family(focus)
        assert family.more
        assert len(family.members) <= 2 * MAX_RELATIVES + 1
        assert len({relative.image.id for relative in family.members}) == len(family.members)


# The shape of older databases


def test_a_database_of_an_older_shape_gets_what_the_gallery_needs(settings: Settings) -> None:
    settings.database.parent.mkdir(parents=True)
    old = sqlite3.connect(settings.database, isolation_level=None)
    migrations.apply(Database(old), stop_before="m005_gallery")
    request = '{"prompt": "红苹果, noto", "seed": 3, "prefix_tokens": []}'
    old.execute(
        "INSERT INTO jobs (id, kind, request_json, model, app_version, status, created)"
        " VALUES ('01A', 'complete', ?, 'fake', '0', 'done', '2026-01-01T00:00:00+00:00')",
        (request,),
    )
    for number, text in enumerate((request, request, "damaged")):
        image_id = f"01A{number}"
        old.execute(
            "INSERT INTO images (id, job_id, position, prompt, request_json, style, seed, path, sha256, tokens, width,"
            " height, seconds, created, kept) VALUES (?, '01A', ?, '红苹果', ?, 'noto', 3, ?, '', X'', 8, 8, 0, ?, 1)",
            (image_id, number, text, image_id, "2026-01-01T00:00:00+00:00"),
        )
        old.execute("INSERT INTO search VALUES (?, '红 苹 果', 'noto', '')", (image_id,))
    old.execute("INSERT INTO scores VALUES ('01A1', 'clip', 'x', 0.5, 20.0, 1)")
    old.execute("INSERT INTO scores VALUES ('01A1', 'clip', 'y', 0.5, 70.0, 1)")
    old.execute("DELETE FROM images WHERE id = '01A2'")
    old.execute("PRAGMA user_version = 4")
    old.close()
    history = History(settings, owner=True)
    gallery = Gallery(history, settings, Bell())
    assert shown(gallery, query="苹果", kinds=("complete",), models=("fake",)) == ["01A1", "01A0"]
    assert shown(gallery, min_percentile=60) == ["01A1"]
    assert gallery.page(stacked=True).stacks == {"01A1": 2}
    assert history.read("SELECT COUNT(*) FROM search")[0][0] == 2
    history.close()
