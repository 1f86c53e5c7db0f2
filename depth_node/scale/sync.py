"""Matching what arrives at other times than the frames."""

from __future__ import annotations

import bisect
from collections.abc import Callable
import threading
from typing import Generic, TypeVar

import cv2
import numpy as np

from depth_node.scale.fit import Floats

T = TypeVar('T')


class StampedBuffer(Generic[T]):
    """
    Keeps the last items that arrived, sorted by their time; safe to use from several threads.

    Memory is bounded whatever the stamps are: an item replaces the one of the same stamp, and
    beyond `most` the oldest go.

    :param span: how long items are kept, counted back from the newest (s).
    :param most: greatest number of items kept.
    """

    def __init__(self, span: float, most: int = 1000) -> None:
        self.span = span
        self.most = most
        self._stamps: list[float] = []
        self._items: list[T] = []
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """Return how many things are kept."""
        return len(self._stamps)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._stamps.clear()
            self._items.clear()

    def add(self, stamp: float, item: T) -> None:
        """
        Keep an item; a clock that jumped back by more than the span empties the buffer first.

        :param stamp: its time (s).
        :param item: what to keep.
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
        """Return the time of the newest item (s), or None when there is none."""
        with self._lock:
            return self._stamps[-1] if self._stamps else None

    def nearest(self, stamp: float, tolerance: float) -> tuple[float, T] | None:
        """
        Find what is nearest in time.

        :param stamp: the time asked for (s).
        :param tolerance: how far off it may be (s).
        :returns: its time and the thing, or None.
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
        Interpolate between the two around a time, or go on from the last two.

        :param stamp: the time asked for (s).
        :param blend: of the earlier, the later and the share of the later: 0 to 1, above 1 to
            go on.
        :param gap: the longest time between the two that may be bridged (s).
        :param beyond: how far after the newest it may be (s).
        :returns: the blend, or None when there are no two that are close enough.
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
    """Notices stamps that stand still while time passes."""

    WINDOW = 2.0
    """Time over which stamps have to advance (s)."""
    SLOWEST = 0.01
    """Advance of the stamps over that of time; a bag is hardly played a hundred times slower."""
    PAUSE = 0.5
    """A longer time between two frames is a pause, and counts as so long (s)."""

    def __init__(self) -> None:
        self._still = False
        self._last: float | None = None
        self._passed = 0.0
        self._since = 0.0

    def stands_still(self, stamp: float, now: float) -> bool:
        """
        Take the stamp of the next frame.

        :param stamp: of the frame (s).
        :param now: monotonic time (s).
        :returns: whether the stamps have stood still over the last window.
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


def blend_poses(first: Floats, second: Floats, share: float) -> Floats:
    """
    Interpolate between two poses: positions on the line, rotations about the one axis.

    :param first: float64 (4, 4).
    :param second: float64 (4, 4).
    :param share: of the second, 0 to 1.
    :returns: float64 (4, 4).
    """
    turn, _ = cv2.Rodrigues(first[:3, :3].T @ second[:3, :3])
    part, _ = cv2.Rodrigues(turn * share)
    out = np.eye(4)
    out[:3, :3] = first[:3, :3] @ part
    out[:3, 3] = (1 - share) * first[:3, 3] + share * second[:3, 3]
    return out
