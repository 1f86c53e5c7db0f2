"""
Rooms drawn from a seed.

Sizes of what is built in (tiles, bricks, doors, skirting) never change; where things stand, their
colours, their own sizes, the room's and the lights do.
"""

from __future__ import annotations

import math

import numpy as np

from depth_node.world.furniture import color, furniture, material, mover
from depth_node.world.room import Room, WallOpening
from depth_node.world.scene import Color, Lamp, Material, Scene, Solid
from depth_node.world.solids import Box, Vector

_FLOORS = ('tiles', 'checker', 'planks', 'carpet', 'concrete')
_WALLS = ('bricks', 'blocks', 'stripes', 'plaster', 'boards')


def furnish(
    seed: int, *, obstacles: int | None = None, movers: int = 0, windows: int = 0,
    roof: bool = True,
) -> Scene:
    """
    Draw a scene.

    :param seed: the same seed gives the same scene.
    :param obstacles: how many pieces of furniture to try to place; None: 6 to 14.
    :param movers: how many things move to and fro.
    :param windows: how many holes the walls have, through which there is sky.
    :param roof: False: there is sky instead of a ceiling.
    :returns: the scene.
    """
    rng = np.random.default_rng(seed)
    length, width = rng.uniform(5.5, 11.0), rng.uniform(4.5, 8.0)
    size = (float(length), float(width), float(rng.uniform(2.4, 3.4)))
    track = (0.0, 0.0, size[0] * rng.uniform(0.2, 0.28), size[1] * rng.uniform(0.2, 0.28))
    wall = material(rng, _WALLS)
    walls = [wall if rng.random() < 0.6 else material(rng, _WALLS) for _ in range(4)]
    walls.append(material(rng, _FLOORS))
    walls.append(Material('panels', (0.55, 0.55, 0.55), _pale(rng)))
    openings = _openings(rng, size, windows)
    if not roof:
        openings.append(WallOpening(5, (0.0, 0.0), size[:2]))
    solids = _fixtures(rng, size, openings)
    count = int(rng.integers(6, 15)) if obstacles is None else obstacles
    for _ in range(count):
        solids += furniture(rng, size, track, solids)
    for _ in range(movers):
        solids += mover(rng, size, track, solids)
    # enough light in all for a picture, however large the room and however many the lamps
    count = int(rng.integers(1, 4))
    power = float(rng.uniform(0.8, 1.5)) * math.sqrt(size[0] * size[1]) / count
    lamps = tuple(
        Lamp(
            (
                float(rng.uniform(-0.35, 0.35) * size[0]),
                float(rng.uniform(-0.35, 0.35) * size[1]),
                size[2] - 0.1,
            ),
            _scaled(_warm(rng), power * float(rng.uniform(0.5, 0.7))),
        )
        for _ in range(count)
    )
    ambient = _scaled(_warm(rng), float(rng.uniform(0.35, 0.6)))
    return Scene(Room(size, tuple(openings)), tuple(walls), tuple(solids), lamps, ambient, track)


def _scaled(light: Color, factor: float) -> Color:
    return light[0] * factor, light[1] * factor, light[2] * factor


def _pale(rng: np.random.Generator) -> Color:
    return color(rng, 0.85, 1.0, 0.1)


def _warm(rng: np.random.Generator) -> Color:
    return 1.0, float(rng.uniform(0.88, 1.0)), float(rng.uniform(0.75, 1.0))


def _openings(rng: np.random.Generator, size: Vector, windows: int) -> list[WallOpening]:
    openings = []
    for number in range(windows):
        face = (1, 3, 0, 2)[number % 4]
        span = size[1] if face < 2 else size[0]
        left = float(rng.uniform(0.3, span - 1.9))
        openings.append(WallOpening(face, (left, 0.9), (left + 1.6, 2.1)))
    return openings


def _fixtures(
    rng: np.random.Generator, size: Vector, openings: list[WallOpening]
) -> list[Solid]:
    """Return skirting boards, doors and pictures; none hangs in a window."""
    plain = Material('paint', color(rng, 0.2, 0.9, 0.4), color(rng, 0.3, 0.9, 0.3))
    solids = [
        Solid(_on_wall(face, size, _span(face, size) / 2, 0.0, (_span(face, size), 0.1, 0.015)),
              plain, obstacle=False)
        for face in range(4)
    ]
    for face in range(4):
        taken = [(o.low[0], o.high[0]) for o in openings if o.face == face]
        hung: list[tuple[str, float, float, float, float]] = []
        if rng.random() < 0.7:
            hung.append(('door', 1.0, 0.0, 2.0, 0.04))
        hung += [
            ('poster', 0.6, float(rng.uniform(0.9, 1.4)), 0.8, 0.02)
            for _ in range(int(rng.integers(0, 4)))
        ]
        if rng.random() < 0.4:
            hung.append(('books', 1.0, 0.0, 2.0, 0.3))
        for pattern, width, base, height, depth in hung:
            middle = float(rng.uniform(0.6, _span(face, size) - 0.6))
            low, high = middle - width / 2 - 0.05, middle + width / 2 + 0.05
            if any(low < b and a < high for a, b in taken):
                continue
            taken.append((low, high))
            shape = _on_wall(face, size, middle, base, (width, height, depth))
            solids.append(Solid(shape, material(rng, (pattern,)), obstacle=depth > 0.1))
    return solids


def _span(face: int, size: Vector) -> float:
    return size[1] if face < 2 else size[0]


def _on_wall(
    face: int, size: Vector, middle: float, base: float, extent: Vector
) -> Box:
    """Return a box (width, height, depth) on a wall; `middle` counts as the wall's u does (m)."""
    width, height, depth = extent
    x, y = size[0] / 2 - depth / 2, size[1] / 2 - depth / 2
    across, along = middle - size[1] / 2, middle - size[0] / 2
    z = base + height / 2
    if face < 2:
        sign = -1 if face == 0 else 1
        return Box((sign * x, -sign * across, z), (depth, width, height))
    sign = -1 if face == 2 else 1
    return Box((sign * along, sign * y, z), (width, depth, height))
