"""Every live parameter of the scale and of steadying changes what it says it changes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import simple_scene as scene

from depth_node.config import Config, parameters
from depth_node.depth.steadying import Steadier
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale import PointsReading, ScaleKeeper

KIND = OutputKind.RELATIVE_DEPTH
GROUND = {
    'scale.source': 'ground', 'ground.camera_height': scene.HEIGHT,
    'ground.camera_pitch_deg': math.degrees(scene.PITCH),
}
POINTS = {'scale.source': 'points'}
STEADY = {'temporal.enabled': True}
SCALE: dict[str, tuple[Any, dict[str, Any]]] = {
    'scale.source': ('ground', GROUND | POINTS),
    'scale.value': (3.0, {'scale.source': 'fixed', 'scale.value': 2.0}),
    'scale.shift': (0.5, {'scale.source': 'fixed', 'scale.value': 2.0}),
    'scale.rate': (1.0, POINTS),
    'scale.drift': (0.2, POINTS),
    'scale.max_sigma': (0.001, POINTS),
    'scale.max_misfit': (0.01, POINTS),
    'scale.local': ('false', POINTS),
    'scale.tilt_sigma_deg': (5.0, GROUND),
    'scale.estimate_tilt': (True, GROUND | {'ground.camera_pitch_deg': 14.0}),
    'scale.ground_far': (2.5, GROUND),
    'scale.ground_side': (0.6, GROUND),
    'scale.time_tolerance': (0.02, POINTS),
    'scale.freeze': (True, POINTS),
}
"""Name to another value, and what has to be set before it matters."""
TEMPORAL: dict[str, tuple[Any, dict[str, Any]]] = {
    'temporal.enabled': (True, {}),
    'temporal.time_constant': (0.1, STEADY),
    'temporal.max_gap': (0.05, STEADY),
    'temporal.smoothing': (0.8, STEADY),
}
ELSEWHERE = {'scale.known_distance'}
"""In ``test/ros/test_scale_tape.py``: only the service looks at it."""


def test_every_live_parameter_is_tried() -> None:
    """A new one has to be added to a table."""
    live = {
        name for name, _, spec in parameters()
        if spec.live and name.startswith(('scale.', 'temporal.'))
    }
    assert live == SCALE.keys() | TEMPORAL.keys() | ELSEWHERE


def states(config: Config, kind: OutputKind) -> list[tuple[Any, ...]]:
    """Run over four seconds of frames and of a lidar that is 30 ms behind, and then without it."""
    keeper = ScaleKeeper(config, ModelSpec('x', kind))
    frame, z = scene.frame(kind), scene.depth()
    found = []
    for index in range(60):
        random = np.random.default_rng(index)
        rows, columns = random.integers(0, 240, 400), random.integers(0, 320, 400)
        # the world grows by a third, which a scale that is frozen does not follow
        grown = 1.3 if index > 30 else 1.0
        distance = grown * z[rows, columns] * (1 + 0.02 * random.standard_normal(400))
        rays = scene.RAYS[rows, columns].astype(float)
        points = PointsReading(np.column_stack([rays * distance[:, None], distance]), np.eye(4))
        if index < 50:
            keeper.add(index / 10 - 0.03, points)
        state = keeper.update(scene.at(index / 10, frame))
        found.append((
            state.usable, state.value, state.shift, state.sigma, state.inliers,
            state.field is None, state.source,
        ))
    return found


@pytest.mark.parametrize('name', SCALE)
def test_of_the_scale(name: str) -> None:
    value, context = SCALE[name]
    before = Config().replaced(context)
    # a tilt that is not known can be told only where the shift is
    kind = OutputKind.METRIC_DEPTH if name == 'scale.estimate_tilt' else KIND
    first, other = states(before, kind), states(before.replaced({name: value}), kind)
    assert repr(first) == repr(states(before, kind)), 'not deterministic'
    assert repr(first) != repr(other), f'{name} changes nothing'


def steadied(config: Config) -> np.ndarray:
    """Steady two seconds of a standing camera whose network jitters."""
    random = np.random.default_rng(0)
    picture = random.integers(0, 255, (120, 160, 3), np.uint8)
    steadier = Steadier(config.temporal, ModelSpec('x', OutputKind.METRIC_DEPTH))
    world = random.uniform(1, 5, (120, 160)).astype(np.float32)
    out = []
    for index in range(40):
        values = world * np.float32(np.exp(0.1 * random.standard_normal()))
        values *= np.exp(0.01 * random.standard_normal(values.shape)).astype(np.float32)
        steadier.steady(values, picture, index / 10)
        out.append(values.copy())
    return np.array(out)


@pytest.mark.parametrize('name', TEMPORAL)
def test_of_steadying(name: str) -> None:
    value, context = TEMPORAL[name]
    before = Config().replaced(context)
    first, other = steadied(before), steadied(before.replaced({name: value}))
    assert np.abs(np.log(first / other)).max() > 0.005, f'{name} changes nothing'
