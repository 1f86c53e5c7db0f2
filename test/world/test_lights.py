"""Lights of lived-in rooms, and what dirt and use leave on their walls."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.world import camera_pose, Room, Scene, World
from depth_node.world.floorplan import Area
from depth_node.world.homes import furnish_home
from depth_node.world.lighting import light_up
from depth_node.world.lightmap import Patch, worn
from depth_node.world.lights import lamps, sunshine
from depth_node.world.room import WallOpening
from depth_node.world.scene import Material, Panel

PAINT = Material('plain', (0.5,) * 3, (0.5,) * 3)
LAMP = Panel((-6, 0, 2.4), ((0.2, 0, 0), (0, 0.2, 0)), (0, 0, 0), (3, 3, 3))
HALL = Scene(
    Room((16.0, 8.0, 2.5)), (PAINT,) * 6, (), (), (0, 0, 0), (0, 0, 1, 1), (LAMP,),
)


def test_a_bare_hall_has_no_shadows() -> None:
    """Light falls off smoothly along ceiling and walls, however low it strikes them."""
    light = light_up(HALL)
    u, v = np.meshgrid(np.arange(0.5, 15.5, 0.1), np.arange(0.5, 7.5, 0.5))
    lit = np.log(light.lookup(np.full(u.shape, 5), u.astype(np.float32), v.astype(np.float32))[0])
    assert abs(np.diff(lit, 2, 1)[:, 60:]).max() < 0.05


def test_lamps_stand_hang_or_are_off() -> None:
    rooms = []
    for seed in range(200):
        panels: list[Panel] = [LAMP] if seed % 2 else []
        windows = len(panels)
        seen = lamps(np.random.default_rng(seed), Area((-3, 3, -2, 2), None), 2.6, panels)
        added = panels[windows:]
        assert bool(seen) == bool(added)
        assert added or windows  # never dark
        assert any(solid.material.glow for solid in seen) == bool(added)
        rooms.append([panel.center[2] for panel in added])
    assert 0.05 < np.mean([not room for room in rooms]) < 0.3
    assert 0.1 < np.mean([min(room, default=9) < 1.7 for room in rooms]) < 0.45
    assert 0.02 < np.mean([max(room, default=9) < 1.7 for room in rooms]) < 0.25


def test_the_sun_shines_into_the_room_through_a_window() -> None:
    hole = WallOpening(1, (1.0, 0.8), (2.0, 2.0))
    suns = [sunshine(np.random.default_rng(seed), [hole]) for seed in range(50)]
    shining = [sun for sun in suns if sun is not None]
    assert 10 < len(shining) < 35
    for sun in shining:
        assert sun.toward[0] > 0
        assert sun.toward[2] > 0
        assert np.linalg.norm(sun.toward) == pytest.approx(1.0)
    assert sunshine(np.random.default_rng(0), []) is None


def test_wear_changes_brightness_as_much_as_it_says() -> None:
    rng = np.random.default_rng(0)
    patch = Patch(0, 0, 160, 60, (0.0, 0.0), (10.0, 3.75))
    factors = np.stack([worn(rng, patch, 0.1) for _ in range(30)])
    assert factors.shape == (30, 60, 160)
    assert 0.05 < np.log(factors).std() < 0.2
    assert 0.85 < factors.mean() < 1.1
    assert factors.min() > 0.3


def test_only_worn_rooms_show_wear_and_drives_are_clean() -> None:
    camera, pose = Camera.from_hfov(120, 90, 80), camera_pose((3, 0, 1.2), 0.0)
    clean, again, dirty = (
        World(scene=dataclasses.replace(HALL, wear=wear)).radiance(camera, pose)[0]
        for wear in (0.0, 0.0, 0.2)
    )
    np.testing.assert_array_equal(clean, again)
    assert np.log(dirty / clean).std() > 0.05
    assert furnish_home(3, tour=True).wear == 0
    wear = [furnish_home(seed).wear for seed in range(30)]
    assert min(wear) == 0
    assert 0.02 < max(wear) <= 0.2
