"""What stands about in offices, stores and bathrooms, in the sizes it has in life."""

from __future__ import annotations

import math

import numpy as np

from depth_node.world import palette
from depth_node.world.devices import casing, gray, printer, shown
from depth_node.world.parcels import carton
from depth_node.world.parts import ball, box, moved, Parts, Piece, rod
from depth_node.world.solids import Box


def copier(rng: np.random.Generator) -> Piece:
    """Make a copier on castors, with drawers for paper, or a printer on a low cupboard."""
    if rng.random() < 0.4:
        board = palette.wood(rng)
        parts: Parts = [box((0, 0.3, 0), (0.6, 0.55, 0.63), board),
                        box((0, 0.575, 0.06), (0.58, 0.015, 0.54), board)]
        parts += moved(printer(rng)[0], 0, 0.26, 0.63)
        return Piece(parts, 0.62, 0.7)
    body, dark, tall = gray(float(rng.uniform(0.6, 0.92))), gray(0.12), 0.78
    parts = [box((0, 0.32, 0.06), (0.58, 0.62, tall), body),
             box((0, 0.3, tall + 0.12), (0.58, 0.55, 0.18), body),
             box((0, 0.3, tall + 0.3), (0.56, 0.5, 0.06), dark),
             box((0, 0.32, tall + 0.06), (0.4, 0.5, 0.06), dark),
             box((0.2, 0.62, tall + 0.22), (0.25, 0.12, 0.03), dark),
             box((0.2, 0.63, tall + 0.25), (0.17, 0.08, 0.003), shown(rng, 0.17))]
    for n in range(4):
        parts += [box((0, 0.632, 0.09 + 0.18 * n), (0.55, 0.008, 0.165), body),
                  box((0, 0.64, 0.2 + 0.18 * n), (0.16, 0.008, 0.03), dark)]
    parts += [ball((x, y, 0.03), (0.03,) * 3, dark) for x in (-0.25, 0.25) for y in (0.06, 0.58)]
    return Piece(parts, 0.7, 0.75)


def water_cooler(rng: np.random.Generator) -> Piece:
    """Make a water dispenser with its bottle of 19 l upside down."""
    body = gray(float(rng.uniform(0.75, 0.95)))
    blue = gray(0.75, 0.57, float(rng.uniform(0.2, 0.6)))
    return Piece([
        box((0, 0.2, 0), (0.31, 0.32, 0.97), body),
        box((0, 0.365, 0.6), (0.22, 0.01, 0.25), gray(0.15)),
        box((-0.05, 0.38, 0.78), (0.03, 0.05, 0.03), gray(0.6, 0.0, 0.8)),
        box((0.05, 0.38, 0.78), (0.03, 0.05, 0.03), gray(0.6, 0.6, 0.8)),
        rod((0, 0.2, 0.97), 0.06, 0.06, blue), rod((0, 0.2, 1.02), 0.135, 0.3, blue),
        ball((0, 0.2, 1.32), (0.135, 0.135, 0.03), blue),
    ], 0.4, 0.45)


def coat_stand(rng: np.random.Generator) -> Piece:
    """Make a coat stand with a coat or two."""
    frame = palette.wood(rng) if rng.random() < 0.5 else palette.metal(rng)
    parts: Parts = [rod((0, 0.3, 0), 0.17, 0.025, frame), rod((0, 0.3, 0), 0.02, 1.75, frame)]
    for n in range(4):
        yaw = n * math.pi / 2 + 0.4
        parts.append((Box((0.08 * math.cos(yaw), 0.3 + 0.08 * math.sin(yaw), 1.7),
                          (0.16, 0.02, 0.02), yaw, -0.6), frame))
    for n in range(int(rng.integers(0, 3))):
        yaw = 2.5 * n + 0.4
        x, y = 0.13 * math.cos(yaw), 0.3 + 0.13 * math.sin(yaw)
        cloth = palette.cloth(rng)
        parts += [ball((x, y, 1.25), (0.16, 0.12, 0.45), cloth),
                  box((x, y, 0.85), (0.3, 0.16, 0.4), cloth, yaw)]
    return Piece(parts, 0.6, 0.6)


def ladder(rng: np.random.Generator) -> Piece:
    """Make a stepladder that stands open."""
    metal, steps = gray(float(rng.uniform(0.5, 0.8))), int(rng.integers(3, 7))
    tall, slope = 0.235 * steps + 0.1, 0.28
    parts: Parts = []
    reach = tall * math.tan(slope)
    for side in (-1, 1):
        for toward in (-1, 1):
            middle = (side * 0.2, 0.1 + reach * (1 - toward / 2), tall / 2)
            leaning = Box((middle[1], -middle[0], middle[2]),
                          (0.06, 0.025, tall / math.cos(slope)), 0.0, toward * slope)
            parts += moved([(leaning, metal)], 0, 0, 0, math.pi / 2)
    for n in range(1, steps + 1):
        z = 0.235 * n
        parts.append(box((0, 0.1 + reach * (2 - z / tall), z), (0.38, 0.08, 0.025),
                         gray(0.2)))
    parts.append(box((0, 0.1 + reach, tall), (0.42, 0.2, 0.03), palette.plastic(rng)))
    return Piece(parts, 0.5, 2 * reach + 0.25)


def pallet(rng: np.random.Generator) -> Piece:
    """Make a pallet of 1.2 m x 0.8 m, empty or with cartons."""
    wood = palette.pair(rng, 'wood', (0.09, 0.35, 0.65), 0.1)
    parts: Parts = []
    for y in (0.07, 0.4, 0.73):
        parts.append(box((0, y, 0), (1.2, 0.1, 0.022), wood))
        parts += [box((x, y, 0.022), (0.145, 0.1, 0.078), wood) for x in (-0.53, 0.0, 0.53)]
    parts += [box((x, 0.4, 0.1), (0.145, 0.8, 0.022), wood) for x in (-0.53, 0.0, 0.53)]
    parts += [box((0, 0.05 + 0.175 * n, 0.122), (1.2, 0.1, 0.022), wood) for n in range(5)]
    if rng.random() < 0.6:
        style, levels = int(rng.integers(1 << 30)), int(rng.integers(1, 4))
        z = 0.144
        for _ in range(levels):
            for x in (-0.3, 0.3):
                for y in (0.2, 0.6):
                    made, radius, tall = carton(np.random.default_rng(style), 0.6)
                    if len(made) <= 8 and radius > 0.2 and rng.random() < 0.9:
                        parts += moved(made, x, y, z, float(rng.normal(0, 0.02)))
            z += tall
    return Piece(parts, 1.25, 0.85)


def washer(rng: np.random.Generator) -> Piece:
    """Make a washing machine or a dishwasher: 0.6 m wide, 0.85 m tall."""
    body = gray(float(rng.choice([0.93, 0.93, 0.6])))
    parts: Parts = [box((0, 0.29, 0), (0.6, 0.58, 0.85), body)]
    if rng.random() < 0.7:
        parts += [ball((0, 0.58, 0.45), (0.2, 0.05, 0.2), gray(0.75)),
                  ball((0, 0.6, 0.45), (0.15, 0.05, 0.15), gray(0.12)),
                  box((-0.19, 0.583, 0.74), (0.18, 0.01, 0.08), gray(0.8)),
                  ball((0.05, 0.585, 0.78), (0.03, 0.025, 0.03), gray(0.7))]
    else:
        parts += [box((0, 0.583, 0.1), (0.59, 0.01, 0.6), body),
                  box((0, 0.59, 0.74), (0.4, 0.03, 0.02), gray(0.5))]
    parts.append(box((0.16, 0.583, 0.77), (0.12, 0.006, 0.04), shown(rng, 0.12)))
    return Piece(parts, 0.62, 0.64)


def toilet(rng: np.random.Generator) -> Piece:
    """Make a toilet with its cistern, or a washbasin on its column with a tap."""
    white = gray(float(rng.uniform(0.88, 0.96)))
    if rng.random() < 0.5:
        seat = white if rng.random() < 0.7 else palette.wood(rng)
        return Piece([
            box((0, 0.1, 0.4), (0.37, 0.18, 0.38), white),
            box((0, 0.3, 0), (0.22, 0.4, 0.34), white),
            ball((0, 0.42, 0.27), (0.18, 0.25, 0.13), white),
            box((0, 0.3, 0.3), (0.3, 0.3, 0.09), white),
            ball((0, 0.42, 0.4), (0.185, 0.255, 0.02), seat),
            rod((0, 0.1, 0.78), 0.02, 0.012, gray(0.7)),
        ], 0.45, 0.7)
    metal = gray(0.7)
    return Piece([
        rod((0, 0.2, 0), 0.08, 0.7, white), box((0, 0.23, 0.7), (0.55, 0.44, 0.14), white),
        ball((0, 0.26, 0.84), (0.22, 0.15, 0.008), gray(0.7)),
        rod((0, 0.06, 0.84), 0.02, 0.12, metal), box((0, 0.11, 0.93), (0.025, 0.13, 0.02), metal),
    ], 0.6, 0.5)


def cleaner(rng: np.random.Generator) -> Piece:
    """Make a robot that cleans floors, or a vacuum cleaner with its hose and pipe."""
    body, dark = casing(rng), gray(0.08)
    if rng.random() < 0.6:
        return Piece([
            rod((0, 0.25, 0.012), 0.17, 0.075, body), rod((0, 0.25, 0.087), 0.03, 0.02, dark),
            rod((0, 0.25, 0.0), 0.15, 0.012, dark),
            rod((0, 0.25, 0.0865), 0.12, 0.001, casing(rng)),
        ], 0.5, 0.5)
    return Piece([
        ball((0, 0.3, 0.14), (0.16, 0.24, 0.13), palette.plastic(rng)),
        rod((-0.13, 0.2, 0.0), 0.02, 0.12, dark), box((0.0, 0.3, 0.25), (0.03, 0.2, 0.03), dark),
        box((0.35, 0.3, 0), (0.28, 0.1, 0.05), dark),
        (Box((0.35, 0.12, 0.5), (1.0, 0.035, 0.035), math.pi / 2, 1.15), gray(0.6)),
    ], 1.0, 0.6)
