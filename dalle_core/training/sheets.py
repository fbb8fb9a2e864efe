"""Pictures on sheets, to be looked at: what the model paints, and beside it what the graders say."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.utils import make_grid

from dalle_core.errors import TrainingError
from dalle_core.families.bundled import BundledModel
from dalle_core.fonts import font_for
from dalle_core.generate import GenerationRequest
from dalle_core.images import to_pil
from dalle_core.training.bundle import assemble
from dalle_core.training.continuations import Original, originals
from dalle_core.training.painting import painted
from dalle_core.training.workshop import Workshop

SAMPLES = (
    "a red apple, noto style",
    "红苹果",
    "rocket, fluent style",
    "一只猫",
    "grinning face, twemoji style",
    "pizza on a blue background",
    "purple heart",
    "a sun, a cloud and a rainbow",
    "panda, noto style",
    "汽车，fluent flat 风格",
    "sunflower on a black background",
    "a green dragon",
)
PROMPTS = (
    "a fox, fluent style", "a strawberry", "house, noto style", "grinning face with sunglasses",
    "tiger face, twemoji style", "a burger, fluent flat style", "mushroom, noto style", "a tulip, fluent style",
    "penguin, blob style", "cactus, streamline style", "doughnut, emojione style", "crown, firefox style",
    "a puppy", "an automobile", "a happy cat face on a blue background", "a bike, noto style",
    "熊猫", "一只狐狸，fluent 风格", "红色的汽车", "草莓，noto 风格", "小小的火箭，夜空中", "黄色背景上的鲸鱼",
    "紫色爱心", "两只猫",
    "a purple banana", "a blue apple", "a pink elephant", "green heart on a black background",
    "whale on the sea", "a snowman in the snow", "rocket in the night sky", "a horse on the grass",
    "key on a yellow background", "guitar on a purple to pink gradient", "a tiny bee on light blue",
    "a small red mushroom on the grass", "two apples", "three strawberries", "four yellow stars", "three tiny rockets",
    "two hearts, twemoji style", "a cat, a dog and a bird", "many stars in the night sky", "cats and dogs",
    "a cat and a dog", "an apple and a banana", "a sun above a house", "a tree to the left of a house",
    "a star above a moon", "a red apple and a green pear", "a cactus beside a guitar", "a rocket above a moon",
    "an orange fish on the sea", "a robot, streamline style", "two penguins and a snowman in the snow",
    "a red apple, a yellow banana and a green pear",
    "cupcake, noto style", "ice cream, twemoji style", "airplane, fluent style", "sailboat on the sea",
    "butterfly, fluent flat style", "a crocodile, noto style", "夜空中的月亮、星星和火箭",
    "a lion, an elephant, a zebra and a monkey",
)  # fmt: skip
CONCEPTS = ("cat face", "red apple", "mushroom", "house", "grinning face", "tulip", "penguin", "rocket")
SEED = 100


@dataclass(frozen=True)
class Strip:
    """Some pictures (3, S, S) side by side under one label, each with a word of its own below it, or none."""

    label: str
    images: Sequence[Tensor]
    words: Sequence[str] = ()


def sheets(workshop: Workshop, out: Path, only: Sequence[str] = ()) -> Iterator[Path]:
    """Write the sheets, or `only` some of them, as `out`/<name>.webp; their names and what is on them: see SHEETS."""
    if unknown := [name for name in only if name not in SHEETS]:
        raise TrainingError(f"no sheet {unknown[0]!r}; expected some of {', '.join(SHEETS)}")
    out.mkdir(parents=True, exist_ok=True)
    model = assemble(workshop)
    for name in only or SHEETS:
        yield SHEETS[name](workshop, model, out / f"{name}.webp")


def reconstructions(workshop: Workshop, model: BundledModel, path: Path) -> Path:
    """Held-out art above what its tokens make of it."""
    real = workshop.stream("test")
    stream = [*real.held(varied=False), *real.held(varied=True)]
    images = torch.cat([stream[0].images[:16], stream[-1].images[:16]]).cpu()
    rebuilt = model.tokens_to_images(model.image_to_tokens(images), model.spec.token_count)
    return save_grid(torch.cat([torch.cat([images[i : i + 16], rebuilt[i : i + 16]]) for i in (0, 16)]), 16, path)


def samples(_: Workshop, model: BundledModel, path: Path) -> Path:
    """Twelve prompts, the best eight of sixteen each."""
    return save_strips([_best(model, prompt, number, 8) for number, prompt in enumerate(SAMPLES)], 1, path)


def prompts(_: Workshop, model: BundledModel, path: Path) -> Path:
    """Sixty-four prompts, the best four of sixteen each."""
    return save_strips([_best(model, prompt, number, 4) for number, prompt in enumerate(PROMPTS)], 4, path)


def _best(model: BundledModel, prompt: str, number: int, keep: int) -> Strip:
    request = GenerationRequest(prompt, count=16, keep=keep, seed=SEED * number, batch_width=16)
    return Strip(prompt, list(painted(model, request)[:keep]))


def completions(workshop: Workshop, model: BundledModel, path: Path) -> Path:
    """Held-out pictures, the upper half that the model is given, and the best three of sixteen completions."""
    half = model.spec.rows // 2 * model.spec.cols

    def strip(number: int, original: Original) -> Strip:
        given = model.tokens_to_images(torch.tensor([original.tokens]), half)[0]
        request = GenerationRequest(original.text, count=16, keep=3, seed=SEED * number, batch_width=16,
                                    prefix_tokens=original.tokens[:half])  # fmt: skip
        return Strip(original.text, [original.image, given, *painted(model, request)[:3]],
                     ("held out", "given", "painted", "painted", "painted"))  # fmt: skip

    return save_strips([strip(*each) for each in enumerate(_shown(workshop, model))], 3, path)


def variations(workshop: Workshop, model: BundledModel, path: Path) -> Path:
    """What the tokens of held-out pictures make of them, and two variations each at two strengths."""

    def strip(number: int, original: Original) -> Strip:
        varied = [
            image
            for strength in (0.3, 0.8)
            for image in painted(model, GenerationRequest(
                original.text, count=2, keep=2, seed=SEED * number, batch_width=2, strength=strength,
                source_tokens=original.tokens))
        ]  # fmt: skip
        return Strip(original.text, [original.rebuilt, *varied], ("tokens", "0.3", "0.3", "0.8", "0.8"))

    return save_strips([strip(*each) for each in enumerate(_shown(workshop, model))], 3, path)


def _shown(workshop: Workshop, model: BundledModel) -> list[Original]:
    return originals(workshop.art, model, 16)


def styles(_: Workshop, model: BundledModel, path: Path) -> Path:
    """Eight concepts in every style that the model knows, the best of eight each."""

    def best(concept: str, style: str, seed: int) -> Tensor:
        prompt = f"{concept}, {style} style" if style else concept
        request = GenerationRequest(prompt, count=8, keep=1, seed=seed, batch_width=8)
        return painted(model, request)[0]

    words = model.spec.styles or ("",)
    strips = [
        Strip(concept, [best(concept, style, SEED * number) for style in words], words)
        for number, concept in enumerate(CONCEPTS)
    ]
    return save_strips(strips, 1, path)


SHEETS: dict[str, Callable[[Workshop, BundledModel, Path], Path]] = {
    "reconstructions": reconstructions,
    "samples": samples,
    "prompts": prompts,
    "completions": completions,
    "variations": variations,
    "styles": styles,
}


# --- drawing ---

SIDE, LINE, LINES, GAP = 128, 13, 5, 8
RIGHT, WRONG, INK, SOFT, PAPER = (46, 125, 50), (198, 40, 40), (30, 30, 30), (110, 110, 110), (250, 250, 250)
EDGE = (224, 224, 224)


def save_grid(images: Tensor, columns: int, path: Path) -> Path:
    to_pil(make_grid(images, nrow=columns, padding=4, pad_value=0.93)).save(path, optimize=True, quality=90)
    return path


def save_strips(strips: Sequence[Strip], columns: int, path: Path) -> Path:
    """The strips in so many columns, read row by row. Pictures keep their pixels."""
    side, worded = strips[0].images[0].shape[-1], any(strip.words for strip in strips)
    wide = max(len(strip.images) for strip in strips) * (side + 4) + 2 * GAP
    high = side + GAP + 22 + (LINE + 4) * worded
    sheet = Image.new("RGB", (columns * wide, -(-len(strips) // columns) * high + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, strip in enumerate(strips):
        x, y = number % columns * wide + GAP, number // columns * high + GAP
        _write(draw, (x, y), strip.label, 14, INK)
        for place, image in enumerate(strip.images):
            left, top = x + place * (side + 4), y + 22
            sheet.paste(to_pil(image), (left, top))
            draw.rectangle((left - 1, top - 1, left + side, top + side), outline=EDGE)
            if strip.words:
                _write(draw, (left, top + side + 2), strip.words[place], 11, SOFT)
    sheet.save(path, quality=88, method=6)
    return path


def _write(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, ink: tuple[int, int, int]) -> None:
    """What no font here can draw is left out: a sheet with pictures alone is still one."""
    if font := font_for(text, size):
        draw.text(at, text, fill=ink, font=font)


# --- judged pictures ---


@dataclass(frozen=True)
class Judged:
    """A picture, what was asked for, what was seen in it, and whether that is right."""

    image: Tensor  # (3, S, S)
    asked: str
    seen: str
    right: bool


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
