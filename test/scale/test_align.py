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
    with pytest.raises(DataError, match='too few'):
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
    found = to_disparity(made, disparity, spec, product)
    assert found.agree == pytest.approx(0.7, abs=0.06)
    assert found.points > 2000
    depth = to_metres(Prediction(made), spec, found.scale, 1.0, np.empty_like(made))
    assert np.median(abs(depth / truth - 1)) < 0.005
    in_pixels = to_disparity(made, disparity, spec).scale
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


def room():
    """A corridor: depth that differs from left to right and from top to bottom."""
    v, u = np.mgrid[0:120, 0:160] / 120
    return (1.5 + 4 * u + 2 * np.sin(9 * v)**2 + 0.4 * np.sin(40 * u)).astype(np.float32)


@pytest.mark.parametrize('kind', [OutputKind.METRIC_DEPTH, OutputKind.RELATIVE_DISPARITY])
@pytest.mark.parametrize('change', [
    lambda d: RNG.permutation(d.ravel()).reshape(d.shape),  # no relation at all
    lambda d: d[:, ::-1],  # the mirror image
    lambda d: d[::-1],
    lambda d: np.roll(d, 70, axis=1),  # another image
], ids=['shuffled', 'mirrored', 'upside down', 'another'])
def test_a_disparity_that_does_not_belong_is_refused(kind, change):
    """A line fits anything; it is not enough that one does."""
    product, truth = 7.2, room()
    values = truth * 1.1 if kind is OutputKind.METRIC_DEPTH else 2 / truth + 1
    disparity = (product / truth).astype(np.float32)
    spec = ModelSpec('made', kind)
    assert to_disparity(values, disparity, spec, product).agree > 0.99
    with pytest.raises(DataError, match='cannot be aligned'):
        to_disparity(values, change(disparity), spec, product)


def test_a_wall_is_aligned_where_one_number_is_enough():
    """Nothing in it tells pixels apart, and nothing needs to."""
    truth = np.full((60, 80), 2.0, np.float32)
    disparity = (7.2 / truth).astype(np.float32)
    spec = ModelSpec('made', OutputKind.SIGMOID_DISPARITY, min_depth=0.1, max_depth=100.0)
    values = ((3.0 / truth - 0.01) / (10 - 0.01)).astype(np.float32)
    assert to_disparity(values, disparity, spec, 7.2).agree == 1
    with pytest.raises(DataError, match='cannot be aligned'):
        to_disparity(values, disparity, ModelSpec('made', OutputKind.RELATIVE_DISPARITY), 7.2)


@pytest.mark.parametrize('factor', [16.0, 1 / 16])
def test_metres_far_from_those_of_the_network_are_refused(factor):
    """A disparity in sixteenths, or a baseline in another unit."""
    truth = room()
    disparity = (7.2 / truth * factor).astype(np.float32)
    with pytest.raises(DataError, match='--disparity-unit'):
        to_disparity(truth, disparity, ModelSpec('made', OutputKind.METRIC_DEPTH), 7.2)


@pytest.mark.parametrize('factor', [256.0, 1 / 256])
def test_metres_that_no_camera_sees_are_refused(factor):
    """Also for networks without metres of their own."""
    truth = room()
    disparity = (7.2 / truth * factor).astype(np.float32)
    with pytest.raises(DataError, match='--disparity-unit'):
        to_disparity(2 / truth + 1, disparity, ModelSpec('made', OutputKind.RELATIVE_DISPARITY),
                     7.2)
