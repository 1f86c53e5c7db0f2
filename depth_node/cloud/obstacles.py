"""Segmentation of ground and obstacles, pixel by pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_node.camera.ground import Ground, NOISE, Pose
from depth_node.cloud.maker import CloudMaker, Depth, Mask
from depth_node.config import GroundConfig


class GroundSplit:
    """
    Finds the pixels of the ground or of obstacles.

    :param rays: float32 (H, W, 2), rays of every pixel (``Camera.rays``).
    :param base: float64 (4, 4), optical frame to base frame.
    :param content: ``ground`` or ``obstacles``, as in ``points.content``.
    :param limits: limits of the ground and of obstacles.
    """

    def __init__(
        self, rays: NDArray[np.float32], base: Pose, content: str, limits: GroundConfig
    ) -> None:
        self._maker = CloudMaker(rays, base)
        self._content = content
        self._tolerance = np.float32(limits.tolerance)
        self._highest = np.float32(limits.max_height)
        shape = self._maker.shape
        self._reach = np.empty(shape, np.float32)
        self._wanted, self._low = np.empty(shape, np.bool_), np.empty(shape, np.bool_)
        self._kept = np.empty(shape, np.float32)

    def mask(self, depth: Depth, ground: Ground) -> Mask:
        """
        Return the pixels of the content.

        :param depth: float32 (H, W), z-depth (m).
        :param ground: the ground of this frame.
        :returns: bool (H, W), overwritten by the next call. It may be True where depth is
            infinite and there is no point.
        :raises DataError: the size of depth differs from that of the rays.
        """
        slopes = (ground.slope_x, ground.slope_y)
        for rows, height in self._maker.over(depth, slopes, ground.offset):
            reach = self._reach[:len(height)]
            wanted = self._wanted[rows]
            np.multiply(depth[rows], np.float32(NOISE), out=reach)
            np.add(reach, self._tolerance, out=reach)
            if self._content == 'ground':
                np.abs(height, out=height)
                np.less_equal(height, reach, out=wanted)
                continue
            np.greater(height, reach, out=wanted)
            low = np.less_equal(height, self._highest, out=self._low[:len(height)])
            np.logical_and(wanted, low, out=wanted)
        return self._wanted

    def only(self, depth: Depth, mask: Mask) -> Depth:
        """
        Return the depth of some pixels.

        :param depth: float32 (H, W), z-depth (m).
        :param mask: bool (H, W), the pixels.
        :returns: float32 (H, W), NaN for other pixels, overwritten by the next call.
        """
        self._kept.fill(np.nan)
        np.copyto(self._kept, depth, where=mask)
        return self._kept
