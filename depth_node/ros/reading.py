"""Conversion of camera messages to frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage

from depth_node.config import Config
from depth_node.ros import messages
from depth_node.ros.notices import Notices
from depth_node.sources.frame import Frame

RGB = NDArray[np.uint8]


class Reader:
    """
    Converts Image and CompressedImage to frames, alternating between two buffers.

    :param topic: returns the resolved image topic.
    :param notices: where an empty frame_id is reported.
    """

    def __init__(self, topic: Callable[[], str], notices: Notices) -> None:
        self._topic = topic
        self._notices = notices
        self._buffers: list[RGB | None] = [None, None]

    def read(self, message: Any, turn: int, config: Config) -> Frame:
        """
        Convert one message to a frame.

        :param message: Image or CompressedImage.
        :param turn: index of the buffer, 0 or 1.
        :param config: the configuration for this frame.
        :returns: the frame, without a camera, because its CameraInfo may arrive later.
        :raises DataError: the message is inconsistent.
        """
        rgb = self._picture(message, turn)
        frame_id = config.output.frame_id or message.header.frame_id
        missing = (
            f'{self._topic()} has an empty frame_id, so the outputs have no frame. Set it in the '
            'camera driver, or set output.frame_id.'
        )
        self._notices.set('frame_id', '' if frame_id else missing)
        stamp = messages.nanoseconds_of(message.header.stamp)
        return Frame(rgb, stamp, frame_id=frame_id)

    def _picture(self, message: Any, turn: int) -> RGB:
        if isinstance(message, CompressedImage):
            return messages.rgb_from_compressed(message)
        rgb = messages.rgb_from_msg(message, self._buffers[turn])
        if message.encoding != 'rgb8':
            self._buffers[turn] = rgb
        return rgb
