"""
Rays of a camera, and what they meet first.

One ray per pixel, through the pixel's centre, in float32 (relative error of the depth under
1e-5). Everything is worked on as planes of some rows each, one solid at a time and only in the
part of the picture where it can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.world.path import Pose
from depth_node.world.room import Room
from depth_node.world.shapes import Shape

Plane = NDArray[np.float32]
Extent = tuple[NDArray[Any], NDArray[Any]]
"""Least and greatest (x / z, y / z) that something can be seen in."""
Body = tuple[Shape, int, Extent]
"""A shape, the number of its first face, and where it can be seen."""
FACES = 6
"""Faces reserved for each shape."""
_BAND = 40000  # pixels worked on at a time: what fits the processor's cache
_NEAR = 0.02  # what begins nearer may be anywhere in the picture (m)


@dataclass(frozen=True)
class Grid:
    """
    What rendering needs of some rows of a camera, worked out once.

    :param rays: float32 (3, H, W) in the optical frame, z = 1 (0 where there is no ray).
    :param valid: bool (H, W), where there is a ray.
    :param pitch: float32 (H, W), distance of neighboring rays at depth 1.
    :param columns: (2, W) least and largest x / z in each column.
    :param rows: (2, H) least and largest y / z in each row.
    """

    rays: Plane
    valid: NDArray[np.bool_]
    pitch: Plane
    columns: Plane
    rows: Plane

    def window(self, low: NDArray[Any], high: NDArray[Any]) -> tuple[slice, slice]:
        """Return the rows and columns that see any of x / z, y / z from low to high."""
        found = []
        for (least, most), a, b in zip(
            (self.rows, self.columns), low[::-1], high[::-1], strict=True
        ):
            seen = np.flatnonzero((least <= b) & (most >= a))
            found.append(slice(seen[0], seen[-1] + 1) if seen.size else slice(0, 0))
        return found[0], found[1]


@functools.lru_cache(maxsize=8)
def grid(camera: Camera) -> tuple[Grid, ...]:
    """
    Compute the rays of a camera.

    :param camera: any intrinsics and distortion.
    :returns: its grid, cut into bands of whole rows from top to bottom.
    """
    xy = camera.rays().astype(np.float64)
    valid = np.asarray(np.isfinite(xy).all(axis=-1))
    with np.errstate(invalid='ignore'):
        along = np.gradient(xy, axis=1)
        down = np.gradient(xy, axis=0)
        area = abs(along[..., 0] * down[..., 1] - along[..., 1] * down[..., 0])
    pitch = np.sqrt(area)
    pitch = np.nan_to_num(pitch, nan=float(np.nanmedian(pitch))).astype(np.float32)
    rows = max(1, _BAND // camera.width)
    return tuple(
        _band(xy[top:top + rows], valid[top:top + rows], pitch[top:top + rows])
        for top in range(0, camera.height, rows)
    )


def _band(xy: NDArray[np.float64], valid: NDArray[np.bool_], pitch: Plane) -> Grid:
    spread = np.where(valid[..., None], xy, np.inf)
    shrunk = np.where(valid[..., None], xy, -np.inf)
    columns = np.stack([spread[..., 0].min(0), shrunk[..., 0].max(0)])
    rows = np.stack([spread[..., 1].min(1), shrunk[..., 1].max(1)])
    rays = np.concatenate([np.nan_to_num(xy), np.ones((*xy.shape[:2], 1))], -1)
    return Grid(
        np.ascontiguousarray(rays.transpose(2, 0, 1), np.float32), valid, pitch,
        columns.astype(np.float32), rows.astype(np.float32),
    )


class Bodies:
    """
    Shapes with their corners, so that one look finds which of them a camera can see.

    :param shapes: whose faces are numbered from FACES on.
    """

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self.shapes = tuple(shapes)
        self._corners = np.zeros((3, 0, 8))
        if shapes:
            self._corners = np.stack([shape.corners() for shape in shapes], 1)

    def larger(self, least: float) -> list[int]:
        """
        Find what is not small.

        :param least: length along x, y or z (m).
        :returns: numbers of the shapes that have it.
        """
        longest = np.ptp(self._corners, axis=2).max(0, initial=0)
        return [int(number) for number in np.flatnonzero(longest >= least)]

    def in_view(self, pose: Pose, rays: Grid) -> list[Body]:
        """
        Find what may be seen.

        :param pose: (4, 4), from the optical frame to the world.
        :param rays: of the camera, or of some of its rows.
        :returns: the shapes that are not behind the camera nor outside its view.
        """
        offset = self._corners - pose[:3, 3, None, None]
        x, y, z = np.tensordot(pose[:3, :3].T, offset, 1)
        nearest = z.min(1)
        with np.errstate(divide='ignore', invalid='ignore'):
            low = np.stack([(x / z).min(1), (y / z).min(1)]) - 1e-4
            high = np.stack([(x / z).max(1), (y / z).max(1)]) + 1e-4
        # what begins behind the camera may be anywhere
        low[:, nearest < _NEAR], high[:, nearest < _NEAR] = -np.inf, np.inf
        seen = (z.max(1) >= _NEAR) & (low[0] <= rays.columns[1].max())
        seen &= (high[0] >= rays.columns[0].min()) & (low[1] <= rays.rows[1].max())
        seen &= high[1] >= rays.rows[0].min()
        return [
            (self.shapes[i], FACES * (i + 1), (low[:, i], high[:, i]))
            for i in np.flatnonzero(seen)
        ]


@dataclass(frozen=True)
class Met:
    """
    What the rays of a grid meet.

    :param depth: float32 (H, W), z-depth (m), +Inf for sky.
    :param face: (H, W), number of the face; the room's come first.
    :param directions: float32 (3, H, W), the rays in the world.
    :param rounded: bodies with a side that is not flat, and where they can be seen.
    """

    depth: Plane
    face: NDArray[np.intp]
    directions: Plane
    rounded: list[tuple[Shape, int, tuple[slice, slice]]]


def meet(room: Room, bodies: Bodies, pose: Pose, rays: Grid) -> Met:
    """
    Find what each ray meets first.

    :param room: around everything.
    :param bodies: what is in it.
    :param pose: (4, 4), from the optical frame to the world; inside the room.
    :param rays: of the camera.
    :returns: depth and faces.
    """
    turn = pose[:3, :3].astype(np.float32)
    directions = (turn @ rays.rays.reshape(3, -1)).reshape(rays.rays.shape)
    origin = pose[:3, 3]
    depth, room_face = room.intersect(origin, directions)
    face = room_face.astype(np.intp)
    rounded = []
    for body, first, seen in bodies.in_view(pose, rays):
        window = rays.window(*seen)
        if window[0].start == window[0].stop or window[1].start == window[1].stop:
            continue
        found, entered = body.intersect(origin, directions[:, window[0], window[1]])
        front = found < depth[window]
        np.copyto(depth[window], found, where=front)
        np.copyto(face[window], entered + np.intp(first), where=front)
        if body.rounded:
            rounded.append((body, first, window))
    return Met(depth, face, directions, rounded)


def trace(
    room: Room, bodies: Bodies, chosen: Sequence[int], origins: Plane, directions: Plane
) -> tuple[Plane, NDArray[np.intp]]:
    """
    Find what any rays meet first, each from a place of its own.

    :param room: around everything.
    :param bodies: what is in it.
    :param chosen: numbers of those that count.
    :param origins: float32 (3, n), inside the room.
    :param directions: float32 (3, n).
    :returns: t, in lengths of the directions, +Inf for sky, and the number of the face.
    """
    depth, room_face = room.intersect(origins, directions)
    face = room_face.astype(np.intp)
    for index in chosen:
        found, entered = bodies.shapes[index].intersect(origins, directions)
        front = found < depth
        np.copyto(depth, found, where=front)
        np.copyto(face, entered + np.intp(FACES * (index + 1)), where=front)
    return depth, face
