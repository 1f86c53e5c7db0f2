"""Conversion of frames of any lens and size to the pinhole view used for training."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera, Distortion
from depth_node.errors import DataError
from depth_node.image.size import Size


class PinholeView:
    """
    The undistorted part of a camera image that is used for training, at one size.

    View synthesis projects with K alone, so lens distortion must be removed first. Where the
    undistorted view exceeds the image, it is black and has no depth.

    :param camera: the camera; frames have its size.
    :param size: of the view (pixels).
    :param crop: whether to keep the aspect ratio and crop the longer side instead of stretching.
    """

    def __init__(self, camera: Camera, size: Size, *, crop: bool = False) -> None:
        if not (camera.fx > 0 and camera.fy > 0):
            raise DataError('The camera has no focal length.', 'Calibrate it.')
        self.source = camera
        x, y, width, height = _centered(camera.size, size) if crop else (0, 0, *camera.size)
        self._part = (slice(y, y + height), slice(x, x + width))
        seen = camera.cropped(x, y, width, height).scaled(size)
        self.camera = dataclasses.replace(seen, distortion=Distortion.NONE, coefficients=())
        self._map: NDArray[np.float32] | None = None
        if seen.distortion is not Distortion.NONE and any(seen.coefficients):
            rays = self.camera.rays()
            points = np.concatenate([rays, np.ones_like(rays[..., :1])], axis=-1)
            self._map = seen.project(points).astype(np.float32)

    def color(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """
        Convert an image to the view.

        :param image: uint8 (H, W, 3) rgb, of the camera's size.
        :returns: uint8 (h, w, 3), of the view's size.
        """
        part = self._cut(image)
        size = self.camera.size
        shrinks = size.width <= part.shape[1] and size.height <= part.shape[0]
        way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        small = cv2.resize(part, tuple(size), interpolation=way)
        if self._map is not None:
            small = cv2.remap(small, self._map, None, cv2.INTER_LINEAR)
        return small

    def depth(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """
        Convert a depth image to the view: the nearest measurement per pixel, not interpolated.

        :param depth: float32 (H, W) z-depth (m), NaN where none; of the camera's size.
        :returns: float32 (h, w) (m), NaN where none.
        """
        part = self._cut(depth)
        size = self.camera.size
        known = np.isfinite(part) & (part > 0)
        if known.mean() > 0.3:
            small = cv2.resize(part, tuple(size), interpolation=cv2.INTER_NEAREST)
        else:  # sparse, as from a lidar: keep every return
            small = _scattered(part, known, size)
        if self._map is not None:
            small = cv2.remap(
                small, self._map, None, cv2.INTER_NEAREST, borderValue=float('nan')
            )
        small[~(np.isfinite(small) & (small > 0))] = np.nan
        return small

    def _cut(self, plane: NDArray[Any]) -> NDArray[Any]:
        if plane.shape[:2] != (self.source.height, self.source.width):
            raise DataError(
                f'The image is {plane.shape[1]}x{plane.shape[0]}, but its calibration is for '
                f'{self.source.size}.'
            )
        return plane[self._part]


def _centered(have: Size, want: Size) -> tuple[int, int, int, int]:
    """Return the largest central window of `have` with the aspect ratio of `want`."""
    width = min(have.width, round(have.height * want.width / want.height))
    height = min(have.height, round(have.width * want.height / want.width))
    return (have.width - width) // 2, (have.height - height) // 2, width, height


def _scattered(
    depth: NDArray[np.float32], known: NDArray[np.bool_], size: Size
) -> NDArray[np.float32]:
    """Move each measurement to its pixel; the nearest wins."""
    rows, columns = np.nonzero(known)
    y = np.minimum(rows * size.height // depth.shape[0], size.height - 1)
    x = np.minimum(columns * size.width // depth.shape[1], size.width - 1)
    small = np.full((size.height, size.width), np.inf, np.float32)
    np.minimum.at(small, (y, x), depth[known])
    small[np.isinf(small)] = np.nan
    return small
