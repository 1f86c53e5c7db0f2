"""Scale and shift of one frame, against what made it."""

import numpy as np
import pytest

from depth_node.depth.metres import Scale, to_metres
from depth_node.errors import DataError
from depth_node.model import ModelSpec, OutputKind
from depth_node.model.prediction import Prediction
from depth_node.scale.align import least_squares, relative_colors, to_disparity

RNG = np.random.default_rng(0)
TRUTH = RNG.uniform(1, 10, (30, 40)).astype(np.float32)


@pytest.mark.parametrize(('kind', 'space'), [
    (OutputKind.RELATIVE_DISPARITY, lambda z: 1 / z), (OutputKind.RELATIVE_DEPTH, lambda z: z),
])
def test_least_squares_undoes_an_affine_map(kind, space):
    """Also where parts are unknown, and as numpy's own fit where there is noise."""
    values = ((space(TRUTH) - 0.3) / 2.5).astype(np.float32)
    truth, known = TRUTH.copy(), RNG.random(TRUTH.shape) < 0.5
    truth[~known] = np.nan
    found = least_squares(values, truth, kind)
    assert (found.scale, found.shift) == pytest.approx((2.5, 0.3), rel=1e-4)
    noisy = values + RNG.normal(0, 0.01, values.shape).astype(np.float32)
    found = least_squares(noisy, TRUTH, kind)
    expected = np.polyfit(noisy.ravel().astype(float), space(TRUTH.ravel().astype(float)), 1)
    assert (found.scale, found.shift) == pytest.approx(tuple(expected), rel=1e-6)


def test_refusals():
    """Kinds without a shift, and flat frames."""
    with pytest.raises(DataError, match='no shift'):
        least_squares(TRUTH, TRUTH, OutputKind.METRIC_DEPTH)
    with pytest.raises(DataError, match='Too little'):
        least_squares(np.ones_like(TRUTH), TRUTH, OutputKind.RELATIVE_DEPTH)


def test_relative_colors_put_the_near_first():
    """For disparity near is large, for depth small."""
    near, far = relative_colors(TRUTH, OutputKind.RELATIVE_DISPARITY)
    assert near > far
    near, far = relative_colors(TRUTH, OutputKind.RELATIVE_DEPTH)
    assert near < far


@pytest.mark.parametrize('kind', list(OutputKind))
def test_disparity_aligns_every_kind(kind):
    """With 30 % of the disparity wrong, depth comes out right to half a percent."""
    product = 60.0 * 0.12  # focal length (pixels) times baseline (m)
    spec = ModelSpec('made', kind, min_depth=0.1, max_depth=100.0)
    truth = RNG.uniform(1, 10, (120, 160)).astype(np.float32)
    made = {
        OutputKind.METRIC_DEPTH: truth / 1.7,
        OutputKind.CANONICAL_DEPTH: truth / 1.7,
        OutputKind.RELATIVE_DEPTH: (truth - 0.4) / 2.0,
        OutputKind.SIGMOID_DISPARITY: (3.0 / truth - 0.01) / (10 - 0.01),
        OutputKind.RELATIVE_DISPARITY: (1 / truth - 0.05) / 0.3,
    }[kind].astype(np.float32)
    disparity = product / truth * RNG.normal(1, 0.01, truth.shape).astype(np.float32)
    wrong = RNG.random(truth.shape) < 0.3
    disparity[wrong] *= RNG.uniform(1.2, 3, wrong.sum()).astype(np.float32)
    disparity[RNG.random(truth.shape) < 0.4] = np.nan
    scale = to_disparity(made, disparity, spec, product)
    depth = to_metres(Prediction(made), spec, scale, 1.0, np.empty_like(made))
    assert np.median(abs(depth / truth - 1)) < 0.005
    in_pixels = to_disparity(made, disparity, spec)
    assert isinstance(in_pixels, Scale)
    inverse = to_metres(Prediction(made), spec, in_pixels, 1.0, np.empty_like(made))
    assert np.median(abs(1 / inverse / (product / truth) - 1)) < 0.005


def test_disparity_of_another_picture():
    """Nothing in common, or nothing known, is refused."""
    spec = ModelSpec('made', OutputKind.RELATIVE_DISPARITY)
    with pytest.raises(DataError, match='aligned'):
        to_disparity(TRUTH, np.full_like(TRUTH, np.nan), spec)
    with pytest.raises(DataError, match='aligned'):
        to_disparity(TRUTH, 1 / (TRUTH + 1), spec)
