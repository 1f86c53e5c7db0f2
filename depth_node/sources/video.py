"""Videos and camera devices, through OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import math
from pathlib import Path
import re
import time

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.files import check_regular
from depth_node.image.orientation import Turn
from depth_node.sources.frame import fitted, Frame, SECOND

RATE = 30.0
"""Frames per second if the source does not define it."""
RATES = (1e-3, 1e4)
"""Smallest and largest rate that can be asked for (Hz)."""
_MOST_DEVICES = 256


@dataclass(frozen=True)
class Video:
    """
    A video file, or anything else that OpenCV can open.

    :param path: the file.
    :param camera: that took it, or None.
    """

    path: Path
    camera: Camera | None = None

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    @property
    def count(self) -> int | None:
        """Number of frames declared by the container."""
        frames = float(self._open().get(cv2.CAP_PROP_FRAME_COUNT))
        return int(frames) if math.isfinite(frames) and frames > 0 else None

    def _open(self) -> cv2.VideoCapture:
        check_regular(self.path)
        capture = cv2.VideoCapture(str(self.path))
        if not capture.isOpened():
            raise DataError(f'{self.path}: is neither an image, a rosbag nor a readable video.')
        return capture

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the frames, decoding one at a time; OpenCV turns them upright."""
        capture = self._open()
        rate = capture.get(cv2.CAP_PROP_FPS)
        if not (math.isfinite(rate) and rate > 0):
            rate = RATE
        quarters = round(float(capture.get(cv2.CAP_PROP_ORIENTATION_META)) / 90) % 4
        index, clock = 0, _Clock(rate)
        try:
            while True:
                good, bgr = capture.read()
                if not good:
                    break
                rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                stamp = clock.stamp(float(capture.get(cv2.CAP_PROP_POS_MSEC)))
                camera = fitted(self.camera, rgb, Turn(mirrored=False, quarters=quarters))
                yield Frame(rgb, stamp, camera, f'{index:06d}')
                index += 1
        finally:
            capture.release()
        if not index:
            raise DataError(f'{self.path}: contains no decodable frame.')


class _Clock:
    """
    The times of frames: the container's where it has any, since a phone slows down in the dark.

    :param rate: frames per second where it has none (Hz).
    """

    def __init__(self, rate: float) -> None:
        self._step = SECOND / rate
        self._first: float | None = None
        self._last = -1

    def stamp(self, milliseconds: float) -> int:
        """Return the time since the first frame (ns); it always increases."""
        if self._first is None:
            self._first = milliseconds
            self._last = 0
            return 0
        since = milliseconds - self._first
        stamp = round(since * 1e6) if math.isfinite(since) and since < 1e12 else 0
        if stamp <= self._last:
            stamp = self._last + round(self._step)
        self._last = stamp
        return stamp


@dataclass(frozen=True)
class Device:
    """
    A camera of this machine, which never ends.

    :param where: its number, or its path: ``/dev/video0``, or a name that udev gives it, like
        ``/dev/v4l/by-id/...`` or ``/dev/video_front``.
    :param camera: its calibration, or None.
    """

    where: str
    camera: Camera | None = None
    count: None = None

    @property
    def name(self) -> str:
        """Path of the device."""
        return f'/dev/video{self.where}' if self.where.isdecimal() else self.where

    def _capture(self) -> cv2.VideoCapture:
        """Open it by its number if it has one: not every build of OpenCV opens paths."""
        number = self.where
        if not number.isdecimal():
            path = Path(self.where)
            if not path.exists():
                raise DataError(f'{self.where}: no such device.', 'Connect the camera.')
            found = re.fullmatch(r'/dev/video(\d+)', str(path.resolve()))
            number = found[1] if found else ''
        if number and len(number) <= 3 and int(number) < _MOST_DEVICES:
            return cv2.VideoCapture(int(number))
        if number:
            raise DataError(f'{self.name}: no such device.', 'Connect the camera.')
        return cv2.VideoCapture(self.where, cv2.CAP_V4L2)

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over frames until the camera fails."""
        capture = self._capture()
        if not capture.isOpened():
            raise DataError(f'{self.name}: cannot be opened.', 'Connect the camera.')
        number = 0
        try:
            while True:
                good, bgr = capture.read()
                if not good:
                    raise DataError(f'{self.name}: the camera has stopped delivering frames.')
                rgb: NDArray[np.uint8] = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                yield Frame(rgb, time.time_ns(), fitted(self.camera, rgb), f'{number:06d}')
                number += 1
        finally:
            capture.release()
