"""
The effect of a network's shape error on a scale measured on a part of a frame.

The error of a network has a factor common to a frame and a shape: some regions are too near,
others too far. A sensor that sees only some regions confuses their error with the scale. The shape
error is modelled as a random field of relative errors over the patches of the image, with standard
deviation `m` and correlation ``exp(-d / LENGTH)`` at a distance of d patches (a variogram as in
Cressie, Statistics for Spatial Data, 1993, section 2.3). The error of a measurement is the effect
of such a field on the fit, minus its effect on a fit of the whole frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PATCHES = (6, 8)
"""Rows and columns of patches of an image."""
COUNT = PATCHES[0] * PATCHES[1]
LENGTH = 2.0
"""Correlation length of errors (patches); 1.8 to 2.2 in 33 real frames."""
PRIOR = 0.1
"""Prior of the standard deviation of the shape error."""
ENOUGH = 3.0
"""Number of independent parts of the field from which the prior is not used."""
MIN_IN_PATCH = 8
"""Pixels from which the median of a patch is safe, where there are such patches."""
LARGEST = 1.0
"""Limit of residuals, because a patch of wrong distances is not a shape error."""


def _correlation() -> Floats:
    row, column = np.divmod(np.arange(COUNT), PATCHES[1])
    return np.asarray(np.exp(-np.hypot(row[:, None] - row, column[:, None] - column) / LENGTH))


CORRELATION = _correlation()
"""Correlation of the errors of two patches, float64 (COUNT, COUNT)."""


def patches_of(
    rows: NDArray[np.int64], columns: NDArray[np.int64], height: int, width: int
) -> NDArray[np.int64]:
    """
    Return the patch of each pixel.

    :param rows: int64 (N,).
    :param columns: int64 (N,).
    :param height: height of the image (pixels).
    :param width: width of the image (pixels).
    :returns: int64 (N,), below `COUNT`.
    """
    return rows * PATCHES[0] // height * PATCHES[1] + columns * PATCHES[1] // width


def shape_sigma(residual: Floats, patch: NDArray[np.int64]) -> float:
    """
    Estimate the standard deviation of the shape error of a frame.

    It uses the median of each patch, so that outliers have no effect. Patches that are close to
    each other show less of the field, which the expectation of their scatter accounts for.

    :param residual: float64 (N,), relative error of each pixel after the fit.
    :param patch: int64 (N,), the patch of each pixel.
    :returns: m, relative; slightly above `PRIOR` for a single patch.
    """
    counts = np.bincount(patch, minlength=COUNT)
    enough = counts >= MIN_IN_PATCH
    if np.count_nonzero(enough) >= ENOUGH:
        # the median of a few pixels may be one of the wrong ones
        residual, patch = residual[enough[patch]], patch[enough[patch]]
    order = np.argsort(patch, kind='stable')
    seen, starts = np.unique(patch[order], return_index=True)
    groups = np.split(np.clip(residual[order], -LARGEST, LARGEST), starts[1:])
    middles = np.array([np.median(group) for group in groups])
    independent = seen.size - float(CORRELATION[np.ix_(seen, seen)].mean()) * seen.size
    squares = float(np.sum((middles - middles.mean()) ** 2))
    prior = max(ENOUGH - independent, 0.0)
    # Student: so few parts may be alike by chance
    return float(np.sqrt((prior * PRIOR**2 + squares) / (prior + independent - 1)))


def shares(patch: NDArray[np.int64], weights: Floats | None = None) -> Floats:
    """
    Return the weight of each patch in a mean over some pixels.

    :param patch: int64 (N,).
    :param weights: float64 (N,), or None: equal.
    :returns: float64 (`COUNT`,), with sum 1.
    """
    total = np.bincount(patch, weights, COUNT).astype(np.float64)
    return total / max(float(total.sum()), 1e-12)


def moved(response: Floats, sigma: float) -> Floats:
    """
    Return the covariance of an estimate under a shape error.

    :param response: float64 (k, `COUNT`), effect of a relative error of each patch on the
        estimate, minus that on an estimate of the whole frame.
    :param sigma: standard deviation of the shape error, from :func:`shape_sigma`.
    :returns: float64 (k, k).
    """
    return np.asarray(sigma**2 * response @ CORRELATION @ response.T)
