"""
What stands in the synthetic world: a furnished room, drawn from a seed.

Sizes of what is built in (tiles, bricks, doors, skirting) never change; where things stand, their
colours, their own sizes, the room's and the lights do.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
import math

import numpy as np

from depth_node.world.solids import Box, Cylinder, Opening, Room, Shape, Vector

Color = tuple[float, float, float]

_FLOORS = ('tiles', 'checker', 'planks', 'carpet', 'concrete')
_WALLS = ('bricks', 'blocks', 'stripes', 'plaster', 'boards')
_BLOCKS = ('carton', 'crate', 'plaid', 'metal', 'hazard', 'paint')
_PILLARS = ('concrete', 'bricks', 'metal', 'paint', 'rings')


@dataclass(frozen=True)
class Material:
    """
    A pattern and its two colours.

    :param pattern: a name of :data:`depth_node.world.textures.PATTERNS`.
    :param first: rgb where the pattern's mix is 0, 0 to 1.
    :param second: rgb where it is 1.
    """

    pattern: str
    first: Color
    second: Color


@dataclass(frozen=True)
class Motion:
    """
    A way to and fro in a straight line.

    :param reach: farthest offset from the middle, along x and y (m).
    :param period: of one way to and fro (s).
    """

    reach: tuple[float, float]
    period: float

    def at(self, time: float) -> tuple[float, float]:
        """Return the offset (m) at a time (s)."""
        wave = math.sin(2 * math.pi * time / self.period)
        return self.reach[0] * wave, self.reach[1] * wave


@dataclass(frozen=True)
class Solid:
    """
    Something that stands in the room.

    :param shape: its geometry at time 0.
    :param material: its surface.
    :param obstacle: False for what belongs to the walls: doors, pictures, skirting.
    :param motion: how it moves, or None.
    """

    shape: Shape
    material: Material
    obstacle: bool = True
    motion: Motion | None = None

    def at(self, time: float) -> Shape:
        """Return the geometry at a time (s)."""
        return self.shape if self.motion is None else self.shape.moved(*self.motion.at(time))


@dataclass(frozen=True)
class Lamp:
    """
    A light without a size.

    :param position: (m).
    :param color: rgb at one metre.
    """

    position: Vector
    color: Color


@dataclass(frozen=True)
class Scene:
    """
    Everything a ray can meet, and the light it is seen in.

    :param room: walls, floor and ceiling.
    :param walls: materials of the room's six faces.
    :param solids: what stands in it.
    :param lamps: lights.
    :param ambient: rgb light from everywhere.
    :param track: middle and half axes (x, y, a, b) of the ellipse kept free for the camera (m).
    """

    room: Room
    walls: tuple[Material, ...]
    solids: tuple[Solid, ...]
    lamps: tuple[Lamp, ...]
    ambient: Color
    track: tuple[float, float, float, float]


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
    wall = _material(rng, _WALLS)
    walls = [wall if rng.random() < 0.6 else _material(rng, _WALLS) for _ in range(4)]
    walls.append(_material(rng, _FLOORS))
    walls.append(Material('panels', (0.55, 0.55, 0.55), _pale(rng)))
    openings = _openings(rng, size, windows)
    if not roof:
        openings.append(Opening(5, (0.0, 0.0), size[:2]))
    solids = _fixtures(rng, size, openings)
    count = int(rng.integers(6, 15)) if obstacles is None else obstacles
    for _ in range(count):
        solids += _furniture(rng, size, track, solids)
    for _ in range(movers):
        solids += _mover(rng, size, track, solids)
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


def _scaled(color: Color, factor: float) -> Color:
    return color[0] * factor, color[1] * factor, color[2] * factor


def _color(rng: np.random.Generator, low: float, high: float, saturation: float) -> Color:
    return colorsys.hsv_to_rgb(
        float(rng.random()), float(rng.uniform(0, saturation)), float(rng.uniform(low, high))
    )


def _pale(rng: np.random.Generator) -> Color:
    return _color(rng, 0.85, 1.0, 0.1)


def _warm(rng: np.random.Generator) -> Color:
    return 1.0, float(rng.uniform(0.88, 1.0)), float(rng.uniform(0.75, 1.0))


def _material(rng: np.random.Generator, patterns: tuple[str, ...]) -> Material:
    first = _color(rng, 0.25, 0.6, 0.6)
    second = _color(rng, 0.6, 1.0, 0.6)
    if rng.random() < 0.4:
        first, second = second, first
    return Material(str(rng.choice(patterns)), first, second)


def _openings(rng: np.random.Generator, size: Vector, windows: int) -> list[Opening]:
    openings = []
    for number in range(windows):
        face = (1, 3, 0, 2)[number % 4]
        span = size[1] if face < 2 else size[0]
        left = float(rng.uniform(0.3, span - 1.9))
        openings.append(Opening(face, (left, 0.9), (left + 1.6, 2.1)))
    return openings


def _fixtures(
    rng: np.random.Generator, size: Vector, openings: list[Opening]
) -> list[Solid]:
    """Return skirting boards, doors and pictures; none hangs in a window."""
    plain = Material('paint', _color(rng, 0.2, 0.9, 0.4), _color(rng, 0.3, 0.9, 0.3))
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
            solids.append(Solid(shape, _material(rng, (pattern,)), obstacle=depth > 0.1))
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


def _furniture(
    rng: np.random.Generator, size: Vector,
    track: tuple[float, float, float, float], others: list[Solid],
) -> list[Solid]:
    """Return one piece of furniture, or nothing where it finds no place."""
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
    surface = _material(rng, _BLOCKS)
    if kind in ('box', 'stack'):
        side, height = rng.uniform(0.25, 0.8, 2), float(rng.uniform(0.2, 0.9))
        lower = Box((x, y, height / 2), (float(side[0]), float(side[1]), height), yaw)
        if kind == 'box':
            return [Solid(lower, surface)]
        top, rise = side * rng.uniform(0.5, 0.9), float(rng.uniform(0.15, 0.5))
        upper = Box((x, y, height + rise / 2), (float(top[0]), float(top[1]), rise),
                    yaw + float(rng.uniform(-0.4, 0.4)))
        return [Solid(lower, surface), Solid(upper, _material(rng, _BLOCKS))]
    if kind == 'cabinet':
        shelf = Box((x, y, 1.0), (1.0, 0.4, 2.0), yaw)
        return [Solid(shelf, _material(rng, ('books', 'boards')))]
    if kind == 'table':
        long, short = float(rng.uniform(0.8, 1.5)), float(rng.uniform(0.6, 0.8))
        return _table(Box((x, y, 0.735), (long, short, 0.03), yaw), surface)
    surface = _material(rng, _PILLARS)
    if kind == 'pillar':
        radius = float(rng.uniform(0.12, 0.25))
        return [Solid(Cylinder((x, y, ceiling / 2), radius, ceiling), surface)]
    if kind == 'bin':
        radius, height = float(rng.uniform(0.12, 0.3)), float(rng.uniform(0.3, 0.9))
        return [Solid(Cylinder((x, y, height / 2), radius, height), surface)]
    height = float(rng.uniform(1.0, 1.8))
    pole = Cylinder((x, y, height / 2), float(rng.uniform(0.015, 0.04)), height)
    return [Solid(pole, _material(rng, ('rings',)))]


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
    shape: Shape, size: Vector, track: tuple[float, float, float, float],
    others: list[Solid], gap: float = 0.45,
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


def _mover(
    rng: np.random.Generator, size: Vector,
    track: tuple[float, float, float, float], others: list[Solid],
) -> list[Solid]:
    """Return something that walks to and fro without meeting anything."""
    for _ in range(30):
        x, y = (float(rng.uniform(-0.4, 0.4) * s) for s in size[:2])
        angle, reach = float(rng.uniform(0, 2 * math.pi)), float(rng.uniform(0.3, 0.8))
        motion = Motion((reach * math.cos(angle), reach * math.sin(angle)),
                        float(rng.uniform(4, 9)))
        walker = Cylinder((x, y, 0.8), float(rng.uniform(0.15, 0.25)), 1.6)
        places = [walker.moved(*motion.at(motion.period * n / 16)) for n in range(16)]
        if all(_fits(place, size, track, others, 0.3) for place in places):
            return [Solid(walker, _material(rng, ('plaid', 'stripes', 'rings')), motion=motion)]
    return []
