"""What may stand in a room: boxes, tables, pillars, bins, poles, and things that walk about."""

from __future__ import annotations

import colorsys
import math

import numpy as np

from depth_node.world.scene import Color, Material, Motion, Solid
from depth_node.world.shapes import Shape
from depth_node.world.solids import Box, Cylinder, Vector

Track = tuple[float, float, float, float]
"""Middle and half axes (x, y, a, b) of the ellipse kept free for the camera (m)."""

_BLOCKS = ('carton', 'crate', 'plaid', 'metal', 'hazard', 'paint')
_PILLARS = ('concrete', 'bricks', 'metal', 'paint', 'rings')


def color(rng: np.random.Generator, low: float, high: float, saturation: float) -> Color:
    """
    Draw a color of any hue.

    :param rng: random generator.
    :param low: least value (0 to 1).
    :param high: greatest value (0 to 1).
    :param saturation: greatest saturation (0 to 1).
    :returns: rgb, 0 to 1.
    """
    return colorsys.hsv_to_rgb(
        float(rng.random()), float(rng.uniform(0, saturation)), float(rng.uniform(low, high))
    )


def material(rng: np.random.Generator, patterns: tuple[str, ...]) -> Material:
    """
    Draw a surface: one of some patterns, in a dark and a light color.

    :param rng: random generator.
    :param patterns: to choose from.
    :returns: the material.
    """
    first = color(rng, 0.25, 0.6, 0.6)
    second = color(rng, 0.6, 1.0, 0.6)
    if rng.random() < 0.4:
        first, second = second, first
    return Material(str(rng.choice(patterns)), first, second)


def furniture(
    rng: np.random.Generator, size: Vector, track: Track, others: list[Solid]
) -> list[Solid]:
    """
    Draw a piece of furniture and a place for it.

    :param rng: random generator.
    :param size: of the room (m).
    :param track: to be kept free.
    :param others: what stands there already.
    :returns: its parts; none where it finds no place.
    """
    for _ in range(12):
        x = float(rng.uniform(-0.5, 0.5) * (size[0] - 0.8))
        y = float(rng.uniform(-0.5, 0.5) * (size[1] - 0.8))
        pieces = _piece(rng, x, y, size[2])
        if all(_fits(piece.shape, size, track, others) for piece in pieces):
            return pieces
    return []


def _piece(rng: np.random.Generator, x: float, y: float, ceiling: float) -> list[Solid]:
    kind = rng.choice(['box', 'stack', 'cabinet', 'table', 'pillar', 'bin', 'pole'],
                      p=[0.3, 0.12, 0.1, 0.16, 0.08, 0.14, 0.1])
    yaw = float(rng.choice([0.0, 0.0, rng.uniform(-0.7, 0.7)]))
    surface = material(rng, _BLOCKS)
    if kind in ('box', 'stack'):
        side, height = rng.uniform(0.25, 0.8, 2), float(rng.uniform(0.2, 0.9))
        lower = Box((x, y, height / 2), (float(side[0]), float(side[1]), height), yaw)
        if kind == 'box':
            return [Solid(lower, surface)]
        top, rise = side * rng.uniform(0.5, 0.9), float(rng.uniform(0.15, 0.5))
        upper = Box((x, y, height + rise / 2), (float(top[0]), float(top[1]), rise),
                    yaw + float(rng.uniform(-0.4, 0.4)))
        return [Solid(lower, surface), Solid(upper, material(rng, _BLOCKS))]
    if kind == 'cabinet':
        shelf = Box((x, y, 1.0), (1.0, 0.4, 2.0), yaw)
        return [Solid(shelf, material(rng, ('books', 'boards')))]
    if kind == 'table':
        long, short = float(rng.uniform(0.8, 1.5)), float(rng.uniform(0.6, 0.8))
        return _table(Box((x, y, 0.735), (long, short, 0.03), yaw), surface)
    surface = material(rng, _PILLARS)
    if kind == 'pillar':
        radius = float(rng.uniform(0.12, 0.25))
        return [Solid(Cylinder((x, y, ceiling / 2), radius, ceiling), surface)]
    if kind == 'bin':
        radius, height = float(rng.uniform(0.12, 0.3)), float(rng.uniform(0.3, 0.9))
        return [Solid(Cylinder((x, y, height / 2), radius, height), surface)]
    height = float(rng.uniform(1.0, 1.8))
    pole = Cylinder((x, y, height / 2), float(rng.uniform(0.015, 0.04)), height)
    return [Solid(pole, material(rng, ('rings',)))]


def _table(top: Box, surface: Material) -> list[Solid]:
    (x, y, _), (long, short, _), yaw = top.center, top.size, top.yaw
    c, s = math.cos(yaw), math.sin(yaw)
    legs = []
    for a, b in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        u, v = a * (long / 2 - 0.05), b * (short / 2 - 0.05)
        leg = Box((x + c * u - s * v, y + s * u + c * v, 0.36), (0.05, 0.05, 0.72), yaw)
        legs.append(Solid(leg, surface))
    return [Solid(top, surface), *legs]


def _fits(
    shape: Shape, size: Vector, track: Track, others: list[Solid], gap: float = 0.45
) -> bool:
    """Whether a shape stands clear of the walls, the others and the camera's track."""
    corners = shape.corners()
    if (abs(corners[0]) > size[0] / 2).any() or (abs(corners[1]) > size[1] / 2).any():
        return False
    angle = np.linspace(0, 2 * math.pi, 90)
    way = np.stack([
        track[0] + track[2] * np.cos(angle), track[1] + track[3] * np.sin(angle), 0 * angle
    ])
    way[2] = np.clip(shape.center[2], corners[2].min(), corners[2].max())
    if (shape.distance(way) < gap).any():
        return False
    return not any(_near(shape, other.shape) for other in others)


def _near(one: Shape, other: Shape) -> bool:
    a, b = one.corners(), other.corners()
    return bool(
        ((a.min(1) < b.max(1) + 0.02) & (b.min(1) < a.max(1) + 0.02)).all()
    )


def mover(
    rng: np.random.Generator, size: Vector, track: Track, others: list[Solid]
) -> list[Solid]:
    """
    Draw something that walks to and fro without meeting anything.

    :param rng: random generator.
    :param size: of the room (m).
    :param track: to be kept free.
    :param others: what stands there already.
    :returns: the walker; nothing where it finds no place.
    """
    for _ in range(30):
        x, y = (float(rng.uniform(-0.4, 0.4) * s) for s in size[:2])
        angle, reach = float(rng.uniform(0, 2 * math.pi)), float(rng.uniform(0.3, 0.8))
        motion = Motion((reach * math.cos(angle), reach * math.sin(angle)),
                        float(rng.uniform(4, 9)))
        walker = Cylinder((x, y, 0.8), float(rng.uniform(0.15, 0.25)), 1.6)
        places = [walker.moved(*motion.at(motion.period * n / 16)) for n in range(16)]
        if all(_fits(place, size, track, others, 0.3) for place in places):
            return [Solid(walker, material(rng, ('plaid', 'stripes', 'rings')), motion=motion)]
    return []
