"""Pictures composed on the fly: repeatable, and each as its caption and its scene say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dalle_core.hues import HUES, rotate_hue
from dalle_core.training import compose as module
from dalle_core.training import scenes as scenes_module
from dalle_core.training.art import ArtSet, Picture
from dalle_core.training.compose import Batch, compose, paint
from dalle_core.training.palette import BACKDROPS, BACKGROUNDS, dominant_hue, hue_name, nearest_background
from dalle_core.training.scenes import Mixture, Scene, draw_scene

SIZE = 32
APPLE = Picture("noto/apple", "noto", "apple", ("apple",), ("苹果",), hue=0.0)
ARROW = Picture("noto/arrow", "noto", "arrow", ("arrow",), (), flip=False)


def icon(colour: tuple[int, int, int], left_only: bool = False) -> np.ndarray:
    """A square of half the side, or only its left half; transparent around it."""
    rgba = np.zeros((64, 64, 4), dtype=np.uint8)
    rgba[16:48, 16 : 32 if left_only else 48] = (*colour, 255)
    return rgba


ART = ArtSet(np.stack([icon((222, 0, 0)), icon((120, 120, 120), left_only=True)]), (APPLE, ARROW))


def draw(seed: int = 0, batch: int = 64, varied: bool = True) -> Batch:
    return compose(ART, np.arange(batch) % 2, SIZE, (seed,), Mixture() if varied else None)


def drawn_scenes() -> list[Scene]:
    rng = np.random.default_rng(0)
    return [draw_scene(ART, 0, rng, Mixture()) for _ in range(400)]


def placed(monkeypatch: pytest.MonkeyPatch, row: int = 0, **scene: Any) -> Batch:
    """One picture in exactly this scene."""
    monkeypatch.setattr(module, "draw_scene", lambda *_: Scene(**scene))
    return compose(ART, np.array([row]), SIZE, (0,))


def centre(alpha: Tensor) -> tuple[float, float]:
    """Centre of mass, x and y, as shares of the side from the middle."""
    weights = alpha[0, 0] / alpha.sum()
    place = (torch.arange(SIZE) + 0.5) / SIZE - 0.5
    return float((weights.sum(0) * place).sum()), float((weights.sum(1) * place).sum())


class TestRepeatable:
    def test_the_same_seed_gives_the_same_batch(self):
        first, second = draw(3), draw(3)
        assert torch.equal(first.images, second.images)
        assert (first.captions, first.scenes) == (second.captions, second.scenes)

    def test_another_seed_gives_another(self):
        assert not torch.equal(draw(3).images, draw(4).images)
        assert draw(3).captions != draw(4).captions

    def test_torchs_own_generator_is_left_alone(self):
        torch.manual_seed(5)
        before = torch.get_rng_state()
        draw()
        assert torch.equal(torch.get_rng_state(), before)


class TestBatch:
    def test_shapes_and_ranges(self):
        batch = draw()
        assert (batch.images.shape, batch.alpha.shape) == ((64, 3, SIZE, SIZE), (64, 1, SIZE, SIZE))
        assert batch.images.dtype == torch.float32
        assert 0 <= batch.images.min() <= batch.images.max() <= 1
        assert len(batch.captions) == len(batch.scenes) == len(batch.rows) == 64

    def test_unvaried_is_the_plain_icon_on_white(self):
        batch = draw(varied=False)
        assert set(batch.scenes) == {Scene()}
        corners = batch.images[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
        assert torch.equal(corners, torch.ones_like(corners))
        assert torch.allclose(batch.images[0, :, 16, 16] * 255, torch.tensor([222.0, 0.0, 0.0]), atol=0.01)

    def test_both_plain_and_varied_scenes_are_drawn(self):
        rng = np.random.default_rng(0)
        half = [draw_scene(ART, 0, rng, Mixture(as_drawn=0.5, plain_ground=0.0)) for _ in range(400)]
        assert sum(scene == Scene() for scene in half) / 400 == pytest.approx(0.5, abs=0.07)
        varied = [draw_scene(ART, 0, rng, Mixture(plain_ground=0.25, gradient=0.25, backdrop=0.1)) for _ in range(2000)]
        shares = {
            "plain": sum(scene.ground == 0 and not scene.backdrop for scene in varied) / 2000,
            "backdrop": sum(scene.backdrop != "" for scene in varied) / 2000,
            "gradient": sum(scene.gradient is not None for scene in varied) / 2000,
            "tiny": sum(scene.tiny for scene in varied) / 2000,
        }
        assert shares == pytest.approx({"plain": 0.25, "backdrop": 0.1, "gradient": 0.16, "tiny": 0.06}, abs=0.03)

    def test_a_gradient_never_ends_where_it_began(self):
        assert all(scene.gradient != scene.ground for scene in drawn_scenes())


class TestPlacing:
    def test_scale_is_of_the_side(self, monkeypatch: pytest.MonkeyPatch):
        areas = [float(placed(monkeypatch, scale=scale).alpha.mean()) for scale in (1.0, 0.5)]
        assert areas == pytest.approx([0.25, 0.0625], rel=0.03)

    @pytest.mark.parametrize("flip", [False, True])
    @pytest.mark.parametrize("shift", [(0.0, 0.0), (0.125, -0.0625)])
    def test_shift_is_a_share_of_the_side_flipped_or_not(
        self, monkeypatch: pytest.MonkeyPatch, shift: tuple[float, float], flip: bool
    ):
        batch = placed(monkeypatch, scale=0.75, shift=shift, flip=flip)
        assert centre(batch.alpha) == pytest.approx(shift, abs=0.01)

    def test_a_flip_mirrors_left_and_right(self, monkeypatch: pytest.MonkeyPatch):
        plain, flipped = (placed(monkeypatch, row=1, scale=1.0, flip=flip) for flip in (False, True))
        torch.testing.assert_close(flipped.images, plain.images.flip(-1), atol=1e-5, rtol=0)
        assert centre(plain.alpha)[0] < -0.1 < 0.1 < centre(flipped.alpha)[0]

    @pytest.mark.parametrize("flip", [False, True])
    @pytest.mark.parametrize("shift", [(0.0, 0.0), (0.21, -0.17), (-0.45, 0.4)])
    @pytest.mark.parametrize("scale", [0.46, 0.2, 1.3])
    def test_what_is_sampled_is_all_that_is_seen(self, scale: float, shift: tuple[float, float], flip: bool):
        """Though only a window around an icon is: torch's own sampling of the whole picture, at twice the size."""
        rgba = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 4), dtype=np.uint8)
        _, alpha = paint(ArtSet(rgba, (APPLE,)), np.array([0]), [Scene(scale=scale, shift=shift, flip=flip)], SIZE)
        across = (-1 if flip else 1) / scale
        theta = torch.tensor([[[across, 0, -2 * shift[0] * across], [0, 1 / scale, -2 * shift[1] / scale]]])
        grid = F.affine_grid(theta, [1, 1, 2 * SIZE, 2 * SIZE], align_corners=False)
        cover = torch.from_numpy(rgba[..., 3])[None] / 255
        whole = F.avg_pool2d(F.grid_sample(cover, grid, align_corners=False), 2)
        assert whole.max() > 0.2
        torch.testing.assert_close(alpha, whole, atol=1e-4, rtol=0)

    def test_edges_are_free_of_dark_fringes(self, monkeypatch: pytest.MonkeyPatch):
        white = ArtSet(np.stack([icon((255, 255, 255))]), (APPLE,))
        monkeypatch.setattr(module, "draw_scene", lambda *_: Scene(scale=0.83, shift=(0.013, 0.02)))
        assert float(compose(white, np.array([0]), SIZE, (0,)).images.min()) > 1 - 1e-5


class TestFlips:
    def test_happen_only_where_they_are_harmless(self):
        rng = np.random.default_rng(0)
        assert not any(draw_scene(ART, 1, rng, Mixture()).flip for _ in range(300))
        share = sum(draw_scene(ART, 0, rng, Mixture()).flip for _ in range(300)) / 300
        assert share == pytest.approx((1 - Mixture().as_drawn) / 2, abs=0.1)


class TestGrounds:
    def test_are_of_the_colour_that_the_caption_names(self):
        batch = draw(batch=120)
        for image, alpha, scene, text in zip(batch.images, batch.alpha, batch.scenes, batch.captions, strict=True):
            if scene.gradient is None:
                seen = image.permute(1, 2, 0)[alpha[0] == 0].numpy() * 255
                assert {nearest_background(rgb) for rgb in seen[[0, -1]]} == {scene.ground}
                colour = BACKGROUNDS[scene.ground]
                assert scene.ground == 0 or colour.en in text or colour.zh in text

    def test_a_gradient_runs_from_the_one_to_the_other(self, monkeypatch: pytest.MonkeyPatch):
        image = placed(monkeypatch, ground=3, gradient=8, scale=0.5).images[0]
        ends = [nearest_background(image[:, row, 0].numpy() * 255) for row in (0, -1)]
        assert ends == [3, 8]
        assert bool((image[0, :, 0].diff() < 0).all())  # red falls all the way

    def test_white_is_white(self, monkeypatch: pytest.MonkeyPatch):
        assert float(placed(monkeypatch, scale=0.5).images[0, :, 0].min()) == 1.0

    def test_only_coloured_grounds_vary(self):
        scenes = drawn_scenes()
        assert all((scene.ground == 0) == (set(scene.jitter) == {0.0}) for scene in scenes)


class TestHue:
    @staticmethod
    def colours(batch: int = 4) -> Tensor:
        return torch.rand(batch, 3, 6, 6, generator=torch.Generator().manual_seed(0))

    def test_greys_stay(self):
        greys = torch.linspace(0, 1, 12).view(1, 1, 3, 4).expand(2, 3, 3, 4)
        torch.testing.assert_close(rotate_hue(greys, torch.tensor([77.0, -200.0])), greys)

    def test_value_and_chroma_are_kept(self):
        before, after = self.colours(), rotate_hue(self.colours(), torch.tensor([10.0, 90.0, 200.0, -45.0]))
        torch.testing.assert_close(after.amax(1), before.amax(1))
        torch.testing.assert_close(after.amin(1), before.amin(1))

    @pytest.mark.parametrize(
        ("degrees", "expected"), [(120.0, [0, 1, 0]), (240.0, [0, 0, 1]), (60.0, [1, 1, 0]), (-120.0, [0, 0, 1])]
    )
    def test_red_becomes(self, degrees: float, expected: list[int]):
        red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
        turned = rotate_hue(red, torch.tensor([degrees])).flatten()
        torch.testing.assert_close(turned, torch.tensor(expected, dtype=torch.float32))

    def test_a_full_turn_and_none_change_nothing(self):
        colours = self.colours(2)
        turned = rotate_hue(colours, torch.tensor([360.0, 0.0]))
        torch.testing.assert_close(turned, colours, atol=1e-5, rtol=0)

    def test_only_what_is_recoloured_is_turned(self):
        plain, turned = Scene(scale=1.0), Scene(scale=1.0, hue="blue")
        beside, _ = paint(ART, np.array([0, 0]), [plain, turned], SIZE)
        alone, _ = paint(ART, np.array([0]), [plain], SIZE)
        assert torch.equal(beside[:1], alone)
        assert not torch.allclose(beside[1], beside[0], atol=0.2)

    def test_there_and_back(self):
        colours, turn = self.colours(), torch.tensor([10.0, 130.0, 250.0, 359.0])
        torch.testing.assert_close(rotate_hue(rotate_hue(colours, turn), -turn), colours, atol=1e-5, rtol=0)

    @pytest.mark.parametrize("hue", list(HUES))
    def test_a_recoloured_picture_has_the_named_hue(self, monkeypatch: pytest.MonkeyPatch, hue: str):
        image = placed(monkeypatch, hue=hue, scale=1.0).images[0, :, 8:24, 8:24]
        rgba = torch.cat([image, torch.ones(1, 16, 16)]).permute(1, 2, 0)
        found = dominant_hue((rgba * 255).round().to(torch.uint8).numpy())
        assert found is not None
        assert hue_name(found) == hue

    def test_a_picture_without_a_hue_is_never_recoloured(self):
        rng = np.random.default_rng(0)
        assert all(draw_scene(ART, 1, rng, Mixture()).hue is None for _ in range(200))
        coloured = replace(ART, rows=(APPLE, replace(ARROW, hue=5.0)))
        assert any(draw_scene(coloured, 1, rng, Mixture()).hue for _ in range(200))


class TestGroups:
    """Several icons: where each of them stands."""

    def test_a_count_is_as_many_pieces(self, monkeypatch: pytest.MonkeyPatch):
        for count in (1, 2, 3, 4):
            alpha = placed(monkeypatch, count=count, scale=0.9 if count > 1 else 0.43).alpha[0, 0]
            assert pieces(alpha > 0.5) == count

    @pytest.mark.parametrize(
        ("relation", "apple"),
        [("left of", (-1, 0)), ("right of", (1, 0)), ("above", (0, -1)), ("below", (0, 1)), ("beside", (-1, 0))],
    )
    def test_a_pair_stands_as_its_relation_says(
        self, monkeypatch: pytest.MonkeyPatch, relation: str, apple: tuple[int, int]
    ):
        batch = placed(monkeypatch, other=1, relation=relation, scale=1.0)
        reddish = (batch.images[:, :1] > 0.7) & (batch.images[:, 1:2] < 0.3)
        x, y = centre(reddish.float())
        assert (round(x * 4), round(y * 4)) == apple

    def test_each_of_a_pair_is_turned_to_its_own_hue(self, monkeypatch: pytest.MonkeyPatch):
        both = replace(ART, rows=(APPLE, replace(APPLE, name="noto/other")), images=ART.images[[0, 0]])
        monkeypatch.setattr(
            module, "draw_scene", lambda *_: Scene(other=1, relation="left of", hue="green", other_hue="blue")
        )
        image = compose(both, np.array([0]), SIZE, (0,)).images[0]
        names = []
        for half in (image[:, :, : SIZE // 2], image[:, :, SIZE // 2 :]):
            rgba = torch.cat([half, (half.min(0).values < 0.5).float()[None]]).permute(1, 2, 0)
            hue = dominant_hue((rgba * 255).round().to(torch.uint8).numpy())
            assert hue is not None
            names.append(hue_name(hue))
        assert names == ["green", "blue"]

    def test_what_is_held_out_is_never_composed(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(scenes_module, "is_held_out", lambda *_: True)
        rng = np.random.default_rng(0)
        mixture = Mixture(counted=0.4, paired=0.4, recolour=1.0)
        drawn = [draw_scene(ART, 0, rng, mixture) for _ in range(100)]
        assert all((scene.count, scene.other, scene.hue) == (1, None, None) for scene in drawn)

    def test_a_tenth_of_the_combinations_is_held_out(self):
        share = sum(scenes_module.is_held_out("pair", str(i), "cat") for i in range(2000)) / 2000
        assert share == pytest.approx(0.1, abs=0.02)

    def test_shares_are_as_asked(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(scenes_module, "is_held_out", lambda *_: False)
        rng = np.random.default_rng(0)
        drawn = [draw_scene(ART, 0, rng, Mixture(counted=0.3, paired=0.3)) for _ in range(600)]
        assert sum(scene.count > 1 for scene in drawn) / 600 == pytest.approx(0.3, abs=0.06)
        paired = [scene for scene in drawn if scene.other is not None]
        assert len(paired) / 600 == pytest.approx(0.15, abs=0.05)  # half of the partners are the apple itself
        assert {scene.other for scene in paired} == {1}
        assert len({scene.relation for scene in paired}) == 5


class TestBackdrops:
    @pytest.mark.parametrize("name", list(BACKDROPS))
    def test_sky_above_ground_below(self, monkeypatch: pytest.MonkeyPatch, name: str):
        image = placed(monkeypatch, backdrop=name, grain=3, scale=0.5).images[0] * 255
        backdrop = BACKDROPS[name]
        top, bottom = image[:, 0].median(dim=1).values, image[:, -1].median(dim=1).values
        torch.testing.assert_close(top, torch.tensor(backdrop.sky[0], dtype=torch.float32), atol=3, rtol=0)
        torch.testing.assert_close(bottom, torch.tensor(backdrop.ground, dtype=torch.float32), atol=3, rtol=0)

    def test_the_grain_strews_otherwise(self, monkeypatch: pytest.MonkeyPatch):
        one, same, other = (placed(monkeypatch, backdrop="night sky", grain=grain).images for grain in (1, 1, 2))
        assert torch.equal(one, same)
        assert not torch.equal(one, other)


def pieces(solid: Tensor) -> int:
    """How many connected pieces there are, by flooding."""
    left, count = {(int(y), int(x)) for y, x in solid.nonzero()}, 0
    while left:
        count, edge = count + 1, [left.pop()]
        while edge:
            y, x = edge.pop()
            near = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
            left -= near
            edge += near
    return count


def test_art_that_an_accelerator_holds_is_painted_the_same():
    held = replace(ART, images=torch.from_numpy(ART.images))
    mixture = Mixture(counted=0.2, paired=0.2, backdrop=0.2)
    there, here = (compose(art, np.arange(32) % 2, SIZE, (1,), mixture) for art in (held, ART))
    assert there.captions == here.captions
    assert torch.equal(there.images, here.images)
    assert torch.equal(there.alpha, here.alpha)
