"""Matching of readings and frames in time."""

from __future__ import annotations

import bisect
from collections.abc import Callable
import threading
from typing import Generic, TypeVar

T = TypeVar('T')


class StampedBuffer(Generic[T]):
    """
    A buffer of recent items, sorted by their time; thread-safe.

    Memory is bounded for any stamps: an item replaces the one with the same stamp, and beyond
    `most` the oldest are dropped.

    :param span: how long items are kept, relative to the newest (s).
    :param most: maximum number of items.
    """

    def __init__(self, span: float, most: int = 1000) -> None:
        self.span = span
        self.most = most
        self._stamps: list[float] = []
        self._items: list[T] = []
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._stamps)

    def clear(self) -> None:
        """Remove all items."""
        with self._lock:
            self._stamps.clear()
            self._items.clear()

    def add(self, stamp: float, item: T) -> None:
        """
        Add an item; a clock that jumps back by more than the span empties the buffer first.

        :param stamp: its time (s).
        :param item: the item.
        """
        with self._lock:
            if self._stamps and stamp < self._stamps[-1] - self.span:
                self.clear()
            place = bisect.bisect_left(self._stamps, stamp)
            if place < len(self._stamps) and self._stamps[place] == stamp:
                self._items[place] = item
                return
            self._stamps.insert(place, stamp)
            self._items.insert(place, item)
            old = bisect.bisect_left(self._stamps, self._stamps[-1] - self.span)
            old = max(old, len(self._stamps) - self.most)
            del self._stamps[:old]
            del self._items[:old]

    def newest(self) -> float | None:
        """Return the time of the newest item (s), or None if there is none."""
        with self._lock:
            return self._stamps[-1] if self._stamps else None

    def nearest(self, stamp: float, tolerance: float) -> tuple[float, T] | None:
        """
        Return the item nearest in time.

        :param stamp: the requested time (s).
        :param tolerance: maximum difference (s).
        :returns: its time and the item, or None.
        """
        with self._lock:
            if not self._stamps:
                return None
            place = bisect.bisect_left(self._stamps, stamp)
            around = range(max(place - 1, 0), min(place + 1, len(self._stamps)))
            best = min(around, key=lambda index: abs(self._stamps[index] - stamp))
            if abs(self._stamps[best] - stamp) > tolerance:
                return None
            return self._stamps[best], self._items[best]

    def between(
        self, stamp: float, blend: Callable[[T, T, float], T], gap: float, beyond: float = 0.0
    ) -> T | None:
        """
        Interpolate between the two items around a time, or extrapolate from the last two.

        :param stamp: the requested time (s).
        :param blend: combines the earlier, the later, and the share of the later: 0 to 1, above 1
            to extrapolate.
        :param gap: maximum time between the two (s).
        :param beyond: maximum time after the newest (s).
        :returns: the result, or None if there are no two items close enough.
        """
        with self._lock:
            place = bisect.bisect_left(self._stamps, stamp)
            if place < len(self._stamps) and self._stamps[place] == stamp:
                return self._items[place]
            if place == len(self._stamps) and place and stamp <= self._stamps[-1] + beyond:
                place -= 1
            if place == 0 or place == len(self._stamps):
                return None
            before, after = self._stamps[place - 1], self._stamps[place]
            if not 0 < after - before <= gap:
                return None
            first, second = self._items[place - 1], self._items[place]
        share = (stamp - before) / (after - before)
        return blend(first, second, share)


class ClockWatch:
    """Detects stamps that do not advance while time passes."""

    WINDOW = 2.0
    """Time over which stamps must advance (s)."""
    SLOWEST = 0.01
    """Minimum rate of stamps over time; bags are hardly played a hundred times slower."""
    PAUSE = 0.5
    """A longer time between two frames is a pause, and counts as this (s)."""

    def __init__(self) -> None:
        self._still = False
        self._last: float | None = None
        self._passed = 0.0
        self._since = 0.0

    def stands_still(self, stamp: float, now: float) -> bool:
        """
        Add the stamp of the next frame.

        :param stamp: stamp of the frame (s).
        :param now: monotonic time (s).
        :returns: whether the stamps have not advanced over the last window.
        """
        if self._last is None:
            self._since = stamp
        else:
            self._passed += min(now - self._last, self.PAUSE)
        self._last = now
        if self._passed >= self.WINDOW:
            self._still = abs(stamp - self._since) < self.SLOWEST * self._passed
            self._passed, self._since = 0.0, stamp
        return self._still
