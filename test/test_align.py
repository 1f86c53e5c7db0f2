"""Scale and shift of one frame, against what made it."""

import numpy as np
import pytest

from depth_node.align import least_squares, relative_colors
from depth_node.errors import DataError
from depth_node.model import OutputKind

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
