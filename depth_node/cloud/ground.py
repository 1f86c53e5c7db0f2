"""
Fitting of the ground plane to the points of a frame.

Base frame: z = 0 is the ground under the robot, x forward, y left, z up (REP-103).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from depth_node.camera.ground import Ground, NOISE
from depth_node.config import GroundConfig
from depth_node.depth.median import median

Values = NDArray[np.float32] | NDArray[np.float64]

_OFFSET = 0.25
_FEWEST = 30
_PRIOR = 5.0
_ABOVE = 2.0


def fit_ground(points: Values, config: GroundConfig, camera_height: float) -> Ground:
    """
    Fit the ground plane robustly.

    Iteratively reweighted least squares with Tukey's biweight (Holland and Welsch, 1977),
    starting from flat ground with a wide band that narrows. The plane must be plausible: not
    steeper than `max_slope_deg`, and under the robot at most a quarter of the camera's height too
    high or low, which is the effect of a wrong metric scale.

    :param points: float (N, 3), a few thousand of the frame's points (m, base frame).
    :param config: the ``ground`` group.
    :param camera_height: height of the camera in the base frame (m).
    :returns: the plane, or flat ground if there are too few points of a plane.
    """
    flat = Ground()
    steepest = math.tan(math.radians(config.max_slope_deg))
    if steepest == 0:
        return flat
    x, y, z = points.astype(np.float64).T
    distance = np.hypot(x, y)
    spread = config.tolerance + NOISE * distance
    farthest_off = max(config.tolerance, _OFFSET * abs(camera_height))
    wedge = np.abs(z) < farthest_off + spread + steepest * distance
    columns = np.stack([x, y, np.ones_like(x)], 1)[wedge]
    z, spread = z[wedge], spread[wedge]
    if len(z) < _FEWEST:
        return flat
    # a few points' worth of belief in flat ground keeps a sliver of floor from tilting it
    trust = 1 / np.square(spread)
    prior = _PRIOR * median(trust) * np.eye(3)
    off = z / spread
    plane = np.zeros(3)
    for width in (6.0, 3.0, 2.0, 1.5, 1.0, 1.0):
        # above the plane counts more: what stands on it is not its own noise
        np.maximum(off * _ABOVE, -off, out=off)
        off *= 1 / width
        np.multiply(off, off, out=off)
        weight = np.maximum(1 - off, 0, out=off)
        weight *= weight
        weight *= trust
        weighted = columns * weight[:, None]
        plane = np.linalg.solve(weighted.T @ columns + prior, weighted.T @ z)
        np.subtract(z, columns @ plane, out=off)
        off /= spread
    on_it = np.abs(off) < 1
    if (
        on_it.sum() < _FEWEST
        or math.hypot(plane[0], plane[1]) > steepest
        or abs(plane[2]) > farthest_off
    ):
        return flat
    return Ground(*(float(v) for v in plane))
