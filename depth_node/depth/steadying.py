"""
Steadying: networks change their mind about scale and shift from frame to frame.

Each frame's prediction is compared with the one before at a few thousand pixels whose color did
not change, by a robust fit of gain (and offset, for kinds that have one). Chained, these fits
tell how the present frame relates to the recent past. The correction is a high-pass of that
chain: what jumps is taken out, what lasts is let through within `time_constant`. A steady trend,
as driving ahead makes, is followed and not taken for a jump; and where nothing jumps, hardly
anything is corrected.

The unit of all corrections is the kind's own linear space: disparity or depth, as the network
gives it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.config import TemporalConfig
from depth_node.model import ModelSpec, OutputKind

Plane = NDArray[np.float32]
Floats = NDArray[np.float64]

SAMPLES = 2500
"""Pixels compared, on a grid."""
CHANGED = 8
"""Steps of 8-bit color, beyond a change of all the light, that mean something moved there."""
MIN_SHARE = 0.25
"""With fewer unchanged pixels than this share, the scene was cut or is moving too fast."""
CALM = 0.01
"""Jumps from frame to frame that are worth correcting by half (relative)."""
STRIP = 65536
"""Pixels smoothed at a time."""
ROUNDS = 3
"""Rounds of reweighting; the fit starts close."""


class Steadier:
    """
    Steadies the predictions of one network on one camera, in place and without delay.

    :param config: the `temporal` parameters.
    :param spec: the network.
    """

    def __init__(self, config: TemporalConfig, spec: ModelSpec) -> None:
        self._config = config
        self._affine = spec.kind.has_shift
        # a sigmoid disparity is a disparity after adding this: gain is about -offset
        self._offset = 0.0
        if spec.kind is OutputKind.SIGMOID_DISPARITY:
            low, high = 1 / spec.max_depth, 1 / spec.min_depth
            self._offset = low / (high - low)
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
        """Forget the past."""
        self._stamp = -math.inf
        self._color: NDArray[np.int16] | None = None
        self._values: Floats | None = None
        self._before: Plane | None = None
        self._jitter = 0.0
        # log gain, and offset over the usual value
        self._chain = np.zeros(2)
        self._trend = np.zeros(2)

    def steady(self, values: Plane, image: NDArray[np.uint8], stamp: float) -> None:
        """
        Steady one prediction.

        :param values: float32 (H, W), the network's own numbers; changed.
        :param image: uint8 (H, W, 3) or (H, W), the frame.
        :param stamp: time of the frame (s).
        """
        if not self._config.enabled:
            return
        height, width = values.shape
        step = max(1, math.isqrt(height * width // SAMPLES))
        grid = (slice(step // 2, None, step), slice(step // 2, None, step))
        green = image if image.ndim == 2 else image[..., 1]
        color = green[grid].astype(np.int16)
        sampled = values[grid].astype(np.float64) + self._offset
        elapsed = stamp - self._stamp
        calm = self._unchanged(color, elapsed)
        self._color, self._stamp = color, stamp
        if calm is None or self._values is None or self._values.shape != sampled.shape:
            self._begin(sampled)
            return
        spread = self._correct(values, sampled, calm, elapsed)
        if self._config.smoothing > 0:
            self._smooth(values, calm, spread)

    def _unchanged(self, color: NDArray[np.int16], elapsed: float) -> NDArray[np.bool_] | None:
        """Return which pixels of the grid did not change, or None when the past is void."""
        before = self._color
        if not 0 < elapsed <= self._config.max_gap:
            return None
        if before is None or before.shape != color.shape:
            return None
        change = color - before
        calm = np.abs(change - int(np.median(change))) < CHANGED
        return calm if np.count_nonzero(calm) >= MIN_SHARE * calm.size else None

    def _begin(self, sampled: Floats) -> None:
        self._values, self._before, self._jitter = sampled, None, 0.0
        self._chain, self._trend = np.zeros(2), np.zeros(2)

    def _correct(
        self, values: Plane, sampled: Floats, calm: NDArray[np.bool_], elapsed: float
    ) -> float:
        """Apply the correction; return how much calm pixels still differ (robust sigma)."""
        assert self._values is not None
        now, then = sampled[calm], self._values[calm]
        usable = np.isfinite(now) & np.isfinite(then)
        self._values = sampled
        fitted = relation(now[usable], then[usable], affine=self._affine)
        if fitted is None:
            self._begin(sampled)
            return 0.0
        gain, offset, spread = fitted
        usual = max(_median(np.abs(now[usable])), 1e-12)
        forget = 1 - math.exp(-elapsed / self._config.time_constant)
        # from this frame to the one before, in numbers that add up
        move = np.array([math.log(gain), offset / usual])
        self._trend += 0.5 * forget * (move - self._trend)
        jump = move - self._trend
        self._jitter += 0.2 * (float(np.max(np.abs(jump))) - self._jitter)
        self._chain = (1 - forget) * (self._chain + jump)
        share = self._jitter**2 / (self._jitter**2 + CALM**2)
        total = math.exp(share * self._chain[0])
        shift = share * self._chain[1] * usual + self._offset * (total - 1)
        np.multiply(values, np.float32(total), out=values)
        np.add(values, np.float32(shift), out=values)
        return spread * total

    def _smooth(self, values: Plane, calm: NDArray[np.bool_], spread: float) -> None:
        """Blend each pixel with its past where it neither moves nor lies on an edge."""
        before = self._before
        if before is None or before.shape != values.shape or not spread > 0:
            self._before = values.copy()
            return
        height, width = values.shape
        # what moves changes color; what lies on an edge jumps by more than the noise
        still = cv2.erode(calm.astype(np.uint8), np.ones((3, 3), np.uint8))
        weight = cv2.resize(
            still.astype(np.float32) * np.float32(self._config.smoothing), (width, height),
            interpolation=cv2.INTER_NEAREST,
        )
        # strip by strip, so that all passes but the first find the pixels in the cache
        rows = max(1, STRIP // width)
        for top in range(0, height, rows):
            strip = slice(top, top + rows)
            now, past = values[strip], before[strip]
            cv2.subtract(past, now, dst=past)
            # nothing beyond the limits, and nothing where either is not finite
            cv2.threshold(past, 4 * spread, 0, cv2.THRESH_TOZERO_INV, dst=past)
            cv2.threshold(past, -4 * spread, 0, cv2.THRESH_TOZERO, dst=past)
            cv2.patchNaNs(past, 0)
            cv2.multiply(past, weight[strip], dst=past)
            cv2.add(now, past, dst=now)
            np.copyto(past, now)


def relation(now: Floats, then: Floats, *, affine: bool) -> tuple[float, float, float] | None:
    """
    Fit then = gain now + offset to pixels that saw the same, most of them.

    Starts from medians and ends with a few rounds of Cauchy weights (Holland and Welsch 1977);
    a full search would cost more than the millisecond there is.

    :param now: float64 (N,).
    :param then: float64 (N,).
    :param affine: whether there is an offset.
    :returns: gain, offset and robust standard deviation of what is left, or None where no
        sensible relation is found.
    """
    if now.size < 50:
        return None
    if affine:
        middle, center = _median(now), _median(then)
        width = _median(np.abs(now - middle))
        gain = _median(np.abs(then - center)) / width if width > 0 else 1.0
    else:
        middle = center = 0.0
        with np.errstate(divide='ignore', invalid='ignore'):
            gain = _median(then / now)
    # about the middle, offset and gain hardly depend on each other
    x, y, shift = now - middle, then - center, 0.0
    scale = 0.0
    for _ in range(ROUNDS):
        rest = y - gain * x - shift
        scale = 1.4826 * _median(np.abs(rest))
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


def _median(values: Floats) -> float:
    """Return the upper median; np.median's checks cost as much as the median."""
    middle = values.size // 2
    return float(np.partition(values, middle)[middle])
