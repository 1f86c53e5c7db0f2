"""The keeper: silence until known, metres, silence when uncertain, reset, calibration."""

from __future__ import annotations

import math

import numpy as np
import pytest
import simple_scene as scene

from depth_node.config import Config
from depth_node.errors import ConfigError
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale import PointsReading, RangeReading, ScaleKeeper

KIND = OutputKind.RELATIVE_DISPARITY
FRAME = scene.frame(KIND)


def keeper(source, kind=KIND, calibration=None, **changes):
    config = Config().replaced({
        'scale.source': source, **{key.replace('__', '.'): v for key, v in changes.items()}
    })
    return ScaleKeeper(config, ModelSpec(kind.value, kind), calibration)


def at(stamp, frame=FRAME):
    return scene.at(stamp, frame)


def sample(seed):
    """Return a few hundred points of the scene with 1 % noise."""
    random = np.random.default_rng(seed)
    rows, columns = random.integers(0, 240, 400), random.integers(0, 320, 400)
    z = scene.depth()[rows, columns] * (1 + 0.01 * random.standard_normal(400))
    rays = scene.RAYS[rows, columns].astype(float)
    return PointsReading(np.column_stack([rays * z[:, None], z]), np.eye(4))


def fed(keeper, frames=20, start=0.0):
    """Run over frames at 10 Hz with a sample for each."""
    for index in range(frames):
        stamp = start + index / 10
        keeper.add(stamp, sample(index))
        state = keeper.update(at(stamp))
    return state


def test_model_source_gives_what_the_model_brings():
    metric = keeper('model', OutputKind.METRIC_DEPTH).update(at(0.0))
    assert (metric.usable, metric.value, metric.source) == (True, 1.0, 'model')
    unknown = keeper('model').update(at(0.0))
    assert unknown.scale is None
    assert 'scale.source' in unknown.reason


def test_fixed_source_gives_the_parameters():
    state = keeper('fixed', scale__value=0.3, scale__shift=0.1).update(at(0.0))
    assert (state.scale.scale, state.scale.shift) == (0.3, 0.1)


def test_silent_until_known_then_right():
    it = keeper('points')
    state = it.update(at(0.0))
    assert not state.usable
    assert 'no points message' in state.reason
    state = fed(it, start=0.1)
    assert state.usable
    assert state.value == pytest.approx(scene.TRUTH[KIND][0], rel=0.01)
    assert state.shift == pytest.approx(scene.TRUTH[KIND][1], abs=0.003)
    assert state.inliers > 200
    assert state.age < 0.2


def test_silent_again_when_too_uncertain():
    it = keeper('points', scale__drift=0.05)
    assert fed(it).usable
    assert it.update(at(3.0)).usable
    state = it.update(at(30.0))
    assert not state.usable
    assert 'max_sigma' in state.reason
    assert 'no points message' in state.reason
    assert fed(it, 20, start=30.1).usable


def test_reset_forgets():
    it = keeper('points')
    fed(it)
    it.reset()
    state = it.update(at(2.5))
    assert not state.usable
    assert fed(it, start=2.6).usable


def test_one_message_counts_once():
    it = keeper('points')
    for index in range(50):
        it.add(0.001 * index, sample(0)) if index == 0 else None
        state = it.update(at(0.001 * index))
    assert not state.usable


def test_ground_from_parameters_and_from_outside():
    parameters = keeper(
        'ground', ground__camera_height=scene.HEIGHT,
        ground__camera_pitch_deg=math.degrees(scene.PITCH),
    )
    told = keeper('ground')
    assert 'ground.camera_height' in told.update(at(0.0)).reason
    told.set_floor(scene.ground())
    for index in range(8):
        states = [one.update(at(1 + index / 10)) for one in (parameters, told)]
    for state in states:
        assert state.usable
        assert state.value == pytest.approx(scene.TRUTH[KIND][0], rel=0.01)


def test_a_bag_that_starts_over_starts_over():
    it = keeper('points')
    fed(it, start=1000.0)
    assert not it.update(at(0.0)).usable
    assert fed(it).usable


def test_range_serves_one_unknown_only():
    with pytest.raises(ConfigError, match='range'):
        keeper('range')
    it = keeper('range', OutputKind.METRIC_DEPTH)
    wall = scene.frame(OutputKind.METRIC_DEPTH, np.full((240, 320), 3.0))
    forward = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    for index in range(10):
        it.add(index / 10, RangeReading(3.0, 0.2, forward))
        state = it.update(at(index / 10, wall))
    assert state.value == pytest.approx(1.2, rel=0.005)


def test_calibration_is_saved_and_starts_another_keeper():
    it = keeper('points')
    with pytest.raises(ConfigError, match='no scale to save'):
        it.calibration('ab' * 32)
    state = fed(it)
    saved = it.calibration('ab' * 32)
    assert (saved.scale, saved.shift, saved.source) == (state.value, state.shift, 'points')
    given = keeper('fixed', calibration=saved).update(at(0.0))
    assert (given.value, given.source, given.usable) == (saved.scale, 'calibration', True)
    started = keeper('points', calibration=saved)
    assert started.update(at(100.0)).value == pytest.approx(saved.scale)
    started.reset()
    assert not started.update(at(100.1)).usable


def test_given_scales_are_not_saved():
    with pytest.raises(ConfigError, match='measures nothing'):
        keeper('fixed').calibration('ab' * 32)
