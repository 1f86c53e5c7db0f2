"""Frames from a rosbag (ROS 1 or 2), read with the rosbags library, without ROS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera, UncalibratedError
from depth_node.camera.info import CameraNumbers
from depth_node.camera.message import camera_of_message
from depth_node.camera.rectified import choose
from depth_node.errors import DataError, DepthNodeError
from depth_node.image.compressed import decode_message
from depth_node.image.encodings import image_view, to_rgb
from depth_node.sources.frame import fitted, Frame, SECOND
from depth_node.sources.topics import info_topic

RAW = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
INFO = 'sensor_msgs/msg/CameraInfo'


@dataclass(frozen=True)
class Bag:
    """
    The images of one topic, each with the latest CameraInfo before it.

    :param path: the bag: a folder with metadata.yaml, or an .mcap, .db3 or .bag file.
    :param camera: calibration to use instead of the bag's, or None; of numbers, K and D or P
        apply as the topic's name says.
    :param topic: image topic; empty: the first with a color image.
    :param rectified: whether P of CameraInfo applies: ``auto``, ``true`` or ``false``.
    """

    path: Path
    camera: Camera | CameraNumbers | None = None
    topic: str = ''
    rectified: str = 'auto'

    @property
    def name(self) -> str:
        """File or folder of the bag."""
        return self.path.name

    @property
    def count(self) -> int:
        """Number of images."""
        with opened(self.path) as reader:
            return int(self._connection(reader).msgcount)

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the images in the order of the bag."""
        with opened(self.path) as reader:
            image = self._connection(reader)
            topic = info_topic(image.topic)
            infos = [
                c for c in reader.connections if c.topic == topic and c.msgtype == INFO
            ]
            given = self._given(image.topic)
            camera = given or self._first(reader, infos, image.topic)
            number = 0
            for connection, _, raw in reader.messages([image, *infos]):
                message = reader.deserialize(raw, connection.msgtype)
                if connection.msgtype == INFO:
                    camera = given or self._calibrated(message, image.topic)
                    continue
                try:
                    rgb = rgb_of(message, connection.msgtype)
                except DataError as error:
                    where = f'{self.path}, image {number} of {image.topic}'
                    raise DataError(f'{where}: {error}') from error
                stamp = message.header.stamp
                when = int(stamp.sec) * SECOND + int(stamp.nanosec)
                yield Frame(rgb, when, fitted(camera, rgb), f'{number:06d}')
                number += 1

    def _given(self, topic: str) -> Camera | None:
        """Return the camera that replaces the bag's."""
        if not isinstance(self.camera, CameraNumbers):
            return self.camera
        choice = choose(self.camera, topic, self.rectified)
        return Camera.from_numbers(self.camera, rectified=choice.rectified)

    def _first(self, reader: Any, infos: list[Any], topic: str) -> Camera | None:
        """Return the camera of the first CameraInfo: drivers may send it after the image."""
        for connection, _, raw in reader.messages(infos) if infos else ():
            return self._calibrated(reader.deserialize(raw, connection.msgtype), topic)
        return None

    def _calibrated(self, info: Any, topic: str) -> Camera | None:
        """Return the camera of a CameraInfo, or None when it is not calibrated."""
        try:
            return camera_of_message(info, topic, self.rectified)[0]
        except UncalibratedError:
            return None

    def _connection(self, reader: Any) -> Any:
        images = [c for c in reader.connections if c.msgtype in (RAW, COMPRESSED)]
        names = ', '.join(sorted({c.topic for c in images})) or 'none'
        if self.topic:
            images = [c for c in images if c.topic == self.topic]
            if not images:
                raise DataError(
                    f'{self.path}: has no image topic {self.topic}. It has {names}.'
                )
        # a depth image is an Image too, but no picture to predict from
        colored = [c for c in images if 'depth' not in c.topic] or images
        if not colored:
            raise DataError(f'{self.path}: contains no Image or CompressedImage messages.')
        return min(colored, key=lambda c: (c.msgtype != RAW, c.topic))


def rgb_of(message: Any, kind: str) -> NDArray[np.uint8]:
    """
    Decode an image message.

    :param message: Image or CompressedImage.
    :param kind: its message type.
    :returns: uint8 (H, W, 3).
    :raises DataError: an encoding without color, or bytes that do not match it.
    """
    if kind == COMPRESSED:
        return decode_message(message.data, message.format)
    view = image_view(
        message.encoding, message.height, message.width, message.step,
        bool(message.is_bigendian), message.data,
    )
    return to_rgb(view, message.encoding)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """
    Open a bag for as long as the context lasts.

    :param path: a folder with metadata.yaml, or an .mcap, .db3 or .bag file.
    :returns: the AnyReader of rosbags.
    :raises DataError: rosbags is missing, or this is not a bag.
    """
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import get_typestore, Stores
    except ImportError as error:
        raise DataError(
            f'{path}: reading a rosbag requires the package rosbags.',
            "Install it: pip install 'depth_node[frames]'.",
        ) from error
    folder = path if path.is_dir() or path.suffix in ('.bag', '.mcap') else path.parent
    try:
        with AnyReader(
            [folder], default_typestore=get_typestore(Stores.ROS2_HUMBLE)
        ) as reader:
            yield reader
    except DepthNodeError:
        raise
    except Exception as error:
        # a damaged bag makes rosbags raise whatever its parsers run into, MemoryError included
        what = f'{type(error).__name__}: {error}' if str(error) else type(error).__name__
        raise DataError(f'{path}: is not a readable rosbag ({what}).') from error
