"""
Self-supervised losses: the warped neighbour must match the frame.

Godard, Mac Aodha, Firman and Brostow, "Digging Into Self-Supervised Monocular Depth
Estimation", ICCV 2019 (named "Godard" below), equations 1 to 5 and section 3. Metres from
odometry: Guizilini et al., "3D Packing for Self-Supervised Monocular Depth Estimation", CVPR
2020, section 3.3 (velocity supervision).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from depth_node.errors import ConfigError
from depth_node.training.losses.terms import Terms
from depth_node.training.view_synthesis import halved, warp

SSIM_STABILIZER = (0.01**2, 0.03**2)
"""C1 and C2 for values 0 to 1 (Wang et al., "Image Quality Assessment", 2004)."""


@dataclass(frozen=True)
class SelfSupervision:
    """
    The enabled parts of the loss; each can be disabled for an ablation.

    :param alpha: share of SSIM in the photometric error, 0 to 1; the rest is L1.
    :param minimum: whether each pixel uses its best source; otherwise the mean of the sources.
    :param auto_mask: whether pixels that match an unwarped source best are ignored.
    :param mask_outside: whether pixels that project outside a source are ignored.
    :param full_resolution: whether the loss of every scale is computed at full resolution.
    :param smoothness: weight of the edge-aware smoothness; 0: off.
    :param odometry: weight of the error of the translation's length; 0: off.
    """

    alpha: float = 0.85
    minimum: bool = True
    auto_mask: bool = True
    mask_outside: bool = True
    full_resolution: bool = True
    smoothness: float = 1e-3
    odometry: float = 0.0

    def __post_init__(self) -> None:
        """Check that the weights are valid."""
        if not 0.0 <= self.alpha <= 1.0:
            raise ConfigError(f'alpha is {self.alpha:g}, expected 0 to 1.')
        for name in ('smoothness', 'odometry'):
            if getattr(self, name) < 0:
                raise ConfigError(f'{name} is {getattr(self, name):g}, expected 0 or more.')


@dataclass(frozen=True)
class SourceView:
    """
    A frame that shows the same scene as the target: a neighbour, or the stereo partner.

    :param image: float (B, 3, H, W), rgb 0 to 1.
    :param pose: float (B, 4, 4), from the target's camera frame to this one (m): estimated, or
        the known baseline of a stereo pair.
    :param intrinsics: float (B, 3, 3) (pixels); None: the target's.
    """

    image: Tensor
    pose: Tensor
    intrinsics: Tensor | None = None


def dissimilarity(a: Tensor, b: Tensor) -> Tensor:
    """
    Compute (1 - SSIM) / 2 over 3x3 windows (Godard, equation 2), borders reflected.

    :param a: float (B, C, H, W), 0 to 1.
    :param b: float (B, C, H, W), 0 to 1.
    :returns: float (B, C, H, W), 0 (equal) to 1.
    """
    a, b = (functional.pad(x, (1, 1, 1, 1), mode='reflect') for x in (a, b))

    def mean(x: Tensor) -> Tensor:
        # sums of shifted pictures: five times quicker than avg_pool2d on a CPU
        rows = x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]
        return (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]) / 9

    mean_a, mean_b = mean(a), mean(b)
    var_a = mean(a * a) - mean_a * mean_a
    var_b = mean(b * b) - mean_b * mean_b
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = SSIM_STABILIZER
    above = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    below = (mean_a * mean_a + mean_b * mean_b + c1) * (var_a + var_b + c2)
    return ((1 - above / below) / 2).clamp(0, 1)


def photometric_error(a: Tensor, b: Tensor, alpha: float = 0.85) -> Tensor:
    """
    Compare two images pixel by pixel (Godard, equation 2).

    :param a: float (B, C, H, W), 0 to 1.
    :param b: float (B, C, H, W), 0 to 1.
    :param alpha: share of SSIM, 0 to 1.
    :returns: float (B, 1, H, W), mean over the channels.
    """
    error = (1 - alpha) * (a - b).abs().mean(1, keepdim=True)
    if alpha > 0:
        error = error + alpha * dissimilarity(a, b).mean(1, keepdim=True)
    return error


def smoothness(depth: Tensor, image: Tensor) -> Tensor:
    """
    Penalize gradients of the inverse depth where the image has none (Godard, equation 3).

    The inverse depth is divided by its mean, so that shrinking the depth has no benefit.

    :param depth: float (B, 1, H, W), positive.
    :param image: float (B, C, H, W), 0 to 1.
    :returns: a scalar.
    """
    inverse = 1 / depth
    inverse = inverse / (inverse.mean((2, 3), keepdim=True) + 1e-7)
    total = inverse.new_zeros(())
    for axis in (2, 3):
        slope = inverse.diff(dim=axis).abs()
        edge = image.diff(dim=axis).abs().mean(1, keepdim=True)
        total = total + (slope * torch.exp(-edge)).mean()
    return total


def length_error(translation: Tensor, length: Tensor) -> Tensor:
    """
    Compare the length of the estimated translation with odometry.

    | ||t|| - l |: without a direction, so odometry need not be calibrated to the camera.

    :param translation: float (B, 3) (m).
    :param length: float (B,), driven distance (m); NaN where unknown.
    :returns: a scalar (m), mean over the known lengths; 0 if none is known.
    """
    known = length.isfinite()
    # the root of a square has no gradient at zero
    found = (translation.square().sum(1) + 1e-12).sqrt()
    error = (found - length.nan_to_num()).abs() * known
    return error.sum() / known.sum().clamp(min=1)


def reprojection_loss(
    target: Tensor,
    sources: Sequence[SourceView],
    depth: Tensor,
    intrinsics: Tensor,
    options: SelfSupervision,
    *,
    unmoved: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """
    Compute the photometric loss of a depth map (Godard, equations 1, 4 and 5).

    Equation 5 drops a pixel whose best unwarped source fits better than its best warped one.
    Here such a pixel keeps the unwarped error as a constant, which has the same gradient, and
    the loss cannot decrease by dropping more pixels.

    :param target: float (B, 3, H, W), rgb 0 to 1.
    :param sources: at least one.
    :param depth: float (B, 1, H, W) of the target (m).
    :param intrinsics: float (B, 3, 3) of the target (pixels).
    :param options: the enabled parts.
    :param unmoved: result of :func:`unmoved_error`, if already computed.
    :returns: the mean error, and the share of pixels used; two scalars.
    """
    errors, valid = [], []
    for source in sources:
        seen = warp(source.image, depth, source.pose, intrinsics, source.intrinsics)
        errors.append(photometric_error(seen.image, target, options.alpha))
        valid.append(seen.valid if options.mask_outside else torch.ones_like(seen.valid))
    error, mask = torch.cat(errors, 1), torch.cat(valid, 1)
    any_valid = mask.any(1, keepdim=True)
    if options.minimum:
        error = error.masked_fill(~mask, torch.inf).amin(1, keepdim=True)
        error = error.masked_fill(~any_valid, 0.0)
    else:
        error = (error * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)
    moved = any_valid
    if options.auto_mask:
        if unmoved is None:
            unmoved = unmoved_error(target, sources, options)
        moved = moved & (error < unmoved)
        error = torch.where(moved, error, unmoved * any_valid)
    # image by image, so that a batch in parts or shared by processes comes to the same
    mean = error.sum((1, 2, 3)) / any_valid.sum((1, 2, 3)).clamp(min=1)
    return mean.mean(), moved.float().mean()


def unmoved_error(
    target: Tensor, sources: Sequence[SourceView], options: SelfSupervision
) -> Tensor:
    """
    Compute the photometric error of the unwarped sources.

    :param target: float (B, 3, H, W), rgb 0 to 1.
    :param sources: at least one.
    :param options: how sources are combined.
    :returns: float (B, 1, H, W), without gradient.
    """
    with torch.no_grad():
        errors = [photometric_error(s.image, target, options.alpha) for s in sources]
        still = torch.cat(errors, 1)
        return still.amin(1, keepdim=True) if options.minimum else still.mean(1, keepdim=True)


def self_supervised_loss(
    values: Sequence[Tensor],
    read_depth: Callable[[Tensor], Tensor],
    *,
    target: Tensor,
    sources: Sequence[SourceView],
    intrinsics: Tensor,
    options: SelfSupervision,
    travelled: Sequence[tuple[Tensor, Tensor]] = (),
) -> Terms:
    """
    Compute the whole loss over all scales (Godard, section 3.3 and "Final Training Loss").

    :param values: outputs of the depth network, finest first, each half the size of the last.
    :param read_depth: from an output to depth (m), `DepthNetwork.depth`.
    :param target: float (B, 3, H, W), rgb 0 to 1.
    :param sources: neighbouring frames and the stereo partner.
    :param intrinsics: float (B, 3, 3) of the target (pixels).
    :param options: the enabled parts.
    :param travelled: estimated translations (B, 3) (m) and measured lengths (B,) (m).
    :returns: the loss with its parts `photometric`, `smoothness` and `odometry`, the last two if
        they have a weight, and the share of pixels used at full resolution.
    :raises ConfigError: odometry has a weight, but there are no lengths.
    """
    zero = target.new_zeros(())
    photometric, slopes, kept = zero, zero, zero
    unmoved = unmoved_error(target, sources, options) if options.auto_mask else None
    for scale, value in enumerate(values):
        size = target.shape[-2:] if options.full_resolution else value.shape[-2:]
        resized = functional.interpolate(value, size, mode='bilinear')
        if options.full_resolution or scale == 0:
            error, share = reprojection_loss(
                target, sources, read_depth(resized), intrinsics, options, unmoved=unmoved
            )
        else:
            error, share = reprojection_loss(
                functional.interpolate(target, size, mode='area'),
                [_shrunk(source, scale) for source in sources],
                read_depth(resized), halved(intrinsics, scale), options,
            )
        photometric = photometric + error / len(values)
        kept = share if scale == 0 else kept
        if options.smoothness:
            picture = functional.interpolate(target, value.shape[-2:], mode='area')
            slopes = slopes + smoothness(read_depth(value), picture) / 2**scale / len(values)
    parts = {'photometric': photometric}
    if options.smoothness:
        parts['smoothness'] = options.smoothness * slopes
    if options.odometry:
        if not travelled:
            raise ConfigError('odometry has a weight, but there are no travelled lengths.')
        drift = torch.stack([length_error(*pair) for pair in travelled]).mean()
        parts['odometry'] = options.odometry * drift
    return Terms(parts, kept.detach())


def _shrunk(source: SourceView, scale: int) -> SourceView:
    image = functional.avg_pool2d(source.image, 2**scale)
    known = source.intrinsics
    return SourceView(image, source.pose, None if known is None else halved(known, scale))
