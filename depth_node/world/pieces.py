"""Furniture of lived-in rooms: with legs and gaps, and with things on it."""

from __future__ import annotations

from collections.abc import Callable
import math

import numpy as np

from depth_node.world import palette
from depth_node.world.clutter import clutter, leaves
from depth_node.world.parts import ball, box, legs, moved, Parts, Piece, rod


def chair(rng: np.random.Generator) -> Piece:
    """Make a dining chair, a folding chair or a stool; its back is at y = 0."""
    frame = palette.wood(rng) if rng.random() < 0.5 else palette.metal(rng)
    seat = palette.cloth(rng) if rng.random() < 0.5 else frame
    wide, height = rng.uniform(0.38, 0.48), rng.uniform(0.42, 0.48)
    parts = legs(rng, (wide, 0.42, height), rng.uniform(0.02, 0.045), frame)
    parts.append(box((0, 0.21, height), (wide, 0.42, rng.uniform(0.02, 0.06)), seat))
    if rng.random() < 0.8:
        tall = rng.uniform(0.35, 0.5)
        for x in (-wide / 2 + 0.02, wide / 2 - 0.02):
            parts.append(box((x, 0.02, height), (0.03, 0.03, tall), frame))
        if rng.random() < 0.5:
            parts.append(box((0, 0.02, height + 0.12), (wide - 0.04, 0.02, tall - 0.12), seat))
        else:
            for z in np.linspace(0.15, tall - 0.06, int(rng.integers(1, 4))):
                parts.append(box((0, 0.02, height + z), (wide - 0.04, 0.018, 0.06), frame))
    return Piece(parts, wide, 0.45)


def office_chair(rng: np.random.Generator) -> Piece:
    """Make a chair that turns, on five castors; its back is at y = 0."""
    soft, dark = palette.cloth(rng), palette.black(rng)
    height = rng.uniform(0.42, 0.55)
    parts = [rod((0, 0.3, 0.1), 0.03, height - 0.1, dark)]
    for n in range(5):
        angle = 2 * math.pi * n / 5 + 0.3
        x, y = math.cos(angle), math.sin(angle)
        parts.append(box((0.14 * x, 0.3 + 0.14 * y, 0.07), (0.28, 0.04, 0.035), dark, angle))
        parts.append(ball((0.27 * x, 0.3 + 0.27 * y, 0.03), (0.03, 0.03, 0.03), dark))
    parts.append(ball((0, 0.32, height), (0.25, 0.25, 0.05), soft))
    parts.append(box((0, 0.32, height - 0.03), (0.44, 0.42, 0.05), soft))
    tall = rng.uniform(0.4, 0.65)
    parts.append(moved([box((0, 0, height + 0.12), (0.05, 0.42, tall), soft, 0.0, 0.12)],
                       0, 0.06, 0, math.pi / 2)[0])
    if rng.random() < 0.6:
        for x in (-0.27, 0.27):
            parts.append(box((x, 0.3, height + 0.2), (0.05, 0.25, 0.03), dark))
            parts.append(box((x, 0.3, height), (0.03, 0.04, 0.2), dark))
    return Piece(parts, 0.6, 0.6)


def desk(rng: np.random.Generator) -> Piece:
    """Make a desk against a wall, with what people have on desks, and a chair before it."""
    wide, deep, height = rng.uniform(1.1, 2.0), rng.uniform(0.6, 0.85), rng.uniform(0.68, 0.78)
    top = palette.wood(rng)
    parts = [box((0, deep / 2, height), (wide, deep, rng.uniform(0.02, 0.045)), top)]
    kind = rng.random()
    if kind < 0.5:
        parts += legs(rng, (wide - 0.06, deep - 0.06, height), rng.uniform(0.03, 0.07),
                      palette.metal(rng))
    else:
        side = top if rng.random() < 0.6 else palette.metal(rng)
        for x in (-wide / 2 + 0.03, wide / 2 - 0.03):
            parts.append(box((x, deep / 2, 0), (0.03, deep - 0.05, height), side))
    if rng.random() < 0.5:
        drawers = palette.wood(rng)
        parts.append(box((wide / 2 - 0.27, deep / 2, 0.05), (0.4, deep - 0.1, 0.52), drawers))
        for z in (0.2, 0.37):
            parts.append(box((wide / 2 - 0.27, deep - 0.045, z), (0.14, 0.02, 0.015),
                             palette.metal(rng)))
    level = height + 0.04
    parts += _workplace(rng, deep, level)
    parts += clutter(rng, wide, deep, level, int(rng.integers(2, 14)))
    depth = deep
    if rng.random() < 0.7:
        seat = office_chair(rng) if rng.random() < 0.7 else chair(rng)
        parts += moved(seat.parts, rng.normal(0, 0.15), deep + 0.55 + rng.uniform(-0.25, 0.2), 0,
                       math.pi + rng.normal(0, 0.5))
        depth += 0.6
    return Piece(parts, wide, depth)


def _workplace(rng: np.random.Generator, deep: float, z: float) -> Parts:
    """Make monitors, a keyboard and a mouse."""
    parts: Parts = []
    count = int(rng.choice([0, 1, 1, 1, 2]))
    for n in range(count):
        across, tall = rng.uniform(0.4, 0.62), rng.uniform(0.26, 0.37)
        x = (n - (count - 1) / 2) * (across + 0.03) + rng.normal(0, 0.05)
        shell = palette.black(rng)
        screen = palette.print_(rng, 'screen') if rng.random() < 0.5 else palette.black(rng)
        thick = rng.choice([0.03, 0.05, 0.3], p=[0.5, 0.4, 0.1])
        base = 0.12
        shown = [
            box((0, -thick / 2, base), (across, thick, tall), shell),
            box((0, 0.001, base + 0.02), (across - 0.04, 0.004, tall - 0.04), screen),
            box((0, -0.03, 0), (0.05, 0.03, base + 0.1), shell),
            box((0, -0.03, 0), (0.24, 0.18, 0.015), shell),
        ]
        parts += moved(shown, x, rng.uniform(0.2, deep * 0.5), z, rng.normal(0, 0.2))
    if rng.random() < 0.8:
        body, y = palette.black(rng), deep - rng.uniform(0.12, 0.25)
        marks = palette.print_(rng, 'keys')
        parts += moved([
            box((0, 0, 0), (0.43, 0.14, 0.02), body),
            box((0, 0, 0.02), (0.41, 0.12, 0.004), marks),
        ], rng.normal(0, 0.1), y, z, rng.normal(0, 0.15))
        parts.append(ball((0.32, y, z + 0.01), (0.03, 0.05, 0.02), body))
    return parts


def table(rng: np.random.Generator) -> Piece:
    """Make a table with chairs on some of its sides, or a low one without."""
    low = rng.random() < 0.35
    wide, deep = rng.uniform(0.7, 2.0), rng.uniform(0.5, 0.95)
    height = rng.uniform(0.35, 0.5) if low else rng.uniform(0.68, 0.78)
    top = palette.wood(rng)
    rim = 0.0 if low else 0.5
    parts: Parts = []
    if rng.random() < 0.25:
        deep = wide = min(wide, 1.2)
        parts.append(rod((0, deep / 2, height), wide / 2, 0.03, top))
        parts.append(rod((0, deep / 2, 0), 0.05, height, palette.metal(rng)))
        parts.append(rod((0, deep / 2, 0), wide * 0.25, 0.03, palette.metal(rng)))
    else:
        parts.append(box((0, deep / 2, height), (wide, deep, rng.uniform(0.02, 0.05)), top))
        under = palette.metal(rng) if rng.random() < 0.5 else top
        parts += legs(rng, (wide - 0.05, deep - 0.05, height), rng.uniform(0.03, 0.09), under)
    parts += clutter(rng, wide * 0.9, deep * 0.95, height + 0.04, int(rng.integers(0, 9)))
    parts = moved(parts, 0, rim)
    if not low:
        style = int(rng.integers(1 << 30))
        for x in np.arange(-wide / 2 + 0.35, wide / 2 - 0.2, 0.62):
            for front in (False, True):
                if rng.random() < 0.6:
                    seat = chair(np.random.default_rng(style)).parts
                    gap = rng.uniform(-0.25, 0.05)
                    y = rim + deep + 0.4 + gap if front else rim - 0.4 - gap
                    turn = (math.pi if front else 0.0) + rng.normal(0, 0.15)
                    parts += moved(seat, float(x), y, 0, turn)
    return Piece(parts, wide, deep + 2 * rim)


def sofa(rng: np.random.Generator) -> Piece:
    """Make a sofa or an armchair."""
    wide, deep = float(rng.choice([rng.uniform(0.8, 1.0), rng.uniform(1.4, 2.4)])), 0.9
    soft, height = palette.cloth(rng), rng.uniform(0.38, 0.46)
    tall, arm = rng.uniform(0.3, 0.45), rng.uniform(0.1, 0.22)
    parts: Parts = [
        box((0, deep / 2, 0.08), (wide, deep, height - 0.16), soft),
        box((0, 0.12, 0.08), (wide, 0.24, height + tall - 0.08), soft),
    ]
    seats = max(1, round(wide / 0.75))
    inner = wide - 2 * arm
    for n in range(seats):
        x = -inner / 2 + (n + 0.5) * inner / seats
        parts.append(box((x, 0.55, height - 0.08), (inner / seats - 0.01, 0.66, 0.13), soft))
        parts.append(ball((x, 0.3, height + 0.28), (inner / seats / 2, 0.12, 0.24), soft))
    for x in (-wide / 2 + arm / 2, wide / 2 - arm / 2):
        parts.append(box((x, deep / 2, 0.08), (arm, deep, height + 0.1), soft))
    for _ in range(int(rng.integers(0, 3))):
        parts.append(ball((rng.uniform(-inner / 2, inner / 2), 0.5, height + 0.2),
                          (0.22, 0.1, 0.2), palette.cloth(rng), rng.normal(0, 0.5)))
    if rng.random() < 0.4:
        parts += clutter(rng, inner, 0.4, height + 0.05, 2)
    return Piece(parts, wide, deep)


def bed(rng: np.random.Generator) -> Piece:
    """Make a bed with its head at the wall."""
    wide, frame, sheet = rng.uniform(0.9, 1.8), palette.wood(rng), palette.cloth(rng)
    parts: Parts = [
        box((0, 1.0, 0.1), (wide, 2.0, 0.2), frame),
        box((0, 0.02, 0.1), (wide, 0.04, rng.uniform(0.5, 1.0)), frame),
        box((0, 1.02, 0.3), (wide - 0.04, 1.92, 0.2), sheet),
        box((0, 1.25, 0.48), (wide + 0.02, 1.4, 0.08), palette.cloth(rng)),
    ]
    for x in (-wide / 4, wide / 4) if wide > 1.3 else (0.0,):
        parts.append(ball((x, 0.35, 0.55), (0.3, 0.2, 0.1), palette.cloth(rng)))
    parts += clutter(rng, wide * 0.8, 1.2, 0.56, int(rng.integers(0, 4)))
    return Piece(parts, wide, 2.05)


def shelf(rng: np.random.Generator) -> Piece:
    """Make an open shelf with things in it."""
    wide, deep, tall = rng.uniform(0.6, 1.4), rng.uniform(0.25, 0.4), rng.uniform(0.7, 2.1)
    surface, thick = palette.wood(rng), 0.025
    parts: Parts = []
    for x in (-wide / 2, wide / 2):
        parts.append(box((x, deep / 2, 0), (thick, deep, tall), surface))
    if rng.random() < 0.7:
        parts.append(box((0, 0.01, 0), (wide, 0.02, tall), surface))
    levels = np.linspace(0.05, tall - thick, max(2, round(tall / 0.37)) + 1)
    gap = float(levels[1] - levels[0])
    for z in levels:
        parts.append(box((0, deep / 2, float(z)), (wide, deep, thick), surface))
    for z in levels[:-1]:
        kind = rng.random()
        if kind < 0.45:
            full = rng.uniform(0.4, 0.95) * (wide - 0.06)
            parts.append(box((-(wide - 0.06 - full) / 2, deep / 2, float(z) + thick),
                             (full, deep * 0.7, gap * rng.uniform(0.55, 0.85)),
                             palette.print_(rng, 'books')))
        elif kind < 0.9:
            parts += clutter(rng, wide - 0.06, deep, float(z) + thick, 3, height=gap - 0.04)
    if tall < 1.6:
        parts += clutter(rng, wide, deep, tall, int(rng.integers(0, 5)))
    return Piece(parts, wide, deep)


def cupboard(rng: np.random.Generator) -> Piece:
    """Make a cupboard, a chest of drawers or a fridge: a body, fronts with gaps, handles."""
    wide, deep = rng.uniform(0.5, 2.2), rng.uniform(0.35, 0.65)
    tall = float(rng.choice([rng.uniform(0.5, 1.0), rng.uniform(1.0, 2.2)]))
    body, front, handle = palette.wood(rng), palette.wood(rng), palette.metal(rng)
    if rng.random() < 0.6:
        front = body
    parts: Parts = [box((0, deep / 2 - 0.01, 0.0), (wide, deep - 0.02, tall), body)]
    columns = max(1, round(wide / rng.uniform(0.4, 0.6)))
    rows = 1 if rng.random() < 0.6 else max(1, round(tall / 0.25))
    across, high = wide / columns, (tall - 0.08) / rows
    for i in range(columns):
        for j in range(rows):
            x, z = -wide / 2 + (i + 0.5) * across, 0.06 + j * high
            parts.append(box((x, deep - 0.01, z), (across - 0.006, 0.018, high - 0.006), front))
            if rows > 1:
                at = box((x, deep + 0.012, z + high * 0.6), (0.12, 0.015, 0.012), handle)
            else:
                side = across / 2 - 0.05 if i % 2 == 0 else 0.05 - across / 2
                at = box((x + side, deep + 0.012, z + high * 0.45), (0.012, 0.015, 0.14), handle)
            parts.append(at)
    if tall < 1.5:
        parts += clutter(rng, wide, deep - 0.05, tall, int(rng.integers(0, 7)))
    return Piece(parts, wide, deep + 0.02)


def kitchen(rng: np.random.Generator) -> Piece:
    """Make a row of kitchen units with a worktop, a sink and cupboards above."""
    wide = rng.uniform(1.6, 3.2)
    front, top, metal = palette.wood(rng), palette.wood(rng), palette.metal(rng)
    parts: Parts = [box((0, 0.29, 0.1), (wide, 0.58, 0.76), front),
                    box((0, 0.3, 0.86), (wide, 0.62, 0.04), top),
                    box((0, 0.27, 0), (wide, 0.5, 0.1), palette.black(rng))]
    units = max(2, round(wide / 0.6))
    for i in range(units):
        x = -wide / 2 + (i + 0.5) * wide / units
        parts.append(box((x, 0.59, 0.12), (wide / units - 0.008, 0.018, 0.72), front))
        parts.append(box((x, 0.61, 0.77), (0.2, 0.02, 0.012), metal))
        if rng.random() < 0.75:
            parts.append(box((x, 0.16, 1.45), (wide / units - 0.006, 0.33, 0.65), front))
    x = rng.uniform(-wide / 2 + 0.4, wide / 2 - 0.4)
    parts += [box((x, 0.32, 0.895), (0.5, 0.4, 0.008), metal),
              rod((x, 0.1, 0.9), 0.015, 0.28, metal),
              box((x, 0.19, 1.16), (0.02, 0.18, 0.02), metal)]
    parts.append(box((0, 0.005, 0.9), (wide, 0.01, 0.55), palette.wall(rng)))
    parts += clutter(rng, wide, 0.6, 0.9, int(rng.integers(3, 10)), height=0.5)
    return Piece(parts, wide, 0.65)


def cartons(rng: np.random.Generator) -> Piece:
    """Make boxes on the floor, some on top of others."""
    parts: Parts = []
    x = -0.4
    while x < 0.4:
        size = rng.uniform(0.2, 0.6, 3)
        z = 0.0
        for _ in range(int(rng.choice([1, 1, 2, 3]))):
            parts.append(box((x + size[0] / 2, 0.3, z), (size[0], min(size[1], 0.55), size[2]),
                             palette.cardboard(rng), rng.normal(0, 0.15)))
            z += float(size[2])
            size = size * rng.uniform(0.6, 0.95)
        x += float(size[0]) + rng.uniform(0.03, 0.3)
    return Piece(parts, 1.0, 0.65)


def potted_plant(rng: np.random.Generator) -> Piece:
    """Make a plant as tall as a child or a man."""
    pot, tall = rng.uniform(0.12, 0.22), rng.uniform(0.5, 1.6)
    parts: Parts = [rod((0, 0.3, 0), pot, pot * 1.6, palette.plastic(rng))]
    parts.append(rod((0, 0.3, 0), 0.015, tall * 0.8, palette.wood(rng)))
    parts += moved(leaves(rng, rng.uniform(0.2, 0.4), tall - pot, 26), 0, 0.3, pot * 1.5)
    return Piece(parts, 0.6, 0.6)


def floor_lamp(rng: np.random.Generator) -> Piece:
    """Make a lamp on a thin pole."""
    tall, metal = rng.uniform(1.2, 1.8), palette.metal(rng)
    return Piece([
        rod((0, 0.2, 0), 0.14, 0.02, metal), rod((0, 0.2, 0), 0.012, tall, metal),
        rod((0, 0.2, tall - 0.1), rng.uniform(0.1, 0.2), 0.25, palette.cloth(rng)),
    ], 0.4, 0.4)


def bin_(rng: np.random.Generator) -> Piece:
    """Make a bin, a bucket or a round stool."""
    radius = rng.uniform(0.1, 0.22)
    parts = [rod((0, 0.25, 0), radius, rng.uniform(0.2, 0.7), palette.plastic(rng))]
    return Piece(parts, 0.5, 0.5)


Maker = Callable[[np.random.Generator], Piece]
AT_WALLS: tuple[tuple[Maker, float], ...] = (
    (desk, 0.26), (sofa, 0.12), (shelf, 0.15), (cupboard, 0.17), (bed, 0.05), (kitchen, 0.06),
    (cartons, 0.1), (potted_plant, 0.05), (floor_lamp, 0.02), (bin_, 0.02),
)
"""What stands at walls, and how often."""
FREE: tuple[tuple[Maker, float], ...] = (
    (table, 0.4), (desk, 0.12), (chair, 0.12), (office_chair, 0.08), (cartons, 0.12),
    (potted_plant, 0.05), (sofa, 0.06), (floor_lamp, 0.03), (bin_, 0.02),
)
"""What stands in the middle, and how often."""
