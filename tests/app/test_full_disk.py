"""A disk that is really full: a small one of its own, mounted for a child process where the system lets anybody."""

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

from app.settings import PROJECT_FOLDER

MOUNT = 'mount -t tmpfs -o size=8m tmpfs "$1" && exec "$2" -c "$3" "$1"'
UNSHARE = ("unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh")

CHILD = """
import json, pathlib, shutil, sys
from app import doctor
from app.errors import HistoryError
from app.history import History, marks, space
from app.settings import Settings
from tests.app.conftest import painted, quick_model, request, wait_until, watched
from tests.fakes import fake_studio

disk, told = pathlib.Path(sys.argv[1]), {}

def fill(spare):
    with (disk / "ballast").open("ab", buffering=0) as ballast:
        while (free := shutil.disk_usage(disk).free) > spare:
            ballast.write(bytes(min(4096, free - spare)))

def words_of(action):
    try:
        action()
    except HistoryError as error:
        return str(error)

studio = fake_studio(disk, quick_model())
settings = studio.settings
painted(studio, count=32, keep=1, batch_width=16)
pear = studio.submit(request("pear", count=64, keep=1, batch_width=16))
fill(100_000)
wait_until(lambda: studio.job(pear).final)
told["while full"] = studio.job(pear).error
told["finished"] = studio.job(pear).finished
told["readable"] = len(studio.images(kept_only=False))
(disk / "ballast").unlink()
told["next"] = watched(studio, studio.submit(request("plum")))[-1].status
told["failed"] = studio.job(pear).status
told["again"] = studio.requeue(pear) == pear and watched(studio, pear)[-1].status
studio.close()
told["sound"] = doctor.examine(settings).is_sound
told["files"] = [path.name for path in disk.rglob(".*")]

history = History(settings, owner=True)
fill(0)
told["unkept"] = space.unkept(history).count
told["cleared"] = space.purge(history, space.NEWEST).count
(disk / "ballast").unlink()
history.close()

before = {settings.marks: settings.marks.read_bytes(), marks.previous(settings.marks): b"{}"}
marks.previous(settings.marks).write_bytes(b"{}")
fill(0)
told["start"] = words_of(lambda: History(settings, owner=True))
told["doctor"] = words_of(lambda: doctor.mend(settings))
sidecar = marks.Sidecar(None, settings.marks)
sidecar.start()
sidecar.close()
told["marks"] = [path.read_bytes() == data for path, data in before.items()]
(disk / "ballast").unlink()
told["later"] = doctor.examine(settings).is_sound
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a studio on a full disk did, as it tells it itself."""
    disk = tmp_path_factory.mktemp("disk")
    if shutil.which("unshare") is None or subprocess.run([*UNSHARE, str(disk), "true", ""], check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    command = [*UNSHARE, str(disk), sys.executable, CHILD]
    child = subprocess.run(command, cwd=PROJECT_FOLDER, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


def test_a_job_on_a_full_disk_fails_in_words_and_keeps_what_was_finished(told: Any) -> None:
    assert "is full. Free some space" in told["while full"]
    assert 0 < told["finished"] < 64
    assert told["readable"] == told["finished"] + 32


def test_what_nobody_kept_can_be_cleared_away_to_make_room(told: Any) -> None:
    assert told["cleared"] == told["unkept"] >= 31


def test_once_there_is_room_the_next_one_runs_and_the_first_goes_on(told: Any) -> None:
    assert (told["next"], told["failed"], told["again"]) == ("done", "failed", "done")


def test_nothing_is_half_written(told: Any) -> None:
    assert told["sound"]
    assert told["files"] == []
    assert told["marks"] == [True, True]


def test_without_any_room_neither_a_start_nor_a_repair_takes_the_database_for_damaged(told: Any) -> None:
    assert "is full. Free some space" in told["start"]
    assert "is full. Free some space" in told["doctor"]
    assert told["later"]
