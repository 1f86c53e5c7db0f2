"""
Learning depth from the camera's own video: the warped neighbour has to look like the frame.

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
from depth_node.training.view_synthesis import halved, warp

SSIM_STABILIZER = (0.01**2, 0.03**2)
"""C1 and C2 for values 0 to 1 (Wang et al., "Image Quality Assessment", 2004)."""


@dataclass(frozen=True)
class SelfSupervision:
    """
    Which parts of the loss are on; each can be left out for an ablation.

    :param alpha: share of SSIM in the photometric error, 0 to 1; the rest is L1.
    :param minimum: whether each pixel takes its best source; else the mean of the sources.
    :param auto_mask: whether pixels that look best unmoved are left out.
    :param mask_outside: whether pixels that land outside a source are left out of it.
    :param full_resolution: whether every scale is judged at full resolution; else at its own.
    :param smoothness: weight of the edge-aware smoothness; 0 leaves it out.
    :param odometry: weight of the error of the translation's length; 0 leaves it out.
    """

    alpha: float = 0.85
    minimum: bool = True
    auto_mask: bool = True
    mask_outside: bool = True
    full_resolution: bool = True
    smoothness: float = 1e-3
    odometry: float = 0.0

    def __post_init__(self) -> None:
        """Refuse weights that turn a loss round."""
        if not 0.0 <= self.alpha <= 1.0:
            raise ConfigError(f'alpha is {self.alpha:g}, expected 0 to 1.')
        for name in ('smoothness', 'odometry'):
            if getattr(self, name) < 0:
                raise ConfigError(f'{name} is {getattr(self, name):g}, expected 0 or more.')


@dataclass(frozen=True)
class Source:
    """
    A frame that sees what the target sees: before, after, or the other eye of a stereo pair.

    :param image: float (B, 3, H, W), rgb 0 to 1.
    :param pose: float (B, 4, 4), takes points of the target's camera to this one: estimated, or
        known as the baseline of a stereo pair (m).
    :param intrinsics: float (B, 3, 3) (pixels); None: the target's.
    """

    image: Tensor
    pose: Tensor
    intrinsics: Tensor | None = None


@dataclass(frozen=True)
class Terms:
    """
    The loss and what it is made of, for the curves.

    :param total: what is minimised, a scalar.
    :param photometric: mean photometric error, a scalar.
    :param smoothness: before its weight, a scalar.
    :param odometry: before its weight (m), a scalar.
    :param kept: share of pixels that took part at full resolution, 0 to 1, a scalar.
    """

    total: Tensor
    photometric: Tensor
    smoothness: Tensor
    odometry: Tensor
    kept: Tensor


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
    Penalise slopes of the inverse depth where the image has none (Godard, equation 3).

    The inverse depth is divided by its mean, so that shrinking the depth does not pay.

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
    Compare how far the camera is said to have moved with what the odometry says.

    | ||t|| - l |: no direction, so the odometry needs no calibration to the camera.

    :param translation: float (B, 3) (m).
    :param length: float (B,), driven distance (m); NaN where unknown.
    :returns: a scalar (m), mean over the known ones; 0 when none is known.
    """
    known = length.isfinite()
    # the root of a square has no gradient at zero
    found = (translation.square().sum(1) + 1e-12).sqrt()
    error = (found - length.nan_to_num()).abs() * known
    return error.sum() / known.sum().clamp(min=1)


def reprojection_loss(
    target: Tensor,
    sources: Sequence[Source],
    depth: Tensor,
    intrinsics: Tensor,
    options: SelfSupervision,
    *,
    unmoved: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """
    Judge one depth map by how well it explains the sources (Godard, equations 1, 4 and 5).

    Equation 5 drops a pixel whose best unmoved source fits better than its best warped one;
    here it keeps the unmoved error as a constant instead, which has the same gradient and a
    value that cannot fall because more pixels are dropped.

    :param target: float (B, 3, H, W), rgb 0 to 1.
    :param sources: at least one.
    :param depth: float (B, 1, H, W) of the target (m).
    :param intrinsics: float (B, 3, 3) of the target (pixels).
    :param options: what is on.
    :param unmoved: from :func:`unmoved_error`, where it is known already.
    :returns: the mean error, and the share of pixels that took part; two scalars.
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
    target: Tensor, sources: Sequence[Source], options: SelfSupervision
) -> Tensor:
    """
    Judge the sources as they are, as if neither camera nor anything else had moved.

    :param target: float (B, 3, H, W), rgb 0 to 1.
    :param sources: at least one.
    :param options: how sources are put together.
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
    sources: Sequence[Source],
    intrinsics: Tensor,
    options: SelfSupervision,
    travelled: Sequence[tuple[Tensor, Tensor]] = (),
) -> Terms:
    """
    Put the whole loss together over all scales (Godard, section 3.3 and "Final Training Loss").

    :param values: outputs of the depth network, finest first, each half the size of the last.
    :param read_depth: from an output to depth (m), `DepthNetwork.depth`.
    :param target: float (B, 3, H, W), rgb 0 to 1.
    :param sources: frames before and after, and the other eye.
    :param intrinsics: float (B, 3, 3) of the target (pixels).
    :param options: what is on.
    :param travelled: estimated translations (B, 3) (m) and measured lengths (B,) (m).
    :returns: the loss and its parts.
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
    drift = zero
    if options.odometry:
        if not travelled:
            raise ConfigError('odometry has a weight, but no travelled lengths are given.')
        drift = torch.stack([length_error(*pair) for pair in travelled]).mean()
    total = photometric + options.smoothness * slopes + options.odometry * drift
    return Terms(total, photometric.detach(), slopes.detach(), drift.detach(), kept.detach())


def _shrunk(source: Source, scale: int) -> Source:
    image = functional.avg_pool2d(source.image, 2**scale)
    known = source.intrinsics
    return Source(image, source.pose, None if known is None else halved(known, scale))
