"""Pictures as files for elsewhere: what is in them, what is not, and what is refused."""

import io
import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageDraw

from app.errors import ExportError, NotFound
from app.exports import MAX_PICTURES, Export, Exports, ExportSpec, maker, read_spec
from app.exports.artwork import MAX_CUT, MAX_SIDE, picture
from app.exports.cutout import cut_out
from app.exports.enlarge import Edges, enlarge
from app.exports.pixels import flood, grow
from app.exports.sticker import PAPER, grid
from app.exports.trace import write_svg
from app.history import History, NewImage
from app.recipes import Recipe, read_recipe
from app.settings import Settings
from dalle_core.errors import ImageError, RequestError
from dalle_core.request import GenerationRequest

SIDE = 32
SVG = "{http://www.w3.org/2000/svg}"


def disc(ground: str = "white", colour: str = "#d02020", hole: bool = True) -> Image.Image:
    """A disc in the middle, softly drawn, with a hole that shows the ground."""
    large = Image.new("RGB", (SIDE * 8, SIDE * 8), ground)
    draw = ImageDraw.Draw(large)
    draw.ellipse((32, 32, 223, 223), fill=colour)
    if hole:
        draw.ellipse((96, 96, 159, 159), fill=ground)
    return large.resize((SIDE, SIDE), Image.Resampling.BOX)


def noise(size: int = SIDE) -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (size, size, 3), dtype=np.uint8))


class Shelf:
    """A history to put pictures into, and its exports."""

    def __init__(self, settings: Settings) -> None:
        self.history = History(settings, owner=True)
        self.exports = Exports(self.history)

    def add(self, image: Image.Image, prompt: str = "a red disc") -> str:
        request = GenerationRequest(prompt, count=1, keep=1, seed=7, batch_width=1)
        job, recipe = self.history.add_job(request, "fake"), Recipe(request, 0, 7, "fake", "ab", (1, 2))
        return self.history.add_image(NewImage(job, image, recipe, "", 0.1))

    def make(self, *ids: str, **values: Any) -> Export:
        return self.exports.make(ExportSpec(**values), ids)


@pytest.fixture
def shelf(settings: Settings) -> Any:
    shelf = Shelf(settings)
    yield shelf
    shelf.history.close()


def opened(export: Export) -> Image.Image:
    return Image.open(io.BytesIO(export.data))


def test_as_it_is_a_picture_leaves_byte_by_byte(shelf: Shelf) -> None:
    image_id = shelf.add(disc())
    export = shelf.make(image_id)
    assert export.data == shelf.history.image_path(image_id).read_bytes()
    assert (export.name, export.media_type) == ("a-red-disc-7.png", "image/png")


def test_without_its_recipe_nothing_but_the_pixels_is_left(shelf: Shelf) -> None:
    image_id = shelf.add(disc())
    bare = opened(shelf.make(image_id, recipe=False))
    assert bare.info == {}
    assert np.array_equal(np.asarray(bare), np.asarray(disc()))
    assert b"red disc" not in shelf.make(image_id, recipe=False).data


@pytest.mark.parametrize("edges", ["crisp", "smooth", "pixels"])
def test_enlarged_it_has_the_size_and_keeps_its_recipe(shelf: Shelf, edges: str) -> None:
    export = shelf.make(shelf.add(disc()), scale=4, edges=edges)
    assert opened(export).size == (SIDE * 4, SIDE * 4)
    assert export.name == "a-red-disc-7-4x.png"
    assert read_recipe(export.data).seed == 7


def test_crisp_edges_are_steeper_than_smooth_ones_and_stay_where_they_are() -> None:
    both: tuple[Edges, ...] = ("crisp", "smooth")
    crisp, smooth = (np.asarray(enlarge(disc(), (256, 256), edges).convert("L"), float) for edges in both)
    assert np.abs(np.diff(crisp)).max() > 1.5 * np.abs(np.diff(smooth)).max()
    assert crisp.min() >= 0
    assert abs(crisp.mean() - smooth.mean()) < 1.5


def test_pixels_stay_pixels() -> None:
    large = enlarge(noise(8), (32, 32), "pixels")
    assert np.array_equal(np.asarray(large)[::4, ::4], np.asarray(noise(8)))


@pytest.mark.parametrize("ground", ["white", "#17191b", "#2060d0"])
def test_a_plain_ground_goes_and_leaves_no_halo(ground: str) -> None:
    art = np.asarray(picture(disc(ground, hole=False), ExportSpec(transparent=True, scale=4)), float)
    alpha = art[..., 3]
    assert alpha[0].max() == 0
    assert alpha[64, 64] == 255
    assert abs((alpha / 255).mean() - np.pi * (96 / 256) ** 2) < 0.02
    seen = alpha > 20
    assert np.abs(art[seen][:, :3] - (208, 32, 32)).max() < 40, "a colour of the ground is mixed in"


def test_the_shade_of_a_coloured_ground_goes_with_it() -> None:
    art = disc("#46b34a", "#3060d8", hole=False)
    shaded = art.copy()
    ImageDraw.Draw(shaded).rectangle((8, 27, 22, 29), fill="#3b9a3f")  # as a shadow under the disc
    clear, same = (
        np.asarray(picture(image, ExportSpec(transparent=True, scale=4)), float)[..., 3] for image in (art, shaded)
    )
    assert np.abs(clear - same).mean() < 2
    grey = disc("#808080", "#3060d8", hole=False)
    ImageDraw.Draw(grey).rectangle((8, 27, 22, 29), fill="#5c5c5c")  # on grey, another grey is another colour
    assert np.asarray(picture(grey, ExportSpec(transparent=True)))[28, 15, 3] > 100


def test_enclosed_ground_stays_unless_it_is_to_go() -> None:
    kept = np.asarray(picture(disc(), ExportSpec(transparent=True)))
    cleared = np.asarray(picture(disc(), ExportSpec(transparent=True, holes=True)))
    assert kept[16, 16].tolist() == [255, 255, 255, 255]
    assert cleared[16, 16, 3] == 0
    assert cleared[16, 7, 3] == 255


def test_a_ground_that_is_not_plain_is_refused_with_its_share(shelf: Shelf) -> None:
    with pytest.raises(ExportError, match=r"not plain: \d+ % of its border"):
        shelf.make(shelf.add(noise()), transparent=True)
    with pytest.raises(ExportError, match="nothing to cut out"):
        cut_out(Image.new("RGB", (32, 32), "white"), 1, holes=False)


def test_a_rim_is_white_and_makes_room_for_itself() -> None:
    art = np.asarray(picture(disc(hole=False), ExportSpec(transparent=True, scale=4, outline="wide")))
    assert art.shape[0] > SIDE * 4
    middle = art[len(art) // 2]
    first = int(np.argmax(middle[:, 3] > 250))
    assert middle[first + 1, :3].tolist() == [255, 255, 255]
    assert middle[len(art) // 2, 0] > 200


def test_an_svg_holds_paths_and_nothing_else(shelf: Shelf) -> None:
    export = shelf.make(shelf.add(disc()), kind="svg", colours=4)
    root = ElementTree.fromstring(export.data)
    assert (root.tag, root.attrib["viewBox"]) == (f"{SVG}svg", "0 0 256 256")
    assert {child.tag for child in root} == {f"{SVG}path"}
    assert {name for child in root for name in child.attrib} == {"d", "fill", "transform"}
    assert any(re.fullmatch("#[CD].[12].[12].", child.attrib["fill"]) for child in root)
    assert (export.name, export.media_type) == ("a-red-disc-7.svg", "image/svg+xml")
    assert len(export.data) < 20_000


def test_a_drawing_without_its_ground_has_one_path_less(shelf: Shelf) -> None:
    image_id = shelf.add(disc(hole=False))
    with_ground = shelf.make(image_id, kind="svg", colours=2).data
    without = shelf.make(image_id, kind="svg", colours=2, transparent=True).data
    assert b"#FE" in with_ground.upper() or b"#FF" in with_ground.upper()
    assert without.count(b"<path") < with_ground.count(b"<path")


@pytest.mark.parametrize(
    "traced",
    [
        "<svg ></svg>",
        '<svg ><script>alert(1)</script><path d="M0 0 Z" fill="#000000" transform="translate(0,0)"/></svg>',
        '<svg ><path d="M0 0 Z" fill="url(#a)" transform="translate(0,0)"/></svg>',
        '<svg ><path d="M0 0 Z" onload="x" fill="#000000" transform="translate(0,0)"/></svg>',
    ],
)
def test_what_is_no_plain_path_is_never_written(traced: str) -> None:
    with pytest.raises(ExportError, match="cannot be drawn"):
        write_svg(traced, (8, 8))


def test_a_sheet_puts_stickers_into_a_grid(shelf: Shelf) -> None:
    ids = [shelf.add(disc(hole=False)), shelf.add(disc("#2060d0", hole=False)), shelf.add(noise())]
    spec = {"columns": 2, "cell": 64, "gap": 10, "margin": 20, "transparent": True, "ground": "transparent"}
    export = shelf.make(*ids, kind="sheet", **spec)
    page = np.asarray(opened(export))
    assert page.shape == (20 + 64 + 10 + 64 + 20, 20 + 64 + 10 + 64 + 20, 4)
    assert export.whole == 1, "the noise has no plain ground and stays whole"
    assert export.name == "stickers-3.png"
    centres = [page[52, 52], page[52, 126], page[126, 52], page[126, 126]]
    assert [int(pixel[3]) for pixel in centres] == [255, 255, 255, 0]
    assert page[:20, :, 3].max() == 0


def test_paper_says_how_large_stickers_are_and_a_pdf_is_of_its_size(shelf: Shelf) -> None:
    ids = [shelf.add(disc()) for _ in range(2)]
    plan = grid(ExportSpec(kind="sheet", page="a4", columns=2, margin=100, gap=50), 7)
    assert (plan.width, plan.height) == PAPER["a4"]
    assert plan.cell == (3508 - 200 - 3 * 50) // 4
    assert plan.place(0)[0] == PAPER["a4"][0] - plan.place(1)[0] - plan.cell
    export = shelf.make(*ids, kind="sheet", page="a4", file="pdf")
    assert export.data.startswith(b"%PDF")
    assert b"595.2 841.92" in export.data
    assert shelf.exports.preview(ExportSpec(kind="sheet", page="a4", file="pdf"), ids).media_type == "image/png"


def test_several_pictures_come_in_one_zip_under_names_of_their_own(shelf: Shelf) -> None:
    ids = [shelf.add(disc()), shelf.add(disc("#2060d0")), shelf.add(noise(), "..\\/a/../b")]
    export = shelf.make(*ids, transparent=True)
    with zipfile.ZipFile(io.BytesIO(export.data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a-red-disc-7-sticker.png", "a-red-disc-7-sticker-2.png", "a-b-7.png"]
    assert (export.name, export.media_type, export.whole) == ("pictures-3.zip", "application/zip", 1)
    assert shelf.exports.preview(ExportSpec(transparent=True), ids).name == "a-red-disc-7-sticker.png"


def test_what_was_previewed_is_not_made_again(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = shelf.add(disc())
    previewed = shelf.exports.preview(ExportSpec(scale=2), [image_id])
    monkeypatch.setattr(maker, "picture", lambda *_: pytest.fail("made twice"))
    assert shelf.make(image_id, scale=2) is previewed


def test_a_damaged_file_and_an_unknown_picture_are_said(shelf: Shelf) -> None:
    image_id = shelf.add(disc())
    shelf.history.image_path(image_id).write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ImageError, match="damaged"):
        shelf.make(image_id, scale=2)
    with pytest.raises(NotFound):
        shelf.make("01" + "A" * 24)


@pytest.mark.parametrize("count", [0, MAX_PICTURES + 1])
def test_none_or_too_many_are_refused(shelf: Shelf, count: int) -> None:
    with pytest.raises(RequestError, match=f"expected 1 to {MAX_PICTURES}"):
        shelf.make(*map(str, range(count)))


def test_sizes_are_bounded() -> None:
    with pytest.raises(ExportError, match=f"at most {MAX_SIDE}"):
        picture(Image.new("RGB", (1024, 16)), ExportSpec(scale=8))
    with pytest.raises(ExportError, match=f"up to {MAX_CUT}"):
        picture(Image.new("RGB", (MAX_CUT + 1, 8)), ExportSpec(transparent=True))
    with pytest.raises(ExportError, match="megapixels"):
        grid(ExportSpec(kind="sheet", cell=1024, columns=12), MAX_PICTURES)
    with pytest.raises(ExportError, match="do not fit"):
        grid(ExportSpec(kind="sheet", page="a4", columns=1, gap=200), MAX_PICTURES)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"kind": "exe"}, "expected one of png, svg, sheet"),
        ({"scale": "3"}, "expected one of 1, 2, 4, 8"),
        ({"scale": "-2"}, "whole number"),
        ({"columns": "0"}, "from 1 to 12"),
        ({"columns": "9" * 30}, "whole number"),
        ({"transparent": "yes"}, "expected 1 or 0"),
        ({"page": "a0"}, "expected one of fit, a4, letter"),
        ({"path": "/etc"}, "has no setting 'path'"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(texts: dict[str, str], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        read_spec(texts)
    assert read_spec({"kind": "sheet", "columns": "3", "transparent": "1"}) == ExportSpec(
        kind="sheet", columns=3, transparent=True
    )


def test_the_command_line_writes_a_file_and_never_over_one(
    shelf: Shelf, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.cli import main

    image_id, out = shelf.add(disc()), tmp_path / "made" / "disc.svg"
    shelf.history.close()
    asked = ["history", "export-picture", image_id, "--as", "svg", "--data-dir", str(settings.data_dir)]
    assert main([*asked, "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert out.read_bytes().startswith(b"<svg ")
    assert main([*asked, "--out", str(out)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert main([*asked, "--colours", "200"]) == 2


def test_a_flood_fills_what_it_can_reach_and_a_mask_grows_as_a_disc() -> None:
    open_ = np.array([[c == "." for c in row] for row in (".#...", ".#.#.", ".#.#.", "...#.")])
    start = np.zeros_like(open_)
    start[0, 0] = True
    assert np.array_equal(flood(open_, start), open_)
    open_[3, 1] = False
    assert flood(open_, start).sum() == 4
    point = np.zeros((9, 9), bool)
    point[4, 4] = True
    assert grow(point, 2).sum() == 13
    assert grow(point, 2)[4, 2:7].all()
