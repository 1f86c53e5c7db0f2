"""Where the camera was, and whether it moved: poses from odometry over time."""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from depth_node.camera.rigid import interpolated
from depth_node.scale.fit import Floats
from depth_node.scale.readings import PoseReading, Reading
from depth_node.scale.sync import StampedBuffer

POSE_GAP = 0.5
"""Maximum time between two poses for interpolation (s)."""
STANDS = 0.2
"""Time without motion after which a camera stands still (s)."""
MOVED_BY = 0.005
"""A longer distance in that time is motion (m): 25 mm/s."""
TURNED_BY = math.radians(0.3)
"""A larger rotation in that time is motion (rad)."""


def pose_at(readings: StampedBuffer[Reading], stamp: float, beyond: float) -> Floats | None:
    """
    Return the pose of the camera at a time, between two poses or little after the newest.

    :param readings: the poses of the camera.
    :param stamp: the time (s).
    :param beyond: maximum time after the newest (s).
    :returns: float64 (4, 4), camera optical frame to a fixed frame (m), or None.
    """
    pose = readings.between(stamp, _blended, POSE_GAP, beyond=beyond)
    return pose.world_from_optical if isinstance(pose, PoseReading) else None


def moved(readings: StampedBuffer[Reading], stamp: float) -> bool:
    """
    Return whether poses show a motion.

    :param readings: the poses of the camera.
    :param stamp: the time (s).
    :returns: whether it moved just before; False if there are no poses of that time.
    """
    now, before = (pose_at(readings, time, STANDS) for time in (stamp, stamp - STANDS))
    return now is not None and before is not None and not stands(before, now)


def stands(before: Floats, now: Floats) -> bool:
    """
    Return whether two poses are the same but for the noise of odometry.

    :param before: float64 (4, 4).
    :param now: float64 (4, 4).
    :returns: whether they are.
    """
    step = np.linalg.inv(before) @ now
    return bool(np.linalg.norm(step[:3, 3]) <= MOVED_BY) and turn_of(step) <= TURNED_BY


def turn_of(step: Floats) -> float:
    """
    Return the angle of a rotation.

    :param step: float64 (4, 4).
    :returns: its angle (rad).
    """
    return math.acos(min(1.0, max(-1.0, (float(np.trace(step[:3, :3])) - 1) / 2)))


def _blended(first: Reading, second: Reading, share: float) -> Reading:
    def pose(reading: Reading) -> Floats:
        return cast('PoseReading', reading).world_from_optical

    return PoseReading(interpolated(pose(first), pose(second), share))
