"""The node's log: no line that a stranger shapes, and none that repeats at his rate."""

from __future__ import annotations

from collections.abc import Callable
import threading
import time
from typing import Any

from depth_node.text import printable

BURST = 5
"""Lines of one key that may follow each other at once."""
REFILL_S = 10.0
"""Seconds until another line of that key is allowed."""
LONGEST_LINE = 1000


class Log:
    """
    An rclpy logger whose lines are printable, bounded in length and, with a key, in rate.

    What a person or a launch file causes has no key and is always written. What a message causes
    has the key of its condition: the first lines are written at once, then one in ten seconds,
    which says how many were left out.

    :param logger: of an rclpy node.
    :param clock: monotonic time (s).
    """

    def __init__(self, logger: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._allowed: dict[str, tuple[float, float]] = {}
        self._left_out: dict[str, int] = {}

    def info(self, text: str, key: str = '') -> None:
        """
        Log something worth knowing.

        :param text: one line.
        :param key: of the condition, where a message causes it; one of a fixed set of words.
        """
        line = self._line(text, key)
        if line is not None:
            self._logger.info(line)

    def warning(self, text: str, key: str = '') -> None:
        """
        Log what is wrong and what to do.

        :param text: one line.
        :param key: as in :meth:`info`.
        """
        line = self._line(text, key)
        if line is not None:
            self._logger.warning(line)

    def error(self, text: str, key: str = '') -> None:
        """
        Log what keeps the node from publishing.

        :param text: one line, or with the lines of a traceback.
        :param key: as in :meth:`info`.
        """
        line = self._line(text, key)
        if line is not None:
            self._logger.error(line)

    def fatal(self, text: str) -> None:
        """
        Log why the process ends.

        :param text: one line.
        """
        self._logger.fatal(printable(text, LONGEST_LINE))

    def _line(self, text: str, key: str) -> str | None:
        """Return what to write, or None where the key has used up its lines."""
        line = printable(text, LONGEST_LINE)
        if not key:
            return line
        with self._lock:
            now = self._clock()
            tokens, then = self._allowed.get(key, (float(BURST), now))
            tokens = min(tokens + (now - then) / REFILL_S, float(BURST))
            if tokens < 1:
                self._allowed[key] = (tokens, now)
                self._left_out[key] = self._left_out.get(key, 0) + 1
                return None
            self._allowed[key] = (tokens - 1, now)
            left_out = self._left_out.pop(key, 0)
        return f'{line} ({left_out} similar lines left out)' if left_out else line
