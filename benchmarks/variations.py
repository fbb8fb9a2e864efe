"""What strength does to a picture: `python benchmarks/variations.py [MODEL_FOLDER] [--sheet FILE.png]`.

Two kinds of pictures are varied by their own words: held-out art, and what the model itself paints to the same words. A
classifier of `dalle_core.training`, which takes no part in painting or ranking, judges them. Needs the art and the
judge of a training project (see README, "Train your own"). The columns: how far a variation is from its original, and
from another variation, in units of the distance between two artists' pictures of one concept (strangers: between two
concepts); the concept is still among the judge's first five, of the originals where it is; edges, as a share of the
original's (speckle would raise it); tokens that are no longer the original's.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import Tensor  # noqa: E402
from torchvision.utils import make_grid  # noqa: E402

from dalle_core.device import pick_device  # noqa: E402
from dalle_core.families.base import ImageModel  # noqa: E402
from dalle_core.families.registry import load_model  # noqa: E402
from dalle_core.generate import Finished, GenerationRequest, generate  # noqa: E402
from dalle_core.images import to_pil  # noqa: E402
from dalle_core.training.compose import compose  # noqa: E402
from dalle_core.training.judge import Judge  # noqa: E402
from dalle_core.training.presets import preset  # noqa: E402
from dalle_core.training.workshop import Workshop  # noqa: E402

STRENGTHS = (0.3, 0.5, 0.8, 1.0)
KINDS = {"heldout": "Held-out art", "own": "The model's own pictures"}
ROWS, SHOWN = 6, 3  # of a kind's originals, and of each one's variations by a strength, on the sheet
PAIRS = 6  # of each original with other pictures of its concept, to know how far apart those are


@dataclass(frozen=True)
class Original:
    caption: str
    concept: int
    tokens: Tensor  # (rows·cols,)
    image: Tensor  # (3, H, W), as the tokens show it


class Measure:
    """`unit` is the mean distance between two pictures of one concept, `strangers` between those of two, both in units
    of the judge's features.
    """

    def __init__(self, workshop: Workshop, model: ImageModel, pictures: int) -> None:
        judge = workshop.trained("judge")
        assert isinstance(judge, Judge)
        self.judge, self.art, self.size = judge, workshop.art, model.spec.image_size
        self.rows = np.random.default_rng(3).permutation(self.art.heldout("test"))[:pictures]
        self.model = model
        self.unit, self.strangers = self._distances()

    def heldout(self) -> list[Original]:
        tokens = self.model.image_to_tokens(self._images(self.rows))
        shown = self.model.tokens_to_images(tokens, self.model.spec.token_count)
        return [self._original(*each) for each in zip(self.rows, tokens, shown, strict=True)]

    def own(self) -> list[Original]:
        """What the model paints to the words of the held-out pictures."""
        painted = []
        for number, row in enumerate(self.rows):
            request = GenerationRequest(self._caption(row), count=1, keep=1, seed=31 * number + 5)
            painted += paint(self.model, request).candidates
        return [self._original(row, each.tokens, each.image) for row, each in zip(self.rows, painted, strict=True)]

    def _original(self, row: int, tokens: Tensor, image: Tensor) -> Original:
        return Original(self._caption(row), self.judge.number[self.art.rows[row].concept], tokens, image)

    def _caption(self, row: int) -> str:
        return f"{self.art.rows[row].en[0]}, {self.art.rows[row].style} style"

    def _images(self, rows: np.ndarray) -> Tensor:
        return compose(self.art, rows, self.size, (7, 7), mixture=None).images

    def _distances(self) -> tuple[float, float]:
        others: dict[str, list[int]] = {}
        for j in self.art.where("train"):
            others.setdefault(self.art.rows[j].concept, []).append(j)
        same = [(i, j) for i in self.rows for j in others.get(self.art.rows[i].concept, [])[:PAIRS]]
        one, other = (self.features(self._images(np.array(side))) for side in zip(*same, strict=True))
        return _apart(one, other), _apart(one, other.roll(len(other) // 2, 0))

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        return F.silu(self.judge.encoder(images.to(next(self.judge.parameters()).device))).cpu()

    @torch.inference_mode()
    def named(self, images: Tensor, concepts: Tensor) -> Tensor:
        """(B, 3, H, W) and (B,) → (B,) bool: the concept is among the judge's first five."""
        first = self.judge(images.to(next(self.judge.parameters()).device)).topk(5).indices.cpu()
        return (first == concepts[:, None]).any(1)


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm(dim=1).mean())


def edges(images: Tensor) -> float:
    return float(images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean())


def paint(model: ImageModel, request: GenerationRequest) -> Finished:
    *_, last = generate(model, request, previews=False)
    assert isinstance(last, Finished)
    return last


def vary(model: ImageModel, original: Original, strength: float, count: int, prompt: bool, seed: int) -> Finished:
    request = GenerationRequest(
        original.caption if prompt else "",
        count=count,
        keep=1,
        seed=seed,
        batch_width=count,
        source_tokens=tuple(original.tokens.tolist()),
        strength=strength,
    )
    return paint(model, request)


def report(
    measure: Measure, originals: list[Original], strength: float, count: int, prompt: bool
) -> tuple[str, Tensor]:
    """One line of the table, and all variations (P, count, 3, H, W)."""
    painted = [vary(measure.model, original, strength, count, prompt, 100 * n) for n, original in enumerate(originals)]
    images = torch.stack([torch.stack([c.image for c in last.candidates]) for last in painted])  # (P, N, 3, H, W)
    tokens = torch.stack([torch.stack([c.tokens for c in last.candidates]) for last in painted])  # (P, N, T)
    own = torch.stack([original.image for original in originals])
    concepts = torch.tensor([original.concept for original in originals])
    named = measure.named(own, concepts).repeat_interleave(count)
    features, origin = measure.features(images.flatten(0, 1)), measure.features(own)
    figures = (
        _apart(features, origin.repeat_interleave(count, 0)) / measure.unit,
        100 * float(measure.named(images.flatten(0, 1), concepts.repeat_interleave(count))[named].float().mean()),
        _apart(features[0::count], features[1::count]) / measure.unit,
        edges(images.flatten(0, 1)) / edges(own),
        100 * float((tokens != torch.stack([o.tokens for o in originals])[:, None]).float().mean()),
    )
    return "{:13.2f}  {:5.0f} %  {:8.2f}  {:5.2f}  {:5.0f} %".format(*figures), images


def table(measure: Measure, originals: list[Original], arguments: argparse.Namespace) -> list[Tensor]:
    """Print a line for each strength; returns the pictures' columns: originals, then some variations by each."""
    own = torch.stack([original.image for original in originals])
    named = measure.named(own, torch.tensor([original.concept for original in originals]))
    print(f"of {len(own)}, the judge names {named.float().mean():.0%}")
    print("strength  from original  concept  siblings  edges  changed")
    columns = [own]
    for strength in arguments.strengths:
        line, images = report(measure, originals, strength, arguments.count, not arguments.without_prompt)
        print(f"{strength:8g}  {line}", flush=True)
        columns += images[:, :SHOWN].unbind(1)
    return columns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "assets" / "models" / "emblem-128")
    parser.add_argument("--art", type=Path, default=ROOT / "data" / "art")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs")
    parser.add_argument("--preset", default="emblem-128")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--count", type=int, default=4, help="variations of each picture, two or more")
    parser.add_argument("--strengths", type=float, nargs="+", default=STRENGTHS)
    parser.add_argument("--of", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--without-prompt", action="store_true")
    parser.add_argument(
        "--sheet", type=Path, help="write the first variations here, a row an original, a column a strength"
    )
    arguments = parser.parse_args()
    device = pick_device(arguments.device)
    model = load_model(arguments.folder, device)
    measure = Measure(
        Workshop(preset(arguments.preset), arguments.art, arguments.runs, device), model, arguments.pictures
    )
    print(
        f"{model.spec.name}, {arguments.count} variations of each. Strangers: {measure.strangers / measure.unit:.2f}."
    )
    rows = []
    for kind in arguments.of:
        print(f"{KINDS[kind]}, ", end="")
        columns = table(measure, getattr(measure, kind)(), arguments)
        rows.append(torch.stack(columns, 1)[:ROWS].flatten(0, 1))
    if arguments.sheet:
        to_pil(make_grid(torch.cat(rows), nrow=len(columns), padding=4, pad_value=0.93)).save(arguments.sheet)


if __name__ == "__main__":
    main()
