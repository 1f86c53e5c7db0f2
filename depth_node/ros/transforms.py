"""Transforms from TF, if tf2_ros is installed (there is no wheel of it)."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from depth_node.camera.rigid import Matrix
from depth_node.camera.transforms import transform_matrix, WAIT_S
from depth_node.errors import DataError
from depth_node.ros.messages import stamp_of
from depth_node.sources.frame import nanoseconds_of, SECOND

POLL_S = 0.004
STALE_S = 0.5
"""Age of the latest transform beyond which its publisher is considered gone (s)."""


class Transforms:
    """
    Looks up transforms; subscribes to TF at the first lookup.

    :param node: the node that owns the listener.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._buffer: Any = None
        self._listener: Any = None
        self._hints = threading.local()

    @property
    def hint(self) -> str:
        """
        Return why the last lookup of this thread failed; empty if it succeeded.

        It is the end of a sentence that names the parameter to use instead of TF.
        """
        return str(getattr(self._hints, 'text', ''))

    @property
    def used(self) -> bool:
        """Whether TF is subscribed to."""
        return self._listener is not None

    def lookup(self, target: str, source: str, stamp: int, wait: float = WAIT_S) -> Matrix | None:
        """
        Return the pose of a frame in another one at a time, interpolated between two transforms.

        If the transform of that time has not arrived yet, wait for it. The latest one is never
        used instead: if a robot turns at 1 rad/s, an obstacle 3 m away moves by 15 cm in 50 ms.

        :param target: frame to express points in.
        :param source: frame of the points.
        :param stamp: the time (ns).
        :param wait: maximum waiting time (s); 0 in the executor's thread, which receives TF.
        :returns: float64 (4, 4), from source to target, or None (see :attr:`hint`).
        """
        if target == source:
            self._hints.text = ''
            return np.eye(4)
        if not self._listening():
            return None
        end, when = time.monotonic() + wait, stamp_of(stamp)
        try:
            while not self._buffer.can_transform(target, source, when):
                latest = self._buffer.lookup_transform(target, source, Time())
                late = (stamp - nanoseconds_of(latest.header.stamp)) / SECOND
                if not 0 < late < STALE_S or time.monotonic() >= end:
                    self._hints.text = (
                        f', or publish the transform from {target} to {source} in time: the '
                        f'latest is {abs(late):.2f} s '
                        f'{"older" if late > 0 else "newer"} than the frame'
                    )
                    return None
                time.sleep(POLL_S)
            found = transform_matrix(
                self._buffer.lookup_transform(target, source, when).transform
            )
        except DataError as error:
            self._hints.text = f', or correct the transform from {target} to {source} ({error})'
            return None
        except Exception as error:  # noqa: BLE001  tf2 has a class for each reason
            why = str(error).rstrip('. ')
            self._hints.text = f', or publish the transform from {target} to {source} ({why})'
            return None
        self._hints.text = ''
        return found

    def _listening(self) -> bool:
        if self._listener is not None:
            return True
        try:
            from tf2_ros import Buffer, TransformListener
        except ImportError:
            self._hints.text = ' (TF is not available: tf2_ros is not installed)'
            return False
        self._buffer = Buffer()
        self._listener = TransformListener(self._buffer, self._node)
        return True
