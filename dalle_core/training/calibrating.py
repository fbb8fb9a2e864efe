"""The grader made ready: look-alikes found, line-ups as long as it can bear, and how right it then is on real art.

Look-alikes are told from the pictures it learned from, the line-ups' length from one half of the held-out art; what is
reported is its score on the other half.
"""

import numpy as np

from dalle_core.checkpoints import read_json, sha256_of, write_json
from dalle_core.training.art import ArtSet
from dalle_core.training.compose import as_drawn, compose
from dalle_core.training.figures import Row, share
from dalle_core.training.grader import Grader, concept_shares
from dalle_core.training.grading import Grading
from dalle_core.training.lookalikes import Lineups, confusion, largest_lineup, lineup_odds, lookalikes
from dalle_core.training.scenes import Mixture
from dalle_core.training.workshop import Workshop

TARGET = 0.85  # of held-out pictures are to be named right
CHUNK = 64
ALONE = Mixture()  # single icons, moved and on grounds


def calibrated(workshop: Workshop) -> Grading:
    """With what was found for these weights, or else is found now and written down beside them."""
    grader, art = workshop.trained("grader"), workshop.art
    assert isinstance(grader, Grader)
    folder = workshop.folder / "grader"
    path, weights = folder / "lineups.json", sha256_of(folder / "best.pt")
    known = read_json(path) if path.exists() else {}
    if known.get("weights") != weights:
        classes, size = _found(grader, art, workshop.preset.dvae.image_size)
        known = {"weights": weights, "classes": list(classes), "size": size}
        write_json(path, known)
    return Grading(grader, Lineups(grader.judge.concepts, tuple(known["classes"]), known["size"]), art)


def _found(grader: Grader, art: ArtSet, size: int) -> tuple[tuple[int, ...], int]:
    """Classes and length of line-ups."""
    learned, held = art.where("train"), art.heldout("validation")
    varied = (
        compose(art, rows, size, (17, i), ALONE, recolour=False).images for i, rows in enumerate(_chunks(learned))
    )
    plain = (as_drawn(art, rows, size) for rows in _chunks(held))
    seen, unseen = (np.concatenate([concept_shares(grader, images) for images in some]) for some in (varied, plain))
    classes = lookalikes(grader.judge.concepts, confusion(seen, _labels(grader, art, learned)))
    return classes, largest_lineup(unseen, _labels(grader, art, held), classes, TARGET)


def _chunks(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, max(1, len(rows) // CHUNK))


def _labels(grader: Grader, art: ArtSet, rows: np.ndarray) -> np.ndarray:
    return np.array([grader.judge.number[art.rows[i].concept] for i in rows])


def grader_rows(grading: Grading, size: int) -> list[Row]:
    """Its scores on the half of the held-out art that nothing was chosen by."""
    art, grader = grading.art, grading.grader
    rows = art.heldout("test")
    images = as_drawn(art, rows, size)
    shares, labels = concept_shares(grader, images), _labels(grader, art, rows)
    first = shares.argsort(axis=1)[:, ::-1] == labels[:, None]
    styles = np.equal(grading.styles(images), [art.rows[i].style for i in rows])
    lineups = grading.lineups
    own = lineup_odds(shares, labels, lineups.classes, lineups.size)
    return [
        share(f"grader on real art, out of {lineups.size} of {lineups.count} classes", own),
        share(f"grader on real art, first of {len(lineups.concepts)} concepts", first[:, 0]),
        share("grader on real art, among its first five", first[:, :5].any(axis=1)),
        share("grader on real art, style", styles),
    ]
