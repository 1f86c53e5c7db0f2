"""Rooms within the outermost walls, and what may stand where in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
import math

import numpy as np

from depth_node.world.room import WallOpening
from depth_node.world.solids import Box, Vector

Rectangle = tuple[float, float, float, float]
"""Least x, greatest x, least y, greatest y (m)."""
SIDES = 4
"""Walls of an area: at -x, +x, -y, +y."""


@dataclass
class Area:
    """
    A room without furniture, and what is put into it.

    :param bounds: between its walls.
    :param track: ellipse kept free, middle and half axes (m), or None.
    :param taken: rectangles on the floor that are no longer free.
    :param hung: what is on each wall: side, least and greatest coordinate along it (m).
    """

    bounds: Rectangle
    track: tuple[float, float, float, float] | None = None
    taken: list[Rectangle] = field(default_factory=list)
    hung: list[tuple[int, float, float]] = field(default_factory=list)

    def span(self, side: int) -> tuple[float, float]:
        """Return where a wall begins and ends, along y for sides 0 and 1, else along x (m)."""
        return self.bounds[2:] if side < 2 else self.bounds[:2]

    def at_wall(
        self, rng: np.random.Generator, width: float, depth: float, *, gap: float = 0.01
    ) -> tuple[float, float, float] | None:
        """
        Find a place with the back to a wall.

        :param rng: random generator.
        :param width: along the wall (m).
        :param depth: away from it (m).
        :param gap: to the wall (m).
        :returns: x and y of the middle of the back (m) and the yaw; None: there is none.
        """
        for _ in range(12):
            side = int(rng.integers(SIDES))
            low, high = self.span(side)
            if high - low < width + 0.04:
                continue
            along = float(rng.uniform(low + width / 2 + 0.01, high - width / 2 - 0.01))
            place = self.wall_place(side, along, gap)
            if self.take(_footprint(*place, width, depth)):
                return place
        return None

    def wall_place(self, side: int, along: float, gap: float) -> tuple[float, float, float]:
        """Return x, y (m) and yaw of what stands with its back to a wall."""
        low_x, high_x, low_y, high_y = self.bounds
        return (
            (low_x + gap, along, -math.pi / 2),
            (high_x - gap, along, math.pi / 2),
            (along, low_y + gap, 0.0),
            (along, high_y - gap, math.pi),
        )[side]

    def anywhere(
        self, rng: np.random.Generator, width: float, depth: float
    ) -> tuple[float, float, float] | None:
        """
        Find a place away from the walls.

        :param rng: random generator.
        :param width: of what is to stand there (m).
        :param depth: of it (m).
        :returns: x and y of the middle of its back (m) and the yaw; None: there is none.
        """
        low_x, high_x, low_y, high_y = self.bounds
        for _ in range(12):
            yaw = float(rng.choice([0.0, math.pi / 2, math.pi, -math.pi / 2]))
            if rng.random() < 0.3:
                yaw += float(rng.uniform(-0.7, 0.7))
            place = float(rng.uniform(low_x, high_x)), float(rng.uniform(low_y, high_y)), yaw
            if self.take(_footprint(*place, width, depth)):
                return place
        return None

    def take(self, spot: Rectangle) -> bool:
        """Return whether a rectangle is free, and take it if so."""
        low_x, high_x, low_y, high_y = self.bounds
        inside = (
            spot[0] > low_x - 0.03 and spot[1] < high_x + 0.03
            and spot[2] > low_y - 0.03 and spot[3] < high_y + 0.03
        )
        if not inside or any(_overlap(spot, other) for other in self.taken):
            return False
        if self.track is not None and _meets(spot, self.track):
            return False
        self.taken.append(spot)
        return True

    def hang(
        self, rng: np.random.Generator, width: float, *, side: int | None = None
    ) -> tuple[int, float] | None:
        """
        Find a place on a wall.

        :param rng: random generator.
        :param width: along the wall (m).
        :param side: which wall; None: any.
        :returns: the side and the middle along it (m); None: there is none.
        """
        for _ in range(8):
            wall = int(rng.integers(SIDES)) if side is None else side
            low, high = self.span(wall)
            if high - low < width + 0.1:
                continue
            along = float(rng.uniform(low + width / 2 + 0.05, high - width / 2 - 0.05))
            span = along - width / 2, along + width / 2
            if all(s != wall or span[1] < a or b < span[0] for s, a, b in self.hung):
                self.hung.append((wall, *span))
                return wall, along
        return None


def _footprint(x: float, y: float, yaw: float, width: float, depth: float) -> Rectangle:
    corners = Box((x, y, 0), (width, 2 * depth, 0), yaw).corners()
    ahead = -math.sin(yaw), math.cos(yaw)
    front = (corners - np.array([[x], [y], [0]])).T @ (*ahead, 0) >= -1e-9
    back = np.array([[x], [y]]) + np.outer((math.cos(yaw), math.sin(yaw)), (-width / 2, width / 2))
    every = np.concatenate([corners[:2, front], back], 1)
    low, high = every.min(1), every.max(1)
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return (
        one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]
    )


def _meets(spot: Rectangle, track: tuple[float, float, float, float], gap: float = 0.6) -> bool:
    angle = np.linspace(0, 2 * math.pi, 60)
    x = track[0] + track[2] * np.cos(angle)
    y = track[1] + track[3] * np.sin(angle)
    return bool((
        (x > spot[0] - gap) & (x < spot[1] + gap) & (y > spot[2] - gap) & (y < spot[3] + gap)
    ).any())


def divided(
    rng: np.random.Generator, bounds: Rectangle, least: float, times: int
) -> tuple[list[Rectangle], list[tuple[Rectangle, int, float]]]:
    """
    Divide a floor into rooms.

    :param rng: random generator.
    :param bounds: of the whole.
    :param least: least width of a room (m).
    :param times: how often to divide at most.
    :returns: the rooms, and the walls between them: footprint, axis across (0: x, 1: y) and
        where the middle of the doorway is along the other one (m).
    """
    rooms, walls = [bounds], []
    for _ in range(times):
        rooms.sort(key=lambda r: (r[1] - r[0]) * (r[3] - r[2]))
        room = rooms.pop()
        across = 0 if room[1] - room[0] > room[3] - room[2] else 1
        low, high = room[2 * across:2 * across + 2]
        if high - low < 2 * least + 0.2:
            rooms.append(room)
            break
        cut = float(rng.uniform(low + least, high - least))
        other = room[2:] if across == 0 else room[:2]
        if other[1] - other[0] < 1.3:
            rooms.append(room)
            break
        door = float(rng.uniform(other[0] + 0.55, other[1] - 0.55))
        edges = (low, cut - 0.05, cut + 0.05, high)
        before, wall, after = (_between(room, across, a, b) for a, b in pairwise(edges))
        rooms += [before, after]
        walls.append((wall, across, door))
    return rooms, walls


def _between(room: Rectangle, across: int, low: float, high: float) -> Rectangle:
    """Return the part of a rectangle between two places along one axis."""
    return (low, high, room[2], room[3]) if across == 0 else (room[0], room[1], low, high)


def opening(
    size: Vector, side: int, along: float, width: float, heights: tuple[float, float]
) -> WallOpening:
    """
    Cut a hole into an outermost wall.

    :param size: of the whole (m).
    :param side: which wall.
    :param along: middle of the hole along it, in the world (m).
    :param width: of the hole (m).
    :param heights: of its lower and its upper edge (m).
    :returns: the opening, in the wall's own coordinates.
    """
    half = size[1] / 2 if side < 2 else size[0] / 2
    middle = half - along if side in {1, 2} else half + along
    return WallOpening(side, (middle - width / 2, heights[0]), (middle + width / 2, heights[1]))
