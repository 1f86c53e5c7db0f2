"""
Confidence: how far a pixel's depth can be trusted, for every network.

The relative standard deviation e of a pixel's depth is put together from what is known of it, as
for independent errors, and the confidence is

    c = 1 / (1 + (e / 0.1)^2),    e^2 = e_scale^2 + e_anchors^2 + e_network^2,

so that 1 is certain, 0.5 is an error of 10 %, 0.2 one of 20 %, and 0 is no depth.

* ``e_scale``: standard deviation of the metric scale, common to the frame.
* ``e_anchors``: of a pixel where a sensor corrects depth locally, growing to the misfit of the
  network away from the sensor's points; otherwise 0.
* ``e_network``, for networks that predict a confidence h: 0.1 median(h) / h, as the unit of h is
  the network's own. For the others e_network^2 = e_edges^2 + e_time^2:
* ``e_edges``: networks are wrong at edges, and in rough surroundings (trees, clutter). With the
  step of inverse depth over 3x3 pixels of an image of 160 columns, less the smallest such step
  nearby, so that a slanted plane has none, relative to the inverse depth: half the step, and three
  times its geometric mean over the surroundings, as independent errors.
* ``e_time``: standard deviation of white noise that explains the second difference of log depth
  over three frames, without what is common to the frame; the same mean. Steady motion has none,
  or what comes nearer would be doubted. 0 without two frames before.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

HALF = 0.1
"""Relative standard deviation of depth that is a confidence of 0.5."""
COLUMNS = 160
"""Width at which edges are looked at (pixels)."""
SPREAD = 7.0
"""Standard deviation of the surroundings (pixels at that width)."""
STEP = 0.5
"""Error of depth for a step beyond the surface: at most half of it."""
ROUGH = 3.0
"""Error of depth for the mean step in the surroundings; measured on KITTI."""
FLOOR = np.float32(1e-3)
"""Step below which a surface is smooth; the mean of logarithms needs one."""
WHITE = np.float32(1 / math.sqrt(6))
"""Standard deviation of white noise for one of its second difference (1, -2, 1)."""
GAP = 0.5
"""Frames farther apart are not compared (s)."""
_STEP = np.ones((3, 3), np.uint8)
_SURFACE = np.ones((9, 9), np.uint8)
_STRIDE = 8


class Confidence:
    """Judges the depth of one camera, frame by frame."""

    def __init__(self) -> None:
        self._past: list[tuple[float, Plane]] = []
        self._out: Plane | None = None

    def judge(
        self, depth: Plane, *, sigma: float = 0.0, anchors: Plane | None = None,
        head: Plane | None = None, stamp: float | None = None,
    ) -> Plane:
        """
        Judge every pixel of a frame.

        :param depth: float32 (H, W), z-depth (m), before filters and limits.
        :param sigma: relative standard deviation of the scale.
        :param anchors: float32 (h, w) of any size, relative standard deviation of pixels that are
            corrected locally, or None.
        :param head: float32 (H, W), confidence of the network, larger is better, or None.
        :param stamp: time of the frame (s), or None for a frame without a past.
        :returns: float32 (H, W), 0 to 1, overwritten by the next call.
        """
        small = shrunk(depth)
        variance = np.full(small.shape, sigma**2, np.float32)
        if anchors is not None:
            variance += np.square(cv2.resize(anchors, small.shape[::-1]))
        if head is None:
            variance += edges(small)
            flicker = self._flicker(small, stamp)
            if flicker is not None:
                variance += np.square(flicker)
        if self._out is None or self._out.shape != depth.shape:
            self._out = np.empty(depth.shape, np.float32)
        out = self._out
        variance *= np.float32(1 / HALF**2)
        variance += np.float32(1)
        if head is None:
            np.reciprocal(variance, out=variance)
        cv2.resize(variance, depth.shape[::-1], dst=out, interpolation=cv2.INTER_LINEAR)
        if head is not None:
            sample = head[::_STRIDE, ::_STRIDE]
            sample = sample[np.isfinite(sample)]
            usual = np.float32(np.median(sample)) if sample.size else np.float32(0)
            with np.errstate(all='ignore'):
                out += np.square(usual / head)
                np.reciprocal(out, out=out)
            np.copyto(out, np.float32(0), where=~(head > 0))
        np.copyto(out, np.float32(0), where=~(depth > 0))
        return out

    def _flicker(self, inverse: Plane, stamp: float | None) -> Plane | None:
        """Return the error that the last three frames show, or None without them."""
        with np.errstate(divide='ignore'):
            logs = np.log(inverse)
        usual = np.median(logs[::2, ::2])
        logs -= usual if np.isfinite(usual) else np.float32(0)
        past = self._past
        if stamp is None:
            past.clear()
            return None
        if past and not (0 < stamp - past[-1][0] < GAP and past[-1][1].shape == logs.shape):
            past.clear()
        past.append((stamp, logs))
        if len(past) < 3:
            return None
        with np.errstate(invalid='ignore'):
            change = np.abs(past[0][1] - 2 * past[1][1] + logs)
        del past[0]
        np.nan_to_num(change, copy=False, nan=0.0, posinf=0.0)
        return WHITE * surroundings(change)


def shrunk(depth: Plane) -> Plane:
    """
    Return inverse depth at about 160 columns.

    :param depth: float32 (H, W), z-depth (m).
    :returns: float32 (h, w), 1/m; 0 where there is no depth.
    """
    height, width = depth.shape
    columns = min(COLUMNS, width)
    size = columns, max(1, round(height * columns / width))
    small = cv2.resize(depth, size, interpolation=cv2.INTER_AREA)
    with np.errstate(divide='ignore', over='ignore'):
        np.reciprocal(small, out=small)
    return np.asarray(np.fmax(small, np.float32(0)))


def edges(inverse: Plane) -> Plane:
    """
    Return the error at edges and in rough surroundings.

    :param inverse: float32 (h, w), inverse depth (1/m), 0 where there is no depth.
    :returns: float32 (h, w), e_edges^2.
    """
    with np.errstate(invalid='ignore', divide='ignore'):  # where there is no depth
        step = cv2.dilate(inverse, _STEP)
        step -= cv2.erode(inverse, _STEP)
        step -= cv2.erode(step, _SURFACE)
        step /= inverse
    # next to what is not known nothing is sure
    np.nan_to_num(step, copy=False, nan=1.0, posinf=1.0)
    error = np.square(STEP * step)
    error += np.square(ROUGH * surroundings(step))
    return np.asarray(error)


def surroundings(values: Plane) -> Plane:
    """
    Return the geometric mean over the surroundings, weighted by a Gaussian.

    :param values: float32 (h, w), not negative; changed.
    :returns: float32 (h, w).
    """
    values += FLOOR
    logs = cv2.log(values)
    cv2.GaussianBlur(logs, (0, 0), SPREAD, dst=logs, borderType=cv2.BORDER_REPLICATE)
    mean = cv2.exp(logs)
    mean -= FLOOR
    return np.asarray(np.maximum(mean, 0), np.float32)
