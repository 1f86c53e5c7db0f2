"""
Sources of frames: a folder, a video, a device, a rosbag, the synthetic world.

Every source is iterable, again and again, and gives (stamp, rgb, camera) without ROS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import math
from pathlib import Path
import re
import time
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.camera.info import CameraNumbers
from depth_node.camera.rectified import choose
from depth_node.errors import DataError
from depth_node.files import local_path, reason
from depth_node.sources.frame import fitted, Frame, SECOND
from depth_node.world import World

IMAGES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp', '.pgm', '.ppm')
BAGS = ('.mcap', '.db3', '.bag')
RATE = 30.0
"""Frames per second if the source does not define it."""


class FrameSource(Protocol):
    """
    Frames in the order they were taken.

    `name` is for people; `count` is the number of frames, None where there is no end or nobody
    knows.
    """

    @property
    def name(self) -> str: ...

    @property
    def count(self) -> int | None: ...

    def __iter__(self) -> Iterator[Frame]: ...


def open_source(
    text: str | Path, camera: Camera | CameraNumbers | None = None, *, rate: float = RATE,
    topic: str = '', rectified: str = 'auto',
) -> FrameSource:
    """
    Open the source of frames that a text names.

    :param text: a folder of images, an image, a video, a rosbag (folder or file), a camera
        device (``/dev/video0`` or its number), or ``world`` or ``world:SEED``.
    :param camera: whose calibration applies; bags and the world bring their own. Of numbers,
        P or K and D apply, as ``camera.rectified.choose`` decides.
    :param rate: frames per second of folders and of the world (Hz).
    :param topic: image topic of a bag; empty: its first.
    :param rectified: whether the images of a bag are: ``auto``, ``true`` or ``false``.
    :returns: the source.
    :raises DataError: there is no such source, or it cannot be read.
    """
    text = str(text)
    path = local_path(text)
    if path.suffix.lower() in BAGS or (path / 'metadata.yaml').is_file():
        from depth_node.sources.bag import Bag

        _check_exists(path, text)
        return Bag(path, camera, topic, rectified)
    if isinstance(camera, CameraNumbers):
        choice = choose(camera, rectified=rectified)
        camera = Camera.from_numbers(camera, rectified=choice.rectified)
    if text == 'world' or text.startswith('world:'):
        seed = text.partition(':')[2] or '0'
        if not seed.isdecimal():
            raise DataError(f'{text}: the seed is {seed!r}, expected an integer.')
        return WorldSource(World(int(seed)), camera or Camera.from_hfov(320, 240, 75), rate)
    if text.isdecimal() or text.startswith('/dev/video'):
        return Device(int(text.removeprefix('/dev/video') or 0), camera)
    _check_exists(path, text)
    if path.is_dir():
        return ImageFolder(images_in(path), str(path), camera, rate)
    if path.suffix.lower() in IMAGES:
        return ImageFolder([path], path.name, camera, rate)
    return Video(path, camera)


def _check_exists(path: Path, text: str) -> None:
    try:
        found = path.exists()
    except OSError as error:  # a name that is too long
        raise DataError(f'{text}: {reason(error)}.') from error
    if not found:
        raise DataError(f'{text}: no such file or folder.')


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """
    Read an image without applying its EXIF orientation (the calibration is the sensor's).

    :param path: any format that OpenCV reads; 16-bit and gray images become 8-bit rgb.
    :returns: uint8 (H, W, 3).
    :raises DataError: it cannot be read.
    """
    try:
        raw = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error.strerror}).') from error
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        bgr = cv2.imdecode(raw, flags) if raw.size else None
    except cv2.error as error:
        raise DataError(f'{path}: cannot be decoded ({error.err}).') from error
    if bgr is None:
        raise DataError(f'{path}: is not a decodable image.')
    if bgr.size == 3:
        raise DataError(f'{path}: is a single pixel, expected at least two.')
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr)


@dataclass(frozen=True)
class ImageFolder:
    """
    Image files, ordered by the numbers in their names.

    :param paths: the files.
    :param name: for people.
    :param camera: that took them all, or None.
    :param rate: frames per second (Hz).
    """

    paths: list[Path]
    name: str
    camera: Camera | None = None
    rate: float = RATE

    @property
    def count(self) -> int:
        """Number of files."""
        return len(self.paths)

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the images, reading one at a time."""
        for index, path in enumerate(self.paths):
            rgb = read_rgb(path)
            stamp = int(index * SECOND / self.rate)
            yield Frame(rgb, stamp, fitted(self.camera, rgb), path.stem)


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
        frames = int(self._open().get(cv2.CAP_PROP_FRAME_COUNT))
        return frames if frames > 0 else None

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self.path))
        if not capture.isOpened():
            raise DataError(f'{self.path}: is neither an image, a rosbag nor a readable video.')
        return capture

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the frames, decoding one at a time."""
        capture = self._open()
        rate = capture.get(cv2.CAP_PROP_FPS)
        if not (math.isfinite(rate) and rate > 0):
            rate = RATE
        try:
            index = 0
            while True:
                good, bgr = capture.read()
                if not good:
                    break
                rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                camera = fitted(self.camera, rgb)
                yield Frame(rgb, int(index * SECOND / rate), camera, f'{index:06d}')
                index += 1
        finally:
            capture.release()
        if not index:
            raise DataError(f'{self.path}: contains no decodable frame.')


@dataclass(frozen=True)
class Device:
    """
    A camera of this machine, which never ends.

    :param index: the number of the device.
    :param camera: its calibration, or None.
    """

    index: int
    camera: Camera | None = None
    count: None = None

    @property
    def name(self) -> str:
        """Path of the device."""
        return f'/dev/video{self.index}'

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over frames until the camera fails."""
        capture = cv2.VideoCapture(self.index)
        if not capture.isOpened():
            raise DataError(f'{self.name}: cannot be opened.', 'Connect the camera.')
        number = 0
        try:
            while True:
                good, bgr = capture.read()
                if not good:
                    raise DataError(f'{self.name}: the camera has stopped delivering frames.')
                rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                camera = fitted(self.camera, rgb)
                yield Frame(rgb, time.time_ns(), camera, f'{number:06d}')
                number += 1
        finally:
            capture.release()


@dataclass(frozen=True)
class WorldSource:
    """
    A drive through the synthetic world.

    :param world: the world.
    :param camera: that drives.
    :param rate: frames per second (Hz).
    :param count: number of frames; None: without end.
    :param noise: standard deviation of the sensor noise (8-bit steps).
    """

    world: World
    camera: Camera
    rate: float = RATE
    count: int | None = None
    noise: float = 0.0

    @property
    def name(self) -> str:
        """Name for :func:`open_source`."""
        return f'world:{self.world.seed}'

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over frames, rendered from time 0 on."""
        number = 0
        while self.count is None or number < self.count:
            now = number / self.rate
            rgb, depth = self.world.render(
                self.camera, self.world.pose(now), time=now, noise=self.noise
            )
            yield Frame(rgb, int(now * SECOND), self.camera, f'{number:06d}', depth)
            number += 1


def images_in(folder: Path) -> list[Path]:
    """
    List the images of a folder (not of its subfolders), ordered by the numbers in their names.

    :param folder: that holds them.
    :returns: the files.
    :raises DataError: there is none.
    """
    paths = [path for path in folder.iterdir() if path.suffix.lower() in IMAGES]
    if not paths:
        raise DataError(f'{folder}: contains no image ({", ".join(IMAGES)}).')
    return sorted(paths, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a key that orders 2 before 10."""
    parts = re.split(r'(\d+)', path.name)
    return [(int(part), '') if part.isdecimal() else (-1, part) for part in parts]
