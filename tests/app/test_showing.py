"""Pictures as they are looked at: small painted ones several times as large, all others as they are."""

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from app.showing import Showing
from app.studio import Studio
from tests.app.conftest import painted
from tests.app.histories import paint


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.float32)


def test_a_small_painted_picture_is_shown_larger_and_its_file_stays_as_it_is(studio: Studio) -> None:
    image_id = studio.images(limit=1)[0].id if painted(studio) else ""
    file = studio.image_path(image_id)
    before = file.read_bytes()
    assert studio.image(image_id).enlarged
    assert studio.showing.ready(image_id) is None
    made = studio.showing.make(image_id)
    assert studio.showing.ready(image_id) == made == studio.history.thumbnail_path(image_id)
    assert pixels(made).shape == (512, 512, 3)
    assert file.read_bytes() == before
    again = made.stat().st_mtime_ns
    assert studio.showing.make(image_id).stat().st_mtime_ns == again


def test_edges_are_clean_where_a_browser_leaves_them_soft(studio: Studio) -> None:
    """Of a disc: how many pixels are neither its colour nor the ground's."""
    history = studio.history
    rows, columns = np.mgrid[:512, :512]
    large = np.where(((rows - 256) ** 2 + (columns - 256) ** 2 < 150**2)[..., None], (200, 30, 30), 255)
    image = Image.fromarray(large.astype(np.uint8)).resize((128, 128), Image.Resampling.LANCZOS)
    (image_id,) = paint(history, "a disc", image=image)

    def soft(shown: np.ndarray) -> float:
        return float(((shown[..., 1] > 50) & (shown[..., 1] < 235)).mean())

    stretched = np.asarray(image.resize((512, 512), Image.Resampling.BILINEAR), np.float32)
    shown = pixels(studio.showing.make(image_id))
    assert soft(shown) < 0.5 * soft(stretched)
    assert np.abs(shown - large).mean() < np.abs(stretched - large).mean()


@pytest.mark.parametrize(("side", "shown"), [(8, 64), (64, 512), (128, 512), (129, 129), (300, 256)])
def test_what_is_not_small_stays_and_the_rest_is_made_once(studio: Studio, side: int, shown: int) -> None:
    (image_id,) = paint(studio.history, "a sea", image=Image.new("RGB", (side, side), "teal"))
    with Image.open(studio.showing.make(image_id)) as image:
        assert image.size == (shown, shown)
    assert studio.showing.is_enlarged(image_id) == (side <= 128)
    assert studio.showing.ready(image_id) is not None


def test_a_picture_from_elsewhere_may_be_pixel_art(studio: Studio, tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), "red").save(tmp_path / "art.png")
    (image_id,) = studio.gallery.import_path(tmp_path / "art.png").ids
    assert not studio.showing.is_enlarged(image_id)
    assert pixels(studio.showing.make(image_id)).shape == (16, 16, 3)


def test_one_in_the_trash_is_shown_too(studio: Studio) -> None:
    (image_id,) = paint(studio.history, "a sea")
    studio.gallery.trash([image_id])
    assert studio.showing.make(image_id).is_file()


def test_a_full_disk_or_a_damaged_file_leaves_what_there_is(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = paint(studio.history, "a sea", count=2)
    before = pixels(studio.history.thumbnail_path(first))
    with monkeypatch.context() as full:
        full.setattr("app.showing.write_webp", Mock(side_effect=OSError(errno.ENOSPC, "full")))
        assert np.array_equal(pixels(studio.showing.make(first)), before)
    assert studio.showing.ready(first) is None
    file = studio.image_path(second)
    file.write_bytes(file.read_bytes()[:-40])
    assert studio.showing.make(second).is_file()
    studio.history.thumbnail_path(first).write_bytes(b"RIFF")
    assert pixels(studio.showing.make(first)).shape[0] > before.shape[0]


def test_many_may_ask_at_once(studio: Studio) -> None:
    ids = paint(studio.history, "a sea", count=3) * 4
    with ThreadPoolExecutor(8) as asking:
        made = list(asking.map(studio.showing.make, ids))
    assert {pixels(path).shape for path in made} == {pixels(made[0]).shape}
    assert not [file for file in made[0].parent.iterdir() if file.suffix != ".webp"]


def test_what_has_no_file_is_shown_as_its_siblings_are(tmp_path: Path) -> None:
    for side, shown in ((64, 512), (200, 200)):
        Image.new("RGB", (side, side), "navy").save(tmp_path / "picture.png")
        (tmp_path / "shown.png").write_bytes(Showing.enlarged((tmp_path / "picture.png").read_bytes()))
        assert pixels(tmp_path / "shown.png").shape == (shown, shown, 3)
