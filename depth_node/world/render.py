"""
Pictures and exact depth of a scene.

One ray per pixel, through the pixel's centre, in float32 (relative error of the depth under
1e-5). Everything is worked on as planes of some rows each, one solid at a time and only in the
part of the picture where it can be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
import functools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.world.path import Pose
from depth_node.world.patterns import NAMES
from depth_node.world.scene import Scene
from depth_node.world.solids import Cylinder, Shape
from depth_node.world.textures import atlas

Plane = NDArray[np.float32]
_Body = tuple[Shape, int, tuple[NDArray[Any], NDArray[Any]]]
_FACES = 6  # faces reserved for each shape in the tables
_HORIZON = np.array([235, 240, 245], np.float32)
_ZENITH = np.array([105, 160, 235], np.float32)
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
    Work out the rays of a camera.

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


@dataclass(frozen=True)
class Tables:
    """
    What the faces of a scene look like; face 0 to 5 are the room's, then six for each solid.

    :param pattern: (faces,) index into NAMES.
    :param first: float32 (3, faces), rgb where the pattern's mix is 0.
    :param change: float32 (3, faces), what is added where it is 1.
    :param chart: float32 (2, 4, faces), see :meth:`Box.chart`.
    :param normal: float32 (3, faces), outward.
    """

    pattern: NDArray[np.intp]
    first: Plane
    change: Plane
    chart: Plane
    normal: Plane

    def at(self, scene: Scene, time: float) -> Tables:
        """Return the tables with the moving things where they are at a time (s)."""
        moving = [(i, s.motion.at(time)) for i, s in enumerate(scene.solids) if s.motion]
        if not moving:
            return self
        chart = self.chart.copy()
        for index, (x, y) in moving:
            faces = slice(_FACES * (index + 1), _FACES * (index + 2))
            chart[:, 3, faces] -= x * chart[:, 0, faces] + y * chart[:, 1, faces]
        return replace(self, chart=chart)


def tabulate(scene: Scene) -> Tables:
    """
    Work out the tables of a scene, once.

    :param scene: the scene.
    :returns: its tables.
    """
    shapes = [scene.room, *(solid.shape for solid in scene.solids)]
    materials = [*scene.walls]
    for solid in scene.solids:
        materials += [solid.material] * _FACES
    first = np.array([material.first for material in materials], np.float32).T
    second = np.array([material.second for material in materials], np.float32).T
    return Tables(
        np.array([NAMES.index(material.pattern) for material in materials]),
        np.ascontiguousarray(first),
        np.ascontiguousarray(second - first),
        np.concatenate([s.chart() for s in shapes]).transpose(1, 2, 0).astype(np.float32),
        np.concatenate([s.normals() for s in shapes], 1).astype(np.float32),
    )


def _extent(shape: Shape, pose: Pose) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return the range of x / z and y / z that a shape can be seen in, or None: it is behind."""
    x, y, z = pose[:3, :3].T @ (shape.corners() - pose[:3, 3:])
    if (z < _NEAR).all():
        return None
    if (z < _NEAR).any():
        return np.full(2, -np.inf), np.full(2, np.inf)
    flat = np.stack([x / z, y / z])
    return flat.min(1) - 1e-4, flat.max(1) + 1e-4


def render(
    scene: Scene, tables: Tables, camera: Camera, pose: Pose, *, time: float
) -> tuple[Plane, Plane]:
    """
    Render one view.

    :param scene: what there is to see.
    :param tables: of the scene.
    :param camera: any intrinsics and distortion.
    :param pose: (4, 4), from the optical frame to the world; inside the room.
    :param time: where moving things are (s).
    :returns: float32 (H, W, 3) light, about 0 to 255, and float32 (H, W) z-depth (m), +Inf for
        sky and NaN where the camera has no ray.
    """
    bodies = []
    for index, solid in enumerate(scene.solids, 1):
        body = solid.at(time)
        extent = _extent(body, pose)
        if extent is not None:
            bodies.append((body, _FACES * index, extent))
    now = tables.at(scene, time)
    views = [_look(scene, now, bodies, pose, band) for band in grid(camera)]
    return np.concatenate([v[0] for v in views]), np.concatenate([v[1] for v in views])


def _look(
    scene: Scene, tables: Tables, bodies: list[_Body], pose: Pose, rays: Grid
) -> tuple[Plane, Plane]:
    """Render some rows; see :func:`render`."""
    turn = pose[:3, :3].astype(np.float32)
    directions = (turn @ rays.rays.reshape(3, -1)).reshape(rays.rays.shape)
    origin = pose[:3, 3]
    depth, room_face = scene.room.intersect(origin, directions)
    face = room_face.astype(np.intp)
    round_ones = []
    for body, first, extent in bodies:
        window = rays.window(*extent)
        found, entered = body.intersect(origin, directions[:, window[0], window[1]])
        front = found < depth[window]
        np.copyto(depth[window], found, where=front)
        np.copyto(face[window], entered + np.intp(first), where=front)
        if isinstance(body, Cylinder):
            round_ones.append((body, first, window))
    spot = np.where(np.isinf(depth), np.float32(0), depth) * directions
    spot += origin.astype(np.float32)[:, None, None]
    u, v = (
        c[0][face] * spot[0] + c[1][face] * spot[1] + c[2][face] * spot[2] + c[3][face]
        for c in tables.chart
    )
    normal = tables.normal.take(face, axis=1)  # ten times as fast as indexing
    for body, side, window in round_ones:
        here = face[window] == side
        x, y = spot[0][window][here], spot[1][window][here]
        u[window][here], normal[0][window][here], normal[1][window][here] = body.around(x, y)
    view = _View(depth, face, u, v, normal, spot)
    picture = _shade(scene, tables, view, directions, rays)
    depth[~rays.valid] = np.nan
    picture[~rays.valid] = 0
    return picture, depth


@dataclass(frozen=True)
class _View:
    """What every pixel sees."""

    depth: Plane
    face: NDArray[np.intp]
    u: Plane
    v: Plane
    normal: Plane
    spot: Plane


def _shade(
    scene: Scene, tables: Tables, view: _View, directions: Plane, rays: Grid
) -> Plane:
    sky = np.isinf(view.depth)
    squared = directions[0] ** 2
    squared += directions[1] ** 2
    squared += directions[2] ** 2
    facing = view.normal[0] * directions[0]
    facing += view.normal[1] * directions[1]
    facing += view.normal[2] * directions[2]
    # between the pixel's shorter and its longer side on a surface seen at a slant
    slant = np.sqrt(np.sqrt(squared / (facing * facing + np.float32(1e-12))))
    footprint = np.where(sky, 0, view.depth) * rays.pitch * slant * np.sqrt(slant)
    looks = atlas().lookup(tables.pattern[view.face], view.u, view.v, footprint)
    mix, shade = cv2.split(looks)
    mix *= np.float32(1 / 255)
    channels = []
    for light, first, change in zip(
        _light(scene, view.normal, view.spot), tables.first, tables.change, strict=True
    ):
        channel = change[view.face]
        channel *= mix
        channel += first[view.face]
        channel *= shade
        channel *= light
        channels.append(channel)
    color: Plane = cv2.merge(channels)
    if sky.any():
        height = np.clip(directions[2][sky] / np.sqrt(squared[sky]), 0, 1)[:, None]
        color[sky] = _HORIZON - height * (_HORIZON - _ZENITH)
    return color


def _light(scene: Scene, normal: Plane, spot: Plane) -> list[Plane]:
    """Return the red, green and blue light that falls on each point (Lambert's cosine)."""
    # surfaces differ a little even where no lamp reaches
    fill = 1 + np.float32(0.12) * normal[0] + np.float32(0.06) * normal[1]
    fill += np.float32(0.1) * normal[2]
    light = [fill * np.float32(channel) for channel in scene.ambient]
    for lamp in scene.lamps:
        x, y, z = (np.float32(p) - s for p, s in zip(lamp.position, spot, strict=True))
        squared = x * x
        squared += y * y
        squared += z * z
        cosine = normal[0] * x
        cosine += normal[1] * y
        cosine += normal[2] * z
        cosine /= np.sqrt(squared + np.float32(1e-6))
        strength = np.maximum(np.float32(0.35) + np.float32(0.65) * cosine, 0)
        strength /= 1 + np.float32(0.35) * squared
        for plane, channel in zip(light, lamp.color, strict=True):
            np.add(plane, strength * np.float32(channel), out=plane)
    return light
