"""Check of the camera height in the parameters against the visible floor."""

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
"""Interval of the checks (s)."""
TOLERANCE = 0.3
"""Tolerated difference of the logarithms of both heights, due to a metric network."""
IN_A_ROW = 2
"""Number of consecutive checks that must contradict the parameter."""
STEP = 4
"""Every n-th row and column is used."""


class FloorWatch:
    """Detects a wrong ``ground.camera_height``, with which the floor becomes an obstacle."""

    def __init__(self) -> None:
        self._looked = -math.inf
        self._rays: tuple[Camera, NDArray[np.float32]] | None = None
        self._contradictions = 0
        self._note = ''

    def look(self, config: GroundConfig, depth: NDArray[np.float32], camera: Camera) -> str:
        """
        Check a frame, if a check is due.

        :param config: the parameters of the ground.
        :param depth: float32 (H, W), z-depth (m).
        :param camera: camera of the frame.
        :returns: the problem and its remedy; empty if there is none.
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
            f'The visible floor is {seen:.2f} m below the camera, but ground.camera_height is '
            f'{config.camera_height:g} m, so the scan and the obstacles are wrong. Correct the '
            'height, or calibrate the scale (doc/scale.md).'
        )
        return self._note
