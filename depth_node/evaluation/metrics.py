"""
Standard metrics of depth images against ground truth.

Errors and accuracies are those of Eigen, Puhrsch and Fergus, Depth map prediction from a single
image using a multi-scale deep network (2014), section 4; `si_log` is the square root of their
equation 1 with lambda 1, times 100, as the KITTI benchmark reports it.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
from dataclasses import dataclass
import enum
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError


class Crop(str, enum.Enum):
    """The part of an image that is evaluated."""

    NONE = 'none'
    GARG = 'garg'
    """Garg et al., Unsupervised CNN for single view depth estimation (2016); KITTI."""
    EIGEN = 'eigen'
    """Eigen et al. (2014); KITTI."""
    NYU = 'nyu'
    """Rows 45 to 471, columns 41 to 601 of 480 x 640: where NYU's depth is filled in."""


# top, bottom (shares of the height), left, right (shares of the width)
_BORDERS = {
    Crop.NONE: (0.0, 1.0, 0.0, 1.0),
    Crop.GARG: (0.40810811, 0.99189189, 0.03594771, 0.96405229),
    Crop.EIGEN: (0.3324324, 0.91351351, 0.0359477, 0.96405229),
    Crop.NYU: (45 / 480, 471 / 480, 41 / 640, 601 / 640),
}


def crop_window(crop: Crop, height: int, width: int) -> tuple[slice, slice]:
    """
    Return the rows and columns of a crop.

    :param crop: the crop.
    :param height: rows of the ground truth (pixels).
    :param width: columns of the ground truth (pixels).
    :returns: rows and columns.
    """
    top, bottom, left, right = _BORDERS[crop]
    # the published scripts truncate; the little more keeps 45/480 * 480 at 45
    rows = slice(int(top * height + 1e-6), int(bottom * height + 1e-6))
    return rows, slice(int(left * width + 1e-6), int(right * width + 1e-6))


@dataclass(frozen=True)
class DepthMetrics:
    """
    Metrics of one image, or means over several; d is the predicted, t the true depth.

    :param abs_rel: mean of |d - t| / t.
    :param sq_rel: mean of (d - t)^2 / t (m).
    :param rmse: square root of the mean of (d - t)^2 (m).
    :param rmse_log: square root of the mean of (ln d - ln t)^2.
    :param a1: share of pixels with max(d/t, t/d) < 1.25.
    :param a2: the same below 1.25^2.
    :param a3: the same below 1.25^3.
    :param si_log: 100 times the standard deviation of ln d - ln t.
    """

    abs_rel: float
    sq_rel: float
    rmse: float
    rmse_log: float
    a1: float
    a2: float
    a3: float
    si_log: float

    @classmethod
    def between(cls, predicted: NDArray[Any], truth: NDArray[Any]) -> DepthMetrics:
        """
        Return the metrics of pixels.

        :param predicted: (n,), positive and finite (m).
        :param truth: (n,), positive and finite (m).
        :returns: the metrics.
        :raises DataError: nothing to compare, or values that are not positive and finite.
        """
        d, t = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
        if d.shape != t.shape or not d.size:
            raise DataError(f'{d.size} predicted and {t.size} true depths cannot be compared.')
        if not (np.isfinite(d).all() and np.isfinite(t).all() and min(d.min(), t.min()) > 0):
            raise DataError('A depth to compare is not positive and finite. Mask such pixels.')
        off = np.log(d) - np.log(t)
        ratio = np.maximum(d / t, t / d)
        return cls(
            abs_rel=float(np.mean(abs(d - t) / t)),
            sq_rel=float(np.mean((d - t) ** 2 / t)),
            rmse=math.sqrt(np.mean((d - t) ** 2)),
            rmse_log=math.sqrt(np.mean(off**2)),
            a1=float(np.mean(ratio < 1.25)),
            a2=float(np.mean(ratio < 1.25**2)),
            a3=float(np.mean(ratio < 1.25**3)),
            si_log=100 * float(np.std(off)),
        )

    @classmethod
    def mean(cls, frames: Sequence[DepthMetrics]) -> DepthMetrics:
        """
        Return the means over images with equal weights, as is usual.

        :param frames: at least one.
        :returns: the means.
        :raises DataError: there are none.
        """
        if not frames:
            raise DataError('There is no frame to average.')
        table = np.array([dataclasses.astuple(frame) for frame in frames])
        return cls(*(float(value) for value in table.mean(axis=0)))


NAMES = tuple(field.name for field in dataclasses.fields(DepthMetrics))


@dataclass(frozen=True)
class Score:
    """
    The metrics of one image, and how they were computed.

    :param metrics: the metrics.
    :param scale: factor of median scaling; 1 without it.
    :param coverage: share of the ground-truth pixels that have a prediction.
    :param pixels: number of pixels compared.
    """

    metrics: DepthMetrics
    scale: float
    coverage: float
    pixels: int


def score(
    predicted: NDArray[Any],
    truth: NDArray[Any],
    *,
    nearest: float = 1e-3,
    farthest: float = 80.0,
    crop: Crop = Crop.NONE,
    mask: NDArray[np.bool_] | None = None,
    median_scaling: bool = False,
) -> Score:
    """
    Compare a depth image with its ground truth, in the order of the published evaluations.

    Ground truth outside the range, the crop or the mask is ignored. The prediction is scaled and
    then clamped to the range: +Inf and -Inf become the limits of the range, NaN is ignored.

    :param predicted: (H, W), z-depth (m), or in any unit with median scaling.
    :param truth: (H, W), z-depth (m); 0, NaN and infinities are unknown.
    :param nearest: smallest true depth to evaluate (m).
    :param farthest: largest true depth to evaluate, the cap (m).
    :param crop: part of the image to evaluate.
    :param mask: (H, W), True for pixels to evaluate.
    :param median_scaling: multiply the prediction by median(truth) / median(predicted), as
        Zhou et al., Unsupervised learning of depth and ego-motion from video (2017), do.
    :returns: the comparison.
    :raises DataError: shapes differ, or no pixel is left.
    """
    if predicted.shape != truth.shape or predicted.ndim != 2:
        raise DataError(
            f'The prediction is {predicted.shape} and the truth {truth.shape}, expected images '
            'of equal size.'
        )
    counts = np.zeros(truth.shape, bool)
    counts[crop_window(crop, *truth.shape)] = True
    with np.errstate(invalid='ignore'):
        counts &= (truth > nearest) & (truth < farthest)
    if mask is not None:
        counts &= mask
    known = int(counts.sum())
    counts &= ~np.isnan(predicted)
    pixels = int(counts.sum())
    if not pixels:
        raise DataError(
            f'No pixel has a prediction and a true depth between {nearest:g} and {farthest:g} m.'
        )
    d, t = predicted[counts].astype(np.float64), truth[counts].astype(np.float64)
    scale = 1.0
    if median_scaling:
        scale = float(np.median(t) / np.median(d))
        if not (math.isfinite(scale) and scale > 0):
            raise DataError('The median of the prediction is not positive: it cannot be scaled.')
    d = np.clip(d * scale, nearest, farthest)
    return Score(DepthMetrics.between(d, t), scale, pixels / known, pixels)


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float] | None:
    """
    Return the confidence interval of a mean over frames (percentile bootstrap, Efron 1979).

    :param values: one per frame.
    :param seed: seed of the resampling.
    :returns: the ends of the 95 % interval of the mean; None for fewer than two frames.
    """
    if len(values) < 2:
        return None
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(values), (2000, len(values)))
    low, high = np.percentile(np.asarray(values, np.float64)[drawn].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)
