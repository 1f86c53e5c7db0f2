"""Transforms from TF, where tf2_ros is installed; it comes with ROS and not with the wheels."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from depth_node.camera.rigid import Matrix, matrix_of
from depth_node.errors import DataError

WAIT_S = 0.1
"""How long to wait for a transform that has not arrived yet."""
POLL_S = 0.004
STALE_S = 0.5
"""Who has not published for so long before the frame is not waited for."""


class Transforms:
    """
    Looks up transforms; subscribes to TF at the first lookup.

    :param node: owner of the listener.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._buffer: Any = None
        self._listener: Any = None
        self._hints = threading.local()

    @property
    def hint(self) -> str:
        """
        Why the last lookup of this thread found nothing; empty when it found something.

        It ends a sentence that names the parameter which does without TF.
        """
        return str(getattr(self._hints, 'text', ''))

    def lookup(self, target: str, source: str, stamp: Any, wait: float = WAIT_S) -> Matrix | None:
        """
        Find where a frame is in another one at a time, between two transforms by interpolation.

        Where the transform of that time has not arrived yet, it is waited for; the latest one is
        never taken instead: a robot that turns at 1 rad/s moves an obstacle 3 m away by 15 cm in
        50 ms.

        :param target: frame to express points in.
        :param source: frame the points are in.
        :param stamp: builtin_interfaces/Time.
        :param wait: how long to wait (s); 0 in the executor's thread, which receives TF.
        :returns: float64 (4, 4), from source to target, or None, and then :attr:`hint`.
        """
        if target == source:
            self._hints.text = ''
            return np.eye(4)
        if not self._listening():
            return None
        end = time.monotonic() + wait
        try:
            while not self._buffer.can_transform(target, source, stamp):
                latest = self._buffer.lookup_transform(target, source, Time())
                late = _seconds(stamp) - _seconds(latest.header.stamp)
                if not 0 < late < STALE_S or time.monotonic() >= end:
                    self._hints.text = (
                        f', or publish the transform from {target} to {source} in time: the '
                        f'latest is {abs(late):.2f} s '
                        f'{"older" if late > 0 else "newer"} than the frame'
                    )
                    return None
                time.sleep(POLL_S)
            found = matrix(self._buffer.lookup_transform(target, source, stamp).transform)
        except DataError as error:
            self._hints.text = f', or mend the transform from {target} to {source} ({error})'
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


def matrix(transform: Any) -> Matrix:
    """
    Write a transform as a matrix.

    :param transform: geometry_msgs/Transform; its quaternion need not be normalized.
    :returns: float64 (4, 4).
    :raises DataError: a number that is not finite, or a quaternion of zeros.
    """
    return _matrix(transform.translation, transform.rotation)


def pose_matrix(pose: Any) -> Matrix:
    """
    Write a pose as a matrix.

    :param pose: geometry_msgs/Pose; its quaternion need not be normalized.
    :returns: float64 (4, 4).
    :raises DataError: a number that is not finite, or a quaternion of zeros.
    """
    return _matrix(pose.position, pose.orientation)


def _matrix(move: Any, turn: Any) -> Matrix:
    return matrix_of((move.x, move.y, move.z, turn.x, turn.y, turn.z, turn.w))


def _seconds(stamp: Any) -> float:
    return float(stamp.sec) + 1e-9 * float(stamp.nanosec)
