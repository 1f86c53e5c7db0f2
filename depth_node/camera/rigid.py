"""Rigid transforms as matrices."""

from __future__ import annotations

from collections.abc import Sequence
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError

Matrix = NDArray[np.float64]

LARGEST = 1e9
"""Numbers from here on are no place on Earth, and squares of them may overflow."""
_ROUNDING = 1e-3
"""Of products of rotations that were written with four digits."""


def matrix_of(numbers: Sequence[float]) -> Matrix:
    """
    Return the matrix of a translation and a quaternion.

    :param numbers: x, y, z (m) and a quaternion qx, qy, qz, qw that is not zero.
    :returns: float64 (4, 4).
    :raises DataError: not seven finite numbers, or a quaternion of zeros.
    """
    values = [float(n) for n in numbers]
    length = math.sqrt(sum(v * v for v in values[3:]))
    possible = len(values) == 7 and all(abs(v) < LARGEST for v in values)
    if not possible or not 1e-9 < length < LARGEST:
        raise DataError(
            f'{values} is not a transform, expected x y z (m) and a quaternion qx qy qz qw.'
        )
    x, y, z, w = (v / length for v in values[3:])
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = values[:3]
    return matrix


def is_rigid(matrix: Matrix) -> bool:
    """
    Return whether a matrix is a rotation and a shift, to the digits that text files have.

    :param matrix: float64 (4, 4).
    """
    turn = matrix[:3, :3]
    return bool(
        np.isfinite(matrix).all() and np.abs(matrix[:3, 3]).max() < LARGEST
        and np.allclose(turn @ turn.T, np.eye(3), atol=_ROUNDING)
        and np.linalg.det(turn) > 0 and np.array_equal(matrix[3], (0, 0, 0, 1))
    )


def interpolated(first: Matrix, second: Matrix, share: float) -> Matrix:
    """
    Return a pose between two: the place on a straight line, the turn about one axis.

    :param first: float64 (4, 4).
    :param second: float64 (4, 4).
    :param share: 0 is the first, 1 the second; above 1 extrapolates.
    :returns: float64 (4, 4); the turn is at constant speed, the shorter way (slerp; Shoemake,
        SIGGRAPH 1985).
    """
    turn = cv2.Rodrigues(first[:3, :3].T @ second[:3, :3])[0]
    pose = np.eye(4)
    pose[:3, :3] = first[:3, :3] @ cv2.Rodrigues(share * turn)[0]
    pose[:3, 3] = (1 - share) * first[:3, 3] + share * second[:3, 3]
    return pose
