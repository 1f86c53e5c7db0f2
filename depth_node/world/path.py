"""Where the camera of the synthetic world is, and where it looks."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

Pose = NDArray[np.float64]


def camera_pose(
    position: tuple[float, float, float], yaw: float, tilt: float = 0.0, roll: float = 0.0
) -> Pose:
    """
    Return the pose of a camera that stands somewhere and looks somewhere.

    :param position: of the camera in the world (m).
    :param yaw: of the viewing direction about z, from the world's x (rad).
    :param tilt: angle by which it looks down (rad).
    :param roll: clockwise turn about the viewing direction (rad).
    :returns: (4, 4), from the optical frame (x right, y down, z forward) to the world.
    """
    cy, sy, ct, st = math.cos(yaw), math.sin(yaw), math.cos(tilt), math.sin(tilt)
    forward = np.array([cy * ct, sy * ct, -st])
    right = np.array([sy, -cy, 0.0])
    down = np.cross(forward, right)
    cr, sr = math.cos(roll), math.sin(roll)
    pose = np.eye(4)
    pose[:3, 0] = cr * right + sr * down
    pose[:3, 1] = cr * down - sr * right
    pose[:3, 2] = forward
    pose[:3, 3] = position
    return pose


def shifted(pose: Pose, right: float, down: float = 0.0, forward: float = 0.0) -> Pose:
    """
    Return a pose next to another one, as of the second camera of a stereo pair.

    :param pose: (4, 4) camera to world.
    :param right: along the camera's x (m).
    :param down: along the camera's y (m).
    :param forward: along the camera's z (m).
    :returns: (4, 4), turned the same way.
    """
    moved = pose.copy()
    moved[:3, 3] += pose[:3, :3] @ (right, down, forward)
    return moved


@dataclass(frozen=True)
class Path:
    """
    A round trip on an ellipse, looking ahead and a little to both sides.

    :param track: middle and half axes (x, y, a, b) of the ellipse (m).
    :param height: of the camera over the floor (m).
    :param tilt: angle by which it looks down (rad).
    :param speed: mean speed (m/s).
    :param pause: the camera slows to a stop once in so many seconds; 0: never.
    :param sway: how far the view turns to both sides (rad).
    :param start: place on the ellipse at time 0 (rad).
    """

    track: tuple[float, float, float, float]
    height: float
    tilt: float
    speed: float
    pause: float
    sway: float
    start: float

    def pose(self, time: float) -> Pose:
        """
        Return the pose of the camera.

        :param time: since the start (s); may be negative.
        :returns: (4, 4), from the optical frame to the world.
        """
        x, y, a, b = self.track
        run = time
        if self.pause:
            run -= self.pause / (2 * math.pi) * math.sin(2 * math.pi * time / self.pause)
        # constant in the ellipse's parameter, not along its arc: slower in the sharp turns
        phase = self.start + run * self.speed / math.sqrt((a * a + b * b) / 2)
        heading = math.atan2(b * math.cos(phase), -a * math.sin(phase))
        place = (x + a * math.cos(phase), y + b * math.sin(phase), self.height)
        return camera_pose(place, heading + self.sway * math.sin(2.3 * phase), self.tilt)
