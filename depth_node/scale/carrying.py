"""
Anchors of the recent past, carried along with the camera.

A lidar with few beams sees few places at a time, but while the robot drives it has seen many.
Anchors are kept as points of a fixed frame and projected into each new frame. One that the
prediction does not show as it showed it before (hidden, gone, moved, or carried to the wrong place
by wrong odometry) is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from depth_node.depth.metres import Scale
from depth_node.model import OutputKind
from depth_node.scale.fit import Floats
from depth_node.scale.local import Anchors, Past
from depth_node.scale.motion import stands
from depth_node.scale.pixels import ScaleFrame
from depth_node.scale.points import on_edge, transformed
from depth_node.scale.unscaled import unscaled

LIFE = 2.0
"""How long anchors are carried (s)."""
HALF = 1.0
"""An anchor counts half as much after this time (s)."""
STILL_LIFE = 0.5
"""How long they are used while the camera stands by its picture, without odometry (s)."""
MOST = 2000
"""Anchors that are kept and used at most, those of the frame included."""
EACH = 250
"""Anchors of one frame that are kept at most."""
LEAST = 500
"""So many of the past are used however many the frame has."""
CELLS = 160
"""Cells along the width of the picture, of which each carries one anchor."""
SAME = 0.03
"""What the prediction of a still camera may change by (relative), else it sees something else."""
ALIKE = 0.1
"""What the error of the prediction at a carried anchor may change by at most (relative)."""
AGREE = 0.65
"""Share of the carried anchors in view that has to pass; otherwise odometry is not believed."""
SLIP = 0.03
"""Error of odometry: of the way, and of the turn in radians."""
NOISE = 0.05
"""Error of a carried distance (relative) at which it counts half."""
NEAREST = 0.05
"""Nearer points are not projected (m)."""


@dataclass(frozen=True)
class _Pool:
    """
    Carried anchors: their places in the fixed frame and what was known when they were measured.

    :param points: float64 (N, 3) (m).
    :param origins: float64 (N, 3), where the camera was (m).
    :param axes: float64 (N, 3), where it looked.
    :param stamps: float64 (N,) (s).
    :param z: float64 (N,), z-depth then (m).
    :param x: float64 (N,), what the network said there then.
    """

    points: Floats
    origins: Floats
    axes: Floats
    stamps: Floats
    z: Floats
    x: Floats

    def __getitem__(self, some: NDArray[np.bool_] | NDArray[np.int64]) -> _Pool:
        return _Pool(*(getattr(self, one.name)[some] for one in fields(self)))

    def with_new(self, other: _Pool) -> _Pool:
        return _Pool(*(
            np.concatenate([getattr(other, one.name), getattr(self, one.name)])
            for one in fields(self)
        ))


def _empty() -> _Pool:
    none = np.zeros((0, 3))
    return _Pool(none, none, none, np.zeros(0), np.zeros(0), np.zeros(0))


class Carrier:
    """Keeps the anchors of the recent past of one camera."""

    def __init__(self) -> None:
        self._pool = _empty()
        self._pose: Floats | None = None

    def reset(self) -> None:
        """Forget everything."""
        self._pool, self._pose = _empty(), None

    def past(
        self, frame: ScaleFrame, pose: Floats | None, scale: Scale, *, still: bool,
        own: int = 0, misfit: float = ALIKE,
    ) -> Past | None:
        """
        Return where the anchors of earlier frames are in this one.

        :param frame: the frame.
        :param pose: float64 (4, 4), camera optical frame to a fixed frame (m) from odometry, or
            None.
        :param scale: what makes metres of the prediction.
        :param still: whether the picture is that of the frame before.
        :param own: anchors of the frame itself: the more, the fewer are carried.
        :param misfit: error of the prediction at these (relative standard deviation). At a
            carried anchor it may change by as much.
        :returns: the anchors that are seen, or None where none is.
        """
        measured = pose is not None
        if pose is None:
            pose = np.eye(4)
        last, self._pose = self._pose, pose if measured else None
        # anchors of a camera that stands have no place in the frame of odometry, and the other
        # way round; a camera that stands by odometry while its picture changes does not stand
        if (last is not None) != measured or (
            not still and (last is None or stands(last, pose))
        ):
            self._pool = _empty()
        pool = self._pool
        age = frame.stamp - pool.stamps
        pool = pool[(age > 0) & (age < (LIFE if measured else STILL_LIFE))]
        self._pool = pool
        if pool.z.size == 0:
            return None
        alike = SAME if still else min(max(misfit, SAME), ALIKE)
        seen = self._seen(frame, pose, scale, alike)
        most = max(MOST - own, LEAST)
        return seen if seen is None or seen.metres.size <= most else _some(seen, most)

    def _seen(
        self, frame: ScaleFrame, pose: Floats, scale: Scale, alike: float
    ) -> Past | None:
        pool = self._pool
        points = transformed(np.asarray(np.linalg.inv(pose), np.float64), pool.points)
        with np.errstate(all='ignore'):
            pixel = frame.camera.project(points)
            inside = (points[:, 2] > NEAREST) & (pixel > -0.5).all(axis=1)
            inside &= (pixel < np.array(frame.values.shape[::-1]) - 0.5).all(axis=1)
        index = np.flatnonzero(inside)
        columns, rows = np.rint(pixel[index]).astype(np.int64).T
        flat = ~on_edge(frame, rows, columns)
        index, rows, columns = index[flat], rows[flat], columns[flat]
        z, then = points[index, 2], pool[index]
        kind = frame.spec.kind
        metres = metres_of(numbers_at(frame, rows, columns), scale, kind)
        with np.errstate(all='ignore'):
            error = np.log(z / metres)
            changed = np.abs(error - np.log(then.z / metres_of(then.x, scale, kind)))
        same = changed < alike
        known = np.isfinite(changed)
        if int(np.count_nonzero(same)) < AGREE * max(int(np.count_nonzero(known)), 1):
            self._pool = _empty()
            return None
        dropped = np.zeros(pool.z.size, np.bool_)
        dropped[index[~same]] = True
        self._pool = pool[~dropped]
        rows, columns, z, metres, then = (
            rows[same], columns[same], z[same], metres[same], then[same]
        )
        anchors = Anchors(rows, columns, z, (frame.values.shape[0], frame.values.shape[1]))
        return Past(anchors, metres, _weights(then, pose, z, frame.stamp)) if z.size else None

    def add(self, frame: ScaleFrame, anchors: Anchors) -> None:
        """
        Keep the anchors of a frame, after :meth:`past` of the same frame.

        :param frame: the frame.
        :param anchors: its pixels of known distance.
        """
        pose = np.eye(4) if self._pose is None else self._pose
        some = np.linspace(0, anchors.z.size - 1, min(anchors.z.size, EACH)).astype(np.int64)
        rows, columns, z = anchors.rows[some], anchors.columns[some], anchors.z[some]
        rays = np.asarray(frame.rays[rows, columns], np.float64)
        count = z.size
        new = _Pool(
            transformed(pose, np.asarray(np.column_stack([rays * z[:, None], z]))),
            np.broadcast_to(pose[:3, 3], (count, 3)), np.broadcast_to(pose[:3, 2], (count, 3)),
            np.full(count, frame.stamp), z, numbers_at(frame, rows, columns),
        )
        self._pool = self._thinned(new.with_new(self._pool), frame, pose)

    def _thinned(self, pool: _Pool, frame: ScaleFrame, pose: Floats) -> _Pool:
        """Keep the newest anchor of each cell of the picture, and no more than `MOST`."""
        points = transformed(np.asarray(np.linalg.inv(pose), np.float64), pool.points)
        with np.errstate(all='ignore'):
            pixel = frame.camera.project(points)
        side = max(1, frame.values.shape[1] // CELLS)
        pixel = np.where(np.isfinite(pixel) & (points[:, 2:] > NEAREST), pixel, 1e6)
        cell = np.clip(pixel // side, -1e4, 1e4).astype(np.int64)
        first = np.unique(cell[:, 0] * 100_000 + cell[:, 1], return_index=True)[1]
        return pool[np.sort(first)[:MOST]]


def numbers_at(
    frame: ScaleFrame, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """
    Return what the network says at pixels, unscaled.

    :param frame: the frame.
    :param rows: int64 (N,).
    :param columns: int64 (N,).
    :returns: float64 (N,).
    """
    return unscaled(frame.values[rows, columns], frame.spec, frame.focal)


def metres_of(
    x: NDArray[np.float64], scale: Scale, kind: OutputKind
) -> NDArray[np.float64]:
    """
    Return the metres of unscaled numbers.

    :param x: float64 (N,), see :func:`numbers_at`.
    :param scale: the scale.
    :param kind: of the network.
    :returns: float64 (N,), z-depth (m), NaN where it is not positive.
    """
    metres = scale.scale * x + (scale.shift if kind.has_shift else 0.0)
    with np.errstate(divide='ignore', invalid='ignore'):
        if kind is OutputKind.RELATIVE_DISPARITY:
            metres = 1 / metres
        return np.where(metres > 0, metres, np.nan)


def _some(past: Past, most: int) -> Past:
    some = np.linspace(0, past.metres.size - 1, most).astype(np.int64)
    one = past.anchors
    anchors = Anchors(one.rows[some], one.columns[some], one.z[some], one.shape)
    return Past(anchors, past.metres[some], past.weights[some])


def _weights(pool: _Pool, pose: Floats, z: Floats, stamp: float) -> Floats:
    """Return what carried anchors count, by their age and by the way since they were measured."""
    way = np.linalg.norm(pool.origins - pose[:3, 3], axis=1)
    turn = np.arccos(np.clip(pool.axes @ pose[:3, 2], -1, 1))
    sigma = SLIP * (way / z + turn)
    return 0.5 ** ((stamp - pool.stamps) / HALF) / (1 + (sigma / NOISE) ** 2)
