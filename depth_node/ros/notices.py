"""Conditions that are logged when they are new and shown in diagnostics while they hold."""

from __future__ import annotations

import time

from depth_node.errors import DepthNodeError
from depth_node.ros.health import Health
from depth_node.ros.log import Log

CAUGHT_S = 10.0
"""How long the diagnostics show that a callback has failed (s)."""


class Notices:
    """
    Reports conditions to log and diagnostics.

    :param health: stores the conditions.
    :param log: the log of the node.
    """

    def __init__(self, health: Health, log: Log) -> None:
        self.health = health
        self._log = log
        self._caught = 0.0
        self._logged: dict[str, str] = {}

    def warn(self, key: str, text: str, *, fatal: bool = False) -> None:
        """
        Set a condition, and log it if it is new.

        :param key: name of the condition.
        :param text: the problem and its remedy.
        :param fatal: whether it prevents publishing.
        """
        if self.health.report(key, text, fatal=fatal):
            self._log.warning(text, key)

    def info(self, key: str, text: str) -> None:
        """
        Log information when it changes.

        :param key: name of the condition.
        :param text: one line.
        """
        if self._logged.get(key) != text:
            self._logged[key] = text
            self._log.info(text, key)

    def set(self, key: str, text: str) -> None:
        """
        Set a condition, or clear it.

        :param key: name of the condition.
        :param text: the problem and its remedy; empty to clear the condition.
        """
        if text:
            self.warn(key, text)
        else:
            self.health.clear(key)

    def failed(self, key: str, error: DepthNodeError) -> None:
        """
        Count a frame lost to an error, and log the error if it is new.

        :param key: name of the condition.
        :param error: the error, with its remedy.
        """
        self.health.drop('error')
        if self.health.report(key, str(error), fatal=True):
            self.health.error(str(error))
            self._log.error(str(error), key)

    def caught(self, text: str) -> None:
        """
        Report a failed callback for :data:`CAUGHT_S`.

        :param text: the callback and the reason.
        """
        self._caught = time.monotonic()
        self.health.error(text)
        self.health.report('callback', text)
        self._log.error(text, 'callback')

    def expire(self) -> None:
        """Clear the condition of :meth:`caught` if no callback has failed for a while."""
        if time.monotonic() - self._caught > CAUGHT_S:
            self.health.clear('callback')
