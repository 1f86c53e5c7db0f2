"""Shapes of the size of people."""

from __future__ import annotations

import numpy as np

from depth_node.world import palette
from depth_node.world.parts import ball, box, Parts, Piece, rod


def person(rng: np.random.Generator) -> Piece:
    """Make somebody who stands, or sits on a stool, and looks along y."""
    tall = rng.uniform(1.5, 1.9)
    shirt, trousers, skin = palette.cloth(rng), palette.cloth(rng), palette.skin(rng)
    hair = palette.pair(rng, 'wool', (0.07, 0.5, rng.uniform(0.05, 0.6)))
    sits = rng.random() < 0.4
    hip = 0.47 if sits else 0.48 * tall
    chest = 0.34 * tall
    y = 0.35
    parts: Parts = [
        ball((0, y, hip + chest * 0.5), (0.2, 0.13, chest * 0.62), shirt),
        box((0, y, hip + chest * 0.1), (0.34, 0.2, chest * 0.75), shirt),
        rod((0, y, hip + chest * 0.95), 0.055, 0.12, skin),
        ball((0, y + 0.02, hip + chest + 0.2), (0.078, 0.1, 0.12), skin),
        ball((0, y - 0.01, hip + chest + 0.24), (0.085, 0.1, 0.1), hair),
    ]
    for side in (-1, 1):
        lean = rng.uniform(0.9, 1.5)
        parts.append(box((side * 0.23, y, hip + chest * 0.25), (0.08, 0.09, chest * 0.7), shirt))
        parts.append(box((side * 0.23, y + 0.13, hip + chest * 0.2), (0.3, 0.07, 0.07), skin,
                         np.pi / 2, lean - 1.2))
        parts.append(ball((side * 0.1, y + (0.48 if sits else 0.06), 0.04), (0.05, 0.14, 0.05),
                          palette.black(rng)))
        if sits:
            parts.append(box((side * 0.1, y + 0.22, hip - 0.12), (0.15, 0.5, 0.15), trousers))
            parts.append(rod((side * 0.1, y + 0.42, 0.05), 0.065, hip - 0.08, trousers))
        else:
            parts.append(rod((side * 0.1, y, 0.03), 0.08, hip, trousers))
    if sits:
        parts.append(rod((0, y, 0), 0.18, hip - 0.1, palette.wood(rng)))
    return Piece(parts, 0.6, 0.8 if sits else 0.6)
