"""From a CameraInfo message of any ROS to the camera of an image."""

from __future__ import annotations

from typing import Any

from depth_node.camera.camera import Camera
from depth_node.camera.info import CameraNumbers
from depth_node.camera.rectified import Choice, choose


def camera_of_message(
    message: Any, topic: str, rectified: str = 'auto'
) -> tuple[Camera, Choice]:
    """
    Read the camera of the images of a topic.

    :param message: sensor_msgs/CameraInfo of ROS 1 or 2.
    :param topic: the resolved name of the image topic.
    :param rectified: ``auto``, ``true`` or ``false``.
    :returns: the camera of the image as it is sent, after region of interest and binning, and
        which of the message's matrices it was made of.
    :raises UncalibratedError: K[0] is 0.
    :raises DataError: numbers that are not finite, impossible or contradict each other.
    """
    numbers, roi = CameraNumbers.of(message), message.roi
    choice = choose(numbers, topic, rectified)
    camera = Camera.from_info(
        numbers.width, numbers.height, numbers.distortion_model, numbers.d, numbers.k, numbers.p,
        binning_x=int(message.binning_x), binning_y=int(message.binning_y),
        roi=(int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)),
        rectified=choice.rectified,
    )
    return camera, choice
