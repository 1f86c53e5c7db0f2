"""Robust fits against known truth, scipy, and their own claims of uncertainty."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy.optimize import least_squares

from depth_node.scale.fit import fit_affine, fit_factor, fit_plane, fit_scale


def sample(random, count=2000, outliers=0.0, noise=0.01, side=(0.3, 3.0)):
    z = random.uniform(1, 10, count)
    measured = z * (1 + noise * random.standard_normal(count))
    wrong = random.random(count) < outliers
    measured[wrong] = z[wrong] * random.uniform(*side, wrong.sum())
    return z, measured


@pytest.mark.parametrize('side', [(0.3, 3.0), (1.0, 4.0), (0.2, 1.0)])
def test_scale_with_forty_percent_outliers_on_any_side(side):
    z, measured = sample(np.random.default_rng(1), outliers=0.4, side=side)
    fit = fit_scale(z / 5.4, measured)
    assert fit.scale == pytest.approx(5.4, rel=0.003)


@pytest.mark.parametrize('side', [(0.3, 3.0), (1.0, 4.0), (0.2, 1.0)])
def test_line_with_forty_percent_outliers_on_any_side(side):
    z, measured = sample(np.random.default_rng(2), outliers=0.4, side=side)
    y = 1 / measured
    fit = fit_affine((1 / z - 0.05) / 0.02, y, y)
    assert fit.scale == pytest.approx(0.02, rel=0.01)
    assert fit.shift == pytest.approx(0.05, abs=0.002)


def test_exact_data_is_fitted_exactly():
    x = np.linspace(1, 50, 100)
    fit = fit_affine(x, 0.02 * x + 0.3, np.ones(100))
    assert (fit.scale, fit.shift) == (pytest.approx(0.02), pytest.approx(0.3))
    assert fit_scale(x, 3 * x).scale == pytest.approx(3)


def test_agrees_with_scipys_robust_least_squares_without_outliers():
    random = np.random.default_rng(3)
    x = random.uniform(0, 1, 500)
    y = 2 * x + 1 + 0.01 * random.standard_normal(500)
    fit = fit_affine(x, y, np.ones(500))
    scipys = least_squares(
        lambda line: line[0] * x + line[1] - y, (1, 0), loss='huber', f_scale=0.01
    )
    assert fit.scale == pytest.approx(scipys.x[0], abs=1e-3)
    assert fit.shift == pytest.approx(scipys.x[1], abs=1e-3)


@pytest.mark.parametrize('affine', [False, True])
def test_tells_its_uncertainty(affine):
    random = np.random.default_rng(4)
    pulls = []
    for _ in range(150):
        z, measured = sample(random, 500, outliers=0.2)
        if affine:
            fit = fit_affine(z / 2 - 0.1, measured, measured)
            error = np.array([np.log(fit.scale / 2), fit.shift - 0.2])
        else:
            fit = fit_scale(z / 2, measured)
            error = np.array([np.log(fit.scale / 2)])
        pulls.append(error @ np.linalg.solve(fit.covariance, error) / error.size)
    # the mean of 150 chi-squared values over their degrees of freedom is 1 within 0.12
    assert np.mean(pulls) == pytest.approx(1, abs=0.4)


def test_errors_shared_by_patches_become_bias():
    random = np.random.default_rng(5)
    z, measured = sample(random)
    patch = random.integers(0, 40, z.size)
    assert not fit_scale(z, measured, patch).bias.any()
    shared = 0.05 * random.standard_normal(40)
    fit = fit_scale(z, measured * np.exp(shared[patch]), patch)
    # the mean of 40 patches that scatter by 5 %
    assert np.sqrt(fit.bias[0, 0]) == pytest.approx(0.05 / np.sqrt(40), rel=0.4)


def test_slope_comes_from_the_few_when_most_see_one_wall():
    random = np.random.default_rng(6)
    z = np.where(random.random(1000) < 0.8, 3.0, random.uniform(1, 5, 1000))
    measured = z * (1 + 0.01 * random.standard_normal(1000))
    fit = fit_affine(z / 2 - 0.15, measured, measured)
    assert fit.scale == pytest.approx(2, rel=0.02)
    assert fit.shift == pytest.approx(0.3, abs=0.05)


def test_falling_data_has_no_line():
    x = np.linspace(0, 1, 50)
    assert fit_affine(x, 1 - x, np.ones(50)) is None


def test_even_errors_of_inverse_depth_do_not_bias():
    random = np.random.default_rng(7)
    z = random.uniform(1, 10, 4000)
    inverse = 1 / z + 0.02 * random.standard_normal(z.size)
    kept = inverse > 0.05
    x, measured, sigma = z[kept] / 4, 1 / inverse[kept], np.full(kept.sum(), 0.02)
    fit = fit_factor(x, measured, sigma, fit_scale(x, measured))
    assert fit.scale == pytest.approx(4, rel=0.02)


def test_plane_with_a_third_of_the_points_off_it():
    random = np.random.default_rng(8)
    m = np.array([0.05, 0.9, 0.2])
    rays = np.column_stack([random.uniform(-1, 1, 900), random.uniform(0.3, 1, 900), np.ones(900)])
    points = rays / (rays @ m)[:, None]
    points[:300] *= random.uniform(0.2, 0.8, 300)[:, None]
    found, _, _, inliers = fit_plane(points, np.zeros(900, np.int64))
    assert found == pytest.approx(m, rel=1e-6)
    assert inliers == 600


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_few_or_degenerate_points_never_raise(count, seed):
    random = np.random.default_rng(seed)
    x = np.abs(random.integers(1, 3, count)).astype(float)
    fit = fit_scale(x, x)
    assert fit is None or fit.scale == pytest.approx(1)
    line = fit_affine(x, x, np.ones(count))
    assert line is None or line.scale > 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1, 1), min_size=3, max_size=5),
    st.lists(st.integers(20, 60), min_size=5, max_size=5),
    st.sampled_from([0.0, 0.003, 0.01, 0.02]), st.floats(0.2, 2), st.floats(0.1, 1),
)
def test_what_a_sensor_cannot_resolve_is_no_reason_to_doubt_it(
    errors, counts, resolution, scale, shift
):
    """Few distances, each measured once for many pixels: a line through two is exact by chance."""
    levels = np.repeat(np.linspace(0.3, 1, len(errors)), counts[: len(errors)])
    error = np.repeat(errors, counts[: len(errors)]) * resolution
    y = (scale * levels + shift) * (1 + error)
    fit = fit_affine(levels, y, y, alike=np.full(y.size, max(resolution, 1e-6)))
    assert fit.inliers == y.size
    # a line through the outer levels, each as wrong as may be, and some more between them
    assert np.abs(fit.scale * levels + fit.shift - y).max() < 3 * max(resolution, 1e-6) * y.max()
    start = fit_scale(levels, scale * levels * (1 + error), alike=max(resolution, 1e-6))
    assert start.inliers == y.size
    assert start.scale == pytest.approx(scale, rel=1.1 * resolution + 1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 255), st.floats(0.2, 2), st.floats(0.2, 1), st.integers(0, 2**32 - 1))
def test_rounded_values_are_all_used(steps, scale, shift, seed):
    """From two values to those of eight bits."""
    exact = np.random.default_rng(seed).uniform(0, 1, 400)
    x = np.rint(exact * (steps - 1)) / (steps - 1)
    y = scale * exact + shift
    fit = fit_affine(x, y, np.ones(y.size))
    assert fit.inliers > 0.97 * y.size
    assert np.abs(fit.scale * x + fit.shift - y).max() < 2 * scale / (steps - 1)


def test_two_values_without_noise_are_met_exactly():
    x = np.repeat([0.2, 0.7], (500, 30))
    fit = fit_affine(x, 0.9 * x + 0.1, x)
    assert (fit.scale, fit.shift) == (pytest.approx(0.9), pytest.approx(0.1))
    assert fit.inliers == 530


def test_many_pixels_at_two_close_distances_do_not_decide_the_slope():
    """The line through both is exact, and far from all others."""
    levels = np.repeat([0.2, 0.5, 0.55, 1.0], (100, 500, 500, 100))
    y = (0.9 * levels + 0.1) * (1 + np.repeat([0.0, -0.01, 0.01, 0.0], (100, 500, 500, 100)))
    fit = fit_affine(levels, y, y, alike=np.full(y.size, 0.01))
    assert fit.inliers == y.size
    assert fit.scale == pytest.approx(0.9, rel=0.1)
