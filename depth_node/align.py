"""
Scale and shift of one frame from something known about that frame.

For evaluation, where the habit allows it, and for single pictures with a stereo disparity; a
robot's scale is recovered over time by ``depth_node.scale``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.depth import Scale
from depth_node.errors import DataError
from depth_node.model import OutputKind


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
