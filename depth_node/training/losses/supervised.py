"""
Learning from measured depth, or from a teacher.

Every loss here takes a mask and averages over what it keeps; where nothing is kept it is 0, so
that an empty frame does no harm. Sources: Eigen, Puhrsch and Fergus, "Depth Map Prediction from
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


class Penalty(str, enum.Enum):
    """How a difference of depths is judged; e is the difference in metres."""

    MSE = 'mse'
    """e^2."""
    SMOOTH_L1 = 'smooth_l1'
    """e^2 / 2d within d of zero, |e| - d/2 beyond: slope one far out."""
    HUBER = 'huber'
    """e^2 / 2 within d of zero, d (|e| - d/2) beyond: d times smooth L1."""
    BERHU = 'berhu'
    """|e| within c of zero, (e^2 + c^2) / 2c beyond: Huber turned round."""
    SI_LOG = 'si_log'
    """Scale-invariant: variance of the difference of logarithms."""
    LOG_L1 = 'log_l1'
    """Absolute difference of logarithms: a percent counts the same near and far."""


@dataclass(frozen=True)
class Supervision:
    """
    How predicted depth is compared with given depth.

    :param penalty: which.
    :param delta: where smooth L1 and Huber turn from square to straight (m).
    :param berhu_share: c of berHu as a share of the largest error (Laina: 0.2).
    :param si_lambda: how much of a common factor SI-log forgives: 0 nothing, 1 all (Eigen: 0.5).
    """

    penalty: Penalty = Penalty.LOG_L1
    delta: float = 1.0
    berhu_share: float = 0.2
    si_lambda: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what makes no loss."""
        for name in ('delta', 'berhu_share'):
            if getattr(self, name) <= 0:
                raise ConfigError(f'{name} is {getattr(self, name):g}, expected above 0.')
        if not 0.0 <= self.si_lambda <= 1.0:
            raise ConfigError(f'si_lambda is {self.si_lambda:g}, expected 0 to 1.')


def supervised_loss(
    depth: Tensor, truth: Tensor, mask: Tensor, options: Supervision
) -> Tensor:
    """
    Compare depth with truth where the mask says.

    :param depth: float (B, 1, H, W) (m), positive.
    :param truth: float (B, 1, H, W) (m); anything outside the mask, NaN and Inf included.
    :param mask: bool (B, 1, H, W), where the truth is known.
    :param options: which penalty, and its numbers.
    :returns: a scalar; 0 where the mask is empty.
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
    """Eigen et al., equation 4, image by image: mean(e^2) - lambda mean(e)^2, e of logs."""
    count = mask.flatten(1).sum(1)
    mean = ratio.flatten(1).sum(1) / count.clamp(min=1)
    square = ratio.square().flatten(1).sum(1) / count.clamp(min=1)
    images = (count > 0).sum().clamp(min=1)
    return (square - forgiven * mean.square()).sum() / images


def affine_invariant_loss(
    prediction: Tensor, teacher: Tensor, mask: Tensor, trim: float = 0.2, gradient: float = 0.5
) -> Tensor:
    """
    Compare two pictures of disparity whose scale and shift mean nothing (Ranftl et al.).

    Each image is brought to median 0 and mean deviation 1 (equations 5 and 6); then half the
    mean absolute difference, the largest residuals left out (equation 7); then the slopes of
    the difference at four scales (equation 11), which keep edges sharp.

    :param prediction: float (B, 1, H, W), disparity (or depth, where both are depth).
    :param teacher: float (B, 1, H, W), of the same kind.
    :param mask: bool (B, 1, H, W), where the teacher is believed.
    :param trim: share of the largest residuals left out, 0 to below 1.
    :param gradient: weight of the slopes.
    :returns: a scalar; 0 where the mask is empty.
    """
    difference = aligned(prediction, mask) - aligned(teacher, mask)
    difference = difference.masked_fill(~mask, 0.0)
    data = difference.new_zeros(())
    for residual, kept in zip(difference.flatten(1).abs(), mask.flatten(1), strict=True):
        count = int(kept.sum())
        best = residual[kept].sort().values[: max(1, round((1 - trim) * count))]
        data = data + best.sum() / (2 * max(count, 1))
    slopes = difference.new_zeros(())
    for scale in range(4):
        step = 2**scale
        part, known = difference[..., ::step, ::step], mask[..., ::step, ::step]
        for axis in (2, 3):
            length = known.shape[axis] - 1
            both = known.narrow(axis, 0, length) & known.narrow(axis, 1, length)
            slope = part.diff(dim=axis).abs() * both
            slopes = slopes + slope.sum() / known.sum().clamp(min=1)
    return data / len(difference) + gradient * slopes


def aligned(values: Tensor, mask: Tensor) -> Tensor:
    """
    Bring each image to median 0 and mean absolute deviation 1 (Ranftl et al., 5 and 6).

    :param values: float (B, 1, H, W).
    :param mask: bool (B, 1, H, W), what counts; the same map is applied everywhere.
    :returns: float (B, 1, H, W).
    """
    flat = values.flatten(1)
    counted = flat.masked_fill(~mask.flatten(1), torch.nan)
    shift = counted.nanmedian(1, keepdim=True).values.nan_to_num()
    away = (flat - shift).abs().masked_fill(~mask.flatten(1), 0.0)
    scale = away.sum(1, keepdim=True) / mask.flatten(1).sum(1, keepdim=True).clamp(min=1)
    return ((flat - shift) / (scale + 1e-6)).view_as(values)
