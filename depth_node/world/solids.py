"""
The shapes the synthetic world is built of, and where rays meet them.

World frame: x forward, y left, z up, floor at z = 0, metres. Rays are ``origin + t * direction``;
the direction need not have length one, and t counts in its lengths. Every function works in the
floating type of the directions it is given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
Ints = NDArray[Any]
Vector = tuple[float, float, float]
Hit = tuple[Floats, Ints]
"""t where a ray enters (inf where it does not), and the face it enters through."""

_NEAR = 1e-6  # a ray that starts on a surface leaves it
_CORNERS = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]).T


@dataclass(frozen=True)
class Box:
    """
    A box standing upright, turned about the vertical.

    Faces 0 to 5 look along its own -x, +x, -y, +y, -z, +z.

    :param center: of the box (m).
    :param size: along its own x, y, z (m).
    :param yaw: of its own x axis about z, from the world's x (rad).
    """

    center: Vector
    size: Vector
    yaw: float = 0.0

    def _local(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        if not self.yaw:
            return x, y
        c, s = x.dtype.type(math.cos(self.yaw)), x.dtype.type(math.sin(self.yaw))
        return c * x + s * y, c * y - s * x

    def intersect(self, origin: Floats, directions: Floats) -> Hit:
        """
        Find where rays enter the box.

        :param origin: (3,) or (3, ...) outside the box (m).
        :param directions: (3, ...).
        :returns: t and face, each of the directions' trailing shape.
        """
        kind = directions.dtype
        start = [np.asarray(o - c) for o, c in zip(origin, self.center, strict=True)]
        start[0], start[1] = self._local(start[0], start[1])
        dx, dy = self._local(directions[0], directions[1])
        enter = leave = axis = None
        with np.errstate(divide='ignore', invalid='ignore'):
            for i, d in enumerate((dx, dy, directions[2])):
                inverse = 1 / d
                half = self.size[i] / 2
                a = (-half - start[i]).astype(kind) * inverse
                b = (half - start[i]).astype(kind) * inverse
                near, far = np.minimum(a, b), np.maximum(a, b)
                code = (d < 0).astype(np.int8)
                code += 2 * i
                if enter is None or leave is None or axis is None:
                    enter, leave, axis = near, far, code
                else:
                    np.copyto(axis, code, where=near > enter)
                    np.maximum(enter, near, out=enter)
                    np.minimum(leave, far, out=leave)
            assert enter is not None
            assert leave is not None
            assert axis is not None
            enter[~((enter <= leave) & (enter > _NEAR))] = np.inf
        return enter, axis

    def chart(self) -> Floats:
        """
        Return texture coordinates as affine functions of the place.

        :returns: (6, 2, 4): for each face u (to the right, seen from outside) and v (up), both
            in metres from the face's lower corner, as factors of x, y, z and 1.
        """
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        x, y = _affine((c, s, 0), self), _affine((-s, c, 0), self)
        z = _affine((0, 0, 1), self)
        x[3], y[3], z[3] = (a[3] + side / 2 for a, side in zip((x, y, z), self.size, strict=True))
        return np.array([
            [reverse(y, self.size[1]), z], [y, z], [x, z], [reverse(x, self.size[0]), z],
            [x, y], [x, y],
        ])

    def normals(self) -> Floats:
        """Return the outward normals of the six faces, (3, 6), in the world."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return np.array(
            [[-c, c, s, -s, 0, 0], [-s, s, -c, c, 0, 0], [0, 0, 0, 0, -1, 1]], np.float64
        )

    def corners(self) -> Floats:
        """Return the corners, (3, 8), in the world (m)."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) * (np.array(self.size) / 2)
        return np.asarray(turn @ _CORNERS) + np.array(self.center)[:, None]

    def distance(self, points: Floats) -> Floats:
        """
        Return how far points are from the box's surface, negative inside.

        :param points: (3, ...) in the world (m).
        :returns: of the points' trailing shape (m).
        """
        x, y = self._local(points[0] - self.center[0], points[1] - self.center[1])
        local = x, y, points[2] - self.center[2]
        gaps = [abs(p) - s / 2 for p, s in zip(local, self.size, strict=True)]
        outside = np.sqrt(sum(np.maximum(g, 0) ** 2 for g in gaps))
        return np.asarray(outside + np.minimum(np.maximum(np.maximum(*gaps[:2]), gaps[2]), 0))

    def moved(self, x: float, y: float) -> Box:
        """Return the box elsewhere on the floor (m)."""
        center = (self.center[0] + x, self.center[1] + y, self.center[2])
        return replace(self, center=center)


@dataclass(frozen=True)
class Cylinder:
    """
    An upright cylinder: a pillar, a bin, a pole.

    Face 0 is the side, 1 the bottom, 2 the top.

    :param center: of the cylinder (m).
    :param radius: (m).
    :param height: (m).
    """

    center: Vector
    radius: float
    height: float

    def intersect(self, origin: Floats, directions: Floats) -> Hit:
        """
        Find where rays enter the cylinder.

        :param origin: (3,) or (3, ...) outside the cylinder (m).
        :param directions: (3, ...).
        :returns: t and face, each of the directions' trailing shape.
        """
        kind = directions.dtype
        ox, oy, oz = (
            np.asarray(o - c).astype(kind) for o, c in zip(origin, self.center, strict=True)
        )
        dx, dy, dz = directions
        half = kind.type(self.height / 2)
        with np.errstate(divide='ignore', invalid='ignore'):
            square = dx * dx + dy * dy
            # the cross product keeps the digits that the usual b^2 - ac loses
            cross = ox * dy - oy * dx
            root = np.sqrt(kind.type(self.radius**2) * square - cross * cross)
            side = -(ox * dx + oy * dy + root) / square
            side[~((abs(oz + side * dz) <= half) & (side > _NEAR))] = np.inf
            cap = (np.where(dz < 0, half, -half) - oz) / dz
            x, y = ox + cap * dx, oy + cap * dy
            cap[~((x * x + y * y < self.radius**2) & (cap > _NEAR))] = np.inf
        face = np.where(cap < side, np.where(dz < 0, 2, 1), 0).astype(np.int8)
        return np.minimum(side, cap), face

    def chart(self) -> Floats:
        """
        Return texture coordinates as affine functions of the place; see :meth:`Box.chart`.

        :returns: (6, 2, 4); u of the side is not affine and stands in :meth:`around`.
        """
        x, y = _affine((1, 0, 0), self), _affine((0, 1, 0), self)
        up = _affine((0, 0, 1), self)
        up[3] += self.height / 2
        return np.array([[0 * up, up], [x, y], [x, y], *[[x, y]] * 3])

    def normals(self) -> Floats:
        """Return the outward normals of the flat faces, (3, 6); :meth:`around` has the side's."""
        return np.array([[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, -1, 1, 0, 0, 0]], np.float64)

    def around(self, x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
        """
        Describe points of the side.

        :param x: in the world (m).
        :param y: in the world (m).
        :returns: u along the circumference (m), and x and y of the outward normal.
        """
        x, y = (x - self.center[0]) / self.radius, (y - self.center[1]) / self.radius
        return np.arctan2(y, x) * self.radius, x, y

    def corners(self) -> Floats:
        """Return the corners of the box around the cylinder, (3, 8), in the world (m)."""
        return Box(self.center, (2 * self.radius, 2 * self.radius, self.height)).corners()

    def distance(self, points: Floats) -> Floats:
        """
        Return how far points are from the cylinder's surface, negative inside.

        :param points: (3, ...) in the world (m).
        :returns: of the points' trailing shape (m).
        """
        radial = np.hypot(points[0] - self.center[0], points[1] - self.center[1]) - self.radius
        axial = abs(points[2] - self.center[2]) - self.height / 2
        outside = np.hypot(np.maximum(radial, 0), np.maximum(axial, 0))
        return np.asarray(outside + np.minimum(np.maximum(radial, axial), 0))

    def moved(self, x: float, y: float) -> Cylinder:
        """Return the cylinder elsewhere on the floor (m)."""
        center = (self.center[0] + x, self.center[1] + y, self.center[2])
        return replace(self, center=center)


Shape: TypeAlias = 'Box | Cylinder'


def _affine(axis: Vector, shape: Shape) -> Floats:
    """Return the coordinate along an axis, from the shape's middle, as factors of x, y, z, 1."""
    return np.array([*axis, -np.dot(axis, shape.center)])


def reverse(coordinate: Floats, length: float) -> Floats:
    """
    Count a coordinate from the other end.

    :param coordinate: factors of x, y, z and 1.
    :param length: from end to end (m).
    :returns: factors of x, y, z and 1.
    """
    return np.array([0, 0, 0, length]) - coordinate
