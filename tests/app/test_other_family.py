"""A model of another family under the whole studio: a tiny DALL·E mini, which has no reranker, styles or Chinese."""

from collections.abc import Iterator

import pytest

from app.settings import load_settings
from app.studio import Studio
from dalle_core.errors import RequestError
from dalle_core.families.convert_dalle_mini import convert_dalle_mini
from tests.app.conftest import painted, request, watched
from tests.app.test_sources import completed, file, picture, tokens_of
from tests.core.published import TINY, write_published


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("published")
    write_published(folder, TINY)
    convert_dalle_mini(folder, folder / "models" / "mini", TINY)
    settings = {"data_dir": folder / "data", "models_dir": folder / "models", "model": "mini", "device": "cpu"}
    studio = Studio(load_settings(settings, {}))
    studio.start()
    yield studio
    studio.close()


def test_it_paints_without_scores(studio: Studio) -> None:
    view = painted(studio, "猫 a red cat", count=3, keep=2, guidance_scale=4.0)
    assert (view.status, len(view.tiles)) == ("done", 3)
    assert [tile.score for tile in view.tiles] == [None] * 3
    assert view.notes == ("The model reads English letters alone. Left out: “猫”",)


def test_it_completes_a_picture_of_ones_own(studio: Studio) -> None:
    source = studio.prepare_source(file(picture()))
    assert (source.rows, source.cols) == (4, 4)
    view = completed(studio, source, 2)
    assert view.status == "done"
    assert all(tokens[:8] == source.tokens[:8] for tokens in tokens_of(studio, view))


def test_a_picture_comes_out_the_same_again(studio: Studio) -> None:
    image_id = painted(studio, count=3, batch_width=2).tiles[2].image_id or ""
    watched(studio, studio.reproduce(image_id))
    again = studio.reproduction(image_id)
    assert again is not None
    assert again.identical


def test_it_cannot_rank(studio: Studio) -> None:
    job_id = studio.submit(request("a red cat"))
    watched(studio, job_id)
    with pytest.raises(RequestError, match="mini has no reranker"):
        studio.rerank(job_id, "a blue cat")
