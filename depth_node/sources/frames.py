"""
Sources of frames: a folder, a video, a device, a rosbag, the synthetic world.

Every source is iterable, again and again, and gives (stamp, rgb, camera) without ROS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from depth_node.camera import Camera
from depth_node.camera.info import CameraNumbers
from depth_node.camera.rectified import choose
from depth_node.errors import DataError
from depth_node.files import local_path, reason
from depth_node.sources.frame import fitted, Frame, SECOND
from depth_node.sources.pictures import images_in, is_picture, read_picture
from depth_node.sources.rosbag_opening import is_bag_file
from depth_node.sources.skipping import OnSkip, refuse
from depth_node.sources.video import Device, RATE, Video
from depth_node.world import Style, World

_SEED_DIGITS = 18
_WORLDS = {'world': Style.PLAIN, 'home': Style.HOME}
_NAMES = {style: name for name, style in _WORLDS.items()}


class FrameSource(Protocol):
    """
    Frames in the order they were taken.

    `name` is for people; `count` is the number of frames, None if there is no end or if it is
    unknown.
    """

    @property
    def name(self) -> str: ...

    @property
    def count(self) -> int | None: ...

    def __iter__(self) -> Iterator[Frame]: ...


def open_source(
    text: str | Path, camera: Camera | CameraNumbers | None = None, *, rate: float = RATE,
    topic: str = '', rectified: str = 'auto', on_skip: OnSkip = refuse,
) -> FrameSource:
    """
    Open the source of frames that a text names.

    :param text: a folder of images, an image, a video, a rosbag (folder or file), a camera
        device (``/dev/video0`` or its number), ``world`` or ``world:SEED``, or ``home`` or
        ``home:SEED`` for a lived-in room of the world.
    :param camera: whose calibration applies; bags and the world bring their own. Of numbers,
        P or K and D apply, as ``camera.rectified.choose`` decides.
    :param rate: frames per second of folders and of the world (Hz).
    :param topic: image topic of a bag; empty: its first.
    :param rectified: whether the images of a bag are: ``auto``, ``true`` or ``false``.
    :param on_skip: called with the reason for every frame that cannot be read, and the next one
        follows; by default it is raised.
    :returns: the source.
    :raises DataError: there is no such source, or it cannot be read.
    """
    text = str(text)
    path = local_path(text)
    made = camera
    if isinstance(made, CameraNumbers):
        made = Camera.from_numbers(made, rectified=choose(made, rectified=rectified).rectified)
    name, _, seed = text.partition(':')
    if name in _WORLDS:
        seed = seed or '0'
        if not (seed.isascii() and seed.isdecimal()) or len(seed) > _SEED_DIGITS:
            raise DataError(
                f'{text:.40}: the seed is {seed[:40]!r}, expected a whole number of at most '
                f'{_SEED_DIGITS} digits.'
            )
        world = World(int(seed), style=_WORLDS[name])
        return WorldSource(world, made or Camera.from_hfov(320, 240, 75), rate)
    if (text.isascii() and text.isdecimal()) or text.startswith('/dev/'):
        return Device(text, made)
    _check_exists(path, text)
    if _is_bag(path):
        from depth_node.sources.bag import Bag

        return Bag(path, camera, topic, rectified, on_skip)
    if path.is_dir():
        return ImageFolder(images_in(path), str(path), made, rate, on_skip)
    if is_picture(path):
        return ImageFolder([path], path.name, made, rate, on_skip)
    return Video(path, made)


def _is_bag(path: Path) -> bool:
    """Return whether a file or a folder is a rosbag; a killed recorder leaves no metadata."""
    if is_bag_file(path) or (path / 'metadata.yaml').is_file():
        return True
    return path.is_dir() and not any(map(is_picture, path.iterdir())) and any(
        is_bag_file(file) for file in path.iterdir()
    )


def _check_exists(path: Path, text: str) -> None:
    try:
        found = path.exists()
    except OSError as error:  # a name that is too long
        raise DataError(f'{text}: {reason(error)}.') from error
    if not found:
        raise DataError(f'{text}: no such file or folder.')


@dataclass(frozen=True)
class ImageFolder:
    """
    Image files, ordered by the numbers in their names.

    :param paths: the files.
    :param name: for people.
    :param camera: that took them all, or None.
    :param rate: frames per second (Hz).
    :param on_skip: called for files that cannot be read.
    """

    paths: list[Path]
    name: str
    camera: Camera | None = None
    rate: float = RATE
    on_skip: OnSkip = refuse

    @property
    def count(self) -> int:
        """Number of files."""
        return len(self.paths)

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the images, reading one at a time."""
        for index, path in enumerate(self.paths):
            try:
                rgb, turn = read_picture(path)
                camera = fitted(self.camera, rgb, turn)
            except DataError as error:
                self.on_skip(error)
                continue
            yield Frame(rgb, int(index * SECOND / self.rate), camera, path.stem)


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
        return f'{_NAMES[self.world.style]}:{self.world.seed}'

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
