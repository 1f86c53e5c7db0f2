"""Which frames of a running node are drawn, and the pictures that belong to them."""

from __future__ import annotations

from collections import deque
import time
from typing import Any

from depth_node.ros.messages import nanoseconds_of

REMEMBERED = 8
"""Frames of which more messages may come."""
MOST_BYTES = 2**26
"""Size of the pictures that wait for their depth (bytes)."""
MOST_PICTURES = 100
_EARLY = 0.1


class FrameChoice:
    """
    Chooses frames, at most so many per second, each with all of its messages.

    :param rate: frames per second.
    """

    def __init__(self, rate: float) -> None:
        self._period = 1 / rate
        self._next = 0.0
        self._stamps: deque[int] = deque(maxlen=REMEMBERED)

    def has(self, stamp: int) -> bool:
        """
        Return whether a frame has been chosen.

        :param stamp: of the frame (ns).
        :returns: whether its messages are drawn.
        """
        return stamp in self._stamps

    def takes(self, stamp: int) -> bool:
        """
        Choose a frame, if it is time for another one.

        :param stamp: of the frame (ns).
        :returns: whether its messages are drawn.
        """
        if self.has(stamp):
            return True
        now = time.monotonic()
        # slightly early is in time: frames do not come with the regularity of a clock
        if now < self._next - _EARLY * self._period:
            return False
        self._next = max(self._next + self._period, now)
        self._stamps.append(stamp)
        return True


class Pictures:
    """The latest pictures of a camera, until the depth of one of them arrives."""

    def __init__(self) -> None:
        self._kept: deque[Any] = deque(maxlen=MOST_PICTURES)
        self._bytes = 0

    def add(self, message: Any) -> None:
        """
        Keep a picture; the oldest ones go.

        :param message: Image or CompressedImage.
        """
        if len(self._kept) == MOST_PICTURES:
            self._drop()
        self._kept.append(message)
        self._bytes += len(message.data)
        while self._bytes > MOST_BYTES and len(self._kept) > 1:
            self._drop()

    def take(self, stamp: int) -> Any:
        """
        Return the picture of a frame, and forget those before it.

        :param stamp: of the frame (ns).
        :returns: its message; the latest one if it is not there any more, or None.
        """
        if all(nanoseconds_of(kept.header.stamp) != stamp for kept in self._kept):
            return self._kept[-1] if self._kept else None
        while nanoseconds_of(self._kept[0].header.stamp) != stamp:
            self._drop()
        return self._kept[0]

    def _drop(self) -> None:
        self._bytes -= len(self._kept.popleft().data)
