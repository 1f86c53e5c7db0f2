"""What lies flat on floors: colors without heights."""

from __future__ import annotations

import numpy as np

from depth_node.world import Box
from depth_node.world.floorplan import Area
from depth_node.world.floors import marks
from depth_node.world.homes import furnish_home

BOUNDS = (-2.0, 3.0, 1.0, 4.0)


def test_marks_are_flat_lie_in_their_room_and_stop_nobody() -> None:
    found = [marks(np.random.default_rng(seed), Area(BOUNDS, None)) for seed in range(300)]
    assert 0.4 < np.mean([bool(some) for some in found]) < 0.75
    for solid in (solid for some in found for solid in some):
        assert not solid.obstacle
        corners = solid.shape.corners()
        assert corners[2].max() < 0.01
        assert np.ptp(corners[:2], 1).max() > 0.01
        x, y, _ = solid.shape.center
        assert BOUNDS[0] <= x <= BOUNDS[1]
        assert BOUNDS[2] <= y <= BOUNDS[3]


def test_a_zone_covers_a_part_of_the_floor_from_wall_to_wall() -> None:
    zones = []
    for seed in range(100):
        for solid in marks(np.random.default_rng(seed), Area(BOUNDS, None)):
            low, high = solid.shape.corners().min(1), solid.shape.corners().max(1)
            if isinstance(solid.shape, Box) and min(solid.shape.size[:2]) > 0.5:
                zones.append((low, high))
                assert (low[:2] > np.array(BOUNDS[::2]) - 1e-6).all()
                assert (high[:2] < np.array(BOUNDS[1::2]) + 1e-6).all()
                width = high - low
                assert np.isclose(width[0], 5.0) or np.isclose(width[1], 3.0)
                assert width[0] * width[1] < 0.75 * 15
    assert len(zones) > 10


def test_drives_have_no_marks_beside_their_rug() -> None:
    assert sum(
        not s.obstacle and s.shape.corners()[2].max() < 0.007
        for s in furnish_home(2, tour=True).solids
    ) == 0
