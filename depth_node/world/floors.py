"""What lies flat on the floors of lived-in rooms: another covering, strips, tape, stains."""

from __future__ import annotations

import math

import numpy as np

from depth_node.world import palette
from depth_node.world.floorplan import Area
from depth_node.world.parts import ball, box, Parts, solids
from depth_node.world.scene import Material, Solid

_ZONES, _BORDERS, _LINES, _STAINS = 0.25, 0.08, 0.15, 0.25  # shares of the rooms that have them
_THIN = 0.003  # what is glued on (m)
_FILM = 0.0008  # what is painted or spilled on (m)


def marks(rng: np.random.Generator, area: Area) -> list[Solid]:
    """
    Mark a floor with what has a color of its own but no height to speak of.

    :param rng: random generator.
    :param area: the room.
    :returns: thin solids; no obstacles.
    """
    parts: Parts = []
    if rng.random() < _ZONES:
        parts += _zone(rng, area)
    if rng.random() < _BORDERS:
        parts += _border(rng, area)
    if rng.random() < _LINES:
        parts += _lines(rng, area)
    if rng.random() < _STAINS:
        parts += _stains(rng, area)
    return solids(parts, obstacle=False)


def _zone(rng: np.random.Generator, area: Area) -> Parts:
    """Cover a part of the floor with something else, often with a strip at its edge."""
    low_x, high_x, low_y, high_y = area.bounds
    size, middle = (high_x - low_x, high_y - low_y), ((low_x + high_x) / 2, (low_y + high_y) / 2)
    along, side = int(rng.integers(2)), float(rng.choice([-1.0, 1.0]))
    wide = float(rng.uniform(0.2, 0.7)) * size[along]
    edge = middle[along] - side * (size[along] / 2 - wide)
    strip = float(rng.uniform(0.02, 0.09))

    def across(at: float, width: float, thick: float, surface: Material) -> Parts:
        center, extent = list(middle), list(size)
        center[along], extent[along] = at, width
        return [box((center[0], center[1], 0), (extent[0], extent[1], thick), surface)]

    parts = across(edge - side * wide / 2, wide, _THIN, palette.floor(rng))
    if rng.random() < 0.6:
        parts += across(edge, strip, 2 * _THIN, _contrast(rng))
    return parts


def _border(rng: np.random.Generator, area: Area) -> Parts:
    """Lay a strip along all walls."""
    low_x, high_x, low_y, high_y = area.bounds
    wide, gap = float(rng.uniform(0.05, 0.25)), float(rng.uniform(0, 0.3))
    x, y = (high_x - low_x) / 2 - gap, (high_y - low_y) / 2 - gap
    at, surface = ((low_x + high_x) / 2, (low_y + high_y) / 2), _contrast(rng)
    if min(x, y) < wide:
        return []
    return [
        *(box((at[0], at[1] + s * (y - wide / 2), 0), (2 * x, wide, _THIN), surface)
          for s in (-1, 1)),
        *(box((at[0] + s * (x - wide / 2), at[1], 0), (wide, 2 * y, _THIN), surface)
          for s in (-1, 1)),
    ]


def _lines(rng: np.random.Generator, area: Area) -> Parts:
    """Stick tape to the floor, straight or askew."""
    surface = _contrast(rng)
    parts: Parts = []
    for _ in range(int(rng.integers(1, 6))):
        x, y = _spot(rng, area)
        yaw = float(rng.choice([0, math.pi / 2, rng.uniform(0, math.pi)]))
        room = 1.8 * min(x - area.bounds[0], area.bounds[1] - x,
                         y - area.bounds[2], area.bounds[3] - y)
        if room > 0.1:
            long = float(rng.uniform(0.1, min(3.0, room)))
            parts.append(box((x, y, 0), (long, rng.uniform(0.015, 0.1), _FILM), surface, yaw))
    return parts


def _stains(rng: np.random.Generator, area: Area) -> Parts:
    """Spill something, dark or bright, in rounds that could be taken for shadows."""
    parts: Parts = []
    for _ in range(int(rng.integers(1, 6))):
        x, y = _spot(rng, area)
        value = float(rng.uniform(0.05, 0.3) if rng.random() < 0.75 else rng.uniform(0.6, 0.9))
        surface = palette.pair(rng, 'smudged', (0.08, float(rng.uniform(0, 0.4)), value), 0.1)
        radius = 0.03 * 10 ** rng.uniform(0, 1)
        parts.append(ball((x, y, 0), (radius, radius * rng.uniform(0.4, 1), _FILM), surface,
                          rng.uniform(0, math.pi)))
    return parts


def _spot(rng: np.random.Generator, area: Area) -> tuple[float, float]:
    low_x, high_x, low_y, high_y = area.bounds
    return float(rng.uniform(low_x, high_x)), float(rng.uniform(low_y, high_y))


def _contrast(rng: np.random.Generator) -> Material:
    """Draw what strips and tape are made of: wood, metal, or any color."""
    kinds = (palette.wood, palette.metal, palette.plastic, palette.black)
    return kinds[int(rng.integers(len(kinds)))](rng)
