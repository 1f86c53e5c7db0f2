"""
Tracking of the scale: a robust Kalman filter on log scale (and shift).

The state is a random walk of at most `drift` per root second. The actual drift is estimated from
the measurements: filters with several shares of it run in parallel, and the one with the best
predictions is used (multiple models; Bar-Shalom, Estimation, 2001, section 11.6). A measurement
has its own covariance, increased by the excess scatter between frames. Measurements outside the
gate are rejected; many consecutive rejections mean that the scale has changed, and all filters
restart. Errors that frames share (`bias` of a measurement) are tracked separately and added to the
uncertainty; they never average out.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from depth_node.scale.fit import Floats
from depth_node.scale.measurement import Measurement, relative_sigma

FIRST = 5
"""Number of measurements to start the filter; fewer cannot reveal an outlier."""
GATE = 12.0
"""Squared Mahalanobis distance per degree of freedom beyond which a measurement is rejected."""
REFUSALS = 10
"""Number of consecutive rejections after which the filter restarts."""
SCATTER = 21
"""Number of measurements over which the scatter between frames is estimated."""
CHI2_MEDIAN = (0.455, 1.386)
"""Median of the chi-squared distribution with one and two degrees of freedom."""
FLOOR = 3e-5
"""Minimum relative standard deviation of a frame."""
BIAS_MEMORY = 10.0
"""Number of measurements over which the shared error is averaged."""
SIGNIFICANT = 3.0
"""Ratio of observed to expected scatter from which it is significant."""
SHARES = (1.0, 0.1, 0.01)
"""Shares of the drift of the parallel filters."""
FORGET = 0.95
"""Weight of the previous measurements when comparing the filters."""
STEADY = 1.0
"""Time without measurements after which the full drift is assumed (s)."""


@dataclass(frozen=True)
class Belief:
    """
    The estimate of the filter at some time.

    :param value: float64 (k,), log scale, and shift where k is 2.
    :param covariance: float64 (k, k), its total uncertainty.
    :param typical: output of the network for which the uncertainty of metres is reported.
    :param age: time since the last measurement used (s).
    :param inliers: number of its inliers.
    :param misfit: relative standard deviation of the residuals of a pixel.
    """

    value: Floats
    covariance: Floats
    typical: float
    age: float
    inliers: int
    misfit: float = 0.0

    @property
    def sigma(self) -> float:
        """Relative standard deviation of metres at the typical distance."""
        return relative_sigma(self.value, self.covariance, self.typical)


class _Filter:
    """A Kalman filter on a random walk, for one share of the drift."""

    def __init__(self, share: float, value: Floats, random: Floats) -> None:
        self.share = share
        self.value = value
        self.random = random
        self.merit = 0.0

    def predict(self, walk: Floats) -> None:
        self.random = self.random + self.share**2 * walk

    def correct(self, value: Floats, noise: Floats) -> None:
        innovation = value - self.value
        spread = self.random + noise
        distance = float(innovation @ np.linalg.solve(spread, innovation))
        likelihood = -0.5 * (min(distance, GATE * value.size) + np.linalg.slogdet(spread)[1])
        self.merit = FORGET * self.merit + float(likelihood)
        gain = np.linalg.solve(spread, self.random).T
        self.value = self.value + gain @ innovation
        keep = np.eye(value.size) - gain
        self.random = keep @ self.random @ keep.T + gain @ noise @ gain.T


class ScaleTracker:
    """
    Filters measurements of the scale.

    :param drift: maximum random walk of the scale, relative per root second.
    """

    def __init__(self, drift: float) -> None:
        self.drift = drift
        self.reset()

    def reset(self) -> None:
        """Discard everything."""
        self._filters: list[_Filter] = []
        self._bias = np.zeros((0, 0))
        self._typical = 1.0
        self._inliers = 0
        self._misfit = 0.0
        self._stamp = 0.0
        self._used = 0.0
        self._refused = 0
        self._first: list[tuple[float, Measurement]] = []
        self._last: Measurement | None = None
        self._distances: deque[float] = deque(maxlen=SCATTER)

    @property
    def collecting(self) -> int:
        """Number of measurements missing before the filter starts; 0: it is running."""
        return 0 if self._filters else FIRST - len(self._first)

    def start(self, stamp: float, belief: Belief) -> None:
        """
        Start from a known scale, such as a saved calibration.

        :param stamp: the current time (s).
        :param belief: the known scale; its uncertainty grows from here.
        """
        self.reset()
        self._filters = [_Filter(share, belief.value, belief.covariance) for share in SHARES]
        self._bias = np.zeros_like(belief.covariance)
        self._typical, self._inliers = belief.typical, belief.inliers
        self._misfit = belief.misfit
        self._stamp = self._used = stamp

    def update(self, stamp: float, found: Measurement) -> bool:
        """
        Add a measurement.

        :param stamp: its time (s).
        :param found: the measurement.
        :returns: whether it was used; False also while the first ones are collected.
        """
        self._watch_scatter(found)
        if self._filters:
            return self._correct(stamp, found)
        self._first.append((stamp, found))
        if len(self._first) < FIRST:
            return False
        self._start_from_first()
        return True

    def belief(self, stamp: float) -> Belief | None:
        """
        Return the estimate at a time, with the uncertainty at that time.

        :param stamp: the time (s).
        :returns: the estimate, or None before the filter has started.
        """
        if not self._filters:
            return None
        best = self._best()
        age = max(stamp - self._used, 0.0)
        steady = min(max(stamp - self._stamp, 0.0), STEADY)
        random = best.random + best.share**2 * self._walk(steady)
        random = random + self._walk(max(age - STEADY, 0.0))
        return Belief(
            best.value.copy(), random + self._bias + self._jitter(), self._typical, age,
            self._inliers, self._misfit,
        )

    def _best(self) -> _Filter:
        return max(self._filters, key=lambda one: one.merit)

    def _walk(self, duration: float) -> Floats:
        """Return the covariance of the random walk for a time, with the full drift."""
        value = self._filters[0].value
        step = [1.0, np.exp(value[0]) * self._typical][: value.size]
        return np.diag(np.square(step)) * (self.drift**2 * duration)

    def _correct(self, stamp: float, found: Measurement) -> bool:
        noise = self._noise(found)
        # a stamp from before the last one (a late sensor) does not shrink anything
        walk = self._walk(max(stamp - self._stamp, 0.0))
        for one in self._filters:
            one.predict(walk)
        self._stamp = max(stamp, self._stamp)
        # judged by the filter that doubts most; the shared error moves with the view
        widest = self._filters[0]
        innovation = found.value - widest.value
        doubt = widest.random + noise + self._bias + found.bias
        distance = float(innovation @ np.linalg.solve(doubt, innovation))
        if distance > GATE * innovation.size:
            self._refused += 1
            if self._refused >= REFUSALS:
                self._filters, self._first, self._refused = [], [], 0
            return False
        for one in self._filters:
            one.correct(found.value, noise)
        self._bias = self._bias + (found.bias - self._bias) / BIAS_MEMORY
        self._used, self._inliers, self._refused = stamp, found.inliers, 0
        self._typical += (found.typical - self._typical) / BIAS_MEMORY
        self._misfit += (found.misfit - self._misfit) / BIAS_MEMORY
        return True

    def _start_from_first(self) -> None:
        """Start from the measurement that the others agree with most."""
        def disagreement(index: int) -> float:
            _, one = self._first[index]
            distances = [
                float((one.value - other.value) @ np.linalg.solve(
                    self._noise(one) + self._noise(other), one.value - other.value
                ))
                for _, other in self._first
            ]
            return float(np.median(distances))

        best = min(range(len(self._first)), key=disagreement)
        stamp, found = self._first.pop(best)
        noise = self._noise(found)
        self._filters = [_Filter(share, found.value, noise) for share in SHARES]
        self._bias, self._typical = found.bias, found.typical
        self._misfit = found.misfit
        self._inliers, self._stamp, self._used = found.inliers, stamp, stamp
        rest, self._first = self._first, []
        for when, other in rest:
            self._correct(when, other)

    def _watch_scatter(self, found: Measurement) -> None:
        """Update the scatter between consecutive measurements in excess of their uncertainty."""
        if self._last is not None:
            change = found.value - self._last.value
            claimed = _floored(found) + _floored(self._last)
            self._distances.append(float(change @ np.linalg.solve(claimed, change)))
        self._last = found

    def _noise(self, found: Measurement) -> Floats:
        """Return the covariance of a measurement, increased by the recent scatter."""
        return _floored(found) * max(1.0, self._scatter(found.value.size))

    def _scatter(self, size: int) -> float:
        """Return the ratio of observed to expected variance between consecutive measurements."""
        if len(self._distances) < FIRST - 1:
            return 1.0
        # the median: outliers among the measurements must not widen the good ones
        return float(np.median(self._distances)) / CHI2_MEDIAN[size - 1]

    def _jitter(self) -> Floats:
        """
        Return the covariance by which a single frame differs from the average of frames.

        If the factor of a network changes from frame to frame, every frame has that error,
        however well the average is known.
        """
        assert self._last is not None or not self._distances
        if self._last is None:
            return np.zeros_like(self._bias)
        scatter = self._scatter(self._last.value.size)
        return _floored(self._last) * (scatter - 1 if scatter > SIGNIFICANT else 0.0)


def _floored(found: Measurement) -> Floats:
    size = [1.0, np.exp(found.value[0]) * found.typical][: found.value.size]
    return found.covariance + np.diag(np.square(size)) * FLOOR**2
