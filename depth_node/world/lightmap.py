"""The light on every face of a scene, kept in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import functools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.world.room import Room
from depth_node.world.shapes import Ellipsoid, Shape
from depth_node.world.solids import Cylinder, Floats

_WIDTH = 512  # of the picture (texels)
_ROOM_DENSITY, _DENSITY = 16.0, 12.0  # texels in a metre
_MOST = 192  # texels along one side of a face
_CLOUDS = ((1.1, 0.7), (0.4, 0.6), (0.15, 0.35))  # sizes of what wear leaves (m), how strong
_STAINED = 1.5  # clouds from which on there are stains


@dataclass(frozen=True)
class Patch:
    """
    Where one face stands in the picture.

    :param left: column of its first texel.
    :param top: row of its first texel.
    :param columns: texels along u.
    :param rows: texels along v.
    :param low: least u and v (m).
    :param high: greatest u and v (m).
    """

    left: int
    top: int
    columns: int
    rows: int
    low: tuple[float, float]
    high: tuple[float, float]

    def centers(self) -> tuple[Floats, Floats]:
        """Return u and v of its texels' middles (m), each (rows, columns)."""
        u = np.linspace(*self._span(0, self.columns), self.columns)
        v = np.linspace(*self._span(1, self.rows), self.rows)
        grid = np.meshgrid(u, v)
        return grid[0], grid[1]

    def _span(self, axis: int, count: int) -> tuple[float, float]:
        half = (self.high[axis] - self.low[axis]) / count / 2
        return self.low[axis] + half, self.high[axis] - half


@dataclass(frozen=True)
class Lightmap:
    """
    Light on faces.

    :param image: float32 (rows, columns, 3), rgb light.
    :param slope: float32 (2, faces), texels in a metre along u and v.
    :param start: float32 (2, faces), column and row of u = 0 and v = 0.
    :param low: float32 (2, faces), column and row of the first texel.
    :param high: float32 (2, faces), column and row of the last texel.
    """

    image: NDArray[np.float32]
    slope: NDArray[np.float32]
    start: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]

    def lookup(self, face: NDArray[np.intp], u: Floats, v: Floats) -> Sequence[Floats]:
        """
        Return the light on places, interpolated within each face.

        :param face: (H, W) number of the face.
        :param u: (H, W) to the right (m).
        :param v: (H, W) up (m).
        :returns: red, green and blue, each float32 (H, W).
        """
        where = []
        for axis, along in enumerate((u, v)):
            place = along * self.slope[axis][face]
            place += self.start[axis][face]
            np.maximum(place, self.low[axis][face], out=place)
            np.minimum(place, self.high[axis][face], out=place)
            where.append(place)
        sampled: NDArray[Any] = cv2.remap(self.image, where[0], where[1], cv2.INTER_LINEAR)
        return cv2.split(sampled)


def extents(shape: Room | Shape) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """
    Return the range of u and v on each face.

    :param shape: any.
    :returns: least and greatest (u, v) (m) of each face that there is.
    """
    if isinstance(shape, Cylinder):
        r = shape.radius
        side = ((-np.pi * r, 0.0), (np.pi * r, shape.height))
        return [side, ((-r, -r), (r, r)), ((-r, -r), (r, r))]
    if isinstance(shape, Ellipsoid):
        half = np.pi * (shape.radii[0] + shape.radii[1]) / 2
        return [((-half, 0.0), (half, 2 * shape.radii[2]))]
    x, y, z = shape.size
    return [((0.0, 0.0), high) for high in ((y, z), (y, z), (x, z), (x, z), (x, y), (x, y))]


def places(shape: Room | Shape, face: int, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    """
    Return where places on a face are.

    :param shape: any.
    :param face: which.
    :param u: (m), any shape.
    :param v: (m), the same shape.
    :returns: points (3, ...) in the world (m) and normals (3, ...), outward (of a room: inward).
    """
    if isinstance(shape, Ellipsoid):
        a, b, c = shape.radii
        angle, z = u / ((a + b) / 2), v / c - 1
        ring = np.sqrt(np.maximum(1 - z * z, 0))
        x, y = a * ring * np.cos(angle), b * ring * np.sin(angle)
        cos, sin = np.cos(shape.yaw), np.sin(shape.yaw)
        where = np.stack([cos * x - sin * y, sin * x + cos * y, c * z])
        where += np.reshape(shape.center, (3, *[1] * u.ndim))
        return where, shape.around(where)[2]
    if isinstance(shape, Cylinder) and face == 0:
        angle = u / shape.radius
        normal = np.stack([np.cos(angle), np.sin(angle), 0 * u])
        base = np.array(shape.center) - (0, 0, shape.height / 2)
        up = np.stack([0 * v, 0 * v, v])
        return normal * shape.radius + up + base.reshape(3, *[1] * u.ndim), normal
    normals, chart = _frame(shape)
    normal = normals[:, face]
    (ax, ay, az, a0), (bx, by, bz, b0) = chart[face]
    along, up = np.array([ax, ay, az]), np.array([bx, by, bz])
    # the point of the face's plane that the two coordinates leave open
    across = float(_anchor(shape, normal, face) @ normal)
    shaped = [a.reshape(3, *[1] * u.ndim) for a in (along, up, normal)]
    points = shaped[0] * (u - a0) + shaped[1] * (v - b0) + shaped[2] * across
    return points, np.broadcast_to(shaped[2], points.shape)


@functools.lru_cache(maxsize=1)
def _frame(shape: Room | Shape) -> tuple[Floats, Floats]:
    return shape.normals(), shape.chart()


def _anchor(shape: Room | Shape, normal: Floats, face: int) -> Floats:
    """Return a point of a flat face."""
    if isinstance(shape, Room):
        half = np.array(shape.size) / 2
        return np.array([0, 0, half[2]]) - normal * half
    assert not isinstance(shape, Ellipsoid)
    reach = shape.height if isinstance(shape, Cylinder) else shape.size[face // 2]
    return np.array(shape.center) + normal * (reach / 2)


def packed(shapes: Sequence[Room | Shape], faces: int) -> tuple[dict[int, Patch], int]:
    """
    Lay the faces of shapes out in one picture.

    :param shapes: the room first.
    :param faces: numbers reserved for each shape.
    :returns: the patch of each face by its number, and the rows of the picture.
    """
    wanted = []
    for index, shape in enumerate(shapes):
        density = _ROOM_DENSITY if isinstance(shape, Room) else _DENSITY
        for face, (low, high) in enumerate(extents(shape)):
            least = 8 if face == 0 and not isinstance(shape, Room) and shape.rounded else 2
            size = [
                int(np.clip(np.ceil((b - a) * density), least, _MOST))
                for a, b in zip(low, high, strict=True)
            ]
            wanted.append((size[1], size[0], faces * index + face, low, high))
    patches: dict[int, Patch] = {}
    left = top = deep = 0
    for rows, columns, number, low, high in sorted(wanted, reverse=True):
        if left + columns > _WIDTH:
            left, top, deep = 0, top + deep, 0
        patches[number] = Patch(left, top, columns, rows, low, high)
        left, deep = left + columns, max(deep, rows)
    return patches, top + deep


def worn(rng: np.random.Generator, patch: Patch, wear: float) -> NDArray[np.float32]:
    """
    Draw how dirt and use change a surface's brightness: clouds, and a stain here and there.

    :param rng: random generator.
    :param patch: of the face.
    :param wear: see :class:`Scene`.
    :returns: factors (rows, columns), about 1.
    """
    cloud = np.zeros((patch.rows, patch.columns), np.float32)
    for size, share in _CLOUDS:
        cells = [
            int(np.ceil((b - a) / size)) + 1
            for a, b in zip(patch.low, patch.high, strict=True)
        ]
        coarse = rng.standard_normal((cells[1], cells[0]), np.float32)
        cloud += np.float32(share) * cv2.resize(
            coarse, (patch.columns, patch.rows), interpolation=cv2.INTER_CUBIC
        )
    stains = np.clip(cloud - _STAINED, 0, 1)
    factor: NDArray[np.float32] = np.exp(np.float32(wear) * (cloud - 3 * stains))
    return factor


def assembled(image: NDArray[np.float32], patches: dict[int, Patch], count: int) -> Lightmap:
    """
    Make a lightmap of a picture and its patches.

    :param image: float32 (rows, columns, 3).
    :param patches: of the faces, by their numbers.
    :param count: of numbers.
    :returns: the lightmap.
    """
    slope, start, low, high = (np.zeros((2, count), np.float32) for _ in range(4))
    for number, patch in patches.items():
        for axis, (first, texels) in enumerate(
            ((patch.left, patch.columns), (patch.top, patch.rows))
        ):
            slope[axis, number] = texels / (patch.high[axis] - patch.low[axis])
            start[axis, number] = first - 0.5 - patch.low[axis] * slope[axis, number]
            low[axis, number], high[axis, number] = first, first + texels - 1
    return Lightmap(image, slope, start, low, high)


def width() -> int:
    """Return the columns of every lightmap's picture."""
    return _WIDTH
