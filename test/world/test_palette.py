"""Materials of lived-in rooms: what they may be, and their three colors."""

from __future__ import annotations

import numpy as np

from depth_node.camera import Camera
from depth_node.world import camera_pose, palette, Room, Scene, World
from depth_node.world.patterns import NAMES
from depth_node.world.scene import Color, Material, Panel

LAMP = Panel((0, 0, 2.9), ((0.2, 0, 0), (0, 0.2, 0)), (0, 0, -1), (3, 3, 3))
BLACK, WHITE = (0.0, 0.0, 0.0), (0.9, 0.9, 0.9)


def seen(middle: Color | None) -> np.ndarray:
    """Return the mean color of walls whose mix is everywhere between."""
    walls = (Material('paint', BLACK, WHITE, middle=middle),) * 6
    scene = Scene(Room((8.0, 6.0, 3.0)), walls, (), (), BLACK, (0, 0, 1, 1), (LAMP,))
    radiance, _ = World(scene=scene).radiance(
        Camera.from_hfov(64, 48, 60), camera_pose((0, 0, 1.0), 0.0)
    )
    return radiance.mean((0, 1))


def test_a_middle_color_shows_where_the_mix_is_a_half() -> None:
    red, green, blue = seen((0.9, 0.0, 0.0))
    assert red > 3 * max(green, blue)
    np.testing.assert_allclose(seen((0.45, 0.45, 0.45)), seen(None), rtol=1e-4)


def test_every_material_names_a_pattern_and_has_colors_of_real_things() -> None:
    rng = np.random.default_rng(0)
    makers = [
        palette.wall, palette.floor, palette.ceiling, palette.wood, palette.cloth, palette.metal,
        palette.plastic, palette.black, palette.plant, palette.skin, palette.paper,
        palette.cardboard, lambda rng: palette.print_(rng, 'photo', 'screen', 'keys'),
    ]
    used = set()
    for make in makers:
        for _ in range(150):
            material = make(rng)
            used.add(material.pattern)
            colors = (material.first, material.second, material.middle or BLACK)
            assert all(0 <= channel <= 1 for color in colors for channel in color)
    assert used <= set(NAMES)
    assert len(used) > 80


def test_keyboards_and_pages_keep_their_size() -> None:
    """A key is 19 mm wide: what is always of one size says how near it is."""
    rng = np.random.default_rng(1)
    drawn = [palette.print_(rng, 'keys', 'text', 'books') for _ in range(200)]
    true = [m for m in drawn if m.pattern in ('keys', 'keyboard', 'page', 'text', 'spines')]
    assert len(true) > 100
    assert all(0.9 <= material.scale <= 1.1 for material in true)


def test_in_few_scenes_everything_looks_like_anything_but_lamps_and_mirrors() -> None:
    paint = Material('plain', WHITE, WHITE)
    lamp, mirror = Material('plain', WHITE, WHITE, 1.0, 4.0), Material('plain', BLACK, BLACK,
                                                                      gloss=0.9)
    wild = 0
    for seed in range(300):
        drawn = palette.Wild(np.random.default_rng(seed))
        assert drawn(lamp) == lamp
        assert drawn(mirror) == mirror
        assert drawn(paint) == drawn(paint)
        wild += drawn(paint) != paint
    assert 10 < wild < 60


def test_most_rooms_are_brown_blue_or_green_and_none_is_ruled_out() -> None:
    rng = np.random.default_rng(2)
    hues = np.array([palette.common_hue(rng) for _ in range(3000)])
    assert ((hues >= 0) & (hues < 1)).all()
    warm, purple = (hues < 0.18).mean(), ((hues > 0.72) & (hues < 0.92)).mean()
    assert warm > 0.4
    assert 0.02 < purple < 0.08
