"""Another camera each time a frame is used: where it stands, what it zooms to, how it sees."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.training.embedded.frames import light
from depth_node.world.sensor import draw_sensor

_GRAY = 0.05  # share of the frames without color
_SWAPPED = 0.15  # share of the frames whose colors change places
_WIDE, _WIDEST = 0.4, 4 / 3  # share of the zoomed frames that are of a wide camera; up to 16:9


def taken(
    image: NDArray[np.uint8], depth: NDArray[np.float16], rng: np.random.Generator,
    sensor: float, zoom: float,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """
    Take a picture of a frame: mirror, zoom into and recolor it.

    :param image: uint8 (H, W, 3), light as it is kept.
    :param depth: float16 (H, W), canonical.
    :param rng: where the randomness comes from.
    :param sensor: how far cameras stray from a perfect one; 0: not at all.
    :param zoom: the most to zoom in; 1: frames stay whole and are not mirrored either.
    :returns: rgb uint8 (H, W, 3) and canonical depth float32 (H, W), which zooming in makes
        smaller, as a longer lens does. Pictures of wide cameras are squeezed to 4:3 as before
        the network; their depth is that of the vertical focal length.
    """
    truth = depth.astype(np.float32)
    if zoom > 1:
        if rng.random() < 0.5:
            image, truth = image[:, ::-1], truth[:, ::-1]
        if rng.random() < 0.6:
            image, truth = _zoomed(image, truth, rng, zoom)
    radiance = light(image)
    if sensor and rng.random() < _SWAPPED:
        radiance = radiance[..., rng.permutation(3)]
    if sensor and rng.random() < _GRAY:
        radiance = np.repeat(radiance.mean(-1, keepdims=True), 3, -1)
    return draw_sensor(rng, sensor).picture(radiance, rng), truth


def _zoomed(
    image: NDArray[np.uint8], depth: NDArray[np.float32], rng: np.random.Generator, zoom: float
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    height, width = depth.shape
    share = 1 / rng.uniform(1.0, zoom)
    squeezed = rng.uniform(1.0, _WIDEST) if rng.random() < _WIDE else 1.0
    rows, columns = round(height * share / squeezed), round(width * share)
    y, x = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    part = np.ascontiguousarray(image[y:y + rows, x:x + columns])
    near = np.ascontiguousarray(depth[y:y + rows, x:x + columns])
    grown = cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)
    nearest = cv2.resize(near, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return grown.astype(np.uint8), nearest * np.float32(rows / height)
