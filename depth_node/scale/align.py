"""
Scale and shift of one frame from something known about that frame.

For evaluation, where the habit allows it, and for single pictures with a stereo disparity; a
robot's scale is recovered over time by ``depth_node.scale``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.depth.metres import Scale
from depth_node.errors import DataError
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale.fit import fit_affine, fit_scale
from depth_node.scale.unscaled import unscaled

_POINTS = 5000


def least_squares(
    values: NDArray[np.float32], truth: NDArray[np.float32], kind: OutputKind
) -> Scale:
    """
    Fit scale and shift by least squares in the network's own space.

    As in Ranftl et al., Towards robust monocular depth estimation (2020), section 5: inverse
    depth for relative disparity, depth for relative depth.

    :param values: float32 (H, W), the network's output.
    :param truth: float32 (H, W), z-depth (m), NaN where unknown.
    :param kind: one that has a shift.
    :returns: what turns the output into metres.
    :raises DataError: the kind has no shift, or fewer than two different values are known.
    """
    if not kind.has_shift:
        raise DataError(
            f'{kind.value} has no shift to be fitted.', 'Use --median-scaling for it.'
        )
    with np.errstate(invalid='ignore'):
        known = np.isfinite(values) & np.isfinite(truth) & (truth > 0)
    x, y = values[known].astype(np.float64), truth[known].astype(np.float64)
    if kind.is_disparity:
        y = 1 / y
    if x.size < 2 or np.ptp(x) == 0:
        raise DataError('Too little is known of this frame to fit scale and shift.')
    middle = x.mean()
    slope = float(np.mean((x - middle) * y) / np.mean((x - middle) ** 2))
    return Scale(slope, float(y.mean() - slope * middle))


def to_disparity(
    values: NDArray[np.float32], disparity: NDArray[np.float32], spec: ModelSpec,
    product: float = 1.0,
) -> Scale:
    """
    Fit a prediction to a stereo disparity, robustly: up to 40 % of it may be wrong.

    :param values: float32 (H, W), the network's output.
    :param disparity: float32 (H, W) (pixels), NaN where unknown.
    :param spec: the network.
    :param product: focal length times baseline (pixels m); 1: depth comes out as one over the
        disparity in pixels.
    :returns: what turns the output into metres, without focal correction.
    :raises DataError: disparity and prediction have nothing in common.
    """
    height, width = values.shape
    step = max(1, round((height * width / _POINTS) ** 0.5))
    grid = (slice(step // 2, None, step),) * 2
    with np.errstate(invalid='ignore', divide='ignore'):
        z = (product / disparity[grid]).astype(np.float64).ravel()
        x = unscaled(values[grid].ravel(), spec, 1.0)
        known = np.isfinite(x) & np.isfinite(z) & (z > 0)
        known &= (x > 0) | spec.kind.has_shift
    x, z = x[known], z[known]
    y = 1 / z if spec.kind is OutputKind.RELATIVE_DISPARITY else z
    fit = None
    if x.size:
        fit = fit_affine(x, y, y) if spec.kind.has_shift else fit_scale(x, y)
    if fit is None:
        raise DataError(
            f'The prediction cannot be aligned: no rising line fits at {x.size} pixels.',
            'Is this the disparity of this picture, seen from the same camera?',
        )
    return Scale(fit.scale, fit.shift)


def relative_colors(values: NDArray[Any], kind: OutputKind) -> tuple[float, float]:
    """
    Find which values to color as nearest and farthest where there are no metres.

    :param values: the network's output.
    :param kind: what it means.
    :returns: the values of the nearest and of the farthest 2 %.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, (2, 98)))
    high = max(high, low + 1e-6)
    return (high, low) if kind.is_disparity else (low, high)
