"""
How far the error of a network's shape moves the scale that is measured on a part of a frame.

A network errs by a factor common to a frame and by a shape: some regions come out too near,
others too far. A sensor that sees few of the regions takes the error of those for the scale. The
shape error is modelled as a random field of relative errors over the patches of the image, of
standard deviation `m` and correlation ``exp(-d / LENGTH)`` at a distance of d patches (a variogram
as in Cressie, Statistics for Spatial Data, 1993, section 2.3). What a fit makes of such a field,
less what a fit to the whole frame would make of it, is the error of the measurement.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PATCHES = (6, 8)
"""Rows and columns of patches that an image is divided into."""
COUNT = PATCHES[0] * PATCHES[1]
LENGTH = 2.0
"""Distance over which errors are alike (patches); 33 real frames give 1.8 to 2.2."""
PRIOR = 0.1
"""Standard deviation of the shape error where too little of a frame is seen to show it."""
ENOUGH = 3.0
"""Independent parts of the field from which the frame speaks for itself."""
LARGEST = 1.0
"""Residuals count up to this: a patch of wrong distances is no shape."""


def _correlation() -> Floats:
    row, column = np.divmod(np.arange(COUNT), PATCHES[1])
    return np.asarray(np.exp(-np.hypot(row[:, None] - row, column[:, None] - column) / LENGTH))


CORRELATION = _correlation()
"""float64 (COUNT, COUNT), of the errors of two patches."""


def patches_of(
    rows: NDArray[np.int64], columns: NDArray[np.int64], height: int, width: int
) -> NDArray[np.int64]:
    """
    Return the patch that each pixel lies in.

    :param rows: int64 (N,).
    :param columns: int64 (N,).
    :param height: of the image (pixels).
    :param width: of the image (pixels).
    :returns: int64 (N,), below `COUNT`.
    """
    return rows * PATCHES[0] // height * PATCHES[1] + columns * PATCHES[1] // width


def shape_sigma(residual: Floats, patch: NDArray[np.int64]) -> float:
    """
    Estimate the standard deviation of a frame's shape error.

    The median of each patch, so that wrong distances do not count; patches that are close to each
    other show less of the field, which the expectation of their scatter says exactly.

    :param residual: float64 (N,), relative error of each pixel after the fit.
    :param patch: int64 (N,), the patch it lies in.
    :returns: m, relative, a little above `PRIOR` where a single patch is seen.
    """
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
    Return how much each patch weighs in a mean over some pixels.

    :param patch: int64 (N,).
    :param weights: float64 (N,), or None: alike.
    :returns: float64 (`COUNT`,), of sum 1.
    """
    total = np.bincount(patch, weights, COUNT).astype(np.float64)
    return total / max(float(total.sum()), 1e-12)


def moved(response: Floats, sigma: float) -> Floats:
    """
    Return the covariance of an estimate under a shape error.

    :param response: float64 (k, `COUNT`), by how much a relative error of each patch moves the
        estimate, less by how much it moves that of the whole frame.
    :param sigma: standard deviation of the shape error, from :func:`shape_sigma`.
    :returns: float64 (k, k).
    """
    return np.asarray(sigma**2 * response @ CORRELATION @ response.T)
