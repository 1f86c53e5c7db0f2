"""Check the scan against the way along rays through the synthetic world."""

from __future__ import annotations

import math

import numpy as np
import pytest

from depth_node.camera import Camera, Distortion
from depth_node.camera.ground import camera_over_ground, Ground
from depth_node.cloud.scan import ScanMaker
from depth_node.config import Config
from depth_node.world import World

CAMERA = Camera.from_hfov(320, 240, 80)


def wall(distance: float, camera: Camera = CAMERA) -> np.ndarray:
    return np.full((camera.height, camera.width), distance, np.float32)


def maker(scan=None, camera=CAMERA, base=None, **changes) -> ScanMaker:
    config = Config().replaced({f'scan.{key}': value for key, value in changes.items()})
    base = camera_over_ground(0.5, 0, 0) if base is None else base
    return ScanMaker(camera.rays(), base, scan, config.scan, config.ground)


def angles(scan) -> np.ndarray:
    return scan.geometry.angle_min + np.arange(len(scan.ranges)) * scan.geometry.angle_increment


def test_wall_ahead_is_a_line() -> None:
    scan = maker().scan(wall(3.0), Ground())
    at = angles(scan)
    assert math.degrees(at[-1] - at[0]) == pytest.approx(80, abs=1)
    # half a beam to either side may be nearer
    np.testing.assert_allclose(scan.ranges * np.cos(at), 3.0, atol=0.03)


def test_floor_is_free_and_low_and_high_things_are_not_met() -> None:
    rays = CAMERA.rays().astype(float)
    with np.errstate(divide='ignore'):
        floor = np.where(rays[..., 1] > 0.02, 0.5 / rays[..., 1], np.inf).astype(np.float32)
    made = maker(range_max=8.0)
    assert np.isposinf(made.scan(floor, Ground()).ranges).all()
    low = floor.copy()
    columns = slice(150, 170)
    height = 0.5 - rays[:, columns, 1] * 2.0
    low[:, columns] = np.where((height > 0) & (height < 0.05), 2.0, low[:, columns])
    assert np.isposinf(made.scan(low, Ground()).ranges).all()
    box = floor.copy()
    box[:, columns] = np.where((height > 0) & (height < 0.3), 2.0, box[:, columns])
    hit = np.isfinite(made.scan(box, Ground()).ranges)
    assert 5 <= hit.sum() <= 15
    np.testing.assert_allclose(made.scan(box, Ground()).ranges[hit], 2.0, rtol=0.02)


def test_what_is_not_known_is_not_free() -> None:
    depth = wall(3.0)
    depth[:, :100] = np.nan
    depth[:, 300:] = np.inf
    ranges = maker().scan(depth, Ground()).ranges
    at = angles(maker().scan(depth, Ground()))
    left = at > math.atan((160 - 95) / CAMERA.fx)
    assert np.isnan(ranges[left]).all()
    assert np.isposinf(ranges[:5]).all()


def test_nearer_than_range_min_is_neither_free_nor_an_obstacle() -> None:
    depth = wall(0.3)
    ranges = maker(range_min=0.5).scan(depth, Ground()).ranges
    assert np.isneginf(ranges).all()
    assert np.isposinf(maker(range_max=0.2).scan(depth, Ground()).ranges).all()


def test_another_frame_sees_the_same_points() -> None:
    base = camera_over_ground(0.5, 10, 0)
    scan_from_base = np.eye(4)
    scan_from_base[:2, 3] = 0.4, -0.2
    turned = np.array([[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    depth = wall(3.0)
    plain = maker(base=base).scan(depth, Ground())
    other = maker(turned @ scan_from_base @ base, base=base).scan(depth, Ground())

    def points(scan):
        hit = np.isfinite(scan.ranges)
        at = angles(scan)[hit]
        return np.stack([np.cos(at), np.sin(at)], 1) * scan.ranges[hit][:, None]

    there = points(other) @ turned[:2, :2] - (0.4, -0.2)
    gap = np.abs(points(plain)[:, None] - there[None]).sum(-1).min(0)
    assert gap.max() < 0.1


def test_camera_that_looks_back_has_no_jump() -> None:
    back = np.diag([-1.0, -1.0, 1.0, 1.0]) @ camera_over_ground(0.5, 0, 0)
    scan = maker(base=back).scan(wall(2.0), Ground())
    assert len(scan.ranges) < 200
    assert np.isfinite(scan.ranges).all()


def test_fisheye_has_beams_where_it_has_rays() -> None:
    fisheye = Camera(320, 240, 90.0, 90.0, 160.0, 120.0, Distortion.EQUIDISTANT, (0.0,) * 4)
    scan = maker(camera=fisheye).scan(wall(2.0, fisheye), Ground())
    assert math.degrees(angles(scan)[-1] - angles(scan)[0]) > 170
    middle = np.abs(angles(scan)) < 1.0
    np.testing.assert_allclose((scan.ranges * np.cos(angles(scan)))[middle], 2.0, atol=0.05)


def test_few_columns_leave_no_gaps() -> None:
    narrow = Camera.from_hfov(40, 30, 90)
    ranges = maker(camera=narrow).scan(wall(2.0, narrow), Ground()).ranges
    assert np.isfinite(ranges).all()


def room(far: float = 4.0) -> np.ndarray:
    """Floor, a ceiling at 2.4 m and a wall, seen from 0.5 m over the floor."""
    y = CAMERA.rays()[..., 1].astype(float)
    with np.errstate(divide='ignore'):
        floor, ceiling = 0.5 / y, -1.9 / y
    depth = np.where(y > 0.5 / far, floor, far)
    return np.where(y < -1.9 / far, ceiling, depth).astype(np.float32)


def box(near: float, low: float, high: float, half: float = 0.4) -> np.ndarray:
    """Return the pixels of a box in that room (m), straight ahead."""
    rays = CAMERA.rays()
    height = 0.5 - rays[..., 1] * near
    return (np.abs(rays[..., 0] * near) < half) & (height > low) & (height < high)


def ahead(depth: np.ndarray, **changes) -> float:
    scan = maker(**changes).scan(depth, Ground())
    return float(scan.ranges[len(scan.ranges) // 2])


@pytest.mark.parametrize('value', [np.nan, -np.inf])
@pytest.mark.parametrize(('low', 'high'), [(-1, 0.9), (0.12, 0.3), (0.5, 0.6), (0.6, 3)])
def test_where_an_obstacle_is_not_known_a_beam_is_not_free(low, high, value) -> None:
    depth = room(20.0)
    assert ahead(depth) == np.inf
    depth[box(1.5, low, high)] = value
    assert ahead(depth) == -np.inf if np.isinf(value) else np.isnan(ahead(depth))


def test_a_ceiling_or_a_floor_alone_says_nothing_of_the_band() -> None:
    for rows in (slice(24, None), slice(0, 216), slice(60, 200)):
        depth = room(20.0)
        depth[rows] = np.nan
        assert not np.isposinf(maker().scan(depth, Ground()).ranges).any()


def test_a_wall_behind_what_is_not_known_is_no_way_to_it() -> None:
    """To mark the wall would clear the way to it, and the box that stands there."""
    depth = room(4.0)
    assert ahead(depth) == pytest.approx(4.0, rel=0.01)
    depth[box(1.5, 0, 0.4)] = np.nan
    assert np.isnan(ahead(depth))


def test_an_obstacle_that_is_half_known_stays() -> None:
    depth = room(4.0)
    depth[box(1.5, -1, 0.9)] = 1.5
    depth[box(1.5, 0.5, 3)] = np.nan
    assert ahead(depth) == pytest.approx(1.5, rel=0.01)
    depth[box(1.5, -1, 3, 0.05)] = np.nan  # a line through it
    assert np.nanmin(maker().scan(depth, Ground()).ranges) < 1.6


def test_lines_that_the_edge_filter_leaves_hide_nothing() -> None:
    depth = room(20.0)
    depth[100:102] = np.nan
    depth[140:142] = np.nan
    assert ahead(depth) == np.inf


@pytest.mark.parametrize('pitch', [-60, 45])
def test_a_camera_that_does_not_see_as_far_promises_nothing(pitch) -> None:
    """It looks at the ceiling, or at its feet: nothing in the way, and nothing known."""
    base = camera_over_ground(0.5, pitch, 0)
    rise = CAMERA.rays() @ base[2, :2] + base[2, 2]
    with np.errstate(divide='ignore'):
        depth = np.where(rise < 0, -0.5 / rise, np.where(rise > 0, 1.9 / rise, np.inf))
    made = maker(base=base)
    assert np.isnan(made.scan(depth.astype(np.float32), Ground()).ranges).all()


@pytest.mark.parametrize('height', [0.05, 1.6])
def test_from_outside_the_band_what_stands_before_it_hides_it(height) -> None:
    """A camera above, or below, the band; a shelf, or a sill, between it and the band."""
    base = camera_over_ground(height, 0, 0)
    rays = CAMERA.rays()[..., 1].astype(float)
    with np.errstate(divide='ignore'):
        open_ = np.where(rays > 0, height / rays, np.inf).astype(np.float32)
    made = maker(base=base, range_max=6.0)
    assert np.isposinf(made.scan(open_, Ground()).ranges).all()
    hidden = open_.copy()
    at = 0.8
    there = height - rays * at
    stopped = (there > 1.05) & (there < 2.2) if height > 1 else (there < 0.085) & (there > -9)
    hidden[:, 140:180][stopped[:, 140:180]] = at
    ranges = made.scan(hidden, Ground()).ranges
    assert np.isnan(ranges[len(ranges) // 2])
    assert np.isposinf(ranges[:20]).all()


def test_the_scan_promises_nothing_beyond_what_depth_can_tell() -> None:
    """+Inf depth means farther than its own limit, whatever the range of the scan."""
    config = Config()
    depth = np.where(room(30.0) > 5, np.inf, room(30.0)).astype(np.float32)
    made = ScanMaker(
        CAMERA.rays(), camera_over_ground(0.5, 0, 0), None, config.scan, config.ground, (0.4, 5.0)
    )
    scan = made.scan(depth, Ground())
    assert (scan.geometry.range_min, scan.geometry.range_max) == (0.4, 5.0)
    assert np.isposinf(scan.ranges).all()
    far = maker(range_max=200.0).geometry.range_max
    assert far < 48  # where 2 % of the distance is all of the band


@pytest.mark.parametrize('seed', [0, 3])
def test_ranges_are_those_of_the_world(seed) -> None:
    """Cast rays through the world in every beam and at many heights: the nearest is the range."""
    world = World(seed)
    pose = world.pose(6.0)
    camera = Camera.from_hfov(640, 480, 75)
    depth = world.render(camera, pose)[1]
    yaw = math.atan2(pose[1, 2], pose[0, 2])
    level = camera_over_ground(0.6, 5.0, 0)
    scan = maker(camera=camera, base=level, range_max=6.0).scan(depth, Ground())
    at = yaw + angles(scan)
    heights = np.linspace(0.2, 1.0, 17)
    start = np.stack([np.full(17, pose[0, 3]), np.full(17, pose[1, 3]), heights], 1)
    ahead = np.stack([np.cos(at), np.sin(at), np.zeros_like(at)], 1)
    true = world.cast(start[:, None], ahead[None]).min(0)
    # what the camera cannot see for its field of view is not in the scan
    near_enough = np.abs(np.minimum(scan.ranges, 6.0) - np.minimum(true, 6.0)) < 0.1
    assert near_enough.mean() > 0.8
    assert (scan.ranges < np.minimum(true, 6.0) - 0.1).mean() < 0.03
    assert true[np.isposinf(scan.ranges)].min(initial=9) > 5.9
