"""Check the thinning against a dictionary of cubes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.cloud.maker import CloudMaker
from depth_node.cloud.voxel import capped, one_of_each, VoxelGrid
from depth_node.world import World


def thinned(maker: CloudMaker, depth: np.ndarray, size: float) -> np.ndarray:
    return VoxelGrid(size).thinned(maker, maker.there(depth), depth)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=200), st.integers(1, 5))
def test_one_of_each(values, copies) -> None:
    keys = np.array(values * copies, np.int64)
    places = one_of_each(keys)
    assert sorted(keys[places]) == sorted(set(values))


def test_one_of_many_that_collide() -> None:
    keys = np.random.default_rng(0).integers(0, 5000, 100_000)
    np.testing.assert_array_equal(np.sort(keys[one_of_each(keys)]), np.unique(keys))


@pytest.mark.parametrize('size', [0.02, 0.05, 0.3])
def test_every_cube_keeps_exactly_one_point(size) -> None:
    camera = Camera.from_hfov(160, 120, 80)
    world = World(1)
    pose = world.pose(3.0)
    depth = world.render(camera, pose)[1]
    depth[:4] = np.nan
    depth[50:60, 50:60] = np.inf
    for transform in (None, pose):
        maker = CloudMaker(camera.rays(), transform)
        points = maker.organized(depth).reshape(-1, 3).copy()
        points = points[np.isfinite(points[:, 2])].astype(float)
        cubes = {tuple(cube) for cube in np.floor(points / size)}
        kept = maker.picked(thinned(maker, depth, size), depth)
        found = [tuple(cube) for cube in np.floor(kept.astype(float) / size)]
        assert len(found) == len(set(found))
        # a point on the very border of two cubes may go either way
        assert len(set(found) ^ cubes) <= 0.002 * len(cubes)


@pytest.mark.parametrize('far', [1500.0, -9000.0])
def test_a_map_may_be_wider_than_16_bits_of_cubes(far) -> None:
    """Cubes of 5 cm, and a robot kilometres from the origin of the map."""
    camera = Camera.from_hfov(120, 90, 80)
    depth = np.random.default_rng(0).uniform(0.5, 40, (90, 120)).astype(np.float32)
    pose = np.eye(4)
    near = len(thinned(CloudMaker(camera.rays(), pose), depth, 0.05))
    pose[0, 3] = far
    assert len(thinned(CloudMaker(camera.rays(), pose), depth, 0.05)) == pytest.approx(
        near, rel=0.01
    )


def test_noise_is_thinned_too() -> None:
    camera = Camera.from_hfov(120, 90, 80)
    depth = np.random.default_rng(0).uniform(0.5, 20, (90, 120)).astype(np.float32)
    maker = CloudMaker(camera.rays())
    indices = thinned(maker, depth, 0.5)
    cubes = np.floor(maker.picked(indices, depth) / 0.5)
    assert len(np.unique(cubes, axis=0)) == len(indices)


def test_nothing_to_thin() -> None:
    camera = Camera.from_hfov(40, 30, 80)
    maker = CloudMaker(camera.rays())
    assert thinned(maker, np.full((30, 40), np.nan, np.float32), 0.05).size == 0


def test_cap_is_even_and_exact() -> None:
    indices = np.random.default_rng(0).permutation(1000)
    assert capped(indices, 0) is indices
    assert capped(indices, 1000) is indices
    some = capped(indices, 100)
    assert len(np.unique(some)) == 100
    assert np.diff(some).max() <= 11
