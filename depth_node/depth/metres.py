"""
Conversion of the output of a network to metres along the optical axis.

Invalid depth follows REP-117: NaN is an error, +Inf too far, -Inf too near; never 0. All functions
work in place on the caller's buffers, in strips that stay in the CPU cache, so that eight passes
take about as long as two over the whole image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.model import Aspect, ModelSpec, OutputKind
from depth_node.model.prediction import Prediction

Depth = NDArray[np.float32]

TRUSTED_CORRECTION = (0.7, 1.4)
_STRIP = 65536


@dataclass(frozen=True)
class Scale:
    """
    Scale and shift from a prediction to metres; see the table in :func:`to_metres`.

    :param scale: the factor.
    :param shift: the offset, used only by the kinds that have one.
    """

    scale: float = 1.0
    shift: float = 0.0


def scale_of(spec: ModelSpec) -> Scale | None:
    """
    Return the scale of a model.

    This is the safety rule: a kind that is not metric has no scale, and :func:`to_metres` cannot
    be called without one.

    :param spec: the model.
    :returns: 1 for metric kinds, the scale of the weights if they have one, otherwise None.
    """
    if spec.scale is not None and not spec.kind.has_shift:
        return Scale(spec.scale)
    return Scale() if spec.kind.is_metric else None


def network_focal(camera: Camera, aspect: Aspect, network: Size) -> float:
    """
    Return the vertical focal length at network size.

    :param camera: the camera of the frame.
    :param aspect: how the frame is fitted to the network size.
    :param network: the network's size (pixels).
    :returns: fy (pixels at network size). It is vertical, because cropping the sides of an image
        hardly changes the prediction.
    """
    horizontal, vertical = network.width / camera.width, network.height / camera.height
    factor = vertical if aspect is Aspect.SQUASH else max(horizontal, vertical)
    return camera.fy * factor


def focal_correction(
    spec: ModelSpec, focal: float, enabled: bool = True
) -> tuple[float, str | None]:
    """
    Return the factor by which the focal length of the camera changes the metres.

    A network learns metres for one focal length; with a longer lens everything looks, and is
    predicted, nearer. Canonical depth is defined for a focal length, so the factor is part of the
    definition and cannot be disabled.

    :param spec: the model.
    :param focal: vertical focal length at network size (pixels); see :func:`network_focal`.
    :param enabled: `depth.focal_correction`.
    :returns: the factor, and a warning, which may be empty.
    """
    if spec.kind is OutputKind.CANONICAL_DEPTH:
        return focal / spec.canonical_focal, None
    if spec.kind.has_shift or spec.slope_output or not enabled:
        return 1.0, None
    if spec.train_focal is None:
        return 1.0, (
            f'{spec.name} does not specify the focal length of its training: its metres may be '
            'wrong by a constant factor with this camera. Calibrate the scale.'
        )
    factor = focal / spec.train_focal
    low, high = TRUSTED_CORRECTION
    if low <= factor <= high:
        return factor, None
    return factor, (
        f'The focal length at network size is {focal:.0f} px, but {spec.name} was trained at '
        f'{spec.train_focal:.0f} px: depth is multiplied by {factor:.2f}, which is outside '
        f'{low:g} to {high:g} and not reliable. Calibrate the scale.'
    )


def add_slope(prediction: Prediction, focal: float) -> None:
    """
    Complete the values of a network whose depth needs the focal length, such as MoGe.

    :param prediction: changed in place, once: its slope is 0 afterwards; left as it is without a
        slope.
    :param focal: vertical focal length at network size (pixels); see :func:`network_focal`.
    """
    if prediction.slope is not None:
        prediction.values += np.float32(focal) * prediction.slope
        prediction.slope.fill(0.0)


def to_metres(
    prediction: Prediction, spec: ModelSpec, scale: Scale, focal: float, out: Depth
) -> Depth:
    """
    Convert a prediction to metres.

    ==================  =======================================================
    METRIC_DEPTH        scale v focal
    CANONICAL_DEPTH     scale v focal
    RELATIVE_DEPTH      scale v + shift
    SIGMOID_DISPARITY   scale focal / (1/max + (1/min - 1/max) v)
    RELATIVE_DISPARITY  1 / (scale v + shift)
    ==================  =======================================================

    Sigmoid disparity is Godard et al., Digging into self-supervised monocular depth estimation
    (2019), section 3; canonical depth Depth Anything 3 (2025); relative disparity Ranftl et al.,
    Towards robust monocular depth estimation (2020), affine-invariant inverse depth.

    :param prediction: v, float32 (H, W).
    :param spec: the model that made it.
    :param scale: see :func:`scale_of`.
    :param focal: the factor of :func:`focal_correction`.
    :param out: float32 (H, W), C-contiguous, overwritten; may be ``prediction.values`` itself.
    :returns: `out`: z-depth (m). NaN where the value is not finite, or the depth not positive or
        beyond float32; +Inf where a disparity of zero means infinity.
    """
    with np.errstate(all='ignore'):
        for values, depth, scratch in _strips(prediction.values, out):
            _formula(values, spec, scale, focal, depth)
            # a look spares most strips the passes below; NaN makes both comparisons false
            if depth.min() > 0 and depth.max() < np.inf:
                continue
            if not spec.kind.is_disparity:  # else what is infinite has become 0
                np.subtract(depth, depth, out=scratch)
                np.add(depth, scratch, out=depth)
            cv2.threshold(depth, 0.0, np.nan, cv2.THRESH_BINARY_INV, dst=scratch)
            np.add(depth, scratch, out=depth)  # NaN unless positive
    return out


def clip_range(depth: Depth, nearest: float, farthest: float) -> Depth:
    """
    Mark depth outside a range, as in REP-117.

    :param depth: float32 (H, W), m, C-contiguous, changed in place.
    :param nearest: smaller depth becomes -Inf (m).
    :param farthest: larger depth becomes +Inf (m).
    :returns: `depth`; NaN is unchanged.
    """
    below = np.nextafter(np.float32(nearest), np.float32(-np.inf))
    with np.errstate(all='ignore'):
        for _, strip, scratch in _strips(depth, depth):
            # most strips have nothing beyond; of nothing but NaN both are NaN
            if np.fmax.reduce(strip) > farthest:
                cv2.threshold(strip, farthest, np.inf, cv2.THRESH_BINARY, dst=scratch)
                np.add(strip, scratch, out=strip)
            if np.fmin.reduce(strip) < nearest:
                cv2.threshold(strip, float(below), -np.inf, cv2.THRESH_BINARY_INV, dst=scratch)
                np.add(strip, scratch, out=strip)
    return depth


def mark_sky(depth: Depth, sky: Depth, threshold: float, value: float) -> Depth:
    """
    Set the depth of sky pixels.

    :param depth: float32 (H, W), m, changed in place.
    :param sky: float32 (H, W), 0 to 1, probability of sky.
    :param threshold: probability from which a pixel is sky (0 to 1).
    :param value: +Inf (no return: a costmap may clear along the ray) or NaN (unknown).
    :returns: `depth`.
    """
    np.copyto(depth, np.float32(value), where=sky >= threshold)
    return depth


def _formula(values: Depth, spec: ModelSpec, scale: Scale, focal: float, out: Depth) -> None:
    """Apply the table in :func:`to_metres`."""
    factor, shift = np.float32(scale.scale), np.float32(scale.shift)
    match spec.kind:
        case OutputKind.METRIC_DEPTH | OutputKind.CANONICAL_DEPTH:
            np.multiply(values, np.float32(scale.scale * focal), out=out)
        case OutputKind.RELATIVE_DEPTH:
            np.multiply(values, factor, out=out)
            np.add(out, shift, out=out)
        case OutputKind.SIGMOID_DISPARITY:
            far = 1.0 / spec.max_depth
            slope = 1.0 / spec.min_depth - far
            np.multiply(values, np.float32(slope / (scale.scale * focal)), out=out)
            np.add(out, np.float32(far / (scale.scale * focal)), out=out)
            np.reciprocal(out, out=out)
        case OutputKind.RELATIVE_DISPARITY:
            np.multiply(values, factor, out=out)
            np.add(out, shift, out=out)
            np.reciprocal(out, out=out)
        case _:
            assert_never(spec.kind)


def _strips(source: Depth, target: Depth) -> Iterator[tuple[Depth, Depth, Depth]]:
    """Iterate over two images in flat pieces, with a scratch piece of float32."""
    if source.shape != target.shape or not target.flags.c_contiguous:
        raise DataError(
            f'Buffers of shape {source.shape} and {target.shape} do not match, or are not '
            'contiguous.'
        )
    flat, into = source.reshape(-1), target.reshape(-1)
    scratch = np.empty(min(_STRIP, flat.size), np.float32)
    for start in range(0, flat.size, _STRIP):
        piece = flat[start:start + _STRIP]
        yield piece, into[start:start + _STRIP], scratch[:piece.size]
