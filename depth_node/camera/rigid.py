"""Rigid transforms as matrices."""

from __future__ import annotations

from collections.abc import Sequence
import math

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError

Matrix = NDArray[np.float64]

LARGEST = 1e9
"""Numbers from here on are no place on Earth, and squares of them may overflow."""


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
