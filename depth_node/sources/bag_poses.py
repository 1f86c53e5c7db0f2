"""Where the robot was, from a rosbag: odometry and TF."""

from __future__ import annotations

from collections.abc import Iterator
import logging
from pathlib import Path
from typing import Any

import numpy as np

from depth_node.camera.rigid import Matrix
from depth_node.camera.transforms import pose_matrix, transform_matrix
from depth_node.errors import DataError
from depth_node.sources.frame import nanoseconds_of
from depth_node.sources.rosbag_opening import opened, raw_messages
from depth_node.sources.topics import TF, transform_topics
from depth_node.sources.trajectory import Trajectory
from depth_node.sources.transform_tree import Stamped, TransformTree

log = logging.getLogger(__name__)
ODOMETRY = 'nav_msgs/msg/Odometry'


def bag_transforms(path: Path) -> TransformTree:
    """
    Read all transforms of a bag; impossible ones are ignored with a warning, as by tf2.

    :param path: the bag.
    :returns: the tree; of a bag without TF, an empty one.
    :raises DataError: it cannot be read.
    """
    return TransformTree(_transforms(path))


def bag_odometry(path: Path, topic: str) -> tuple[Trajectory, str, str]:
    """
    Read the odometry of a robot from a bag; impossible poses are ignored with a warning.

    :param path: the bag.
    :param topic: topic of nav_msgs/Odometry.
    :returns: its poses, the frame they are in (header.frame_id), and whose they are
        (child_frame_id).
    :raises DataError: no such topic, no usable message on it, or the bag cannot be read.
    """
    rows: dict[int, Matrix] = {}
    wrong: list[DataError] = []
    fixed = body = ''
    with opened(path) as reader:
        connections = [
            c for c in reader.connections if c.topic == topic and c.msgtype == ODOMETRY
        ]
        if not connections:
            raise DataError(
                f'{path}: has no odometry on {topic}. It has {_odometry_in(reader) or "none"}.'
            )
        for connection, _, raw in raw_messages(reader, connections):
            message = reader.deserialize(raw, connection.msgtype)
            fixed, body = message.header.frame_id, message.child_frame_id
            try:
                pose = pose_matrix(message.pose.pose)
            except DataError as error:
                wrong.append(error)
            else:
                rows.setdefault(nanoseconds_of(message.header.stamp), pose)
    _warn_about(wrong, f'poses on {topic}', path)
    if not rows:
        raise DataError(f'{path}: {topic} has no {"usable pose" if wrong else "message"}.')
    stamps = sorted(rows)
    poses = np.array([rows[stamp] for stamp in stamps])
    return Trajectory(poses, np.array(stamps, np.int64)), fixed, body


def poses_in(path: Path) -> str:
    """
    Describe what poses a bag has.

    :param path: the bag.
    :returns: topics of odometry, and whether there is TF; empty if there is neither.
    """
    with opened(path) as reader:
        topics = _odometry_in(reader)
        tf = any(transform_topics(reader.connections))
    return ', '.join(filter(None, [topics, 'TF' if tf else '']))


def _odometry_in(reader: Any) -> str:
    return ', '.join(sorted({c.topic for c in reader.connections if c.msgtype == ODOMETRY}))


def _transforms(path: Path) -> Iterator[Stamped]:
    wrong: list[DataError] = []
    with opened(path) as reader:
        moving, still = transform_topics(reader.connections)
        connections = [
            c for c in reader.connections if c.msgtype in TF and c.topic in moving | still
        ]
        for connection, _, raw in raw_messages(reader, connections):
            static = connection.topic in still
            for one in reader.deserialize(raw, connection.msgtype).transforms:
                try:
                    pose = transform_matrix(one.transform)
                except DataError as error:
                    wrong.append(error)
                    continue
                yield (
                    None if static else nanoseconds_of(one.header.stamp),
                    one.header.frame_id.lstrip('/'), one.child_frame_id.lstrip('/'), pose,
                )
    _warn_about(wrong, 'transforms', path)


def _warn_about(wrong: list[DataError], what: str, path: Path) -> None:
    """Warn about poses that were ignored: robots send some before they know where they are."""
    if wrong:
        log.warning('%s: ignored %d %s; the first: %s', path, len(wrong), what, wrong[0])
