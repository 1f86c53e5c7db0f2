"""
The ground plane and the pose of the camera above it.

Base frame: z = 0 is the ground under the robot, x forward, y left, z up (REP-103).
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

Pose = NDArray[np.float64]

NOISE = 0.02
"""Assumed error of depth from pixel to pixel, as a share of the distance."""


@dataclass(frozen=True)
class Ground:
    """
    The plane z = slope_x x + slope_y y + offset, in the base frame.

    :param slope_x: rise per metre forward.
    :param slope_y: rise per metre to the left.
    :param offset: height under the origin (m).
    """

    slope_x: float = 0.0
    slope_y: float = 0.0
    offset: float = 0.0


def camera_over_ground(height: float, pitch_deg: float, roll_deg: float) -> Pose:
    """
    Return the pose of the camera from its height and tilt.

    :param height: height of the camera above the ground (m).
    :param pitch_deg: angle by which it looks down (deg).
    :param roll_deg: angle by which it leans to its right (deg).
    :returns: float64 (4, 4), optical frame to base frame, whose origin is below the camera and
        whose x axis is the horizontal viewing direction.
    """
    pitch, roll = math.radians(pitch_deg), math.radians(roll_deg)
    right, down = np.array([0.0, -1.0, 0.0]), np.array([-math.sin(pitch), 0, -math.cos(pitch)])
    pose = np.eye(4)
    pose[:3, 0] = math.cos(roll) * right + math.sin(roll) * down
    pose[:3, 1] = math.cos(roll) * down - math.sin(roll) * right
    pose[:3, 2] = math.cos(pitch), 0.0, -math.sin(pitch)
    pose[2, 3] = height
    return pose
