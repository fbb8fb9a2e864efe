"""A branch of a picture's family that is painted again."""

from dataclasses import replace

import pytest

from app.errors import NotFound
from app.history import Edge
from app.studio import Studio
from app.views import VARIATION
from tests.app.conftest import watched
from tests.app.test_sources import first_picture
from tests.app.test_variations import varied


def test_a_branch_grows_again_from_the_same_parent_with_another_seed(studio: Studio) -> None:
    parent = first_picture(studio)
    first = varied(studio, studio.prepare_source(image_id=parent), 0.3)
    child = first.tiles[0].image_id
    assert child is not None
    again = watched(studio, studio.branch(child))[-1]
    assert (again.kind, again.source_id, again.status) == (VARIATION, parent, "done")
    assert again.request.seed != first.request.seed
    assert replace(again.request, seed=first.request.seed) == first.request
    sibling = again.tiles[0].image_id
    assert sibling is not None
    assert studio.history.edges(sibling) == [Edge(parent, VARIATION)]
    with pytest.raises(NotFound):
        studio.branch("01" + "A" * 24)
