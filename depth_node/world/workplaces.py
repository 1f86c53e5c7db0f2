"""Desks and what stands on them and before them, alone and in rows."""

from __future__ import annotations

import math

import numpy as np

from depth_node.world import devices, palette
from depth_node.world.clutter import clutter, Spot
from depth_node.world.parts import box, legs, moved, Parts, Piece
from depth_node.world.people import sitting
from depth_node.world.seats import chair, office_chair

_SEATED = 0.47  # height of a seat (m)


def desk(rng: np.random.Generator) -> Piece:
    """Make a desk against a wall, with what people have on desks, and a chair before it."""
    wide, deep = float(rng.uniform(1.1, 1.9)), float(rng.uniform(0.6, 0.85))
    parts = _top(rng, wide, deep, float(rng.uniform(0.7, 0.76)))
    depth = deep
    if rng.random() < 0.75:
        parts += moved(_seat(rng, 0.2), float(rng.normal(0, 0.15)),
                       deep + 0.55 + float(rng.uniform(-0.25, 0.2)), 0,
                       math.pi + float(rng.normal(0, 0.5)))
        depth += 0.6
    return Piece(parts, wide, depth)


def _seat(rng: np.random.Generator, taken: float, *, castors: bool = True) -> Parts:
    """Make a chair, with somebody on it in so many cases."""
    if rng.random() < taken:
        seat = office_chair(rng, _SEATED, castors=castors)
        return [*seat.parts, *moved(sitting(rng, _SEATED), 0, 0.28)]
    return (office_chair(rng, castors=castors) if rng.random() < 0.75 else chair(rng)).parts


def _top(
    rng: np.random.Generator, wide: float, deep: float, height: float, most: int = 14
) -> Parts:
    """Make a desk with its legs or sides, drawers, and what is on and under it."""
    top, thick = palette.wood(rng), float(rng.uniform(0.02, 0.035))
    parts: Parts = [box((0, deep / 2, height - thick), (wide, deep, thick), top)]
    under = height - thick
    kind = rng.random()
    if kind < 0.4:
        parts += legs(rng, (wide - 0.06, deep - 0.06, under), float(rng.uniform(0.03, 0.06)),
                      palette.metal(rng))
    elif kind < 0.65:  # feet like a T
        frame = palette.metal(rng)
        for x in (-wide / 2 + 0.15, wide / 2 - 0.15):
            parts += [box((x, deep / 2, 0), (0.07, deep - 0.08, 0.03), frame),
                      box((x, deep / 2 - 0.05, 0.03), (0.06, 0.08, under - 0.03), frame)]
    else:
        side = top if rng.random() < 0.6 else palette.metal(rng)
        for x in (-wide / 2 + 0.02, wide / 2 - 0.02):
            parts.append(box((x, deep / 2, 0), (0.025, deep - 0.05, under), side))
    right = float(rng.choice([-1.0, 1.0]))
    if rng.random() < 0.5:
        drawers, x = palette.wood(rng), right * (wide / 2 - 0.27)
        parts.append(box((x, deep / 2, 0.04), (0.42, deep - 0.12, 0.52), drawers))
        for z in (0.06, 0.24, 0.4):
            parts += [box((x, deep - 0.06, z), (0.41, 0.016, 0.15), drawers),
                      box((x, deep - 0.045, z + 0.11), (0.13, 0.02, 0.012), palette.metal(rng))]
    if rng.random() < 0.4:
        parts += moved(devices.tower(rng)[0], -right * (wide / 2 - 0.2), deep * 0.5, 0,
                       float(rng.normal(0, 0.1)))
    if rng.random() < 0.3:
        parts += moved(devices.power_strip(rng)[0], 0.0, 0.1)
    devices_, taken = _workplace(rng, wide, deep)
    parts += moved(devices_, 0, 0, height)
    parts += clutter(rng, wide, deep, height, int(rng.integers(2, most)), taken=taken)
    return parts


def _workplace(rng: np.random.Generator, wide: float, deep: float) -> tuple[Parts, list[Spot]]:
    """Make monitors, keyboard and mouse, or a laptop, and say where they are."""
    parts: Parts = []
    taken: list[Spot] = []
    kind = rng.random()
    if kind < 0.12:
        return parts, taken
    if kind < 0.4:
        x, y = float(rng.normal(0, 0.1)), deep - float(rng.uniform(0.2, 0.32))
        made, radius, _ = devices.laptop(rng)
        parts += moved(made, x, y, 0, float(rng.normal(0, 0.2)))
        taken.append((x, y, radius))
        if rng.random() < 0.5:
            parts += moved(devices.mouse(rng)[0], x - 0.27, y + 0.03)
            taken.append((x - 0.27, y, 0.06))
        return parts, taken
    count = 1 if wide < 1.3 or rng.random() < 0.6 else 2
    style = int(rng.integers(1 << 30))
    y = float(rng.uniform(0.14, 0.3 * deep))
    for n in range(count):
        made, radius, _ = devices.monitor(np.random.default_rng(style))
        x = (n - (count - 1) / 2) * (2 * radius + 0.02) + float(rng.normal(0, 0.02))
        parts += moved(made, x, y, 0, -0.25 * (x if count > 1 else float(rng.normal(0, 0.5))))
        taken.append((x, y, 0.16))
    x, y = float(rng.normal(0, 0.06)), deep - float(rng.uniform(0.12, 0.22))
    made, radius, _ = devices.keyboard(rng)
    parts += moved(made, x, y, 0, float(rng.normal(0, 0.08)))
    taken += [(x, y, 0.5 * radius), (x + 0.5 * radius, y, 0.5 * radius),
              (x - 0.5 * radius, y, 0.5 * radius)]
    at = x - radius - float(rng.uniform(0.08, 0.16))
    lift = 0.0
    if rng.random() < 0.4:
        parts += moved(devices.pad(rng)[0], at, y)
        lift = 0.003
    parts += moved(devices.mouse(rng)[0], at, y, lift, float(rng.normal(0, 0.2)))
    taken.append((at, y, 0.11))
    if rng.random() < 0.25 and wide > 1.4:
        made, radius, _ = devices.laptop(rng)
        side = wide / 2 - radius
        parts += moved(made, side, deep * 0.55, 0, 0.5)
        taken.append((side, deep * 0.55, radius))
    return parts, taken


def desk_pair(rng: np.random.Generator, *, rich: bool = True) -> Piece:
    """
    Make two desks, front to front, with a screen between them or without, and people.

    :param rng: random generator.
    :param rich: False: with less on them and fewer parts, for where there are many.
    :returns: the desks.
    """
    wide, deep, height = (float(rng.uniform(*span)) for span in (
        (1.3, 1.7), (0.7, 0.82), (0.71, 0.75)))
    parts: Parts = []
    middle = deep + 0.85
    for turn in (0.0, math.pi):
        half = _top(rng, wide, deep, height, 14 if rich else 4)
        half += moved(_seat(rng, 0.45, castors=rich), float(rng.normal(0, 0.12)),
                      deep + 0.5 + float(rng.uniform(-0.15, 0.25)), 0,
                      math.pi + float(rng.normal(0, 0.4)))
        parts += moved(half, 0, middle + (0.02 if turn == 0.0 else -0.02), 0, turn)
    if rng.random() < 0.5:
        parts.append(box((0, middle, 0.4), (wide, 0.03, float(rng.uniform(0.65, 0.85))),
                         palette.cloth(rng)))
    return Piece(parts, wide, 2 * middle)
