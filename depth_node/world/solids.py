"""
The shapes the synthetic world is built of, and where rays meet them.

World frame: x forward, y left, z up, floor at z = 0, metres. Rays are ``origin + t * direction``;
the direction need not have length one, and t counts in its lengths. Every function works in the
floating type of the directions it is given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
import math
from typing import Any, ClassVar

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
    A box, turned about the vertical and leaning.

    Faces 0 to 5 look along its own -x, +x, -y, +y, -z, +z.

    :param center: of the box (m).
    :param size: along its own x, y, z (m).
    :param yaw: of its own x axis about z, from the world's x (rad).
    :param lean: turn about its own y axis before that; positive lowers its +x end (rad).
    """

    center: Vector
    size: Vector
    yaw: float = 0.0
    lean: float = 0.0
    rounded: ClassVar[bool] = False

    def _local(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        kind = x.dtype.type
        if self.yaw:
            c, s = kind(math.cos(self.yaw)), kind(math.sin(self.yaw))
            x, y = c * x + s * y, c * y - s * x
        if self.lean:
            c, s = kind(math.cos(self.lean)), kind(math.sin(self.lean))
            x, z = c * x - s * z, s * x + c * z
        return x, y, z

    def _axes(self) -> Floats:
        """Return its own axes in the world, one a column (3, 3)."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        k, h = math.cos(self.lean), math.sin(self.lean)
        return np.array([[c * k, -s, c * h], [s * k, c, s * h], [-h, 0, k]])

    def intersect(self, origin: Floats, directions: Floats) -> Hit:
        """
        Find where rays enter the box.

        :param origin: (3,) or (3, ...) outside the box (m).
        :param directions: (3, ...).
        :returns: t and face, each of the directions' trailing shape.
        """
        kind = directions.dtype
        start = [np.asarray(o - c) for o, c in zip(origin, self.center, strict=True)]
        start = list(self._local(*start))
        along = self._local(*directions)
        enter = leave = axis = None
        with np.errstate(divide='ignore', invalid='ignore'):
            for i, d in enumerate(along):
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
        x, y, z = (_affine(axis, self.center) for axis in self._axes().T)
        x[3], y[3], z[3] = (a[3] + side / 2 for a, side in zip((x, y, z), self.size, strict=True))
        return np.array([
            [reverse(y, self.size[1]), z], [y, z], [x, z], [reverse(x, self.size[0]), z],
            [x, y], [x, y],
        ])

    def normals(self) -> Floats:
        """Return the outward normals of the six faces, (3, 6), in the world."""
        x, y, z = self._axes().T
        return np.stack([-x, x, -y, y, -z, z], 1)

    def corners(self) -> Floats:
        """Return the corners, (3, 8), in the world (m)."""
        turn = self._axes() * (np.array(self.size) / 2)
        return np.asarray(turn @ _CORNERS) + np.array(self.center)[:, None]

    def distance(self, points: Floats) -> Floats:
        """
        Return how far points are from the box's surface, negative inside.

        :param points: (3, ...) in the world (m).
        :returns: of the points' trailing shape (m).
        """
        local = self._local(*(p - c for p, c in zip(points, self.center, strict=True)))
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
    rounded: ClassVar[bool] = True

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
        x, y, up = (_affine(axis, self.center) for axis in np.eye(3))
        up[3] += self.height / 2
        return np.array([[0 * up, up], [x, y], [x, y], *[[x, y]] * 3])

    def normals(self) -> Floats:
        """Return the outward normals of the flat faces, (3, 6); :meth:`around` has the side's."""
        return np.array([[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, -1, 1, 0, 0, 0]], np.float64)

    def around(self, points: Floats) -> tuple[Floats, Floats, Floats]:
        """
        Describe points of the side.

        :param points: (3, ...) in the world (m).
        :returns: u along the circumference (m), v up (m), and the outward normal (3, ...).
        """
        x = (points[0] - self.center[0]) / self.radius
        y = (points[1] - self.center[1]) / self.radius
        up = points[2] - np.float32(self.center[2] - self.height / 2)
        return np.arctan2(y, x) * self.radius, up, np.stack([x, y, np.zeros_like(x)])

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


def _affine(axis: Floats, middle: Vector) -> Floats:
    """Return the coordinate along an axis, from a middle, as factors of x, y, z and 1."""
    return np.array([*axis, -np.dot(axis, middle)])


def reverse(coordinate: Floats, length: float) -> Floats:
    """
    Count a coordinate from the other end.

    :param coordinate: factors of x, y, z and 1.
    :param length: from end to end (m).
    :returns: factors of x, y, z and 1.
    """
    return np.array([0, 0, 0, length]) - coordinate
