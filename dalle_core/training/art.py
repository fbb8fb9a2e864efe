"""The art a model learns from: fetched, checked for its licence, rendered once, and tabled with its captions' words.

Knows where pictures come from and what they are called. How they are varied and captioned is compose.py's matter.
An art folder holds `images.npy` (N, R, R, 4) uint8 RGBA, memory-mapped, `table.jsonl`, one row a picture, and
`origin.json`, which says whether it is the open art or somebody's own.
"""

import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.lib.format import open_memmap
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from dalle_core.checkpoints import read_json, write_json
from dalle_core.device import moved
from dalle_core.errors import ImageError, TrainingError
from dalle_core.images import open_image
from dalle_core.training.palette import dominant_hue

Split = Literal["train", "heldout"]
Half = Literal["validation", "test"]
Origin = Literal["open", "own"]
ORIGIN = "origin.json"


@dataclass(frozen=True)
class Source:
    """One icon set: the npm package it comes in, the word that names its style, the licence it must declare."""

    package: str
    version: str
    sha256: str
    style: str
    licence: str

    @property
    def filename(self) -> str:
        return f"{self.package.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


ICONIFY = "@iconify-json/"
SOURCES = (
    Source(f"{ICONIFY}noto", "1.2.9", "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
           "noto", "Apache-2.0"),
    Source(f"{ICONIFY}twemoji", "1.2.5", "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7",
           "twemoji", "CC-BY-4.0"),
    Source(f"{ICONIFY}fluent-emoji-flat", "1.2.6", "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
           "fluent flat", "MIT"),
    Source(f"{ICONIFY}fluent-emoji", "1.2.7", "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b",
           "fluent", "MIT"),
    Source(f"{ICONIFY}fxemoji", "1.2.2", "f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef",
           "firefox", "Apache-2.0"),
    Source(f"{ICONIFY}noto-v1", "1.2.5", "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37",
           "blob", "Apache-2.0"),
    Source(f"{ICONIFY}emojione", "1.2.3", "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e",
           "emojione", "CC-BY-4.0"),
    Source(f"{ICONIFY}streamline-emojis", "1.2.4", "5dac87c876b322500989828c5823143e0100d78881627a2e4081a4b897cbfdbc",
           "streamline", "CC-BY-4.0"),
)  # fmt: skip
NAMES = Source("emojibase-data", "17.0.0", "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
               "", "MIT")  # fmt: skip
STYLES = tuple(source.style for source in SOURCES)
HELDOUT_SHARE = 0.03
HELDOUT_MIN_STYLES = 4
RARE_TAG = (
    4  # a synonym shared by more concepts than this ("animal", "face") names none of them; nor does another's label
)


@dataclass(frozen=True)
class Picture:
    """One row of the table. `hue` is the dominant hue in degrees; `curated` marks what the presets train on."""

    name: str
    style: str
    concept: str
    en: tuple[str, ...]
    zh: tuple[str, ...]
    flip: bool = True
    curated: bool = True
    split: Split = "train"
    hue: float | None = None
    svg: str = ""


# --- names ---------------------------------------------------------------------------------------------------------

SMILEYS, PEOPLE, COMPONENT, ANIMALS, FOOD, TRAVEL, ACTIVITIES, OBJECTS, SYMBOLS, FLAGS = range(10)
HANDS_AND_BODY = range(16, 23)
TIME, ARROWS_ON_OBJECTS = 58, re.compile(r"\barrow\b")
SIDED = re.compile(
    r"\b(left|right|leftwards|rightwards|clockwise|counterclockwise|arrow|button|keycap|input|moon|clock|music\w*|"
    r"calendar|speech|hundred|1st|2nd|3rd|8|abc|scroll|newspaper|sign|flag|banknote|yen|dollar|euro|pound)\b",
    re.IGNORECASE,
)
GENDERED = re.compile(r"^(man|woman|men|women|mr|mrs|mx)\b[\s.]", re.IGNORECASE)
ALWAYS_KEPT_PEOPLE = {"baby", "child", "boy", "girl", "person", "man", "woman", "old man", "old woman", "Santa Claus",
                      "Mrs. Claus", "princess", "prince", "ninja", "superhero"}  # fmt: skip


def plain(name: str) -> str:
    """Lower-case letters and digits only: how names of different sets are compared."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def is_curated(label: str, group: int | None, subgroup: int | None) -> bool:
    """Whether a concept is worth a small model's capacity: no flags, symbols, clock faces, nor doubles of a role."""
    if group in (None, COMPONENT, SYMBOLS, FLAGS):
        return label in {"red circle", "check mark button", "cross mark", "warning", "recycling symbol", "rainbow flag",
                         "infinity", "red question mark", "red exclamation mark"}  # fmt: skip
    if group == PEOPLE and subgroup not in HANDS_AND_BODY:
        if label in ALWAYS_KEPT_PEOPLE:
            return True
        return not GENDERED.search(label) and ":" not in label and "facing right" not in label and subgroup != 30
    if subgroup == TIME and re.search(r"o’clock|thirty", label):
        return False
    return not (group == OBJECTS and ARROWS_ON_OBJECTS.search(label))


def load_names(tarball: Path) -> dict[str, dict[str, Any]]:
    """Every spelling we can recognise (see `plain`) → {label, group, subgroup, en, zh}; labels win over short codes."""
    english = {entry["hexcode"]: entry for entry in _json_member(tarball, "package/en/data.json")}
    chinese = {entry["hexcode"]: entry for entry in _json_member(tarball, "package/zh/data.json")}
    concepts: dict[str, dict[str, Any]] = {}
    for code, entry in english.items():
        zh = chinese.get(code, {})
        concepts[code] = {
            "label": entry["label"],
            "group": entry.get("group"),
            "subgroup": entry.get("subgroup"),
            "en": _words(entry),
            "zh": _words(zh),
        }
    for language in ("en", "zh"):
        labels = {word for concept in concepts.values() for word in concept[language][:1]}
        shared = Counter(word for concept in concepts.values() for word in set(concept[language][1:]))
        for concept in concepts.values():
            label, tags = concept[language][:1], concept[language][1:]
            concept[language] = (*label, *(tag for tag in tags if shared[tag] <= RARE_TAG and tag not in labels))
    names = {plain(concept["label"]): concept for concept in concepts.values()}
    for shortcodes in ("cldr", "emojibase", "github", "iamcal", "joypixels"):
        for code, spelling in _json_member(tarball, f"package/en/shortcodes/{shortcodes}.json").items():
            for word in [spelling] if isinstance(spelling, str) else spelling:
                if code in concepts:
                    names.setdefault(plain(word), concepts[code])
    return names


def _words(entry: dict[str, Any]) -> tuple[str, ...]:
    """Label first, then synonyms: tags of which the label is not made already."""
    if not entry:
        return ()
    label = entry["label"].replace("’", "'").replace("“", "").replace("”", "")
    tags = [tag for tag in entry.get("tags", ()) if 1 < len(tag) < 24 and tag not in label]
    return (label, *tags)


# --- fetching ------------------------------------------------------------------------------------------------------


def fetch(sources: tuple[Source, ...], cache: Path) -> list[Path]:
    """Bring the packages' tarballs into `cache` with npm's client, once, and check them against their SHA-256."""
    cache.mkdir(parents=True, exist_ok=True)
    missing = [source for source in sources if not (cache / source.filename).exists()]
    if missing:
        npm = shutil.which("npm")
        if npm is None:
            raise TrainingError(
                "The open art is fetched with npm, and no `npm` was found. Install Node.js and try again."
            )
        wanted = [f"{source.package}@{source.version}" for source in missing]
        done = subprocess.run([npm, "pack", "--silent", "--pack-destination", str(cache.resolve()), *wanted],
                              capture_output=True, text=True, check=False)  # fmt: skip
        if done.returncode:
            raise TrainingError(f"npm could not fetch {', '.join(wanted)}: {done.stderr.strip()[-400:]}")
    for source in sources:
        actual = hashlib.sha256((cache / source.filename).read_bytes()).hexdigest()
        if actual != source.sha256:
            raise TrainingError(
                f"{source.filename}: expected SHA-256 {source.sha256}, found {actual}. Delete it and retry."
            )
    return [cache / source.filename for source in sources]


def _json_member(tarball: Path, member: str) -> Any:
    with tarfile.open(tarball) as archive:
        try:
            file = archive.extractfile(member)
        except KeyError:
            file = None
        if file is None:
            raise TrainingError(f"{tarball.name}: no {member} inside")
        return json.load(file)


def check_licence(source: Source, tarball: Path) -> dict[str, Any]:
    """The set's own `info.json`, once its declared licence has been seen to be the expected one."""
    info: dict[str, Any] = _json_member(tarball, "package/info.json")
    declared = info.get("license", {}).get("spdx")
    if declared != source.licence:
        raise TrainingError(f"{source.package}: expected licence {source.licence}, found {declared}")
    return info


# --- from icons to rows --------------------------------------------------------------------------------------------


def icon_rows(source: Source, tarball: Path, names: dict[str, dict[str, Any]]) -> Iterator[Picture]:
    """Every icon of a set whose name is a known concept. Skin-tone variants are not concepts and fall away."""
    icons = _json_member(tarball, "package/icons.json")
    bodies: dict[str, dict[str, Any]] = dict(icons["icons"])
    for alias, value in icons.get("aliases", {}).items():
        if value["parent"] in icons["icons"] and not {"hFlip", "vFlip", "rotate"} & value.keys():
            bodies.setdefault(alias, icons["icons"][value["parent"]])
    seen: set[tuple[str, str]] = set()
    for name, icon in bodies.items():
        concept = names.get(plain(name)) or names.get(plain(re.sub(r"-\d$", "", name)))
        key = (icon["body"], concept["label"] if concept else "")
        if concept is None or key in seen:
            continue
        seen.add(key)
        yield Picture(
            name=f"{source.style}/{name}",
            style=source.style,
            concept=concept["label"],
            en=concept["en"],
            zh=concept["zh"],
            flip=not SIDED.search(concept["label"]) and concept["group"] not in (SYMBOLS, FLAGS, None),
            curated=is_curated(concept["label"], concept["group"], concept["subgroup"]),
            svg=_svg(icon, icons),
        )


def _svg(icon: dict[str, Any], whole: dict[str, Any]) -> str:
    left, top, width, height = (
        icon.get(field, whole.get(field, default))
        for field, default in (("left", 0), ("top", 0), ("width", 16), ("height", 16))
    )
    side = max(width, height)
    box = f"{left - (side - width) / 2} {top - (side - height) / 2} {side} {side}"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{box}" width="{side}" height="{side}">{icon["body"]}</svg>'
    )


def with_splits(rows: list[Picture], share: float = HELDOUT_SHARE) -> list[Picture]:
    """Mark a fixed share of the (concept, style) pairs as held out, by a hash of their names.

    Only concepts that exist in several styles are eligible, so that every held-out pair can be composed from a
    concept and a style that were both seen.
    """
    styles: dict[str, set[str]] = {}
    for row in rows:
        styles.setdefault(row.concept, set()).add(row.style)

    def split(row: Picture) -> Split:
        digest = hashlib.sha256(f"{row.concept}|{row.style}".encode()).digest()
        draw = int.from_bytes(digest[:8], "big") / 2**64
        return "heldout" if draw < share and len(styles[row.concept]) >= HELDOUT_MIN_STYLES else "train"

    return [replace(row, split=split(row)) for row in rows]


# --- rendering -----------------------------------------------------------------------------------------------------


def render(svg: str, size: int) -> np.ndarray:
    """(size, size, 4) uint8 RGBA, straight alpha."""
    import resvg_py  # only building the art needs it

    png = resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, skip_system_fonts=True)
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))


def _render_one(job: tuple[str, int]) -> tuple[np.ndarray, float | None] | None:
    try:
        rgba = render(*job)
    except ValueError:
        return None
    if rgba.shape[:2] != (job[1], job[1]) or (rgba[..., 3] > 127).mean() < 0.01:
        return None
    return rgba, dominant_hue(rgba)


def write_art(rows: list[Picture], pictures: Iterator[tuple[np.ndarray, float | None] | None], size: int,
              folder: Path, origin: Origin = "own") -> list[Picture]:  # fmt: skip
    """Write the pictures that could be drawn and their rows; the table comes last, so a broken run leaves none."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.jsonl").unlink(missing_ok=True)
    staging = folder / "images.tmp.npy"
    array = open_memmap(staging, mode="w+", dtype=np.uint8, shape=(len(rows), size, size, 4))
    kept: list[Picture] = []
    for row, picture in zip(rows, tqdm(pictures, total=len(rows), desc="render", unit="picture"), strict=True):
        if picture is not None:
            array[len(kept)], hue = picture
            kept.append(replace(row, hue=hue, svg=""))
    array.flush()
    del array  # Windows does not rename what is mapped
    staging.replace(folder / "images.npy")
    write_json(folder / ORIGIN, {"origin": origin})
    lines = [json.dumps({k: v for k, v in asdict(row).items() if k != "svg"}, ensure_ascii=False) for row in kept]
    table = folder / "table.tmp"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    table.replace(folder / "table.jsonl")
    return kept


def build_open_art(folder: Path, size: int, cache: Path) -> list[Picture]:
    """Fetch, check, render and table the open icon sets. `size` is the rendered side in pixels."""
    tarballs = fetch((*SOURCES, NAMES), cache)
    names = load_names(tarballs[-1])
    rows: list[Picture] = []
    for source, tarball in zip(SOURCES, tarballs[:-1], strict=True):
        check_licence(source, tarball)
        rows += icon_rows(source, tarball, names)
    rows = with_splits(rows)
    # Not by fork: a copy of this process could wait for ever for what another of its threads held.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        pictures = pool.map(_render_one, [(row.svg, size) for row in rows], chunksize=32)
        return write_art(rows, pictures, size, folder, "open")


def build_own_art(folder: Path, size: int, pictures: Path, captions: Path) -> list[Picture]:
    """Table the user's own pictures: a CSV with the columns `file`, `caption` and, if you like, `caption_zh`, `style`.

    File names are relative to `pictures` and may not leave it.
    """
    rows, files = _own_rows(pictures, captions)
    draw = (_read_one(file, size) for file in files)
    return write_art(with_own_split(rows), draw, size, folder, "own")


def with_own_split(rows: list[Picture]) -> list[Picture]:
    """Hold out the same share of one's own pictures, at least one, by a hash of the file names."""
    if len(rows) < 2:
        raise TrainingError(f"expected at least 2 pictures, one of which is held out; found {len(rows)}")
    order = sorted(rows, key=lambda row: hashlib.sha256(row.name.encode()).digest())
    held = {row.name for row in order[: max(1, round(HELDOUT_SHARE * len(rows)))]}
    return [replace(row, split="heldout" if row.name in held else "train") for row in rows]


def _own_rows(pictures: Path, captions: Path) -> tuple[list[Picture], list[Path]]:
    rows, files = [], []
    for number, line in enumerate(_read_captions(captions), start=1):
        place = f"{captions.name}, picture {number}"
        file = (pictures / line["file"].replace("\0", "")).resolve()
        if not file.is_relative_to(pictures.resolve()):
            raise TrainingError(f"{place}: {line['file']} lies outside {pictures}")
        if not file.is_file():
            raise TrainingError(f"{place}: no such picture: {line['file']!r}")
        if not line["caption"]:
            raise TrainingError(f"{place}: the caption is empty")
        zh = (line["caption_zh"],) if line.get("caption_zh") else ()
        rows.append(Picture(name=line["file"], style=line.get("style", ""), concept=line["caption"],
                            en=(line["caption"],), zh=zh, flip=False))  # fmt: skip
        files.append(file)
    return rows, files


def _read_captions(captions: Path) -> list[dict[str, str]]:
    """The CSV's rows, every value stripped; columns that a row lacks are empty."""
    try:
        with captions.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle, restval="")
            columns = reader.fieldnames
            lines = [{name: value.strip() for name, value in line.items() if name} for line in reader]
    except FileNotFoundError as error:
        raise TrainingError(f"no such file: {captions}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrainingError(f"{captions.name}: not a CSV in UTF-8 ({error})") from error
    if not {"file", "caption"} <= set(columns or ()):
        raise TrainingError(f"{captions.name}: expected the columns 'file' and 'caption', found {columns}")
    return lines


def _read_one(file: Path, size: int) -> tuple[np.ndarray, float | None]:
    try:
        rgba = open_image(file).convert("RGBA")
    except ImageError as error:
        raise TrainingError(str(error)) from error
    scale = size / max(rgba.size)
    resized = rgba.resize(
        (max(1, round(rgba.width * scale)), max(1, round(rgba.height * scale))), Image.Resampling.LANCZOS
    )
    canvas = Image.new("RGBA", (size, size))
    canvas.paste(resized, ((size - resized.width) // 2, (size - resized.height) // 2))
    array = np.asarray(canvas)
    return array, dominant_hue(array)


# --- reading -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArtSet:
    """The rendered pictures and their rows, in the same order: memory-mapped, or held by an accelerator."""

    images: np.ndarray | Tensor  # (N, R, R, 4) uint8
    rows: tuple[Picture, ...]
    origin: Origin = "open"

    @property
    def device(self) -> torch.device:
        return self.images.device if isinstance(self.images, Tensor) else torch.device("cpu")

    def to(self, device: torch.device) -> "ArtSet":
        """The same art, its pictures in the accelerator's memory."""
        if device.type == "cpu":
            return self
        return replace(self, images=torch.from_numpy(np.array(self.images)).to(device))

    def pixels(self, rows: Sequence[int]) -> Tensor:
        """(B, R, R, 4) uint8 of some of the pictures, where they lie."""
        if isinstance(self.images, Tensor):
            return self.images[moved(torch.tensor(rows), self.device)]
        return torch.from_numpy(self.images[list(rows)])

    def where(self, split: Split, curated_only: bool = True) -> np.ndarray:
        """Indices of a split's pictures."""
        return np.array([i for i, row in enumerate(self.rows)
                         if row.split == split and (row.curated or not curated_only)], dtype=np.int64)  # fmt: skip

    @cached_property
    def concepts(self) -> dict[str, list[int]]:
        """Indices of the training pictures of each concept that there are any of, in order."""
        found: dict[str, list[int]] = {}
        for i in self.where("train").tolist():
            found.setdefault(self.rows[i].concept, []).append(i)
        return found

    @cached_property
    def _by_style(self) -> dict[str, np.ndarray]:
        train = self.where("train")
        styles = np.array([self.rows[i].style for i in train])
        return {style: train[styles == style] for style in set(styles.tolist())}

    def partners(self, row: int) -> np.ndarray:
        """Indices of the training pictures in the style of picture `row`, which it may be shown together with."""
        return self._by_style.get(self.rows[row].style, np.empty(0, dtype=np.int64))

    def heldout(self, half: Half) -> np.ndarray:
        """Indices of half of the held-out pictures: weights are chosen on one half, figures reported on the other."""
        indices = self.where("heldout")
        return indices[0 if half == "validation" or len(indices) < 2 else 1 :: 2]


def load_art(folder: Path) -> ArtSet:
    if not (folder / "table.jsonl").exists():
        raise TrainingError(f"No art in {folder}. Build it first: python -m dalle_core.training art")
    rows = []
    for line in (folder / "table.jsonl").read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        rows.append(Picture(**{**fields, "en": tuple(fields["en"]), "zh": tuple(fields["zh"])}))
    images = np.load(folder / "images.npy", mmap_mode="r")
    if len(images) < len(rows):
        raise TrainingError(f"{folder}: {len(rows)} rows but only {len(images)} pictures; build the art again")
    origin: Origin = "own" if read_json(folder / ORIGIN).get("origin") == "own" else "open"
    return ArtSet(images, tuple(rows), origin)
