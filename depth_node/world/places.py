"""Places of one kind: an office hall, a floor with cartons, a table with things, a corridor."""

from __future__ import annotations

import math

import numpy as np

from depth_node.world import palette
from depth_node.world.clutter import clutter
from depth_node.world.devices import gray
from depth_node.world.fixtures import door, on_wall
from depth_node.world.floorplan import Area
from depth_node.world.parts import box, legs, moved, Parts, solids
from depth_node.world.people import person
from depth_node.world.scene import Solid
from depth_node.world.workplaces import desk_pair

MOST = 640
"""Solids of one scene, about: with more of them, light takes too long."""


def office(rng: np.random.Generator, area: Area) -> list[Solid]:
    """
    Fill a hall with rows of desks, and people between them.

    :param rng: random generator.
    :param area: the hall.
    :returns: what stands in it.
    """
    low_x, high_x, low_y, high_y = area.bounds
    found: list[Solid] = []
    across, along = float(rng.uniform(3.4, 4.6)), float(rng.uniform(1.45, 1.9))
    kept = float(rng.uniform(0.6, 1.0))
    places = [
        (x, y) for x in np.arange(low_x + 1.2, high_x - 1.0, along)
        for y in np.arange(low_y + 0.2, high_y - across, across) if rng.random() < kept
    ]
    # from somewhere in the hall on, so that those that are within the limit stand together
    first = float(rng.uniform(low_x, high_x)), float(rng.uniform(low_y, high_y))
    places.sort(key=lambda place: math.dist(place, first))
    for x, y in places:
        piece = desk_pair(rng, rich=len(found) < 200)
        if len(found) + len(piece.parts) > MOST:
            break
        if area.take((x - piece.width / 2, x + piece.width / 2, y, y + piece.depth)):
            found += solids(moved(piece.parts, float(x), float(y)))
    for _ in range(int(rng.integers(0, 5))):
        spot = area.anywhere(rng, 0.6, 0.8)
        if spot is not None:
            found += solids(moved(person(rng).parts, spot[0], spot[1], 0.0, spot[2]))
    return found


def strewn(rng: np.random.Generator, area: Area) -> list[Solid]:
    """
    Put one to six cartons and other things on a bare floor, in each other's neighborhood.

    :param rng: random generator.
    :param area: the room.
    :returns: what stands in it.
    """
    low_x, high_x, low_y, high_y = area.bounds
    found: list[Solid] = []
    middle = float(rng.uniform(0.6 * low_x, 0.6 * high_x)), float(
        rng.uniform(0.6 * low_y, 0.6 * high_y))
    spread = float(rng.uniform(0.5, 1.6))
    for _ in range(int(rng.integers(1, 7))):
        things = clutter(rng, 0.9, 0.9, 0.0, 1, height=0.6, kind='floor')
        x, y = (float(rng.normal(m, spread)) for m in middle)
        if area.take((x - 0.45, x + 0.45, y - 0.45, y + 0.45)):
            found += solids(moved(things, x, y - 0.45))
    return found


def laid(rng: np.random.Generator, area: Area) -> list[Solid]:
    """
    Put a table full of things into a room, away from its walls.

    :param rng: random generator.
    :param area: the room.
    :returns: the table and what is on it.
    """
    wide, deep = float(rng.uniform(1.0, 1.8)), float(rng.uniform(0.6, 0.9))
    height, thick = float(rng.uniform(0.71, 0.76)), float(rng.uniform(0.02, 0.035))
    spot = area.anywhere(rng, wide + 0.6, deep + 1.2)
    if spot is None:
        return []
    top, under = palette.wood(rng), palette.metal(rng)
    parts: Parts = [box((0, deep / 2, height - thick), (wide, deep, thick), top)]
    parts += legs(rng, (wide - 0.05, deep - 0.05, height - thick), 0.05, under)
    parts += clutter(rng, wide, deep, height, int(rng.integers(8, 30)),
                     kind=str(rng.choice(['desk', 'desk', 'kitchen'])))
    return solids(moved(moved(parts, 0, 0.6), spot[0], spot[1], 0.0, spot[2]))


def doors(rng: np.random.Generator, area: Area) -> list[Solid]:
    """
    Put doors along the two long walls of a corridor, with a plate next to each.

    :param rng: random generator.
    :param area: the corridor.
    :returns: the doors.
    """
    low_x, high_x, low_y, high_y = area.bounds
    sides = (2, 3) if high_x - low_x > high_y - low_y else (0, 1)
    leaf, frame, plate = palette.wood(rng), palette.wood(rng), gray(float(rng.uniform(0.3, 0.95)))
    every = float(rng.uniform(1.6, 4.0))
    parts: Parts = []
    for side in sides:
        low, high = area.span(side)
        for along in np.arange(low + float(rng.uniform(0.7, 0.7 + every)), high - 0.8, every):
            reach = float(along) - 0.55, float(along) + 0.7
            if any(s == side and reach[0] < b and a < reach[1] for s, a, b in area.hung):
                continue
            area.hung.append((side, float(along) - 0.5, float(along) + 0.5))
            made = door(rng, leaf, frame)
            made.append(box((0.63, 0.004, 1.45), (0.15, 0.006, 0.15), plate))
            parts += on_wall(area, side, float(along), made)
            x, y, yaw = area.wall_place(side, float(along), 0.35)
            half = 0.5 * abs(math.cos(yaw)) + 0.3 * abs(math.sin(yaw))
            area.taken.append((x - half, x + half, y - (0.8 - half), y + (0.8 - half)))
    return solids(parts, obstacle=False)
