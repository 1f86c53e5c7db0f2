"""From a camera's message to a frame, its camera and its header."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from depth_node.camera import Camera
from depth_node.config import Config
from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.ros import messages
from depth_node.ros.calibration import Calibration
from depth_node.ros.notices import Notices

RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class Seen:
    """
    One frame as it came.

    :param rgb: uint8 (H, W, 3); a view on the message where its encoding is rgb8.
    :param header: the message's, with the frame_id the parameters want.
    """

    rgb: RGB
    header: Header

    @property
    def size(self) -> Size:
        """Width and height of the frame (pixels)."""
        height, width = self.rgb.shape[:2]
        return Size(width, height)


class Reader:
    """
    Reads Image and CompressedImage into two buffers in turn, so that one may still be used.

    :param config: returns the configuration in force.
    :param calibration: where cameras come from.
    :param topic: returns the resolved image topic.
    :param notices: told about empty frame_ids and missing calibration.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        calibration: Calibration,
        topic: Callable[[], str],
        notices: Notices,
    ) -> None:
        self._config = config
        self._calibration = calibration
        self._topic = topic
        self._notices = notices
        self._buffers: list[RGB | None] = [None, None]

    def read(self, message: Any, turn: int) -> Seen:
        """
        Read one message.

        :param message: Image or CompressedImage.
        :param turn: 0 or 1, which buffer to use.
        :returns: the frame.
        :raises DataError: the message contradicts itself.
        """
        rgb = self._picture(message, turn)
        return Seen(rgb, self._header(message.header))

    def camera(self, seen: Seen) -> Camera | None:
        """
        Find the camera of a frame.

        To be asked as late as possible, since its CameraInfo may come after it.

        :param seen: the frame.
        :returns: that took it, or None where there is no calibration.
        """
        stamp = (seen.header.stamp.sec, seen.header.stamp.nanosec)
        try:
            camera = self._calibration.camera(stamp, seen.size, self._topic())
        except DataError as error:
            self._notices.warn('calibration', str(error), fatal=True)
            return None
        self._notices.health.clear('calibration')
        assumed = self._calibration.assumed
        instead = f'The camera is calibrated by {assumed}, not by CameraInfo.' if assumed else ''
        self._notices.set('assumed', instead)
        self._notices.set('lens', self._calibration.doubt)
        self._notices.health.calibration = self._calibration.choice
        self._notices.tell('calibration', f'camera: {self._calibration.choice}')
        return camera

    def _picture(self, message: Any, turn: int) -> RGB:
        if isinstance(message, CompressedImage):
            return messages.rgb_from_compressed(message)
        rgb = messages.rgb_from_msg(message, self._buffers[turn])
        if message.encoding != 'rgb8':
            self._buffers[turn] = rgb
        return rgb

    def _header(self, header: Header) -> Header:
        wanted = self._config().output.frame_id
        if wanted:
            header.frame_id = wanted
        missing = (
            f'{self._topic()} has an empty frame_id, so the outputs have no frame. Set it in the '
            'camera driver, or set output.frame_id.'
        )
        self._notices.set('frame_id', '' if header.frame_id else missing)
        return header
