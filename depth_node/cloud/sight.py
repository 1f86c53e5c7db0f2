"""
How far the band of heights of a scan was seen through, beam by beam.

A beam is free where all pixels that look through the band know what is there, and at least one of
them looks through it as far as the scan reaches. A pixel whose depth is not known may hide
anything; so may one that is stopped by something outside the band. The edge filter leaves lines
of unknown pixels between surfaces, which are no wider than a gap of two rows here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera.ground import Ground, NOISE, Pose
from depth_node.cloud.maker import CloudMaker, Depth, Mask
from depth_node.config import ScanConfig

Beams = NDArray[np.int32]
Indices = NDArray[np.intp]

_NONE = np.empty(0, np.intp)
ROWS = 160
"""About the number of rows of pixels that are looked at."""
GAP = 2
"""So many unknown rows, one below the other, hide nothing worth its name."""
HIDDEN = 0.6
"""What borders an unknown part at less than this share of the range found may hide an obstacle."""


@dataclass(frozen=True)
class Sight:
    """
    What is known of the beams of a frame.

    :param free: bool (N,), seen through all the way.
    :param nearest: int (M,), flat indices of pixels that are nearer than the camera can tell.
    :param ends: int (K,), flat indices of the pixels that border unknown parts.
    """

    free: Mask
    nearest: Indices
    ends: Indices


class BandSight:
    """
    Finds the beams that see through the band; with buffers of its own.

    :param maker: of the pixels, in the base frame.
    :param base: float64 (4, 4), optical frame to base frame.
    :param beams: int32 (H, W), the beam of every pixel, -1 where none.
    :param reach: float32 (H, W), z-depth at which a pixel's ray leaves the range of the scan (m).
    :param config: the ``scan`` group.
    :param tolerance: below this height a point belongs to the ground (m).
    """

    def __init__(  # noqa: PLR0917
        self, maker: CloudMaker, base: Pose, beams: Beams, reach: Depth, config: ScanConfig,
        tolerance: float,
    ) -> None:
        self._maker, self._base, self.beams = maker, base, beams
        self._count, self._flat = int(beams.max()) + 1, beams.reshape(-1)
        looks = beams >= 0
        self._looks = None if looks.all() else looks
        self._floor = max(config.min_height, tolerance)
        self._ceiling = config.max_height
        self._band = lowest_of(config, tolerance)
        self._reach = np.where(np.isfinite(reach), reach, np.float32(0))
        self._low = self._band(self._reach)
        shape = beams.shape
        self._end = np.empty(shape, np.float32)
        self._through, self._some = np.empty(shape, np.bool_), np.empty(shape, np.bool_)
        self._kernel = np.ones((GAP + 1, 1), np.uint8)

    def look(self, depth: Depth, ground: Ground) -> Sight:
        """
        Look at a frame.

        :param depth: float32 (H, W), z-depth (m), REP-117.
        :param ground: where the ground is in this frame.
        :returns: what is known of the beams.
        """
        slopes = (ground.slope_x, ground.slope_y)
        for rows, end in self._maker.over(self._reach, slopes, ground.offset):
            np.copyto(self._end[rows], end)
        place = self._base[:3, 3]
        height = place[2] - slopes[0] * place[0] - slopes[1] * place[1] - ground.offset
        # which pixels look through the band where the scan ends, and are not stopped before
        through, some = self._through, self._some
        np.greater(self._end, self._low, out=through)
        np.logical_and(through, np.less_equal(self._end, self._ceiling, out=some), out=through)
        np.logical_and(through, np.greater_equal(depth, self._reach, out=some), out=through)
        if self._looks is not None:
            np.logical_and(through, self._looks, out=through)
        free = np.zeros(self._count, np.bool_)
        free[self._flat.take(np.flatnonzero(through))] = True
        unknown = np.isnan(depth, out=some)
        nearer = np.equal(depth, np.float32(-np.inf), out=through)
        inside = self._floor < height <= self._ceiling
        if not inside:  # what is outside the band stops the view of it
            np.logical_or(unknown, nearer, out=unknown)
            above = height > self._ceiling
            for rows, there in self._maker.over(depth, slopes, ground.offset):
                with np.errstate(invalid='ignore'):
                    stops = there > self._ceiling if above else there <= self._band(depth[rows])
                unknown[rows] |= stops & np.isfinite(depth[rows])
            unknown &= self._end <= self._ceiling if above else self._end > self._low
        if self._looks is not None:
            np.logical_and(unknown, self._looks, out=unknown)
            np.logical_and(nearer, self._looks, out=nearer)
        ends = self._hidden(unknown, free) if unknown.any() else _NONE
        nearest = np.flatnonzero(nearer) if inside and nearer.any() else _NONE
        return Sight(free, nearest, ends)

    def _hidden(self, unknown: Mask, free: Mask) -> Indices:
        """Take from the free beams what is unknown; return the pixels next to it."""
        mask = unknown.view(np.uint8)
        wide = cv2.morphologyEx(mask, cv2.MORPH_OPEN, self._kernel).view(np.bool_)
        hidden = np.flatnonzero(wide)
        if not hidden.size:
            return _NONE
        free[self._flat.take(hidden)] = False
        border = np.zeros_like(wide)
        border[:-1] = wide[1:] & ~unknown[:-1]
        border[1:] |= wide[:-1] & ~unknown[1:]
        return np.flatnonzero(border)


def lowest_of(config: ScanConfig, tolerance: float) -> Callable[[Depth], Depth]:
    """
    Return the lower end of the band as a function of depth.

    :param config: the ``scan`` group.
    :param tolerance: below this height a point belongs to the ground (m).
    :returns: from z-depth to height over the ground (m).
    """
    def lowest(depth: Depth) -> Depth:
        low = np.multiply(depth, np.float32(NOISE))
        np.add(low, np.float32(tolerance), out=low)
        return np.asarray(np.maximum(low, np.float32(config.min_height), out=low))

    return lowest


def with_no_returns(depth: Depth, at: float, blind: Mask | None = None) -> Depth:
    """
    Put points where nothing is, for costmaps to clear with.

    A costmap clears all cells below the way to a point, whatever its height. So a column of the
    image in which some part is not known, or too near, gets no such points: what is hidden there
    would be cleared by the sky above it.

    :param depth: float32 (H, W), z-depth (m), REP-117.
    :param at: z-depth of the points (m).
    :param blind: bool (H, W), pixels without a ray, which hide nothing; None: there are none.
    :returns: a copy, `at` instead of +Inf in the columns that are known all over.
    """
    unknown = np.isnan(depth)
    if blind is not None:
        unknown &= ~blind
    rows = max(1, round(len(depth) * GAP / ROWS))
    wide = cv2.morphologyEx(
        unknown.view(np.uint8), cv2.MORPH_OPEN, np.ones((rows + 1, 1), np.uint8)
    )
    hidden = wide.any(0) | np.equal(depth, np.float32(-np.inf)).any(0)
    return np.where(np.isposinf(depth) & ~hidden, np.float32(at), depth)
