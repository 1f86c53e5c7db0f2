"""Compares the height of the camera that the parameters give with the floor that is seen."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.config.outputs import GroundConfig
from depth_node.scale import FloorPose
from depth_node.scale.ground import seen_height

PERIOD_S = 1.0
"""The floor is looked at this often."""
TOLERANCE = 0.3
"""Difference of the logarithms of two heights that a metric network may be blamed for."""
IN_A_ROW = 2
"""Looks that have to contradict the parameter."""
STEP = 4
"""Every so many rows and columns are looked at."""


class FloorWatch:
    """Notices a wrong ``ground.camera_height``, which makes a wall of the floor."""

    def __init__(self) -> None:
        self._looked = -math.inf
        self._rays: tuple[Camera, NDArray[np.float32]] | None = None
        self._contradictions = 0
        self._note = ''

    def look(self, config: GroundConfig, depth: NDArray[np.float32], camera: Camera) -> str:
        """
        Look at a frame, where one is due.

        :param config: where the floor should be.
        :param depth: float32 (H, W), z-depth (m).
        :param camera: of the frame.
        :returns: what is wrong and what to do; empty while nothing is known to be.
        """
        if config.camera_height <= 0:
            self._contradictions, self._note = 0, ''
            return ''
        now = time.monotonic()
        if now - self._looked < PERIOD_S:
            return self._note
        self._looked = now
        if self._rays is None or self._rays[0] != camera:
            self._rays = camera, np.ascontiguousarray(camera.rays()[::STEP, ::STEP])
        floor = FloorPose.from_angles(
            config.camera_height, math.radians(config.camera_pitch_deg),
            math.radians(config.camera_roll_deg),
        )
        seen = seen_height(depth[::STEP, ::STEP], self._rays[1], floor)
        if seen is None:
            return self._note
        wrong = abs(math.log(config.camera_height / seen)) > TOLERANCE
        self._contradictions = self._contradictions + 1 if wrong else 0
        self._note = '' if self._contradictions < IN_A_ROW else (
            f'The floor that is seen is {seen:.2f} m below the camera, but ground.camera_height '
            f'is {config.camera_height:g} m: points and scan take the one for the other. Measure '
            'the height of the camera, or calibrate the scale (doc/scale.md).'
        )
        return self._note
