"""Furniture of lived-in rooms: with legs and gaps, and with things on it."""

from __future__ import annotations

from collections.abc import Callable
import math

import numpy as np

from depth_node.world import palette
from depth_node.world.clutter import clutter, leaves
from depth_node.world.devices import gray
from depth_node.world.equipment import (
    cleaner,
    coat_stand,
    copier,
    ladder,
    pallet,
    toilet,
    washer,
    water_cooler,
)
from depth_node.world.parcels import carton, crate
from depth_node.world.parts import ball, box, legs, moved, Parts, Piece, rod
from depth_node.world.seats import chair, office_chair
from depth_node.world.workplaces import desk


def table(rng: np.random.Generator) -> Piece:
    """Make a table with chairs on some of its sides, or a low one without."""
    low = rng.random() < 0.35
    wide, deep = rng.uniform(0.7, 2.0), rng.uniform(0.5, 0.95)
    height = rng.uniform(0.35, 0.5) if low else rng.uniform(0.68, 0.78)
    top = palette.wood(rng)
    rim = 0.0 if low else 0.5
    thick, parts = 0.03, Parts()
    laid = wide * 0.9, deep * 0.95
    if rng.random() < 0.25:
        deep = wide = min(wide, 1.2)
        laid = 0.68 * wide, 0.68 * wide
        parts.append(rod((0, deep / 2, height), wide / 2, thick, top))
        parts.append(rod((0, deep / 2, 0), 0.05, height, palette.metal(rng)))
        parts.append(rod((0, deep / 2, 0), wide * 0.25, 0.03, palette.metal(rng)))
    else:
        thick = float(rng.uniform(0.02, 0.05))
        parts.append(box((0, deep / 2, height), (wide, deep, thick), top))
        under = palette.metal(rng) if rng.random() < 0.5 else top
        parts += legs(rng, (wide - 0.05, deep - 0.05, height), rng.uniform(0.03, 0.09), under)
    things = clutter(rng, *laid, height + thick, int(rng.integers(0, 9)),
                     kind='desk' if rng.random() < 0.6 else 'kitchen')
    parts += moved(things, 0, (deep - laid[1]) / 2)
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
    parts += legs(rng, (wide - 0.06, deep - 0.04, 0.08), 0.05, palette.wood(rng))
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
    parts += legs(rng, (wide - 0.1, 1.96, 0.1), 0.06, frame)
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
    parts += clutter(rng, wide, 0.6, 0.9, int(rng.integers(3, 10)), height=0.5,
                     kind='kitchen')
    return Piece(parts, wide, 0.65)


def cartons(rng: np.random.Generator) -> Piece:
    """Make cartons and crates on the floor, some on top of others."""
    parts: Parts = []
    x = -0.5
    for _ in range(int(rng.integers(1, 4))):
        z, most = 0.0, 0.6
        made, radius, tall = (crate if rng.random() < 0.15 else carton)(rng)
        middle = x + radius
        if middle + radius > 0.75:
            break
        for _ in range(int(rng.choice([1, 1, 2, 3]))):
            if radius > most:
                break
            parts += moved(made, middle, 0.36, z, float(rng.normal(0, 0.15)))
            z, most = z + tall, radius
            if len(made) > 8 or z > 1.2:  # nothing stands on an open one
                break
            made, radius, tall = carton(rng, 0.5)
        x = middle + radius + float(rng.uniform(0.0, 0.2))
    return Piece(parts, 1.2, 0.72)


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
    """Make a waste bin, open or with a lid, or a bucket with its handle."""
    radius, tall = float(rng.uniform(0.12, 0.17)), float(rng.uniform(0.26, 0.4))
    body = palette.plastic(rng) if rng.random() < 0.5 else gray(float(rng.uniform(0.05, 0.8)))
    parts: Parts = [rod((0, 0.25, 0), radius, tall, body),
                    rod((0, 0.25, tall - 0.02), radius + 0.006, 0.02, body)]
    if rng.random() < 0.6:
        parts.append(rod((0, 0.25, tall), radius - 0.008, 0.0008, gray(0.06)))
        for _ in range(int(rng.integers(0, 3))):
            x, y = (float(a) for a in rng.uniform(-0.06, 0.06, 2))
            parts.append(ball((x, 0.25 + y, tall), (0.045, 0.05, 0.035), palette.paper(rng)))
    else:
        parts.append(ball((0, 0.25, tall), (radius, radius, 0.05), body))
        parts.append(box((0, 0.25 + radius, 0.02), (0.09, 0.06, 0.02), gray(0.1)))
    return Piece(parts, 0.5, 0.5)


Maker = Callable[[np.random.Generator], Piece]
AT_WALLS: tuple[tuple[Maker, float], ...] = (
    (desk, 0.26), (sofa, 0.12), (shelf, 0.15), (cupboard, 0.17), (bed, 0.05), (kitchen, 0.06),
    (cartons, 0.1), (potted_plant, 0.05), (floor_lamp, 0.02), (bin_, 0.04),
    (copier, 0.03), (water_cooler, 0.015), (coat_stand, 0.02), (washer, 0.02), (toilet, 0.03),
    (cleaner, 0.03), (pallet, 0.02), (ladder, 0.01),
)
"""What stands at walls, and how often."""
FREE: tuple[tuple[Maker, float], ...] = (
    (table, 0.4), (desk, 0.12), (chair, 0.12), (office_chair, 0.08), (cartons, 0.12),
    (potted_plant, 0.05), (sofa, 0.06), (floor_lamp, 0.03), (bin_, 0.03),
    (pallet, 0.03), (ladder, 0.02), (cleaner, 0.03), (coat_stand, 0.01),
)
"""What stands in the middle, and how often."""
