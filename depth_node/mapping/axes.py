"""Which way is up, and the axes of a map: x ahead, y to the left, z up (REP-103)."""

from __future__ import annotations

import enum

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import ConfigError

_CLEAR = 0.8
"""Cosine of the largest angle at which an axis of the fixed frame is called up (37 degrees)."""


class Up(str, enum.Enum):
    """The axis of a fixed frame that points up."""

    X = 'x'
    MINUS_X = '-x'
    Y = 'y'
    MINUS_Y = '-y'
    Z = 'z'
    MINUS_Z = '-z'

    @property
    def vector(self) -> NDArray[np.float64]:
        """The direction, float64 (3,)."""
        axis = np.zeros(3)
        axis['xyz'.index(self.value[-1])] = -1.0 if self.value.startswith('-') else 1.0
        return axis

    def to_map(self) -> NDArray[np.float64]:
        """
        Return the rotation from the fixed frame to the map.

        With z up it is none. With -y up, as in the optical frame of a first camera, the map's x
        is the frame's z, ahead.

        :returns: float64 (3, 3), a permutation of axes with signs.
        """
        up = self.vector
        ahead = np.roll(np.abs(up), 1)
        return np.array([ahead, np.cross(up, ahead), up])


def up_of(poses: NDArray[np.float64], name: str) -> Up:
    """
    Find the axis that is up from the cameras, which are mostly upright.

    :param poses: float64 (N, 4, 4), optical frames to the fixed frame.
    :param name: of the poses, for the error.
    :returns: the axis nearest to the mean of up in the images.
    :raises ConfigError: it is near none, as with a camera that looks down.
    """
    mean = -poses[:, :3, 1].mean(axis=0)
    best = max(Up, key=lambda up: float(up.vector @ mean))
    if best.vector @ mean < _CLEAR:
        raise ConfigError(
            f'{name}: up in the images is {np.array2string(mean, precision=2)} in the frame of '
            'the poses, which is near none of its axes.',
            'Say which one is up: --up z, or --up=-y.',
        )
    return best
