"""From the messages of a source of scale to readings: poses of sensors, and waiting for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from depth_node.camera.rigid import Matrix, matrix_of
from depth_node.camera.transforms import TransformSource
from depth_node.config.scale import ScaleConfig
from depth_node.errors import DataError
from depth_node.scale.decoding import DECODERS
from depth_node.scale.readings import Reading
from depth_node.scale.table import SOURCES
from depth_node.sources.frame import nanoseconds_of, SECOND

PATIENCE_S = 0.5
"""How long a message waits for the transform of its time (s)."""
WAITING = 10
"""Maximum number of waiting messages."""


class Receiver:
    """
    Decodes the messages of the source of scale, or of the odometry that goes with it.

    :param config: the parameters of the scale.
    :param transforms: where the pose of the sensor is looked up if it is not in the parameters.
    :param take: called with each reading and its time (s).
    :param complain: called with what is wrong with a message; '' if one could be used.
    :param secondary: whether it is the odometry that goes with the source.
    """

    def __init__(
        self,
        config: ScaleConfig,
        transforms: TransformSource,
        take: Callable[[float, Reading], None],
        complain: Callable[[str], None],
        *,
        secondary: bool = False,
    ) -> None:
        self.source = SOURCES['odometry' if secondary else config.source]
        self.info: Any = None
        """The latest CameraInfo of the sensor, or None."""
        self._transforms = transforms
        self._take = take
        self._complain = complain
        extrinsic = config.odometry_extrinsic if secondary else config.extrinsic
        self._extrinsic = matrix_of(extrinsic) if extrinsic else None
        self._parameter = 'scale.odometry_extrinsic' if secondary else 'scale.extrinsic'
        self._optical = ''
        self._waiting: deque[tuple[float, Any]] = deque(maxlen=WAITING)

    def see_from(self, optical: str) -> None:
        """
        Set the frame of the readings.

        :param optical: optical frame of the camera, from the header of its images.
        """
        self._optical = optical

    def receive(self, message: Any, now: float) -> None:
        """
        Decode a message, or keep it until its transform arrives.

        :param message: of the type of the source.
        :param now: when it arrived (s, of any clock).
        """
        self.retry(now)
        self._try(now, message, last=False)

    def retry(self, now: float) -> None:
        """
        Decode messages that were waiting for the transform of their time.

        :param now: the time (s, of the same clock).
        """
        for _ in range(len(self._waiting)):
            arrived, message = self._waiting.popleft()
            self._try(arrived, message, last=now - arrived > PATIENCE_S)

    def forget(self) -> None:
        """Discard waiting messages."""
        self._waiting.clear()

    def _try(self, arrived: float, message: Any, *, last: bool) -> None:
        """Decode a message, or keep it until its transform arrives; complain the last time."""
        frame = getattr(message, 'child_frame_id', '') or message.header.frame_id
        stamp = nanoseconds_of(message.header.stamp)
        try:
            extrinsic = self._place(frame, stamp)
            if extrinsic is None:
                if not last:
                    self._waiting.append((arrived, message))
                elif self._optical:
                    raise DataError(
                        f'The pose of {frame or "the sensor"} in {self._optical} is not known. '
                        f'Set {self._parameter}{self._transforms.hint}.'
                    )
                return
            assert self.source.message is not None
            reading = DECODERS[self.source.message](message, extrinsic, self.info)
        except DataError as error:
            self._complain(str(error))
            return
        if reading is not None:
            self._complain('')
            self._take(stamp / SECOND, reading)

    def _place(self, frame: str, stamp: int) -> Matrix | None:
        """Return the pose of a sensor in the optical frame, or None if it is not known."""
        if self._extrinsic is not None:
            return self._extrinsic
        if not self._optical:
            return None
        # the thread that receives TF must not wait for it
        return self._transforms.lookup(self._optical, frame, stamp, wait=0.0)
