"""The scale from motion: triangulation in closed form, then a drive through the world."""

from __future__ import annotations

import math

import numpy as np
import pytest
import simple_scene as scene

from depth_node.camera import Camera
from depth_node.camera.rigid import matrix_of
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale import Measurement, NotObservable, ScaleFrame
from depth_node.scale.odometry import OdometrySource, triangulated
from depth_node.sources.frame import Frame
from depth_node.world import camera_pose, World


def two_views(random, motion, count=300):
    points = random.uniform((-2, -1.5, 2), (2, 1.5, 6), (count, 3))
    moved = points @ motion[:3, :3].T + motion[:3, 3]
    first, second = scene.CAMERA.project(points), scene.CAMERA.project(moved)
    inside = ((first >= 0) & (first < (319, 239)) & (second >= 0) & (second < (319, 239))).all(1)
    return first[inside].astype(np.float32), second[inside].astype(np.float32), moved[inside, 2]


def test_triangulation_of_exact_features_is_exact():
    motion = matrix_of((0.3, 0.05, -0.1, 0.01, 0.03, 0, 1))
    first, second, z = two_views(np.random.default_rng(1), motion)
    found = triangulated(scene.CAMERA, scene.RAYS, first, second, motion)
    assert found.good.mean() > 0.9
    assert 1 / found.inverse[found.good] == pytest.approx(z[found.good], rel=0.01)


def test_features_that_move_by_themselves_are_left_out():
    random = np.random.default_rng(2)
    motion = matrix_of((0.3, 0, 0, 0, 0, 0, 1))
    first, second, _ = two_views(random, motion)
    second[:50, 1] += random.choice([-1, 1], 50) * random.uniform(4, 20, 50)
    found = triangulated(scene.CAMERA, scene.RAYS, first, second, motion)
    assert not found.good[:50].any()
    assert found.good[50:].all()


def test_error_told_is_that_of_the_inverse_depth():
    random = np.random.default_rng(3)
    motion = matrix_of((0.3, 0, 0, 0, 0, 0, 1))
    first, second, z = two_views(random, motion, 3000)
    second += 0.3 * random.standard_normal(second.shape).astype(np.float32)
    found = triangulated(scene.CAMERA, scene.RAYS, first, second, motion)
    pull = (found.inverse - 1 / z)[found.useful] / found.sigma[found.useful]
    assert pull.std() == pytest.approx(1, rel=0.1)
    assert abs(pull.mean()) < 0.1


def drive(kind, poses, world):
    """Run over poses; return what was measured and the last reason."""
    camera = Camera.from_hfov(320, 240, 75)
    rays, source = camera.rays(), OdometrySource()
    found, reason = [], ''
    for pose in poses:
        image, depth = world.render(camera, pose)
        scale, shift = scene.TRUTH[kind]
        values = (1 / depth - shift) / scale if kind is OutputKind.RELATIVE_DISPARITY else (
            depth / scale
        )
        frame = ScaleFrame(
            Frame(image, None, camera), values.astype(np.float32), ModelSpec('x', kind), rays
        )
        outcome = source.update(frame, pose)
        if isinstance(outcome, Measurement):
            found.append(outcome)
        else:
            reason = outcome.reason
    return found, reason


@pytest.mark.parametrize('kind', [OutputKind.METRIC_DEPTH, OutputKind.RELATIVE_DISPARITY])
def test_a_drive_through_the_world_shows_the_scale(kind):
    world = World(2)
    found, _ = drive(kind, [world.pose(0.1 * k) for k in range(14)], world)
    assert len(found) >= 4
    error = np.mean([one.value[0] for one in found]) - math.log(scene.TRUTH[kind][0])
    assert abs(error) < (0.06 if kind.has_shift else 0.02)


def test_turning_on_the_spot_is_not_observable():
    world = World(2)
    place = tuple(world.pose(0.0)[:3, 3])
    poses = [camera_pose(place, 0.02 * k, tilt=0.1) for k in range(6)]
    found, reason = drive(OutputKind.METRIC_DEPTH, poses, world)
    assert not found
    assert 'stands or only turns' in reason


def test_wrong_odometry_is_noticed():
    world = World(2)
    poses = [world.pose(0.15 * k) for k in range(5)]
    camera = Camera.from_hfov(320, 240, 75)
    source, reasons = OdometrySource(), []
    for index, pose in enumerate(poses):
        image, depth = world.render(camera, pose)
        frame = ScaleFrame(
            Frame(image, None, camera), depth, ModelSpec('x', OutputKind.METRIC_DEPTH),
            camera.rays(),
        )
        lie = np.eye(4)
        lie[:3, 3] = (0.0, 0.15 * index, 0.0)  # up and down, while it drives ahead
        outcome = source.update(frame, lie)
        if isinstance(outcome, NotObservable):
            reasons.append(outcome.reason)
    assert any('contradict odometry' in reason for reason in reasons)


def test_kitti_halves_agree(shared_data):
    import kitti_frames

    frames, poses = kitti_frames.sequence(
        shared_data / 'kitti/sequence', shared_data / 'weights', 'ms'
    )
    result = kitti_frames.odometry_test(frames, poses)
    assert result['halves'] < 0.05
    assert result['against_5.4'] < 0.15
