"""A tape measure and a frozen scale."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import simple_scene as scene

from depth_node.config import Config
from depth_node.errors import ConfigError, DataError
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale import PointsReading, ScaleKeeper
from depth_node.scale.state import ScaleState
from depth_node.scale.tape import TapeMeasure

METRIC = ModelSpec('metric', OutputKind.METRIC_DEPTH)


def looked(spec, frames, start=100.0):
    tape = TapeMeasure(spec)
    for index, values in enumerate(frames):
        tape.look(start + index / 10, np.asarray(values, np.float32), 1.0)
    return tape


def wall(value, noise=0.0, seed=0):
    random = np.random.default_rng(seed)
    return np.full((120, 160), value) * (1 + noise * random.standard_normal((120, 160)))


def test_a_metric_network_is_put_right():
    tape = looked(METRIC, [wall(2.5, 0.01, seed) for seed in range(10)])
    found = tape.calibration(101.0, 2.0, None, 'ab' * 32)
    assert found.scale == pytest.approx(0.8, rel=0.01)
    assert found.source == 'distance'
    # one window of one scene: as uncertain as the prior says
    assert 0.1 < found.sigma < 0.2


@pytest.mark.parametrize('kind', scene.TWO_UNKNOWNS)
def test_with_a_shift_the_factor_of_a_known_scale_is_corrected(kind):
    spec = ModelSpec('n', kind)
    state = ScaleState(0.4, 0.1, 0.05, 'points', usable=True)
    tape = looked(spec, [wall(1.0)] * 6)
    found = tape.calibration(100.6, 3.0, state, 'ab' * 32)
    line = found.scale * 1.0 + found.shift
    assert (1 / line if kind.is_disparity else line) == pytest.approx(3.0)
    assert found.shift / found.scale == pytest.approx(0.25)
    with pytest.raises(DataError, match='scale from shift'):
        tape.calibration(100.6, 3.0, None, 'ab' * 32)


@pytest.mark.parametrize(('frames', 'now', 'distance', 'says'), [
    ([wall(2.0)] * 2, 100.2, 2.0, 'expected at least 3'),
    ([wall(2.0)] * 9, 105.0, 2.0, '0 frames'),
    ([wall(2.0 + 0.05 * k) for k in range(9)], 100.9, 2.0, 'differ by'),
    ([wall(2.0, 0.2)] * 9, 100.9, 2.0, 'not one surface'),
    ([wall(2.0)] * 9, 100.9, 200.0, 'millimetres'),
    ([wall(np.nan)] * 9, 100.9, 2.0, '0 frames'),
])
def test_what_cannot_be_trusted_is_refused(frames, now, distance, says):
    with pytest.raises(DataError, match=says):
        looked(METRIC, frames).calibration(now, distance, None, 'ab' * 32)


def test_without_a_focal_length_nothing_is_remembered():
    tape = TapeMeasure(METRIC)
    for index in range(9):
        tape.look(100 + index / 10, wall(2.0).astype(np.float32), None)
    with pytest.raises(DataError, match='0 frames'):
        tape.calibration(100.9, 2.0, None, 'ab' * 32)


def test_the_keeper_uses_and_saves_it():
    keeper = ScaleKeeper(Config(), METRIC)
    assert keeper.given().value == 1.0
    with pytest.raises(ConfigError, match='nothing to save'):
        keeper.calibration('ab' * 32)
    found = looked(METRIC, [wall(2.5)] * 6).calibration(100.6, 2.0, None, 'ab' * 32)
    keeper.adopt(found)
    state = keeper.given()
    assert state.usable
    assert state.value == pytest.approx(0.8)
    assert keeper.calibration('ab' * 32) == found


def keeper(**changes):
    return ScaleKeeper(Config().replaced({'scale.source': 'points', **changes}), METRIC)


def fed(it, frames, start, factor=1.0):
    """Run over frames of a network that is off by a factor, with a point cloud each."""
    truth = scene.depth()
    seen = scene.frame(OutputKind.METRIC_DEPTH, truth / factor)
    for index in range(frames):
        random = np.random.default_rng(index)
        rows, columns = random.integers(0, 240, 500), random.integers(0, 320, 500)
        z = truth[rows, columns] * (1 + 0.01 * random.standard_normal(500))
        rays = scene.RAYS[rows, columns].astype(float)
        stamp = start + index / 10
        it.add(stamp, PointsReading(np.column_stack([rays * z[:, None], z]), np.eye(4)))
        state = it.update(scene.at(stamp, seen))
    return state


def test_a_frozen_scale_stays_to_the_last_digit():
    it = keeper(**{'scale.freeze': True})
    first = fed(it, 12, 100.0)
    assert first.usable
    later = fed(it, 30, 101.2, factor=1.03)
    assert later.value == first.value
    assert later.field is None
    assert later.usable


def test_a_frozen_scale_that_is_wrong_says_so_and_ends_in_silence():
    it = keeper(**{'scale.freeze': True, 'scale.drift': 0.2})
    first = fed(it, 12, 100.0)
    later = fed(it, 40, 101.2, factor=1.4)
    assert not later.usable
    assert 'frozen' in later.reason
    it.reset()
    again = fed(it, 12, 106.0, factor=1.4)
    assert again.usable
    assert again.value == pytest.approx(1.4 * first.value, rel=0.03)


def test_freezing_is_live():
    it = keeper()
    fed(it, 12, 100.0)
    it.configure(Config().replaced({'scale.source': 'points', 'scale.freeze': True}))
    frozen = fed(it, 2, 101.2)
    assert fed(it, 30, 101.4, factor=1.03).value == frozen.value
    it.configure(Config().replaced({'scale.source': 'points'}))
    assert fed(it, 30, 104.4, factor=1.03).value == pytest.approx(1.03 * 1.2, rel=0.01)


def test_nothing_is_frozen_before_the_scale_is_known():
    it = keeper(**{'scale.freeze': True})
    state = it.update(scene.at(100.0, scene.frame(OutputKind.METRIC_DEPTH)))
    assert not state.usable
    assert math.isnan(dataclasses.replace(state).value)
