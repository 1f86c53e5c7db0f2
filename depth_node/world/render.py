"""
Pictures and exact depth of a scene.

One ray per pixel, through the pixel's centre, in float32 (relative error of the depth under
1e-5). Everything is worked on as whole (H, W) planes, one solid at a time and only in the part
of the picture where it can be.
"""

from __future__ import annotations

from dataclasses import dataclass
import functools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.world.path import Pose
from depth_node.world.scene import Scene
from depth_node.world.solids import Shape
from depth_node.world.textures import atlas, NAMES

Plane = NDArray[np.float32]
_FACES = 6  # faces reserved for each shape in the tables
_NEAR = 0.02  # what begins nearer may be anywhere in the picture (m)


@dataclass(frozen=True)
class Grid:
    """
    What rendering needs of a camera, worked out once.

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
def grid(camera: Camera) -> Grid:
    """
    Work out the rays of a camera.

    :param camera: any intrinsics and distortion.
    :returns: its grid.
    """
    xy = camera.rays().astype(np.float64)
    valid = np.asarray(np.isfinite(xy).all(axis=-1))
    with np.errstate(invalid='ignore'):
        along = np.gradient(xy, axis=1)
        down = np.gradient(xy, axis=0)
        area = abs(along[..., 0] * down[..., 1] - along[..., 1] * down[..., 0])
    spread = np.where(valid[..., None], xy, np.inf)
    shrunk = np.where(valid[..., None], xy, -np.inf)
    columns = np.stack([spread[..., 0].min(0), shrunk[..., 0].max(0)])
    rows = np.stack([spread[..., 1].min(1), shrunk[..., 1].max(1)])
    rays = np.concatenate([np.nan_to_num(xy), np.ones((*xy.shape[:2], 1))], -1)
    return Grid(
        np.ascontiguousarray(rays.transpose(2, 0, 1), np.float32),
        valid,
        np.nan_to_num(np.sqrt(area), nan=float(np.nanmedian(np.sqrt(area)))).astype(np.float32),
        columns.astype(np.float32),
        rows.astype(np.float32),
    )


@dataclass
class _Surface:
    """What every pixel sees: planes that the solids are painted into."""

    depth: Plane
    u: Plane
    v: Plane
    normal: Plane
    material: NDArray[np.intp]

    def paint(
        self, shape: Any, material: NDArray[np.intp], origin: NDArray[np.float64],
        directions: Plane, where: tuple[slice, slice],
    ) -> None:
        """Put one shape before what is there, in one window of the picture."""
        inside = directions[:, where[0], where[1]]
        depth, face = shape.intersect(origin, inside)
        target = self.depth[where]
        front = depth < target
        if not front.any():
            return
        target[front] = depth[front]
        face = face[front]
        points = inside[:, front] * depth[front] + origin.astype(np.float32)[:, None]
        u, v, normals = shape.surface(points, face)
        self.u[where][front] = u
        self.v[where][front] = v
        self.normal[:, where[0], where[1]][:, front] = normals
        self.material[where][front] = material[face]


def _window(shape: Shape, rays: Grid, pose: Pose) -> tuple[slice, slice] | None:
    """Return the part of the picture a shape can be in, or None where it is behind."""
    x, y, z = pose[:3, :3].T @ (shape.corners() - pose[:3, 3:])
    if (z < _NEAR).all():
        return None
    if (z < _NEAR).any():
        return slice(None), slice(None)
    flat = np.stack([x / z, y / z])
    return rays.window(flat.min(1) - 1e-4, flat.max(1) + 1e-4)


def render(
    scene: Scene, camera: Camera, pose: Pose, time: float
) -> tuple[Plane, Plane]:
    """
    Render one view.

    :param scene: what there is to see.
    :param camera: any intrinsics and distortion.
    :param pose: (4, 4), from the optical frame to the world; inside the room.
    :param time: where moving things are (s).
    :returns: float32 (H, W, 3) linear light, about 0 to 255, and float32 (H, W) z-depth (m),
        +Inf for sky and NaN where the camera has no ray.
    """
    rays = grid(camera)
    height, width = rays.valid.shape
    turn = pose[:3, :3].astype(np.float32)
    directions = (turn @ rays.rays.reshape(3, -1)).reshape(3, height, width)
    origin = pose[:3, 3]
    surface = _Surface(
        np.full((height, width), np.inf, np.float32),
        np.zeros((height, width), np.float32),
        np.zeros((height, width), np.float32),
        np.zeros((3, height, width), np.float32),
        np.zeros((height, width), np.intp),
    )
    everywhere = (slice(None), slice(None))
    surface.paint(scene.room, np.arange(_FACES), origin, directions, everywhere)
    for index, solid in enumerate(scene.solids):
        shape = solid.at(time)
        window = _window(shape, rays, pose)
        if window is not None:
            which = np.full(_FACES, len(scene.walls) + index)
            surface.paint(shape, which, origin, directions, window)
    picture = _shade(scene, surface, origin, directions, rays)
    surface.depth[~rays.valid] = np.nan
    picture[~rays.valid] = 0
    return picture, surface.depth


def _shade(
    scene: Scene, surface: _Surface, origin: NDArray[np.float64], directions: Plane, rays: Grid
) -> Plane:
    materials = [*scene.walls, *(solid.material for solid in scene.solids)]
    sky = np.isinf(surface.depth)
    depth = np.where(sky, 0, surface.depth)
    nx, ny, nz = surface.normal
    length = np.sqrt(np.einsum('ihw,ihw->hw', directions, directions))
    facing = abs(nx * directions[0] + ny * directions[1] + nz * directions[2]) + 1e-6
    # between the pixel's shorter and its longer side on a surface seen at a slant
    footprint = depth * rays.pitch * (length / facing) ** 0.75
    patterns = np.array([NAMES.index(material.pattern) for material in materials])
    looks = atlas().lookup(patterns[surface.material], surface.u, surface.v, footprint)
    light = _light(scene, surface.normal, directions * depth, origin)
    light *= looks[..., 1:]
    first = np.array([material.first for material in materials], np.float32)
    change = np.array([material.second for material in materials], np.float32) - first
    mix = looks[..., :1]
    mix *= np.float32(1 / 255)
    color = change[surface.material]
    color *= mix
    color += first[surface.material]
    color *= light
    if sky.any():
        blue = np.clip(directions[2] / length, 0, 1)[..., None]
        above = np.array([235, 240, 245], np.float32) - blue * np.array([130, 80, 10], np.float32)
        color[sky] = above[sky]
    return color


def _light(
    scene: Scene, normal: Plane, offset: Plane, origin: NDArray[np.float64]
) -> Plane:
    """Return the light, float32 (H, W, 3), that falls on each point (Lambert's cosine)."""
    light = np.empty((*offset.shape[1:], 3), np.float32)
    light[:] = scene.ambient
    # surfaces differ a little even where no lamp reaches
    light *= (1 + 0.12 * normal[0] + 0.06 * normal[1] + 0.1 * normal[2])[..., None]
    for lamp in scene.lamps:
        x, y, z = (
            np.float32(p - o) - d
            for p, o, d in zip(lamp.position, origin, offset, strict=True)
        )
        square = x * x + y * y + z * z
        cosine = (normal[0] * x + normal[1] * y + normal[2] * z) / np.sqrt(square + 1e-6)
        strength = np.maximum(0.35 + 0.65 * cosine, 0) / (1 + 0.35 * square)
        light += cv2.merge([strength * np.float32(channel) for channel in lamp.color])
    return light
