"""Saying a thing once: to the log when it is news, to the diagnostics while it holds."""

from __future__ import annotations

from typing import Any

from depth_node.errors import DepthNodeError
from depth_node.ros.health import Health


class Notices:
    """
    Conditions with a voice.

    :param health: where conditions are kept.
    :param logger: an rclpy logger.
    """

    def __init__(self, health: Health, logger: Any) -> None:
        self.health = health
        self._logger = logger
        self._told: dict[str, str] = {}

    def warn(self, key: str, text: str, *, fatal: bool = False) -> None:
        """
        Raise a condition.

        :param key: names it.
        :param text: what is wrong and what to do.
        :param fatal: whether nothing can be published because of it.
        """
        if self.health.set(key, text, fatal=fatal):
            self._logger.warning(text)

    def tell(self, key: str, text: str) -> None:
        """
        Log something worth knowing whenever it changes.

        :param key: names it.
        :param text: one line.
        """
        if self._told.get(key) != text:
            self._told[key] = text
            self._logger.info(text)

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
            self._logger.error(str(error))
