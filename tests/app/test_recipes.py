import contextlib
import io
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app import recipes
from app.errors import RecipeError
from app.recipes import Recipe, read_recipe, request_from_json, request_to_json, to_png
from dalle_core.errors import RequestError
from dalle_core.request import GenerationRequest

REQUEST = GenerationRequest(
    '红苹果\nwith a "leaf"',
    "背景",
    count=8,
    seed=40,
    prefix_tokens=(1, 2),
    rerank_text="apple",
    guidance_scale=3,
)
RECIPE = Recipe(REQUEST, 3, 43, "emblem-64", "ab" * 32, (5, 6, 7), ("01PARENT",), "0.1.0")


def png(text: str | None, key: str = recipes.CHUNK) -> bytes:
    chunks = PngInfo()
    if text is not None:
        chunks.add_itxt(key, text)
    path = io.BytesIO()
    Image.new("RGB", (4, 4)).save(path, "PNG", pnginfo=chunks)
    return path.getvalue()


def changed(**values: Any) -> str:
    return json.dumps({**json.loads(recipes.to_json(RECIPE)), **values})


def test_a_recipe_comes_back_from_its_png(tmp_path: Path) -> None:
    data = to_png(Image.new("RGB", (64, 64)), RECIPE)
    (tmp_path / "picture.png").write_bytes(data)
    assert read_recipe(data) == read_recipe(tmp_path / "picture.png") == RECIPE


def test_one_picture_of_a_recipe_is_a_request_of_its_own() -> None:
    assert (RECIPE.single.seed, RECIPE.single.count, RECIPE.single.keep) == (43, 1, 1)
    assert RECIPE.single.batch_width == REQUEST.batch_width


def test_other_tools_find_their_parameters(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(to_png(Image.new("RGB", (64, 48)), RECIPE))
    with Image.open(path) as image:
        prompt, negative, settings = image.info["parameters"].split("\n")
    assert prompt == '红苹果 with a "leaf"'
    assert negative == "Negative prompt: 背景"
    assert settings.startswith(
        "Steps: 3, Sampler: Autoregressive, CFG scale: 3, Seed: 43, Size: 64x48, Model hash: ababababab"
    )


def test_a_variation_s_recipe_holds_what_it_varies_and_an_older_one_varies_nothing() -> None:
    request = GenerationRequest("", count=2, keep=1, source_tokens=(5, 6, 7), strength=0.3)
    recipe = Recipe(request, 1, 1, "emblem-64", "ab" * 32, (5, 6, 8))
    assert read_recipe(to_png(Image.new("RGB", (4, 4)), recipe)) == recipe
    assert (recipe.single.source_tokens, recipe.single.strength) == ((5, 6, 7), 0.3)
    assert "Denoising strength: 0.3" in recipes.parameters(recipe, 4, 4)
    later = {"source_tokens", "strength", "strength_version"}
    older = {name: value for name, value in asdict(REQUEST).items() if name not in later}
    assert request_from_json(json.dumps(older)) == REQUEST


def test_a_variation_s_recipe_that_does_not_say_what_strength_means_is_of_the_first_version() -> None:
    request = GenerationRequest("x", source_tokens=(5, 6, 7), strength=0.3)
    values = asdict(request)
    assert request_from_json(json.dumps(values)) == request
    del values["strength_version"]
    assert request_from_json(json.dumps(values)) == replace(request, strength_version=1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a PNG"),
        (b"<svg></svg>", "not a PNG"),
        (png(None), "no Dalle Studio recipe"),
        (png("a prompt", "parameters"), "no Dalle Studio recipe"),
        (png("{"), "not valid JSON"),
        (png("[" * 100_000), "not valid JSON"),
        (png("[]"), "recipe is list"),
        (png("{}"), "version"),
        (png(changed(version=2)), "newer Dalle Studio"),
        (png(changed(version=True)), "version"),
        (png(changed(model=None)), "model"),
        (png(changed(tokens="1,2")), "tokens"),
        (png(changed(tokens=[1.5])), "tokens"),
        (png(changed(parents=[1])), "parents"),
        (png(changed(candidate={"index": 0, "seed": 43})), "none of the recipe's request"),
        (png(changed(candidate={"index": -1, "seed": 43})), "none of the recipe's request"),
        (png(changed(request={"prompt": ""})), "prompt is empty"),
        (png(changed(request={"count": 3})), "no prompt"),
        (png(changed(request={"prompt": "x", "count": "3"})), "count"),
        (png(changed(request={"prompt": "x", "cuont": 3})), "cuont"),
        (png(changed(request={"prompt": "x", "count": 10**9})), "count"),
        (png('{"version": 1, "request": {"prompt": "x", "temperature": NaN}}'), "not valid JSON"),
        (png(changed())[:60], "not a PNG|damaged"),
    ],
)
def test_what_is_no_recipe_of_ours_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        read_recipe(data)


def test_every_cut_and_every_flipped_byte_is_read_or_refused() -> None:
    data = to_png(Image.new("RGB", (4, 4)), RECIPE)
    for position in range(0, len(data), 7):
        for broken in (data[:position], data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]):
            with contextlib.suppress(RecipeError):
                assert read_recipe(broken).tokens


def test_a_missing_file_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(tmp_path / "none.png")


def test_requests_survive_json() -> None:
    assert request_from_json(request_to_json(REQUEST)) == REQUEST
    assert request_from_json('{"prompt": "x"}') == GenerationRequest("x")
    assert request_from_json(json.dumps({**asdict(REQUEST), "temperature": 1})).temperature == 1
    with pytest.raises(RequestError):
        request_from_json('{"prompt": "x", "count": 0}')


@pytest.mark.parametrize("prompt", ["", "   ", "x" * 2001, "\ud800", "a\0b"])
def test_prompts_that_are_not_text_are_refused(prompt: str) -> None:
    with pytest.raises(RequestError):
        GenerationRequest(prompt)
