"""Sources with images and little else: folders, videos, bags, RGB-D layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
import dataclasses
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.sources.frame import Frame
from depth_node.training.data.poses import Track

Lens: TypeAlias = Callable[[NDArray[np.uint8]], Camera]
"""Returns the camera of an image whose source has none, or raises DataError."""


def with_cameras(frames: Iterable[Frame], lens: Lens, every: int = 1) -> Iterator[Frame]:
    """
    Give every frame of a source a camera.

    :param frames: a folder, a video, a bag or a data set; it has to end.
    :param lens: for frames without a camera.
    :param every: use every n-th frame.
    :returns: the frames.
    """
    for frame in islice(frames, 0, None, every):
        yield dataclasses.replace(frame, camera=frame.camera or lens(frame.rgb))


def with_rows(frames: Iterable[Frame], poses: NDArray[np.float64], where: Path) -> Iterator[Frame]:
    """
    Add poses, one for each frame.

    :param frames: without poses.
    :param poses: float64 (N, 4, 4) (m).
    :param where: the poses' file, for errors.
    :returns: the frames with poses.
    :raises DataError: there are not as many poses as frames.
    """
    count = 0
    for frame in frames:
        if count < len(poses):
            yield dataclasses.replace(frame, pose=poses[count])
        count += 1
    if count != len(poses):
        raise DataError(f'{where}: has {len(poses)} poses for {count} frames.')


def with_track(frames: Iterable[Frame], track: Track) -> Iterator[Frame]:
    """
    Add the place at each frame's time.

    :param frames: with stamps.
    :param track: positions of the robot.
    :returns: the frames, with poses where the track covers their time.
    """
    for frame in frames:
        assert frame.seconds is not None
        yield dataclasses.replace(frame, pose=track.at(frame.seconds))
