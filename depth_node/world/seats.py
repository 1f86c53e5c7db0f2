"""What people sit on at tables and desks."""

from __future__ import annotations

import math

import numpy as np

from depth_node.world import palette
from depth_node.world.devices import gray
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


def office_chair(
    rng: np.random.Generator, height: float | None = None, *, castors: bool = True
) -> Piece:
    """
    Make a chair that turns, on five castors; its back is at y = 0.

    :param rng: random generator.
    :param height: of its seat (m); None: any.
    :param castors: False: it glides, on a foot of five arms that lie on the floor.
    :returns: the chair.
    """
    soft, dark = palette.cloth(rng), palette.black(rng)
    if rng.random() < 0.4:
        soft = gray(float(rng.uniform(0.05, 0.3)))
    height = float(rng.uniform(0.44, 0.53)) if height is None else height
    tall, turn = float(rng.uniform(0.42, 0.65)), float(rng.uniform(0, 1.2))
    parts: Parts = [
        rod((0, 0.3, 0.02), 0.026, 0.5 * height + 0.08, dark),
        rod((0, 0.3, 0.1), 0.016, height - 0.12, gray(0.5)),
        box((0, 0.3, height - 0.06), (0.24, 0.2, 0.035), dark),
    ]
    for n in range(5):
        angle = 2 * math.pi * n / 5 + turn
        x, y = math.cos(angle), math.sin(angle)
        low = 0.075 if castors else 0.0
        parts.append(box((0.15 * x, 0.3 + 0.15 * y, low), (0.3, 0.045, 0.035), dark, angle))
        if not castors:
            continue
        parts.append(ball((0.285 * x, 0.3 + 0.285 * y, 0.029), (0.029, 0.022, 0.029),
                          gray(0.1), angle + 1.2))
        parts.append(rod((0.285 * x, 0.3 + 0.285 * y, 0.045), 0.011, 0.035, dark))
    parts.append(ball((0, 0.32, height), (0.25, 0.24, 0.045), soft))
    parts.append(box((0, 0.32, height - 0.03), (0.36, 0.34, 0.05), soft))
    back = [
        box((0, 0, height + 0.16), (0.05, 0.42, tall), soft, 0.0, 0.12),
        box((0.03, 0, height - 0.03), (0.025, 0.07, 0.42), dark, 0.0, 0.12),
    ]
    # made with x to the back
    parts += moved(back, 0, 0.06, 0, -math.pi / 2)
    if rng.random() < 0.25:
        parts += moved([box((0.06, 0, height + tall + 0.19), (0.05, 0.26, 0.15), soft)],
                       0, 0.06, 0, -math.pi / 2)
    if rng.random() < 0.65:
        for x in (-0.27, 0.27):
            parts.append(box((x, 0.29, height + 0.2), (0.07, 0.25, 0.03), dark))
            parts.append(box((x, 0.29, height - 0.04), (0.03, 0.05, 0.24), dark))
            parts.append(box((x * 0.6, 0.29, height - 0.06), (0.2, 0.05, 0.025), dark))
    return Piece(parts, 0.62, 0.62)
