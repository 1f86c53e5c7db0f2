"""The log of the node, with printable lines of limited length and rate."""

from __future__ import annotations

from collections.abc import Callable
import threading
import time
from typing import Any

from depth_node.text import printable

BURST = 5
"""Maximum number of lines of a key in a burst."""
REFILL_S = 10.0
"""Time until another line of that key is allowed (s)."""
LONGEST_LINE = 1000


class Log:
    """
    An rclpy logger whose lines are printable and limited in length and, with a key, in rate.

    Lines caused by a person or a launch file have no key and are always written. Lines caused by
    a message have the key of their condition: the first ones are written immediately, then one
    every ten seconds, with the number of lines left out.

    :param logger: logger of an rclpy node.
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
        Log information.

        :param text: one line.
        :param key: key of the condition, if caused by a message; one of a fixed set.
        """
        line = self._line(text, key)
        if line is not None:
            self._logger.info(line)

    def warning(self, text: str, key: str = '') -> None:
        """
        Log a problem and its remedy.

        :param text: one line.
        :param key: as in :meth:`info`.
        """
        line = self._line(text, key)
        if line is not None:
            self._logger.warning(line)

    def error(self, text: str, key: str = '') -> None:
        """
        Log a problem that prevents publishing.

        :param text: one line, optionally followed by a traceback.
        :param key: as in :meth:`info`.
        """
        line = self._line(text, key)
        if line is not None:
            self._logger.error(line)

    def fatal(self, text: str) -> None:
        """
        Log the reason why the process ends.

        :param text: one line.
        """
        self._logger.fatal(printable(text, LONGEST_LINE))

    def _line(self, text: str, key: str) -> str | None:
        """Return the line to write, or None if the key has exceeded its rate."""
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
