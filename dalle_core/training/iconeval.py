"""IconEval's prompts: GenEval's six categories in the domain of icons, in English and in Chinese.

Source of the categories: Ghosh et al., "GenEval: An Object-Focused Framework for Evaluating Text-to-Image Alignment"
(2310.11513). Every prompt names concepts of which the art has a picture that no network learned from, so that each has
a real counterpart: its `scene`, composed of such pictures. Knows words and scenes; paints and grades nothing.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from typing import Literal, get_args

import numpy as np

from dalle_core.hues import HUES
from dalle_core.training.art import ArtSet, Picture
from dalle_core.training.captions import (
    COLOUR_WORDS,
    COLOUR_WORDS_ZH,
    NUMBERS,
    NUMBERS_ZH,
    PLURAL,
    WHERE_ZH,
    plural,
    with_article,
)
from dalle_core.training.palette import BACKGROUNDS, ZH
from dalle_core.training.scenes import MAX_COUNT, RELATIONS, Relation, Scene, is_held_out

Category = Literal["single object", "two objects", "counting", "colours", "position", "colour binding"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
Alike = Callable[[str, str], bool]
SIDED = RELATIONS[1:]
WORDS = 2  # of a name in a composed scene, at most: the text window is short


@dataclass(frozen=True)
class Wish:
    """What a picture must show: the scene, with picture `row` of the art in it, in a style if one is named.

    `heldout` says whether training never shows this combination; `counted` whether the number matters.
    """

    row: int
    scene: Scene
    style: str
    heldout: bool
    counted: bool = False


@dataclass(frozen=True)
class Prompt:
    """A wish in words; `seed` is the first candidate's, the same in both languages."""

    category: Category
    wish: Wish
    text: str
    chinese: bool
    seed: int


def icon_prompts(art: ArtSet, each: int, alike: Alike, seed: int = 23) -> list[Prompt]:
    """Up to `each` prompts a category: wishes in both languages, half of them of combinations that are held out.

    Fewer prompts are the first of more. No two objects of a prompt are `alike`, as the graders could not tell them;
    other graders find other objects so, and leave out other prompts, but those that stay are the same to the seed.
    Art without Chinese names gets English prompts alone.
    """
    rng, made = np.random.default_rng(seed), []
    rows = [int(i) for i in rng.permutation(art.heldout("test"))]
    languages = (False, True) if all(art.rows[i].zh for i in rows) else (False,)
    for category, wishes in _wishes(art, rows, rng).items():
        told_apart = [wish for wish in wishes if not (wish.scene.other is not None and alike(*_concepts(art, wish)))]
        for wish in islice(_half_held_out(told_apart), each // len(languages)):
            start = _seed(category, english_text(art, wish))
            for chinese in languages:
                text = (chinese_text if chinese else english_text)(art, wish)
                made.append(Prompt(category, wish, text, chinese, start))
    return made


def _seed(*words: str) -> int:
    """Of 31 bits, apart from others' by more than there are candidates."""
    digest = hashlib.sha256("|".join(words).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1 & ~0xFFF


def _concepts(art: ArtSet, wish: Wish) -> list[str]:
    return [art.rows[row].concept for row in (wish.row, wish.scene.other) if row is not None]


def _half_held_out(wishes: list[Wish]) -> Iterator[Wish]:
    """Seen and unseen combinations in turn, as long as there are both; where there is but one kind, all of it."""
    unseen = [wish for wish in wishes if wish.heldout]
    seen = [wish for wish in wishes if not wish.heldout]
    if not (seen and unseen):
        return iter(seen or unseen)
    return (wish for pair in zip(seen, unseen, strict=False) for wish in pair)


# --- what there is to wish for ---


def _wishes(art: ArtSet, rows: list[int], rng: np.random.Generator) -> dict[Category, list[Wish]]:
    simple = [row for row in rows if _is_simple(art.rows[row])]
    trained: dict[str, set[str]] = {}
    for i in art.where("train"):
        trained.setdefault(art.rows[i].concept, set()).add(art.rows[i].style)
    singles = [wish for row in rows for wish in _singles(row, art.rows[row], trained)]
    pairs = [(one, other) for one in simple for other in simple if art.rows[one].concept != art.rows[other].concept]
    pairs = [pairs[i] for i in rng.permutation(len(pairs))]
    coloured = [row for row in simple if _takes_colour(art.rows[row])]
    return {
        "single object": singles,
        "two objects": [_pair(art, one, other, "beside") for one, other in pairs],
        "counting": _counts(art, simple, rng),
        "colours": _alternate(_hues(art, coloured, rng), _grounded(singles, rng)),
        "position": [_pair(art, one, other, SIDED[int(rng.integers(len(SIDED)))]) for one, other in pairs],
        "colour binding": _bindings(art, [pair for pair in pairs if set(pair) <= set(coloured)], rng),
    }


def _is_simple(row: Picture) -> bool:
    return len(row.en[0].split()) <= WORDS and not PLURAL.search(row.en[0])


def _takes_colour(row: Picture) -> bool:
    """Whether it has a hue to turn, and a name that doesn't say which."""
    named = COLOUR_WORDS.search(row.en[0]) or any(COLOUR_WORDS_ZH.search(name) for name in row.zh[:1])
    return row.hue is not None and not named


def _singles(row: int, picture: Picture, trained: dict[str, set[str]]) -> Iterator[Wish]:
    """The concept in the style that is held out, and in another one that training shows."""
    yield Wish(row, Scene(), picture.style, heldout=True)
    if others := sorted(trained.get(picture.concept, set())):
        yield Wish(row, Scene(), others[row % len(others)], heldout=False)


def _pair(art: ArtSet, row: int, other: int, relation: Relation, hues: tuple[str, str] | None = None) -> Wish:
    concepts = art.rows[row].concept, art.rows[other].concept
    hue, other_hue = hues or (None, None)
    scene = Scene(other=other, relation=relation, hue=hue, other_hue=other_hue, scale=1.0)
    unseen = is_held_out("pair", *sorted(concepts)) or any(
        is_held_out("hue", concept, shade) for concept, shade in zip(concepts, hues or (), strict=False)
    )
    return Wish(row, scene, "", unseen)


def _counts(art: ArtSet, rows: list[int], rng: np.random.Generator) -> list[Wish]:
    """Where there is one of it, the style that is held out is named, or none."""
    alone = [Wish(row, Scene(), art.rows[row].style if unseen else "", unseen, counted=True)
             for row in rows for unseen in (False, True)]  # fmt: skip
    several = [
        [Wish(row, Scene(count=count, scale=1.0), "", is_held_out("count", art.rows[row].concept, str(count)), True)
         for row in rng.permutation(rows).tolist()]
        for count in range(2, MAX_COUNT + 1)
    ]  # fmt: skip
    return _alternate(alone, *several)


def _hues(art: ArtSet, rows: list[int], rng: np.random.Generator) -> list[Wish]:
    wishes = [Wish(row, Scene(hue=hue), "", is_held_out("hue", art.rows[row].concept, hue))
              for row in rows for hue in HUES]  # fmt: skip
    return [wishes[i] for i in rng.permutation(len(wishes))]


def _grounded(singles: list[Wish], rng: np.random.Generator) -> list[Wish]:
    return [replace(wish, scene=Scene(ground=int(rng.integers(1, len(BACKGROUNDS))))) for wish in singles]


def _alternate(*kinds: list[Wish]) -> list[Wish]:
    """Of each kind in turn, seen and unseen apart, so that every share of the list holds as much of each."""
    mixed = []
    for unseen in (True, False):
        chosen = [[wish for wish in wishes if wish.heldout == unseen] for wishes in kinds]
        mixed += [wish for wishes in zip_longest(*chosen) for wish in wishes if wish is not None]
    return mixed


def _bindings(art: ArtSet, pairs: list[tuple[int, int]], rng: np.random.Generator) -> list[Wish]:
    wishes = []
    for one, other in pairs:
        first, second = rng.choice(list(HUES), 2, replace=False)
        wishes.append(_pair(art, one, other, "beside", (str(first), str(second))))
    return wishes


# --- its words ---


def english_text(art: ArtSet, wish: Wish) -> str:
    """One plain phrase, as the captions have it."""
    scene, name = wish.scene, _coloured(art.rows[wish.row].en[0], wish.scene.hue)
    if scene.other is not None:
        other = _coloured(art.rows[scene.other].en[0], scene.other_hue)
        return f"{_one(name)} {'and' if scene.relation == 'beside' else scene.relation} {_one(other)}"
    text = _one(name) if scene.count == 1 else f"{NUMBERS[scene.count]} {plural(name)}"
    text += f", {wish.style} style" if wish.style else ""
    return text + (f" on {with_article(BACKGROUNDS[scene.ground].en)} background" if scene.ground else "")


def _one(name: str) -> str:
    return name if PLURAL.search(name) else with_article(name)


def _coloured(name: str, hue: str | None) -> str:
    return f"{hue} {name}" if hue else name


def chinese_text(art: ArtSet, wish: Wish) -> str:
    scene, name = wish.scene, _coloured_chinese(art.rows[wish.row].zh[0], wish.scene.hue)
    if scene.other is not None:
        other = _coloured_chinese(art.rows[scene.other].zh[0], scene.other_hue)
        together = f"{name}和{other}"
        return together if scene.relation == "beside" else f"{name}在{other}的{WHERE_ZH[scene.relation]}"
    text = f"{NUMBERS_ZH.get(scene.count, '一')}个{name}" if scene.count > 1 or not wish.style else name
    text += f"，{wish.style} 风格" if wish.style else ""
    return text + (f"，{BACKGROUNDS[scene.ground].zh}背景" if scene.ground else "")


def _coloured_chinese(name: str, hue: str | None) -> str:
    return f"{ZH[hue]}的{name}" if hue else name
