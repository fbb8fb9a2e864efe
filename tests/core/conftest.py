"""A whole training project at `test` scale: forty drawn pictures, every stage, one bundled model. Made once."""

import csv
from itertools import product
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from dalle_core.training.__main__ import main
from dalle_core.training.presets import preset
from dalle_core.training.workshop import Workshop

COLOURS = ("red", "green", "blue", "orange", "purple")
SHAPES = ("disc", "box", "bar", "ring")


def draw_pictures(folder: Path) -> Path:
    """Twenty coloured shapes in PNG and the CSV that captions them."""
    folder.mkdir(parents=True)
    lines = []
    for colour, shape in product(COLOURS, SHAPES):
        picture = Image.new("RGBA", (40, 40))
        draw = ImageDraw.Draw(picture)
        if shape in ("disc", "ring"):
            draw.ellipse((4, 4, 36, 36), fill=colour if shape == "disc" else None, outline=colour, width=6)
        else:
            draw.rectangle((6, 6, 34, 34) if shape == "box" else (4, 15, 36, 25), fill=colour)
        picture.save(folder / f"{colour}-{shape}.png")
        lines.append((f"{colour}-{shape}.png", f"{colour} {shape}", "红苹果"))
    captions = folder.parent / "captions.csv"
    with captions.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([("file", "caption", "caption_zh"), *lines])
    return captions


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with art/, runs/ and models/, each made by its own command."""
    root = tmp_path_factory.mktemp("project")
    captions = draw_pictures(root / "pictures")
    common = ["--preset", "test", "--art", str(root / "art"), "--runs", str(root / "runs"), "--device", "cpu"]
    own = ["--folder", str(root / "pictures"), "--captions", str(captions)]
    assert main(["art", *common, *own]) == 0
    for stage in ("text", "dvae", "clip", "decoder", "transformer", "judge", "grader"):
        assert main([stage, *common]) == 0
    assert main(["evaluate", *common, "--prompts", "4", "--pictures", "2", "--candidates", "2"]) == 0
    shown = ["reconstructions", "samples", "completions", "variations", "styles"]
    assert main(["sheet", *common, "--out", str(root / "sheets"), "--only", *shown]) == 0
    assert main(["bundle", *common, "--out", str(root / "models")]) == 0
    return root


@pytest.fixture(scope="session")
def workshop(project: Path) -> Workshop:
    return Workshop(preset("test"), project / "art", project / "runs", torch.device("cpu"))


@pytest.fixture(scope="session")
def model_folder(project: Path) -> Path:
    return project / "models" / "my-test"
