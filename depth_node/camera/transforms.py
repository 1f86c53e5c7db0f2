"""Poses of frames: where they are looked up, and how messages give them."""

from __future__ import annotations

from typing import Any, Protocol

from depth_node.camera.rigid import Matrix, matrix_of

WAIT_S = 0.1
"""How long to wait for a transform that has not arrived yet (s)."""


class TransformSource(Protocol):
    """Where transforms are looked up: TF of a running robot, or of a recording."""

    @property
    def hint(self) -> str:
        """
        Return why the last lookup failed; empty if it succeeded.

        It is the end of a sentence that names the parameter to use instead of TF.
        """

    def lookup(
        self, target: str, source: str, stamp: int, wait: float = WAIT_S
    ) -> Matrix | None:
        """
        Return the pose of a frame in another one at a time.

        :param target: frame to express points in.
        :param source: frame of the points.
        :param stamp: the time (ns).
        :param wait: maximum waiting time (s).
        :returns: float64 (4, 4), from source to target, or None (see :attr:`hint`).
        """


def transform_matrix(transform: Any) -> Matrix:
    """
    Return the matrix of a transform.

    :param transform: geometry_msgs/Transform; the quaternion need not be normalized.
    :returns: float64 (4, 4).
    :raises DataError: a number that is not finite, or a quaternion of zeros.
    """
    return _matrix(transform.translation, transform.rotation)


def pose_matrix(pose: Any) -> Matrix:
    """
    Return the matrix of a pose.

    :param pose: geometry_msgs/Pose; the quaternion need not be normalized.
    :returns: float64 (4, 4).
    :raises DataError: a number that is not finite, or a quaternion of zeros.
    """
    return _matrix(pose.position, pose.orientation)


def _matrix(move: Any, turn: Any) -> Matrix:
    return matrix_of((move.x, move.y, move.z, turn.x, turn.y, turn.z, turn.w))
