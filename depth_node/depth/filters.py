"""
Filters that remove unreliable depth from an image, in place.

A pixel keeps its depth or becomes NaN; no filter changes a value otherwise.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.config import FilterConfig

Depth = NDArray[np.float32]
Mask = NDArray[np.bool_]

_AROUND_STEP = np.ones((3, 3), np.uint8)
_AROUND_PLANE = np.ones((9, 9), np.uint8)
_AROUND_MOTION = np.ones((9, 9), np.uint8)
HEAD_BAR = 0.2
"""Least confidence of networks that predict one, unless `filter.min_confidence` says otherwise."""
_COLUMNS = 320


class Filters:
    """
    The filters of a configuration, with their state from frame to frame.

    :param config: the ``filter`` group.
    """

    def __init__(self, config: FilterConfig) -> None:
        self.config = config
        self._previous: Depth | None = None
        self._nearer: Mask | None = None

    def bar(self, *, head: bool) -> float:
        """
        Return the confidence below which pixels are removed.

        :param head: whether the network predicts its confidence.
        :returns: 0 to 1; 0: none are.
        """
        least = self.config.min_confidence
        return least if least >= 0 else HEAD_BAR if head else 0.0

    def apply(self, depth: Depth, confidence: Depth | None = None) -> Depth:
        """
        Apply the filters to a frame.

        :param depth: float32 (H, W), z-depth (m), changed in place; before range clipping, which
            creates edges.
        :param confidence: float32 (H, W), 0 to 1, or None where none is needed.
        :returns: `depth`.
        """
        config = self.config
        previous = self._previous
        if config.temporal_threshold > 0:
            self._previous = depth.copy()  # as it came, or a doubtful pixel would stay so
            if previous is not None and previous.shape == depth.shape:
                self._nearer = drop_unsteady(
                    depth, previous, config.temporal_threshold, self._nearer
                )
            else:
                self._nearer = None
        else:
            self._previous = self._nearer = None
        if confidence is not None:
            drop_unsure(depth, confidence, self.bar(head=True))
        if config.edge_threshold > 0:
            drop_edges(depth, config.edge_threshold)
        return depth


def drop_edges(depth: Depth, threshold: float) -> Depth:
    """
    Remove flying pixels, which a network or a resize places between two surfaces.

    In inverse depth a plane is a linear function of the pixel, at any angle. Therefore the step
    over 3x3 pixels is compared with the smallest such step nearby instead of zero: a receding
    floor keeps its points, a blurred edge between two surfaces does not. This is done on an image
    of about 320 columns, the scale at which networks blur.

    :param depth: float32 (H, W), z-depth (m), changed in place.
    :param threshold: step of inverse depth in excess of the surrounding surface, relative to the
        inverse depth.
    :returns: `depth`, NaN at edges.
    """
    inverse = _small(depth)
    with np.errstate(all='ignore'):
        np.reciprocal(inverse, out=inverse)
    np.fmax(inverse, np.float32(0), out=inverse)  # a pixel without depth is an edge too
    step = cv2.dilate(inverse, _AROUND_STEP)
    np.subtract(step, cv2.erode(inverse, _AROUND_STEP), out=step)
    # at the border a step has two pixels only, and would be the smallest of its surface
    step[[0, -1]] = step[[min(1, len(step) - 1), max(len(step) - 2, 0)]]
    step[:, [0, -1]] = step[:, [min(1, step.shape[1] - 1), max(step.shape[1] - 2, 0)]]
    np.subtract(step, cv2.erode(step, _AROUND_PLANE), out=step)
    np.multiply(inverse, np.float32(threshold), out=inverse)
    return _without(depth, step > inverse)


def drop_unsure(depth: Depth, confidence: Depth, least: float) -> Depth:
    """
    Remove pixels of low confidence.

    :param depth: float32 (H, W), m, changed in place.
    :param confidence: float32 (H, W), 0 to 1.
    :param least: confidence below which a pixel is removed.
    :returns: `depth`.
    """
    np.copyto(depth, np.float32(np.nan), where=~(confidence >= np.float32(least)))
    return depth


def drop_unsteady(
    depth: Depth, previous: Depth, threshold: float, nearer: Mask | None = None
) -> Mask:
    """
    Remove pixels that differ from the previous frame.

    A depth is kept if it lies within the range of nearby depths in the previous frame (about 1 %
    of the width), which allows the camera to move. Objects that move lose their points for one
    frame. What has come nearer in the previous frame and comes nearer again is kept: an obstacle
    that approaches must not be missing from every frame.

    :param depth: float32 (H, W), m, changed in place.
    :param previous: float32 (H, W), m.
    :param threshold: additional relative difference that is allowed.
    :param nearer: what the call for the previous frame returned, or None.
    :returns: bool (h, w), the parts that have come nearer.
    """
    known = np.fmax(_small(previous), np.float32(0))
    farthest = cv2.dilate(known, _AROUND_MOTION)
    nearest = cv2.erode(known, _AROUND_MOTION)
    with np.errstate(over='ignore'):  # of depth that is as good as infinite
        farthest *= np.float32(1 + threshold)
        nearest *= np.float32(1 - threshold)
    now = _small(depth)
    comes = now < nearest
    doubtful = comes
    if nearer is not None and nearer.shape == comes.shape and nearer.any():
        doubtful = comes & ~cv2.dilate(nearer.view(np.uint8), _AROUND_MOTION).view(np.bool_)
    _without(depth, (now > farthest) | doubtful)
    return comes


def _small(depth: Depth) -> Depth:
    """Return a copy of the image sampled at about 320 columns."""
    step = max(1, round(depth.shape[1] / _COLUMNS))
    if step == 1:
        return depth.copy()
    rows, columns = (-(-side // step) for side in depth.shape)
    small: Depth = cv2.resize(depth, (columns, rows), interpolation=cv2.INTER_NEAREST_EXACT)
    return small


def _without(depth: Depth, doubtful: NDArray[np.bool_]) -> Depth:
    """Remove the pixels of the image that are doubtful in its sample."""
    rows, columns = depth.shape
    mask = cv2.resize(
        doubtful.view(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST_EXACT
    )
    np.copyto(depth, np.float32(np.nan), where=mask.view(bool))
    return depth
