"""
Temporal stabilization: predictions vary in scale and shift from frame to frame.

A correction that keeps a surface away while it comes nearer would steer a robot into it. Therefore
stabilization is active only where jitter cannot be confused with motion, under three conditions:

* The images prove that camera and scene stand still (see ``stillness``). If anything moves, it is
  off. A plain wall proves nothing.
* All parts of the frame change together. A part that comes nearer than the others has moved.
* The change goes both ways. Motion is one-sided: it has no reversals, and a correction is never
  larger than a few times the observed reversals. A drift that stays on one side ends the pause (a
  cumulative sum test, Page, Continuous inspection schemes, 1954).

Within a pause, every prediction is mapped to the mean of the previous ones by a robust fit of gain
(and offset, for kinds that have one) to a few thousand pixels. The mean decays within
`time_constant`, so that lasting changes come through.

Corrections are made in the linear space of the kind: disparity or depth, as predicted.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.config import TemporalConfig
from depth_node.depth.median import median
from depth_node.depth.stillness import Stillness
from depth_node.model import ModelSpec, OutputKind

Plane = NDArray[np.float32]
Floats = NDArray[np.float64]

SAMPLES = 2500
"""Number of pixels compared, on a grid."""
PART = 7
"""Side of the parts of that grid that must change together."""
NEARER = 0.02
"""A part that is nearer than the others by more than this share and its jitter has moved."""
MEMORY = 8
"""Number of frames over which jitter is measured."""
REVERSALS = 1 / 0.564
"""Standard deviation of white jitter over the mean upward (or downward) step."""
LARGEST = 3.0
"""Maximum correction, in standard deviations of the jitter."""
SLACK, ALARM = 0.5, 8.0
"""Cumulative sum test (standard deviations): one false alarm in about 10,000 frames."""
UNSURE = 1.5
"""Allowed error of the mean of the previous frames itself (standard deviations)."""
CALM = 0.002
"""Relative changes up to this are not motion, but the error of a fit to noisy values."""
REST = 10.0
"""How long images are not trusted after a motion that they did not show (s)."""
QUANTILES = (0.05, 0.5, 0.95)
"""Quantiles of the values at which corrections are measured."""
STRIP = 65536
"""Number of pixels smoothed at a time."""
ROUNDS = 3
"""Rounds of reweighting; the initial value is close."""


class Steadier:
    """
    Stabilizes the predictions of one network on one camera, in place and without delay.

    :param config: the `temporal` parameters.
    :param spec: the network.
    """

    def __init__(self, config: TemporalConfig, spec: ModelSpec) -> None:
        self._config = config
        self._affine = spec.kind.has_shift
        self._farther = -1.0 if spec.kind.is_disparity else 1.0
        # a sigmoid disparity is a disparity after adding this: gain is about -offset
        self._offset = 0.0
        if spec.kind is OutputKind.SIGMOID_DISPARITY:
            low, high = 1 / spec.max_depth, 1 / spec.min_depth
            self._offset = low / (high - low)
        self._stillness = Stillness()
        self.reset()

    def configure(self, config: TemporalConfig) -> None:
        """
        Change the parameters from the next frame on.

        :param config: the `temporal` parameters.
        """
        if not config.enabled:
            self.reset()
        self._config = config

    def reset(self) -> None:
        """Discard all previous frames."""
        self._stamp = -math.inf
        self._stillness.reset()
        self._rest = -math.inf
        self._pause: _Pause | None = None
        self._parts: _Jitter | None = None

    def steady(
        self, values: Plane, image: NDArray[np.uint8], stamp: float, *, moving: bool = False
    ) -> None:
        """
        Stabilize one prediction, if it is certain that nothing moves.

        :param values: float32 (H, W), output of the network, changed in place.
        :param image: uint8 (H, W, 3) or (H, W), the frame.
        :param stamp: time of the frame (s).
        :param moving: whether odometry reports motion. That the camera stands still is decided
            from the images alone.
        """
        if not self._config.enabled:
            return
        elapsed = stamp - self._stamp
        self._stamp = stamp
        if moving or not 0 < elapsed <= self._config.max_gap:
            self._stillness.reset()
            self._rest = -math.inf
        height, width = values.shape
        step = max(1, math.isqrt(height * width // SAMPLES))
        sampled = values[step // 2::step, step // 2::step].astype(np.float64) + self._offset
        still = self._stillness.look(image)
        pause = self._pause
        if not still or pause is None or pause.mean.shape != sampled.shape:
            self._pause, self._parts = _Pause(sampled), None
        elif not self._correct(pause, values, sampled, elapsed):
            self._pause = _Pause(sampled)  # what the parts' jitter is stays known
            self._rest = stamp + REST

    def _correct(self, pause: _Pause, values: Plane, sampled: Floats, elapsed: float) -> bool:
        """Apply the correction, or return False if something moved unseen by the images."""
        usable = np.isfinite(sampled) & np.isfinite(pause.mean)
        now, then = sampled[usable], pause.mean[usable]
        fitted = relation(now, then, affine=self._affine)
        if fitted is None:
            return False
        gain, offset, spread = fitted
        usual = max(median(np.abs(then)), 1e-12)
        if self._part_moved(gain * sampled + offset, pause.mean, usable, usual):
            return False
        # how far this frame says that things are, over the mean: at its near, usual and far end
        levels = np.quantile(then[::4], QUANTILES)
        off = self._farther * ((levels - offset) / gain - levels) / usual
        weight = max(1 / (pause.frames + 1), 1 - math.exp(-elapsed / self._config.time_constant))
        if not pause.takes(off, weight):
            return False
        largest = LARGEST * pause.jitter.deviation
        size = np.abs(off)
        share = float(np.min(np.minimum(size, largest) / np.maximum(size, 1e-12)))
        share = 1.0 if size.max() < 1e-12 else share
        pause.add(sampled, weight)
        if self._stamp < self._rest:
            return True
        share *= 1 - weight
        total = 1 + share * (gain - 1)
        shift = share * offset + self._offset * (total - 1)
        np.multiply(values, np.float32(total), out=values)
        np.add(values, np.float32(shift), out=values)
        if self._config.smoothing > 0:
            self._smooth(pause, values, spread * total)
        return True

    def _part_moved(
        self, mapped: Floats, mean: Floats, usable: NDArray[np.bool_], usual: float
    ) -> bool:
        """Return whether some part came nearer than the rest, by more than its jitter."""
        rows, columns = (side // PART for side in mapped.shape)
        if not rows or not columns:
            return False
        with np.errstate(invalid='ignore'):  # infinity less infinity
            nearer = self._farther * (mean - mapped) / np.maximum(np.abs(mean), 0.1 * usual)
        nearer[~usable] = 0
        whole = nearer[:rows * PART, :columns * PART].reshape(rows, PART, columns, PART)
        parts = whole.transpose(0, 2, 1, 3).reshape(rows * columns, -1)
        middle = np.partition(parts, parts.shape[1] // 2, axis=1)[:, parts.shape[1] // 2]
        if self._parts is None:
            self._parts = _Jitter(middle, 2 * MEMORY)
            return bool((middle > NEARER).any())
        limit = NEARER + LARGEST * self._parts.deviation
        moved = bool((middle > limit).any())
        self._parts.add(middle)
        return moved

    def _smooth(self, pause: _Pause, values: Plane, spread: float) -> None:
        """Blend each pixel with its past, except on edges."""
        before = pause.before
        if before is None or before.shape != values.shape or not spread > 0:
            pause.before = values.copy()
            return
        width = values.shape[1]
        weight = self._config.smoothing
        # strip by strip, so that all passes but the first find the pixels in the cache
        rows = max(1, STRIP // width)
        for top in range(0, len(values), rows):
            strip = slice(top, top + rows)
            now, past = values[strip], before[strip]
            cv2.subtract(past, now, dst=past)
            # nothing beyond the limits, and nothing where either is not finite
            cv2.threshold(past, 4 * spread, 0, cv2.THRESH_TOZERO_INV, dst=past)
            cv2.threshold(past, -4 * spread, 0, cv2.THRESH_TOZERO, dst=past)
            cv2.patchNaNs(past, 0)
            cv2.scaleAdd(past, weight, now, dst=now)
            np.copyto(past, now)


class _Jitter:
    """
    The size of fluctuations: the smaller one of upward and downward changes.

    :param first: float64 (N,), the first values.
    :param memory: minimum number of frames.
    """

    def __init__(self, first: Floats, memory: int) -> None:
        self._last, self._memory, self._steps = first, memory, 0
        self._ways = np.zeros((2, len(first)))

    def add(self, values: Floats) -> None:
        """
        Add the next values.

        :param values: float64 (N,).
        """
        step = values - self._last
        self._last, self._steps = values, self._steps + 1
        weight = max(1 / self._steps, 1 / self._memory)
        self._ways += weight * (np.stack([np.maximum(step, 0), np.maximum(-step, 0)]) - self._ways)

    @property
    def deviation(self) -> Floats:
        """The equivalent standard deviation of white jitter; 0 for one-sided changes."""
        return np.asarray(REVERSALS * self._ways.min(0))

    @property
    def size(self) -> Floats:
        """The standard deviation if all changes were jitter."""
        return np.asarray(REVERSALS * self._ways.mean(0))


class _Pause:
    """
    The state since nothing moves.

    :param sampled: float64 (h, w), its first prediction, on the grid.
    """

    def __init__(self, sampled: Floats) -> None:
        self.mean = sampled
        self.before: Plane | None = None
        self.frames = 1
        self.jitter = _Jitter(np.zeros(len(QUANTILES)), MEMORY)
        self._sums = np.zeros((2, len(QUANTILES)))

    def takes(self, off: Floats, weight: float) -> bool:
        """
        Add the deviation of the next frame.

        :param off: float64 (3,), relative, farther is positive.
        :param weight: weight of a frame in the mean, whose own error is not drift.
        :returns: False if it has deviated to one side for too long.
        """
        self.jitter.add(off)
        unit = np.maximum(self.jitter.size, CALM)
        both = np.stack([off, -off]) / unit - SLACK - UNSURE * math.sqrt(weight)
        self._sums = np.maximum(self._sums + both, 0)
        return bool((self._sums < ALARM).all())

    def add(self, sampled: Floats, weight: float) -> None:
        """
        Add a prediction to the mean.

        :param sampled: float64 (h, w).
        :param weight: its weight, 0 to 1.
        """
        with np.errstate(invalid='ignore'):
            self.mean = self.mean + weight * (sampled - self.mean)
        lost = ~np.isfinite(self.mean)
        self.mean[lost] = sampled[lost]
        self.frames += 1


def relation(now: Floats, then: Floats, *, affine: bool) -> tuple[float, float, float] | None:
    """
    Fit then = gain now + offset to pixels, most of which show the same.

    Starts from medians and ends with a few rounds of Cauchy weights (Holland and Welsch 1977);
    a full search would take more than the available millisecond.

    :param now: float64 (N,).
    :param then: float64 (N,).
    :param affine: whether to fit an offset.
    :returns: gain, offset and robust standard deviation of the residuals, or None if there is no
        plausible relation.
    """
    if now.size < 50:
        return None
    if affine:
        middle, center = median(now), median(then)
        width = median(np.abs(now - middle))
        gain = median(np.abs(then - center)) / width if width > 0 else 1.0
    else:
        middle = center = 0.0
        with np.errstate(divide='ignore', invalid='ignore'):
            gain = median(then / now)
    # about the middle, offset and gain hardly depend on each other
    x, y, shift = now - middle, then - center, 0.0
    scale = 0.0
    for _ in range(ROUNDS):
        rest = y - gain * x - shift
        scale = 1.4826 * median(np.abs(rest))
        if scale <= 1e-9 * (abs(center) + float(np.abs(y).max())):
            break
        weight = 1 / (1 + np.square(rest / (2 * scale)))
        wx = weight * x
        sx, sy, sw = float(wx.sum()), float(weight @ y), float(weight.sum())
        sxx, sxy = float(wx @ x), float(wx @ y)
        if affine:
            determinant = sw * sxx - sx * sx
            if determinant <= 1e-12 * sw * sxx:
                return None
            gain = (sw * sxy - sx * sy) / determinant
            shift = (sy - gain * sx) / sw
        elif sxx > 0:
            gain = sxy / sxx
    if not (math.isfinite(gain) and 0.2 < gain < 5):
        return None
    return gain, center + shift - gain * middle, scale
