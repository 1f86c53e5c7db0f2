"""
The measurement of the scale on one frame, or the reason why there is none.

Every source results in some pixels with known distances. For kinds with one
unknown the metres are ``z = scale * u`` with u the metres at scale 1; for relative depth
``z = scale * v + shift``; for relative disparity ``1/z = scale * v + shift``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from depth_node.model import OutputKind
from depth_node.scale.fit import DECLARED, Fit, fit_affine, fit_factor, fit_scale, Floats, refit
from depth_node.scale.pixels import Pixels, target
from depth_node.scale.shape import COUNT, moved, shape_sigma, shares

MIN_POINTS = 30
"""Minimum number of pixels; a 2D scan in view has some hundred."""
MIN_INLIERS = 0.4
"""Minimum share of agreeing pixels."""
MIN_SPAN = 1.3
"""Minimum ratio of farthest and nearest distance for separating scale and shift."""
MAX_SIGMA = 0.3
"""Maximum relative uncertainty of a frame."""


@dataclass(frozen=True)
class Measurement:
    """
    Scale, and shift for kinds that have one, measured on one frame.

    :param value: float64 (k,), log scale, and shift where k is 2.
    :param covariance: float64 (k, k), the part that averages out over frames.
    :param bias: float64 (k, k), the part that does not.
    :param typical: output of the network for which the uncertainty of metres is reported.
    :param inliers: pixels that agree.
    :param points: pixels that were used.
    :param misfit: robust relative standard deviation of the residuals of a pixel.
    """

    value: Floats
    covariance: Floats
    bias: Floats
    typical: float
    inliers: int
    points: int
    misfit: float = 0.0


@dataclass(frozen=True)
class NotObservable:
    """
    The reason why there is no measurement.

    :param reason: one sentence for diagnostics: the problem and its remedy.
    """

    reason: str


Outcome: TypeAlias = 'Measurement | NotObservable'


def relative_sigma(value: Floats, covariance: Floats, typical: float) -> float:
    """
    Propagate the uncertainty of scale and shift to metres.

    :param value: float64 (k,), log scale and shift.
    :param covariance: float64 (k, k).
    :param typical: output of the network for which it is computed.
    :returns: standard deviation of log z there, equal for depth and inverse depth.
    """
    if value.size == 1:
        return float(np.sqrt(covariance[0, 0]))
    scaled = float(np.exp(value[0])) * typical
    gradient = np.array([scaled, 1.0]) / max(abs(scaled + float(value[1])), 1e-12)
    return math.sqrt(max(float(gradient @ covariance @ gradient), 0.0))


def measure(kind: OutputKind, pixels: Pixels) -> tuple[Measurement, Fit] | NotObservable:
    """
    Fit scale, and shift for kinds that have one, to pixels of known distance.

    :param kind: kind of the network.
    :param pixels: outputs of the network and distances.
    :returns: the measurement and its fit, or the reason why there is none.
    """
    count = pixels.x.size
    if count < MIN_POINTS:
        return NotObservable(
            f'only {count} pixels have a known distance, expected at least {MIN_POINTS}'
        )
    alike = _alike(pixels.z) if kind.has_shift else None
    if alike is not None:
        return alike
    fit = _fitted(kind, pixels)
    if fit is None:
        return NotObservable('no increasing line fits: check scale.extrinsic and the sensor')
    if fit.inliers < MIN_INLIERS * count:
        return NotObservable(
            f'only {fit.inliers} of {count} pixels agree; check scale.extrinsic'
        )
    inside = fit.weights > 0
    alike = _alike(pixels.z[inside]) if kind.has_shift else None
    if alike is not None:
        return alike
    found = _measurement(kind, pixels, fit)
    if pixels.inverse_sigma is None:
        found = with_bias(found, fit, _second_order(kind, pixels, fit)[None])
    sigma = relative_sigma(found.value, found.covariance + found.bias, found.typical)
    if not sigma < MAX_SIGMA:
        return NotObservable(f'the fit is uncertain by {100 * sigma:.0f} %')
    return found, fit


def with_bias(found: Measurement, fit: Fit, changes: Floats) -> Measurement:
    """
    Add the effect of errors common to all distances to the bias of a measurement.

    :param found: the measurement.
    :param fit: its fit.
    :param changes: float64 (M, k), the change of (log scale, shift) by one standard deviation
        of each of M causes, from :func:`changed`.
    :returns: the measurement with a larger bias.
    """
    assert fit.covariance.shape == found.bias.shape
    return dataclasses.replace(found, bias=found.bias + changes.T @ changes)


def changed(kind: OutputKind, pixels: Pixels, fit: Fit, z: Floats) -> Floats:
    """
    Return the change of the fit for a small change of all distances.

    :param kind: kind of the network.
    :param pixels: the fitted pixels.
    :param fit: the fit.
    :param z: float64 (N,), the changed distances (m).
    :returns: float64 (k,), the change of log scale and shift.
    """
    before, noise = target(kind, pixels.z)
    after, _ = target(kind, z)
    return refit(fit, pixels.x, after, noise) - refit(fit, pixels.x, before, noise)


def _alike(z: Floats) -> NotObservable | None:
    """Return the reason if the distances are too similar to separate scale and shift."""
    near, far = np.percentile(z, (5, 95)).tolist()
    if far >= MIN_SPAN * near:
        return None
    return NotObservable(
        f'all distances are between {near:.2f} and {far:.2f} m, which is too little to separate '
        'scale and shift; show near and far objects together'
    )


def _fitted(kind: OutputKind, pixels: Pixels) -> Fit | None:
    """Fit in the space in which the errors are uniform."""
    sigma = pixels.inverse_sigma
    if not kind.has_shift:
        fit = fit_scale(pixels.x, pixels.z, pixels.patch, pixels.alike)
        if fit is None or sigma is None:
            return fit
        return fit_factor(pixels.x, pixels.z, sigma, fit, pixels.patch)
    y, noise = target(kind, pixels.z)
    if sigma is None:
        return fit_affine(pixels.x, y, noise, pixels.patch, pixels.alike)
    if kind is OutputKind.RELATIVE_DISPARITY:
        return fit_affine(pixels.x, y, sigma, pixels.patch, DECLARED)
    # z has errors of z^2 sigma; by the z measured, points too near would weigh too much
    fit = fit_affine(pixels.x, y, y**2 * sigma, pixels.patch, DECLARED)
    for _ in range(2):
        if fit is None:
            return None
        expected = np.maximum(fit.scale * pixels.x + fit.shift, 0.1 * float(np.median(y)))
        fit = fit_affine(pixels.x, y, expected**2 * sigma, pixels.patch, DECLARED)
    return fit


def _second_order(kind: OutputKind, pixels: Pixels, fit: Fit) -> Floats:
    """
    Return the shift of a fit by relative errors of variance v: about v, half of it in logarithms.

    A distance that is too short has a larger weight than one that is too long, so errors do not
    cancel: 0.01 % for errors of 1 %, and 2 % for the 15 % of a network in an unfamiliar scene.
    """
    inside = fit.weights > 0
    y = target(kind, pixels.z)[0][inside]
    rest = y / (fit.scale * pixels.x[inside] + fit.shift) - 1
    variance = (float(np.median(np.abs(rest))) / 0.6745) ** 2
    if not kind.has_shift:
        return np.array([variance / 2])
    return np.array([variance, variance * fit.shift])


def _measurement(kind: OutputKind, pixels: Pixels, fit: Fit) -> Measurement:
    """
    Return the measurement of a fit.

    The bias is the effect of the shape error for these pixels, plus the difference between the
    fit and the median of its inliers: if errors are skewed, neither of them is correct.
    """
    size = fit.covariance.shape[0]
    value = np.array([np.log(fit.scale), fit.shift])[:size]
    inside = fit.weights > 0
    rest = residuals(kind, pixels, fit.scale, fit.shift)
    # the same change of all metres, as a change of log scale and shift
    common = np.array([1.0, fit.shift])[:size]
    skew = float(np.median(rest[inside])) * common
    bias = moved(_response(kind, pixels, fit), shape_sigma(rest, pixels.patch))
    return Measurement(
        value, fit.covariance, bias + np.outer(skew, skew), float(np.median(pixels.x[inside])),
        fit.inliers, pixels.x.size, 1.4826 * float(np.median(np.abs(rest))),
    )


def residuals(kind: OutputKind, pixels: Pixels, scale: float, shift: float) -> Floats:
    """
    Return the residuals of pixels after a fit.

    :param kind: kind of the network.
    :param pixels: outputs of the network and distances.
    :param scale: scale of the fit.
    :param shift: shift of the fit; 0 for kinds without one.
    :returns: float64 (N,), relative.
    """
    if not kind.has_shift:
        return np.asarray(np.log(pixels.z / (scale * pixels.x)))
    y, noise = target(kind, pixels.z)
    return np.asarray((y - scale * pixels.x - shift) / noise)


def _response(kind: OutputKind, pixels: Pixels, fit: Fit) -> Floats:
    """Return the effect of relative errors of the patches, minus that on the whole frame."""
    if not kind.has_shift:
        weights = fit.weights
        if pixels.inverse_sigma is not None:
            weights = weights / (pixels.x * pixels.inverse_sigma) ** 2
        return (shares(pixels.patch, weights) - 1 / COUNT)[None]
    _, noise = target(kind, pixels.z)
    if pixels.inverse_sigma is None:
        weights = fit.weights
    else:
        # the fit weighs by the errors of y: those of 1/z, or of z
        by = 1.0 if kind is OutputKind.RELATIVE_DISPARITY else pixels.z**2
        weights = fit.weights * (noise / (by * pixels.inverse_sigma)) ** 2
    mine = _line_response(pixels.x, noise, weights, pixels.patch)
    assert pixels.everywhere is not None
    x, patch = pixels.everywhere
    y = fit.scale * x + fit.shift
    x, y, patch = x[y > 0], y[y > 0], patch[y > 0]
    if kind is OutputKind.RELATIVE_DISPARITY:
        y = np.maximum(y, float(np.median(y)) / 3)
    whole = _line_response(x, y, np.ones(x.size), patch)
    return np.diag([1 / fit.scale, 1.0]) @ (mine - whole)


def _line_response(x: Floats, noise: Floats, weights: Floats, patch: NDArray[np.int64]) -> Floats:
    """Return the effect of relative errors of the patches on a line: float64 (2, COUNT)."""
    rows = np.column_stack([x, np.ones(x.size)]) / noise[:, None]
    weighted = rows * weights[:, None]
    sums = np.stack([np.bincount(patch, weighted[:, k], COUNT) for k in range(2)])
    return np.asarray(np.linalg.lstsq(weighted.T @ rows, sums, rcond=None)[0])
