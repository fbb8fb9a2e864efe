"""Pictures made on the fly from rendered art: moved, scaled, flipped, recoloured, set on a ground; with their captions.

A batch is a pure function of (art, rows, seed): the same seed always gives the same pictures and captions, which is
what makes an interrupted training run resumable to the bit.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dalle_core.training.art import ArtSet, Picture
from dalle_core.training.captions import Scene, caption
from dalle_core.training.palette import BACKGROUNDS, HUES

AS_DRAWN_SHARE = 0.6  # of pictures are the icon itself, centred on white: what most prompts want, learnt by heart
PLAIN_GROUND_SHARE = 0.25  # of the others stand on white
GRADIENT_SHARE = 0.2
RECOLOUR_SHARE = 0.2
TINY_SHARE = 0.06
MOVED_SHARE = 0.5  # of the others are scaled and shifted; the rest stand centred


@dataclass(frozen=True)
class Batch:
    """`images` is (B, 3, S, S) in [0, 1]; `alpha` (B, 1, S, S) says where the object is; `rows` index the art."""

    images: Tensor
    alpha: Tensor
    captions: list[str]
    rows: np.ndarray
    scenes: list[Scene]


def draw_scene(row: Picture, rng: np.random.Generator, varied: bool, recolour: bool = True) -> Scene:
    """Choose everything about one picture. Unvaried: the plain icon, centred, on white."""
    if not varied or rng.random() < AS_DRAWN_SHARE:
        return Scene()
    ground, gradient = 0, None
    if rng.random() >= PLAIN_GROUND_SHARE:
        ground = int(rng.integers(1, len(BACKGROUNDS)))
        if rng.random() < GRADIENT_SHARE / (1 - PLAIN_GROUND_SHARE):
            gradient = int((ground + rng.integers(1, len(BACKGROUNDS))) % len(BACKGROUNDS))
    hue = str(rng.choice(list(HUES))) if row.hue is not None and rng.random() < RECOLOUR_SHARE else None
    hue = hue if recolour else None
    tiny, moved = rng.random() < TINY_SHARE, rng.random() < MOVED_SHARE
    scale = rng.uniform(0.4, 0.55) if tiny else rng.uniform(0.8, 1.0) if moved else Scene.scale
    room = (1 - scale) / 2 + 0.02 if tiny or moved else 0.0
    return Scene(
        ground=ground,
        gradient=gradient,
        jitter=tuple(float(v) for v in rng.normal(0, 5, 6)) if ground else (0.0,) * 6,
        hue=hue,
        scale=float(scale),
        shift=(float(rng.uniform(-room, room)), float(rng.uniform(-room, room))),
        flip=bool(row.flip and rng.random() < 0.5),
        tiny=tiny,
    )


def compose(
    art: ArtSet, rows: np.ndarray, size: int, seed: tuple[int, ...], varied: bool = True, recolour: bool = True
) -> Batch:
    """Draw one batch. `rows` (B,) index the art; `size` is the side in pixels; `seed` names the stream."""
    rng = np.random.default_rng(seed)
    scenes = [draw_scene(art.rows[i], rng, varied, recolour) for i in rows]
    captions = [caption(art.rows[i], scene, rng) for i, scene in zip(rows, scenes, strict=True)]
    rgba = torch.from_numpy(art.images[rows]).permute(0, 3, 1, 2).float() / 255
    colour, alpha = _place(rgba, scenes, size, [art.rows[i].hue for i in rows])
    return Batch(colour + (1 - alpha) * _grounds(scenes, size), alpha, captions, rows, scenes)


def _place(rgba: Tensor, scenes: list[Scene], size: int, hues: list[float | None]) -> tuple[Tensor, Tensor]:
    """Recolour, then scale, shift and flip. Returns premultiplied colour (B,3,S,S) and alpha (B,1,S,S)."""
    alpha, colour = rgba[:, 3:], rgba[:, :3]
    turns = [HUES[s.hue] - h if s.hue is not None and h is not None else 0.0 for s, h in zip(scenes, hues, strict=True)]
    colour = rotate_hue(colour, torch.tensor(turns)) * alpha
    both = torch.cat([colour, alpha], dim=1)
    theta = torch.zeros(len(scenes), 2, 3)
    for i, scene in enumerate(scenes):
        theta[i, 0, 0] = (-1 if scene.flip else 1) / scene.scale
        theta[i, 1, 1] = 1 / scene.scale
        theta[i, 0, 2] = -2 * scene.shift[0] / scene.scale * (-1 if scene.flip else 1)
        theta[i, 1, 2] = -2 * scene.shift[1] / scene.scale
    fine = 2 * size  # sample at twice the size, then average: cheap anti-aliasing
    grid = F.affine_grid(theta, [len(scenes), 4, fine, fine], align_corners=False)
    placed = F.avg_pool2d(F.grid_sample(both, grid, align_corners=False), 2).clamp(0, 1)
    return placed[:, :3], placed[:, 3:]


def rotate_hue(rgb: Tensor, degrees: Tensor) -> Tensor:
    """Turn the hue of (B, 3, H, W) in [0, 1] by (B,) degrees, keeping the HSV saturation and value of every pixel."""
    if not bool(degrees.any()):
        return rgb
    value, _ = rgb.max(dim=1)
    low, _ = rgb.min(dim=1)
    chroma = value - low
    r, g, b = rgb.unbind(1)
    safe = chroma.clamp_min(1e-6)
    hue = torch.where(value == r, (g - b) / safe % 6, torch.where(value == g, (b - r) / safe + 2, (r - g) / safe + 4))
    hue = (hue + degrees.view(-1, 1, 1) / 60) % 6
    turned = [value - chroma * ((n + hue) % 6).clamp_max(4 - (n + hue) % 6).clamp(0, 1) for n in (5, 3, 1)]
    return torch.where((degrees == 0).view(-1, 1, 1, 1), rgb, torch.stack(turned, dim=1))


def _grounds(scenes: list[Scene], size: int) -> Tensor:
    """(B, 3, S, S): one colour, or a vertical gradient between two."""
    down = torch.linspace(0, 1, size).view(1, size, 1)
    grounds = []
    for scene in scenes:
        jitter = torch.tensor(scene.jitter).view(2, 3, 1, 1)
        top = torch.tensor(BACKGROUNDS[scene.ground].rgb).view(3, 1, 1) + jitter[0]
        other = BACKGROUNDS[scene.ground if scene.gradient is None else scene.gradient].rgb
        end = torch.tensor(other).view(3, 1, 1) + (jitter[0] if scene.gradient is None else jitter[1])
        grounds.append((top + (end - top) * down).expand(3, size, size))
    return (torch.stack(grounds) / 255).clamp(0, 1)
