"""
A laser scan from depth: for every beam the nearest obstacle in a band of heights.

What depthimage_to_laserscan takes from a few image rows is here a band in metres over the
ground, so the floor is never an obstacle and the camera may be tilted.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from depth_node.camera.ground import Ground, NOISE, Pose
from depth_node.cloud.maker import CloudMaker, Depth
from depth_node.config import GroundConfig, ScanConfig
from depth_node.errors import DataError

_SEEN_STRIDE = 8
_BLOCK = 8


@dataclass(frozen=True)
class ScanGeometry:
    """
    What a LaserScan says besides its ranges.

    :param angle_min: of the first beam, about z, counter-clockwise from x forward (rad).
    :param angle_increment: from beam to beam (rad).
    :param range_min: nearest range that counts (m).
    :param range_max: farthest range that counts (m).
    :param scan_time: from scan to scan (s).
    """

    angle_min: float
    angle_increment: float
    range_min: float
    range_max: float
    scan_time: float


@dataclass(frozen=True)
class Scan:
    """
    One scan.

    :param ranges: float32 (N,), m. +Inf: looked at, and nothing there. -Inf: something nearer
        than `range_min`. NaN: no pixel with a depth.
    :param geometry: where the beams point.
    """

    ranges: NDArray[np.float32]
    geometry: ScanGeometry


class ScanMaker:
    """
    Makes scans of one camera in one place.

    :param rays: float32 (H, W, 2), of every pixel that is looked at (``Camera.rays``).
    :param base: float64 (4, 4), optical frame to base frame.
    :param scan: float64 (4, 4), optical frame to the scan's, x forward; None: the base frame.
    :param config: the ``scan`` group.
    :param ground: the ``ground`` group.
    :raises DataError: a camera none of whose pixels has a ray.
    """

    def __init__(
        self,
        rays: NDArray[np.float32],
        base: Pose,
        scan: Pose | None,
        config: ScanConfig,
        ground: GroundConfig,
    ) -> None:
        self._maker = CloudMaker(rays, base)
        self._from_base = np.eye(4) if scan is None else scan @ np.linalg.inv(base)
        self._tolerance = ground.tolerance
        self._config = config
        turn = (self._from_base @ base)[:3, :3].astype(np.float32)
        looks = np.concatenate([rays, np.ones_like(rays[..., :1])], -1) @ turn.T
        if not np.isfinite(looks).any():
            raise DataError('No pixel of this camera has a ray; its calibration is wrong.')
        middle = np.nanmean(looks.reshape(-1, 3), 0)
        self._middle = math.atan2(middle[1], middle[0])
        azimuth = self._azimuth(looks[..., 0], looks[..., 1])
        # no beam may fall between two columns, or it would say free; 1 % for the rounding
        between = np.nanmax(np.abs(np.diff(azimuth[len(azimuth) // 2]))) if rays.size > 2 else 0
        step = max(math.radians(config.angle_increment_deg), 1.01 * float(np.nan_to_num(between)))
        first, last = float(np.nanmin(azimuth)), float(np.nanmax(azimuth))
        self._count = math.floor((last - first) / step) + 1
        self.geometry = ScanGeometry(
            first + (last - first - (self._count - 1) * step) / 2, step,
            config.range_min, config.range_max, config.scan_time,
        )
        sparse = azimuth[::_SEEN_STRIDE]
        self._sparse = np.flatnonzero(np.isfinite(sparse))
        beams = self._beams(sparse.ravel()[self._sparse])
        self._sparse_beams = beams.clip(0, self._count - 1)
        height, width = rays.shape[:2]
        self._band = np.empty((-(-height // _BLOCK) * _BLOCK, width), np.float32)
        self._lowest = np.empty((height, width), np.float32)
        self._inside = np.empty((2, height, width), np.bool_)

    def scan(self, depth: Depth, ground: Ground) -> Scan:
        """
        Make the scan of a frame.

        :param depth: float32 (H, W), z-depth (m), REP-117.
        :param ground: where the ground is in this frame.
        :returns: the scan.
        """
        ranges = self._free(depth)
        x, y = self._in_band(depth, ground)
        distance = np.hypot(x, y)
        beams = self._beams(self._azimuth(x, y))
        config = self._config
        distance[distance < config.range_min] = -np.inf
        inside = (distance <= config.range_max) & (beams >= 0) & (beams < self._count)
        _scatter_minimum(ranges, beams[inside], distance[inside])
        return Scan(ranges, self.geometry)

    def _azimuth(
        self, x: NDArray[np.float32], y: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Measure angles about z without a jump in the view, also of a camera looking back."""
        c, s = np.float32(math.cos(self._middle)), np.float32(math.sin(self._middle))
        return np.asarray(np.arctan2(c * y - s * x, c * x + s * y) + np.float32(self._middle))

    def _beams(self, azimuth: NDArray[np.float32]) -> NDArray[np.intp]:
        geometry = self.geometry
        position = (azimuth - np.float32(geometry.angle_min)) / np.float32(
            geometry.angle_increment
        )
        return np.rint(position).astype(np.intp)

    def _free(self, depth: Depth) -> NDArray[np.float32]:
        """Give +Inf to beams something was seen in, -Inf where it was too near, else NaN."""
        sparse = depth[::_SEEN_STRIDE].reshape(-1)[self._sparse]
        ranges = np.full(self._count, np.nan, np.float32)
        ranges[self._sparse_beams[~np.isnan(sparse)]] = np.inf
        ranges[self._sparse_beams[np.isneginf(sparse)]] = -np.inf
        return ranges

    def _in_band(
        self, depth: Depth, ground: Ground
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """
        Find the nearest points in the band of heights; x and y in the scan's frame.

        Of a few pixels below each other, which look the same way but for a fraction of a beam,
        only the nearest can be in the scan, and the others are not looked at further.
        """
        config = self._config
        self._band.fill(np.inf)
        slopes = (ground.slope_x, ground.slope_y)
        for rows, height in self._maker.over(depth, slopes, ground.offset):
            low, (inside, below) = self._lowest[rows], self._inside[:, rows]
            np.multiply(depth[rows], np.float32(NOISE), out=low)
            np.add(low, np.float32(self._tolerance), out=low)
            np.maximum(low, np.float32(config.min_height), out=low)
            np.greater(height, low, out=inside)
            np.less_equal(height, np.float32(config.max_height), out=below)
            np.logical_and(inside, below, out=inside)
            np.copyto(self._band[rows], depth[rows], where=inside)
        blocks = self._band.reshape(-1, _BLOCK, depth.shape[1])
        nearest = blocks.min(1)
        nearest[np.isposinf(nearest)] = np.nan  # nothing there; equal to nothing
        indices = np.flatnonzero(blocks == nearest[:, None])
        points = self._maker.positions(indices, self._band)
        moved = self._from_base[:2, :3].astype(np.float32) @ points
        moved += self._from_base[:2, 3:].astype(np.float32)
        return moved[0], moved[1]


def _scatter_minimum(
    ranges: NDArray[np.float32], beams: NDArray[np.intp], distance: NDArray[np.float32]
) -> None:
    """
    Set each beam with an obstacle to its nearest point.

    Of many writers one wins, and who is still nearer writes again: as quick as minimum.at is
    since NumPy 1.25, and ten times as quick as it was before.
    """
    while beams.size:
        ranges[beams] = distance
        nearer = distance < ranges[beams]
        beams, distance = beams[nearer], distance[nearer]
