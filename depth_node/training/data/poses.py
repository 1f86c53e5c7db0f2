"""Positions of a robot over time, from the odometry in a rosbag."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_node.sources.bag_poses import bag_odometry as read_odometry
from depth_node.sources.frame import SECOND


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
    track, _, _ = read_odometry(path, topic)
    assert track.stamps is not None
    return Track(track.stamps / SECOND, track.poses[:, :3, 3])
