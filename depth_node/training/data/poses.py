"""Poses of the camera or robot: tables of poses, and odometry in a rosbag."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError

ODOMETRY = 'nav_msgs/msg/Odometry'


def read_poses(path: Path) -> NDArray[np.float64]:
    """
    Read a table with one pose per frame.

    :param path: rows of 12 numbers (3x4, as in KITTI), 7 (``x y z qx qy qz qw``) or 8 (the same
        after a stamp, as in TUM); metres, camera to a fixed frame.
    :returns: float64 (N, 4, 4) (m).
    :raises DataError: not readable, or rows of another length.
    """
    try:
        rows = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(f'{path}: is not a table of poses ({error}).') from error
    if rows.shape[1] not in (7, 8, 12) or not np.isfinite(rows).all():
        raise DataError(
            f'{path}: rows of {rows.shape[1]} numbers, expected finite ones: 7 (x y z qx qy qz '
            'qw), 8 (with a stamp before them) or 12 (3x4).'
        )
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    if rows.shape[1] == 12:
        poses[:, :3] = rows.reshape(-1, 3, 4)
        return poses
    rows = rows[:, -7:]
    poses[:, :3, 3] = rows[:, :3]
    for pose, quaternion in zip(poses, rows[:, 3:], strict=True):
        pose[:3, :3] = rotation_of(*quaternion)
    return poses


def rotation_of(x: float, y: float, z: float, w: float) -> NDArray[np.float64]:
    """
    Convert a quaternion to a rotation matrix.

    :param x: of the vector part; y and z likewise.
    :param w: the scalar part; the quaternion need not be of unit length.
    :returns: float64 (3, 3).
    """
    vector = np.array([x, y, z], np.float64)
    length = float(np.linalg.norm(vector))
    angle = 2.0 * np.arctan2(length, w)
    axis = vector / length if length > 0 else vector
    rotation: NDArray[np.float64] = cv2.Rodrigues(axis * angle)[0]
    return rotation


@dataclass(frozen=True)
class Track:
    """
    Positions over time, used for the distance between them.

    :param stamps: float64 (N,), ascending (s).
    :param places: float64 (N, 3) (m).
    """

    stamps: NDArray[np.float64]
    places: NDArray[np.float64]

    def at(self, stamp: float) -> NDArray[np.float64] | None:
        """
        Return the interpolated pose.

        :param stamp: time (s).
        :returns: float64 (4, 4), with the orientation of the fixed frame; None outside the track.
        """
        if not len(self.stamps) or not self.stamps[0] <= stamp <= self.stamps[-1]:
            return None
        pose = np.eye(4)
        pose[:3, 3] = [np.interp(stamp, self.stamps, axis) for axis in self.places.T]
        return pose


def bag_odometry(path: Path, topic: str) -> Track:
    """
    Read the odometry of a robot from a rosbag.

    The motion of the robot's base is used for that of the camera. They differ if the robot turns
    on the spot and the camera is far from its centre.

    :param path: the bag.
    :param topic: topic of nav_msgs/Odometry.
    :returns: the positions of the robot.
    :raises DataError: no such topic, or the bag cannot be read.
    """
    from depth_node.sources.rosbag_opening import opened

    with opened(path) as reader:
        connections = [
            c for c in reader.connections if c.topic == topic and c.msgtype == ODOMETRY
        ]
        if not connections:
            found = ', '.join(sorted(c.topic for c in reader.connections if c.msgtype == ODOMETRY))
            raise DataError(f'{path}: has no odometry on {topic}. It has {found or "none"}.')
        rows = []
        for connection, _, raw in reader.messages(connections):
            message = reader.deserialize(raw, connection.msgtype)
            stamp, place = message.header.stamp, message.pose.pose.position
            rows.append((stamp.sec + stamp.nanosec * 1e-9, place.x, place.y, place.z))
    table = np.array(sorted(rows), np.float64).reshape(-1, 4)
    return Track(table[:, 0], table[:, 1:])
