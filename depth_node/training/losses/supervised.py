"""
Losses against measured depth and against a teacher.

Every loss has a mask and averages over the pixels in it; it is 0 if the mask is empty, so an empty
frame is harmless. Sources: Eigen, Puhrsch and Fergus, "Depth Map Prediction from
a Single Image using a Multi-Scale Deep Network", NeurIPS 2014; Laina et al., "Deeper Depth
Prediction with Fully Convolutional Residual Networks", 3DV 2016; Ranftl et al., "Towards Robust
Monocular Depth Estimation" (MiDaS), PAMI 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
import enum

import torch
from torch import Tensor
from typing_extensions import assert_never

from depth_node.errors import ConfigError
from depth_node.training.losses.terms import Terms


class Penalty(str, enum.Enum):
    """Penalty for a depth error e (m)."""

    MSE = 'mse'
    """e^2."""
    SMOOTH_L1 = 'smooth_l1'
    """e^2 / 2d within d of zero, |e| - d/2 beyond."""
    HUBER = 'huber'
    """e^2 / 2 within d of zero, d (|e| - d/2) beyond: d times smooth L1."""
    BERHU = 'berhu'
    """|e| within c of zero, (e^2 + c^2) / 2c beyond: the reverse of Huber."""
    SI_LOG = 'si_log'
    """Scale-invariant: variance of the difference of logarithms."""
    LOG_L1 = 'log_l1'
    """Absolute difference of logarithms: relative errors count equally near and far."""

    @property
    def has_delta(self) -> bool:
        """Whether it changes from quadratic to linear at `Supervision.delta`."""
        return self in (Penalty.SMOOTH_L1, Penalty.HUBER)


@dataclass(frozen=True)
class Supervision:
    """
    Options of the loss against measured depth.

    :param penalty: the penalty.
    :param delta: where smooth L1 and Huber change from quadratic to linear (m).
    :param berhu_share: c of berHu as a share of the largest error (Laina: 0.2).
    :param si_lambda: how much SI-log ignores a common factor: 0 not, 1 fully (Eigen: 0.5).
    """

    penalty: Penalty = Penalty.LOG_L1
    delta: float = 1.0
    berhu_share: float = 0.2
    si_lambda: float = 0.5

    def __post_init__(self) -> None:
        """Check that the options are valid."""
        for name in ('delta', 'berhu_share'):
            if getattr(self, name) <= 0:
                raise ConfigError(f'{name} is {getattr(self, name):g}, expected above 0.')
        if not 0.0 <= self.si_lambda <= 1.0:
            raise ConfigError(f'si_lambda is {self.si_lambda:g}, expected 0 to 1.')


def supervised_loss(
    depth: Tensor, truth: Tensor, mask: Tensor, options: Supervision
) -> Tensor:
    """
    Compute the loss of depth against ground truth inside a mask.

    :param depth: float (B, 1, H, W) (m), positive.
    :param truth: float (B, 1, H, W) (m); any value outside the mask, including NaN and Inf.
    :param mask: bool (B, 1, H, W), where the ground truth is known.
    :param options: the penalty and its parameters.
    :returns: a scalar; 0 if the mask is empty.
    """
    # where, not indexing: ten times as fast, and its gradient is zero outside the mask as well
    depth, truth = torch.where(mask, depth, 1.0), torch.where(mask, truth, 1.0)
    count = mask.sum().clamp(min=1)
    error = depth - truth
    size = error.abs()
    match options.penalty:
        case Penalty.MSE:
            return error.square().sum() / count
        case Penalty.SMOOTH_L1:
            return _square_then_straight(size, options.delta).sum() / count / options.delta
        case Penalty.HUBER:
            return _square_then_straight(size, options.delta).sum() / count
        case Penalty.BERHU:
            # Laina et al., equation 1; c follows the batch and carries no gradient
            c = (options.berhu_share * size.detach().amax()).clamp(min=1e-6)
            far = (size.square() + c * c) / (2 * c)
            return torch.where(size <= c, size, far).sum() / count
        case Penalty.SI_LOG:
            return _si_log(depth.log() - truth.log(), mask, options.si_lambda)
        case Penalty.LOG_L1:
            return (depth.log() - truth.log()).abs().sum() / count
        case _:
            assert_never(options.penalty)


def _square_then_straight(size: Tensor, delta: float) -> Tensor:
    return torch.where(size <= delta, size.square() / 2, delta * (size - delta / 2))


def _si_log(ratio: Tensor, mask: Tensor, forgiven: float) -> Tensor:
    """Compute mean(e^2) - lambda mean(e)^2 per image, e of logs (Eigen et al., equation 4)."""
    count = mask.flatten(1).sum(1)
    mean = ratio.flatten(1).sum(1) / count.clamp(min=1)
    square = ratio.square().flatten(1).sum(1) / count.clamp(min=1)
    images = (count > 0).sum().clamp(min=1)
    return (square - forgiven * mean.square()).sum() / images


def affine_invariant_loss(
    prediction: Tensor, teacher: Tensor, mask: Tensor, trim: float = 0.2, gradient: float = 0.5
) -> Terms:
    """
    Compute the loss between disparities up to scale and shift (Ranftl et al.).

    Each image is normalized to median 0 and mean deviation 1 (equations 5 and 6). The loss is
    half the mean absolute difference without the largest residuals (equation 7), plus the
    gradients of the difference at four scales (equation 11), which keep edges sharp.

    :param prediction: float (B, 1, H, W), disparity (or depth, if both are depth).
    :param teacher: float (B, 1, H, W), of the same kind.
    :param mask: bool (B, 1, H, W), where the teacher is valid.
    :param trim: share of the largest residuals that is ignored, 0 to below 1.
    :param gradient: weight of the gradients.
    :returns: the loss with its parts `affine_invariant` and, if it has a weight, `gradient`; 0 if
        the mask is empty.
    """
    difference = aligned(prediction, mask) - aligned(teacher, mask)
    difference = difference.masked_fill(~mask, 0.0)
    data = difference.new_zeros(())
    for residual, kept in zip(difference.flatten(1).abs(), mask.flatten(1), strict=True):
        count = int(kept.sum())
        best = residual[kept].sort().values[: max(1, round((1 - trim) * count))]
        data = data + best.sum() / (2 * max(count, 1))
    parts = {'affine_invariant': data / len(difference)}
    used = mask.float().mean()
    if not gradient:
        return Terms(parts, used)
    slopes = difference.new_zeros(())
    for scale in range(4):
        step = 2**scale
        part, known = difference[..., ::step, ::step], mask[..., ::step, ::step]
        for axis in (2, 3):
            length = known.shape[axis] - 1
            both = known.narrow(axis, 0, length) & known.narrow(axis, 1, length)
            slope = part.diff(dim=axis).abs() * both
            slopes = slopes + slope.sum() / known.sum().clamp(min=1)
    return Terms({**parts, 'gradient': gradient * slopes}, used)


def aligned(values: Tensor, mask: Tensor) -> Tensor:
    """
    Normalize each image to median 0 and mean absolute deviation 1 (Ranftl et al., 5 and 6).

    :param values: float (B, 1, H, W).
    :param mask: bool (B, 1, H, W), the pixels that determine the normalization of the image.
    :returns: float (B, 1, H, W).
    """
    flat = values.flatten(1)
    counted = flat.masked_fill(~mask.flatten(1), torch.nan)
    shift = counted.nanmedian(1, keepdim=True).values.nan_to_num()
    away = (flat - shift).abs().masked_fill(~mask.flatten(1), 0.0)
    scale = away.sum(1, keepdim=True) / mask.flatten(1).sum(1, keepdim=True).clamp(min=1)
    return ((flat - shift) / (scale + 1e-6)).view_as(values)
