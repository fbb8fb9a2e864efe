"""Copies that leave the data folder and come back, hostile ones that may not, and what a purge may take."""

import os
import shutil
import sqlite3
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app import doctor
from app.cli import main
from app.errors import DataFolderBusy, HistoryError, OutputError
from app.history import History, space
from app.history.copies import MANIFEST, back_up, export
from app.history.ownership import owning
from app.history.restore import restore
from app.recipes import MAX_FILE_BYTES, read_recipe
from app.settings import Settings
from app.studio import Studio
from app.views import readable_size
from dalle_core.errors import DalleError
from dalle_core.request import GenerationRequest
from tests.app.conftest import painted, quick_model, wait_until, watched
from tests.app.histories import dump, paint
from tests.fakes import fake_studio

IMAGE = "01" + "A" * 24


def take_in(settings: Settings, source: Path, *, merge: bool = False) -> None:
    with owning(settings):
        restore(settings, source, lambda recipe: "", merge=merge)


def copied(settings: Settings, target: Path) -> Path:
    history = History(settings, owner=False)
    back_up(history, target)
    history.close()
    return target


def elsewhere(settings: Settings) -> Settings:
    return Settings(data_dir=settings.data_dir.with_name("elsewhere"), models_dir=settings.models_dir)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["backup.zip", "backup"])
def test_a_backup_restores_everything(settings: Settings, ids: list[str], tmp_path: Path, name: str) -> None:
    backup, other = copied(settings, tmp_path / "to" / name), elsewhere(settings)
    take_in(other, backup)
    assert dump(other) == dump(settings)
    assert files(other.images) == files(settings.images)
    doctor.mend(other)  # thumbnails
    assert doctor.examine(other).problems == ()
    assert files(tmp_path / "to")[0].startswith(name), "nothing half-written is left"
    with pytest.raises(OutputError, match="already"):
        copied(settings, backup)


def test_a_backup_is_made_while_a_studio_paints(tmp_path: Path) -> None:
    studio = fake_studio(tmp_path, quick_model(step_seconds=0.002))
    try:
        painted(studio)
        job = studio.submit(GenerationRequest("fox", count=16, batch_width=2))
        wait_until(lambda: studio.job(job).finished > 2)
        backup = copied(studio.settings, tmp_path / "backup.zip")
        assert studio.running_job() == job
    finally:
        studio.close()
    other = elsewhere(studio.settings)
    take_in(other, backup)
    assert doctor.mend(other).is_sound
    history = History(other, owner=True)
    assert history.job(job).status == "interrupted"
    assert len(history.job_images(job)) > 2
    history.close()


def test_a_restore_needs_an_empty_folder_or_merges(settings: Settings, ids: list[str], tmp_path: Path) -> None:
    backup, other = copied(settings, tmp_path / "backup.zip"), elsewhere(settings)
    history = History(other, owner=True)
    (own,) = paint(history, "my own")
    history.close()
    with pytest.raises(HistoryError, match="--merge"):
        take_in(other, backup)
    for _ in range(2):
        take_in(other, backup, merge=True)
        history = History(other, owner=True)
        assert sorted(row.id for row in history.images("", 10, None, kept_only=False)) == sorted([*ids, own])
        assert history.image(ids[1]).starred
        history.close()
    assert doctor.mend(other).is_sound


def test_a_restore_waits_for_a_studio_to_close(studio: Studio, tmp_path: Path) -> None:
    painted(studio)
    with pytest.raises(DataFolderBusy):
        take_in(studio.settings, copied(studio.settings, tmp_path / "backup.zip"), merge=True)


def test_no_database_of_a_backup_is_opened(settings: Settings, ids: list[str], tmp_path: Path) -> None:
    backup, other = copied(settings, tmp_path / "backup"), elsewhere(settings)
    (backup / "db" / "history.sqlite3").write_bytes(b"hostile")
    take_in(other, backup)
    assert dump(other) == dump(settings)


def test_without_marks_the_pictures_still_come(settings: Settings, ids: list[str], tmp_path: Path) -> None:
    backup, other = copied(settings, tmp_path / "backup"), elsewhere(settings)
    (backup / "db" / "marks.json").write_text("{")
    picture = next((backup / "images").rglob("*.png"))
    picture.write_bytes(b"no picture")
    with owning(other):
        restored = restore(other, backup, lambda recipe: "", merge=False)
    assert (restored.pictures, restored.refused, restored.marked) == (2, 1, False)


def linked(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo(f"images/2026/01/{IMAGE}.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


def huge(archive: zipfile.ZipFile) -> None:
    with archive.open(zipfile.ZipInfo(f"images/2026/01/{IMAGE}.png"), "w", force_zip64=True) as file:
        for _ in range(MAX_FILE_BYTES // 2**20 + 1):
            file.write(bytes(2**20))


def entry(name: str) -> Callable[[zipfile.ZipFile], None]:
    return lambda archive: archive.writestr(name, "x")


def twice(archive: zipfile.ZipFile) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(MANIFEST, "x")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        *[
            (entry(name), "no backup of ours")
            for name in (
                "/etc/cron.d/evil",
                "../outside.png",
                "images/../../outside.png",
                f"images/2026/01/../{IMAGE}.png",
                f"images\\2026\\01\\{IMAGE}.png",
                f"images/2026/13/{IMAGE}.png",
                f"images/٢٠٢٦/01/{IMAGE}.png",
                "images/2026/01/short.png",
                "C:/evil.png",
                "owner.lock",
                "db/history.sqlite3-wal",
                "thumbnails/x.webp",
            )
        ],
        (linked, "a link"),
        (huge, "at most"),
        (twice, "twice"),
    ],
)
def test_a_hostile_backup_is_refused_before_anything_is_written(
    settings: Settings,
    ids: list[str],
    tmp_path: Path,
    harm: Callable[[zipfile.ZipFile], None],
    words: str,
) -> None:
    backup, other = copied(settings, tmp_path / "backup.zip"), elsewhere(settings)
    with zipfile.ZipFile(backup, "a", zipfile.ZIP_DEFLATED) as archive:
        harm(archive)
    before = files(tmp_path)
    with pytest.raises(HistoryError, match=words):
        take_in(other, backup)
    assert [name for name in files(tmp_path) if name not in before] == ["elsewhere/owner.lock"]


def test_a_folder_with_links_is_refused(settings: Settings, ids: list[str], tmp_path: Path) -> None:
    backup = copied(settings, tmp_path / "backup")
    picture = next((backup / "images").rglob("*.png"))
    picture.unlink()
    os.symlink("/etc/passwd", picture)
    with pytest.raises(HistoryError, match="a link"):
        take_in(elsewhere(settings), backup)


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\5\6" + bytes(18), b"PK\3\4" * 100])
def test_what_is_no_backup_is_refused_in_words(settings: Settings, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "backup.zip").write_bytes(data)
    with pytest.raises(HistoryError, match=r"ZIP|no backup"):
        take_in(settings, tmp_path / "backup.zip")


@pytest.mark.parametrize(("place", "value", "words"), [(6, 99, "version"), (8, 0x20, "patched"), (10, 99, "packed")])
def test_a_backup_of_another_kind_of_zip_is_refused_in_words(
    settings: Settings, ids: list[str], tmp_path: Path, place: int, value: int, words: str
) -> None:
    backup, other = copied(settings, tmp_path / "backup.zip"), elsewhere(settings)
    data = bytearray(backup.read_bytes())
    data[data.rindex(b"PK\x01\x02") + place] = value
    backup.write_bytes(data)
    with pytest.raises(HistoryError, match=words):
        take_in(other, backup)
    assert files(other.images) == []


def test_every_flipped_byte_of_a_backup_is_read_or_refused(settings: Settings, tmp_path: Path) -> None:
    history = History(settings, owner=True)
    paint(history, "fox")
    history.close()
    folder = copied(settings, tmp_path / "folder")
    (folder / "db" / "history.sqlite3").unlink()
    small = tmp_path / "small.zip"
    with zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in files(folder):
            archive.write(folder / name, name)
    data = small.read_bytes()
    for position in range(0, len(data), 97):
        other = Settings(data_dir=tmp_path / f"data{position}")
        small.write_bytes(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        try:
            take_in(other, small)
        except DalleError:
            assert files(other.images) == []
        else:
            assert len(dump(other)["images"]) == len(files(other.images))


def test_export_copies_what_is_found_under_readable_names(
    settings: Settings, ids: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--data-dir", str(settings.data_dir)]
    assert main(["history", "export", "--out", str(tmp_path / "out"), *where]) == 0
    assert files(tmp_path / "out") == ["red-apple-0.png", "red-apple-1.png", "红苹果-0.png"]
    assert read_recipe(tmp_path / "out" / "红苹果-0.png").request.prompt == "红苹果"
    assert main(["history", "export", "苹果", "--out", str(tmp_path / "out.zip"), *where]) == 0
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.namelist() == ["红苹果-0.png"]
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path / 'out'}\t3 pictures",
        f"{tmp_path / 'out.zip'}\t1 picture",
    ]
    history = History(settings, owner=True)
    paint(history, "红苹果")
    assert export(history, "苹果", tmp_path / "two.zip", kept_only=True).pictures == 2
    history.close()
    with zipfile.ZipFile(tmp_path / "two.zip") as archive:
        assert sorted(archive.namelist()) == ["红苹果-0-2.png", "红苹果-0.png"]


class TestPurge:
    def test_only_unkept_candidates_that_nothing_needs_go(self, settings: Settings) -> None:
        history = History(settings, owner=True)
        kept, starred, tagged, collected, parent, waiting, free, other = paint(history, "apple", 8)
        child, unkept_child = paint(history, "pear", 2, parents=(parent,))
        history.mark_image(starred, starred=True)
        with history.writing() as writer:
            writer.execute("INSERT INTO tags VALUES (?, 'fruit')", (tagged,))
            writer.execute("UPDATE search SET tags = 'fruit' WHERE image_id = ?", (tagged,))
            writer.execute("INSERT INTO collections VALUES ('c', 'Best', '2026-01-01')")
            writer.execute("INSERT INTO collection_images VALUES ('c', ?, 0)", (collected,))
        history.add_job(GenerationRequest("fig"), "fake", "complete", waiting)
        found = space.unkept(history)
        assert found.count == 3
        later = paint(history, "plum", 2)
        sizes = sum(file.stat().st_size for id in (free, other, unkept_child) for file in self.files(settings, id))
        assert found.bytes == sizes
        assert space.purge(history, found.up_to) == space.Unkept(3, sizes, found.up_to)
        left = [row.id for row in history.images("", 20, None, kept_only=False)]
        assert left == sorted([kept, starred, tagged, collected, parent, waiting, child, *later], reverse=True)
        assert [self.files(settings, id) for id in (free, other, unkept_child)] == [[], [], []]
        assert all(len(self.files(settings, id)) == 2 for id in left)
        history.finish_job(history.queued_jobs()[0].id, "cancelled")
        assert space.unkept(history).count == 2
        history.close()
        assert doctor.examine(settings).problems == ()

    def test_a_job_that_paints_loses_nothing(self, settings: Settings) -> None:
        history = History(settings, owner=True)
        paint(history, "apple")
        with history.writing() as writer:
            writer.execute("UPDATE images SET kept = 0")
            writer.execute("UPDATE jobs SET status = 'running'")
        assert space.unkept(history) == space.Unkept(0, 0, "")
        history.close()

    def test_no_file_outside_the_pictures_folder_goes(self, settings: Settings, tmp_path: Path) -> None:
        history = History(settings, owner=True)
        paint(history, "apple", 2)
        (tmp_path / "mine.png").write_bytes(b"mine")
        connection = sqlite3.connect(settings.database)
        with connection:
            connection.execute("UPDATE images SET path = '../../mine.png' WHERE NOT kept")
        connection.close()
        assert space.purge(history, space.NEWEST).count == 1
        history.close()
        assert (tmp_path / "mine.png").read_bytes() == b"mine"

    def test_the_studio_counts_first(self, studio: Studio) -> None:
        painted(studio, count=4, keep=1)
        before = studio.space()
        assert (before.pictures, before.unkept) == (4, 3)
        assert before.total_bytes > before.picture_bytes > before.unkept_bytes > 0
        after = studio.purge_unkept(before.up_to)
        assert (after.pictures, after.unkept, after.unkept_bytes) == (1, 0, 0)
        assert studio.images_count(kept_only=False) == 1

    def test_a_picture_painted_again_only_to_compare_may_go(self, studio: Studio) -> None:
        (best, *_) = (tile.image_id for tile in painted(studio, count=2, keep=2).tiles)
        assert best is not None
        assert watched(studio, studio.reproduce(best))[-1].status == "done"
        assert studio.reproduction(best) is not None
        assert studio.purge_unkept(studio.space().up_to).pictures == 2
        assert studio.reproduction(best) is None

    def test_the_command_asks_for_a_yes(
        self, settings: Settings, ids: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        history = History(settings, owner=True)
        paint(history, "plum", 3)
        history.close()
        where = ["--data-dir", str(settings.data_dir)]
        assert main(["history", "purge", *where]) == 0
        assert capsys.readouterr().out.startswith("2 unkept candidates, ")
        assert len(files(settings.images)) == 6
        assert main(["history", "purge", "--yes", *where]) == 0
        assert capsys.readouterr().out.startswith("deleted 2 candidates, ")
        assert len(files(settings.images)) == 4
        assert main(["history", "purge", "--yes", *where]) == 0
        assert capsys.readouterr().out == "0 unkept candidates, 0 bytes\n"

    def files(self, settings: Settings, image_id: str) -> list[Path]:
        return [file for folder in (settings.images, settings.thumbnails) for file in folder.rglob(f"{image_id}.*")]


def test_the_command_backs_up_and_restores(
    settings: Settings,
    ids: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["history", "backup", "--data-dir", str(settings.data_dir)]) == 0
    (backup,) = tmp_path.glob("dalle-studio-backup-*.zip")
    other = ["--data-dir", str(tmp_path / "other")]
    assert main(["history", "restore", str(backup), *other]) == 0
    assert "3 pictures restored" in capsys.readouterr().out
    assert main(["history", "restore", str(backup), *other]) == 1
    assert "--merge" in capsys.readouterr().err
    assert main(["history", "restore", "nothing.zip", *other]) == 1
    assert "no backup at nothing.zip" in capsys.readouterr().err
    assert main(["history", "path", *other]) == 0
    assert capsys.readouterr().err.startswith("3 pictures, ")
    shutil.rmtree(tmp_path / "other")
    assert main(["history", "backup", *other]) == 1


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (14_499, "14 kB"), (999_600, "1.0 MB"),
     (1_400_000, "1.4 MB"), (15 * 10**9, "15 GB"), (2 * 10**12, "2000 GB")],
)  # fmt: skip
def test_sizes_are_readable(size: int, words: str) -> None:
    assert readable_size(size) == words
