"""Metrics against closed forms, scipy and properties they must have."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy import stats

from depth_node.errors import DataError
from depth_node.evaluation.metrics import Crop, crop_window, DepthMetrics, interval, NAMES, score


def test_constant_factor_has_closed_forms():
    """Predicting 1.3 times the truth."""
    truth = np.random.default_rng(0).uniform(1, 50, 1000)
    found = DepthMetrics.between(1.3 * truth, truth)
    assert found.abs_rel == pytest.approx(0.3)
    assert found.sq_rel == pytest.approx(0.09 * truth.mean())
    assert found.rmse == pytest.approx(0.3 * math.sqrt(np.mean(truth**2)))
    assert found.rmse_log == pytest.approx(math.log(1.3))
    assert (found.a1, found.a2, found.a3) == (0, 1, 1)
    assert found.si_log == pytest.approx(0, abs=1e-9)


def test_against_scipy_and_numpy():
    """Noise: the logarithmic errors are the moments of the log ratio."""
    rng = np.random.default_rng(1)
    truth, factor = rng.uniform(1, 20, 5000), np.exp(rng.normal(0.1, 0.2, 5000))
    found = DepthMetrics.between(truth * factor, truth)
    described = stats.describe(np.log(factor), ddof=0)
    assert found.si_log == pytest.approx(100 * math.sqrt(described.variance))
    assert found.rmse_log == pytest.approx(math.hypot(described.mean, found.si_log / 100))
    # the share within 1.25 of a lognormal ratio
    limit = math.log(1.25)
    expected = stats.norm.cdf(limit, 0.1, 0.2) - stats.norm.cdf(-limit, 0.1, 0.2)
    assert found.a1 == pytest.approx(expected, abs=0.02)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_median_scaling_takes_out_any_factor(seed, factor):
    """A prediction of any unit is scaled to the truth's median, and the factor is told."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(2, 40, (20, 30))
    found = score(truth * factor, truth, median_scaling=True)
    assert found.scale == pytest.approx(1 / factor)
    assert found.metrics.abs_rel == pytest.approx(0, abs=1e-9)
    assert found.metrics.a1 == 1


def test_what_counts():
    """Truth outside the range and unknown truth are left out; the prediction is clamped."""
    truth = np.array([[0, np.nan, np.inf, 90.0, 10.0, 10.0, 10.0, 10.0]])
    predicted = np.array([[5, 5, 5, 5, 10.0, 200.0, np.inf, np.nan]])
    found = score(predicted, truth, farthest=80)
    assert found.pixels == 3
    assert found.coverage == pytest.approx(3 / 4)
    assert found.metrics.abs_rel == pytest.approx((0 + 7 + 7) / 3)
    masked = score(predicted, truth, mask=np.arange(8)[None] == 4)
    assert masked.metrics.rmse == 0


def test_crops_are_the_published_ones():
    """KITTI's 375 x 1242, and NYU's 480 x 640."""
    assert crop_window(Crop.GARG, 375, 1242) == (slice(153, 371), slice(44, 1197))
    assert crop_window(Crop.EIGEN, 375, 1242) == (slice(124, 342), slice(44, 1197))
    assert crop_window(Crop.NYU, 480, 640) == (slice(45, 471), slice(41, 601))
    assert crop_window(Crop.NONE, 375, 1242) == (slice(0, 375), slice(0, 1242))
    truth = np.ones((375, 1242))
    predicted = np.full_like(truth, 2.0)
    predicted[crop_window(Crop.GARG, *truth.shape)] = 1.0
    assert score(predicted, truth, crop=Crop.GARG).metrics.abs_rel == 0
    assert score(predicted, truth).metrics.abs_rel > 0.1


def test_refusals():
    """Sizes that differ and nothing to compare are said."""
    with pytest.raises(DataError, match='equal size'):
        score(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(DataError, match='No pixel'):
        score(np.full((2, 2), np.nan), np.ones((2, 2)))
    with pytest.raises(DataError, match='positive'):
        DepthMetrics.between(np.array([1.0, -1.0]), np.ones(2))
    with pytest.raises(DataError, match='no frame'):
        DepthMetrics.mean([])


def test_mean_and_interval():
    """The mean counts frames alike; the interval of normal means is the normal one."""
    one = DepthMetrics(*([0.1] * len(NAMES)))
    two = DepthMetrics(*([0.3] * len(NAMES)))
    assert DepthMetrics.mean([one, two]).abs_rel == pytest.approx(0.2)
    values = np.random.default_rng(3).normal(0.2, 0.05, 400)
    low, high = interval(values.tolist())
    half = 1.96 * values.std() / math.sqrt(400)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=5e-4)
    assert interval([0.1]) is None
