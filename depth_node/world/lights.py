"""Lights of lived-in rooms: lamps under the ceiling and near the floor, and the sun."""

from __future__ import annotations

import math

import numpy as np

from depth_node.world import palette
from depth_node.world.floorplan import Area
from depth_node.world.parts import ball, box, moved, Parts, rod, solids
from depth_node.world.room import WallOpening
from depth_node.world.scene import Color, Material, Panel, Solid, Sun

_DAYLIGHT_ALONE = 0.3  # share of the rooms with windows in which no lamp is on
_COLORED = 0.08  # share of the rooms with lamps of a strong color
_LOW, _LOW_ALONE = 0.3, 0.35  # shares: of rooms with a lamp that stands, of those with no other


def lamps(
    rng: np.random.Generator, area: Area, height: float, panels: list[Panel]
) -> list[Solid]:
    """
    Light a room: flat lamps on the ceiling or balls on wires, lamps that stand, daylight alone.

    :param rng: random generator.
    :param area: the room.
    :param height: of its ceiling (m).
    :param panels: of its windows; the lamps' are added.
    :returns: what is seen of the lamps.
    """
    if panels and rng.random() < _DAYLIGHT_ALONE:
        return []
    white: Color = (1.0, float(rng.uniform(0.8, 1.0)), float(rng.uniform(0.5, 1.1)))
    if rng.random() < _COLORED:
        white = palette.tone(rng.random(), rng.uniform(0.2, 0.7), 0.95)
    found: list[Solid] = []
    if rng.random() < _LOW:
        found = _standing(rng, area, white, panels)
        if found and rng.random() < _LOW_ALONE:
            return found
    return found + _hanging(rng, area, height, white, panels)


def _standing(
    rng: np.random.Generator, area: Area, white: Color, panels: list[Panel]
) -> list[Solid]:
    """Put a lamp on the floor or on a pole: its light comes from the side or from below."""
    place = area.anywhere(rng, 0.35, 0.35)
    if place is None:
        return []
    tall, radius = float(rng.uniform(0.05, 1.5)), float(rng.uniform(0.07, 0.16))
    power = float(rng.uniform(0.4, 1.5))
    glow = Material('plain', white, white, 1.0, float(rng.uniform(3, 8)))
    stand = palette.metal(rng)
    parts: Parts = [
        rod((0, 0.17, 0), 0.1, 0.02, stand), rod((0, 0.17, 0.02), 0.012, tall, stand),
        ball((0, 0.17, tall + radius), (radius, radius, radius), glow),
    ]
    x, y, yaw = place
    spot = moved(parts, x, y, 0.0, yaw)
    at = spot[-1][0].center
    panels.append(Panel(
        at, ((radius, 0.0, 0.0), (0.0, radius, 0.0)), (0.0, 0.0, 0.0),
        (white[0] * power, white[1] * power, white[2] * power),
    ))
    return solids(spot)


def _hanging(
    rng: np.random.Generator, area: Area, height: float, white: Color, panels: list[Panel]
) -> list[Solid]:
    """Hang lamps: flat ones on the ceiling or balls on wires."""
    low_x, high_x, low_y, high_y = area.bounds
    floor = (high_x - low_x) * (high_y - low_y)
    count = int(np.clip(round(floor / rng.uniform(7, 25)), 1, 6))
    power = float(np.exp(rng.uniform(math.log(0.25), math.log(1.7)))) * math.sqrt(floor) / count
    color = (white[0] * power, white[1] * power, white[2] * power)
    glow = Material('plain', white, white, 1.0, float(rng.uniform(3, 8)))
    flat = rng.random() < 0.6
    long, short = float(rng.uniform(0.3, 1.3)), float(rng.uniform(0.12, 0.6))
    parts: Parts = []
    for n in range(count):
        x = low_x + (n + 0.5) / count * (high_x - low_x) if high_x - low_x > high_y - low_y else (
            rng.uniform(low_x + 0.3 * (high_x - low_x), high_x - 0.3 * (high_x - low_x)))
        y = rng.uniform(low_y + 0.35 * (high_y - low_y), high_y - 0.35 * (high_y - low_y))
        x, y = float(x), float(y)
        if flat:
            parts.append(box((x, y, height - 0.05), (long, short, 0.04), glow))
            panels.append(Panel(
                (x, y, height - 0.09), ((long / 2, 0.0, 0.0), (0.0, short / 2, 0.0)),
                (0.0, 0.0, -1.0), color,
            ))
        else:
            z = height - float(rng.uniform(0.15, 0.7))
            parts.append(rod((x, y, z - 0.1), float(rng.uniform(0.06, 0.16)), 0.1, glow))
            parts.append(rod((x, y, z), 0.006, height - z - 1e-3, palette.metal(rng)))
            panels.append(Panel(
                (x, y, z - 0.18), ((0.08, 0.0, 0.0), (0.0, 0.08, 0.0)), (0.0, 0.0, 0.0), color
            ))
    return solids(parts, obstacle=False)


def sunshine(rng: np.random.Generator, holes: list[WallOpening]) -> Sun | None:
    """
    Let the sun shine through a window, now and then.

    :param rng: random generator.
    :param holes: the windows.
    :returns: the sun, or None.
    """
    if not holes or rng.random() < 0.6:
        return None
    # from where it shines through one of the windows
    outward = ((-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0))[holes[0].face]
    turn, up = rng.uniform(-0.8, 0.8), math.radians(rng.uniform(20, 60))
    yaw = math.atan2(outward[1], outward[0]) + turn
    strength = float(rng.uniform(2, 7))
    return Sun(
        (math.cos(yaw) * math.cos(up), math.sin(yaw) * math.cos(up), math.sin(up)),
        (strength, strength * 0.94, strength * 0.82),
    )
