"""
Detection of standing cameras and scenes from images.

An image without contrast proves nothing: a plain wall looks the same from one and from three
metres. Therefore "still" needs evidence: enough parts of the image with contrast in all directions
that did not move, and no part that did. Every frame is compared with the first one of the pause,
not with the previous one, so that a slow motion accumulates until it is detected.

The motion of a part is the least-squares solution of the brightness constancy equation (Lucas
and Kanade, An iterative image registration technique with an application to stereo vision, 1981,
one step), and so is the growth of the whole image, which is the effect of driving ahead.
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.depth.median import median

Plane = NDArray[np.float32]
Floats = NDArray[np.float64]

COLUMNS = 160
"""Width at which images are compared (pixels); at least half of it for small ones."""
TILE = 16
"""Side of the parts (pixels at that width)."""
MOVED = 0.05
"""Minimum motion of a part (pixels at that width)."""
GROWN = 1e-3
"""Minimum growth of the image: an approach by this share of the distance."""
SURE = 6.0
"""Minimum significance of a motion (standard deviations)."""
PROOF = 0.02
"""Standard deviation below which the motion of a part is known (pixels at that width)."""
COVERED = 0.3
"""Minimum share of parts that prove that they stand still."""
CHANGED = 2.0
"""Allowed difference of a part beyond noise (8-bit steps)."""
QUIETEST = 0.25
"""Minimum noise (8-bit steps): that of rounding."""


class _Key:
    """
    The reference image, with data for comparisons.

    :param picture: float32 (h, w), from :func:`small`.
    """

    def __init__(self, picture: Plane) -> None:
        self.picture = picture
        mean, deviation = cv2.meanStdDev(picture)
        self.mean, self.contrast = float(mean[0, 0]), float(deviation[0, 0])

    @cached_property
    def gradient(self) -> tuple[Plane, Plane, Plane]:
        """Its gradient to the right, down, and radially times the radius."""
        height, width = self.picture.shape
        across = cv2.Sobel(self.picture, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
        down = cv2.Sobel(self.picture, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
        outward = across * (np.arange(width, dtype=np.float32) - np.float32(width / 2))
        outward += down * (np.arange(height, dtype=np.float32) - np.float32(height / 2))[:, None]
        return across, down, outward

    @cached_property
    def normal(self) -> tuple[Floats, Floats, Floats]:
        """The normal equations of the motion of each part."""
        across, down, _ = self.gradient
        return _tiles(across * across), _tiles(across * down), _tiles(down * down)

    @cached_property
    def growth(self) -> Floats:
        """The normal equations of the motion of the whole: right, down, growth."""
        rows = np.stack([plane.ravel() for plane in self.gradient])
        return np.asarray(rows @ rows.T, np.float64)


class Stillness:
    """Detects whether one camera and its scene stand still."""

    def __init__(self) -> None:
        self._key: _Key | None = None

    def reset(self) -> None:
        """Forget the past."""
        self._key = None

    def look(self, image: NDArray[np.uint8]) -> bool:
        """
        Compare an image with the first one of the pause.

        :param image: uint8 (H, W, 3) or (H, W).
        :returns: whether it is proven that nothing has moved since then. If not, the pause
            starts again with this image.
        """
        picture = small(image)
        key = self._key
        if key is not None and key.picture.shape == picture.shape and _same(key, picture):
            return True
        enough = min(picture.shape) >= TILE
        self._key = _Key(picture) if enough else None
        return False


def small(image: NDArray[np.uint8]) -> Plane:
    """
    Return the brightness of an image at about 160 columns.

    :param image: uint8 (H, W, 3), of which green is used, or (H, W).
    :returns: float32 (h, w), in whole tiles.
    """
    green = image if image.ndim == 2 else image[..., 1]
    step = max(1, green.shape[1] // (2 * COLUMNS))
    thin = np.ascontiguousarray(green[::step, ::step])
    height, width = thin.shape
    if width >= 2 * COLUMNS:
        width, height = width // 2, height // 2
        thin = cv2.resize(
            thin[:2 * height, :2 * width], (width, height), interpolation=cv2.INTER_AREA
        )
    whole = thin[:max(height // TILE, 1) * TILE, :max(width // TILE, 1) * TILE]
    return whole.astype(np.float32)


def _same(key: _Key, picture: Plane) -> bool:
    """Return whether an image shows the same as the reference, from the same pose."""
    mean, deviation = cv2.meanStdDev(picture)
    if key.contrast <= QUIETEST:
        return False
    # all the light may change, by a factor and by an offset
    gain = float(deviation[0, 0]) / key.contrast
    change = picture - np.float32(gain) * (key.picture - np.float32(key.mean))
    change -= np.float32(mean[0, 0])
    noise = max(QUIETEST, 1.4826 * median(np.abs(change).ravel()[::4]))
    different = np.sqrt(_tiles(change * change)) / TILE
    if bool((different > 3 * noise + CHANGED).any()):
        return False
    across, down, outward = key.gradient
    gain = max(gain, 1e-6)
    sxx, sxy, syy = (gain * gain * entry for entry in key.normal)
    bx, by = (-gain * _tiles(plane * change) for plane in (across, down))
    half, turn = (sxx + syy) / 2, np.hypot((sxx - syy) / 2, sxy)
    most = half + turn
    sigma = noise / np.sqrt(np.maximum(most, 1e-9))
    known = sigma < PROOF
    # what is hardly known in one direction is taken to have rested in that one
    ridge = (noise / PROOF) ** 2
    sxx, syy = sxx + ridge, syy + ridge
    inverse = 1 / (sxx * syy - sxy * sxy)
    moved = np.hypot(syy * bx - sxy * by, sxx * by - sxy * bx) * inverse
    if bool((known & (moved > np.maximum(MOVED, SURE * sigma))).any()):
        return False
    if np.count_nonzero(known) < COVERED * known.size:
        return False
    right = np.array([-gain * float(np.vdot(plane, change)) for plane in (across, down, outward)])
    matrix = gain * gain * key.growth
    try:
        spread = np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        return False
    growth, deviation_of_it = float(spread[2] @ right), noise * float(np.sqrt(spread[2, 2]))
    return abs(growth) < max(GROWN, SURE * deviation_of_it)


def _tiles(plane: Plane) -> Floats:
    """Return the sums over the parts of an image."""
    rows, columns = plane.shape[0] // TILE, plane.shape[1] // TILE
    whole = plane[:rows * TILE, :columns * TILE].reshape(rows, TILE, columns, TILE)
    return whole.sum((1, 3), dtype=np.float64)
