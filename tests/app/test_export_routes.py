"""The route that serves exports: what is looked at, what is offered as a file, and to whom."""

import httpx

from app.exports import MAX_PICTURES
from tests.app.conftest import OpenPage, painted


def test_an_export_is_looked_at_or_saved_under_a_telling_name(page: OpenPage) -> None:
    image_id = painted(page.studio, "红苹果 <b>").tiles[0].image_id
    address = f"{page.url}media/export?ids={image_id}&kind=png&scale=2&recipe=0"
    shown, saved = httpx.get(address), httpx.get(f"{address}&save=1")
    assert shown.headers["content-type"] == "image/png"
    assert "content-disposition" not in shown.headers
    assert saved.content == shown.content
    assert saved.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%E7%BA%A2")
    assert saved.headers["cache-control"] == "no-store"


def test_an_svg_is_only_ever_offered_as_a_file_and_runs_nothing(page: OpenPage) -> None:
    image_id = painted(page.studio).tiles[0].image_id
    answer = httpx.get(f"{page.url}media/export?ids={image_id}&kind=svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_makes_no_sense_is_answered_in_words(page: OpenPage) -> None:
    image_id = painted(page.studio).tiles[0].image_id
    many = ",".join([f"{'0' * 24}{number:02}" for number in range(MAX_PICTURES + 1)])
    for query, words in (
        ("", "Choose the pictures"),
        ("ids=../../etc/passwd", "Choose the pictures"),
        (f"ids={image_id}&kind=exe", "expected one of png, svg, sheet"),
        (f"ids={image_id}&path=x", "has no setting"),
        (f"ids={many}", f"expected 1 to {MAX_PICTURES}"),
        (f"ids={'0' * 26}", "This picture is not here any more"),
    ):
        answer = httpx.get(f"{page.url}media/export?{query}")
        assert answer.status_code == 422
        assert words in answer.json()["error"]


def test_nobody_exports_without_signing_in(locked_page: OpenPage) -> None:
    image_id = painted(locked_page.studio).tiles[0].image_id
    assert httpx.get(f"{locked_page.url}media/export?ids={image_id}").status_code == 401
