"""Transforms from TF, where tf2_ros is installed; it comes with ROS and not with the wheels."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from depth_node.camera.rigid import Matrix, matrix_of

STALE_S = 0.5
"""How far the latest transform may be from the frame it is used for."""


class Transforms:
    """
    Looks frames up; listens to TF from the first question on.

    :param node: owner of the listener.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._buffer: Any = None
        self._listener: Any = None
        self.hint = ''
        """
        Why the last lookup found nothing; empty when it found something.

        It ends a sentence that names the parameter which does without TF.
        """

    def lookup(self, target: str, source: str, stamp: Any = None) -> Matrix | None:
        """
        Find where a frame is in another one.

        :param target: frame to express points in.
        :param source: frame the points are in.
        :param stamp: builtin_interfaces/Time, or None for the latest. A transform of that time
            that is not there yet is not waited for: the latest is taken, unless it is older
            than :data:`STALE_S`, when whoever published it may be gone.
        :returns: float64 (4, 4), from source to target, or None, and then :attr:`hint`.
        """
        if target == source:
            self.hint = ''
            return np.eye(4)
        if not self._listening():
            return None
        try:
            if stamp is not None and self._buffer.can_transform(target, source, stamp):
                found = self._buffer.lookup_transform(target, source, stamp)
            else:
                found = self._buffer.lookup_transform(target, source, Time())
        except Exception as error:  # noqa: BLE001  tf2 has a class for each reason
            why = str(error).rstrip('. ')
            self.hint = f', or publish the transform from {target} to {source} ({why})'
            return None
        age = 0.0 if stamp is None else _seconds(stamp) - _seconds(found.header.stamp)
        # a chain of static transforms has no time: its stamp is zero
        if _seconds(found.header.stamp) and abs(age) > STALE_S:
            self.hint = (
                f', or publish the transform from {target} to {source} more often: the latest is '
                f'{abs(age):.1f} s {"older" if age > 0 else "newer"} than the frame'
            )
            return None
        self.hint = ''
        return matrix(found.transform)

    def _listening(self) -> bool:
        if self._listener is not None:
            return True
        try:
            from tf2_ros import Buffer, TransformListener
        except ImportError:
            self.hint = ' (TF is not available: tf2_ros is not installed)'
            return False
        self._buffer = Buffer()
        self._listener = TransformListener(self._buffer, self._node)
        return True


def matrix(transform: Any) -> Matrix:
    """
    Write a transform as a matrix.

    :param transform: geometry_msgs/Transform; its quaternion need not be normalized.
    :returns: float64 (4, 4).
    """
    move, turn = transform.translation, transform.rotation
    return matrix_of((move.x, move.y, move.z, turn.x, turn.y, turn.z, turn.w))


def _seconds(stamp: Any) -> float:
    return float(stamp.sec) + 1e-9 * float(stamp.nanosec)
