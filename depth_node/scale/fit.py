"""
Robust fits of metres to the output of a network: y = scale x, or y = scale x + shift.

Both start from a high-breakdown estimate (half of the data may be outliers, even all on one side,
like occlusion edges) and end with Tukey's biweight, whose standard errors are those of an
M-estimator (Huber, Robust Statistics, 1981, section 6.6). The errors of a network are correlated
between neighboring pixels and frames. Therefore the spread between patches of the image in excess
of independent noise is reported separately as `bias`, which does not average out over frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TUKEY = 4.685
"""Tuning constant of the biweight: 95 % efficiency for Gaussian noise (Huber 1981, 7.8)."""
ALIKE = 0.002
"""Residuals of this size (relative) are no reason to doubt a point: nothing is known better. A
sensor that resolves less gives a larger size for each point."""
DECLARED = 1.0
"""The same in standard deviations of the sensor, where it declares those."""
PAIRS = 300
"""Pairs tried for a line: with 40 % outliers all of 300 are bad once in 10^58."""
SEARCH = 600
"""Points on which a pair is evaluated."""


@dataclass(frozen=True)
class Fit:
    """
    A robust fit with its uncertainty.

    :param scale: the factor, positive.
    :param shift: the offset, in the unit of y; 0 if only a scale was fitted.
    :param covariance: float64 (k, k) of (log scale, shift), k = 1 without a shift; the part that
        averages out over frames.
    :param bias: float64 (k, k), the part that does not.
    :param weights: float64 (N,), 0 for outliers to 1.
    :param inliers: number of points with a weight above 0.
    """

    scale: float
    shift: float
    covariance: Floats
    bias: Floats
    weights: Floats
    inliers: int


def fit_scale(
    x: Floats, y: Floats, groups: NDArray[np.int64] | None = None,
    alike: Floats | float = ALIKE,
) -> Fit | None:
    """
    Fit y = scale x with relative errors and up to half outliers.

    More outliers are possible if they do not agree with each other. The location of log y - log x:
    the shortest interval that holds a third of the points (as the shorth with its half,
    Rousseeuw and Leroy 1987, section 4.3), then the biweight.

    :param x: float64 (N,), above zero.
    :param y: float64 (N,), above zero.
    :param groups: int (N,), the patch of the image a point lies in, or None: independent.
    :param alike: a point this close to the line is never an outlier, relative; float64 (N,), or
        one for all.
    :returns: the fit, or None for fewer than two points.
    """
    ratio = np.log(y) - np.log(x)
    count = ratio.size
    if count < 2:
        return None
    share, halfwidth = _core(count)
    held = int(share * count) + 1
    ordered = np.sort(ratio)
    widths = ordered[held - 1:] - ordered[: count - held + 1]
    first = int(np.argmin(widths))
    center = float(np.median(ordered[first: first + held]))
    sigma = max(float(widths[first]) / (2 * halfwidth), 1e-9)
    ones = np.ones((count, 1))
    start = np.array([center])
    center_, weights, residual, slope = _biweight(ones, ratio, start, sigma, alike)
    covariance, bias = _covariances(ones, weights * residual, slope, groups)
    return Fit(
        float(np.exp(center_[0])), 0.0, covariance, bias, weights, int(np.sum(weights > 0))
    )


def fit_factor(
    x: Floats, z: Floats, sigma: Floats, start: Fit, groups: NDArray[np.int64] | None = None
) -> Fit:
    """
    Fit 1/z = (1/scale) 1/x with errors of 1/z, as in triangulation.

    :param x: float64 (N,), above zero.
    :param z: float64 (N,), above zero.
    :param sigma: float64 (N,), standard deviations of 1/z.
    :param start: a fit of z = scale x without them.
    :param groups: int (N,), the patch of the image a point lies in, or None: independent.
    :returns: the fit.
    """
    rows, y = (1 / x / sigma)[:, None], 1 / z / sigma
    guess = np.array([1 / start.scale])
    inside = np.abs(y - rows @ guess)[start.weights > 0]
    spread = max(float(np.median(inside)) / 0.6745, 1e-12)
    factor, weights, residual, slope = _biweight(rows, y, guess, spread, DECLARED)
    if not factor[0] > 0:
        return start
    covariance, bias = _covariances(rows, weights * residual, slope, groups)
    return Fit(
        float(1 / factor[0]), 0.0, covariance / factor[0]**2, bias / factor[0]**2, weights,
        int(np.sum(weights > 0)),
    )


def fit_affine(
    x: Floats, y: Floats, noise: Floats, groups: NDArray[np.int64] | None = None,
    alike: Floats | float = ALIKE,
) -> Fit | None:
    """
    Fit y = scale x + shift with up to 40 % outliers.

    Random pairs, evaluated by truncated squares at the scale of the least median (Rousseeuw 1984;
    Torr and Zisserman 2000), then the biweight. The pairs depend on the number of points only, so
    that the result for a frame is always the same.

    :param x: float64 (N,).
    :param y: float64 (N,).
    :param noise: float64 (N,), relative sizes of the errors of y, in any unit.
    :param groups: int (N,), the patch of the image a point lies in, or None: independent.
    :param alike: a point this close to the line is never an outlier, in sizes of `noise`;
        float64 (N,), or one for all.
    :returns: the fit, or None for fewer than three points or if no increasing line fits.
    """
    count = x.size
    if count < 3:
        return None
    random = np.random.default_rng(count)
    some = random.choice(count, SEARCH, replace=False) if count > SEARCH else np.arange(count)
    floor = np.broadcast_to(np.asarray(alike, np.float64), (count,))
    start = _best_line(x[some], y[some], noise[some], floor[some], random)
    if start is None:
        return None
    line, sigma = start
    # columns and right side divided by the noise, so that every row weighs alike
    rows = np.column_stack([x, np.ones(count)]) / noise[:, None]
    line, weights, residual, slope = _biweight(rows, y / noise, line, sigma, floor)
    if not line[0] > 0:
        return None
    covariance, bias = _covariances(rows, weights * residual, slope, groups)
    to_log = np.diag([1 / line[0], 1.0])  # d log scale = d scale / scale
    return Fit(
        float(line[0]),
        float(line[1]),
        to_log @ covariance @ to_log,
        to_log @ bias @ to_log,
        weights,
        int(np.sum(weights > 0)),
    )


def fit_plane(
    rows: Floats, groups: NDArray[np.int64]
) -> tuple[Floats, Floats, Floats, int] | None:
    """
    Fit rows . m = 1 with relative errors: a plane through points, or one in inverse depth.

    :param rows: float64 (N, 3), the points.
    :param groups: int (N,), the patch of the image a point lies in.
    :returns: m (3,), its covariance and bias (3, 3) as in :class:`Fit`, and the number of
        inliers; or None if fewer than half of the points lie on a plane.
    """
    count = len(rows)
    if count < 6:
        return None
    random = np.random.default_rng(count)
    triples = random.integers(0, count, (PAIRS, 3))
    corners = rows[triples]
    corners = corners[np.abs(np.linalg.det(corners)) > 1e-9 * np.abs(rows).max() ** 3]
    if len(corners) == 0:
        return None
    planes = np.linalg.solve(corners, np.ones((len(corners), 3, 1)))[..., 0]
    some = random.choice(count, SEARCH, replace=False) if count > SEARCH else np.arange(count)
    residuals = np.abs(rows[some] @ planes.T - 1)
    spread = np.median(residuals, axis=0)
    best = int(np.argmin(spread))
    sigma = max(float(spread[best]) / 0.6745, 1e-9)
    m, weights, residual, slope = _biweight(rows, np.ones(count), planes[best], sigma)
    inliers = int(np.sum(weights > 0))
    if 2 * inliers < count:
        return None
    covariance, bias = _covariances(rows, weights * residual, slope, groups)
    return m, covariance, bias, inliers


def refit(fit: Fit, x: Floats, y: Floats, noise: Floats) -> Floats:
    """
    Fit again with the same weights, to compute the effect of a change of y.

    :param fit: the fit with the weights.
    :param x: float64 (N,), as given to the fit.
    :param y: float64 (N,), changed.
    :param noise: float64 (N,), as given to the fit (ignored without a shift).
    :returns: float64 (k,): log scale, and shift if the fit has one.
    """
    w = fit.weights
    if fit.covariance.shape[0] == 1:
        return np.array([np.sum(w * (np.log(y) - np.log(x))) / np.sum(w)])
    rows = np.column_stack([x, np.ones(x.size)]) / noise[:, None]
    line = np.linalg.solve((rows * w[:, None]).T @ rows, rows.T @ (w * y / noise))
    return np.array([np.log(max(line[0], 1e-12)), line[1]])


def _best_line(
    x: Floats, y: Floats, noise: Floats, floor: Floats, random: np.random.Generator
) -> tuple[Floats, float] | None:
    """Return the line through two points with the least median residual, and its scale."""
    first, second = random.integers(0, x.size, (2, PAIRS))
    run = x[second] - x[first]
    usable = np.abs(run) > 1e-3 * max(float(np.ptp(x)), 1e-12)
    if not usable.any():
        return None
    first, second, run = first[usable], second[usable], run[usable]
    slopes = (y[second] - y[first]) / run
    rising = slopes > 0
    if not rising.any():
        return None
    slopes = slopes[rising]
    shifts = y[first[rising]] - slopes * x[first[rising]]
    residuals = np.abs(y - slopes[:, None] * x - shifts[:, None]) / noise
    share, halfwidth = _core(x.size)
    # two points lie exactly on each line
    middle = min(int(share * x.size) + 2, x.size - 1)
    spread = np.partition(residuals, middle, axis=1)[:, middle]
    sigma = max(float(spread.min()) / halfwidth, 1e-12)
    # where most points see one wall any slope suits them: let the others decide, and those that
    # are as close as can be expected, even if some line meets most points exactly
    cost = np.minimum(residuals / (3 * np.maximum(sigma, floor)), 1) ** 2
    best = int(np.argmin(cost.sum(axis=1)))
    return np.array([slopes[best], shifts[best]]), sigma


def _core(count: int) -> tuple[float, float]:
    """
    Return the share of points that must agree initially, and its width in sigma.

    Of few points a third agree by chance.
    """
    return (0.35, 0.4538) if count > 200 else (0.55, 0.7554)


def _biweight(
    rows: Floats, y: Floats, start: Floats, sigma: float, alike: Floats | float = 0.0
) -> tuple[Floats, Floats, Floats, Floats]:
    """
    Iterate reweighted least squares from a good start.

    :returns: parameters (k,), weights (N,), residuals (N,), derivative of psi (N,).
    """
    solution = start
    least = np.maximum(alike, 1e-12)
    limit = TUKEY * np.maximum(sigma, least)
    for step in range(20):
        residual = y - rows @ solution
        weights = _weights(residual, limit)
        normal = (rows * weights[:, None]).T @ rows
        try:
            new = np.linalg.solve(normal, rows.T @ (weights * y))
        except np.linalg.LinAlgError:
            break
        # the start overestimates sigma where outliers are near: take it from the inliers
        inside = np.abs(y - rows @ new) < limit
        if step < 5 and np.count_nonzero(inside) > rows.shape[1]:
            middle = float(np.median(np.abs(y - rows @ new)[inside]))
            limit = TUKEY * np.maximum(middle / 0.6745, least)
        moved = float(np.max(np.abs(new - solution) / (np.abs(new) + 1e-12)))
        solution = new
        if step >= 5 and moved < 1e-9:
            break
    residual = y - rows @ solution
    u = np.clip(residual / limit, -1, 1) ** 2
    return solution, (1 - u) ** 2, residual, (1 - u) * (1 - 5 * u)


def _weights(residual: Floats, limit: Floats) -> Floats:
    u = np.clip(residual / limit, -1, 1) ** 2
    return np.asarray((1 - u) ** 2)


def _covariances(
    rows: Floats, psi: Floats, slope: Floats, groups: NDArray[np.int64] | None
) -> tuple[Floats, Floats]:
    """
    Return the covariance for independent errors, and the excess between patches.

    The second is the cluster-robust covariance (Liang and Zeger 1986), used only if it is more
    than twice the first, because with a few dozen patches it varies by a fifth itself.
    """
    size = rows.shape[1]
    count = rows.shape[0]
    try:
        inverse = np.linalg.inv((rows * slope[:, None]).T @ rows)
    except np.linalg.LinAlgError:
        return np.full((size, size), np.inf), np.zeros((size, size))
    scores = rows * psi[:, None]
    small = count / max(count - size, 1)
    independent = small * inverse @ (scores.T @ scores) @ inverse
    if groups is None:
        return independent, np.zeros((size, size))
    sums = np.stack([np.bincount(groups, scores[:, k]) for k in range(size)], axis=1)
    clustered = inverse @ (sums.T @ sums) @ inverse
    excess = np.trace(np.linalg.lstsq(independent, clustered, rcond=None)[0]) / size
    return independent, clustered if excess > 2 else np.zeros((size, size))
