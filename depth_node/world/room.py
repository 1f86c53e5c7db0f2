"""The room: what every ray meets that meets nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_node.world.solids import Box, Floats, Hit, reverse, Vector


@dataclass(frozen=True)
class WallOpening:
    """
    A hole in the room's wall, through which rays leave the world.

    :param face: the wall, 0 to 3, or 5 for the ceiling; see :class:`Room`.
    :param low: lower corner (u, v) on that face (m).
    :param high: upper corner (u, v) on that face (m).
    """

    face: int
    low: tuple[float, float]
    high: tuple[float, float]


@dataclass(frozen=True)
class Room:
    """
    The box around everything, seen from inside; its middle is over the world's origin.

    Faces 0 to 5 are the walls at -x, +x, -y, +y, the floor and the ceiling.

    :param size: along x, y, z (m).
    :param openings: where rays leave.
    """

    size: Vector
    openings: tuple[WallOpening, ...] = ()

    def intersect(self, origin: Floats, directions: Floats) -> Hit:
        """
        Find where rays leave the room.

        :param origin: (3,) or (3, ...) inside the room (m).
        :param directions: (3, ...).
        :returns: t (inf through an opening) and face, each of the directions' trailing shape.
        """
        kind = directions.dtype
        t = face = None
        with np.errstate(divide='ignore', invalid='ignore'):
            for i, d in enumerate(directions):
                low = 0.0 if i == 2 else -self.size[i] / 2
                ahead = d > 0
                far = np.where(
                    ahead,
                    np.asarray(low + self.size[i] - origin[i]).astype(kind),
                    np.asarray(low - origin[i]).astype(kind),
                )
                far /= d
                code = ahead.astype(np.int8)
                code += 2 * i
                # along the wall: a ray from within the room never meets it
                far[d == 0] = np.inf
                if t is None or face is None:
                    t, face = far, code
                else:
                    np.copyto(face, code, where=far < t)
                    np.minimum(t, far, out=t)
        assert t is not None
        assert face is not None
        for opening in self.openings:
            through = (face == opening.face) & np.isfinite(t)
            if through.any():
                (ux, uy, uz, u0), (vx, vy, vz, v0) = self.chart()[opening.face]
                x, y, z = (
                    np.broadcast_to(o, t.shape)[through] + t[through] * d[through]
                    for o, d in zip(origin, directions, strict=True)
                )
                u = ux * x + uy * y + uz * z + u0
                v = vx * x + vy * y + vz * z + v0
                inside = (u > opening.low[0]) & (u < opening.high[0])
                inside &= (v > opening.low[1]) & (v < opening.high[1])
                t[through] = np.where(inside, np.inf, t[through])
        return t, face

    def chart(self) -> Floats:
        """Return texture coordinates from inside the room; see :meth:`Box.chart`."""
        x, y = np.array([1, 0, 0, self.size[0] / 2]), np.array([0, 1, 0, self.size[1] / 2])
        z = np.array([0.0, 0, 1, 0])
        return np.array([
            [y, z], [reverse(y, self.size[1]), z], [reverse(x, self.size[0]), z], [x, z],
            [x, y], [x, y],
        ])

    def normals(self) -> Floats:
        """Return the normals of the six faces into the room, (3, 6)."""
        return -Box((0, 0, 0), self.size).normals()
