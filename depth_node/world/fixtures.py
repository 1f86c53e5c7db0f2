"""What belongs to a room's walls: windows, doors, radiators, curtains, pictures, skirting."""

from __future__ import annotations

import math

import numpy as np

from depth_node.world import palette
from depth_node.world.devices import gray
from depth_node.world.floorplan import Area, SIDES
from depth_node.world.parts import ball, box, moved, Parts
from depth_node.world.scene import Material


def on_wall(area: Area, side: int, along: float, parts: Parts) -> Parts:
    """
    Put parts made for a wall behind them to one.

    :param area: the room.
    :param side: which wall.
    :param along: where along it (m).
    :param parts: with the wall at y = 0.
    :returns: the parts in the world.
    """
    x, y, yaw = area.wall_place(side, along, 0.0)
    return moved(parts, x, y, 0.0, yaw)


def window(rng: np.random.Generator, width: float, low: float, high: float) -> Parts:
    """
    Make the frame, the sill, and perhaps curtains, blinds and a radiator.

    :param rng: random generator.
    :param width: of the opening (m).
    :param low: its lower edge (m).
    :param high: its upper edge (m).
    :returns: parts before the wall at y = 0.
    """
    frame, tall = palette.wood(rng), high - low
    parts: Parts = []
    bars = max(1, round(width / 0.8))
    for n in range(bars + 1):
        parts.append(box((-width / 2 + n * width / bars, 0.01, low), (0.06, 0.05, tall), frame))
    for z in (low, high - 0.05):
        parts.append(box((0, 0.01, z), (width, 0.05, 0.05), frame))
    if low > 0.4:
        parts.append(box((0, 0.08, low - 0.04), (width + 0.2, 0.2, 0.03), palette.wood(rng)))
        if rng.random() < 0.7:
            parts.append(box((0, 0.09, 0.12), (width * 0.8, 0.1, low - 0.3),
                             palette.pair(rng, 'ribs', (0.1, 0.03, 0.9), 0.03)))
    if rng.random() < 0.55:
        cloth = palette.cloth(rng)
        cloth = Material('folds', cloth.first, cloth.second, float(rng.uniform(0.6, 1.3)))
        base = 0.03 if rng.random() < 0.6 else low - 0.15
        top = min(high + 0.15, 2.5)
        parts.append(box((0, 0.12, top), (width + 0.8, 0.025, 0.025), palette.metal(rng)))
        for s in (-1, 1):
            share = rng.uniform(0.2, 0.45) * width
            for n in range(4):
                x = s * (width / 2 + 0.25 - (n + 0.5) * share / 4)
                parts.append(box((x, 0.12 + 0.02 * (n % 2), base), (share / 4, 0.05, top - base),
                                 cloth))
    elif rng.random() < 0.25:
        drop = tall * rng.uniform(0.2, 0.9)
        parts.append(box((0, 0.05, high - drop), (width, 0.02, drop),
                         palette.pair(rng, 'slats', (0.1, 0.1, rng.uniform(0.4, 0.9)), 0.1)))
    return parts


def door(rng: np.random.Generator, leaf: Material, frame: Material) -> Parts:
    """
    Make a closed door in its frame.

    :param rng: random generator.
    :param leaf: what the door is made of.
    :param frame: what the frame is made of.
    :returns: parts before the wall at y = 0, 0.9 m wide.
    """
    side = float(rng.choice([-1.0, 1.0]))
    handle = palette.metal(rng)
    parts: Parts = [
        box((0, 0.01, 0), (0.82, 0.03, 2.02), leaf),
        box((0, 0.015, 2.02), (0.96, 0.05, 0.07), frame),
        box((side * 0.34, 0.05, 1.02), (0.12, 0.02, 0.02), handle),
        box((side * 0.36, 0.03, 0.98), (0.03, 0.02, 0.16), handle),
    ]
    for x in (-0.445, 0.445):
        parts.append(box((x, 0.015, 0), (0.07, 0.05, 2.02), frame))
    if rng.random() < 0.4:
        for z in (0.15, 1.1):
            parts.append(box((0, 0.028, z), (0.58, 0.006, 0.8), palette.wood(rng)))
    return parts


def doorway(
    rng: np.random.Generator, height: float, wall: Material
) -> tuple[Parts, Parts]:
    """
    Make the frame around a doorway between two rooms, and perhaps its open door.

    :param rng: random generator.
    :param height: of the room (m).
    :param wall: of the wall above it.
    :returns: parts of frame and lintel, and of the leaf, about a wall 0.1 m thick whose middle
        is at y = 0; the doorway is 0.9 m wide.
    """
    frame, leaf = palette.wood(rng), palette.wood(rng)
    parts: Parts = [box((0, 0, 2.05), (0.9, 0.1, height - 2.05), wall)]
    for x in (-0.46, 0.46):
        parts.append(box((x, 0, 0), (0.08, 0.13, 2.05), frame))
    parts.append(box((0, 0, 2.02), (1.0, 0.13, 0.07), frame))
    opened: Parts = []
    if rng.random() < 0.6:
        turn, side = rng.uniform(0.3, 1.8), float(rng.choice([-1.0, 1.0]))
        face = float(rng.choice([-1.0, 1.0]))
        panel = [box((0.4, 0, 0), (0.8, 0.035, 2.0), leaf),
                 box((0.73, 0.04, 1.02), (0.1, 0.02, 0.02), palette.metal(rng)),
                 box((0.73, -0.04, 1.02), (0.1, 0.02, 0.02), palette.metal(rng))]
        yaw = face * turn if side > 0 else math.pi - face * turn
        opened = moved(panel, -side * 0.42, face * 0.08, 0, yaw)
    return parts, opened


def picture(rng: np.random.Generator) -> tuple[Parts, float]:
    """
    Make something that hangs: a picture, a poster, a whiteboard, a television, a notice.

    :param rng: random generator.
    :returns: parts before the wall at y = 0, and the width (m).
    """
    wide, tall = rng.uniform(0.2, 1.1), rng.uniform(0.2, 0.9)
    middle = rng.uniform(1.2, 1.7)
    kind = rng.random()
    if kind < 0.6:
        image = palette.print_(rng, 'photo', 'photo', 'poster', 'text', 'plain', 'marble')
        parts = [box((0, 0.008, middle - tall / 2), (wide, 0.016, tall), image)]
        if rng.random() < 0.5:
            rim = palette.wood(rng)
            around = (wide + 0.06, 0.01, tall + 0.06)
            parts.append(box((0, 0.005, middle - tall / 2 - 0.03), around, rim))
        return parts, wide
    if kind < 0.75:
        wide, tall = rng.uniform(0.8, 2.2), rng.uniform(0.6, 1.2)
        board = palette.pair(rng, 'plain', (0.5, 0.03, rng.uniform(0.75, 0.97)), 0.02)
        return [
            box((0, 0.01, middle - tall / 2), (wide, 0.02, tall), board),
            box((0, 0.03, middle - tall / 2 - 0.02), (wide, 0.06, 0.02), palette.metal(rng)),
        ], wide
    if kind < 0.88:
        wide = rng.uniform(0.7, 1.3)
        screen = palette.black(rng) if rng.random() < 0.7 else palette.print_(rng, 'screen')
        return [box((0, 0.04, middle - 0.3 * wide), (wide, 0.06, 0.57 * wide), screen)], wide
    return [box((0, 0.006, 1.1), (0.08, 0.012, 0.08), palette.plastic(rng))], 0.1


def sockets(rng: np.random.Generator) -> tuple[Parts, float]:
    """
    Make one to three sockets near the floor, some with a plug, or switches at a hand's height.

    :param rng: random generator.
    :returns: parts before the wall at y = 0, and the width (m).
    """
    side = 0.081  # of a frame, with 71 mm from one middle to the next
    count, plate = int(rng.integers(1, 4)), gray(float(rng.choice([0.93, 0.9, 0.85, 0.2])))
    low = rng.random() < 0.7
    z = float(rng.choice([0.3, 1.05])) if low else 1.08
    wide = side + 0.071 * (count - 1)
    parts: Parts = [box((0, 0.004, z - side / 2), (wide, 0.008, side), plate)]
    for n in range(count):
        x = 0.071 * (n - (count - 1) / 2)
        if not low:
            parts.append(box((x, 0.009, z - 0.031), (0.062, 0.004, 0.062), gray(0.88)))
        elif rng.random() < 0.3:  # a plug
            parts.append(box((x, 0.03, z - 0.02), (0.038, 0.045, 0.04), gray(0.08)))
        else:
            parts.append(ball((x, 0.008, z), (0.0215, 0.0015, 0.0215), gray(0.5)))
            parts += [ball((x + hole, 0.0095, z), (0.0035, 0.001, 0.0035), gray(0.05))
                      for hole in (-0.0095, 0.0095)]
    return parts, wide


def mirror(rng: np.random.Generator) -> tuple[Parts, float]:
    """
    Make a mirror, in a frame or without one; some stand on the floor.

    :param rng: random generator.
    :returns: parts before the wall at y = 0, and the width (m).
    """
    wide, tall = float(rng.uniform(0.35, 1.2)), float(rng.uniform(0.5, 1.6))
    low = 0.02 if tall > 1.2 else float(rng.uniform(0.8, 1.1))
    glass = Material('plain', (0.02,) * 3, (0.02,) * 3, gloss=float(rng.uniform(0.8, 0.95)))
    parts = [box((0, 0.015, low), (wide, 0.01, tall), glass)]
    if rng.random() < 0.7:
        around = (wide + 0.08, 0.01, tall + 0.08)
        parts.append(box((0, 0.006, low - 0.04 if low > 0.1 else 0.0), around, palette.wood(rng)))
    return parts, wide + 0.08


def skirting(rng: np.random.Generator, area: Area) -> Parts:
    """
    Make a board along the foot of every wall.

    :param rng: random generator.
    :param area: the room.
    :returns: the boards, with gaps where doors are.
    """
    high, surface = rng.uniform(0.04, 0.12), palette.wood(rng)
    parts: Parts = []
    for side in range(SIDES):
        low, end = area.span(side)
        for a, b in sorted((a, b) for s, a, b in area.hung if s == side):
            if a - low > 0.02:
                parts += _board(area, side, (low, a), high, surface)
            low = b
        if end - low > 0.02:
            parts += _board(area, side, (low, end), high, surface)
    return parts


def _board(
    area: Area, side: int, span: tuple[float, float], high: float, surface: Material
) -> Parts:
    board = [box((0, 0.006, 0), (span[1] - span[0], 0.012, high), surface)]
    return on_wall(area, side, (span[0] + span[1]) / 2, board)
