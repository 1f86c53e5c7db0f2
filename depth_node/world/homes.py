"""
Rooms that look lived in, drawn from a seed: flats, offices, corridors, halls, bare rooms.

Other than the rooms of :mod:`depth_node.world.furnish`, nothing in them has a size that is always
the same, apart from what has one in life: doors, chairs, tables, keyboards, people.
"""

from __future__ import annotations

from dataclasses import replace
import math

import numpy as np

from depth_node.world import palette, places
from depth_node.world.clutter import clutter
from depth_node.world.fixtures import (
    door,
    doorway,
    mirror,
    on_wall,
    picture,
    skirting,
    sockets,
    window,
)
from depth_node.world.floorplan import Area, divided, opening, Rectangle
from depth_node.world.floors import marks
from depth_node.world.lights import lamps, sunshine
from depth_node.world.parts import box, moved, Parts, Piece, rod, solids
from depth_node.world.people import person
from depth_node.world.pieces import AT_WALLS, FREE, Maker
from depth_node.world.room import Room, WallOpening
from depth_node.world.scene import Material, Panel, Scene, Solid
from depth_node.world.solids import Vector

_FULL = 500  # solids of the furniture of one room
_MIRRORS = 0.2  # share of the rooms with a mirror
# share of the places, length, width and height (m), how often they are divided (from, below)
_Span = tuple[float, float]
_KINDS: dict[str, tuple[float, _Span, _Span, _Span, tuple[int, int]]] = {
    'room': (0.3, (2.4, 7.0), (2.2, 5.5), (2.3, 3.0), (0, 1)),
    'flat': (0.16, (6, 12), (5, 9), (2.3, 3.0), (1, 5)),
    'corridor': (0.04, (5, 16), (1.3, 2.8), (2.3, 3.0), (0, 2)),
    'hall': (0.08, (8, 17), (7, 12), (2.8, 5), (0, 2)),
    'office': (0.14, (7, 18), (6, 12), (2.6, 4), (0, 1)),
    'floor': (0.14, (3.5, 12), (3, 9), (2.4, 3.6), (0, 1)),
    'table': (0.09, (3, 7), (2.8, 6), (2.3, 3.0), (0, 1)),
    'doors': (0.05, (8, 25), (1.4, 2.4), (2.3, 3.0), (0, 1)),
}
_DENSITY = {'tour': 1.2, 'office': 0.1, 'floor': 0.08, 'doors': 0.15}
_FILLED = {'office': places.office, 'floor': places.strewn, 'table': places.laid}

def furnish_home(seed: int, *, tour: bool = False) -> Scene:
    """
    Draw a lived-in scene.

    :param seed: the same seed gives the same scene.
    :param tour: keep an ellipse free in one large room, for a camera that drives round it.
    :returns: the scene; without `tour` its track is a small circle that may not be free.
    """
    rng = np.random.default_rng((seed, 71))
    kind, size, cuts = _size(rng, tour)
    outer = (-size[0] / 2, size[0] / 2, -size[1] / 2, size[1] / 2)
    rooms, between = divided(rng, outer, 1.2, cuts)
    track = (0.0, 0.0, size[0] * 0.24, size[1] * 0.24) if tour else None
    areas = [Area(room, track) for room in rooms]
    wall = palette.wall(rng)
    walls = tuple(wall if rng.random() < 0.75 else palette.wall(rng) for _ in range(4))
    faces: tuple[Material, ...] = (*walls, palette.floor(rng), palette.ceiling(rng))
    built = _partitions(rng, areas, between, size[2], wall)
    holes: list[WallOpening] = []
    panels: list[Panel] = []
    for area in areas:
        if kind == 'doors':
            built += places.doors(rng, area)
        built += solids(_walls(rng, area, size, holes, panels), obstacle=False)
    density = float(rng.choice([0.15, 0.6, 1.0, 1.4], p=[0.15, 0.25, 0.4, 0.2]))
    density = _DENSITY.get(kind, density)
    for area in areas:
        if kind in _FILLED:
            built += _FILLED[kind](rng, area)
        built += _furniture(rng, area, size[2], density, places.MOST - len(built))
        built += lamps(rng, area, size[2], panels)
    sun = sunshine(rng, holes)
    sky, wear = rng.uniform(1.5, 6.0), 0.0
    if tour:  # reflections take too long for a camera that drives
        built = [replace(s, material=replace(s.material, gloss=0.0)) for s in built]
    else:
        # from a generator of their own, so that all else stays as it was without them
        other = np.random.default_rng((seed, 72))
        built += _mirrors(other, areas)
        for area in areas:
            built += marks(other, area)
        wear = float(other.choice([0.0, 0.05, 0.08, 0.16]) * other.random())
        wild = palette.Wild(other)
        faces = tuple(wild(face) for face in faces)
        built = [replace(solid, material=wild(solid.material)) for solid in built]
        polished = palette.Polish(other)
        faces = (*faces[:4], polished(faces[4], floor=True), faces[5])
        built = [replace(solid, material=polished(solid.material)) for solid in built]
    return Scene(
        Room(size, tuple(holes)), faces, tuple(built), (), (0.0, 0.0, 0.0),
        track or (0.0, 0.0, 0.3, 0.3), tuple(panels), sun,
        (float(sky * 0.95), float(sky), float(sky * 1.08)), wear,
    )


def _size(rng: np.random.Generator, tour: bool) -> tuple[str, Vector, int]:
    """Draw what kind of place it is, its outermost size, and into how many rooms it is divided."""
    if tour:
        return 'tour', (float(rng.uniform(7.0, 8.5)), float(rng.uniform(5.5, 6.5)), 2.7), 0
    kind = str(rng.choice(list(_KINDS), p=[share for share, *_ in _KINDS.values()]))
    _, *spans, cuts = _KINDS[kind]
    wide, deep, height = (float(rng.uniform(*span)) for span in spans)
    return kind, (wide, deep, height), int(rng.integers(*cuts))


def _partitions(
    rng: np.random.Generator, areas: list[Area],
    between: list[tuple[Rectangle, int, float]], height: float, wall: Material,
) -> list[Solid]:
    """Build the walls between rooms with their doorways, and keep the way through free."""
    built: list[Solid] = []
    for spot, across, middle in between:
        along = spot[2:] if across == 0 else spot[:2]
        center = (spot[2 * across] + spot[2 * across + 1]) / 2
        surface = wall if rng.random() < 0.6 else palette.wall(rng)
        parts: Parts = []
        for low, high in ((along[0], middle - 0.45), (middle + 0.45, along[1])):
            if high - low > 0.01:
                parts.append(box(((low + high) / 2 - middle, 0, 0), (high - low, 0.1, height),
                                 surface))
        frame, leaf = doorway(rng, height, surface)
        yaw = math.pi / 2 if across == 0 else 0.0
        place = (center, middle) if across == 0 else (middle, center)
        built += solids(moved([*parts, *frame], *place, 0, yaw), obstacle=False)
        built += solids(moved(leaf, *place, 0, yaw))
        for area in areas:
            for side in range(4):
                near = abs(area.bounds[side] - center) < 0.06 and side // 2 == across
                low, high = area.span(side)
                if near and low < middle < high:
                    area.hung.append((side, middle - 0.5, middle + 0.5))
                    x, y = place
                    area.taken.append((x - 0.9, x + 0.9, y - 0.9, y + 0.9))
    return built


def _walls(
    rng: np.random.Generator, area: Area, size: Vector, holes: list[WallOpening],
    panels: list[Panel],
) -> Parts:
    """Make windows, doors, pictures and skirting of one room."""
    parts: Parts = []
    outer = (-size[0] / 2, size[0] / 2, -size[1] / 2, size[1] / 2)
    for side in range(4):
        outside = abs(area.bounds[side] - outer[side]) < 1e-6
        if outside and rng.random() < 0.45:
            wide = float(rng.uniform(0.8, 2.6))
            low = float(rng.choice([0.05, rng.uniform(0.7, 1.0)], p=[0.15, 0.85]))
            high = float(rng.uniform(1.9, min(size[2] - 0.15, 2.5)))
            spot = area.hang(rng, wide + 0.7, side=side)
            if spot is not None:
                along = spot[1]
                holes.append(opening(size, side, along, wide, (low, high)))
                panels.append(_daylight(area, side, along, wide, (low, high)))
                parts += on_wall(area, side, along, window(rng, wide, low, high))
    leaf, frame = palette.wood(rng), palette.wood(rng)
    for _ in range(int(rng.integers(0, 3))):
        spot = area.hang(rng, 1.0)
        if spot is not None:
            parts += on_wall(area, *spot, door(rng, leaf, frame))
            x, y, _ = area.wall_place(*spot, 0.0)
            area.taken.append((x - 0.5, x + 0.5, y - 0.5, y + 0.5))
    boards = skirting(rng, area) if rng.random() < 0.75 else []
    for _ in range(int(rng.choice([0, 1, 2, 4, 6]))):
        hung, wide = picture(rng)
        spot = area.hang(rng, wide + 0.05)
        if spot is not None:
            parts += on_wall(area, *spot, hung)
    for _ in range(int(rng.integers(0, 4))):
        plates, wide = sockets(rng)
        spot = area.hang(rng, wide + 0.02)
        if spot is not None:
            parts += on_wall(area, *spot, plates)
    return parts + boards


def _mirrors(rng: np.random.Generator, areas: list[Area]) -> list[Solid]:
    """Hang a mirror in some rooms."""
    found: list[Solid] = []
    for area in areas:
        if rng.random() < _MIRRORS:
            hung, wide = mirror(rng)
            spot = area.hang(rng, wide + 0.05)
            if spot is not None:
                found += solids(on_wall(area, *spot, hung), obstacle=False)
    return found


def _daylight(
    area: Area, side: int, along: float, width: float, heights: tuple[float, float]
) -> Panel:
    x, y, yaw = area.wall_place(side, along, 0.16)
    facing = (-math.sin(yaw), math.cos(yaw), 0.0)
    tall = heights[1] - heights[0]
    half = (math.cos(yaw) * width * 0.45, math.sin(yaw) * width * 0.45, 0.0)
    power = 0.7 * width * tall
    return Panel(
        (x, y, (heights[0] + heights[1]) / 2), (half, (0.0, 0.0, tall * 0.45)), facing,
        (0.9 * power, power, 1.15 * power),
    )


def _furniture(
    rng: np.random.Generator, area: Area, height: float, density: float, most: int
) -> list[Solid]:
    low_x, high_x, low_y, high_y = area.bounds
    floor = (high_x - low_x) * (high_y - low_y)
    found: list[Solid] = []
    for choice, share in ((AT_WALLS, 0.35), (FREE, 0.12)):
        for _ in range(min(int(rng.poisson(share * density * floor)), 14)):
            if len(found) > min(_FULL, most):
                break
            piece = _drawn(rng, choice)(rng)
            place = (
                area.at_wall(rng, piece.width, piece.depth) if choice is AT_WALLS
                else area.anywhere(rng, piece.width, piece.depth)
            )
            if place is not None:
                found += solids(moved(piece.parts, place[0], place[1], 0.0, place[2]))
    for maker, chance in ((person, 0.12), (_pillar(height), 0.05), (_stairs, 0.04)):
        if rng.random() < chance * max(density, 0.3) * min(floor / 15, 2):
            piece = maker(rng)
            place = area.anywhere(rng, piece.width, piece.depth)
            if place is not None:
                found += solids(moved(piece.parts, place[0], place[1], 0.0, place[2]))
    for _ in range(int(rng.poisson(0.25 * density * min(floor, 25)))):
        place = area.anywhere(rng, 0.7, 0.7)
        if place is not None:
            things = clutter(rng, 0.7, 0.7, 0.0, 1, kind='floor')
            found += solids(moved(things, place[0], place[1], 0.0, place[2]))
    if rng.random() < 0.4:
        wide, deep = rng.uniform(0.8, 2.5), rng.uniform(0.6, 1.8)
        if wide < high_x - low_x and deep < high_y - low_y:
            x = rng.uniform(low_x + wide / 2, high_x - wide / 2)
            y = rng.uniform(low_y + deep / 2, high_y - deep / 2)
            rug = [box((float(x), float(y), 0), (wide, deep, 0.008), palette.cloth(rng))]
            found += solids(rug, obstacle=False)
    return found


def _drawn(rng: np.random.Generator, choice: tuple[tuple[Maker, float], ...]) -> Maker:
    shares = np.array([share for _, share in choice])
    return choice[int(rng.choice(len(choice), p=shares / shares.sum()))][0]


def _pillar(height: float) -> Maker:
    def make(rng: np.random.Generator) -> Piece:
        radius = rng.uniform(0.1, 0.3)
        return Piece([rod((0, 0.4, 0), radius, height - 1e-3, palette.wall(rng))], 0.8, 0.8)

    return make


def _stairs(rng: np.random.Generator) -> Piece:
    wide, count = rng.uniform(0.8, 1.4), int(rng.integers(3, 9))
    surface, rise = palette.wood(rng), 0.17
    parts = [
        box((0, 0.27 * (n + 0.5), 0), (wide, 0.27, rise * (count - n)), surface)
        for n in range(count)
    ]
    if rng.random() < 0.6:
        metal = palette.metal(rng)
        parts += [
            rod((wide / 2 - 0.04, 0.27 * (n + 0.5), rise * (count - n)), 0.012, 0.9, metal)
            for n in range(count)
        ]
    return Piece(parts, wide, 0.27 * count)
