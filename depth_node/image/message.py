"""From an Image or CompressedImage message of any ROS to an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.image.compressed import decode_message
from depth_node.image.encodings import image_view, to_metres, to_rgb

RAW = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'


def view_of_message(message: Any) -> NDArray[Any]:
    """
    Return the pixels of an image message, without copying.

    :param message: sensor_msgs/Image of ROS 1 or 2, from rclpy or from a rosbag.
    :returns: as :func:`depth_node.image.encodings.image_view`.
    :raises DataError: an unknown encoding, or the fields contradict each other.
    """
    return image_view(
        message.encoding, message.height, message.width, message.step,
        bool(message.is_bigendian), message.data,
    )


def rgb_of_message(message: Any, kind: str) -> NDArray[np.uint8]:
    """
    Decode an image message.

    :param message: Image or CompressedImage.
    :param kind: its message type.
    :returns: uint8 (H, W, 3).
    :raises DataError: an encoding without color, or bytes that do not match it.
    """
    if kind == COMPRESSED:
        return decode_message(message.data, message.format)
    return to_rgb(view_of_message(message), message.encoding)


def metres_of_message(
    message: Any, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """
    Return the metres of a depth image message (REP-118).

    :param message: sensor_msgs/Image, ``32FC1`` (m) or ``16UC1`` (mm).
    :param out: float32 (H, W) for the result; None: a new array.
    :returns: float32 (H, W), z-depth (m).
    :raises DataError: the message is inconsistent, or not a depth image.
    """
    return to_metres(view_of_message(message), message.encoding, out)
