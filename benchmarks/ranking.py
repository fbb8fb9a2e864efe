"""How well the reranker finds what is drawn right: `python benchmarks/ranking.py [MODEL_FOLDER] [--prompts N]`.

`grades.jsonl` has what a large vision-language model made of `emblem-128`'s sixteen candidates for IconEval's prompts,
on shuffled sheets that showed no ranks. Of each candidate, in the order of their seeds, each thing the prompt names has
a digit: 0 missing or not to be recognised, 1 badly drawn, 2 right with flaws, 3 clean; and an x if it has not the
colour that was asked for. The same candidates are painted anew, some ten seconds a prompt on two CPU cores, and kept
for another time. A machine that paints others for a seed leaves that prompt out and says so.
"""

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from dalle_core.device import pick_device  # noqa: E402
from dalle_core.families.bundled import BundledModel, load_bundled  # noqa: E402
from dalle_core.generate import Candidate, GenerationRequest, ranked  # noqa: E402
from dalle_core.training.figures import share  # noqa: E402
from dalle_core.training.painting import Easel  # noqa: E402

GRADES = Path(__file__).resolve().with_name("grades.jsonl")
CANDIDATES = 16
COMPOSED = ("two objects", "counting", "position", "colour binding")
LEAST = {"drawn right": 2, "recognisable": 1}


@dataclass(frozen=True)
class Graded:
    """A prompt and the grades of its candidates, (B, things), −1 for a thing of another colour than was asked for."""

    prompt: str
    category: str
    seed: int
    tokens: str  # SHA-256 of the candidates'
    grades: np.ndarray

    @property
    def request(self) -> GenerationRequest:
        return GenerationRequest(self.prompt, count=CANDIDATES, keep=1, seed=self.seed, batch_width=CANDIDATES)

    def right(self, least: int) -> np.ndarray:
        """(B,) bool: whether all things are at least as good as that, each in its colour."""
        right: np.ndarray = self.grades.min(1) >= least
        return right


def read_grades(path: Path = GRADES) -> list[Graded]:
    return [_graded(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _graded(fields: dict[str, Any]) -> Graded:
    marks = [[-1 if "x" in mark else int(mark) for mark in each.split(",")] for each in fields.pop("grades").split()]
    return Graded(**fields, grades=np.array(marks))


def fingerprint(candidates: list[Candidate]) -> str:
    tokens = torch.stack([candidate.tokens for candidate in candidates]).numpy().astype("<i4")
    return hashlib.sha256(tokens.tobytes()).hexdigest()


def merits(model: BundledModel, request: GenerationRequest, candidates: list[Candidate]) -> dict[str, np.ndarray]:
    """(B,) by the candidates' seeds, by ways to rank them."""
    found = sorted(ranked(model, request, model.reranker, candidates), key=lambda each: each.index)
    return {
        "by the match": np.array([each.score for each in found]),
        "as it ranks": -np.array([each.rank for each in found], dtype=float),
    }


def auc(merit: np.ndarray, right: np.ndarray) -> float:
    """How often a right one is put before a wrong one; NaN where there are no such pairs."""
    apart = merit[right][:, None] - merit[~right]
    return float(((apart > 0) + 0.5 * (apart == 0)).mean()) if apart.size else float("nan")


def report(graded: list[Graded], found: list[dict[str, np.ndarray]]) -> list[str]:
    """Lines of a table: of random candidates and of those put first, the share that is right, with its interval."""
    lines, composed = [], np.array([each.category in COMPOSED for each in graded])
    twins = np.array([each.seed for each in graded])  # a wish in both languages
    for what, least in LEAST.items():
        rights = [each.right(least) for each in graded]
        random = np.array([right.mean() for right in rights])
        for part, chosen in (("composed", composed), ("single", ~composed), ("all", np.full(len(graded), True))):
            if not chosen.any():
                continue
            lines.append(share(f"{what}, {part}: random", random[chosen], groups=twins[chosen]))
            for way in found[0]:
                first = np.array([right[merit[way].argmax()] for right, merit in zip(rights, found, strict=True)])
                order = np.array([auc(merit[way], right) for right, merit in zip(rights, found, strict=True)])[chosen]
                area = f"AUC {order[~np.isnan(order)].mean():.3f}" if not np.isnan(order).all() else "AUC unknown"
                name = f"{what}, {part}: {way}"
                lines.append(share(f"{name}, {area}", first[chosen].astype(float), groups=twins[chosen]))
                gain = (first - random)[chosen]
                lines.append(share(f"{name}, gain", gain, groups=twins[chosen], points=True))
    return [f"{line['name']:<52} {line['text']}" for line in lines]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "assets" / "models" / "emblem-128")
    parser.add_argument("--grades", type=Path, default=GRADES)
    parser.add_argument("--prompts", type=int, help="as many, drawn at random")
    parser.add_argument("--painted", type=Path, default=ROOT / "runs" / "emblem-128" / "painted", help="kept here")
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args(arguments)
    graded = read_grades(asked.grades)
    drawn = np.random.default_rng(0).permutation(len(graded))[: asked.prompts]
    model = load_bundled(asked.folder, pick_device(asked.device))
    easel = Easel(model, asked.painted)
    same, found = list[Graded](), list[dict[str, np.ndarray]]()
    for each in (graded[i] for i in drawn):
        candidates = easel.candidates(each.request)
        if fingerprint(candidates) == each.tokens:
            same.append(each)
            found.append(merits(model, each.request, candidates))
    print(f"{len(same)} of {len(drawn)} prompts have the candidates that were graded")
    if same:
        print("\n".join(report(same, found)))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
