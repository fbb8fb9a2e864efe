"""Public models fetched from a hub on this machine: asked for, agreed to, resumed, converted, painted with."""

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import Mock

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE

from app import downloads as module
from app.cli import main
from app.downloads import Downloads
from app.errors import NotFound
from app.models import catalogue
from app.models_command import Progress, words
from app.ranking import give_reranker
from app.settings import PROJECT_FOLDER, Settings
from app.studio import Studio
from app.ui.model_downloads import offers_payload
from app.views import DownloadView
from dalle_core import hub
from dalle_core.errors import DownloadError, DownloadStopped, RequestError
from dalle_core.families import rerankers
from dalle_core.families.catalogue import OFFERS
from dalle_core.families.convert import KINDS
from dalle_core.families.convert_dalle_mini import PUBLISHED
from dalle_core.hub import Hub
from tests.app.conftest import StartStudio, painted, wait_until
from tests.app.test_models import put_model
from tests.core.published import TINY, write_published
from tests.fakehub import FakeHub
from tests.fakes import FakeModel

NAME = "dalle-mini"
LICENCE = OFFERS[NAME].licence.name
BIGGEST = "flax_model.msgpack"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint under the names and in the layout of the published one."""
    folder = tmp_path_factory.mktemp("published")
    write_published(folder, TINY)
    return folder


@pytest.fixture
def fake(published: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    monkeypatch.setitem(PUBLISHED, NAME, TINY)
    monkeypatch.setattr(hub, "PAUSE", 0.001)
    monkeypatch.setattr(hub, "PIECE", 4096)
    monkeypatch.setattr(module, "TELL_SECONDS", 0)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    fake = FakeHub()
    fake.publish(OFFERS[NAME], published)
    yield fake
    fake.close()


@pytest.fixture
def downloads(settings: Settings, fake: FakeHub) -> Iterator[Downloads]:
    downloads = Downloads(settings, Hub(fake.url))
    yield downloads
    downloads.close()


def fetch(downloads: Downloads) -> list[DownloadView]:
    told: list[DownloadView] = []
    downloads.run(NAME, LICENCE, told.append, threading.Event())
    return told


def ended(downloads: Downloads) -> DownloadView:
    """The view of a download once it does not run any more."""

    def view() -> DownloadView:
        found = downloads.offer(NAME).download
        assert found is not None
        return found

    wait_until(lambda: not view().running)
    return view()


def test_a_model_is_fetched_converted_loaded_and_paints(downloads: Downloads, settings: Settings) -> None:
    told = fetch(downloads)
    states = list(dict.fromkeys(view.state for view in told))
    assert (states[0], states[-1]) == ("looking", "converting")
    assert {"checking"} <= set(states)
    assert told[-1].done == told[-1].total > 0
    assert not (settings.downloads / NAME).exists()
    [view] = catalogue(settings)
    assert (view.name, view.own, view.problem) == (NAME, True, "")
    assert downloads.offer(NAME).there
    studio = Studio(replace(settings, model=NAME, device="cpu"))
    studio.start()
    wait_until(lambda: studio.model_status().state == "ready")
    done = painted(studio, "a red cat", count=1, keep=1, batch_width=1)
    studio.close()
    assert (done.status, done.model, done.finished) == ("done", NAME, 1)


def test_it_goes_on_where_it_was_stopped(downloads: Downloads, settings: Settings, fake: FakeHub) -> None:
    stop = threading.Event()

    def told(view: DownloadView) -> None:
        if view.state == "fetching" and view.done > 0:
            stop.set()

    fake.seconds_a_piece = 0.001
    with pytest.raises(DownloadStopped):
        downloads.run(NAME, LICENCE, told, stop)
    kept = downloads.offer(NAME)
    assert 0 < kept.fetched < sum(path.stat().st_size for path in fake.repositories["kuprel/min-dalle"].iterdir())
    assert not kept.there
    fake.asked.clear()
    fetch(downloads)
    assert [view.name for view in catalogue(settings)] == [NAME]
    whole = [name for method, name, ranged in fake.asked if method == "GET" and name.endswith(".pt") and not ranged]
    assert len(whole) < 2 * 3, "files that were finished are not asked for again"


def test_on_its_own_thread_it_is_stopped_resumed_and_told_of(downloads: Downloads, fake: FakeHub) -> None:
    fake.seconds_a_piece = 0.02
    downloads.start(NAME, LICENCE)
    with pytest.raises(RequestError, match="One after the other"):
        downloads.start("dalle-mega", LICENCE)
    with pytest.raises(RequestError, match="being fetched already"):
        downloads.discard(NAME)
    wait_until(lambda: downloads.offer(NAME).fetched > 0)
    with pytest.raises(RequestError, match="being fetched already"):
        Downloads(downloads.settings).run(NAME, LICENCE, lambda view: None, threading.Event())
    downloads.stop(NAME)
    assert ended(downloads) == DownloadView("stopped")
    assert downloads.offer(NAME).fetched > 0
    fake.seconds_a_piece = 0
    downloads.start(NAME, LICENCE)
    assert ended(downloads).state == "done"
    assert downloads.offer(NAME).there


def test_what_was_fetched_can_be_discarded(downloads: Downloads, settings: Settings) -> None:
    part = settings.downloads / NAME / "encoder_mini.pt.0.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    assert downloads.offer(NAME).fetched == 4
    downloads.discard(NAME)
    assert downloads.offer(NAME).fetched == 0
    assert not part.exists()


def test_a_damaged_file_is_refused_and_nothing_is_left_to_load(
    downloads: Downloads, settings: Settings, fake: FakeHub
) -> None:
    fake.damaged = {"decoder_mini.pt"}
    downloads.start(NAME, LICENCE)
    view = ended(downloads)
    assert view.state == "failed"
    assert view.message.startswith("decoder_mini.pt was refused: it is damaged, or not what was published (")
    assert "expected SHA-256 " in view.message
    assert catalogue(settings) == []
    assert not list(settings.downloads.rglob("decoder*"))
    fake.damaged = set()
    fetch(downloads)
    assert downloads.offer(NAME).there


def test_a_wrong_file_is_refused_though_the_hub_has_it_so(
    downloads: Downloads, settings: Settings, fake: FakeHub, tmp_path: Path
) -> None:
    wrong = Path(shutil.copytree(fake.repositories["kuprel/min-dalle"], tmp_path / "wrong"))
    torch.save({"weights": torch.zeros(3)}, wrong / "encoder_mini.pt")
    fake.repositories["kuprel/min-dalle"] = wrong
    with pytest.raises(DownloadError, match=r"DALL·E mini was refused\. encoder_mini\.pt: missing tensors"):
        fetch(downloads)
    assert catalogue(settings) == []
    assert downloads.offer(NAME).fetched == 0


def test_a_disk_that_is_too_small_is_seen_before_anything_is_fetched(
    downloads: Downloads, fake: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**9))
    with pytest.raises(DownloadError, match=r"DALL·E mini needs 1\.2 GB of disk.*1\.0 GB are free"):
        fetch(downloads)
    assert fake.ranges("encoder_mini.pt") == []


def test_without_a_network_one_message_and_the_studio_goes_on(downloads: Downloads, fake: FakeHub) -> None:
    fake.close()
    downloads.start(NAME, LICENCE)
    view = ended(downloads)
    assert view.message.startswith("kuprel/min-dalle cannot be had from 127.0.0.1")
    assert downloads.offer(NAME).fetched == 0


def test_nothing_is_fetched_without_agreeing_or_twice_or_unnamed(
    downloads: Downloads, settings: Settings, fake: FakeHub
) -> None:
    for accepted in ("", "MIT"):
        with pytest.raises(RequestError, match=r"comes under the licence Apache-2\.0\. Agree to it first"):
            downloads.start(NAME, accepted)
    for name in ("", "../dalle-mini", "x" * 300):
        with pytest.raises(NotFound, match="expected one of dalle-mini"):
            downloads.start(name, LICENCE)
    (settings.own_models / NAME).mkdir(parents=True)
    with pytest.raises(RequestError, match="There is a model dalle-mini here already"):
        downloads.start(NAME, LICENCE)
    assert fake.asked == []


def test_what_is_missing_is_said_before_anything_is_fetched(
    downloads: Downloads, monkeypatch: pytest.MonkeyPatch, fake: FakeHub
) -> None:
    monkeypatch.setattr("dalle_core.families.optional.find_spec", lambda name: None)
    with pytest.raises(Exception, match="Janus-Pro 1B needs the library transformers"):
        downloads.start("janus-pro-1b", OFFERS["janus-pro-1b"].licence.name)
    assert fake.asked == []


def test_a_reranker_is_taken_as_it_is_and_found_where_it_was_put(
    downloads: Downloads, settings: Settings, fake: FakeHub, tmp_path: Path
) -> None:
    name = "clip-vit-base-patch32"
    published = tmp_path / "clip"
    published.mkdir()
    (published / "config.json").write_text('{"model_type": "clip"}')
    (published / "tokenizer.json").write_text(Tokenizer(BPE()).to_str())
    (published / "pytorch_model.bin").write_bytes(b"weights")
    (published / "flax_model.msgpack").write_bytes(b"not wanted")
    fake.publish(OFFERS[name], published)
    path = downloads.run(name, "MIT", lambda view: None, threading.Event())
    assert path == settings.own_rerankers / name
    assert sorted(file.name for file in path.iterdir()) == ["config.json", "pytorch_model.bin", "tokenizer.json"]
    assert downloads.offer(name).there
    assert catalogue(settings) == []
    asked: list[Path] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rerankers, "load_reranker", lambda name, folder, device: asked.append(folder / name))
        give_reranker(FakeModel(), replace(settings, reranker=name), torch.device("cpu"))
    assert asked == [path]


def test_what_is_no_reranker_is_refused(downloads: Downloads, fake: FakeHub, tmp_path: Path) -> None:
    name, published = "clip-vit-base-patch32", tmp_path / "clip"
    published.mkdir()
    (published / "config.json").write_text('{"model_type": "bert"}')
    (published / "tokenizer.json").write_text("{}")
    (published / "model.safetensors").write_bytes(b"weights")
    fake.publish(OFFERS[name], published)
    with pytest.raises(DownloadError, match=r"CLIP ViT-B/32 was refused\. .*expected a model of type clip or siglip"):
        downloads.run(name, "MIT", lambda view: None, threading.Event())
    assert not downloads.offer(name).there


def test_every_offer_has_a_converter() -> None:
    assert set(OFFERS) <= set(KINDS)


def test_speed_and_time_left_are_told() -> None:
    view = DownloadView("fetching", 412_000_000, 1_400_000_000, 8_200_000.0)
    assert words(view) == "Fetching: 412 MB of 1.4 GB, 8.2 MB a second, 2 min left"
    assert words(DownloadView("checking", 5, 5)) == "Checking: 5 bytes of 5 bytes"


def test_progress_is_a_line_every_tenth_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    progress = Progress()
    for done in range(0, 1001, 10):
        progress(DownloadView("fetching", done, 1000))
    progress(DownloadView("converting", 1000, 1000))
    lines = written.getvalue().splitlines()
    assert len(lines) == 12
    assert lines[-1] == "Converting"


# The command line

COMMAND = """
import sys
from app.cli import main
from dalle_core import hub
hub.PIECE = 4096
sys.exit(main(sys.argv[1:]))
"""


def test_killed_half_way_it_goes_on(downloads: Downloads, settings: Settings, fake: FakeHub) -> None:
    """The command in a process of its own, as one who has set HF_ENDPOINT and HF_HOME runs it."""
    environment = {**os.environ, "HF_ENDPOINT": fake.url, "HF_HOME": str(settings.data_dir / "hf")}
    where = ["--data-dir", str(settings.data_dir), "--models-dir", str(settings.models_dir)]
    fake.seconds_a_piece = 0.05
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "models", "download", NAME, "--accept-licence", *where], cwd=PROJECT_FOLDER,
        env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as child:  # fmt: skip
        wait_until(lambda: bool(parts_of(settings)) or child.poll() is not None)
        os.kill(child.pid, signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    [(part, kept)] = parts_of(settings).items()
    fake.seconds_a_piece = 0
    fake.asked.clear()
    fetch(downloads)
    assert f"bytes={kept}-" in fake.ranges(part.partition(".pt.")[0] + ".pt")
    assert [view.problem for view in catalogue(settings)] == [""]


def parts_of(settings: Settings) -> dict[str, int]:
    """Files that are here in part, and how much of them."""
    return {path.name: path.stat().st_size for path in settings.downloads.glob("*/*.part") if path.stat().st_size}


def test_the_command_shows_the_licence_first(settings: Settings, capsys: pytest.CaptureFixture[str],
                                             monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))  # no terminal: nobody has read anything
    where = ["--data-dir", str(settings.data_dir), "--models-dir", str(settings.models_dir)]
    assert main(["models", "download", "janus-pro-1b", *where]) == 2
    said = capsys.readouterr().err
    assert "Licence: DeepSeek Model License, https://" in said
    assert "About 4.2 GB to fetch, 4.2 GB of disk while it is converted." in said
    assert "agree to it with: python app.py models download janus-pro-1b --accept-licence" in said
    assert main(["models", "download", "nobody", *where]) == 1
    assert "expected one of dalle-mini" in capsys.readouterr().err
    assert main(["models", "download", NAME, "--discard", *where]) == 0


def test_the_command_asks_at_a_terminal(settings: Settings, capsys: pytest.CaptureFixture[str],
                                        monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    ran: list[str] = []

    def run(self: Downloads, name: str, accepted: str, told: object, stop: object) -> Path:
        ran.append(accepted)
        return Path("/m")

    monkeypatch.setattr(Downloads, "run", run)
    where = ["--data-dir", str(settings.data_dir), "--models-dir", str(settings.models_dir)]
    for typed, status in (("no\n", 2), ("yes\n", 0)):
        monkeypatch.setattr("sys.stdin", Terminal(typed))
        assert main(["models", "download", NAME, *where]) == status
    assert ran == [LICENCE]
    said = capsys.readouterr()
    assert said.out == "/m\n"
    assert "was not agreed to" in said.err


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 1, "error: The disk is full. Free some space and try again"),
        (KeyboardInterrupt(), 130, "What was fetched stays; the same command goes on from there.\nerror: stopped"),
    ],
)
def test_a_download_that_ends_early_says_what_next(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException,
    status: int, words: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(Downloads, "run", Mock(side_effect=error))
    where = ["--data-dir", str(settings.data_dir), "--models-dir", str(settings.models_dir)]
    assert main(["models", "download", NAME, "--accept-licence", *where]) == status
    assert words in capsys.readouterr().err


def test_of_a_model_that_is_here_it_is_said_how_to_use_it(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    put_model(settings.own_models, NAME)
    where = ["--data-dir", str(settings.data_dir), "--models-dir", str(settings.models_dir)]
    assert main(["models", "download", NAME, "--accept-licence", *where]) == 2
    assert capsys.readouterr().err.startswith(
        "error: DALL·E mini is here already. Paint with it: python app.py --model dalle-mini, or"
    )


def test_what_can_be_had_is_listed(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    settings.models_dir.mkdir()
    where = ["--data-dir", str(settings.data_dir), "--models-dir", str(settings.models_dir)]
    assert main(["models", "list", *where]) == 0
    said = capsys.readouterr()
    assert said.err == "To fetch one: python app.py models download NAME\n"
    lines = said.out.splitlines()
    assert lines[0] == "dalle-mini\tcan be downloaded\tDALL·E mini\tApache-2.0\t1.4 GB\t3.1 GB of memory"
    assert len(lines) == len(OFFERS)
    assert main(["models", "list", "--json", *where]) == 0
    values: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {value["name"]: value["here"] for value in values} == dict.fromkeys(OFFERS, False)
    assert values[0]["memory"] == {"cpu": 3_100_000_000, "sparing": 2_000_000_000, "cuda": 2_000_000_000}


@pytest.mark.parametrize(
    ("device", "free", "words", "heavy"),
    [
        ("cpu", None, "about 13 GB", False),
        ("cpu", 20, "about 13 GB, 20 GB free", False),
        ("cpu", 10, "about 13 GB, held sparingly 7.1 GB, 10 GB free", False),
        ("cpu", 4, "about 13 GB, held sparingly 7.1 GB, 4.0 GB free", True),
        ("cuda:0", 8, "about 7.1 GB, 8.0 GB free", False),
        ("cuda:0", 6, "about 7.1 GB, 6.0 GB free", True),
    ],
)
def test_the_page_tells_the_memory_before_anything_is_fetched(
    start_studio: StartStudio, monkeypatch: pytest.MonkeyPatch, device: str, free: int | None, words: str, heavy: bool
) -> None:
    studio = start_studio(FakeModel())
    monkeypatch.setattr("app.models.free_memory", lambda _: None if free is None else free * 10**9)
    wait_until(lambda: studio.model_status().state == "ready")  # or its loading would end later and tell the CPU
    studio.worker.loader.status = replace(studio.worker.loader.status, device=device)
    offer = next(each for each in offers_payload(studio)["offers"] if each["name"] == "rudalle-malevich")
    assert (dict(offer["facts"])["Memory"], offer["heavy"]) == (words, heavy)
