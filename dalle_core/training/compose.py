"""Pictures made on the fly from rendered art: moved, scaled, flipped, recoloured, set on a ground; with their captions.

A batch is a pure function of (art, rows, seed): the same seed always gives the same pictures and captions, which is
what makes an interrupted training run resumable to the bit.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dalle_core.device import moved
from dalle_core.hues import HUES, rotate_hue
from dalle_core.training.art import ArtSet
from dalle_core.training.captions import caption
from dalle_core.training.palette import BACKDROPS, BACKGROUNDS
from dalle_core.training.scenes import Mixture, Part, Scene, draw_scene, parts

USUAL = Mixture()
WINDOW = 8  # pixels: sides of windows are multiples of it, so that many are sampled at once
MARGIN = 2  # pixels around an icon, for what smoothing spreads


@dataclass(frozen=True)
class Draft:
    """What a batch will show, before anything is painted: `rows` (B,) index the art."""

    rows: np.ndarray
    scenes: list[Scene]
    captions: list[str]


@dataclass(frozen=True)
class Batch:
    """`images` is (B, 3, S, S) in [0, 1]; `alpha` (B, 1, S, S) says where the object is; `rows` index the art.

    Both lie where the art does.
    """

    images: Tensor
    alpha: Tensor
    captions: list[str]
    rows: np.ndarray
    scenes: list[Scene]


def draft(art: ArtSet, rows: np.ndarray, seed: tuple[int, ...], mixture: Mixture | None = USUAL,
          recolour: bool = True, share: slice = slice(None)) -> Draft:  # fmt: skip
    """Choose one batch. `rows` (B,) index the art; `seed` names the stream. Only a `share` of it is kept.

    Without a mixture every picture is the plain icon, centred, on white.
    """
    rng = np.random.default_rng(seed)
    staged = [stage(art, int(i), rng, mixture, recolour) for i in rows][share]
    return Draft(rows[share], [scene for scene, _ in staged], [text for _, text in staged])


def painted(art: ArtSet, plan: Draft, size: int) -> Batch:
    """The draft with its pictures; `size` is their side in pixels."""
    return Batch(*paint(art, plan.rows, plan.scenes, size), plan.captions, plan.rows, plan.scenes)


def compose(art: ArtSet, rows: np.ndarray, size: int, seed: tuple[int, ...], mixture: Mixture | None = USUAL,
            recolour: bool = True) -> Batch:  # fmt: skip
    """Draw one batch: its draft, painted."""
    return painted(art, draft(art, rows, seed, mixture, recolour), size)


def paint(art: ArtSet, rows: np.ndarray, scenes: list[Scene], size: int) -> tuple[Tensor, Tensor]:
    """Exactly these scenes, each with its picture of the art: images (B, 3, S, S), and alpha (B, 1, S, S)."""
    images = _grounds(scenes, size, art.device)
    alpha = torch.zeros(len(rows), 1, size, size, device=art.device)
    placed = [parts(int(i), scene) for i, scene in zip(rows, scenes, strict=True)]
    for layer in range(max(map(len, placed))):
        here = [i for i, there in enumerate(placed) if len(there) > layer]
        colour, cover = _place(art, [placed[i][layer] for i in here], size)
        where = moved(torch.tensor(here), art.device)
        images[where] = colour + (1 - cover) * images[where]
        alpha[where] = cover + (1 - cover) * alpha[where]
    return images, alpha


def as_drawn(art: ArtSet, rows: np.ndarray, size: int) -> Tensor:
    """(B, 3, S, S): the icons themselves, centred on white."""
    return paint(art, rows, [Scene()] * len(rows), size)[0]


def stage(
    art: ArtSet, row: int, rng: np.random.Generator, mixture: Mixture | None, recolour: bool = True
) -> tuple[Scene, str]:
    """A scene with one of the art's pictures in it, and a caption of it."""
    scene = Scene() if mixture is None else draw_scene(art, row, rng, mixture, recolour)
    other = None if scene.other is None else art.rows[scene.other]
    return scene, caption(art.rows[row], scene, rng, other)


def _place(art: ArtSet, placed: list[Part], size: int) -> tuple[Tensor, Tensor]:
    """Recolour, then scale, shift and flip. Returns premultiplied colour (B,3,S,S) and alpha (B,1,S,S)."""
    canvas = torch.zeros(len(placed), 4, size, size, device=art.device)
    windows = [_window(part, size) for part in placed]
    for side in sorted({side for _, _, side in windows}):
        here = [i for i, window in enumerate(windows) if window[2] == side]
        sampled = _sampled(art, [placed[i] for i in here], [windows[i][:2] for i in here], side, size)
        which, left, top = moved(torch.tensor([[i, *windows[i][:2]] for i in here]), art.device).T[..., None, None]
        along = torch.arange(side, device=art.device)
        canvas[which, :, top + along[:, None], left + along] = sampled.permute(0, 2, 3, 1)
    return canvas[:, :3], canvas[:, 3:]


def _window(part: Part, size: int) -> tuple[int, int, int]:
    """Left, top and side, in pixels, of a square that holds what is seen of an icon: nothing else need be sampled."""
    side = min(size, WINDOW * math.ceil((part.scale * size + 2 * MARGIN) / WINDOW))
    corner = (size * (0.5 + shift - part.scale / 2) - MARGIN for shift in part.shift)
    left, top = (min(max(0, math.floor(edge)), size - side) for edge in corner)
    return left, top, side


def _sampled(art: ArtSet, placed: list[Part], corners: list[tuple[int, int]], side: int, size: int) -> Tensor:
    """(B, 4, side, side) of premultiplied colour and alpha: pictures of `size` pixels, from these corners on."""
    rgba = art.pixels([part.row for part in placed]).permute(0, 3, 1, 2).float() / 255
    alpha, colour = rgba[:, 3:], rgba[:, :3]
    hues = [art.rows[part.row].hue for part in placed]
    turns = [
        HUES[part.hue] - hue if part.hue is not None and hue is not None else 0.0
        for part, hue in zip(placed, hues, strict=True)
    ]
    if turned := [i for i, turn in enumerate(turns) if turn]:
        where = moved(torch.tensor(turned), art.device)
        degrees = moved(torch.tensor([turns[i] for i in turned]), art.device)
        colour = colour.index_copy(0, where, rotate_hue(colour[where], degrees))
    both = torch.cat([colour * alpha, alpha], dim=1)
    maps = [_affine(part, corner, side, size) for part, corner in zip(placed, corners, strict=True)]
    fine = 2 * side  # sample at twice the size, then average: cheap anti-aliasing
    grid = F.affine_grid(moved(torch.tensor(maps), art.device), [len(placed), 4, fine, fine], align_corners=False)
    return F.avg_pool2d(F.grid_sample(both, grid, align_corners=False), 2).clamp(0, 1)


def _affine(part: Part, corner: tuple[int, int], side: int, size: int) -> list[list[float]]:
    """Where each place of a window comes from in the icon, as grid_sample wants it."""
    across, down = (-1 if part.flip else 1) / part.scale, 1 / part.scale
    left, top = ((2 * start + side) / size - 1 for start in corner)  # of its middle, in half sides from the picture's
    share = side / size
    return [
        [across * share, 0.0, across * (left - 2 * part.shift[0])],
        [0.0, down * share, down * (top - 2 * part.shift[1])],
    ]


def _grounds(scenes: list[Scene], size: int, device: torch.device) -> Tensor:
    """(B, 3, S, S): one colour, a vertical gradient between two, or a backdrop."""
    down = torch.linspace(0, 1, size, device=device).view(1, 1, size, 1)
    ends = moved(torch.tensor([_ends(scene) for scene in scenes]), device)
    top, end = ends.view(-1, 2, 3, 1, 1).unbind(1)
    grounds = (top + (end - top) * down).repeat(1, 1, 1, size)
    if backed := [i for i, scene in enumerate(scenes) if scene.backdrop]:
        drawn = torch.from_numpy(np.stack([_backdrop(scenes[i], size) for i in backed]))
        grounds[moved(torch.tensor(backed), device)] = moved(drawn, device)
    return (grounds / 255).clamp(0, 1)


def _ends(scene: Scene) -> list[float]:
    """Two colours in 0..255, one after the other: at the top of a ground and at its foot."""
    start, other = scene.jitter[:3], scene.jitter[3:]
    top = BACKGROUNDS[scene.ground].rgb
    end, jitter = (top, start) if scene.gradient is None else (BACKGROUNDS[scene.gradient].rgb, other)
    return [*(a + b for a, b in zip(top, start, strict=True)), *(a + b for a, b in zip(end, jitter, strict=True))]


def _backdrop(scene: Scene, size: int) -> np.ndarray:
    """(3, S, S) in 0..255: sky, ground, and what is strewn about: stars and flakes anywhere, waves on the sea."""
    backdrop, rng = BACKDROPS[scene.backdrop], np.random.default_rng(scene.grain)
    horizon = round(backdrop.horizon * size) + int(rng.integers(-size // 32, size // 32 + 1)) * (backdrop.horizon < 1)
    top, end, ground, speck = (
        np.array(colour, dtype=np.float32).reshape(3, 1, 1)
        for colour in (*backdrop.sky, backdrop.ground, backdrop.speck)
    )
    image = np.empty((3, size, size), dtype=np.float32)
    image[:, :horizon] = top + (end - top) * np.linspace(0, 1, horizon, dtype=np.float32).reshape(1, horizon, 1)
    image[:, horizon:] = ground
    dot, wide = max(1, size // 64), 4 if scene.backdrop == "sea" else 1
    lowest = size - dot
    for _ in range(backdrop.specks):
        y = int(rng.integers(horizon if wide > 1 else 0, lowest + 1))
        x = int(rng.integers(0, size - wide * dot + 1))
        image[:, y : y + dot, x : x + wide * dot] = speck
    return image
