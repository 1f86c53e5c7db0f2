"""Check what comes out for a planner, parameter by parameter."""

from __future__ import annotations

import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.camera.ground import camera_over_ground
from depth_node.cloud.pipeline import Placement, PointsPipeline
from depth_node.config import Config
from depth_node.errors import ConfigError, DataError
from depth_node.world import World

CAMERA = Camera.from_hfov(160, 120, 80)
BASE = camera_over_ground(0.6, 5.0, 0)


@pytest.fixture(scope='module')
def frame() -> tuple[np.ndarray, np.ndarray]:
    world = World(0)
    rgb, depth = world.render(CAMERA, world.pose(2.0))
    return rgb, depth


def pipeline(**changes) -> PointsPipeline:
    names = {key.replace('__', '.'): value for key, value in changes.items()}
    return PointsPipeline(CAMERA, Config().replaced({'points.voxel_size': 0.0, **names}))


def test_organized_by_default_of_the_grid(frame) -> None:
    rgb, depth = frame
    assert pipeline().process(depth, rgb).points.shape == (120, 160, 4)
    assert pipeline(points__color=False).process(depth, rgb).points.shape == (120, 160, 3)
    assert pipeline(points__stride=3).process(depth, rgb).points.shape == (40, 54, 4)
    listed = pipeline(points__organized=False).process(depth, rgb).points
    assert listed.shape == (np.isfinite(depth).sum(), 4)


def test_thinned_by_default(frame) -> None:
    rgb, depth = frame
    thinned = PointsPipeline(CAMERA, Config()).process(depth, rgb).points
    assert thinned.ndim == 2
    assert len(thinned) < depth.size / 2
    capped = pipeline(points__voxel_size=0.05, points__max_points=500).process(depth, rgb)
    assert len(capped.points) == 500
    only_cap = pipeline(points__max_points=700).process(depth, rgb)
    assert len(only_cap.points) == 700


def test_stride_looks_through_the_right_pixels(frame) -> None:
    rgb, depth = frame
    points = pipeline(points__stride=3).process(depth, rgb).points
    np.testing.assert_array_equal(points[..., 2], depth[::3, ::3])
    back = CAMERA.project(points[..., :3])
    np.testing.assert_allclose(back[5, 7], (21, 15), atol=1e-3)


def test_ground_and_obstacles_are_told_apart(frame) -> None:
    rgb, depth = frame
    changes = {'ground__camera_height': 0.6, 'ground__camera_pitch_deg': 5.0,
               'points__organized': False}

    def heights(content: str) -> np.ndarray:
        points = pipeline(points__content=content, **changes).process(depth, rgb).points
        return points[:, :3] @ BASE[2, :3] + 0.6

    everything, ground, obstacles = (heights(c) for c in ('all', 'ground', 'obstacles'))
    assert np.abs(ground).max() < 0.2
    assert np.median(np.abs(ground)) < 0.005
    assert obstacles.min() > 0.04
    assert obstacles.max() < 2.05
    assert (everything < 0.03).sum() <= len(ground) <= (everything < 0.2).sum()


def test_pose_may_come_from_tf(frame) -> None:
    rgb, depth = frame
    made = pipeline(points__content='ground')
    assert made.frames(points=True, scan=False) == ('', 'base_footprint', '')
    missing = made.process(depth, rgb)
    assert missing.points is None
    assert 'ground.camera_height' in missing.note
    there = made.process(depth, rgb, Placement(base=BASE))
    assert there.note == ''
    measured = pipeline(
        points__content='ground', ground__camera_height=0.6, ground__camera_pitch_deg=5.0
    )
    assert measured.frames(points=True, scan=True) == ('', '', '')
    np.testing.assert_array_equal(there.points, measured.process(depth, rgb).points)


def test_target_frame(frame) -> None:
    rgb, depth = frame
    made = pipeline(points__frame='map')
    assert made.process(depth, rgb).points is None
    assert 'points.frame' in made.process(depth, rgb).note
    inside = made.process(depth, rgb, Placement(points=BASE)).points.copy()
    optical = pipeline().process(depth, rgb).points
    expected = optical[..., :3] @ BASE[:3, :3].T + BASE[:3, 3]
    np.testing.assert_allclose(inside[..., :3], expected, atol=1e-5)
    moved = BASE.copy()
    moved[0, 3] += 1
    again = made.process(depth, rgb, Placement(points=moved)).points
    np.testing.assert_allclose(again[..., 0], inside[..., 0] + 1, atol=1e-5)


def test_target_frame_by_numbers(frame) -> None:
    rgb, depth = frame
    optical_in_base = [0.1, 0.0, 0.6, -0.5, 0.5, -0.5, 0.5]  # the usual turn of an optical frame
    made = pipeline(points__frame='base_link', points__transform=optical_in_base)
    assert made.frames(points=True, scan=False) == ('', '', '')
    points = made.process(depth, rgb).points[..., :3].copy()
    x, y, z = np.moveaxis(pipeline().process(depth, rgb).points[..., :3], -1, 0)
    np.testing.assert_allclose(points, np.stack([z + 0.1, -x, 0.6 - y], -1), atol=1e-5)
    with pytest.raises(ConfigError, match='quaternion'):
        pipeline(points__transform=[1.0, 2.0])


def test_no_return_can_become_points_to_clear_with(frame) -> None:
    rgb, depth = frame
    open_sky = depth.copy()
    open_sky[:10] = np.inf
    assert np.isnan(pipeline().process(open_sky, rgb).points[:10, :, 2]).all()
    far = pipeline(points__no_return_range=30.0).process(open_sky, rgb).points
    np.testing.assert_array_equal(far[:10, :, 2], 30)
    assert np.isposinf(open_sky[:10]).all()


def test_no_return_above_what_is_not_known_clears_nothing(frame) -> None:
    """A costmap clears all cells below the way to a point, and a hidden box with them."""
    rgb, depth = frame
    depth = depth.copy()
    depth[:10] = np.inf
    depth[60:80, 40:60] = np.nan
    depth[100:101, 80:90] = -np.inf
    depth[50:51, 100:110] = np.nan  # a line of the edge filter
    made = pipeline(points__no_return_range=30.0)
    far = made.process(depth, rgb).points[:10, :, 2]
    hidden = np.zeros(160, bool)
    hidden[40:60] = hidden[80:90] = True
    assert np.isnan(far[:, hidden]).all()
    assert (far[:, ~hidden] == 30).all()


def test_no_return_is_no_farther_than_what_was_seen(frame) -> None:
    rgb, depth = frame
    depth = depth.copy()
    depth[:10] = np.inf
    made = pipeline(points__no_return_range=30.0)
    assert np.nanmax(made.process(depth, rgb, limits=(0.1, 20.0)).points[:10, :, 2]) == 20
    assert np.nanmax(made.process(depth, rgb, limits=(0.1, 80.0)).points[:10, :, 2]) == 30


def test_the_range_of_the_scan_is_that_of_the_depth(frame) -> None:
    """A frame whose +Inf means 3 m is not free as far as 10 m."""
    depth = np.where(frame[1] > 3, np.inf, frame[1]).astype(np.float32)
    made = pipeline(ground__camera_height=0.6, ground__camera_pitch_deg=5.0, depth__max_range=3.0)
    scan = made.process(depth, points=False, scan=True).scan
    assert scan.geometry.range_max == 3.0
    assert np.isposinf(scan.ranges).any()
    # the limits of a frame go before: a network's own range
    scan = made.process(depth, points=False, scan=True, limits=(0.3, 2.5)).scan
    assert (scan.geometry.range_min, scan.geometry.range_max) == (0.3, 2.5)


@pytest.mark.parametrize(('name', 'value', 'suits'), [
    ('output.color_bar', True, True), ('output.encoding', '16UC1', True),
    ('filter.edge_threshold', 0.3, True), ('scale.value', 2.0, True), ('depth.sky', 'nan', True),
    ('temporal.enabled', True, True), ('points.stride', 2, False), ('scan.range_max', 4.0, False),
    ('ground.tolerance', 0.1, False), ('depth.max_range', 30.0, False),
    ('depth.min_range', 0.2, False),
])
def test_another_is_made_only_when_something_changes_that_matters(name, value, suits) -> None:
    config = Config()
    made = PointsPipeline(CAMERA, config)
    assert made.suits(CAMERA, config)
    assert made.suits(Camera.from_hfov(160, 120, 80), config)
    assert not made.suits(Camera.from_hfov(160, 120, 81), config)
    assert made.suits(CAMERA, config.replaced({name: value})) is suits


@pytest.mark.parametrize('changes', [
    {}, {'points__organized': False}, {'points__voxel_size': 0.05}, {'points__stride': 2},
    {'points__color': False, 'points__max_points': 300},
])
def test_confidence_goes_with_its_point(frame, changes) -> None:
    """Confidence that tells the place of a pixel comes out at that place."""
    rgb, depth = frame
    confidence = np.where(np.isfinite(depth), depth / 100, 0).astype(np.float32)
    made = pipeline(points__confidence=True, **changes).process(
        depth, rgb, confidence=confidence
    )
    points = made.points.reshape(-1, made.points.shape[-1])
    points = points[np.isfinite(points[:, 2])]
    assert made.confidence
    assert len(points) > 100
    np.testing.assert_allclose(points[:, -1], points[:, 2] / 100, rtol=1e-5)
    plain = pipeline(**changes).process(depth, rgb, confidence=confidence)
    assert not plain.confidence
    assert plain.points.shape[-1] == points.shape[-1] - 1


def test_scan_needs_the_ground_and_its_frame(frame) -> None:
    _, depth = frame
    made = pipeline()
    assert made.frames(points=False, scan=True) == ('', 'base_footprint', 'base_link')
    assert made.process(depth, points=False, scan=True).scan is None
    no_scan_frame = made.process(depth, frames=Placement(base=BASE), points=False, scan=True)
    assert no_scan_frame.scan is None
    assert 'base_link' in no_scan_frame.note
    full = made.process(
        depth, frames=Placement(base=BASE, scan=BASE), points=False, scan=True
    )
    assert full.points is None
    assert np.isfinite(full.scan.ranges).any()
    measured = pipeline(ground__camera_height=0.6, ground__camera_pitch_deg=5.0)
    same = measured.process(depth, points=False, scan=True).scan
    np.testing.assert_allclose(same.ranges, full.scan.ranges, rtol=1e-5)


def test_what_is_missing_is_said_in_one_sentence_each(frame) -> None:
    """First the parameter that helps, then the hint of the caller who asked TF."""
    _, depth = frame
    first, second = ', or publish the transform to map', ', or publish the one to the ground'
    both = pipeline(points__frame='map', points__content='obstacles')
    note = both.process(depth, frames=Placement(hints=(first, second, ''))).note
    assert note == (
        'The pose of the camera in map (points.frame) is not known. Set points.transform' + first +
        '. The ground plane is not known, so there is no scan and no cloud of obstacles or '
        'ground. Set ground.camera_height' + second + '.'
    )
    no_scan = pipeline().process(depth, frames=Placement(base=BASE), points=False, scan=True)
    assert no_scan.note == (
        'The pose of the camera in base_link (scan.output_frame) is not known. '
        'Set ground.camera_height.'
    )


def test_slope_is_ground(frame) -> None:
    """A camera that is pitched 4 degrees more than anybody said sees a rising floor."""
    rgb, depth = frame
    wrong = {'ground__camera_height': 0.6, 'ground__camera_pitch_deg': 1.0,
             'points__content': 'ground', 'points__organized': False}
    tolerant = pipeline(**wrong).process(depth, rgb).points
    strict = pipeline(ground__max_slope_deg=0.0, **wrong).process(depth, rgb).points
    true = np.abs(tolerant[:, :3] @ BASE[2, :3] + 0.6)
    assert np.median(true) < 0.01
    assert len(tolerant) > 1.3 * len(strict)


def test_frames_of_another_size_are_refused(frame) -> None:
    with pytest.raises(DataError):
        pipeline().process(np.ones((60, 80), np.float32))
