"""Check the camera's pose against the world's, and the ground against slopes that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from depth_node.camera.ground import camera_over_ground, Ground
from depth_node.cloud.ground import fit_ground
from depth_node.config import Config
from depth_node.world import camera_pose

CONFIG = Config().ground


def floor(slope_x=0.0, slope_y=0.0, offset=0.0, noise=0.0, walls=True) -> np.ndarray:
    """Sample a floor, and boxes and a wall that stand on it."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.8, 6, 2000), rng.uniform(-2, 2, 2000)
    z = slope_x * x + slope_y * y + offset
    points = [np.stack([x, y, z + noise * x * rng.standard_normal(2000)], 1)]
    if walls:
        y, up = rng.uniform(-2, 2, 1500), rng.uniform(0, 2, 1500)
        points.append(np.stack([np.full(1500, 6.0), y, 6 * slope_x + slope_y * y + up], 1))
        up = rng.uniform(0, 0.4, 300)
        points.append(np.stack([np.full(300, 2.0), y[:300] / 4, 2 * slope_x + up], 1))
    return np.concatenate(points).astype(np.float32)


def test_pose_is_the_worlds() -> None:
    ours = camera_over_ground(0.7, 8.0, 3.0)
    np.testing.assert_allclose(
        ours, camera_pose((0, 0, 0.7), 0, math.radians(8), math.radians(3)), atol=1e-12
    )
    # level, the optical axis is forward; tilted, it falls
    np.testing.assert_allclose(camera_over_ground(1, 0, 0)[:3, 2], [1, 0, 0], atol=1e-12)
    assert camera_over_ground(1, 20, 0)[2, 2] < 0


@pytest.mark.parametrize(('slope_x', 'slope_y', 'offset'), [
    (0, 0, 0), (0.1, 0, 0), (-0.08, 0.05, 0), (0.02, -0.1, 0.08), (0, 0, -0.12),
])
@pytest.mark.parametrize('noise', [0.0, 0.01])
def test_slope_is_found_beside_walls_and_boxes(slope_x, slope_y, offset, noise) -> None:
    plane = fit_ground(floor(slope_x, slope_y, offset, noise), CONFIG, 0.6)
    for x in (1.0, 5.0):
        for y in (-1.5, 1.5):
            wrong = (plane.slope_x - slope_x) * x + (plane.slope_y - slope_y) * y
            assert abs(wrong + plane.offset - offset) < 0.02 + 0.01 * x


def test_what_is_too_steep_is_no_ground() -> None:
    assert fit_ground(floor(0.35, walls=False), CONFIG, 0.6) == Ground()


def test_flat_is_taken_where_slopes_are_forbidden_or_nothing_is_seen() -> None:
    flat = Config().replaced({'ground.max_slope_deg': 0.0}).ground
    assert fit_ground(floor(0.1), flat, 0.6) == Ground()
    assert fit_ground(floor()[:10], CONFIG, 0.6) == Ground()
    assert fit_ground(np.empty((0, 3), np.float32), CONFIG, 0.6) == Ground()


def test_sliver_of_floor_does_not_tilt_the_ground() -> None:
    near = floor(noise=0.02, walls=False)
    near = near[near[:, 0] < 1.0]
    plane = fit_ground(near, CONFIG, 0.6)
    assert abs(5 * plane.slope_x + plane.offset) < 0.15
