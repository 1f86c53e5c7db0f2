"""
Cloud and scan from the metric depth of a frame.

One object per camera, with its rays, directions and buffers computed once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
import math

import numpy as np

from depth_node.camera import Camera
from depth_node.camera.ground import camera_over_ground, Ground, Pose
from depth_node.camera.rigid import matrix_of
from depth_node.cloud.ground import fit_ground
from depth_node.cloud.maker import CloudMaker, Color, Depth, Points, Room, sampled
from depth_node.cloud.obstacles import GroundSplit
from depth_node.cloud.scan import Scan, ScanMaker
from depth_node.cloud.sight import ROWS, with_no_returns
from depth_node.cloud.voxel import capped, VoxelGrid
from depth_node.config import Config

NO_GROUND = (
    'The ground plane is not known, so there is no scan and no cloud of obstacles or ground. '
    'Set ground.camera_height{hint}.'
)
NO_FRAME = 'The pose of the camera in {frame} ({setting}) is not known. Set {instead}{hint}.'
_GROUND_POINTS = 1500


@dataclass(frozen=True)
class Placement:
    """
    The pose of the camera from TF; None if not needed or not known.

    :param points: float64 (4, 4), optical frame to points.frame.
    :param base: float64 (4, 4), optical frame to ground.base_frame.
    :param scan: float64 (4, 4), optical frame to scan.output_frame.
    :param hints: the end of the sentence about each of the three that is unknown: the other
        remedy.
    """

    points: Pose | None = None
    base: Pose | None = None
    scan: Pose | None = None
    hints: tuple[str, str, str] = ('', '', '')


@dataclass(frozen=True)
class Planned:
    """
    The outputs of a frame for planners.

    :param points: float32 (H, W, C) or (N, C), x y z (m), color and confidence; None: not
        wanted or unknown.
    :param scan: the scan, or None.
    :param note: why a wanted output is missing, and what to do; usually empty.
    :param confidence: whether the last value of a point is its confidence.
    """

    points: Points | None = None
    scan: Scan | None = None
    note: str = ''
    confidence: bool = False


class PointsPipeline:
    """
    Makes clouds and scans of one camera with one configuration.

    :param camera: camera of the depth images.
    :param config: all groups; see :func:`what_matters`.
    """

    def __init__(self, camera: Camera, config: Config) -> None:
        self.camera = camera
        self.config = config
        self._given_limits = config.depth.min_range, config.depth.max_range or math.inf
        self._limits = self._given_limits
        self._rays = camera.rays()
        self._thin = np.ascontiguousarray(
            self._rays[::config.points.stride, ::config.points.stride]
        )
        blind = np.isnan(self._thin[..., 0])
        self._blind = blind if blind.any() else None
        given = config.points.transform
        self._given = matrix_of(given) if given else None
        self._placed: Placement | None = None
        self._base: Pose | None = None
        self._cloud = CloudMaker(self._thin)
        self._split: GroundSplit | None = None
        self._voxels = VoxelGrid(size) if (size := config.points.voxel_size) else None
        self._scan: ScanMaker | None = None
        self._scan_stride = -(-camera.height // ROWS)
        self._sample = max(1, round((camera.width * camera.height / _GROUND_POINTS) ** 0.5))
        self._looks = np.empty(0)

    def suits(self, camera: Camera, config: Config) -> bool:
        """
        Return whether this pipeline can be reused for the next frame.

        :param camera: camera of the frame.
        :param config: configuration of the frame.
        :returns: False if another pipeline is needed.
        """
        if camera is not self.camera and camera != self.camera:
            return False
        mine = self.config
        return config is mine or what_matters(config) == what_matters(mine)

    def frames(self, *, points: bool, scan: bool) -> tuple[str, str, str]:
        """
        Return which transforms are needed.

        :param points: whether the cloud is wanted.
        :param scan: whether the scan is wanted.
        :returns: the frames for :class:`Placement`: points, base, scan; empty if not needed.
        """
        config = self.config
        measured = config.ground.camera_height > 0
        ground = scan or (points and config.points.content != 'all')
        given = bool(config.points.transform)
        return (
            config.points.frame if points and not given else '',
            config.ground.base_frame if ground and not measured else '',
            config.scan.output_frame if scan and not measured else '',
        )

    def process(
        self,
        depth: Depth,
        rgb: Color | None = None,
        frames: Placement | None = None,
        *,
        points: bool = True,
        scan: bool = False,
        room: Room | None = None,
        limits: tuple[float, float] | None = None,
        confidence: Depth | None = None,
    ) -> Planned:
        """
        Return the wanted outputs of a frame.

        :param depth: float32 (H, W), z-depth (m), REP-117.
        :param rgb: uint8 (H, W, 3), for a cloud with color.
        :param frames: the transforms for :meth:`frames`.
        :param points: whether the cloud is wanted.
        :param scan: whether the scan is wanted.
        :param room: returns the array for an organized cloud of a shape, such as the bytes of a
            message; not used for lists, whose length is not known before.
        :param limits: z-depth below which depth is -Inf, and above which it is +Inf (m,
            ``Estimate.limits``); None: ``depth.min_range`` and ``depth.max_range``.
        :param confidence: float32 (H, W), for a cloud that has it (``points.confidence``).
        :returns: cloud and scan; the arrays are overwritten by the next frame.
        :raises DataError: the size of depth differs from that of the camera.
        """
        frames = frames or Placement()
        config = self.config
        if config.points.frame and config.points.transform:
            frames = dataclasses.replace(frames, points=self._given)
        limits = limits or self._given_limits
        if limits != self._limits:
            self._limits, self._placed = limits, None
        notes = self._place(frames, self.frames(points=points, scan=scan))
        ground: Ground | None = None
        if self._base is not None and (scan or config.points.content != 'all'):
            ground = self._find_ground(depth)
        cloud = None
        if points and not (config.points.frame and frames.points is None):
            cloud = self._make_cloud(depth, rgb, ground, room, confidence)
        made = None
        if scan and self._scan is not None and ground is not None:
            made = self._scan.scan(depth[::self._scan_stride], ground)
        with_confidence = confidence is not None and config.points.confidence
        return Planned(cloud, made, notes, with_confidence)

    def _place(self, frames: Placement, names: tuple[str, str, str]) -> str:
        """Update the pose of the camera if it has changed; return what is missing."""
        if self._placed is None or not _same(self._placed, frames):
            self._placed = frames
            ground = self.config.ground
            self._base = frames.base if ground.camera_height == 0 else camera_over_ground(
                ground.camera_height, ground.camera_pitch_deg, ground.camera_roll_deg
            )
            self._cloud = CloudMaker(self._thin, frames.points)
            self._split = self._scan = None
            if self._base is not None:
                rays = self._rays[::self._sample, ::self._sample].astype(np.float64)
                ahead = np.concatenate([rays, np.ones_like(rays[..., :1])], -1)
                self._looks = ahead @ self._base[:3, :3].T
                content = self.config.points.content
                if content != 'all':
                    self._split = GroundSplit(self._thin, self._base, content, ground)
                if ground.camera_height > 0 or frames.scan is not None:
                    self._scan = ScanMaker(
                        self._rays[::self._scan_stride], self._base,
                        None if ground.camera_height > 0 else frames.scan,
                        self.config.scan, ground, self._limits,
                    )
        notes, hints = [], frames.hints
        if names[0] and frames.points is None:
            notes.append(NO_FRAME.format(
                frame=names[0], setting='points.frame', instead='points.transform',
                hint=hints[0],
            ))
        if names[1] and frames.base is None:
            notes.append(NO_GROUND.format(hint=hints[1]))
        elif names[2] and frames.scan is None:
            notes.append(NO_FRAME.format(
                frame=names[2], setting='scan.output_frame', instead='ground.camera_height',
                hint=hints[2],
            ))
        return ' '.join(notes)

    def _find_ground(self, depth: Depth) -> Ground:
        """Fit the ground to an even sample of the frame."""
        assert self._base is not None
        step = self._sample
        with np.errstate(invalid='ignore'):  # infinity times zero
            points = self._looks * depth[::step, ::step, None] + self._base[:3, 3]
        points = points[np.isfinite(points).all(-1)]
        return fit_ground(points, self.config.ground, self._base[2, 3])

    def _make_cloud(
        self, depth: Depth, rgb: Color | None, ground: Ground | None, room: Room | None,
        confidence: Depth | None,
    ) -> Points | None:
        config = self.config.points
        depth = sampled(depth, config.stride)
        rgb = sampled(rgb, config.stride) if rgb is not None and config.color else None
        if confidence is not None:
            confidence = sampled(confidence, config.stride) if config.confidence else None
        if config.no_return_range > 0:
            at = min(config.no_return_range, self._limits[1])
            depth = with_no_returns(depth, at, self._blind)
        mask, split = None, self._split
        if config.content != 'all':
            if ground is None or split is None:
                return None
            mask = split.mask(depth, ground)
        if config.voxel_size > 0 or config.max_points > 0:
            there = self._cloud.there(depth, mask)
            if self._voxels is None:
                pixels = np.flatnonzero(there)
            else:
                pixels = self._voxels.thinned(self._cloud, there, depth)
            return self._cloud.picked(
                capped(pixels, config.max_points), depth, rgb, confidence
            )
        if mask is not None and split is not None:
            depth = split.only(depth, mask)
        if config.organized:
            return self._cloud.organized(depth, rgb, room, confidence)
        return self._cloud.listed(depth, rgb, confidence)


def obstacles_only(config: Config) -> Config:
    """
    Return the configuration with which a pipeline makes the cloud of the obstacles alone.

    :param config: all groups.
    :returns: a copy; the points are in the optical frame, without color and confidence.
    """
    return config.replaced({
        'points.content': 'obstacles', 'points.frame': '', 'points.organized': False,
        'points.color': False, 'points.confidence': False, 'points.no_return_range': 0.0,
    })


def scan_in_optical(config: Config) -> Pose | None:
    """
    Return where to draw a scan if the mounting of the camera is given.

    A scan has no height: it is drawn at the lower end of the heights it looks at.

    :param config: the groups `ground` and `scan`.
    :returns: float64 (4, 4), pose of the scan's frame in the optical frame; None: it comes from
        TF (``ground.camera_height`` is 0).
    """
    ground = config.ground
    if ground.camera_height == 0:
        return None
    up = np.eye(4)
    up[2, 3] = config.scan.min_height
    optical_from_ground = np.linalg.inv(camera_over_ground(
        ground.camera_height, ground.camera_pitch_deg, ground.camera_roll_deg
    ))
    return np.asarray(optical_from_ground @ up)


def what_matters(config: Config) -> tuple[object, ...]:
    """
    Return what clouds and scans depend on.

    :param config: all groups.
    :returns: equal for configurations that one pipeline serves alike.
    """
    depth = config.depth
    return config.points, config.ground, config.scan, depth.min_range, depth.max_range


def _same(one: Placement, other: Placement) -> bool:
    pairs = ((one.points, other.points), (one.base, other.base), (one.scan, other.scan))
    return all(
        a is b or (a is not None and b is not None and np.array_equal(a, b)) for a, b in pairs
    )
