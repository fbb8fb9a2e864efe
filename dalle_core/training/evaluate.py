"""How good the trained model is: figures on held-out art and painted prompts, and contact sheets to look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.utils import make_grid
from tqdm import tqdm

from dalle_core.checkpoints import write_json
from dalle_core.families.bundled import BundledModel
from dalle_core.generate import Finished, GenerationRequest, generate
from dalle_core.images import to_pil
from dalle_core.training.art import ArtSet, Picture
from dalle_core.training.bundle import assemble
from dalle_core.training.judge import Judge
from dalle_core.training.objectives import DVAEObjective, JudgeObjective, TransformerObjective
from dalle_core.training.palette import BACKGROUNDS, nearest_background
from dalle_core.training.workshop import Workshop

SHEET_PROMPTS = (
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


@dataclass(frozen=True)
class GradedPrompt:
    """A prompt and what a picture of it must show."""

    text: str
    concept: str
    ground: int
    chinese: bool
    heldout: bool


def graded_prompts(art: ArtSet, count: int, seed: int = 23) -> list[GradedPrompt]:
    """Up to half of them held out from training; a third in Chinese; two in five on a named ground."""
    rng = np.random.default_rng(seed)
    unseen, seen = art.heldout("test"), art.where("train")
    picked = [*rng.permutation(unseen)[: count // 2]]
    picked += list(rng.permutation(seen)[: count - len(picked)])
    return [_graded_prompt(art.rows[i], rng) for i in picked]


def _graded_prompt(row: Picture, rng: np.random.Generator) -> GradedPrompt:
    chinese = bool(row.zh) and rng.random() < 1 / 3
    ground = int(rng.integers(1, len(BACKGROUNDS))) if rng.random() < 0.4 else 0
    style = row.style
    if chinese:
        text = row.zh[0] + (f"，{style} 风格" if style else "") + (f"，{BACKGROUNDS[ground].zh}背景" if ground else "")
    else:
        text = (
            row.en[0]
            + (f", {style} style" if style else "")
            + (f" on a {BACKGROUNDS[ground].en} background" if ground else "")
        )
    return GradedPrompt(text, row.concept, ground, chinese, row.split == "heldout")


def border_colour(image: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] → the median colour of the outermost pixels, 0..255."""
    edge = torch.cat([image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1]], dim=1)
    return (edge.median(dim=1).values * 255).numpy()


def evaluate(workshop: Workshop, prompts: int, candidates: int) -> dict[str, Any]:
    """All figures, also written to evaluation.json in the preset's folder of runs."""
    model, judge = assemble(workshop), _judge(workshop)
    stream = _real(workshop, model, judge)
    painted = _painted(workshop, model, judge, prompts, candidates)
    how = (
        f"{prompts} prompts, up to half of them held-out pictures' own, which took no part in training nor in choosing "
        f"its best step; {candidates} candidates each at the default settings. The judge was trained on "
        "real art only and takes no part in training or reranking; "
        "95 % intervals by bootstrap over prompts."
    )
    figures = {"rows": [*stream, *painted], "how": how, "prompts": prompts, "candidates": candidates}
    write_json(workshop.folder / "evaluation.json", figures)
    return figures


def report(figures: dict[str, Any]) -> str:
    width = max(len(row["name"]) for row in figures["rows"])
    return "\n".join([*(f"{row['name']:<{width}}  {row['text']}" for row in figures["rows"]), "", figures["how"]])


def _judge(workshop: Workshop) -> Judge:
    judge = workshop.trained("judge")
    assert isinstance(judge, Judge)
    return judge


def _row(name: str, value: float, text: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "text": text, **more}


# --- on real pictures ---


@torch.inference_mode()
def _real(workshop: Workshop, model: BundledModel, judge: Judge) -> list[dict[str, Any]]:
    stream = workshop.stream("test")
    rebuilt = DVAEObjective(model.dvae, stream, 1).evaluate()
    bits = TransformerObjective(model.transformer, model.dvae, model.tokenizer, stream, model.reranker.clip).evaluate()
    real = JudgeObjective(judge, stream)
    own = real.evaluate()
    hits = _judged_reconstructions(model, judge, real)
    return [
        _row("reconstruction PSNR, whole picture", rebuilt["psnr"], f"{rebuilt['psnr']:.1f} dB"),
        _row("reconstruction PSNR, object alone", rebuilt["psnr_object"], f"{rebuilt['psnr_object']:.1f} dB"),
        _row("held-out bits per image token", bits["bits_per_token"], f"{bits['bits_per_token']:.2f}"),
        _row("judge on real held-out art, top-1", own["top1"], f"{own['top1']:.1%}"),
        _row("judge on real held-out art, top-5", own["top5"], f"{own['top5']:.1%}"),
        _row("judge on its reconstructions, top-1", hits, f"{hits:.1%}"),
    ]


def _judged_reconstructions(model: BundledModel, judge: Judge, real: JudgeObjective) -> float:
    right = [
        judge(model.dvae(batch.images.to(model.device))[0].clamp(0, 1)).argmax(1).cpu()
        == torch.tensor([judge.number[real.stream.art.rows[i].concept] for i in batch.rows])
        for batch in real.held
    ]
    return float(torch.cat(right).float().mean())


# --- on painted pictures ---


def _painted(
    workshop: Workshop, model: BundledModel, judge: Judge, count: int, candidates: int
) -> list[dict[str, Any]]:
    tests = graded_prompts(workshop.art, count)
    results = [
        _judge_prompt(model, judge, test, candidates, i)
        for i, test in enumerate(tqdm(tests, desc="paint", unit="prompt"))
    ]
    table = {name: np.array([result[name] for result in results], dtype=float) for name in results[0]}
    grounded = np.array([test.ground > 0 for test in tests])
    unseen = np.array([test.heldout for test in tests])
    chinese = np.array([test.chinese for test in tests])
    best = f"best of {candidates}"
    return [
        _share("concept top-1, best of 1", table["first_top1"]),
        _share(f"concept top-1, {best}", table["best_top1"]),
        _share("concept top-5, best of 1", table["first_top5"]),
        _share(f"concept top-5, {best}", table["best_top5"]),
        _share(f"rerank gain, top-1, {best} over best of 1", table["best_top1"] - table["first_top1"], points=True),
        _share(f"concept top-1 on unseen pairs, {best}", table["best_top1"][unseen]),
        _share(f"concept top-1 on seen pairs, {best}", table["best_top1"][~unseen]),
        _share(f"concept top-1 in English, {best}", table["best_top1"][~chinese]),
        _share(f"concept top-1 in Chinese, {best}", table["best_top1"][chinese]),
        _share(f"background colour as named, {best}", table["best_ground"][grounded]),
        _share("background colour as named, best of 1", table["first_ground"][grounded]),
    ]


def _judge_prompt(
    model: BundledModel, judge: Judge, test: GradedPrompt, candidates: int, number: int
) -> dict[str, float]:
    request = GenerationRequest(
        test.text, count=candidates, keep=1, seed=1000 * number, batch_width=min(16, candidates)
    )
    ranked = paint(model, request).candidates
    pair = {"first": next(c for c in ranked if c.index == 0), "best": ranked[0]}
    result: dict[str, float] = {}
    with torch.inference_mode():
        for which, candidate in pair.items():
            top = judge(candidate.image.unsqueeze(0).to(model.device))[0].topk(5).indices.tolist()
            wanted = judge.number[test.concept]
            result |= {f"{which}_top1": float(top[0] == wanted), f"{which}_top5": float(wanted in top)}
            result[f"{which}_ground"] = float(nearest_background(border_colour(candidate.image)) == test.ground)
    return result


def _share(name: str, values: np.ndarray, points: bool = False) -> dict[str, Any]:
    """A mean with its 95 % bootstrap interval, as per cent or percentage points."""
    if len(values) == 0:
        return _row(name, float("nan"), "no such prompts")
    rng = np.random.default_rng(0)
    means = rng.choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    unit = " points" if points else " %"
    text = f"{100 * values.mean():.1f}{unit} ({100 * low:.1f} to {100 * high:.1f}, n = {len(values)})"
    return _row(name, float(values.mean()), text, low=float(low), high=float(high), n=len(values))


def paint(model: BundledModel, request: GenerationRequest) -> Finished:
    """Run a request to its end."""
    *_, last = generate(model, request, model.reranker, previews=False)
    assert isinstance(last, Finished)
    return last


# --- sheets ---


def sheets(workshop: Workshop, out: Path) -> Iterator[Path]:
    """`reconstructions.png` (held-out art above what its tokens make of it), `samples.png` (8 best of 16 a prompt)."""
    out.mkdir(parents=True, exist_ok=True)
    model = assemble(workshop)
    real = workshop.stream("test")
    stream = [*real.held(varied=False), *real.held(varied=True)]
    images = torch.cat([stream[0].images[:16], stream[-1].images[:16]])
    rebuilt = model.tokens_to_images(model.image_to_tokens(images), model.spec.token_count)
    pairs = torch.cat([torch.cat([images[i : i + 16], rebuilt[i : i + 16]]) for i in (0, 16)])
    yield _save_grid(pairs, 16, out / "reconstructions.png")
    rows = []
    for number, prompt in enumerate(SHEET_PROMPTS):
        request = GenerationRequest(prompt, count=16, keep=8, seed=100 * number, batch_width=16)
        rows += [candidate.image for candidate in paint(model, request).candidates[:8]]
    yield _save_grid(torch.stack(rows), 8, out / "samples.png")
    listing = "\n".join(f"{i}. {prompt}" for i, prompt in enumerate(SHEET_PROMPTS, start=1))
    (out / "samples.txt").write_text(listing + "\n", encoding="utf-8")
    yield out / "samples.txt"


def _save_grid(images: Tensor, columns: int, path: Path) -> Path:
    to_pil(make_grid(images, nrow=columns, padding=4, pad_value=0.93)).save(path, optimize=True)
    return path
