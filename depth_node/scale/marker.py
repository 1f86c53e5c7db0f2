"""
The scale from printed markers of known size.

The plane of a marker (``scale.marker_finding``) gives the distance of every pixel on it. One
marker shows the scale; scale and shift show only where several are at different distances, or one
is large and tilted.
"""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.scale.local import Anchors
from depth_node.scale.marker_finding import Marker
from depth_node.scale.measurement import (
    changed,
    MAX_SIGMA,
    measure,
    Measurement,
    NotObservable,
    Outcome,
    relative_sigma,
    with_bias,
)
from depth_node.scale.pixels import ScaleFrame
from depth_node.scale.points import from_anchors, pixels_on
from depth_node.scale.shape import LENGTH, PATCHES, PRIOR
from depth_node.scale.unscaled import unscaled

CORNER_SIGMA = 0.15
"""Standard deviation of a refined corner (pixels)."""
SIZE_SIGMA = 0.005
"""Relative standard deviation of a printed side."""
INSET = 0.12
"""Share of the marker along its border that is left out: a network blurs it."""
DISAGREE = 1.6
"""Ratio of the scales of two markers beyond which one has another size, not the network fails."""
PIXELS = 400
"""Pixels that are taken of each marker at most."""


def anchors_on(
    markers: list[Marker], rays: NDArray[np.float32], shape: tuple[int, int]
) -> Anchors:
    """
    Return the pixels on markers with their distances.

    :param markers: as found in an image of that shape.
    :param rays: float32 (H, W, 2), of the camera.
    :param shape: rows and columns of the image.
    :returns: up to `PIXELS` of each marker.
    """
    places = []
    for marker in markers:
        middle = marker.corners.mean(axis=0)
        inner = middle + (1 - 2 * INSET) * (marker.corners - middle)
        mask = np.zeros(shape, np.uint8)
        cv2.fillConvexPoly(mask, np.rint(inner).astype(np.int32), 1)
        rows, columns = np.nonzero(mask)
        step = max(1, rows.size // PIXELS)
        rows, columns = rows[::step], columns[::step]
        toward = rays[rows, columns].astype(np.float64)
        z = 1 / (toward @ marker.normal[:2] + marker.normal[2])
        good = np.isfinite(z) & (z > 0)
        resolution = np.full(np.count_nonzero(good), relative_error(marker))
        places.append((rows[good], columns[good], z[good], resolution))
    if not places:
        nothing = np.zeros(0, np.int64)
        return Anchors(nothing, nothing, np.zeros(0), shape)
    rows, columns, z, resolution = (np.concatenate(parts) for parts in zip(*places, strict=True))
    return Anchors(rows, columns, z, shape, resolution)


def relative_error(marker: Marker) -> float:
    """
    Return the relative standard deviation of the distance of a marker, by its corners.

    :param marker: as found in an image.
    :returns: that of its longest side in the image.
    """
    return CORNER_SIGMA * math.sqrt(2) / marker.side


def from_markers(frame: ScaleFrame, markers: list[Marker]) -> Outcome:
    """
    Measure the scale on markers.

    :param frame: the frame they were found in.
    :param markers: at least one.
    :returns: the measurement, with the errors of print and corners in its bias, or why there is
        none.
    """
    shape = (frame.values.shape[0], frame.values.shape[1])
    factors = [] if frame.spec.kind.has_shift else _factors(frame, markers, shape)
    if factors and max(factors) > DISAGREE * min(factors):
        return NotObservable(
            f'the markers disagree by a factor of {max(factors) / min(factors):.2g}; check that '
            'all of them have the size marker.size, and set marker.ids to those that have'
        )
    anchors = anchors_on(markers, frame.rays, shape)
    if frame.spec.kind.has_shift and len(markers) == 1:
        found = _tilted(frame, anchors, markers[0])
    else:
        found = from_anchors(frame, anchors)
    return found if isinstance(found, NotObservable) else with_print_errors(found, markers)


def _tilted(frame: ScaleFrame, anchors: Anchors, marker: Marker) -> Outcome:
    """
    Measure scale and shift on one tilted marker.

    A network that bends the image across it by as much as networks do (``scale.shape``) turns the
    line through its near and far end, and residuals do not show that: it is part of the bias. The
    uncertainty is that of the frame's median pixel, which may be much farther away.
    """
    kind = frame.spec.kind
    pixels = pixels_on(frame, anchors)
    outcome = measure(kind, pixels)
    if isinstance(outcome, NotObservable):
        return outcome
    apart = marker.side / (frame.values.shape[1] / PATCHES[1])
    bend = PRIOR * np.sqrt(2 * (1 - np.exp(-apart / LENGTH)))
    logs = np.log(pixels.z)
    across = (logs - logs.mean()) / np.ptp(logs)
    change = changed(kind, pixels, outcome[1], pixels.z * np.exp(bend * across))
    found = with_bias(*outcome, change[None])
    assert pixels.everywhere is not None
    usual = float(np.median(pixels.everywhere[0]))
    found = dataclasses.replace(found, typical=usual)
    sigma = relative_sigma(found.value, found.covariance + found.bias, found.typical)
    if sigma < MAX_SIGMA:
        return found
    return NotObservable(
        f'one marker shows the median distance of the frame to {100 * sigma:.0f} % only; show '
        'near and far markers together, or use a model without a shift'
    )


def _factors(frame: ScaleFrame, markers: list[Marker], shape: tuple[int, int]) -> list[float]:
    """Return the scale that each of the markers shows alone, for kinds without a shift."""
    factors = []
    for marker in markers:
        anchors = anchors_on([marker], frame.rays, shape)
        x = unscaled(frame.values[anchors.rows, anchors.columns], frame.spec, frame.focal)
        ratio = anchors.z[x > 0] / x[x > 0]
        if ratio.size:
            factors.append(float(np.median(ratio)))
    return factors


def with_print_errors(found: Measurement, markers: list[Marker]) -> Measurement:
    """
    Add the errors of print and corners to a measurement.

    :param found: measured on the markers.
    :param markers: that it was measured on; empty: others.
    :returns: the measurement with a larger bias.
    """
    if not markers:
        return found
    corner = min(map(relative_error, markers))
    relative = np.hypot(SIZE_SIGMA, corner)
    common = np.array([1.0, float(found.value[-1])])[: found.value.size] * relative
    bias = found.bias + np.outer(common, common)
    return Measurement(
        found.value, found.covariance, bias, found.typical, found.inliers, found.points,
        found.misfit,
    )
