"""The bundled model, painted with in a real browser from start to finish: what comes out is what was asked for."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

from app.models import DEFAULT_MODEL
from app.recipes import read_recipe
from app.settings import Settings
from app.studio import Studio
from dalle_core.families.bundled import load_bundled
from dalle_core.images import from_pil
from dalle_core.training.palette import dominant_hue, hue_name
from tests.browser.conftest import Visit

pytestmark = pytest.mark.browser
MODEL = Settings.models_dir / DEFAULT_MODEL
OTHERS = ("christmas tree", "blue whale", "pizza", "grinning face", "bicycle", "rocket")


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """With the bundled model; what serves it closes it."""
    made = Studio(Settings(data_dir=tmp_path, open_browser=False))
    made.start()
    return made


@pytest.fixture
def visitor(studio: Studio, serve_studio: Callable[[Studio], str], visit: Callable[[str], Visit]) -> Visit:
    """At the studio, which is open."""
    visitor = visit(serve_studio(studio))
    visitor.open()
    return visitor


def test_a_red_apple_is_painted_ranked_and_kept(studio: Studio, visitor: Visit) -> None:
    page = visitor.page
    page.locator("#seed input, #seed textarea").first.fill("7")
    visitor.paint("red apple, noto", count=4)
    expect(page.locator(".run")).to_have_attribute("data-status", "done", timeout=120_000)
    best = page.locator(".grid.best .tile").first
    expect(best).to_contain_text("Match")

    [kept, *_] = studio.images(limit=1, query="apple")
    top = min(studio.images(limit=4), key=lambda image: image.rank or 99)
    png = page.request.get(f"{visitor.url}media/{top.id}.png").body()
    assert kept.prompt == "red apple, noto"
    assert read_recipe(png).seed == top.seed
    picture = Image.open(io.BytesIO(png))
    hue = dominant_hue(np.asarray(_cut_out(picture)))
    assert hue is not None
    assert hue_name(hue) == "red"

    reranker = load_bundled(MODEL, torch.device("cpu")).reranker
    image = from_pil(picture, picture.width).unsqueeze(0)
    asked = float(reranker.score(image, "red apple, noto"))
    assert all(asked > float(reranker.score(image, other)) for other in OTHERS)
    assert visitor.errors == []
    assert visitor.strays == []


def test_what_it_never_learned_is_told_while_typing(visitor: Visit) -> None:
    page = visitor.page
    prompt, told = page.locator("#prompt textarea"), page.locator(".unlearned")
    prompt.fill("a corgi and a bycicle, noto")
    expect(told.locator("b")).to_have_text(["corgi", "bycicle"])
    page.get_by_role("button", name="dog instead of corgi").click()
    page.get_by_role("button", name="bicycle instead of bycicle").click()
    expect(prompt).to_have_value("a dog and a bicycle, noto")
    expect(told).to_be_hidden()
    prompt.fill("A ham, a hamburger and a Ham")  # its article goes along, and no part of another word does
    page.get_by_role("button", name="bacon instead of ham").click()
    expect(prompt).to_have_value("A bacon, a hamburger and a bacon")
    prompt.fill("an emu")
    page.get_by_role("button", name="flamingo instead of emu").click()
    expect(prompt).to_have_value("a flamingo")
    prompt.fill("一只榴莲")
    page.get_by_role("button", name="菠萝 instead of 榴莲").click()
    expect(prompt).to_have_value("一只菠萝")
    prompt.fill("{a cat|a crimson cat}")  # the second variation's
    page.get_by_role("button", name="red instead of crimson").click()
    expect(prompt).to_have_value("{a cat|a red cat}")
    prompt.fill("a cat, a dog, a bird, a fish and a cow")
    listed = "Of different things the model paints four at most. This is read as: “a cat, a dog, a bird, a fish”"
    expect(told).to_have_text(listed)
    prompt.fill("a cat on a car")
    placed = "The model sets things beside or above one another. This is read as: “a cat above a car”"
    expect(told).to_have_text(placed)
    prompt.fill("a zorgon")
    expect(told).to_have_text("The model has not learned: zorgon")
    visitor.paint("a zorgon", count=1)
    expect(page.locator(".run .notes")).to_have_text("Words that the model has not learned: “zorgon”")
    assert visitor.errors == []


def test_its_names_are_searched_and_put_into_the_prompt(visitor: Visit) -> None:
    page = visitor.page
    opener, names = page.get_by_role("button", name="What it knows"), page.locator(".name-list")
    expect(names).to_be_hidden()
    opener.click()
    expect(names.locator(".chip")).to_have_count(60)
    expect(names).to_contain_text("1,187 things it can paint")
    names.get_by_role("button", name="More").click()
    expect(names.locator(".chip")).to_have_count(120)
    search = names.get_by_role("searchbox")
    search.fill("bike")
    expect(names.locator(".chip")).to_have_text(["bicycle", "motorcycle"])
    page.locator("#prompt textarea").fill("a red ")
    names.get_by_role("button", name="bicycle").click()
    expect(page.locator("#prompt textarea")).to_have_value("a red bicycle")
    page.locator("#prompt textarea").fill("a  house")
    page.locator("#prompt textarea").evaluate("box => box.setSelectionRange(2, 2)")
    names.get_by_role("button", name="bicycle").click()
    names.get_by_role("button", name="motorcycle").click()
    expect(page.locator("#prompt textarea")).to_have_value("a bicycle motorcycle house")
    search.fill("zorgon")
    expect(names).to_contain_text("Nothing by that name.")
    search.press("Escape")
    expect(names).to_be_hidden()
    expect(opener).to_be_focused()
    assert visitor.errors == []


def _cut_out(picture: Image.Image) -> Image.Image:
    """White becomes transparent: what is left is the object."""
    pixels = np.asarray(picture.convert("RGBA")).copy()
    pixels[..., 3] = np.where(pixels[..., :3].min(axis=-1) > 225, 0, 255)
    return Image.fromarray(pixels)
