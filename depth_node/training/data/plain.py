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
from depth_node.sources.datasets import Dataset
from depth_node.sources.frame import Frame, SECOND
from depth_node.training.data.poses import Track
from depth_node.training.data.shot import Shot

Lens: TypeAlias = Callable[[NDArray[np.uint8]], Camera]
"""Returns the camera of an image whose source has none, or raises DataError."""


def frame_shots(frames: Iterable[Frame], lens: Lens, every: int = 1) -> Iterator[Shot]:
    """
    Take the frames of a folder, a video or a bag.

    :param frames: a source that ends.
    :param lens: for frames without a camera.
    :param every: use every n-th frame.
    :returns: the shots.
    """
    for frame in islice(frames, 0, None, every):
        camera = frame.camera or lens(frame.rgb)
        yield Shot(frame.rgb, camera, frame.stamp / SECOND, frame.depth)


def sample_shots(dataset: Dataset, lens: Lens) -> Iterator[Shot]:
    """
    Take the samples of a dataset with ground truth.

    :param dataset: for example an RGB-D layout.
    :param lens: for samples without a camera.
    :returns: the shots.
    """
    for sample in dataset:
        camera = sample.camera or lens(sample.rgb)
        yield Shot(sample.rgb, camera, depth=sample.depth, pose=sample.pose)


def with_rows(shots: Iterable[Shot], poses: NDArray[np.float64], where: Path) -> Iterator[Shot]:
    """
    Add one pose to each frame.

    :param shots: without poses.
    :param poses: float64 (N, 4, 4) (m).
    :param where: file of the poses, for error messages.
    :returns: the shots with poses.
    :raises DataError: the numbers of poses and frames differ.
    """
    count = 0
    for shot in shots:
        if count < len(poses):
            yield dataclasses.replace(shot, pose=poses[count])
        count += 1
    if count != len(poses):
        raise DataError(f'{where}: has {len(poses)} poses for {count} frames.')


def with_track(shots: Iterable[Shot], track: Track) -> Iterator[Shot]:
    """
    Add the place at each shot's time.

    :param shots: with stamps.
    :param track: positions of the robot.
    :returns: the shots, with poses where the track covers their time.
    """
    for shot in shots:
        assert shot.stamp is not None
        yield dataclasses.replace(shot, pose=track.at(shot.stamp))
