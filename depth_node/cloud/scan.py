"""
A laser scan from depth: for every beam the nearest obstacle within a range of heights.

depthimage_to_laserscan uses a few image rows; here the band is in metres above the ground, so the
floor is never an obstacle and the camera may be tilted.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from depth_node.camera.ground import Ground, NOISE, Pose
from depth_node.cloud.maker import CloudMaker, Depth
from depth_node.cloud.sight import BandSight, HIDDEN
from depth_node.config import GroundConfig, ScanConfig
from depth_node.errors import DataError

_BLOCK = 8


@dataclass(frozen=True)
class ScanGeometry:
    """
    The fields of a LaserScan other than its ranges.

    :param angle_min: angle of the first beam about z, counter-clockwise from x (rad).
    :param angle_increment: angle between beams (rad).
    :param range_min: minimum range (m).
    :param range_max: maximum range (m).
    :param scan_time: time between scans (s).
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

    :param ranges: float32 (N,), m. +Inf: the whole band was seen through as far as `range_max`.
        -Inf: something nearer than `range_min`. NaN: not known.
    :param geometry: directions of the beams.
    """

    ranges: NDArray[np.float32]
    geometry: ScanGeometry


class ScanMaker:
    """
    Makes scans of one camera at one pose.

    :param rays: float32 (H, W, 2), rays of the pixels to use (``Camera.rays``).
    :param base: float64 (4, 4), optical frame to base frame.
    :param scan: float64 (4, 4), optical frame to scan frame, x forward; None: the base frame.
    :param config: the ``scan`` group.
    :param ground: the ``ground`` group.
    :param limits: z-depth below which depth is -Inf, and above which it is +Inf (m); the scan
        promises nothing beyond.
    :raises DataError: no pixel of the camera has a ray.
    """

    def __init__(  # noqa: PLR0917
        self,
        rays: NDArray[np.float32],
        base: Pose,
        scan: Pose | None,
        config: ScanConfig,
        ground: GroundConfig,
        limits: tuple[float, float] = (0.0, math.inf),
    ) -> None:
        self._maker = CloudMaker(rays, base)
        self._from_base = np.eye(4) if scan is None else scan @ np.linalg.inv(base)
        self._tolerance = ground.tolerance
        self._config = config
        pose = self._from_base @ base
        self._start = pose[:3, 3]
        turn = pose[:3, :3].astype(np.float32)
        looks = np.concatenate([rays, np.ones_like(rays[..., :1])], -1) @ turn.T
        if not np.isfinite(looks).any():
            raise DataError('No pixel of this camera has a ray. Correct its calibration.')
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
            max(config.range_min, limits[0]), self._reach(config, limits[1]), config.scan_time,
        )
        sees = np.isfinite(azimuth)
        beams = np.full(azimuth.shape, -1, np.int32)
        beams[sees] = self._beams(azimuth[sees]).clip(0, self._count - 1)
        self._sight = BandSight(
            self._maker, base, beams, self._reached(looks), config, ground.tolerance
        )
        height, width = rays.shape[:2]
        self._band = np.empty((-(-height // _BLOCK) * _BLOCK, width), np.float32)
        self._lowest = np.empty((height, width), np.float32)
        self._inside = np.empty((2, height, width), np.bool_)

    def scan(self, depth: Depth, ground: Ground) -> Scan:
        """
        Return the scan of a frame.

        :param depth: float32 (H, W), z-depth (m), REP-117.
        :param ground: the ground of this frame.
        :returns: the scan.
        """
        sight, geometry = self._sight.look(depth, ground), self.geometry
        ranges = np.where(sight.free, np.float32(np.inf), np.float32(np.nan))
        x, y = self._moved(self._in_band(depth, ground), self._band)
        distance = np.hypot(x, y)
        beams = self._beams(self._azimuth(x, y))
        distance[distance < geometry.range_min] = -np.inf
        inside = (distance <= geometry.range_max) & (beams >= 0) & (beams < self._count)
        _scatter_minimum(ranges, beams[inside], distance[inside])
        if sight.ends.size:
            self._drop_hidden(ranges, sight.ends, depth)
        ranges[self._sight.beams.reshape(-1)[sight.nearest]] = -np.inf
        return Scan(ranges, geometry)

    def _drop_hidden(
        self, ranges: NDArray[np.float32], ends: NDArray[np.intp], depth: Depth
    ) -> None:
        """Drop the range of beams where much nearer something may be hidden."""
        ends = ends[np.isfinite(depth.reshape(-1)[ends])]
        bounds = np.full(self._count, np.inf, np.float32)
        x, y = self._moved(ends, depth)
        beams = self._sight.beams.reshape(-1)[ends].astype(np.intp)
        seen = beams >= 0
        _scatter_minimum(bounds, beams[seen], np.hypot(x, y)[seen])
        ranges[np.isfinite(ranges) & (bounds < HIDDEN * ranges)] = np.nan

    def _reach(self, config: ScanConfig, farthest: float) -> float:
        """Return how far the band can be seen: where depth ends, or the band in its noise (m)."""
        band = (config.max_height - self._tolerance) / NOISE
        return max(min(config.range_max, farthest, 0.999 * band), config.range_min)

    def _reached(self, looks: NDArray[np.float32]) -> Depth:
        """Return the z-depth at which each ray leaves the range of the scan (m)."""
        start = self._start[:2]
        along = looks[..., 0] * start[0] + looks[..., 1] * start[1]
        square = np.square(looks[..., 0]) + np.square(looks[..., 1])
        rest = self.geometry.range_max**2 - start @ start
        with np.errstate(invalid='ignore', divide='ignore'):
            reach = (np.sqrt(np.square(along) + square * rest) - along) / square
        return np.minimum(reach, np.float32(1e6)).astype(np.float32)

    def _azimuth(
        self, x: NDArray[np.float32], y: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return angles about z without a jump in the view, even if the camera faces backwards."""
        c, s = np.float32(math.cos(self._middle)), np.float32(math.sin(self._middle))
        return np.asarray(np.arctan2(c * y - s * x, c * x + s * y) + np.float32(self._middle))

    def _beams(self, azimuth: NDArray[np.float32]) -> NDArray[np.intp]:
        geometry = self.geometry
        position = (azimuth - np.float32(geometry.angle_min)) / np.float32(
            geometry.angle_increment
        )
        return np.rint(position).astype(np.intp)

    def _in_band(self, depth: Depth, ground: Ground) -> NDArray[np.intp]:
        """
        Find the pixels of the nearest points in the band of heights, and leave only the band.

        Of a few pixels above each other, whose directions differ by a fraction of a beam, only
        the nearest can be in the scan, so the others are skipped.
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
        return np.flatnonzero(blocks == nearest[:, None])

    def _moved(
        self, indices: NDArray[np.intp], depth: Depth
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return x and y of pixels in the scan's frame (m)."""
        points = self._maker.positions(indices, depth)
        moved = self._from_base[:2, :3].astype(np.float32) @ points
        moved += self._from_base[:2, 3:].astype(np.float32)
        return moved[0], moved[1]


def _scatter_minimum(
    ranges: NDArray[np.float32], beams: NDArray[np.intp], distance: NDArray[np.float32]
) -> None:
    """
    Set each beam with an obstacle to the range of its nearest point.

    Of several writes to a beam one remains, and nearer ones are written again. This is as fast as
    minimum.at since NumPy 1.25, and ten times as fast as it was before.
    """
    while beams.size:
        ranges[beams] = distance
        nearer = distance < ranges[beams]
        beams, distance = beams[nearer], distance[nearer]
