"""Frames from a rosbag (ROS 1 or 2), read with the rosbags library, without ROS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
import logging
from pathlib import Path
from typing import Any

from depth_node.camera import Camera, UncalibratedError
from depth_node.camera.info import CameraNumbers
from depth_node.camera.message import camera_of_message
from depth_node.camera.rectified import choose
from depth_node.errors import DataError
from depth_node.image.message import COMPRESSED, RAW, rgb_of_message
from depth_node.sources.frame import fitted, Frame, nanoseconds_of
from depth_node.sources.rosbag_opening import damaged, opened, raw_messages
from depth_node.sources.skipping import OnSkip, refuse
from depth_node.sources.topics import info_topic

log = logging.getLogger(__name__)

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
    :param on_skip: called for images that cannot be read, and where the bag ends early.
    :param said: doubts about the calibration that were logged.
    """

    path: Path
    camera: Camera | CameraNumbers | None = None
    topic: str = ''
    rectified: str = 'auto'
    on_skip: OnSkip = refuse
    said: set[str] = field(default_factory=set, compare=False, repr=False)

    @property
    def name(self) -> str:
        """File or folder of the bag."""
        return self.path.name

    @property
    def count(self) -> int:
        """Number of images."""
        with opened(self.path) as reader:
            return sum(int(connection.msgcount) for connection in self._connections(reader))

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the images in the order of the bag."""
        with opened(self.path) as reader:
            images = self._connections(reader)
            name = images[0].topic
            topic = info_topic(name)
            infos = [
                c for c in reader.connections if c.topic == topic and c.msgtype == INFO
            ]
            given = self._given(name)
            # before the first: drivers may send it after the image
            camera = given or (self._first(reader, infos, name) if infos else None)
            number = 0
            for message, kind in self._messages(reader, [*images, *infos]):
                if kind == INFO:
                    camera = given or self._calibrated(message, name)
                    continue
                try:
                    frame = self._frame(message, kind, camera, number)
                except DataError as error:
                    where = f'{self.path}, image {number} of {name}'
                    self.on_skip(DataError(f'{where}: {error}'))
                else:
                    yield frame
                number += 1
            if reader.truncated:
                self.on_skip(DataError(
                    f'{self.path}: has no end, as if its recorder was killed; {number} images '
                    'were read.', 'Try `mcap recover FILE`, or `sqlite3 FILE .recover`.',
                ))

    def _frame(
        self, message: Any, kind: str, camera: Camera | DataError | None, number: int
    ) -> Frame:
        if isinstance(message, DataError):
            raise message
        rgb = rgb_of_message(message, kind)
        if isinstance(camera, DataError):
            raise camera
        when = nanoseconds_of(message.header.stamp)
        return Frame(
            rgb, when, fitted(camera, rgb), f'{number:06d}',
            frame_id=str(message.header.frame_id),
        )

    def _messages(self, reader: Any, connections: list[Any]) -> Iterator[tuple[Any, str]]:
        """Iterate over messages and their types; damage ends it."""
        count = 0
        try:
            for connection, _, raw in raw_messages(reader, connections):
                kind = connection.msgtype
                try:
                    message = reader.deserialize(raw, kind)
                except Exception as error:  # noqa: BLE001 - of any parser of rosbags
                    message = DataError(f'is not a {kind} ({type(error).__name__}: {error}).')
                yield message, kind
                count += 1
        except DataError:
            raise
        except Exception as error:
            if not count:
                raise
            self.on_skip(damaged(self.path, error))

    def _given(self, topic: str) -> Camera | None:
        """Return the camera that replaces the bag's."""
        if not isinstance(self.camera, CameraNumbers):
            return self.camera
        choice = choose(self.camera, topic, self.rectified)
        return Camera.from_numbers(self.camera, rectified=choice.rectified)

    def _first(self, reader: Any, infos: list[Any], topic: str) -> Camera | DataError | None:
        """Return the camera of the first CameraInfo."""
        for message, _ in self._messages(reader, infos):
            return self._calibrated(message, topic)
        return None

    def _calibrated(self, info: Any, topic: str) -> Camera | DataError | None:
        """Return the camera of a CameraInfo, why it is none, or None if it is not calibrated."""
        if isinstance(info, DataError):
            return info
        try:
            camera, choice = camera_of_message(info, topic, self.rectified)
        except UncalibratedError:
            return None
        except DataError as error:
            return error
        if choice.doubt and choice.doubt not in self.said:
            self.said.add(choice.doubt)
            log.warning('%s: %s', self.path, choice.doubt)
        return camera

    def _connections(self, reader: Any) -> list[Any]:
        return image_connections(reader, self.path, self.topic)


def image_connections(reader: Any, path: Path, topic: str = '') -> list[Any]:
    """
    Return the connections of the image topic of a bag; a bag of several files has several.

    :param reader: of :func:`depth_node.sources.rosbag_opening.opened`.
    :param path: the bag, for errors.
    :param topic: the topic; empty: the first with a color image.
    :returns: its connections, of one message type.
    :raises DataError: there is no such topic.
    """
    images = [c for c in reader.connections if c.msgtype in {RAW, COMPRESSED}]
    names = ', '.join(sorted({c.topic for c in images})) or 'none'
    if topic:
        images = [c for c in images if c.topic == topic]
        if not images:
            raise DataError(f'{path}: has no image topic {topic}. It has {names}.')
    # a depth image is an Image too, but no picture to predict from
    colored = [c for c in images if 'depth' not in c.topic] or images
    if not colored:
        raise DataError(f'{path}: contains no Image or CompressedImage messages.')
    first = min(colored, key=lambda c: (c.msgtype != RAW, c.topic))
    return [c for c in colored if (c.topic, c.msgtype) == (first.topic, first.msgtype)]
