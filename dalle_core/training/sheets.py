"""Pictures on sheets, to be looked at: what the model paints, and beside it what the graders say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.utils import make_grid

from dalle_core.generate import GenerationRequest
from dalle_core.images import to_pil
from dalle_core.training.bundle import assemble
from dalle_core.training.painting import painted
from dalle_core.training.workshop import Workshop

PROMPTS = (
    "a red apple, noto style",
    "红苹果",
    "rocket, fluent style",
    "一只猫",
    "grinning face, twemoji style",
    "pizza on a blue background",
    "purple heart",
    "christmas tree, fluent style",
    "panda, noto style",
    "汽车，fluent flat 风格",
    "sunflower on a black background",
    "a green dragon",
)


def sheets(workshop: Workshop, out: Path) -> Iterator[Path]:
    """`reconstructions.png` (held-out art above what its tokens make of it), `samples.png` (8 best of 16 a prompt)."""
    out.mkdir(parents=True, exist_ok=True)
    model = assemble(workshop)
    real = workshop.stream("test")
    stream = [*real.held(varied=False), *real.held(varied=True)]
    images = torch.cat([stream[0].images[:16], stream[-1].images[:16]])
    rebuilt = model.tokens_to_images(model.image_to_tokens(images), model.spec.token_count)
    pairs = torch.cat([torch.cat([images[i : i + 16], rebuilt[i : i + 16]]) for i in (0, 16)])
    yield save_grid(pairs, 16, out / "reconstructions.png")
    rows = []
    for number, prompt in enumerate(PROMPTS):
        request = GenerationRequest(prompt, count=16, keep=8, seed=100 * number, batch_width=16)
        rows += list(painted(model, request)[:8])
    yield save_grid(torch.stack(rows), 8, out / "samples.png")
    listing = "\n".join(f"{i}. {prompt}" for i, prompt in enumerate(PROMPTS, start=1))
    (out / "samples.txt").write_text(listing + "\n", encoding="utf-8")
    yield out / "samples.txt"


def save_grid(images: Tensor, columns: int, path: Path) -> Path:
    to_pil(make_grid(images, nrow=columns, padding=4, pad_value=0.93)).save(path, optimize=True)
    return path


# --- judged pictures ---


@dataclass(frozen=True)
class Judged:
    """A picture, what was asked for, what was seen in it, and whether that is right."""

    image: Tensor  # (3, S, S)
    asked: str
    seen: str
    right: bool


SIDE, LINE, LINES, GAP = 128, 13, 5, 8
RIGHT, WRONG, INK = (46, 125, 50), (198, 40, 40), (30, 30, 30)


def judged_sheet(pictures: Sequence[Judged], path: Path, columns: int = 10) -> Path:
    """Each picture in a green frame, or a red one where it was found wrong, above what was asked for and seen."""
    width, height = SIDE + 2 * GAP, SIDE + LINES * LINE + 2 * GAP
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number, judged in enumerate(pictures):
        x, y = number % columns * width + GAP, number // columns * height + GAP
        colour = RIGHT if judged.right else WRONG
        draw.rectangle((x - 3, y - 3, x + SIDE + 2, y + SIDE + 2), outline=colour, width=3)
        sheet.paste(to_pil(judged.image).resize((SIDE, SIDE), Image.Resampling.NEAREST), (x, y))
        asked = wrap(f"{number + 1}. {judged.asked}", 23)[:3]
        for line, (text, ink) in enumerate([*((t, INK) for t in asked), *((t, colour) for t in wrap(judged.seen, 23))]):
            if line < LINES:
                draw.text((x, y + SIDE + 4 + line * LINE), text, fill=ink, font=font)
    sheet.save(path, optimize=True)
    return path
