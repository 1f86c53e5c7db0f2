"""The scale from the camera's height, against a scene in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import simple_scene as scene

from depth_node.errors import DataError
from depth_node.model import OutputKind
from depth_node.scale import FloorPose, Measurement, NotObservable, Region
from depth_node.scale.ground import from_ground
from depth_node.world import camera_pose


@pytest.mark.parametrize('kind', list(OutputKind))
def test_finds_scale_and_shift_on_the_ground(kind):
    found = from_ground(scene.frame(kind), scene.ground(), Region())
    assert isinstance(found, Measurement)
    scale, shift = scene.TRUTH[kind]
    assert math.exp(found.value[0]) == pytest.approx(scale, rel=1e-3)
    if kind.has_shift:
        assert found.value[1] == pytest.approx(shift, abs=2e-3)


@pytest.mark.parametrize('kind', list(OutputKind))
def test_obstacles_on_a_third_of_the_ground_do_not_matter(kind):
    z = scene.depth()
    z[:, 60:160] = np.minimum(z[:, 60:160], 1.1)
    found = from_ground(scene.frame(kind, z), scene.ground(), Region())
    assert math.exp(found.value[0]) == pytest.approx(scene.TRUTH[kind][0], rel=0.01)


@pytest.mark.parametrize('kind', scene.ONE_UNKNOWN)
def test_estimated_tilt_heals_a_wrong_one(kind):
    wrong = scene.ground().tilted(0, math.radians(3))
    frame = scene.frame(kind)
    healed = from_ground(frame, wrong, Region(far=6), estimate_tilt=True)
    assert math.exp(healed.value[0]) == pytest.approx(scene.TRUTH[kind][0], rel=0.01)
    believed = from_ground(frame, wrong, Region(far=6))
    assert abs(math.exp(believed.value[0]) / scene.TRUTH[kind][0] - 1) > 0.05


@pytest.mark.parametrize('kind', list(OutputKind))
def test_error_of_a_tilt_known_to_half_a_degree_is_told(kind):
    sigma = math.radians(0.5)
    exact = scene.ground(sigma)
    frame = scene.frame(kind)
    found = from_ground(frame, exact, Region())
    off = from_ground(frame, exact.tilted(0, sigma), Region())
    error = off.value - found.value
    # one standard deviation of tilt has to look like one standard deviation
    pull = math.sqrt(error @ np.linalg.solve(
        found.bias + 1e-9 * np.eye(error.size), error
    ))
    assert 0.5 < pull < 1.5


def test_wall_instead_of_ground_is_refused_when_the_tilt_is_estimated():
    z = np.full(scene.depth().shape, 2.0)
    found = from_ground(
        scene.frame(OutputKind.METRIC_DEPTH, z), scene.ground(), Region(), estimate_tilt=True
    )
    assert isinstance(found, NotObservable)
    assert 'tilted' in found.reason


def test_camera_that_looks_up_says_what_to_check():
    up = FloorPose.from_angles(1.0, math.radians(-80))
    found = from_ground(scene.frame(OutputKind.METRIC_DEPTH), up, Region())
    assert isinstance(found, NotObservable)
    assert 'camera_pitch_deg' in found.reason


def test_transform_and_angles_mean_the_same():
    pose = camera_pose((1.0, 2.0, 0.7), 0.4, tilt=0.2, roll=0.1)
    one, other = FloorPose.from_transform(pose), FloorPose.from_angles(0.7, 0.2, 0.1)
    assert one.down == pytest.approx(other.down)
    assert one.height == other.height


def test_camera_under_the_ground_is_refused():
    with pytest.raises(DataError, match='base_frame'):
        FloorPose.from_transform(np.eye(4))


def test_tilt_turns_pitch_and_roll():
    level = FloorPose.from_angles(1.0, 0.0)
    pitched = FloorPose.from_angles(1.0, 0.01)
    assert level.tilted(0, 0.01).down == pytest.approx(pitched.down, abs=1e-6)
    assert abs(level.tilted(2, 0.01).down[0]) == pytest.approx(0.01, abs=1e-6)


def test_kitti_scale_within_ten_percent_of_the_lidars(shared_data):
    import kitti_frames

    frame, lidar = kitti_frames.object_frame(
        shared_data / 'kitti/object', shared_data / 'weights', 'm'
    )
    result = kitti_frames.ground_test(frame, lidar)
    assert result['against_lidar'] < 0.10
    assert result['regions'] < 0.05
