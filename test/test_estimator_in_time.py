"""The estimator with frames that have a time: steadied, and scaled by a source."""

from __future__ import annotations

from dummy_networks import write_red_network
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.catalogue.opening import open_model
from depth_node.config import Config
from depth_node.errors import ConfigError
from depth_node.estimator import DepthEstimator
from depth_node.scale import PointsReading

CAMERA = Camera.from_hfov(64, 48, 70.0)
SCALE, SHIFT = 0.9, 0.1
PLAIN = {'filter.edge_threshold': 0.0}


@pytest.fixture
def model(tmp_path):
    """A network that takes red for inverse depth."""
    return open_model(write_red_network(tmp_path / 'red.onnx'))


def picture(gain=1.0):
    """A slope from far to near; green shows that nothing moves, blue nothing."""
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[..., 1] = np.random.default_rng(1).integers(0, 255, (48, 64))
    rgb[..., 0] = gain * np.linspace(20, 180, 48)[:, None]
    return rgb


def truth():
    return 1 / (SCALE * picture()[..., 0] / 255 + SHIFT)


def test_frames_without_a_time_have_no_past(model):
    config = Config().replaced({'scale.source': 'fixed', 'scale.value': 1.0, **PLAIN})
    estimator = DepthEstimator(model, config)
    first = [estimator.estimate(picture(gain), CAMERA).depth.copy() for gain in (1, 0.8, 1)]
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_allclose(first[1], 1 / (picture(0.8)[..., 0] / 255), rtol=1e-5)


def test_frames_with_a_time_are_steadied_unless_switched_off(model):
    def jumps(**changes):
        fixed = {'scale.source': 'fixed', 'scale.value': 1.0}
        config = Config().replaced({**fixed, **PLAIN, **changes})
        estimator = DepthEstimator(model, config)
        gains = np.random.default_rng(0).uniform(0.8, 1.2, 40)
        depths = [
            estimator.estimate(picture(gain), CAMERA, index / 30).depth.copy()
            for index, gain in enumerate(gains)
        ]
        return np.median(np.abs(np.diff(np.log(depths), axis=0)))

    assert jumps(**{'temporal.enabled': True}) < jumps() / 5


def test_a_source_finds_the_scale_and_a_stamp_is_needed(model):
    config = Config().replaced({'scale.source': 'points', **PLAIN})
    estimator = DepthEstimator(model, config)
    rays = CAMERA.rays().astype(float)
    points = np.concatenate([rays * truth()[..., None], truth()[..., None]], axis=-1)
    assert 'need' in estimator.estimate(picture(), CAMERA).note
    for index in range(8):
        estimator.keeper.add(index / 10, PointsReading(points.reshape(-1, 3), np.eye(4)))
        found = estimator.estimate(picture(), CAMERA, index / 10)
        assert (found.depth is None) == (index < 4)
    np.testing.assert_allclose(found.depth, truth(), rtol=0.01)
    assert found.state.source == 'points'
    assert found.scale.scale == pytest.approx(SCALE, rel=0.01)


def test_without_a_camera_a_source_cannot_look(model):
    estimator = DepthEstimator(model, Config().replaced({'scale.source': 'points'}))
    assert 'not calibrated' in estimator.estimate(picture(), None, 0.0).note


def test_a_calibration_that_is_not_there_is_refused(model, tmp_path):
    missing = {'scale.calibration_file': str(tmp_path / 'none.yaml')}
    with pytest.raises(ConfigError, match='cannot be read'):
        DepthEstimator(model, Config().replaced({'scale.source': 'fixed', **missing}))
    # a source that finds the scale will write it there
    DepthEstimator(model, Config().replaced({'scale.source': 'points', **missing}))
