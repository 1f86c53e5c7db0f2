"""The estimator, frame by frame."""

from __future__ import annotations

import dataclasses

from dummy_networks import write_red_network
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.catalogue.opening import open_model
from depth_node.config import Config
from depth_node.errors import ConfigError
from depth_node.estimator import DepthEstimator
from depth_node.model import Model, OutputKind
from depth_node.sources.frame import Frame

CAMERA = Camera.from_hfov(64, 48, 70.0)


@pytest.fixture
def model(tmp_path) -> Model:
    """A network that says how red a picture is."""
    return open_model(write_red_network(tmp_path / 'red.onnx'))


@pytest.mark.parametrize(('kind', 'max_depth', 'max_range', 'farthest'), [
    (OutputKind.METRIC_DEPTH, 20.0, 0.0, 20.0),
    (OutputKind.METRIC_DEPTH, 80.0, 0.0, 80.0),
    (OutputKind.METRIC_DEPTH, 80.0, 30.0, 30.0),
    (OutputKind.METRIC_DEPTH, 20.0, 90.0, 90.0),
    (OutputKind.RELATIVE_DEPTH, 20.0, 0.0, 100.0),
])
def test_metres_go_as_far_as_the_model_can_tell_unless_told(
    model, kind, max_depth, max_range, farthest
):
    """Beyond is +Inf, for outdoor models not before their range ends."""
    spec = dataclasses.replace(model.spec, kind=kind, max_depth=max_depth)
    config = Config().replaced({
        'depth.max_range': max_range, 'scale.source': 'fixed', 'scale.value': 150.0,
        'filter.edge_threshold': 0.0, 'depth.focal_correction': False,
    })
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[..., 0] = np.linspace(10, 250, 64)
    depth = DepthEstimator(Model(model.path, spec), config).estimate(rgb, CAMERA).depth
    true = 150.0 * rgb[..., 0] / 255.0
    clear = abs(true - farthest) > 1e-3
    np.testing.assert_array_equal(np.isposinf(depth)[clear], (true > farthest)[clear])


def test_a_range_that_ends_before_it_begins_is_refused():
    """Zero is no range of its own, and so no contradiction."""
    assert Config().replaced({'depth.min_range': 5.0}).depth.max_range == 0.0
    with pytest.raises(ConfigError, match=r'min_range is 5 m, expected less than depth'):
        Config().replaced({'depth.min_range': 5.0, 'depth.max_range': 4.0})


def test_confidence_is_computed_where_it_is_wanted_and_gates_every_network(model):
    """Of clutter beside a plain wall, and with a scale that is not certain."""
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[..., 0] = 100
    rgb[:, 40:, 0] = np.random.default_rng(0).integers(40, 200, (48, 24))
    changes = {
        'scale.source': 'fixed', 'scale.value': 10.0, 'filter.edge_threshold': 0.0,
        'depth.focal_correction': False,
    }

    def estimate(wanted=False, **more):
        spec = dataclasses.replace(model.spec, kind=OutputKind.METRIC_DEPTH)
        estimator = DepthEstimator(
            Model(model.path, spec), Config().replaced({**changes, **more})
        )
        frame = Frame(rgb, None, CAMERA)
        return estimator.measure(estimator.predict(frame), frame, confidence=wanted)

    assert estimate().confidence is None
    wanted = estimate(wanted=True)
    assert wanted.confidence[20, 5] > 0.9
    assert wanted.confidence[20, 55] < 0.3
    assert np.isfinite(wanted.depth).all()
    gated = estimate(**{'filter.min_confidence': 0.5})
    assert np.isfinite(gated.depth[:, :20]).all()
    assert np.isnan(gated.depth[:, 50:]).all()
