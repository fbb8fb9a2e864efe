"""How quick a long history is: `python benchmarks/history.py`. Fills a temporary one with 100,000 pictures' rows.

Reports the median and the 95th percentile of what a page asks for while somebody searches, scrolls, filters and stars,
and what of it was computing, which other programs on a busy machine do not lengthen as much; and the memory that paging
through everything takes. No picture files: only rows are read here.
"""

import argparse
import os
import random
import sqlite3
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ulid import ULID  # noqa: E402

from app.gallery import Gallery  # noqa: E402
from app.gallery_views import Filters  # noqa: E402
from app.history import History  # noqa: E402
from app.history.search import indexable  # noqa: E402
from app.recipes import request_to_json, stack_key  # noqa: E402
from app.settings import Settings  # noqa: E402
from app.worker import Bell  # noqa: E402
from dalle_core.request import GenerationRequest  # noqa: E402

TARGETS = {"search": 30.0, "page": 50.0, "star": 200.0}  # p95, in milliseconds
CANDIDATES = 16  # of each job, all kept: the longest gallery that this many pictures can make
TOKENS = struct.pack("<256I", *range(256))
LARGE_PAGE = 500
THINGS = {
    "apple": "苹果", "pear": "梨", "cat": "小猫", "dog": "狗", "fox": "狐狸", "rocket": "火箭", "castle": "城堡",
    "tree": "大树", "ship": "帆船", "fish": "鱼", "owl": "猫头鹰", "house": "房子", "flower": "花", "mountain": "雪山",
    "robot": "机器人", "dragon": "龙", "teapot": "茶壶", "clock": "钟", "guitar": "吉他", "bicycle": "自行车",
    "balloon": "气球", "bear": "熊", "lantern": "灯笼", "bridge": "桥", "cake": "蛋糕", "whale": "鲸鱼",
    "train": "火车", "moon": "月亮", "star": "星星", "umbrella": "雨伞",
}  # fmt: skip
COLOURS = {
    "red": "红", "blue": "蓝", "green": "绿", "yellow": "黄", "black": "黑", "white": "白", "purple": "紫",
    "orange": "橙", "pink": "粉", "golden": "金",
}  # fmt: skip
PLACES = ("on a hill", "in the rain", "under water", "by night", "in the snow", "at the market", "in a garden", "")
STYLES = ("noto", "fluent", "fluent flat", "twemoji", "openmoji", "blob", "pixel", "sketch")
KINDS = ("generate", "generate", "generate", "complete", "variation")
TAGS = ("favourite", "draft", "client", "爱用", "cover")


def fill(history: History, count: int) -> None:
    """Rows as painting leaves them: jobs, pictures, index, scores, tags, edges, a collection."""
    chance = random.Random(7)
    began = datetime.now(UTC) - timedelta(days=365)
    with history.writing() as writer:
        writer.execute("INSERT INTO collections VALUES ('c', 'Portfolio', ?)", (began.isoformat(),))
        for number in range(count // CANDIDATES):
            moment = began + number * CANDIDATES * (timedelta(days=364) / count)
            insert_job(writer, chance, moment)


def insert_job(writer: sqlite3.Connection, chance: random.Random, moment: datetime) -> None:
    prompt, style, kind = some_prompt(chance), chance.choice(STYLES), chance.choice(KINDS)
    text, model = f"{prompt}, {style}", chance.choice(("emblem-128", "emblem-128", "my-own"))
    request = GenerationRequest(text, count=CANDIDATES, seed=chance.randrange(2**32))
    request_json, job_id = request_to_json(request), str(ULID.from_datetime(moment))
    job = {"id": job_id, "kind": kind, "request_json": request_json, "model": model, "app_version": "0"}
    insert(writer, "jobs", job | {"status": "done", "created": moment.isoformat()})
    for position in range(CANDIDATES):
        created = moment + timedelta(milliseconds=position)
        image_id = str(ULID.from_datetime(created))
        image = {
            "id": image_id, "job_id": job_id, "position": position, "prompt": text, "request_json": request_json,
            "style": style, "seed": request.seed + position, "path": f"2026/01/{image_id}.png", "tokens": TOKENS,
            "sha256": f"{chance.getrandbits(256):064x}", "width": 64, "height": 64, "seconds": 1.5, "kept": 1,
            "created": created.isoformat(), "starred": chance.random() < 0.05, "stack": stack_key(request_json, model),
        }  # fmt: skip
        rowid = insert(writer, "images", image)
        tag = chance.choice(TAGS) if chance.random() < 0.1 else ""
        words = {"prompt": indexable(text), "style": style, "tags": indexable(tag)}
        insert(writer, "search", {"rowid": rowid, "image_id": image_id, **words})
        score = {"score": chance.random(), "percentile": 100 * chance.random(), "rank": position + 1}
        insert(writer, "scores", {"image_id": image_id, "reranker": "clip", "text": text, **score})
        if tag:
            insert(writer, "tags", {"image_id": image_id, "tag": tag})
        if chance.random() < 0.02:
            insert(writer, "collection_images", {"collection_id": "c", "image_id": image_id, "position": position})


def insert(writer: sqlite3.Connection, table: str, row: Mapping[str, object]) -> int | None:
    names = ", ".join(row)
    return writer.execute(
        f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", [*row.values()]
    ).lastrowid


def some_prompt(chance: random.Random) -> str:
    thing, colour = chance.choice(list(THINGS)), chance.choice(list(COLOURS))
    if chance.random() < 0.3:
        return f"{COLOURS[colour]}色的{THINGS[thing]}"
    return f"a {colour} {thing} {chance.choice(PLACES)}".strip()


def timed(action: Callable[[], object], times: int) -> list[tuple[float, float]]:
    """Milliseconds that each run took, and that it computed."""
    taken = []
    for _ in range(times):
        began, computed = time.perf_counter(), time.thread_time()
        action()
        taken.append((1000 * (time.perf_counter() - began), 1000 * (time.thread_time() - computed)))
    return taken


def report(name: str, taken: list[tuple[float, float]], target: float) -> None:
    times, computing = ([run[part] for run in taken] for part in (0, 1))
    verdict = "" if high(times) < target else f"   over {target:.0f} ms"
    print(f"{name:36} {statistics.median(times):8.2f} {high(times):8.2f} {high(computing):8.2f}{verdict}", flush=True)


def high(values: list[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[min(len(values) - 1, round(0.95 * len(values)))]


def queries() -> dict[str, list[str]]:
    return {
        "an English word": list(THINGS),
        "a beginning, as typed": [thing[:2] for thing in THINGS],
        "a Chinese word": list(THINGS.values()),
        "one character": [thing[-1] for thing in THINGS.values()],
        "several words": [
            f"{colour} {thing} {style}" for thing in THINGS for colour, style in zip(COLOURS, STYLES, strict=False)
        ],
        "in one of eight pictures": list(STYLES),
        "in most pictures": ["a"],
        "in none": ["zeppelin", "青蛙"],
    }


def measure_search(gallery: Gallery, runs: int) -> None:
    for name, words in queries().items():
        turn = cycle(words)
        taken = timed(lambda turn=turn: gallery.page(Filters(query=next(turn))), runs)  # type: ignore[misc]
        report(f"search: {name}", taken, TARGETS["search"])


def measure_pages(gallery: Gallery, runs: int, ids: list[str]) -> None:
    chance, month = random.Random(1), datetime.now(UTC) - timedelta(days=30)
    report("page: the first, with its count", timed(gallery.page, runs), TARGETS["page"])
    deep = timed(lambda: gallery.page(before=chance.choice(ids)), runs)
    report("page: anywhere", deep, TARGETS["page"])
    for name, filters in {
        "starred": Filters(starred=True),
        "of a kind": Filters(kinds=("variation",)),
        "of a model": Filters(models=("my-own",)),
        "of two styles": Filters(styles=("noto", "pixel")),
        "tagged": Filters(tag="client"),
        "of a collection": Filters(collection_id="c"),
        "since a month": Filters(since=month),
        "of the best tenth": Filters(min_percentile=90),
        "all of these at once": Filters("red", True, ("generate",), ("emblem-128",), ("noto",), min_percentile=50),
        "with every candidate": Filters(everything=True),
    }.items():
        report(f"page: {name}", timed(lambda f=filters: gallery.page(f), runs), TARGETS["page"])  # type: ignore[misc]
    report("page: stacked", timed(lambda: gallery.page(stacked=True), runs), TARGETS["page"])
    after = timed(lambda: gallery.page(stacked=True, before=chance.choice(ids)), runs)
    report("page: stacked, anywhere", after, TARGETS["page"])
    report("what there is to filter by", timed(gallery.facets, max(1, runs // 5)), 200.0)


def measure_marks(gallery: Gallery, runs: int, ids: list[str]) -> None:
    chance = random.Random(2)
    starts = [chance.randrange(len(ids) - 1000) for _ in range(10)]
    for name, lots in {
        "side by side": [ids[start : start + 1000] for start in starts],
        "from everywhere": [chance.sample(ids, 1000) for _ in starts],
    }.items():
        turns = cycle([(lot, starred) for lot in lots for starred in (True, False)])
        taken = timed(lambda turns=turns: gallery.star(*next(turns)), max(20, runs // 5))  # type: ignore[misc]
        report(f"star 1,000 {name}", taken, TARGETS["star"])
    lot = ids[:1000]
    taken = timed(lambda: gallery.undo(gallery.trash(lot).batch), max(2, runs // 10))
    report("trash 1,000 and take them back", taken, 2 * TARGETS["star"])
    taken = timed(lambda: (gallery.tag(lot, "new"), gallery.untag(lot, "new")), max(2, runs // 20))
    report("tag 1,000 and take it off", taken, 4 * TARGETS["star"])


def measure_memory(gallery: Gallery) -> None:
    """Resident memory after a tenth of the pages, and at most until the last: flat where they are alike."""
    seen, memory = 0, []
    for size in all_pages(gallery):
        seen += size
        memory.append(resident_megabytes())
    settled = max(memory[: len(memory) // 10 or 1])
    print(f"paging through {seen} pictures: {settled:.0f} MB after a tenth, at most {max(memory):.0f} MB")


def all_pages(gallery: Gallery) -> Iterator[int]:
    before: str | None = None
    while True:
        page = gallery.page(limit=LARGE_PAGE, before=before)
        yield len(page.images)
        before = page.next
        if before is None:
            return


def resident_megabytes() -> float:
    """On Linux; elsewhere what it was at most, as far as the system tells."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        history = History(settings, owner=True)
        began = time.perf_counter()
        fill(history, arguments.pictures)
        gallery = Gallery(history, settings, Bell())
        ids = [row["id"] for row in history.read("SELECT id FROM images")]
        size = settings.database.stat().st_size / 2**20
        print(f"{len(ids)} pictures, database of {size:.0f} MB, filled in {time.perf_counter() - began:.0f} s")
        print(f"{'milliseconds':36} {'p50':>8} {'p95':>8} {'CPU p95':>8}")
        measure_search(gallery, arguments.runs)
        measure_pages(gallery, arguments.runs, ids)
        measure_marks(gallery, arguments.runs, ids)
        measure_memory(gallery)
        history.close()


if __name__ == "__main__":
    main()
