"""Where the embedded network's cameras are."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('torch')

from depth_node.camera import Camera
from depth_node.training.embedded import views
from depth_node.training.embedded.views import draw_pose, HOLDERS
from depth_node.world import World
from depth_node.world.homes import furnish_home

RAYS = np.insert(Camera.from_hfov(32, 24, 64).rays().reshape(-1, 2), 2, 1.0, axis=1)


def test_views_are_as_often_near_as_far_and_nobody_is_in_a_wall() -> None:
    """About a third each is nearer than 1 m, up to 2.2 m, and farther; heights vary."""
    depths, heights = [], []
    for seed in range(12):
        world = World(seed, scene=furnish_home(seed))
        rng = np.random.default_rng(seed)
        for _ in range(8):
            pose = draw_pose(rng, world)
            assert world.distance(pose[:3, 3]) > 0.1
            lengths = world.cast(pose[:3, 3], RAYS @ pose[:3, :3].T)
            depths.append(np.median(lengths / np.linalg.norm(RAYS, axis=1)))
            heights.append(pose[2, 3])
    shares = np.histogram(depths, (0, 1.0, 2.2, 100))[0] / len(depths)
    assert shares.min() > 0.15, shares
    low = np.mean(np.array(heights) < 0.6)
    assert 0.15 < low < 0.6
    assert np.mean(np.array(heights) > 1.2) > 0.2


def test_places_are_judged_by_the_depth_that_the_world_has_there() -> None:
    """What is left out because no ray comes near it would not have been met."""
    for seed in range(4):
        world = World(seed, scene=furnish_home(seed))
        known, rng = views._Known(world), np.random.default_rng(seed)
        poses = np.stack([draw_pose(rng, world) for _ in range(5)])
        rays = np.einsum('nij,kj->nki', poses[:, :3, :3], views._AHEAD)
        lengths = world.cast(poses[:, None, :3, 3], rays) / np.linalg.norm(views._AHEAD, axis=1)
        np.testing.assert_allclose(known.cast(poses), lengths, rtol=1e-6)
        size = np.array(world.room.size)
        for _ in range(40):
            place = rng.uniform((-0.5, -0.5, 0), (0.5, 0.5, 1)) * size
            assert known.free(place) == (world.distance(place) > views._CLEARANCE)


def test_the_same_seed_is_the_same_view() -> None:
    world = World(5, scene=furnish_home(5))
    first, again, other = (draw_pose(np.random.default_rng(n), world) for n in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_empty_room_has_views_too() -> None:
    world = World(5, obstacles=0)
    for seed in range(10):
        pose = draw_pose(np.random.default_rng(seed), world)
        assert world.distance(pose[:3, 3]) > 0.1
    assert sum(holder.share for holder in HOLDERS) == pytest.approx(1.0)
