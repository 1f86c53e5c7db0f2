"""A camera's calibration as plain numbers: the fields of CameraInfo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from depth_node.errors import DataError

LARGEST_SIDE = 16384
"""Widest or highest image a calibration may be of (pixels)."""


class UncalibratedError(DataError):
    """CameraInfo says the camera has no calibration (K[0] is 0)."""


def is_calibrated(k: Sequence[float]) -> bool:
    """
    Return whether CameraInfo holds a calibration.

    :param k: K of CameraInfo, 9 numbers.
    :returns: False if K[0] is 0, which marks an uncalibrated camera.
    """
    return len(k) == 9 and float(k[0]) != 0.0


@dataclass(frozen=True)
class CameraNumbers:
    """
    The fields of sensor_msgs/CameraInfo without its header, binning and ROI.

    :param width: full resolution (pixels).
    :param height: full resolution (pixels).
    :param distortion_model: as in CameraInfo.
    :param d: distortion coefficients.
    :param k: 3x3, row by row, of the raw image.
    :param r: 3x3, row by row, rectification.
    :param p: 3x4, row by row, of the rectified image.
    """

    width: int
    height: int
    distortion_model: str
    d: tuple[float, ...]
    k: tuple[float, ...]
    r: tuple[float, ...]
    p: tuple[float, ...]

    @classmethod
    def of(cls, message: Any) -> CameraNumbers:
        """
        Take the numbers out of a message.

        :param message: sensor_msgs/CameraInfo of ROS 1 (whose matrices have capital letters) or
            of ROS 2, from rclpy or from a rosbag.
        :returns: its numbers, unchecked.
        """
        d, k, r, p = (
            tuple(map(float, getattr(message, name if hasattr(message, name) else name.upper())))
            for name in 'dkrp'
        )
        return cls(
            int(message.width), int(message.height), str(message.distortion_model), d, k, r, p
        )


def with_translation(k: tuple[float, ...]) -> tuple[float, ...]:
    """
    Return P of a single camera with a given K.

    :param k: 3x3, row by row.
    :returns: 3x4, row by row: [K | 0].
    """
    return (*k[0:3], 0.0, *k[3:6], 0.0, *k[6:9], 0.0)
