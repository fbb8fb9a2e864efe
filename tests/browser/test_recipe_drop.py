"""A PNG of ours gives its settings back; one that is none, or was forged, says why not."""

import base64
import http.client
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from app.recipes import Recipe, to_json, to_png
from app.studio import Studio
from app.ui.recipe_drop import HEAD_BYTES
from dalle_core.request import GenerationRequest
from tests.app.test_recipes import png
from tests.browser.conftest import Served, Visit, wait_until_final
from tests.fakes import SPEC, fake_studio

pytestmark = pytest.mark.browser

REQUEST = GenerationRequest('红苹果 <b>"x"</b>', "leaf", count=6, keep=3, seed=40, temperature=0.5, guidance_scale=3)
RECIPE = Recipe(REQUEST, 2, 42, "fake", SPEC.sha256, (1, 2, 3, 4))
PICTURE = to_png(Image.new("RGB", (64, 64), "teal"), RECIPE)

DROP = """([target, data]) => {
    const file = new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], 'picture.png', { type: 'image/png' });
    const files = new DataTransfer();
    files.items.add(file);
    for (const type of ['dragover', 'drop']) {
        const event = new DragEvent(type, { dataTransfer: files, bubbles: true, cancelable: true });
        document.querySelector(target).dispatchEvent(event);
    }
}"""


def drop(page: Page, target: str, data: bytes) -> None:
    page.evaluate(DROP, [target, base64.b64encode(data).decode()])


def test_a_dropped_picture_gives_its_settings_its_prompt_or_its_seed(
    served: Served, visit: Callable[[str], Visit], tmp_path: Path
) -> None:
    visitor = visit(served.url)
    page = visitor.open()
    prompt, seed, count = (
        page.locator(each) for each in ("#prompt textarea", "#seed textarea, #seed input", "#count input")
    )
    offer = page.get_by_role("dialog")

    drop(page, "#prompt", PICTURE)
    expect(offer.get_by_role("heading")).to_have_text(REQUEST.prompt)
    expect(offer).to_contain_text("Seed 42 · 6 candidates · temperature 0.5 · guidance 3 · without leaf")
    offer.get_by_role("button", name="Only the seed").click()
    expect(seed).to_have_value("42")
    expect(prompt).to_have_value("")

    drop(page, "#prompt", PICTURE)
    offer.get_by_role("button", name="Only the prompt").click()
    expect(page.get_by_role("tab", name="Create")).to_have_attribute("aria-selected", "true")
    expect(prompt).to_have_value(REQUEST.prompt)
    expect(count).to_have_value("9")

    (tmp_path / "picture.png").write_bytes(PICTURE)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Settings from a picture").click()
    chooser.value.set_files(tmp_path / "picture.png")
    offer.get_by_role("button", name="All settings").click()
    expect(count).to_have_value("6")
    expect(page.locator("#keep input")).to_have_value("3")

    drop(page, "#prompt", b"<svg></svg>")
    expect(offer).to_contain_text("not a PNG")
    expect(offer.get_by_role("button")).to_have_text(["Close"])
    offer.get_by_role("button").click()
    drop(page, ".studio-header", PICTURE)
    expect(offer).to_be_hidden()
    assert visitor.errors == [
        "Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)"
    ]


def test_a_dropped_completion_brings_its_kept_rows_along(served: Served, visit: Callable[[str], Visit]) -> None:
    studio, top = served.studio, tuple(range(16))
    first = studio.submit(GenerationRequest("half a boat", count=2, keep=2, seed=5, prefix_tokens=top))
    wait_until_final(studio, first)
    painted = {tile.seed: studio.history.image(tile.image_id or "").tokens for tile in studio.job(first).tiles}
    chosen = next(tile.image_id or "" for tile in studio.job(first).tiles if tile.seed == 5)
    visitor = visit(served.url)
    page = visitor.open()
    drop(page, "#prompt", studio.image_path(chosen).read_bytes())
    offer = page.get_by_role("dialog")
    expect(offer).to_contain_text("All settings bring that top along.")
    offer.get_by_role("button", name="All settings").click()
    expect(page.locator(".restored")).to_contain_text("the given top of the picture")
    page.locator("#paint").click()
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    expect(page.locator(".run-settings")).to_contain_text("top 2 rows kept")
    again = studio.images(limit=2)
    assert {image.job_id for image in again}.isdisjoint({first})
    assert {image.seed: studio.history.image(image.id).tokens for image in again} == painted
    assert visitor.errors == []


def ask(served: Served, data: bytes) -> tuple[int, dict[str, str]]:
    answer = httpx.post(f"{served.url}media/recipe", content=data)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a PNG"),
        (png(None), "no Dalle Studio recipe"),
        (png("{"), "not valid JSON"),
        (png(json.dumps(json.loads(to_json(RECIPE)) | {"tokens": [-1]})), "tokens reach from -1"),
        (png(json.dumps(json.loads(to_json(RECIPE)) | {"app": "\ud800"})), "app is"),
        (png(json.dumps(json.loads(to_json(RECIPE)) | {"model": {"name": "x" * 201, "sha256": ""}})), "model name is"),
        (png("x" * HEAD_BYTES), "At most the first"),
    ],
)
def test_forged_and_oversized_recipes_are_refused_in_words(served: Served, data: bytes, words: str) -> None:
    status, answer = ask(served, data)
    assert status == 422
    assert words in answer["error"]


def test_what_will_differ_is_told(served: Served) -> None:
    other = Recipe(GenerationRequest("fox", prefix_tokens=(1,)), 0, 0, "another", "ab", (1,))
    status, answer = ask(served, to_png(Image.new("RGB", (8, 8)), other))
    assert status == 200
    assert "another" in answer["notes"][0]
    assert "top of this picture" in answer["notes"][1]
    assert answer["model"] == "ab"


def test_an_endless_body_is_read_no_further_than_allowed(served: Served) -> None:
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=10)
    connection.putrequest("POST", "/media/recipe")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    block = bytes(2**18)
    for _ in range(HEAD_BYTES // len(block) + 1):
        connection.send(f"{len(block):x}\r\n".encode() + block + b"\r\n")
    response = connection.getresponse()
    assert (response.status, b"At most" in response.read()) == (422, True)
    connection.close()


def test_recipes_ask_for_the_same_sign_in(tmp_path: Path, serve_studio: Callable[[Studio], str]) -> None:
    url = serve_studio(fake_studio(tmp_path, open_browser=False, auth=("ada", "lovelace")))
    assert httpx.post(f"{url}media/recipe", content=PICTURE).status_code == 401
