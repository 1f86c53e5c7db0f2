"""Up, the floor, and the plan, on points whose answer is known."""

from __future__ import annotations

from dataclasses import replace
import math

import numpy as np
import pytest

from depth_node.errors import ConfigError, DataError
from depth_node.mapping.axes import Up, up_of
from depth_node.mapping.floor import find_floor, Floor
from depth_node.mapping.floor_plan import (
    floor_plan,
    FloorPlan,
    FREE,
    OCCUPIED,
    PlanOptions,
    UNKNOWN,
)
from depth_node.mapping.truth import free_space_iou, FreeSpace
from depth_node.mapping.volume import Mesh
from depth_node.world import camera_pose, Room, World

WAY = np.array([[0.0, 0, 0.6], [4.0, 0, 0.6]])


def cloud(points: np.ndarray, normal: tuple[float, float, float] = (0, 0, 1)) -> Mesh:
    points = np.asarray(points, np.float32).reshape(-1, 3)
    return Mesh(points, np.zeros((len(points), 3), np.uint8),
                np.tile(np.float32(normal), (len(points), 1)), np.zeros((0, 3), np.int32))


def both(*parts: Mesh) -> Mesh:
    return Mesh(*(np.concatenate([getattr(part, name) for part in parts])
                  for name in ('points', 'rgb', 'normals', 'faces')))


def sheet(height: float, low: tuple[float, float], high: tuple[float, float]) -> np.ndarray:
    x, y = np.meshgrid(*(
        a + 0.02 * np.arange(round((b - a) / 0.02)) + 0.01 for a, b in zip(low, high, strict=True)
    ))
    return np.stack([x, y, np.full_like(x, height)], -1).reshape(-1, 3)


@pytest.mark.parametrize('up', list(Up))
def test_every_axis_can_be_up(up: Up) -> None:
    turn = up.to_map()
    np.testing.assert_array_equal(turn @ up.vector, [0, 0, 1])
    assert np.linalg.det(turn) == 1, 'no mirror'
    level = np.linalg.inv(turn)  # from the map to a frame in which this axis is up
    poses = np.array([camera_pose((0, 0, 1), yaw, 0.3) for yaw in np.arange(6)])
    fixed = np.eye(4)
    fixed[:3, :3] = level
    assert up_of(fixed @ poses, 'p.txt') is up


def test_an_optical_frame_becomes_ahead_left_up() -> None:
    turn = Up.MINUS_Y.to_map()
    np.testing.assert_array_equal(turn @ [0, 0, 1], [1, 0, 0])
    np.testing.assert_array_equal(turn @ [1, 0, 0], [0, -1, 0])
    np.testing.assert_array_equal(Up.Z.to_map(), np.eye(3))


def test_a_camera_that_looks_down_does_not_know() -> None:
    poses = np.array([camera_pose((0, 0, 1), yaw, math.pi / 2) for yaw in np.arange(6)])
    with pytest.raises(ConfigError, match='--up z'):
        up_of(poses, 'p.txt')


def test_the_floor_is_what_most_is() -> None:
    """A table is level, too, but smaller; a ceiling is larger, but looks down."""
    rng = np.random.default_rng(0)
    noisy = sheet(0.0, (0, 0), (4, 3)) + rng.normal(0, 0.02, (200 * 150, 1)) * [0, 0, 1]
    scene = both(cloud(noisy), cloud(sheet(0.7, (1, 1), (3, 3))),
                 cloud(sheet(2.5, (-4, -4), (4, 4)), (0, 0, -1)))
    found = find_floor(scene, WAY)
    assert found.way is None
    assert abs(found.height) < 0.005


def test_a_road_climbs_with_the_vehicle_and_a_hand_does_not() -> None:
    road = sheet(0.0, (0, -2), (20, 2))
    road[:, 2] = 0.1 * road[:, 0]
    way = np.column_stack([np.arange(20), np.zeros(20), 0.1 * np.arange(20) + 1.6])
    found = find_floor(cloud(road), way)
    assert abs(found.height + 1.6) < 0.06
    np.testing.assert_allclose(found.under(np.array([[3.0, 1.5], [15, 0]])), [0.3, 1.5], atol=0.1)
    hand = way * [1, 1, 0] + [0, 0, 1] * np.random.default_rng(0).uniform(0.8, 1.8, (20, 1))
    assert find_floor(cloud(sheet(0.3, (0, -2), (20, 2))), hand).way is None


def test_free_occupied_and_unknown_cells() -> None:
    """A floor with a hole, a box and a lamp above the robot."""
    floor = sheet(0.0, (0, 0), (2, 1))
    hole = (floor[:, 0] > 1.5) & (floor[:, 0] < 1.9) & (floor[:, 1] > 0.3) & (floor[:, 1] < 0.7)
    scene = both(
        cloud(floor[~hole]), cloud(sheet(0.4, (0.5, 0.5), (0.8, 0.8))),
        cloud(sheet(1.5, (0, 0), (0.4, 0.4)), (0, 0, -1)),
    )
    plan = floor_plan(scene, PlanOptions(resolution=0.1), WAY)
    assert plan.cells.shape == (10, 20)
    assert plan.origin == (0.0, 0.0)
    assert (plan.cells[5:8, 5:8] == OCCUPIED).all()
    assert plan.area(OCCUPIED) == pytest.approx(0.09)
    assert (plan.cells[3:7, 15:19] == UNKNOWN).all()
    assert plan.area(UNKNOWN) == pytest.approx(0.16)
    assert plan.cells[1, 1] == FREE, 'the lamp hangs over it'
    assert plan.area(FREE) == pytest.approx(2 - 0.09 - 0.16)


def test_the_floor_can_be_given_and_must_be_there() -> None:
    with pytest.raises(DataError, match='--floor'):
        floor_plan(cloud(sheet(0, (0, 0), (1, 1)), (1, 0, 0)), PlanOptions(), WAY)
    given = floor_plan(cloud(sheet(0.4, (0, 0), (1, 1))), PlanOptions(floor=0.0), WAY)
    assert given.floor == Floor(0.0)
    assert (given.cells == OCCUPIED).all()
    with pytest.raises(DataError, match='Nothing was mapped'):
        floor_plan(cloud(sheet(0.4, (0, 0), (1, 1))), PlanOptions(floor=9.0), WAY)
    with pytest.raises(DataError, match='Nothing was mapped'):
        floor_plan(cloud(np.zeros((0, 3))), PlanOptions(), WAY)


def test_a_plan_has_a_largest_size() -> None:
    far = both(cloud(sheet(0, (0, 0), (1, 1))), cloud(sheet(0, (9000, 9000), (9001, 9001))))
    with pytest.raises(DataError, match='larger --resolution'):
        floor_plan(far, PlanOptions(), WAY)


@pytest.mark.parametrize('options', [
    {'resolution': 0.0}, {'low': 0.0}, {'low': 0.7}, {'resolution': math.nan},
])
def test_numbers_that_make_no_plan(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match='expected'):
        PlanOptions(**options)


def test_agreement_with_a_room() -> None:
    """A plan of the left half: half of the room, all of what is known; shifted, less."""
    world = World(scene=replace(World(0).scene, solids=(), room=Room((4.0, 2.0, 2.5))))
    options = PlanOptions(resolution=0.1)
    cells = np.zeros((20, 20), np.int8)
    half = FloorPlan(cells, (-2.0, -1.0), 0.1, Floor(0.0))
    assert free_space_iou(world, half, options) == FreeSpace(0.5, 1.0)
    shifted = replace(half, origin=(-2.0, 0.0))
    found = free_space_iou(world, shifted, options)
    assert found.room == pytest.approx(200 / (800 + 200))
    assert found.known == pytest.approx(0.5)
    beyond = replace(half, cells=np.full((20, 20), OCCUPIED, np.int8))
    assert free_space_iou(world, beyond, options) == FreeSpace(0.0, 0.0)
