"""Counters and conditions of the node, without ROS."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
import math
import re
import threading
import time

from depth_node.text import printable
from depth_node.timing import Stages

WINDOW_S = 5.0
"""Window of rates and latencies (s)."""


@dataclass
class Problem:
    """
    A problem and its remedy.

    :param text: one line.
    :param fatal: whether it prevents publishing.
    :param since: time when it was first seen (s, monotonic clock).
    """

    text: str
    fatal: bool = False
    since: float = field(default_factory=time.monotonic)


class Meter:
    """Events of the last few seconds, each with a value."""

    def __init__(self) -> None:
        self._events: deque[tuple[float, float]] = deque(maxlen=2000)

    def add(self, value: float = 0.0) -> None:
        """
        Add an event at the current time.

        :param value: value of the event.
        """
        self._events.append((time.monotonic(), value))

    def _recent(self) -> list[float]:
        start = time.monotonic() - WINDOW_S
        return [value for when, value in list(self._events) if when >= start]

    def rate(self) -> float:
        """
        Return the rate of events.

        :returns: events per second, over the last five seconds.
        """
        start = time.monotonic() - WINDOW_S
        times = [when for when, _ in list(self._events) if when >= start]
        if len(times) < 2:
            return len(times) / WINDOW_S
        return (len(times) - 1) / max(times[-1] - times[0], 1e-3)

    def age(self) -> float:
        """
        Return the time since the last event.

        :returns: seconds, infinite if there was none.
        """
        return time.monotonic() - self._events[-1][0] if self._events else math.inf

    def quantile(self, share: float) -> float:
        """
        Return a quantile of the recent values.

        :param share: 0 to 1.
        :returns: the value, NaN if there was no event.
        """
        values = sorted(self._recent())
        if not values:
            return math.nan
        return values[min(len(values) - 1, int(share * len(values)))]


class Health:
    """
    Counters and conditions, updated by the executor and the worker.

    A condition has a key; setting it again with the same text changes nothing. Conditions hold
    until they are cleared.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.calibration = ''
        self.received = Meter()
        self.infos = Meter()
        self.published = Meter()
        self.latency = Meter()
        self.stages = Stages()
        self.dropped: Counter[str] = Counter()
        self.frames_in = 0
        self.frames_out = 0
        self.errors = 0
        self.invalid_share = math.nan
        self.scale: dict[str, object] = {}
        self._problems: dict[str, Problem] = {}
        self._started = time.monotonic()
        self.last_error: Problem | None = None
        self.device_lost = ''
        """Why the process must be restarted; empty if it need not."""

    def restart(self) -> None:
        """Start waiting for frames."""
        self._started = time.monotonic()

    def uptime(self) -> float:
        """
        Return how long the node has been waiting for frames.

        :returns: seconds since :meth:`restart`.
        """
        return time.monotonic() - self._started

    def report(self, key: str, text: str, *, fatal: bool = False) -> bool:
        """
        Set a condition.

        :param key: name of the condition.
        :param text: the problem and its remedy.
        :param fatal: whether it prevents publishing.
        :returns: whether it is new or its words have changed, and should be logged; numbers may
            change with every frame.
        """
        text = printable(text)
        with self._lock:
            known = self._problems.get(key)
            same = known is not None and known.text == text
            if known is not None and (same or _words(known.text) == _words(text)):
                known.text, known.fatal = text, fatal
                return False
            self._problems[key] = Problem(text, fatal)
            return True

    def clear(self, *keys: str) -> None:
        """
        Clear conditions, if they hold.

        :param keys: names of the conditions.
        """
        with self._lock:
            for key in keys:
                self._problems.pop(key, None)

    def problems(self) -> dict[str, Problem]:
        """
        Return the current conditions.

        :returns: a copy, oldest first.
        """
        with self._lock:
            return dict(self._problems)

    def sent(self, latency: float) -> None:
        """
        Count a published frame.

        :param latency: time since its reception (s).
        """
        self.published.add()
        self.latency.add(latency)
        self.frames_out += 1

    def drop(self, reason: str) -> None:
        """
        Count a dropped frame.

        :param reason: a few words, shown in the diagnostics.
        """
        with self._lock:
            self.dropped[reason] += 1

    def error(self, text: str) -> None:
        """
        Count an error and store it as the last one.

        :param text: the error with its remedy.
        """
        with self._lock:
            self.errors += 1
            self.last_error = Problem(printable(text))


def _words(text: str) -> str:
    """Return a text without its numbers."""
    return re.sub(r"(?<![\w'])\d+(\.\d+)?", '#', text)
