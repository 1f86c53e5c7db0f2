"""The scale from sensors that know distances, against a scene in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import simple_scene as scene

from depth_node.camera import Camera
from depth_node.camera.rigid import matrix_of
from depth_node.model import OutputKind
from depth_node.scale import Measurement, NotObservable
from depth_node.scale.points import (
    depth_points,
    disparity_depth,
    from_points,
    from_range,
    in_view,
    scan_points,
    transformed,
)

LIDAR = np.array([[0, -1, 0, 0.05], [0, 0, -1, -0.10], [1, 0, 0, -0.04], [0, 0, 0, 1.0]])


def cloud(random, outliers=0.0, noise=0.01):
    """Return points of the scene in a lidar's frame."""
    rows = random.integers(0, 240, 3000)
    columns = random.integers(0, 320, 3000)
    z = scene.depth()[rows, columns]
    measured = z * (1 + noise * random.standard_normal(z.size))
    wrong = random.random(z.size) < outliers
    measured[wrong] *= random.uniform(0.3, 2, wrong.sum())
    rays = scene.RAYS[rows, columns].astype(float)
    optical = np.column_stack([rays * measured[:, None], measured])
    return transformed(np.linalg.inv(LIDAR), optical)


@pytest.mark.parametrize('kind', list(OutputKind))
def test_finds_scale_and_shift_among_forty_percent_outliers(kind):
    points = cloud(np.random.default_rng(1), outliers=0.4)
    found = from_points(scene.frame(kind), points, LIDAR)
    assert isinstance(found, Measurement)
    scale, shift = scene.TRUTH[kind]
    error = found.value - np.array([math.log(scale), shift])[: found.value.size]
    assert abs(error[0]) < 0.02
    assert error @ np.linalg.solve(found.covariance + found.bias, error) < 16


@pytest.mark.parametrize('kind', scene.TWO_UNKNOWNS)
def test_a_wall_alone_cannot_tell_scale_from_shift(kind):
    z = np.full((240, 320), 3.0)
    random = np.random.default_rng(2)
    rays = scene.RAYS[::8, ::8].reshape(-1, 2).astype(float)
    measured = 3 * (1 + 0.01 * random.standard_normal(len(rays)))
    points = np.column_stack([rays * measured[:, None], measured])
    found = from_points(scene.frame(kind, z), points, np.eye(4))
    assert isinstance(found, NotObservable)


def test_points_behind_and_beside_the_camera_say_so():
    points = np.array([[0, 0, -1.0], [100, 0, 1.0], [np.nan, 0, 1.0]])
    found = from_points(scene.frame(OutputKind.METRIC_DEPTH), points, np.eye(4))
    assert isinstance(found, NotObservable)
    assert 'extrinsic' in found.reason


def test_points_hidden_from_the_camera_are_left_out():
    near = np.column_stack([np.zeros(10), np.linspace(0, 0.01, 10), np.full(10, 1.0)])
    far = np.column_stack([np.zeros(10), np.linspace(0, 0.04, 10), np.full(10, 4.0)])
    *_, z = in_view(scene.CAMERA, np.concatenate([near, far]))
    assert z.tolist() == [1.0] * 10


def test_one_near_outlier_hides_nothing():
    far = np.column_stack([np.zeros(10), np.linspace(0, 0.04, 10), np.full(10, 4.0)])
    *_, z = in_view(scene.CAMERA, np.concatenate([far, [[0, 0, 0.5]]]))
    assert np.count_nonzero(z == 4.0) == 10


def test_scan_becomes_points_and_loses_what_is_no_return():
    ranges = np.float32([1, 0.01, np.inf, np.nan, 2])
    points = scan_points(ranges, 0.0, math.pi / 8, 0.1, 10)
    assert points == pytest.approx(np.array([[1, 0, 0], [0, 2, 0]]), abs=1e-7)


def test_depth_image_becomes_points_that_project_back():
    camera = Camera.from_hfov(64, 48, 80)
    depth = np.random.default_rng(3).uniform(1, 5, (48, 64)).astype(np.float32)
    depth[0, 0], depth[1, 1] = 0, np.nan
    points = depth_points(depth, camera)
    assert len(points) == 64 * 48 - 2
    pixel = np.rint(camera.project(points)).astype(int)
    assert depth[pixel[:, 1], pixel[:, 0]] == pytest.approx(points[:, 2])


def test_disparity_is_focal_times_baseline_over_depth():
    disparity = np.float32([[30, 10, 0, -1, np.nan, 200]])
    depth = disparity_depth(disparity, 600, 0.1, 5, 64)
    assert depth[0, :2].tolist() == [2.0, 6.0]
    assert np.isnan(depth[0, 2:]).all()


@pytest.mark.parametrize('kind', scene.ONE_UNKNOWN)
def test_range_to_the_wall_from_beside_the_camera(kind):
    # a sensor 20 cm to the left, that looks along the optical axis at a wall 3 m ahead
    sensor = np.array([[0, -1, 0, -0.2], [0, 0, -1, 0], [1, 0, 0, 0.1], [0, 0, 0, 1.0]])
    frame = scene.frame(kind, np.full((240, 320), 3.0))
    found = from_range(frame, 2.9, 0.2, sensor)
    assert math.exp(found.value[0]) == pytest.approx(scene.TRUTH[kind][0], rel=0.005)


def test_range_cannot_serve_two_unknowns():
    frame = scene.frame(OutputKind.RELATIVE_DEPTH)
    assert isinstance(from_range(frame, 1.0, 0.2, LIDAR), NotObservable)


def test_range_that_looks_away_says_so():
    behind = matrix_of((0, 0, 0, 0, 1, 0, 1))  # its x is the camera's -z
    found = from_range(scene.frame(OutputKind.METRIC_DEPTH), 1.0, 0.2, behind)
    assert isinstance(found, NotObservable)
    assert 'cone' in found.reason


def test_kitti_a_tenth_of_the_velodyne_serves_the_rest(shared_data):
    import kitti_frames

    frame, lidar = kitti_frames.object_frame(
        shared_data / 'kitti/object', shared_data / 'weights', 'm'
    )
    result = kitti_frames.points_test(frame, lidar, seed=0)
    assert result['abs_rel_points'] < result['abs_rel_median']
