"""Saying a thing once: to the log when it is news, to the diagnostics while it holds."""

from __future__ import annotations

import time

from depth_node.errors import DepthNodeError
from depth_node.ros.health import Health
from depth_node.ros.log import Log

CAUGHT_S = 10.0
"""How long the diagnostics show that a callback has failed."""


class Notices:
    """
    Conditions with a voice.

    :param health: where conditions are kept.
    :param log: the node's.
    """

    def __init__(self, health: Health, log: Log) -> None:
        self.health = health
        self._log = log
        self._caught = 0.0
        self._told: dict[str, str] = {}

    def warn(self, key: str, text: str, *, fatal: bool = False) -> None:
        """
        Raise a condition.

        :param key: names it.
        :param text: what is wrong and what to do.
        :param fatal: whether nothing can be published because of it.
        """
        if self.health.set(key, text, fatal=fatal):
            self._log.warning(text, key)

    def tell(self, key: str, text: str) -> None:
        """
        Log something worth knowing whenever it changes.

        :param key: names it.
        :param text: one line.
        """
        if self._told.get(key) != text:
            self._told[key] = text
            self._log.info(text, key)

    def set(self, key: str, text: str) -> None:
        """
        Raise a condition, or end it.

        :param key: names it.
        :param text: what is wrong and what to do; empty when nothing is.
        """
        if text:
            self.warn(key, text)
        else:
            self.health.clear(key)

    def failed(self, key: str, error: DepthNodeError) -> None:
        """
        Count a frame lost to an error; log the error once, not once a frame.

        :param key: names the condition.
        :param error: with its remedy.
        """
        self.health.drop('error')
        if self.health.set(key, str(error), fatal=True):
            self.health.error(str(error))
            self._log.error(str(error), key)

    def caught(self, text: str) -> None:
        """
        Note that a callback has failed; shown for :data:`CAUGHT_S`.

        :param text: which one, and why.
        """
        self._caught = time.monotonic()
        self.health.error(text)
        self.health.set('callback', text)
        self._log.error(text, 'callback')

    def expire(self) -> None:
        """End the condition of :meth:`caught` when no callback has failed for a while."""
        if time.monotonic() - self._caught > CAUGHT_S:
            self.health.clear('callback')
