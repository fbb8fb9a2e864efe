"""Pictures made on the fly from rendered art: moved, scaled, flipped, recoloured, set on a ground; with their captions.

A batch is a pure function of (art, rows, seed): the same seed always gives the same pictures and captions, which is
what makes an interrupted training run resumable to the bit.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dalle_core.training.art import ArtSet
from dalle_core.training.captions import caption
from dalle_core.training.palette import BACKDROPS, BACKGROUNDS, HUES
from dalle_core.training.scenes import Mixture, Part, Scene, draw_scene, parts

USUAL = Mixture()


@dataclass(frozen=True)
class Batch:
    """`images` is (B, 3, S, S) in [0, 1]; `alpha` (B, 1, S, S) says where the object is; `rows` index the art."""

    images: Tensor
    alpha: Tensor
    captions: list[str]
    rows: np.ndarray
    scenes: list[Scene]


def compose(
    art: ArtSet,
    rows: np.ndarray,
    size: int,
    seed: tuple[int, ...],
    mixture: Mixture | None = USUAL,
    recolour: bool = True,
    share: slice = slice(None),
) -> Batch:
    """Draw one batch. `rows` (B,) index the art; `size` is the side in pixels; `seed` names the stream.

    Without a mixture every picture is the plain icon, centred, on white. Only a `share` of the batch is painted.
    """
    rng = np.random.default_rng(seed)
    staged = [stage(art, int(i), rng, mixture, recolour) for i in rows][share]
    rows = rows[share]
    scenes = [scene for scene, _ in staged]
    return Batch(*paint(art, rows, scenes, size), [text for _, text in staged], rows, scenes)


def paint(art: ArtSet, rows: np.ndarray, scenes: list[Scene], size: int) -> tuple[Tensor, Tensor]:
    """Exactly these scenes, each with its picture of the art: images (B, 3, S, S), and alpha (B, 1, S, S)."""
    images = _grounds(scenes, size)
    alpha = torch.zeros(len(rows), 1, size, size)
    placed = [parts(int(i), scene) for i, scene in zip(rows, scenes, strict=True)]
    for layer in range(max(map(len, placed))):
        here = [i for i, there in enumerate(placed) if len(there) > layer]
        colour, cover = _place(art, [placed[i][layer] for i in here], size)
        images[here] = colour + (1 - cover) * images[here]
        alpha[here] = cover + (1 - cover) * alpha[here]
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
    rgba = torch.from_numpy(art.images[[part.row for part in placed]]).permute(0, 3, 1, 2).float() / 255
    alpha, colour = rgba[:, 3:], rgba[:, :3]
    hues = [art.rows[part.row].hue for part in placed]
    turns = [
        HUES[part.hue] - hue if part.hue is not None and hue is not None else 0.0
        for part, hue in zip(placed, hues, strict=True)
    ]
    colour = rotate_hue(colour, torch.tensor(turns)) * alpha
    both = torch.cat([colour, alpha], dim=1)
    theta = torch.zeros(len(placed), 2, 3)
    for i, part in enumerate(placed):
        theta[i, 0, 0] = (-1 if part.flip else 1) / part.scale
        theta[i, 1, 1] = 1 / part.scale
        theta[i, 0, 2] = -2 * part.shift[0] / part.scale * (-1 if part.flip else 1)
        theta[i, 1, 2] = -2 * part.shift[1] / part.scale
    fine = 2 * size  # sample at twice the size, then average: cheap anti-aliasing
    grid = F.affine_grid(theta, [len(placed), 4, fine, fine], align_corners=False)
    sampled = F.avg_pool2d(F.grid_sample(both, grid, align_corners=False), 2).clamp(0, 1)
    return sampled[:, :3], sampled[:, 3:]


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
    """(B, 3, S, S): one colour, a vertical gradient between two, or a backdrop."""
    return (torch.stack([_backdrop(s, size) if s.backdrop else _colours(s, size) for s in scenes]) / 255).clamp(0, 1)


def _colours(scene: Scene, size: int) -> Tensor:
    """(3, S, S) in 0..255."""
    down = torch.linspace(0, 1, size).view(1, size, 1)
    jitter = torch.tensor(scene.jitter).view(2, 3, 1, 1)
    top = torch.tensor(BACKGROUNDS[scene.ground].rgb).view(3, 1, 1) + jitter[0]
    other = BACKGROUNDS[scene.ground if scene.gradient is None else scene.gradient].rgb
    end = torch.tensor(other).view(3, 1, 1) + (jitter[0] if scene.gradient is None else jitter[1])
    return (top + (end - top) * down).expand(3, size, size)


def _backdrop(scene: Scene, size: int) -> Tensor:
    """(3, S, S) in 0..255: sky, ground, and what is strewn about: stars and flakes anywhere, waves on the sea."""
    backdrop, rng = BACKDROPS[scene.backdrop], np.random.default_rng(scene.grain)
    horizon = round(backdrop.horizon * size) + int(rng.integers(-size // 32, size // 32 + 1)) * (backdrop.horizon < 1)
    top, end = (torch.tensor(colour, dtype=torch.float32).view(3, 1, 1) for colour in backdrop.sky)
    image = (top + (end - top) * torch.linspace(0, 1, horizon).view(1, horizon, 1)).expand(3, horizon, size)
    ground = torch.tensor(backdrop.ground, dtype=torch.float32).view(3, 1, 1).expand(3, size - horizon, size)
    image = torch.cat([image, ground], dim=1).clone()
    dot, wide = max(1, size // 64), 4 if scene.backdrop == "sea" else 1
    lowest = size - dot
    for _ in range(backdrop.specks):
        y = int(rng.integers(horizon if wide > 1 else 0, lowest + 1))
        x = int(rng.integers(0, size - wide * dot + 1))
        image[:, y : y + dot, x : x + wide * dot] = torch.tensor(backdrop.speck, dtype=torch.float32).view(3, 1, 1)
    return image
