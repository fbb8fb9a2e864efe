"""The art: licences and hashes are checked, names joined, splits fixed, one's own pictures read with care."""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dalle_core.errors import TrainingError
from dalle_core.training import art
from dalle_core.training.art import (
    HELDOUT_SHARE,
    ArtSet,
    Picture,
    Source,
    build_open_art,
    build_own_art,
    check_licence,
    fetch,
    icon_rows,
    load_art,
    load_names,
    with_splits,
    write_art,
)
from dalle_core.training.palette import BACKGROUNDS, dominant_hue, hue_name, nearest_background

RED, BLUE, CLEAR = (222, 40, 40, 255), (40, 90, 222, 255), (0, 0, 0, 0)
SHORTCODES = ("cldr", "emojibase", "github", "iamcal", "joypixels")


def tarball(path: Path, members: dict[str, Any]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, value in members.items():
            data = json.dumps(value).encode()
            header = tarfile.TarInfo(f"package/{name}")
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return path


def source_of(path: Path, style: str = "noto", licence: str = "MIT") -> Source:
    """A source whose tarball is `path`, moved to where its name says."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    source = Source(f"@iconify-json/{path.stem}", "1.0.0", digest, style, licence)
    path.rename(path.with_name(source.filename))
    return source


def own_folder(tmp_path: Path, text: str, names: tuple[str, ...] = ("red.png", "blue.png")) -> tuple[Path, Path]:
    """A folder of pictures, red or blue by their name, and its CSV of captions."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in names:
        Image.new("RGBA", (40, 40), RED if "red" in name else BLUE).save(pictures / name)
    captions = tmp_path / "captions.csv"
    captions.write_text(text, encoding="utf-8")
    return pictures, captions


# --- one's own pictures ---


class TestOwnArt:
    def build(self, tmp_path: Path, text: str, size: int = 32) -> list[Picture]:
        return build_own_art(tmp_path / "art", size, *own_folder(tmp_path, text))

    def test_is_tabled_and_read_back(self, tmp_path: Path):
        text = "file,caption,caption_zh,style\nred.png, a red square ,红色方块,flat\nblue.png,a blue square,,\n"
        rows = self.build(tmp_path, text)
        loaded = load_art(tmp_path / "art")
        assert list(loaded.rows) == rows
        assert loaded.images.shape == (2, 32, 32, 4)
        first, second = loaded.rows
        assert (first.en, first.zh, first.style, first.flip) == (("a red square",), ("红色方块",), "flat", False)
        assert (second.en, second.zh, second.style) == (("a blue square",), (), "")
        assert tuple(loaded.images[0, 16, 16]) == RED

    def test_holds_out_at_least_one(self, tmp_path: Path):
        rows = self.build(tmp_path, "file,caption\nred.png,red\nblue.png,blue\n")
        assert sorted(row.split for row in rows) == ["heldout", "train"]

    def test_accepts_a_byte_order_mark_and_other_columns(self, tmp_path: Path):
        text = "\ufefffile,notes,caption\nred.png,x,red\nblue.png,y,blue\n"
        assert [row.concept for row in self.build(tmp_path, text)] == ["red", "blue"]

    def test_a_tall_picture_is_centred_on_nothing(self, tmp_path: Path):
        pictures, captions = own_folder(tmp_path, "file,caption\nred.png,red\ntall.png,tall\n")
        Image.new("RGB", (10, 40), RED[:3]).save(pictures / "tall.png")
        build_own_art(tmp_path / "art", 32, pictures, captions)
        alpha = load_art(tmp_path / "art").images[1, :, :, 3]
        assert alpha[:, 12:20].min() == 255
        assert alpha[:, :10].max() == alpha[:, 22:].max() == 0

    def test_a_photograph_is_turned_upright(self, tmp_path: Path):
        pictures, captions = own_folder(tmp_path, "file,caption\nred.png,red\nphoto.jpg,photo\n")
        photo = Image.new("RGB", (40, 40), RED[:3])
        photo.paste(BLUE[:3], (0, 0, 40, 20))
        exif = Image.Exif()
        exif[0x0112] = 3  # upside down
        photo.save(pictures / "photo.jpg", exif=exif)
        build_own_art(tmp_path / "art", 32, pictures, captions)
        red, _, blue, _ = load_art(tmp_path / "art").images[1, 4, 16]
        assert red > blue

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("file,caption\nred.png,ok\n../secret.png,x\n", r"picture 2: \.\./secret\.png lies outside"),
            ("file,caption\n/etc/hostname,x\n", "/etc/hostname lies outside"),
            ("file,caption\nred.png,ok\ngone.png,x\n", "picture 2: no such picture: 'gone.png'"),
            ("file,caption\n,x\n", "picture 1: no such picture: ''"),
            ("file,caption\nred.png,  \n", "picture 1: the caption is empty"),
            ("file,caption\nred.png\n", "picture 1: the caption is empty"),
            ("caption,file\nred\n", "picture 1: no such picture: ''"),
            ("name,words\nred.png,x\n", r"expected the columns 'file' and 'caption', found \['name', 'words'\]"),
            ("", "expected the columns 'file' and 'caption', found None"),
            ("file,caption\n", "expected at least 2 pictures, one of which is held out; found 0"),
            ("file,caption\nred.png,red\n", "expected at least 2 pictures, one of which is held out; found 1"),
        ],
    )
    def test_bad_captions_are_named(self, tmp_path: Path, text: str, message: str):
        with pytest.raises(TrainingError, match=message):
            self.build(tmp_path, text)
        assert not (tmp_path / "art" / "table.jsonl").exists()

    def test_captions_that_are_not_there(self, tmp_path: Path):
        with pytest.raises(TrainingError, match=r"no such file: .*captions\.csv"):
            build_own_art(tmp_path / "art", 32, tmp_path, tmp_path / "captions.csv")

    def test_captions_in_another_encoding(self, tmp_path: Path):
        pictures, captions = own_folder(tmp_path, "")
        captions.write_bytes("file,caption\nred.png,红苹果\n".encode("gbk"))
        with pytest.raises(TrainingError, match=r"captions\.csv: not a CSV in UTF-8"):
            build_own_art(tmp_path / "art", 32, pictures, captions)

    def test_a_file_that_is_no_picture(self, tmp_path: Path):
        pictures, captions = own_folder(tmp_path, "file,caption\nred.png,red\nnotes.txt,notes\n")
        (pictures / "notes.txt").write_text("not a picture")
        with pytest.raises(TrainingError, match=r"notes\.txt cannot be read as a picture"):
            build_own_art(tmp_path / "art", 32, pictures, captions)
        with pytest.raises(TrainingError, match="No art in"):
            load_art(tmp_path / "art")


# --- reading and writing ---


def named(name: str, **changes: Any) -> Picture:
    return replace(Picture(name, "noto", name, (name,), ()), **changes)


def square(colour: tuple[int, ...], size: int = 8) -> np.ndarray:
    return np.broadcast_to(np.array(colour, dtype=np.uint8), (size, size, 4)).copy()


class TestArtFolder:
    def test_pictures_that_could_not_be_drawn_are_left_out(self, tmp_path: Path):
        drawn = iter([(square(RED), 0.0), None, (square(BLUE), 220.0)])
        write_art([named("a"), named("b"), named("c", svg="<svg/>")], drawn, 8, tmp_path)
        loaded = load_art(tmp_path)
        assert [(row.name, row.hue, row.svg) for row in loaded.rows] == [("a", 0.0, ""), ("c", 220.0, "")]
        assert tuple(loaded.images[1, 0, 0]) == BLUE

    def test_a_broken_run_leaves_no_table(self, tmp_path: Path):
        def breaking() -> Iterator[tuple[np.ndarray, float | None]]:
            yield square(RED), None
            raise RuntimeError("out of disk")

        write_art([named("a")], iter([(square(RED), None)]), 8, tmp_path)
        with pytest.raises(RuntimeError, match="out of disk"):
            write_art([named("a"), named("b")], breaking(), 8, tmp_path)
        with pytest.raises(TrainingError, match="No art in"):
            load_art(tmp_path)

    def test_a_table_longer_than_its_pictures_is_refused(self, tmp_path: Path):
        write_art([named("a")], iter([(square(RED), None)]), 8, tmp_path)
        table = tmp_path / "table.jsonl"
        table.write_text(table.read_text() * 3)
        with pytest.raises(TrainingError, match="3 rows but only 1 pictures"):
            load_art(tmp_path)

    def test_where_gives_curated_rows_of_a_split(self, tmp_path: Path):
        rows = [named("a"), named("b", split="heldout"), named("c", curated=False), named("d", split="heldout")]
        write_art(rows, iter([(square(RED), None)] * 4), 8, tmp_path)
        loaded = load_art(tmp_path)
        assert loaded.where("heldout").tolist() == [1, 3]
        assert loaded.where("train").tolist() == [0]
        assert loaded.where("train", curated_only=False).tolist() == [0, 2]


# --- packages ---


class TestPackages:
    def test_the_declared_licence_must_be_the_expected_one(self, tmp_path: Path):
        path = tarball(tmp_path / "set.tgz", {"info.json": {"license": {"spdx": "CC-BY-SA-4.0"}}})
        source = Source("@iconify-json/set", "1.0.0", "", "noto", "MIT")
        with pytest.raises(TrainingError, match=r"@iconify-json/set: expected licence MIT, found CC-BY-SA-4\.0"):
            check_licence(source, path)
        assert check_licence(replace(source, licence="CC-BY-SA-4.0"), path)["license"] == {"spdx": "CC-BY-SA-4.0"}

    @pytest.mark.parametrize(
        ("members", "message"),
        [({"info.json": {}}, "found None"), ({}, "no package/info.json inside")],
        ids=["none declared", "no file"],
    )
    def test_no_licence_is_not_the_expected_one(self, tmp_path: Path, members: dict[str, Any], message: str):
        path = tarball(tmp_path / "set.tgz", members)
        with pytest.raises(TrainingError, match=message):
            check_licence(Source("p", "1", "", "noto", "MIT"), path)

    def test_what_is_in_the_cache_is_not_fetched(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(shutil, "which", lambda name: pytest.fail("npm was looked for"))
        source = source_of(tarball(tmp_path / "set.tgz", {}))
        assert fetch((source,), tmp_path) == [tmp_path / "iconify-json-set-1.0.0.tgz"]

    def test_another_hash_is_refused(self, tmp_path: Path):
        source = source_of(tarball(tmp_path / "set.tgz", {}))
        (tmp_path / source.filename).write_bytes(b"something else")
        expected = rf"iconify-json-set-1\.0\.0\.tgz: expected SHA-256 {source.sha256}, found [0-9a-f]{{64}}\. Delete it"
        with pytest.raises(TrainingError, match=expected):
            fetch((source,), tmp_path)

    def test_without_npm_it_says_what_to_install(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(shutil, "which", lambda name: None)
        with pytest.raises(TrainingError, match=r"no `npm` was found\. Install Node\.js"):
            fetch((Source("p", "1", "", "", ""),), tmp_path)

    def test_npm_is_asked_for_exactly_what_is_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        there = source_of(tarball(tmp_path / "there.tgz", {}))
        missing = Source("@iconify-json/gone", "2.0.0", "", "", "")
        asked: list[list[str]] = []

        def npm(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
            asked.append(command)
            return subprocess.CompletedProcess(command, 1, "", "E404: no such version\n")

        monkeypatch.setattr(shutil, "which", lambda name: "npm")
        monkeypatch.setattr(subprocess, "run", npm)
        with pytest.raises(TrainingError, match=r"could not fetch @iconify-json/gone@2\.0\.0: E404: no such version"):
            fetch((there, missing), tmp_path)
        assert asked == [["npm", "pack", "--silent", "--pack-destination", str(tmp_path), "@iconify-json/gone@2.0.0"]]


def test_the_published_sources_are_pinned():
    for source in (*art.SOURCES, art.NAMES):
        assert len(bytes.fromhex(source.sha256)) == 32
        assert source.licence in {"Apache-2.0", "CC-BY-4.0", "MIT"}
    assert len(set(art.STYLES)) == len(art.SOURCES)


# --- names ---

CONCEPTS = {
    "1F34E": ("red apple", 4, 30, ["apple", "fruit"], "红苹果", ["苹果"]),
    "1F408": ("cat", 3, 26, ["kitten", "pet"], "猫", []),
    "1F4A8": ("left arrow", 8, 91, [], "左箭头", []),
    "1F468": ("man: beard", 1, 23, [], "", []),
    "1F550": ("one o’clock", 5, 58, [], "一点", []),
}


@pytest.fixture
def names(tmp_path: Path) -> dict[str, dict[str, Any]]:
    english = [
        {"hexcode": code, "label": label, "group": group, "subgroup": subgroup, "tags": tags}
        for code, (label, group, subgroup, tags, _, _) in CONCEPTS.items()
    ]
    english += [{"hexcode": f"F{i}", "label": f"beast {i}", "group": 3, "tags": ["pet"]} for i in range(4)]
    chinese = [{"hexcode": c, "label": v[4], "tags": v[5]} for c, v in CONCEPTS.items() if v[4]]
    members: dict[str, Any] = {"en/data.json": english, "zh/data.json": chinese}
    members |= {f"en/shortcodes/{name}.json": {} for name in SHORTCODES}
    members["en/shortcodes/github.json"] = {"1F34E": ["apple", "cat"], "1F408": "pussycat", "FFFF": "unknown"}
    return load_names(tarball(tmp_path / "names.tgz", members))


class TestNames:
    def test_join_labels_and_short_codes_without_separators(self, names: dict[str, dict[str, Any]]):
        assert names["redapple"] is names["apple"]
        assert names["pussycat"]["label"] == "cat"
        assert "unknown" not in names

    def test_a_label_wins_over_another_concepts_short_code(self, names: dict[str, dict[str, Any]]):
        assert names["cat"]["label"] == "cat"

    def test_synonyms_name_the_concept_and_nothing_else(self, names: dict[str, dict[str, Any]]):
        assert names["cat"]["en"] == ("cat", "kitten")  # five concepts are a "pet"
        assert names["redapple"]["en"] == ("red apple", "fruit")  # "apple" is in the label
        assert names["redapple"]["zh"] == ("红苹果",)

    def test_a_concept_may_lack_chinese(self, names: dict[str, dict[str, Any]]):
        assert names["manbeard"]["zh"] == ()


def icon_set(tmp_path: Path, icons: dict[str, str], aliases: dict[str, dict[str, Any]] | None = None) -> Path:
    body = {name: {"body": value} for name, value in icons.items()}
    members = {"icons.json": {"icons": body, "aliases": aliases or {}, "width": 16, "height": 16}}
    return tarball(tmp_path / "icons.tgz", members | {"info.json": {"license": {"spdx": "MIT"}}})


RECT = '<path fill="#dd2828" d="M2 2h12v12H2z"/>'


class TestIconRows:
    source = Source("p", "1", "", "firefox", "MIT")

    def rows(self, names: dict[str, dict[str, Any]], path: Path) -> dict[str, Picture]:
        return {row.name.removeprefix("firefox/"): row for row in icon_rows(self.source, path, names)}

    def test_known_concepts_only(self, tmp_path: Path, names: dict[str, dict[str, Any]]):
        path = icon_set(tmp_path, {"red-apple": "a", "RedApple": "b", "cat-1": "c", "cat-dark-skin-tone": "d"})
        rows = self.rows(names, path)
        assert {name: row.concept for name, row in rows.items()} == {
            "red-apple": "red apple", "RedApple": "red apple", "cat-1": "cat",
        }  # fmt: skip
        assert rows["cat-1"].style == "firefox"

    def test_aliases_count_unless_they_turn_the_picture(self, tmp_path: Path, names: dict[str, dict[str, Any]]):
        aliases: dict[str, dict[str, Any]] = {
            "cat": {"parent": "kitty"},
            "apple": {"parent": "kitty", "hFlip": True},
            "x": {"parent": "gone"},
        }
        assert list(self.rows(names, icon_set(tmp_path, {"kitty": "a"}, aliases))) == ["cat"]

    def test_one_picture_of_a_concept_comes_once(self, tmp_path: Path, names: dict[str, dict[str, Any]]):
        assert list(self.rows(names, icon_set(tmp_path, {"cat": "same", "pussycat": "same"}))) == ["cat"]

    def test_marks_what_may_be_mirrored_and_what_is_trained_on(self, tmp_path: Path, names: dict[str, dict[str, Any]]):
        icons = {"cat": "a", "left-arrow": "b", "man-beard": "c", "one-oclock": "d"}
        rows = self.rows(names, icon_set(tmp_path, icons))
        assert {name: (row.flip, row.curated) for name, row in rows.items()} == {
            "cat": (True, True), "left-arrow": (False, False), "man-beard": (True, False), "one-oclock": (False, False),
        }  # fmt: skip


def test_open_art_from_packages_to_a_folder(
    tmp_path: Path, names: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    icons = {"cat": RECT, "red-apple": RECT.replace("dd2828", "28dd28"), "pussycat": "<path/>", "kitten": "x"}
    cache = tmp_path / "cache"
    cache.mkdir()
    source = source_of(icon_set(tmp_path, icons).rename(cache / "icons.tgz"))
    monkeypatch.setattr(art, "SOURCES", (source,))
    monkeypatch.setattr(art, "NAMES", source_of((tmp_path / "names.tgz").rename(cache / "names.tgz")))
    rows = build_open_art(tmp_path / "art", 32, cache)
    loaded = load_art(tmp_path / "art")
    assert [row.name for row in loaded.rows] == ["noto/cat", "noto/red-apple"]  # the empty picture is left out
    assert list(loaded.rows) == rows
    assert tuple(loaded.images[0, 16, 16]) == (0xDD, 0x28, 0x28, 255)
    assert loaded.images[0, 0, 0, 3] == 0
    assert (hue_name(loaded.rows[0].hue or 0), hue_name(loaded.rows[1].hue or 0)) == ("red", "green")


# --- splits and hues ---


def styled(concepts: int, styles: int) -> list[Picture]:
    return [
        Picture(f"{style}/{concept}", f"style {style}", f"concept {concept}", (f"concept {concept}",), ())
        for concept in range(concepts)
        for style in range(styles)
    ]


class TestSplits:
    def test_about_the_share_is_held_out(self):
        rows = with_splits(styled(600, 5))
        assert sum(row.split == "heldout" for row in rows) / len(rows) == pytest.approx(HELDOUT_SHARE, abs=0.01)

    def test_are_the_same_whatever_else_there_is(self):
        def held(rows: list[Picture]) -> set[str]:
            return {row.name for row in with_splits(rows) if row.split == "heldout"}

        rows = styled(120, 5)
        assert held(rows) == held(rows[::-1])
        assert {name for name in held(rows) if int(name.split("/")[1]) < 50} == held(styled(50, 5)) != set()

    def test_are_the_same_in_every_version(self):
        held = [row.name for row in with_splits(styled(60, 4)) if row.split == "heldout"]
        assert held == ["1/5", "2/17", "2/19", "1/29", "2/32", "0/39", "2/42"]

    def test_every_concept_and_style_is_also_trained_on(self):
        rows = with_splits(styled(500, 4))
        trained = [row for row in rows if row.split == "train"]
        assert {row.style for row in trained} == {row.style for row in rows}
        assert {row.concept for row in trained} == {row.concept for row in rows}

    def test_concepts_of_few_styles_are_never_held_out(self):
        assert {row.split for row in with_splits(styled(500, 3))} == {"train"}


class TestHue:
    @pytest.mark.parametrize(
        ("colour", "degrees"), [(RED, 0), ((40, 222, 40, 255), 120), (BLUE, 223.5), ((222, 40, 222, 255), 300)]
    )
    def test_of_one_colour(self, colour: tuple[int, ...], degrees: float):
        assert dominant_hue(square(colour)) == pytest.approx(degrees, abs=1)

    def test_reds_on_both_sides_of_zero_agree(self):
        picture = square((222, 30, 60, 255))
        picture[:4] = (222, 60, 30, 255)
        hue = dominant_hue(picture)
        assert hue is not None
        assert min(hue, 360 - hue) < 5

    @pytest.mark.parametrize("colour", [(128, 128, 128, 255), CLEAR, (210, 200, 200, 255), (20, 0, 0, 255)])
    def test_grey_nothing_pale_and_dark_have_none(self, colour: tuple[int, ...]):
        assert dominant_hue(square(colour)) is None

    def test_a_mixture_has_none(self):
        picture = square(RED)
        picture[:4] = (40, 222, 222, 255)
        assert dominant_hue(picture) is None

    def test_what_is_transparent_has_no_vote(self):
        picture = square(RED)
        picture[:4] = (40, 222, 222, 100)
        assert dominant_hue(picture) == pytest.approx(0, abs=1)

    def test_has_a_name(self):
        names = {degrees: hue_name(degrees) for degrees in (0, 359, 30, 120, 295)}
        assert names == {0: "red", 359: "red", 30: "orange", 120: "green", 295: "purple"}


def test_every_ground_is_nearest_to_itself_even_when_it_varies():
    rng = np.random.default_rng(0)
    for index, colour in enumerate(BACKGROUNDS):
        near = np.clip(np.array(colour.rgb) + rng.uniform(-12, 12, (50, 3)), 0, 255)
        assert {nearest_background(rgb) for rgb in near} == {index}, colour.en


def test_weights_are_chosen_on_one_half_of_the_held_out_pictures_and_measured_on_the_other() -> None:
    rows = tuple(
        Picture(str(i), "s", str(i), (str(i),), (), split="heldout" if i % 3 == 0 else "train") for i in range(30)
    )
    pictures = ArtSet(np.zeros((30, 4, 4, 4), dtype=np.uint8), rows)
    validation, test = pictures.heldout("validation"), pictures.heldout("test")
    assert sorted([*validation, *test]) == pictures.where("heldout").tolist()
    assert not set(validation) & set(test)
