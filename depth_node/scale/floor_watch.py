"""Check of metres against the visible floor, where the height of the camera is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.camera.transforms import TransformSource
from depth_node.config.outputs import GroundConfig
from depth_node.errors import DataError
from depth_node.scale.ground import FloorPose, seen_height
from depth_node.sources.frame import Frame

PERIOD_S = 1.0
"""Interval of the checks (s)."""
TOLERANCE = 0.3
"""Tolerated difference of the logarithms of both heights, due to a metric network."""
IN_A_ROW = 2
"""Number of consecutive checks that must contradict the height."""
STEP = 4
"""Every n-th row and column is used."""


@dataclass(frozen=True)
class KnownFloor:
    """
    Where the floor should be.

    :param pose: relative to the camera.
    :param name: what its height is called, for messages.
    """

    pose: FloorPose
    name: str


def known_floor(
    config: GroundConfig, frame: Frame, transforms: TransformSource | None
) -> KnownFloor | None:
    """
    Return where the floor of a frame should be: by the parameters, or else by TF.

    :param config: the parameters of the ground.
    :param frame: with its stamp and the name of its optical frame.
    :param transforms: where the transform from `ground.base_frame` is looked up; None: nowhere.
    :returns: the floor, or None if it is not known.
    """
    if config.camera_height > 0:
        pose = FloorPose.from_angles(
            config.camera_height, math.radians(config.camera_pitch_deg),
            math.radians(config.camera_roll_deg),
        )
        return KnownFloor(pose, 'ground.camera_height')
    if transforms is None:
        return None
    found = transforms.lookup(config.base_frame, frame.frame_id, frame.stamp or 0, wait=0.0)
    if found is None:
        return None
    try:
        return KnownFloor(
            FloorPose.from_transform(found), f'the height of the camera in {config.base_frame}'
        )
    except DataError:  # reported where the pose is needed
        return None


class FloorWatch:
    """
    Detects a height of the camera that the metres contradict.

    The floor becomes an obstacle if the height is wrong; all metres are wrong if the scale is, by
    a sensor in feet for example.
    """

    def __init__(self) -> None:
        self._looked = -math.inf
        self._rays: tuple[Camera, NDArray[np.float32]] | None = None
        self._contradictions = 0
        self._note = ''

    def look(
        self, now: float, known: Callable[[], KnownFloor | None], depth: NDArray[np.float32],
        camera: Camera,
    ) -> str:
        """
        Check a frame, if a check is due.

        :param now: the time (s), of a clock or of the frames.
        :param known: returns where the floor should be, or None; called if a check is due.
        :param depth: float32 (H, W), z-depth (m).
        :param camera: camera of the frame.
        :returns: the problem and its remedy; empty if there is none.
        """
        if 0 <= now - self._looked < PERIOD_S:
            return self._note
        self._looked = now
        floor = known()
        if floor is None:
            self._contradictions, self._note = 0, ''
            return ''
        if self._rays is None or self._rays[0] != camera:
            self._rays = camera, np.ascontiguousarray(camera.rays()[::STEP, ::STEP])
        seen = seen_height(depth[::STEP, ::STEP], self._rays[1], floor.pose)
        if seen is None:
            return self._note
        height = floor.pose.height
        wrong = abs(math.log(height / seen)) > TOLERANCE
        self._contradictions = self._contradictions + 1 if wrong else 0
        self._note = '' if self._contradictions < IN_A_ROW else (
            f'The visible floor is {seen:.2f} m below the camera, but {floor.name} is '
            f'{height:.3g} m, so the scan and the obstacles are wrong. Correct the height, or the '
            'scale: the units of its sensor, the size of its markers, its baseline '
            '(doc/scale.md).'
        )
        return self._note
