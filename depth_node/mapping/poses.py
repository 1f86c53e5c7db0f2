"""The pose of every frame: from a trajectory file, a bag, or the world itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_node.camera.rigid import Matrix
from depth_node.errors import ConfigError, DataError
from depth_node.files import local_path
from depth_node.mapping.axes import Up, up_of
from depth_node.sources.bag import Bag
from depth_node.sources.bag_poses import bag_odometry, bag_transforms, poses_in
from depth_node.sources.frame import Frame, SECOND
from depth_node.sources.frames import FrameSource, ImageFolder, WorldSource
from depth_node.sources.trajectory import read_trajectory, stamp_in, Trajectory

TF = 'tf:'
"""Beginning of what names a fixed frame of TF."""
REMEDY = (
    'Use --poses FILE (TUM or KITTI), or for a bag --poses TOPIC of its odometry or --poses '
    'tf:FRAME, for example tf:map.'
)


@dataclass(frozen=True)
class Poses:
    """
    Where each frame was taken.

    :param name: of their source, for people.
    :param of: from a frame and its number in its source to float64 (4, 4), optical frame to the
        fixed frame (m); raises DataError where it is unknown.
    :param up: the axis of the fixed frame that points up.
    """

    name: str
    of: Callable[[Frame, int], Matrix]
    up: Up


@dataclass(frozen=True)
class Matching:
    """
    How frames and poses belong together.

    :param gap: longest time between the two poses around a frame (s).
    :param offset: added to the stamps of frames before poses are looked up (s).
    :param extrinsic: float64 (4, 4), pose of the optical frame in that whose poses are given;
        None: it is the same, or TF of a bag knows.
    """

    gap: float = 0.2
    offset: float = 0.0
    extrinsic: Matrix | None = None


def open_poses(
    source: FrameSource, text: str, matching: Matching, up: Up | None = None
) -> Poses:
    """
    Open the poses of a source of frames.

    :param source: the frames.
    :param text: a file; of a bag also a topic or ``tf:FRAME``; empty: the world's own.
    :param matching: how they belong together.
    :param up: the axis that points up; None: z of bags and the world, for files that nearest to
        up in the images.
    :returns: the poses.
    :raises ConfigError: there are none, or several are possible.
    :raises DataError: they cannot be read, or are not those of these frames.
    """
    if not text:
        if not isinstance(source, WorldSource):
            has = poses_in(source.path) if isinstance(source, Bag) else ''
            note = f' The bag has {has}.' if has else ''
            raise ConfigError(f'{source.name}: a map needs the poses of the camera.{note}', REMEDY)
        world = source.world
        return Poses('the world', lambda frame, _: world.pose(_seconds(frame)), up or Up.Z)
    if isinstance(source, WorldSource):
        raise ConfigError(f'{source.name} has poses of its own.', 'Leave out --poses.')
    if isinstance(source, Bag) and text.startswith(TF):
        return _from_tf(source, text.removeprefix(TF).lstrip('/'), matching, up or Up.Z)
    path = local_path(text)
    if isinstance(source, Bag) and not path.is_file():
        if text.startswith('/'):
            return _from_odometry(source, text, matching, up or Up.Z)
        raise ConfigError(
            f'{text} is not a file, and not a topic, which begins with /. The bag has '
            f'{poses_in(source.path) or "no poses"}.', REMEDY,
        )
    trajectory = read_trajectory(path)
    if trajectory.stamps is None:
        return _in_order(source, trajectory, path, matching, up)
    return _in_time(source, trajectory, path, matching, up)


def _seconds(frame: Frame) -> float:
    assert frame.seconds is not None  # of the world
    return frame.seconds


def _in_order(
    source: FrameSource, trajectory: Trajectory, path: Path, matching: Matching,
    up: Up | None,
) -> Poses:
    """Match poses and frames by their number."""
    count = len(trajectory.poses)
    if source.count is not None and source.count != count:
        raise DataError(
            f'{path}: has {count} poses without stamps for the {source.count} frames of '
            f'{source.name}, expected one for each.',
        )
    poses = trajectory.poses @ _extrinsic(matching)

    def of(frame: Frame, number: int) -> Matrix:
        if number >= count:
            raise DataError(f'{frame.name}: {path.name} has {count} poses only.')
        return np.array(poses[number])

    return Poses(path.name, of, up or up_of(poses, path.name))


def _in_time(
    source: FrameSource, trajectory: Trajectory, path: Path, matching: Matching,
    up: Up | None,
) -> Poses:
    """Match poses and frames by their stamps."""
    extrinsic = _extrinsic(matching)
    named = isinstance(source, ImageFolder)

    def of(frame: Frame, _: int) -> Matrix:
        stamp = (stamp_in(frame.name) if named else None) or frame.stamp
        if stamp is None:
            raise DataError(f'{frame.name}: has no stamp, which {path.name} needs.')
        return _posed(trajectory, path.name, frame, stamp, matching) @ extrinsic

    return Poses(path.name, of, up or up_of(trajectory.poses @ extrinsic, path.name))


def _posed(
    trajectory: Trajectory, name: str, frame: Frame, stamp: int, matching: Matching
) -> Matrix:
    stamp += round(matching.offset * SECOND)
    pose = trajectory.at(stamp, round(matching.gap * SECOND))
    if pose is None:
        raise DataError(
            f'{frame.name}: {name} has no poses {matching.gap:g} s apart around '
            f'{stamp / SECOND:.3f} s; it covers {trajectory.span()}.',
            'Check that both have the same clock (--time-offset), or allow more with --max-gap.',
        )
    return pose


def _extrinsic(matching: Matching) -> Matrix:
    return np.eye(4) if matching.extrinsic is None else matching.extrinsic


def _from_tf(source: Bag, fixed: str, matching: Matching, up: Up) -> Poses:
    """Look every frame up in TF."""
    tree = bag_transforms(source.path)
    gap, offset = round(matching.gap * SECOND), round(matching.offset * SECOND)

    def of(frame: Frame, _: int) -> Matrix:
        assert frame.stamp is not None  # of a bag
        try:
            pose = tree.lookup(fixed, frame.frame_id.lstrip('/'), frame.stamp + offset, gap)
        except DataError as error:
            raise DataError(
                f'{frame.name}: {error}',
                'Check --poses tf:FRAME and --time-offset, or allow more with --max-gap.',
            ) from error
        return pose @ _extrinsic(matching)

    return Poses(f'TF, {fixed}', of, up)


def _from_odometry(source: Bag, topic: str, matching: Matching, up: Up) -> Poses:
    """Combine odometry with the place of the camera on the robot."""
    trajectory, fixed, body = bag_odometry(source.path, topic)
    body = body.lstrip('/')
    tree = None if matching.extrinsic is not None else bag_transforms(source.path)
    gap = round(matching.gap * SECOND)

    def mounted(frame: Frame) -> Matrix:
        if tree is None:
            return _extrinsic(matching)
        assert frame.stamp is not None  # of a bag
        try:
            return tree.lookup(body, frame.frame_id.lstrip('/'), frame.stamp, gap)
        except DataError as error:
            raise DataError(
                f'{frame.name}: where the camera is on the robot is unknown: {error}',
                f'Give its pose in {body!r} with --extrinsic.',
            ) from error

    def of(frame: Frame, _: int) -> Matrix:
        assert frame.stamp is not None  # of a bag
        return _posed(trajectory, topic, frame, frame.stamp, matching) @ mounted(frame)

    return Poses(f'{topic}, {fixed}', of, up)
