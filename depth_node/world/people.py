"""Shapes of the size of people."""

from __future__ import annotations

import math

import numpy as np

from depth_node.world import palette
from depth_node.world.devices import casing, gray
from depth_node.world.parts import ball, box, moved, Parts, Piece, rod
from depth_node.world.scene import Material
from depth_node.world.solids import Box


def person(rng: np.random.Generator) -> Piece:
    """Make somebody who stands, walks, or sits on a stool, and looks along y."""
    if rng.random() < 0.3:
        parts = [*moved(sitting(rng, 0.47), 0, 0.35),
                 rod((0, 0.35, 0), 0.17, 0.47, palette.wood(rng))]
        return Piece(parts, 0.6, 0.95)
    return Piece(moved(standing(rng), 0, 0.4), 0.6, 0.8)


def standing(rng: np.random.Generator) -> Parts:
    """
    Make somebody who stands or walks.

    :param rng: random generator.
    :returns: the person, middle at x = y = 0, looking along y.
    """
    tall = float(rng.uniform(1.5, 1.95))
    parts, _, trousers, skin = _body(rng, tall, 0.5 * tall)
    stride = float(rng.choice([0.0, rng.uniform(0.1, 0.35)]))
    skirt = rng.random() < 0.12
    shoe = casing(rng)
    for side in (-1, 1):
        x, swing = side * 0.09, side * stride
        parts.append(_limb((x, 0, 0.52 * tall), (x, swing, 0.28 * tall), 0.14, trousers))
        parts.append(_limb((x, swing, 0.29 * tall), (x, swing * 1.1, 0.05), 0.1,
                           skin if skirt else trousers))
        parts += _shoe((x, 1.1 * swing), shoe)
    if skirt:
        parts.append(rod((0, 0, 0.3 * tall), 0.2, 0.24 * tall, trousers))
    return parts


def sitting(rng: np.random.Generator, seat: float) -> Parts:
    """
    Make somebody who sits and has the hands before the body.

    :param rng: random generator.
    :param seat: height of the seat (m).
    :returns: the person, trunk at x = y = 0, looking along y, without the seat.
    """
    tall = float(rng.uniform(1.5, 1.9))
    hip = seat + 0.09
    parts, _, trousers, _ = _body(rng, tall, hip, reaching=True)
    knee = 0.25 * tall
    shoe = casing(rng)
    for side in (-1, 1):
        x = side * 0.1
        foot = knee + float(rng.uniform(-0.12, 0.15))
        parts.append(_limb((x, 0, hip), (1.3 * x, knee, seat + 0.05), 0.15, trousers))
        parts.append(_limb((1.3 * x, knee, seat + 0.06), (1.3 * x, foot, 0.05), 0.105, trousers))
        parts += _shoe((1.3 * x, foot), shoe)
    return parts


def _body(
    rng: np.random.Generator, tall: float, hip: float, *, reaching: bool = False
) -> tuple[Parts, Material, Material, Material]:
    """Make trunk, arms and head above hips, and draw shirt, trousers and skin."""
    s = tall / 1.75
    shirt, trousers, skin = palette.cloth(rng), palette.cloth(rng), palette.skin(rng)
    wide, thick = float(rng.uniform(0.88, 1.08)) * s, float(rng.uniform(0.85, 1.3)) * s
    shoulder = hip + 0.53 * s
    parts: Parts = [
        ball((0, 0, hip + 0.02), (0.175 * wide, 0.12 * thick, 0.13 * s), trousers),
        ball((0, 0.01, hip + 0.2 * s), (0.16 * wide, 0.115 * thick, 0.22 * s), shirt),
        ball((0, 0, hip + 0.38 * s), (0.19 * wide, 0.12 * thick, 0.2 * s), shirt),
        ball((0, 0, shoulder - 0.03 * s), (0.215 * wide, 0.075 * s, 0.06 * s), shirt),
        rod((0, 0, shoulder - 0.02), 0.052 * s, 0.13 * s, skin),
    ]
    parts += _head(rng, shoulder + 0.21 * s, s, skin)
    sleeves = skin if rng.random() < 0.4 else shirt
    for side in (-1, 1):
        x = side * (0.205 * wide + 0.015)
        top = (x, 0.0, shoulder - 0.05 * s)
        if reaching or rng.random() < 0.25:
            elbow = (x * 1.1, 0.08, top[2] - 0.27 * s)
            hand = (0.55 * x, 0.3 * s, elbow[2] + float(rng.uniform(-0.02, 0.08)))
        else:
            swing = float(rng.uniform(-0.15, 0.2))
            elbow = (x * 1.08, 0.3 * swing, top[2] - 0.29 * s)
            hand = (x * 1.1, swing, elbow[2] - 0.25 * s)
        parts += [_limb(top, elbow, 0.088 * s, shirt), _limb(elbow, hand, 0.07 * s, sleeves),
                  ball(hand, (0.04 * s, 0.05 * s, 0.045 * s), skin)]
    return parts, shirt, trousers, skin


def _head(rng: np.random.Generator, z: float, s: float, skin: Material) -> Parts:
    """Make a head with hair, short, long, tied or none, a nose and perhaps headphones."""
    hair = palette.pair(rng, 'wool', (0.07, 0.5, float(rng.uniform(0.05, 0.6))))
    parts: Parts = [
        ball((0, 0.02 * s, z), (0.075 * s, 0.095 * s, 0.117 * s), skin),
        ball((0, 0.113 * s, z - 0.015 * s), (0.014 * s, 0.02 * s, 0.025 * s), skin),
    ]
    style = rng.random()
    if style < 0.92:
        parts.append(ball((0, -0.008 * s, z + 0.035 * s), (0.082 * s, 0.1 * s, 0.098 * s), hair))
    if style < 0.25:
        parts.append(ball((0, -0.06 * s, z - 0.09 * s), (0.085 * s, 0.05 * s, 0.19 * s), hair))
    elif style < 0.35:
        parts.append(ball((0, -0.12 * s, z + 0.04 * s), (0.045 * s,) * 3, hair))
    if rng.random() < 0.12:
        dark = gray(0.08)
        parts += [ball((side * 0.085 * s, 0.01, z), (0.02, 0.035, 0.04), dark)
                  for side in (-1, 1)]
        parts.append(box((0, 0.01, z + 0.13 * s), (0.15 * s, 0.03, 0.012), dark))
    return parts


def _limb(
    start: tuple[float, float, float], end: tuple[float, float, float], thick: float,
    surface: Material,
) -> tuple[Box, Material]:
    """Make a limb from one joint to the next."""
    along = [b - a for a, b in zip(start, end, strict=True)]
    flat = math.hypot(along[0], along[1])
    length = math.hypot(flat, along[2])
    middle = tuple((a + b) / 2 for a, b in zip(start, end, strict=True))
    yaw = math.atan2(along[1], along[0]) if flat > 1e-6 else 0.0
    return Box(
        (middle[0], middle[1], middle[2]), (length + 0.4 * thick, thick, thick), yaw,
        math.atan2(-along[2], flat),
    ), surface


def _shoe(at: tuple[float, float], surface: Material) -> Parts:
    """Make a shoe below an ankle."""
    return [
        ball((at[0], at[1] + 0.06, 0.035), (0.045, 0.14, 0.04), surface),
        box((at[0], at[1] + 0.055, 0), (0.085, 0.25, 0.02), gray(0.12)),
    ]
