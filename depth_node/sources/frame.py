"""One picture of a camera, wherever it comes from, and all that is known about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.camera.turning import turned_camera
from depth_node.errors import DataError
from depth_node.image.orientation import Turn, UPRIGHT
from depth_node.image.size import Size

SECOND = 1_000_000_000
"""Nanoseconds."""


@dataclass(frozen=True)
class Frame:
    """
    One picture and what its source knows about it.

    Stamps are whole nanoseconds: a float of seconds since the epoch is off by up to 240 ns, and
    an output would no longer carry the stamp of its input.

    :param rgb: uint8 (H, W, 3); may be a view on a message or a decoder's buffer.
    :param stamp: when it was taken (ns; from an arbitrary zero for folders and videos); None: the
        frame has no place in time.
    :param camera: the camera that took it, of the picture's size; None: not calibrated.
    :param name: for output files; unique within the source.
    :param depth: float32 (H, W), true z-depth (m), NaN where unknown; None: there is no truth.
    :param pose: float64 (4, 4), camera optical frame to a fixed frame (m), or None.
    :param stereo: uint8 (H, W, 3), the rectified right partner, or None.
    :param baseline: distance of the partner along +x of the optical frame (m).
    :param frame_id: name of the optical frame; empty outside ROS.
    """

    rgb: NDArray[np.uint8]
    stamp: int | None = None
    camera: Camera | None = None
    name: str = ''
    depth: NDArray[np.float32] | None = None
    pose: NDArray[np.float64] | None = None
    stereo: NDArray[np.uint8] | None = None
    baseline: float = 0.0
    frame_id: str = ''

    @property
    def size(self) -> Size:
        """Width and height of the picture (pixels)."""
        return Size(self.rgb.shape[1], self.rgb.shape[0])

    @property
    def seconds(self) -> float | None:
        """The stamp in seconds, for differences of time; None without one."""
        return None if self.stamp is None else self.stamp / SECOND


def nanoseconds_of(stamp: Any) -> int:
    """
    Return the time of a message's stamp.

    :param stamp: builtin_interfaces/Time, from rclpy or from a rosbag.
    :returns: since the epoch (ns).
    """
    return int(stamp.sec) * SECOND + int(stamp.nanosec)


def nanoseconds(seconds: float | None) -> int | None:
    """
    Convert a time to a stamp.

    :param seconds: (s), or None.
    :returns: (ns), or None.
    """
    return None if seconds is None else round(seconds * SECOND)


def fitted(
    camera: Camera | None, rgb: NDArray[np.uint8], turn: Turn = UPRIGHT
) -> Camera | None:
    """
    Return a calibration at the size of an image.

    An image that was turned may have been calibrated upright or as it is stored: the calibration
    is that of the image whose aspect ratio it has, the upright one if it is square.

    :param camera: for this size, or for another size of the same aspect ratio; or None.
    :param rgb: (H, W, 3), upright.
    :param turn: how it was turned.
    :returns: the camera of this image, or None.
    :raises DataError: the aspect ratios differ.
    """
    if camera is None:
        return None
    size = Size(rgb.shape[1], rgb.shape[0])
    try:
        return camera.for_image(size, resized=True)
    except DataError:
        if turn.quarters % 2 == 0:
            raise
    return turned_camera(camera, turn).for_image(size, resized=True)
