"""Metres or silence: sensors in other units, late messages, clocks that stand, bad networks."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import simple_scene as scene

from depth_node.config import Config
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale import keeper as keeper_module
from depth_node.scale import PointsReading, PoseReading, RangeReading, ScaleKeeper

METRIC = OutputKind.METRIC_DEPTH
FORWARD = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])


def keeper(source, kind=METRIC, **changes):
    config = Config().replaced({
        'scale.source': source, **{key.replace('__', '.'): v for key, v in changes.items()}
    })
    return ScaleKeeper(config, ModelSpec(kind.value, kind))


def at(stamp, kind=METRIC, z=None):
    return scene.at(stamp, scene.frame(kind, z))


def cloud(unit=1.0, seed=0, error=None):
    random = np.random.default_rng(seed)
    rows, columns = random.integers(0, 240, 2000), random.integers(0, 320, 2000)
    z = scene.depth()[rows, columns] * (1 + 0.01 * random.standard_normal(2000))
    if error is not None:
        z = z * np.exp(error[rows, columns])
    rays = scene.RAYS[rows, columns].astype(float)
    return PointsReading(unit * np.column_stack([rays * z[:, None], z]), np.eye(4))


@pytest.mark.parametrize('kind', list(OutputKind))
@pytest.mark.parametrize('unit', [1000.0, 100.0, 0.001])
def test_points_in_another_unit_give_silence_and_the_cause(kind, unit):
    """Millimetres, centimetres, and metres divided by a thousand."""
    if unit == 100 and kind not in (METRIC, OutputKind.CANONICAL_DEPTH):
        pytest.skip('2 m to 600 m is a landscape that a network without metres may see')
    it = keeper('points', kind)
    for index in range(20):
        it.add(index / 10, cloud(unit, index))
        state = it.update(at(index / 10, kind))
        assert not state.usable
    assert 'millimetres' in state.reason


@pytest.mark.parametrize('unit', [3.28, 4.0, 0.25])
def test_points_in_feet_are_not_used_without_a_word(unit):
    """A factor that a bad network may have, too, or a depth camera in quarters of a millimetre."""
    it = keeper('points')
    for index in range(10):
        it.add(index / 10, cloud(unit, index))
        state = it.update(at(index / 10))
    assert 'publishes metres' in state.reason


@pytest.mark.parametrize('kind', [OutputKind.RELATIVE_DEPTH, OutputKind.RELATIVE_DISPARITY])
def test_disparities_sixteen_times_too_large_are_reported_without_metres_to_compare(kind):
    """Fixed point of a matcher that was not divided: a room of 10 to 40 cm."""
    it = keeper('points', kind)
    for index in range(10):
        it.add(index / 10, cloud(1 / 16, index))
        state = it.update(at(index / 10, kind))
    assert 'very near' in state.reason
    assert 'publishes metres' in state.reason


@pytest.mark.parametrize('kind', list(OutputKind))
@pytest.mark.parametrize(('share', 'reported'), [(0.0, False), (0.2, False), (0.45, True)])
def test_a_wrong_block_is_reported(kind, share, reported):
    """The left of the image is 1.7 times too far: the others outvote it, but it is said."""
    error = np.zeros((240, 320))
    error[:, :int(share * 320)] = np.log(1.7)
    it = keeper('points', kind, scale__max_misfit=1.0)
    for index in range(10):
        it.add(index / 10, cloud(1.0, index, error))
        state = it.update(at(index / 10, kind))
    assert ('agree' in state.reason) == reported, state


@pytest.mark.parametrize('kind', list(OutputKind))
def test_points_in_metres_are_used(kind):
    it = keeper('points', kind)
    for index in range(10):
        it.add(index / 10, cloud(1.0, index))
        state = it.update(at(index / 10, kind))
    assert state.usable, state.reason
    assert not state.reason


def test_a_range_in_millimetres_gives_silence():
    it = keeper('range')
    for index in range(10):
        it.add(index / 10, RangeReading(3000.0, 0.2, FORWARD))
        state = it.update(at(index / 10, z=np.full((240, 320), 3.0)))
    assert not state.usable
    assert 'millimetres' in state.reason


def test_a_network_with_its_own_scale_is_judged_by_that():
    """Sigmoid disparity with a scale of 5.4 in its sidecar, found with points to be that."""
    kind = OutputKind.SIGMOID_DISPARITY
    spec = ModelSpec(kind.value, kind, scale=0.02)
    it = ScaleKeeper(Config().replaced({'scale.source': 'points'}), spec)
    for index in range(10):
        it.add(index / 10, cloud(1.0, index))
        state = it.update(dataclasses.replace(at(index / 10, kind), spec=spec))
    assert not state.usable  # 5.4 is 270 times what the sidecar says
    assert '270' in state.reason


@pytest.mark.parametrize('rate', [10, 30])
@pytest.mark.parametrize('behind', [0.02, 0.045, 0.2])
def test_a_sensor_that_is_just_behind_is_used(rate, behind):
    """The lidar's message of a frame's time arrives when the frame has been processed."""
    it = keeper('points')
    arriving: list[tuple[float, float]] = []
    usable = 0
    for index in range(60):
        now = index / rate
        while arriving and arriving[0][0] <= now:
            stamp = arriving.pop(0)[1]
            it.add(stamp, cloud(1.0, int(1000 * stamp)))
        state = it.update(at(now))
        usable += state.usable
        if index % (rate // 10) == 0:
            arriving.append((now + behind + 0.001, now + 0.002))
    assert usable > 60 - 12 * rate / 10 - 10 * behind * rate
    assert state.value == pytest.approx(1.2, rel=0.02)
    assert state.age < behind + 0.25


def test_a_late_message_measures_its_own_frame_and_not_the_one_in_hand():
    """The camera has moved on meanwhile: to a wall at another distance."""
    it = keeper('points')
    walls = itertools.cycle([1.5, 6.0])
    before = None
    for index in range(40):
        if before is not None:
            z = np.full((60, 80), before)
            rays = scene.RAYS[::4, ::4].astype(float)
            points = np.concatenate([rays * z[..., None], z[..., None]], axis=-1)
            it.add((index - 1) / 10 + 0.001, PointsReading(points.reshape(-1, 3), np.eye(4)))
        before = next(walls)
        state = it.update(at(index / 10, z=np.full((240, 320), before)))
    assert state.value == pytest.approx(1.2, rel=0.02)


def test_odometry_that_is_just_behind_is_waited_for():
    """Its pose of the frame's time arrives a frame later."""
    it = keeper('odometry', scale__time_tolerance=0.001)
    image = np.random.default_rng(0).integers(0, 255, (240, 320), np.uint8)
    for index in range(10):
        it.add((index - 1) / 10, PoseReading(np.eye(4)))
        state = it.update(scene.with_image(at(index / 10), image))
    assert 'drive' in state.reason


@pytest.mark.parametrize(('speed', 'turn', 'moving'), [
    (0.0, 0.0, False), (0.02, 0.01, False), (0.05, 0.0, True), (-0.05, 0.0, True),
    (0.0, 0.05, True),
])
def test_odometry_shows_whether_the_camera_moves(speed, turn, moving):
    it = keeper('odometry')
    assert not it.moving(0.5)
    for index in range(11):
        pose, angle = np.eye(4), turn * index / 10
        pose[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        pose[0, 3] = speed * index / 10
        it.add(index / 10, PoseReading(pose))
    assert it.moving(0.55) is moving
    assert it.moving(1.05) is moving
    assert not it.moving(9.0)
    assert not keeper('points').moving(0.55)


def test_buffers_of_waiting_frames_are_copies():
    """The engine fills its buffer again while a frame waits for its message."""
    it = keeper('points')
    buffer = np.empty((240, 320), np.float32)
    exact = at(0.0)
    for index in range(30):
        buffer[:] = exact.values
        if index:
            it.add((index - 1) / 10 + 0.001, cloud(1.0, index))
        state = it.update(dataclasses.replace(at(index / 10), values=buffer))
        buffer[:] = 77.0
    assert state.value == pytest.approx(1.2, rel=0.02)


def test_stamps_that_stand_still_end_in_silence(monkeypatch):
    """A camera without a clock, and a lidar that dies: its metres must not live for ever."""
    clock = [0.0]
    monkeypatch.setattr(keeper_module.time, 'monotonic', lambda: clock[0])
    it = keeper('points')
    usable = []
    for index in range(200):
        clock[0] = index / 10
        if index < 50:
            it.add(1000.0 + 1e-6 * index, cloud(1.0, index))
        usable.append(it.update(at(1000.0)).usable)
    assert not any(usable[60:])
    assert 'do not advance' in it.update(at(1000.0)).reason


def test_the_reason_says_how_far_off_the_nearest_message_is():
    it = keeper('points')
    it.add(100.3, cloud())
    reason = it.update(at(100.0)).reason
    assert '0.3 s later' in reason
    assert 'clock' in reason


def test_a_network_that_does_not_understand_the_scene_is_silent():
    """Every patch of a few pixels is off by a third, this way or that."""
    coarse = 0.4 * np.random.default_rng(0).standard_normal((40, 40))
    error = np.repeat(np.repeat(coarse, 6, axis=0), 8, axis=1)
    it = keeper('points')
    for index in range(10):
        it.add(index / 10, cloud(1.0, index, error))
        state = it.update(at(index / 10))
    assert not state.usable
    assert 'max_misfit' in state.reason
    assert state.misfit > 0.25
