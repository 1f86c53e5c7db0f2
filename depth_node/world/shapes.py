"""Every shape there is, and the one without corners."""

from __future__ import annotations

from dataclasses import dataclass, replace
import math
from typing import ClassVar, TypeAlias

import numpy as np

from depth_node.world.solids import Box, Cylinder, Floats, Hit, Vector

_NEAR = 1e-6  # a ray that starts on a surface leaves it


@dataclass(frozen=True)
class Ellipsoid:
    """
    A ball, a cushion, a head. It has one face, 0.

    :param center: (m).
    :param radii: along its own x, y, z (m).
    :param yaw: of its own x axis about z, from the world's x (rad).
    """

    center: Vector
    radii: Vector
    yaw: float = 0.0
    rounded: ClassVar[bool] = True

    def _unit(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        """Turn and stretch: in these coordinates it is the unit ball."""
        kind = x.dtype.type
        a, b, c = (kind(1 / r) for r in self.radii)
        cos, sin = kind(math.cos(self.yaw)), kind(math.sin(self.yaw))
        return a * (cos * x + sin * y), b * (cos * y - sin * x), c * z

    def intersect(self, origin: Floats, directions: Floats) -> Hit:
        """
        Find where rays enter the ellipsoid.

        :param origin: (3,) or (3, ...) outside it (m).
        :param directions: (3, ...).
        :returns: t and face, each of the directions' trailing shape.
        """
        kind = directions.dtype
        start = (np.asarray(o - c).astype(kind) for o, c in zip(origin, self.center, strict=True))
        ox, oy, oz = self._unit(*start)
        dx, dy, dz = self._unit(*directions)
        square = dx * dx + dy * dy + dz * dz
        # |d|^2 - |o x d|^2, which keeps the digits that b^2 - ac loses
        free = square - (
            (oy * dz - oz * dy) ** 2 + (oz * dx - ox * dz) ** 2 + (ox * dy - oy * dx) ** 2
        )
        with np.errstate(divide='ignore', invalid='ignore'):
            t = -(ox * dx + oy * dy + oz * dz + np.sqrt(free)) / square
            t[~((free > 0) & (t > _NEAR))] = np.inf
        return t, np.zeros(t.shape, np.int8)

    def chart(self) -> Floats:
        """Return zeros (6, 2, 4): the coordinates are not affine; see :meth:`around`."""
        return np.zeros((6, 2, 4))

    def normals(self) -> Floats:
        """Return zeros (3, 6); :meth:`around` has the normals."""
        return np.zeros((3, 6))

    def around(self, points: Floats) -> tuple[Floats, Floats, Floats]:
        """
        Describe points of the surface.

        :param points: (3, ...) in the world (m).
        :returns: u around the vertical (m), v up from its lowest point (m), and the outward
            normal (3, ...).
        """
        kind = points.dtype.type
        x, y, z = self._unit(*(p - kind(c) for p, c in zip(points, self.center, strict=True)))
        u = np.arctan2(y, x) * kind((self.radii[0] + self.radii[1]) / 2)
        a, b, c = (g / kind(r) for g, r in zip((x, y, z), self.radii, strict=True))
        cos, sin = kind(math.cos(self.yaw)), kind(math.sin(self.yaw))
        normal = np.stack([cos * a - sin * b, sin * a + cos * b, c])
        normal /= np.sqrt((normal * normal).sum(0)) + kind(1e-12)
        return u, (z + 1) * kind(self.radii[2]), normal

    def corners(self) -> Floats:
        """Return the corners of the box around it, (3, 8), in the world (m)."""
        a, b, c = self.radii
        return Box(self.center, (2 * a, 2 * b, 2 * c), self.yaw).corners()

    def distance(self, points: Floats) -> Floats:
        """
        Return how far points are from the surface at the least, negative inside.

        It is 0 on the surface and never too much: no coordinate shrinks to less than the
        smallest radius times what it is on the unit ball, and nothing in a box is nearer than
        the box.

        :param points: (3, ...) in the world (m).
        :returns: of the points' trailing shape (m).
        """
        x, y, z = self._unit(*(p - c for p, c in zip(points, self.center, strict=True)))
        a, b, c = self.radii
        around = Box(self.center, (2 * a, 2 * b, 2 * c), self.yaw).distance(points)
        return np.maximum((np.sqrt(x * x + y * y + z * z) - 1) * min(self.radii), around)

    def moved(self, x: float, y: float) -> Ellipsoid:
        """Return the ellipsoid elsewhere on the floor (m)."""
        center = (self.center[0] + x, self.center[1] + y, self.center[2])
        return replace(self, center=center)


Shape: TypeAlias = 'Box | Cylinder | Ellipsoid'
