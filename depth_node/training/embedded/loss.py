"""
What the embedded network is judged by.

The absolute error of the logarithm, once as it is (metres) and once with each picture's own
scale taken out (Eigen et al., NeurIPS 2014, but with the absolute value for the square), the
relative error, which makes the network guess nearer where it is not sure, and the difference of
the logarithm's slopes at several scales, which keeps edges sharp and walls straight (Li and
Snavely, "MegaDepth", CVPR 2018, equation 3).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SCALES = 4  # of the slopes, each half the resolution of the one before


def depth_loss(
    found: Tensor, truth: Tensor, invariant: float, slopes: float, relative: float
) -> Tensor:
    """
    Compare depth with truth where there is any.

    :param found: float (B, 1, H, W), positive.
    :param truth: float (B, 1, H, W), the same unit; not finite where there is nothing to see.
    :param invariant: share of the term that does not know the scale, 0 to 1.
    :param slopes: weight of the slopes.
    :param relative: share of the metric term that is relative error, 0 to 1; the rest is that of
        the logarithm.
    :returns: a scalar.
    """
    known = truth.isfinite() & (truth > 0)
    error = torch.where(known, found.log() - torch.where(known, truth, 1.0).log(), 0.0)
    count = known.sum((1, 2, 3), keepdim=True).clamp(min=1)
    mean = error.sum((1, 2, 3), keepdim=True) / count
    # beyond a factor of e it grows as the logarithm does: no outlier may steer
    ratio = error.clamp(max=1).expm1().abs() + math.e * (error - 1).clamp(min=0)
    mixed = (1 - relative) * error.abs() + relative * ratio
    metric = mixed.sum((1, 2, 3), keepdim=True) / count
    scaleless = ((error - mean).abs() * known).sum((1, 2, 3), keepdim=True) / count
    total = ((1 - invariant) * metric + invariant * scaleless).mean()
    for scale in range(_SCALES if slopes else 0):
        step = 2**scale
        part, here = error[..., ::step, ::step], known[..., ::step, ::step]
        for axis in (2, 3):
            length = here.shape[axis] - 1
            both = here.narrow(axis, 0, length) & here.narrow(axis, 1, length)
            slope = part.diff(dim=axis).abs() * both
            total = total + slopes / (2 * _SCALES) * slope.sum() / both.sum().clamp(min=1)
    return total
