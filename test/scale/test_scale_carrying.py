"""Anchors that are carried along: where they are, when they are dropped, and what they gain."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import simple_scene as scene

from depth_node.config import Config
from depth_node.depth.metres import Scale
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale import carrying, PointsReading, PoseReading, ScaleFrame, ScaleKeeper
from depth_node.scale.carrying import Carrier
from depth_node.scale.local import Anchors
from depth_node.sources.frame import Frame, nanoseconds

SPEC = ModelSpec('n', OutputKind.METRIC_DEPTH)
DIRECTIONS = np.concatenate([scene.RAYS, np.ones((240, 320, 1), np.float32)], -1).astype(float)
SIDES = ((np.array([0.0, 1, 0]), 0.8), (np.array([0.0, -1, 0]), 1.7),  # floor and ceiling
         (np.array([1.0, 0, 0]), 2.0), (np.array([-1.0, 0, 0]), 2.0),
         (np.array([0.0, 0, 1]), 6.0), (np.array([0.0, 0, -1]), 3.0))
"""Normals of a room's sides (x right, y down, z ahead) and how far they are (m)."""
BEND = np.exp(0.25 * np.outer(np.cos(np.arange(240) / 80), np.sin(np.arange(320) / 80)))
"""Error of the shape in the image."""
BEAMS = (95, 120, 150, 185)
"""Rows that a lidar sees."""


def pose(ahead=0.0, yaw=0.0, right=0.0):
    """Return a camera in the room, which looks ahead."""
    out = np.eye(4)
    cos, sin = math.cos(yaw), math.sin(yaw)
    out[:3, :3] = [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]
    out[:3, 3] = right, 0, ahead
    return out


def depth_at(place):
    """Return the exact z-depth of the room (m)."""
    return _depth(place.tobytes()).copy()


@functools.lru_cache(maxsize=64)
def _depth(place):
    place = np.frombuffer(place).reshape(4, 4)
    directions = DIRECTIONS @ place[:3, :3].T
    z = np.full((240, 320), np.inf)
    for normal, offset in SIDES:
        with np.errstate(divide='ignore'):
            reach = (offset - normal @ place[:3, 3]) / (directions @ normal)
        z = np.minimum(z, np.where(reach > 0, reach, np.inf))
    return z


def bent(truth):
    """Return what a network says that bends the world over the image."""
    return BEND * truth**1.1


def picture(index):
    """Return a picture that is unlike that of any other number, of which one in 24 is compared."""
    small = np.random.default_rng(index).integers(0, 255, (10, 14, 3), np.uint8)
    return np.repeat(np.repeat(small, 24, 0), 24, 1)[:, :320]


def looked(truth, index, values=None):
    """Return a frame."""
    frame = Frame(picture(index), nanoseconds(index / 10), scene.CAMERA)
    values = bent(truth) if values is None else values
    return ScaleFrame(frame, values.astype(np.float32), SPEC, scene.RAYS)


def on_beams(truth):
    """Return what a lidar of few beams shows."""
    rows, columns = (grid.ravel() for grid in np.meshgrid(BEAMS, np.arange(0, 320, 3)))
    return Anchors(rows, columns, truth[rows, columns], (240, 320))


def points_on_beams(truth):
    anchors = on_beams(truth)
    rays = scene.RAYS[anchors.rows, anchors.columns].astype(float)
    return np.column_stack([rays * anchors.z[:, None], anchors.z])


def carried(poses, shown=lambda place, _: depth_at(place), told=None):
    """Carry over poses; return what is carried into the last frame, and its truth."""
    carrier = Carrier()
    for index, place in enumerate(poses):
        truth = shown(place, index)
        frame = looked(truth, index)
        past = carrier.past(
            frame, place if told is None else told[index], Scale(), still=False
        )
        carrier.add(frame, on_beams(truth))
    return past, truth, carrier


@pytest.mark.parametrize('poses', [
    [pose(ahead=0.08 * i) for i in range(12)],
    [pose(yaw=0.06 * i) for i in range(12)],
    [pose(ahead=0.05 * i, yaw=-0.05 * i, right=0.04 * i) for i in range(12)],
    [pose(ahead=4.5 - 0.1 * i) for i in range(12)],
], ids=['ahead', 'turning', 'curve', 'backwards'])
def test_carried_anchors_are_true_and_bounded(poses):
    past, truth, carrier = carried(poses)
    assert 300 < past.anchors.z.size <= carrying.MOST
    off = np.log(past.anchors.z / truth[past.anchors.rows, past.anchors.columns])
    # corners of the room and the rounding to pixels
    assert np.quantile(np.abs(off), 0.95) < 0.03
    assert carrier._pool.z.size <= carrying.MOST


def test_far_more_anchors_than_are_kept_stay_bounded():
    carrier = Carrier()
    for index in range(30):
        place = pose(ahead=0.05 * index)
        truth = depth_at(place)
        frame = looked(truth, index)
        random = np.random.default_rng(index)
        rows, columns = random.integers(0, 240, 3000), random.integers(0, 320, 3000)
        carrier.past(frame, place, Scale(), still=False)
        carrier.add(frame, Anchors(rows, columns, truth[rows, columns], (240, 320)))
        assert carrier._pool.z.size <= carrying.MOST


def test_what_is_behind_the_camera_or_beside_the_picture_is_not_used():
    past, _, _ = carried([pose(), pose(ahead=5.5)])  # beyond all but the wall
    assert past is None or past.anchors.z.min() > 0
    turned, _, _ = carried([pose(), pose(yaw=math.pi)])
    assert turned is None


def test_older_and_farther_carried_anchors_count_less():
    poses = [pose(), pose(ahead=0.05), pose(ahead=0.5)]
    near = carried(poses[:2])[0].weights.mean()
    far = carried([*poses[:1], *poses[2:]])[0].weights.mean()
    assert far < near < 1
    carrier = Carrier()
    truth = depth_at(pose())
    carrier.past(looked(truth, 0), pose(), Scale(), still=True)
    carrier.add(looked(truth, 0), on_beams(truth))
    weights = [
        carrier.past(looked(truth, index), pose(), Scale(), still=True).weights.mean()
        for index in (1, 10, 19)
    ]
    assert weights == sorted(weights, reverse=True)
    assert carrier.past(looked(truth, 21), pose(), Scale(), still=True) is None  # too old


def test_what_is_hidden_now_is_not_carried_onto_what_hides_it():
    def shown(place, index):
        truth = depth_at(place)
        if index == 8:
            truth[60:200, 120:200] = 1.0  # somebody steps in front
        return truth

    past, _, _ = carried([pose(ahead=0.02 * i) for i in range(9)], shown)
    rows, columns = past.anchors.rows, past.anchors.columns
    inside = (rows > 62) & (rows < 198) & (columns > 122) & (columns < 198)
    assert not inside.any()
    assert past.anchors.z.size > 100


def test_a_jump_of_odometry_empties_the_pool():
    poses = [pose(ahead=0.02 * i) for i in range(8)]
    told = [*poses[:-1], pose(ahead=0.14, right=-1.5) @ pose(yaw=1.0)]
    past, _, _ = carried(poses, told=told)
    assert past is None


def test_odometry_that_stands_while_the_picture_changes_carries_nothing():
    poses = [pose(ahead=0.05 * i) for i in range(8)]
    past, _, _ = carried(poses, told=[pose()] * 8)
    assert past is None


def test_odometry_that_comes_or_goes_starts_again():
    poses = [pose(ahead=0.05 * i) for i in range(8)]
    for told in ([None] * 7 + poses[7:], [*poses[:7], None]):
        past, _, _ = carried(poses, told=told)
        assert past is None


def keeper(local='true'):
    return ScaleKeeper(Config().replaced({
        'scale.source': 'points', 'scale.max_misfit': 1.0, 'scale.max_sigma': 1.0,
        'scale.local': local,
    }), SPEC)


def driven(poses, told, local='true', late=0, extra=None):
    """Run a keeper over a drive; return the mean error of all pixels and the states."""
    it, errors, states = keeper(local), [], []
    for index, place in enumerate(poses):
        truth = depth_at(place)
        if extra is not None:
            extra(truth, index)
        if told is not None and index >= late:
            it.add((index - late) / 10, PoseReading(told[index - late]))
        it.add(index / 10, PointsReading(points_on_beams(truth), np.eye(4)))
        frame = looked(truth, index)
        states.append(it.update(frame))
        depth = (states[-1].value * frame.values).astype(np.float32)
        if states[-1].field is not None:
            depth = states[-1].field.apply(depth)
        if index >= 5:
            errors.append(np.abs(np.log(depth / truth)).mean())
    return float(np.mean(errors)), states


DRIVES = {
    'at a wall': [pose(ahead=0.12 * i) for i in range(13)],
    'turning': [pose(yaw=0.08 * i) for i in range(13)],
    'curve': [pose(ahead=0.06 * i, yaw=0.05 * i, right=0.02 * i) for i in range(13)],
}
ROBOT = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], float)
FAULTS = {
    'too long': lambda poses: [_longer(place, 1.3) for place in poses],
    'too short': lambda poses: [_longer(place, 0.5) for place in poses],
    'jumps': lambda poses: [
        pose(right=0.7 * (i // 5)) @ place for i, place in enumerate(poses)
    ],
    'stops': lambda poses: [poses[min(i, 6)] for i in range(len(poses))],
    'old poses': lambda poses: [poses[max(i - 3, 0)] for i in range(len(poses))],
    'wrong frame': lambda poses: [place @ ROBOT for place in poses],
    'backwards': lambda poses: [np.linalg.inv(place) for place in poses],
    'noise': lambda poses: [
        place @ pose(*np.random.default_rng(i).normal(0, 0.1, 3)) for i, place in enumerate(poses)
    ],
}


@functools.cache
def without_odometry(drive):
    """Return the errors of the global fit and of the anchors of each frame alone."""
    return driven(DRIVES[drive], None, 'false')[0], driven(DRIVES[drive], None)[0]


def _longer(place, factor):
    out = place.copy()
    out[:3, 3] *= factor
    return out


def test_carrying_gains_while_driving():
    poses = DRIVES['at a wall']
    alone = without_odometry('at a wall')[1]
    together, states = driven(poses, poses)
    assert together < 0.93 * alone
    assert states[-1].field.past > 200
    assert states[-1].field.anchors > states[-1].field.past


@pytest.mark.parametrize('drive', DRIVES)
@pytest.mark.parametrize('fault', FAULTS)
def test_wrong_odometry_is_never_worse_than_the_global_fit(drive, fault):
    poses = DRIVES[drive]
    plain, alone = without_odometry(drive)
    wrong, _ = driven(poses, FAULTS[fault](poses))
    assert wrong < 1.01 * plain
    assert wrong < 1.06 * alone


def test_late_odometry_carries_nothing_and_harms_nothing():
    poses = DRIVES['at a wall']
    alone = without_odometry('at a wall')[1]
    late, states = driven(poses, poses, late=3)
    assert late == pytest.approx(alone)
    assert all(state.field is None or state.field.past == 0 for state in states)


def test_an_object_that_comes_nearer_is_not_pushed_away():
    """It comes at 0.5 m/s, and the robot drives."""
    poses = [pose(ahead=0.03 * i) for i in range(13)]
    near = [3.0 - 0.05 * i for i in range(13)]

    def visitor(truth, index):
        truth[90:200, 110:210] = near[index]

    for told in (None, poses):
        _, states = driven(poses, told, extra=visitor)
        truth = depth_at(poses[-1])
        visitor(truth, 12)
        depth = (states[-1].value * bent(truth)).astype(np.float32)
        depth = states[-1].field.apply(depth)
        found = float(np.median(depth[100:190, 130:190]))
        assert found < 1.03 * near[-1]


def test_the_scale_may_flicker():
    """What a network says may change by 2 % from frame to frame; odometry is still believed."""
    carrier = Carrier()
    for index in range(10):
        place = pose(ahead=0.05 * index)
        truth = depth_at(place)
        flicker = math.exp(0.02 * (-1) ** index)
        frame = looked(truth, index, flicker * bent(truth))
        past = carrier.past(frame, place, Scale(), still=False)
        carrier.add(frame, on_beams(truth))
    assert past.anchors.z.size > 300


@pytest.mark.parametrize('kind', list(OutputKind))
def test_every_kind(kind):
    """Metres before and now are those of the kind."""
    value, shift = scene.TRUTH[kind]
    carrier = Carrier()
    for index in range(4):
        place = pose(ahead=0.05 * index)
        truth = depth_at(place)
        seen = scene.frame(kind, bent(truth))
        seen = scene.at(index / 10, scene.with_image(seen, picture(index)))
        past = carrier.past(seen, place, Scale(value, shift), still=False)
        carrier.add(seen, on_beams(truth))
    assert past.anchors.z.size > 300
    rows, columns = past.anchors.rows, past.anchors.columns
    np.testing.assert_allclose(past.metres, bent(truth)[rows, columns], rtol=1e-3)


def test_poses_of_any_values_raise_nothing():
    for place in (np.full((4, 4), np.nan), np.diag([1e200, 1e200, 1e200, 1.0]), -np.eye(4)):
        past, _, _ = carried([pose(), place])
        assert past is None or np.isfinite(past.weights).all()


@pytest.mark.parametrize('size', [0, 1, 1000])
def test_any_number_of_anchors(size):
    truth = depth_at(pose())
    some = np.zeros(size, np.int64)
    carrier = Carrier()
    for index in range(3):
        carrier.past(looked(truth, index), pose(ahead=0.01 * index), Scale(), still=True)
        carrier.add(looked(truth, index), Anchors(some, some, truth[some, some], (240, 320)))
