"""
Filters that take wrong depth out of an image, in place: what they doubt becomes NaN.

None of them invents a value; a pixel keeps its depth or loses it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.config import FilterConfig

Depth = NDArray[np.float32]

_AROUND_STEP = np.ones((3, 3), np.uint8)
_AROUND_PLANE = np.ones((9, 9), np.uint8)
_AROUND_MOTION = np.ones((9, 9), np.uint8)
_MEDIAN_STRIDE = 8


class Filters:
    """
    All filters a configuration asks for, with what they remember from frame to frame.

    :param config: the ``filter`` group.
    """

    def __init__(self, config: FilterConfig) -> None:
        self.config = config
        self._previous: Depth | None = None

    def apply(self, depth: Depth, confidence: Depth | None = None) -> Depth:
        """
        Take out what is doubtful.

        :param depth: float32 (H, W), z-depth (m), changed in place; before range clipping, which
            makes edges of its own.
        :param confidence: float32 (H, W), larger is surer, or None.
        :returns: `depth`.
        """
        config = self.config
        previous = self._previous
        if config.temporal_threshold > 0:
            self._previous = depth.copy()  # as it came, or a doubtful pixel would stay so
            if previous is not None and previous.shape == depth.shape:
                drop_unsteady(depth, previous, config.temporal_threshold)
        else:
            self._previous = None
        if confidence is not None and config.min_confidence > 0:
            drop_unsure(depth, confidence, config.min_confidence)
        if config.edge_threshold > 0:
            drop_edges(depth, config.edge_threshold)
        return depth


def drop_edges(depth: Depth, threshold: float) -> Depth:
    """
    Take out flying pixels: those a network, or a resize, puts between two surfaces.

    In inverse depth a plane is a linear function of the pixel, however obliquely it is seen. So
    the step over 3x3 pixels is compared not with zero but with the smallest such step nearby:
    a floor running away keeps its points, a smeared edge between two surfaces does not. Done on
    every second row and column, which is enough and takes a quarter of the time; a 3x3 step
    there is a 5x5 one in the image.

    :param depth: float32 (H, W), z-depth (m), changed in place.
    :param threshold: step of inverse depth, beyond that of the surface around, relative to the
        inverse depth.
    :returns: `depth`, NaN at edges.
    """
    with np.errstate(all='ignore'):
        inverse = np.reciprocal(depth[::2, ::2])
    np.fmax(inverse, np.float32(0), out=inverse)  # a pixel without depth is an edge too
    step = cv2.dilate(inverse, _AROUND_STEP)
    np.subtract(step, cv2.erode(inverse, _AROUND_STEP), out=step)
    # at the border a step has two pixels only, and would be the smallest of its surface
    step[[0, -1]] = step[[min(1, len(step) - 1), max(len(step) - 2, 0)]]
    step[:, [0, -1]] = step[:, [min(1, step.shape[1] - 1), max(step.shape[1] - 2, 0)]]
    np.subtract(step, cv2.erode(step, _AROUND_PLANE), out=step)
    np.multiply(inverse, np.float32(threshold), out=inverse)
    edges = (step > inverse).view(np.uint8)
    rows, columns = (side + side % 2 for side in depth.shape)
    mask = cv2.resize(edges, (columns, rows), interpolation=cv2.INTER_NEAREST)
    np.copyto(depth, np.float32(np.nan), where=mask[:depth.shape[0], :depth.shape[1]].view(bool))
    return depth


def drop_unsure(depth: Depth, confidence: Depth, share: float) -> Depth:
    """
    Take out what the network itself does not trust.

    Networks give confidence in units of their own, so the bar is relative to the frame.

    :param depth: float32 (H, W), m, changed in place.
    :param confidence: float32 (H, W), larger is surer.
    :param share: of the frame's median confidence, below which a pixel is dropped.
    :returns: `depth`.
    """
    bar = float(np.median(confidence[::_MEDIAN_STRIDE, ::_MEDIAN_STRIDE])) * share
    np.copyto(depth, np.float32(np.nan), where=confidence < bar)
    return depth


def drop_unsteady(depth: Depth, previous: Depth, threshold: float) -> Depth:
    """
    Take out what the frame before does not agree with.

    A depth agrees when it lies among those the frame before had within 4 pixels, so that a
    camera may move; what really has moved loses its points for one frame.

    :param depth: float32 (H, W), m, changed in place.
    :param previous: float32 (H, W), m.
    :param threshold: relative difference allowed beyond that.
    :returns: `depth`.
    """
    known = np.fmax(previous[::2, ::2], np.float32(0))
    farthest = cv2.dilate(known, _AROUND_MOTION)
    farthest *= np.float32(1 + threshold)
    nearest = cv2.erode(known, _AROUND_MOTION)
    nearest *= np.float32(1 - threshold)
    now = depth[::2, ::2]
    jumped = ((now > farthest) | (now < nearest)).view(np.uint8)
    rows, columns = (side + side % 2 for side in depth.shape)
    mask = cv2.resize(jumped, (columns, rows), interpolation=cv2.INTER_NEAREST)
    np.copyto(depth, np.float32(np.nan), where=mask[:depth.shape[0], :depth.shape[1]].view(bool))
    return depth
