"""One frame of a source and all that is known about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera


@dataclass(frozen=True)
class Shot:
    """
    One frame with what was measured beside it.

    :param image: uint8 (H, W, 3) rgb.
    :param camera: the camera that took it, of the image's size.
    :param stamp: time (s); differences matter, the origin does not. None: unknown.
    :param depth: float32 (H, W), z-depth (m), NaN where none, or None.
    :param pose: float64 (4, 4), camera optical frame to a fixed frame (m), or None. The pose
        of the robot's base serves as well where only the length of the way is used.
    :param stereo: uint8 (H, W, 3) rgb, the rectified right partner, or None.
    :param baseline: distance of the partner along +x of the optical frame (m).
    """

    image: NDArray[np.uint8]
    camera: Camera
    stamp: float | None = None
    depth: NDArray[np.float32] | None = None
    pose: NDArray[np.float64] | None = None
    stereo: NDArray[np.uint8] | None = None
    baseline: float = 0.0
