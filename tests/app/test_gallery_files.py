"""Pictures that leave the gallery as a ZIP file, and pictures that come in from folders and ZIP files."""

import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app import doctor
from app.cli import main
from app.errors import HistoryError, NotFound
from app.gallery import Gallery
from app.gallery_views import Filters
from app.history import History, intake, marks, offers
from app.history.checkup import check_history
from app.history.copies import back_up
from app.history.restore import restore
from app.settings import Settings
from app.worker import Bell
from dalle_core.errors import RequestError
from tests.app.histories import dump, paint

HOSTILE = ("../../evil.png", "/etc/evil.png", "C:\\evil.png", "a/../../evil.png", "..\\evil.png")


@pytest.fixture
def gallery(settings: Settings) -> Iterator[Gallery]:
    history = History(settings, owner=True)
    yield Gallery(history, settings, Bell())
    history.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Gallery]:
    """Another data folder's."""
    settings = Settings(data_dir=tmp_path / "other", models_dir=tmp_path / "models")
    history = History(settings, owner=True)
    yield Gallery(history, settings, Bell())
    history.close()


def plain_png(colour: str = "red", size: tuple[int, int] = (30, 20), **texts: str) -> bytes:
    chunks, buffer = PngInfo(), io.BytesIO()
    for name, text in texts.items():
        chunks.add_text(name, text)
    Image.new("RGB", size, colour).save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()


def zipped(target: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target


def download(gallery: Gallery, ids: list[str], target: Path) -> Path:
    target.write_bytes(b"".join(gallery.download(ids)))
    return target


# Out


def test_a_download_holds_pictures_recipes_and_a_contact_sheet(gallery: Gallery, tmp_path: Path) -> None:
    apples = paint(gallery.history, "red <b>apple</b> & 红苹果/..", 2)
    pears = paint(gallery.history, "RED B APPLE B 红苹果", 1)
    with zipfile.ZipFile(download(gallery, [*apples, *pears], tmp_path / "pictures.zip")) as archive:
        names = archive.namelist()
        assert names == [
            "red-b-apple-b-红苹果-0.png",
            "red-b-apple-b-红苹果-1.png",
            "RED-B-APPLE-B-红苹果-0-2.png",
            "recipes.json",
            "contact-sheet.html",
        ]
        assert archive.testzip() is None
        assert archive.read(names[0]) == gallery.history.image_path(apples[0]).read_bytes()
        pictures = json.loads(archive.read("recipes.json"))["pictures"]
        sheet = archive.read("contact-sheet.html").decode()
    assert [(picture["file"], picture["id"]) for picture in pictures] == list(
        zip(names, [*apples, *pears], strict=False)
    )
    assert pictures[0]["recipe"]["request"]["prompt"] == "red <b>apple</b> & 红苹果/.."
    assert sheet.count("<figure>") == sheet.count("data:image/webp;base64,") == 3
    assert "red &lt;b&gt;apple&lt;/b&gt; &amp; 红苹果/.." in sheet
    assert "<b>" not in sheet
    assert "http" not in sheet.replace("http-equiv", "")


def test_a_download_leaves_out_what_is_gone_and_is_never_empty(gallery: Gallery, tmp_path: Path) -> None:
    first, second, third = paint(gallery.history, "apple", 3)
    gallery.history.image_path(second).unlink()
    gallery.trash([third])
    with zipfile.ZipFile(download(gallery, [first, second, third, "nothing"], tmp_path / "a.zip")) as archive:
        assert archive.namelist() == ["apple-0.png", "recipes.json", "contact-sheet.html"]
    for ids, error in (([], RequestError), ([third], NotFound), (["nothing"], NotFound)):
        with pytest.raises(error):
            gallery.download(ids)


# In


def test_what_was_downloaded_comes_in_as_it_was_and_never_twice(
    gallery: Gallery, other: Gallery, tmp_path: Path
) -> None:
    (root,) = paint(gallery.history, "red apple", 1)
    (child,) = paint(gallery.history, "红苹果", 1, parents=(root,))
    archive = download(gallery, [root, child], tmp_path / "pictures.zip")
    imported = other.import_path(archive)
    assert (set(imported.ids), imported.with_recipe, imported.known) == ({root, child}, 2, 0)
    for image_id in (root, child):
        ours, theirs = gallery.history.image(image_id), other.history.image(image_id)
        assert (theirs.request, theirs.tokens, theirs.seed, theirs.sha256) == (
            ours.request,
            ours.tokens,
            ours.seed,
            ours.sha256,
        )
        assert theirs.created == ours.created.replace(microsecond=theirs.created.microsecond)
    assert [link.parent_id for link in other.family(child).links] == [root]
    assert [image.id for image in other.page(Filters(query="苹果")).images] == [child]
    again = other.import_path(archive)
    assert (again.ids, again.known) == ((), 2)
    assert other.import_path(gallery.settings.images).known == 2
    assert check_history(other.settings) == []


def test_a_folder_of_foreign_pictures_comes_in_as_plain_ones(gallery: Gallery, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "deep" / "deeper").mkdir(parents=True)
    (folder / "Sommer Urlaub.PNG").write_bytes(plain_png("red"))
    (folder / "deep" / "deeper" / "假期.png").write_bytes(
        plain_png("blue", parameters="a blue lake\nSteps: 20, Seed: 5")
    )
    (folder / "notes.txt").write_text("hello")
    (folder / "._Sommer.png").write_bytes(b"what macOS leaves beside files")
    (folder / "cut.png").write_bytes(plain_png()[:-30])
    (folder / "text.png").write_text("no picture")
    (folder / "link.png").symlink_to(folder / "cut.png")
    imported = gallery.import_path(folder)
    assert (len(imported.ids), imported.with_recipe, imported.known, imported.ignored) == (2, 0, 0, 2)
    refused = dict(imported.refused)
    assert refused.keys() == {"cut.png", "text.png", "link.png"}
    assert "cut short" in refused["cut.png"]
    assert "not a PNG" in refused["text.png"]
    assert "link" in refused["link.png"]
    page = gallery.page(Filters(kinds=("import",)))
    assert {image.prompt for image in page.images} == {"Sommer Urlaub", "a blue lake"}
    image = next(image for image in page.images if image.prompt == "Sommer Urlaub")
    assert (image.imported, image.model, image.kept, image.width, image.height) == (True, "", True, 30, 20)
    assert gallery.history.image_path(image.id).read_bytes() == plain_png("red")
    assert gallery.history.thumbnail_path(image.id).is_file()
    assert [found.id for found in gallery.page(Filters(query="urlaub")).images] == [image.id]
    assert gallery.page(stacked=True).stacks == {}
    assert gallery.import_path(folder).known == 2
    assert check_history(gallery.settings) == []


def test_hostile_names_in_an_archive_are_refused_each_with_its_reason(gallery: Gallery, tmp_path: Path) -> None:
    files = {name: plain_png(size=(10 + number, 10)) for number, name in enumerate(HOSTILE)}
    archive = zipped(
        tmp_path / "hostile.zip", {**files, "<b>\x07.png": plain_png("blue"), "ok.png": plain_png("white")}
    )
    before = set(tmp_path.rglob("*"))
    imported = gallery.import_path(archive)
    assert {name for name, _ in imported.refused} == set(HOSTILE)
    assert {why for _, why in imported.refused} == {"Its name leads out of the archive."}
    assert {image.prompt for image in gallery.page().images} == {"<b>", "ok"}
    new = set(tmp_path.rglob("*")) - before
    assert all(path.is_relative_to(gallery.settings.data_dir) for path in new)
    assert not any("evil" in path.name for path in new)


def test_links_encrypted_entries_and_bombs_in_an_archive_are_refused(gallery: Gallery, tmp_path: Path) -> None:
    archive = tmp_path / "odd.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        writer.writestr(link, "/etc/passwd")
        with writer.open("bomb.png", "w", force_zip64=True) as file:
            for _ in range(65):
                file.write(bytes(2**20))
        writer.writestr("packed.png", plain_png(), zipfile.ZIP_BZIP2)
        writer.writestr("locked.png", plain_png())
    data = bytearray(archive.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 8] |= 1  # the central directory's word that it is encrypted
    archive.write_bytes(data)
    imported = gallery.import_path(archive)
    reasons = dict(imported.refused)
    assert reasons.keys() == {"link.png", "bomb.png", "packed.png", "locked.png"}
    assert ("link" in reasons["link.png"], "bytes" in reasons["bomb.png"]) == (True, True)
    assert ("packed" in reasons["packed.png"], "encrypted" in reasons["locked.png"]) == (True, True)
    assert gallery.page().total == 0


def test_what_the_library_does_not_read_of_an_archive_is_refused_in_words(gallery: Gallery, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "odd.zip", {"a.png": plain_png(), "b.png": plain_png("blue")})
    data = bytearray(archive.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 8] |= 0x20  # "compressed patched data"
    archive.write_bytes(data)
    imported = gallery.import_path(archive)
    ((name, why),) = imported.refused
    assert (name, "cannot be read" in why, "patched" in why) == ("b.png", True, True)
    assert gallery.page().total == 1
    data[entry + 6] = 99  # the version of ZIP that is needed
    archive.write_bytes(data)
    with pytest.raises(HistoryError, match=r"odd\.zip is not a ZIP file that can be read: zip file version 9\.9"):
        gallery.import_path(archive)
    assert gallery.page().total == 1


def test_a_picture_too_large_to_open_is_refused(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MAX_PIXELS", 100)
    (tmp_path / "large.png").write_bytes(plain_png())
    ((name, why),) = gallery.import_path(tmp_path / "large.png").refused
    assert (name, "30 × 20" in why) == ("large.png", True)


def test_nothing_to_import_says_so(gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    for path in (tmp_path / "empty", zipped(tmp_path / "empty.zip", {}), tmp_path / "notes.txt"):
        with pytest.raises(RequestError, match="nothing to import"):
            gallery.import_path(path)
    with pytest.raises(HistoryError, match="nothing to import at"):
        gallery.import_path(tmp_path / "not there")
    broken = zipped(tmp_path / "broken.zip", {"a.png": plain_png()})
    broken.write_bytes(broken.read_bytes()[:40] + b"x" * 40 + broken.read_bytes()[80:])
    assert gallery.import_path(broken).refused_count == 1
    monkeypatch.setattr(offers, "MAX_FILES", 3)
    many = zipped(tmp_path / "many.zip", {f"{number}.png": plain_png() for number in range(4)})
    for path in (many, tmp_path):
        with pytest.raises(HistoryError, match="more than 3"):
            gallery.import_path(path)
    assert gallery.page().total == 0


def test_a_picture_with_an_archive_behind_it_is_a_picture(gallery: Gallery, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"inner.png": plain_png("blue")})
    (tmp_path / "outer.png").write_bytes(plain_png("red") + archive.read_bytes())
    gallery.import_path(tmp_path / "outer.png")
    assert [image.prompt for image in gallery.page().images] == ["outer"]


def test_an_id_from_elsewhere_is_only_taken_where_it_is_free_and_has_been(
    gallery: Gallery, other: Gallery, tmp_path: Path
) -> None:
    ids = paint(other.history, "apple", 3)
    files = [other.history.image_path(image_id).read_bytes() for image_id in ids]
    folder = tmp_path / "folder"
    folder.mkdir()
    (mine,) = paint(gallery.history, "pear")
    for name, data in zip((mine, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "01" + "A" * 24), files, strict=True):
        (folder / f"{name}.png").write_bytes(data)
    imported = gallery.import_path(folder)
    assert len(imported.ids) == 3
    assert not {mine, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"} & set(imported.ids)
    assert gallery.image(mine).prompt == "pear"


def test_what_is_in_the_trash_or_lost_its_file_is_in_sight_again(gallery: Gallery, tmp_path: Path) -> None:
    apple, pear = (paint(gallery.history, prompt)[0] for prompt in ("apple", "pear"))
    archive = download(gallery, [apple, pear], tmp_path / "pictures.zip")
    gallery.trash([apple])
    gallery.history.image_path(pear).unlink()
    with gallery.history.writing() as writer:
        writer.execute("UPDATE images SET trashed_at = '2026-01-01T00:00:00+00:00' WHERE id = ?", (pear,))
    assert gallery.page().total == 0
    assert gallery.import_path(archive).known == 2
    assert {image.id for image in gallery.page().images} == {apple, pear}
    assert check_history(gallery.settings) == []


def test_an_import_that_cannot_be_written_leaves_no_files(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*values: object, **others: object) -> None:
        raise HistoryError("The disk is full.")

    (tmp_path / "a.png").write_bytes(plain_png())
    monkeypatch.setattr(intake, "recover", fail)
    with pytest.raises(HistoryError, match="full"):
        gallery.import_path(tmp_path / "a.png")
    assert [path for path in gallery.settings.data_dir.rglob("*.*g*") if path.suffix in {".png", ".webp"}] == []


# Care


def test_imports_and_the_trash_survive_the_loss_of_the_database(settings: Settings, tmp_path: Path) -> None:
    history = History(settings, owner=True)
    gallery = Gallery(history, settings, Bell())
    (tmp_path / "holiday.png").write_bytes(plain_png())
    (imported,) = gallery.import_path(tmp_path / "holiday.png").ids
    apple, pear = paint(history, "apple")[0], paint(history, "pear")[0]
    gallery.tag([imported], "lake")
    gallery.star([imported])
    gallery.trash([pear])
    expected = {apple: False, pear: True, imported: False}
    marks.write(history, settings.marks)
    history.close()
    before = dump(settings)
    for suffix in ("", "-wal", "-shm"):
        settings.database.with_name(settings.database.name + suffix).unlink(missing_ok=True)
    assert doctor.mend(settings).is_sound
    history = History(settings, owner=True)
    gallery = Gallery(history, settings, Bell())
    assert {image_id: gallery.image(image_id).trashed for image_id in expected} == expected
    view = gallery.image(imported)
    assert (view.imported, view.prompt, view.starred, gallery.labels(imported).tags) == (
        True,
        "holiday",
        True,
        ("lake",),
    )
    history.close()
    assert [row[1:] for row in dump(settings)["search"]] == [row[1:] for row in before["search"]]


def test_imports_and_the_trash_are_part_of_a_backup(gallery: Gallery, tmp_path: Path) -> None:
    (tmp_path / "holiday.png").write_bytes(plain_png())
    (imported,) = gallery.import_path(tmp_path / "holiday.png").ids
    (pear,) = paint(gallery.history, "pear")
    gallery.trash([pear])
    assert back_up(gallery.history, tmp_path / "backup.zip").pictures == 2
    settings = Settings(data_dir=tmp_path / "restored", models_dir=tmp_path / "models")
    settings.data_dir.mkdir()
    assert restore(settings, tmp_path / "backup.zip", lambda recipe: "", merge=False).pictures == 2
    history = History(settings, owner=True)
    restored = Gallery(history, settings, Bell())
    assert [image.id for image in restored.page().images] == [imported]
    assert [image.id for image in restored.page(Filters(trashed=True)).images] == [pear]
    assert restored.image(imported).kind == "import"
    history.close()


def test_the_command_line_empties_the_trash(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    history = History(settings, owner=True)
    apple, pear = paint(history, "apple")[0], paint(history, "pear")[0]
    Gallery(history, settings, Bell()).trash([pear])
    files = {image_id: history.image_path(image_id, in_trash=True) for image_id in (apple, pear)}
    history.close()
    purge = ["history", "purge", "--trash", "--data-dir", str(settings.data_dir)]
    assert main(purge) == 0
    assert "1 picture in the trash" in (printed := capsys.readouterr().out)
    assert "nothing was deleted" in printed
    assert files[pear].exists()
    assert main([*purge, "--yes"]) == 0
    assert capsys.readouterr().out.startswith("deleted 1 picture in the trash")
    assert [file.exists() for file in files.values()] == [True, False]


def test_the_command_line_imports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.png").write_bytes(plain_png())
    (tmp_path / "b.png").write_text("none")
    os.mkdir(tmp_path / "data")
    folder = ["--data-dir", str(tmp_path / "data")]
    assert main(["history", "import", str(tmp_path), *folder]) == 0
    printed = capsys.readouterr().out
    assert "1 picture imported, 0 of them with a recipe" in printed
    assert "refused: b.png: It is not a PNG picture." in printed
    assert main(["history", "import", str(tmp_path / "data" / "owner.lock"), *folder]) != 0
    assert "nothing to import" in capsys.readouterr().err
