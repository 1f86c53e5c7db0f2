"""Cartons and crates in the sizes that are sold, closed, open, taped and labeled."""

from __future__ import annotations

import math

import numpy as np

from depth_node.world import palette
from depth_node.world.devices import gray, Thing
from depth_node.world.parts import box, Parts
from depth_node.world.scene import Material
from depth_node.world.solids import Box, Vector

SIZES: tuple[Vector, ...] = (
    (0.60, 0.40, 0.40), (0.60, 0.40, 0.30), (0.50, 0.35, 0.35), (0.40, 0.30, 0.30),
    (0.40, 0.30, 0.20), (0.35, 0.25, 0.10), (0.30, 0.20, 0.15), (0.25, 0.175, 0.10),
    (0.20, 0.15, 0.15), (0.33, 0.33, 0.33),
)
"""Lengths, widths and heights of cartons (m)."""
_TAPE = 0.05  # its width (m)


def board(rng: np.random.Generator) -> Material:
    """Draw corrugated board, brown, rarely white."""
    value = float(rng.uniform(0.5, 0.78))
    if rng.random() < 0.1:
        return Material('plain', palette.tone(0.1, 0.03, 0.85), palette.tone(0.1, 0.03, 0.93))
    hue, much = float(rng.uniform(0.07, 0.1)), float(rng.uniform(0.25, 0.5))
    pattern = str(rng.choice(['plain', 'matte', 'smudged']))
    return Material(pattern, palette.tone(hue, much, value - 0.05),
                    palette.tone(hue, much, value + 0.05))


def carton(rng: np.random.Generator, most: float = 0.6) -> Thing:
    """
    Make a carton.

    :param rng: random generator.
    :param most: its greatest length (m).
    :returns: the carton: closed with tape, or open with its flaps.
    """
    fitting = [size for size in SIZES if size[0] <= most]
    size = fitting[int(rng.integers(len(fitting)))]
    long, wide, tall = (float(side * rng.uniform(0.93, 1.07)) for side in size)
    surface = board(rng)
    parts = (
        _closed(rng, (long, wide, tall), surface) if rng.random() < 0.6
        else _open(rng, (long, wide, tall), surface)
    )
    for y in (wide / 2 + 0.0005, -wide / 2 - 0.0005):
        if rng.random() < 0.5:
            across, up = min(0.15, 0.6 * long), min(0.1, 0.7 * tall)
            x = float(rng.uniform(-0.4, 0.4)) * (long - across)
            parts.append(box((x, y, float(rng.uniform(0.1, 0.9)) * (tall - up)),
                             (across, 0.001, up), palette.paper(rng)))
    if rng.random() < 0.3:  # printed on: marks, a name
        mark = Material('plain', *(palette.tone(rng.random(), 0.6, 0.25),) * 2)
        for x in (-0.28 * long, 0.28 * long):
            parts.append(box((x, wide / 2 + 0.0003, 0.62 * tall), (0.06, 0.0006, 0.06), mark))
    return parts, 0.5 * math.hypot(long, wide), tall


def _closed(rng: np.random.Generator, size: Vector, surface: Material) -> Parts:
    """Make a closed carton with its seam, and tape over it that goes down at both ends."""
    long, _, tall = size
    parts: Parts = [box((0, 0, 0), size, surface)]
    if rng.random() < 0.85:
        tape = gray(float(rng.uniform(0.6, 0.9)), 0.09, float(rng.uniform(0.1, 0.5)))
        down = min(0.07, 0.5 * tall)
        parts += [
            box((0, 0, tall), (long, _TAPE, 0.0006), tape),
            box((long / 2, 0, tall - down), (0.001, _TAPE, down), tape),
            box((-long / 2, 0, tall - down), (0.001, _TAPE, down), tape),
        ]
    else:
        parts.append(box((0, 0, tall), (long, 0.004, 0.0005), gray(0.2, 0.08, 0.4)))
    return parts


def _open(rng: np.random.Generator, size: Vector, surface: Material) -> Parts:
    """Make an open carton: bottom, four walls and the flaps that hang or stand from them."""
    long, wide, tall = size
    thick = 0.005
    parts: Parts = [box((0, 0, 0), (long, wide, 0.01), surface)]
    for side in (-1, 1):
        parts.append(box((side * (long / 2 - thick / 2), 0, 0), (thick, wide, tall), surface))
        parts.append(box((0, side * (wide / 2 - thick / 2), 0), (long, thick, tall), surface))
    flap = wide / 2
    for n, (reach, along) in enumerate(
        ((long / 2, wide), (wide / 2, long), (long / 2, wide), (wide / 2, long))
    ):
        yaw, lean = n * math.pi / 2, float(rng.uniform(-1.3, 1.2))
        lean = min(lean, math.asin(min(1.0, 0.95 * tall / flap)))
        out = reach + flap / 2 * math.cos(lean)
        middle = (out * math.cos(yaw), out * math.sin(yaw), tall - flap / 2 * math.sin(lean))
        parts.append((Box(middle, (flap, along - 0.004, 0.004), yaw, lean), surface))
    if rng.random() < 0.5:  # something in it
        fill = float(rng.uniform(0.3, 0.85)) * tall
        parts.append(box((0, 0, 0.01), (0.9 * long, 0.85 * wide, fill),
                         palette.print_(rng, 'plain', 'photo', 'text')))
    return parts


def crate(rng: np.random.Generator) -> Thing:
    """Make a plastic crate of 0.6 m x 0.4 m or half of it, as trade and stores use."""
    long, wide = ((0.6, 0.4), (0.4, 0.3))[int(rng.integers(2))]
    tall, surface, thick = float(rng.choice([0.12, 0.22, 0.32])), palette.plastic(rng), 0.012
    parts: Parts = [box((0, 0, 0), (long - 0.03, wide - 0.03, 0.015), surface)]
    for side in (-1, 1):
        parts += [
            box((side * (long / 2 - 0.015), 0, 0), (thick, wide - 0.03, tall), surface),
            box((0, side * (wide / 2 - 0.015), 0), (long - 0.03, thick, tall), surface),
            box((side * (long / 2 - 0.01), 0, tall - 0.03), (0.025, wide, 0.03), surface),
            box((0, side * (wide / 2 - 0.01), tall - 0.03), (long, 0.025, 0.03), surface),
            box((side * (long / 2 - 0.006), 0, tall - 0.075), (0.005, 0.12, 0.03), gray(0.07)),
        ]
    return parts, 0.5 * math.hypot(long, wide), tall
