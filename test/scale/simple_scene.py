"""A scene in closed form: flat ground and a wall ahead, seen by a camera that looks down."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale import FloorPose, ScaleFrame
from depth_node.sources.frame import Frame, nanoseconds

CAMERA = Camera.from_hfov(320, 240, 75)
RAYS = CAMERA.rays()
HEIGHT = 0.8
PITCH = math.radians(12)
WALL = 6.0
ONE_UNKNOWN = [kind for kind in OutputKind if not kind.has_shift]
TWO_UNKNOWNS = [kind for kind in OutputKind if kind.has_shift]
TRUTH = {
    OutputKind.METRIC_DEPTH: (1.2, 0.0),
    OutputKind.CANONICAL_DEPTH: (0.8, 0.0),
    OutputKind.RELATIVE_DEPTH: (2.5, 0.4),
    OutputKind.SIGMOID_DISPARITY: (5.4, 0.0),
    OutputKind.RELATIVE_DISPARITY: (0.02, 0.03),
}


def ground(tilt_sigma: float = 0.0) -> FloorPose:
    """Return where the ground is."""
    return FloorPose.from_angles(HEIGHT, PITCH, tilt_sigma=tilt_sigma)


def depth() -> NDArray[np.float64]:
    """Return the exact z-depth (m): h / (y cos p + sin p) of the ground, the wall behind."""
    y = RAYS[..., 1].astype(np.float64)
    slope = y * math.cos(PITCH) + math.sin(PITCH)
    # the wall stands across the horizontal direction ahead: z (cos p - y sin p) = WALL
    wall = WALL / (math.cos(PITCH) - y * math.sin(PITCH))
    with np.errstate(divide='ignore'):
        return np.where(slope > 0, np.minimum(HEIGHT / slope, wall), wall)


def frame(kind: OutputKind, z: NDArray[np.float64] | None = None) -> ScaleFrame:
    """Return what a perfect network says about a depth image, by each kind's formula."""
    z = depth() if z is None else z
    scale, shift = TRUTH[kind]
    if kind is OutputKind.RELATIVE_DISPARITY:
        values = (1 / z - shift) / scale
    elif kind is OutputKind.SIGMOID_DISPARITY:
        values = (scale / z - 0.01) / 9.99
    else:
        values = (z - shift) / scale
    spec = ModelSpec(kind.value, kind)
    rgb = np.zeros((*z.shape, 3), np.uint8)
    return ScaleFrame(Frame(rgb, None, CAMERA), values.astype(np.float32), spec, RAYS)


def at(stamp: float, seen: ScaleFrame) -> ScaleFrame:
    """Return the same frame at another time (s)."""
    return dataclasses.replace(
        seen, frame=dataclasses.replace(seen.frame, stamp=nanoseconds(stamp))
    )


def with_image(seen: ScaleFrame, image: NDArray[np.uint8]) -> ScaleFrame:
    """Return the same frame with another picture."""
    return dataclasses.replace(seen, frame=dataclasses.replace(seen.frame, rgb=image))
