"""One picture of a camera, wherever it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.image.size import Size

SECOND = 1_000_000_000
"""Nanoseconds."""


@dataclass(frozen=True)
class Frame:
    """
    One picture.

    :param stamp: when it was taken (ns; from an arbitrary zero for folders and videos).
    :param rgb: uint8 (H, W, 3).
    :param camera: that took it, or None where nobody knows.
    :param name: for output files; unique within the source.
    :param depth: float32 (H, W), exact z-depth (m), from the synthetic world only.
    """

    stamp: int
    rgb: NDArray[np.uint8]
    camera: Camera | None
    name: str
    depth: NDArray[np.float32] | None = None


def fitted(camera: Camera | None, rgb: NDArray[np.uint8]) -> Camera | None:
    """
    Return a calibration at the size of an image.

    :param camera: for this size, or for another size of the same aspect ratio; or None.
    :param rgb: (H, W, 3).
    :returns: the camera of this image, or None.
    :raises DataError: the aspect ratios differ.
    """
    if camera is None:
        return None
    return camera.for_image(Size(rgb.shape[1], rgb.shape[0]), resized=True)
