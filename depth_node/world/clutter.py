"""Small things that lie and stand about, on tables, on shelves and on the floor."""

from __future__ import annotations

import math

import numpy as np

from depth_node.world import palette
from depth_node.world.parts import ball, box, moved, Parts, rod


def clutter(
    rng: np.random.Generator, width: float, depth: float, z: float, count: int, *,
    height: float = 0.4,
) -> Parts:
    """
    Strew things over a rectangle.

    :param rng: random generator.
    :param width: along x, its middle at 0 (m).
    :param depth: along y, from 0 (m).
    :param z: of the surface (m).
    :param count: how many to try to place.
    :param height: the most they may have (m).
    :returns: their parts.
    """
    found: Parts = []
    taken: list[tuple[float, float, float]] = []
    for _ in range(count):
        make = _THINGS[int(rng.integers(len(_THINGS)))]
        parts, radius, tall = make(rng)
        if tall > height or 2 * radius > 1.1 * depth or 2 * radius > width:
            continue
        room = max(width / 2 - radius, 0), max(depth - 2 * radius, 0)
        x, y = rng.uniform(-room[0], room[0]), radius + rng.uniform(0, room[1])
        if any(math.hypot(x - a, y - b) < 0.8 * (radius + r) for a, b, r in taken):
            continue
        taken.append((x, y, radius))
        found += moved(parts, x, y, z, rng.uniform(-math.pi, math.pi))
    return found


Thing = tuple[Parts, float, float]


def _mug(rng: np.random.Generator) -> Thing:
    radius, height = rng.uniform(0.035, 0.05), rng.uniform(0.07, 0.13)
    surface = palette.plastic(rng)
    handle = box((radius, 0, height * 0.25), (0.03, 0.012, height * 0.5), surface)
    return [rod((0, 0, 0), radius, height, surface), handle], 0.06, height


def _bottle(rng: np.random.Generator) -> Thing:
    radius, height = rng.uniform(0.03, 0.05), rng.uniform(0.14, 0.24)
    surface = palette.plastic(rng)
    return [
        rod((0, 0, 0), radius, height, surface),
        rod((0, 0, height), radius * 0.4, height * 0.35, palette.plastic(rng)),
    ], 0.05, height * 1.35


def _can(rng: np.random.Generator) -> Thing:
    return [rod((0, 0, 0), 0.033, 0.115, palette.print_(rng, 'photo', 'plain'))], 0.04, 0.12


def _pages(rng: np.random.Generator) -> Thing:
    count = int(rng.integers(1, 3))
    return [
        box((rng.normal(0, 0.02), rng.normal(0, 0.02), 0.003 * n), (0.21, 0.297, 0.003),
            palette.paper(rng), rng.normal(0, 0.2))
        for n in range(count)
    ], 0.17, 0.01


def _books(rng: np.random.Generator) -> Thing:
    parts, z = [], 0.0
    for _ in range(int(rng.integers(1, 5))):
        thick = rng.uniform(0.008, 0.045)
        size = (rng.uniform(0.11, 0.2), rng.uniform(0.17, 0.28), thick)
        surface = palette.print_(rng, 'photo', 'plain', 'plain', 'text')
        parts.append(box((0, 0, z), size, surface, rng.normal(0, 0.25)))
        z += thick
    return parts, 0.16, z


def _upright(rng: np.random.Generator) -> Thing:
    parts, x = [], -0.15
    while x < 0.15:
        thick, height = rng.uniform(0.015, 0.05), rng.uniform(0.18, 0.31)
        parts.append(box((x + thick / 2, 0, 0), (thick, rng.uniform(0.14, 0.22), height),
                         palette.print_(rng, 'plain', 'plain', 'text', 'photo')))
        x += thick + 0.002
    return parts, 0.18, 0.31


def _carton(rng: np.random.Generator) -> Thing:
    size = tuple(float(s) for s in rng.uniform(0.06, 0.3, 3))
    printed = rng.random() < 0.4
    surface = palette.print_(rng, 'photo', 'plain') if printed else palette.cardboard(rng)
    return [box((0, 0, 0), (size[0], size[1], size[2]), surface)], max(size) * 0.6, size[2]


def _bowl(rng: np.random.Generator) -> Thing:
    radius = rng.uniform(0.06, 0.14)
    parts = [ball((0, 0, radius * 0.4), (radius, radius, radius * 0.42), palette.plastic(rng))]
    for _ in range(int(rng.integers(0, 4))):
        angle = rng.uniform(0, 6.3)
        parts.append(ball(
            (radius * 0.4 * math.cos(angle), radius * 0.4 * math.sin(angle), radius * 0.75),
            (0.035, 0.035, 0.035), palette.plastic(rng),
        ))
    return parts, radius, radius


def _ball(rng: np.random.Generator) -> Thing:
    radius = rng.uniform(0.03, 0.13)
    surface = palette.print_(rng, 'plain', 'photo', 'plaid')
    return [ball((0, 0, radius), (radius, radius, radius), surface)], radius, 2 * radius


def _bag(rng: np.random.Generator) -> Thing:
    size = rng.uniform(0.12, 0.24)
    surface = palette.cloth(rng)
    parts = [
        ball((0, 0, size * 0.8), (size, size * 0.7, size * 0.8), surface),
        ball((size * 0.3, 0, size * 0.5), (size * 0.8, size * 0.6, size * 0.5), surface),
        box((0, 0, size * 1.4), (size * 0.5, 0.03, size * 0.4), palette.cloth(rng)),
    ]
    return parts, size, 1.8 * size


def _laptop(rng: np.random.Generator) -> Thing:
    shell = palette.metal(rng)
    wide, deep = rng.uniform(0.28, 0.37), rng.uniform(0.2, 0.25)
    slope = rng.uniform(-0.6, 0.1)
    # the lid leans back about the hinge: x of the frame it is made in points to the back
    lid = box((deep / 2 + 0.5 * deep * math.sin(-slope), 0, 0.02), (0.012, wide, deep), shell, 0,
              -slope)
    shown = box((deep / 2 - 0.008 + 0.5 * deep * math.sin(-slope), 0, 0.03),
                (0.012, wide * 0.94, deep * 0.88), palette.print_(rng, 'screen'), 0, -slope)
    parts = [
        box((0, 0, 0), (deep, wide, 0.018), shell),
        box((0.02, 0, 0.018), (deep * 0.5, wide * 0.9, 0.002), palette.print_(rng, 'keys')),
        lid, shown,
    ]
    return parts, 0.22, 0.28


def _phone(rng: np.random.Generator) -> Thing:
    return [box((0, 0, 0), (0.075, 0.15, 0.009), palette.black(rng))], 0.08, 0.01


def _pot(rng: np.random.Generator) -> Thing:
    parts = leaves(rng, 0.1, 0.12, 9)
    return [rod((0, 0, 0), 0.06, 0.1, palette.plastic(rng)), *moved(parts, 0, 0, 0.1)], 0.13, 0.35


def _lamp(rng: np.random.Generator) -> Thing:
    height, surface = rng.uniform(0.25, 0.45), palette.metal(rng)
    return [
        rod((0, 0, 0), 0.07, 0.02, surface), rod((0, 0, 0), 0.01, height, surface),
        rod((0, 0, height), rng.uniform(0.06, 0.12), 0.12, palette.plastic(rng)),
    ], 0.12, height + 0.12


def _shoes(rng: np.random.Generator) -> Thing:
    surface = palette.cloth(rng)
    return [
        ball((x, 0, 0.045), (0.045, 0.14, 0.045), surface, rng.normal(0, 0.2))
        for x in (-0.07, 0.07)
    ], 0.15, 0.1


def _cable(rng: np.random.Generator) -> Thing:
    parts, x, y, angle = [], 0.0, 0.0, rng.uniform(0, 6.3)
    surface = palette.metal(rng)
    for _ in range(4):
        parts.append(box((x, y, 0), (0.14, 0.008, 0.008), surface, angle))
        x, y = x + 0.12 * math.cos(angle), y + 0.12 * math.sin(angle)
        angle += rng.normal(0, 0.5)
    return parts, 0.2, 0.01


_THINGS = (
    _mug, _bottle, _can, _pages, _pages, _books, _books, _upright, _carton, _carton, _bowl,
    _ball, _bag, _laptop, _phone, _pot, _lamp, _shoes, _cable,
)


def leaves(rng: np.random.Generator, radius: float, height: float, count: int) -> Parts:
    """
    Make a bush of leaves.

    :param rng: random generator.
    :param radius: of the bush (m).
    :param height: of the bush (m).
    :param count: of leaves.
    :returns: its parts, from z = 0.
    """
    surface, parts = palette.plant(rng), []
    for _ in range(count):
        yaw, lean = rng.uniform(-math.pi, math.pi), rng.uniform(-1.3, 0.4)
        length = radius * rng.uniform(0.6, 1.3)
        out, up = length / 2 * math.cos(lean), height * rng.random()
        x, y = out * math.cos(yaw), out * math.sin(yaw)
        parts.append(box((x, y, up - length / 2 * math.sin(lean)),
                         (length, length * rng.uniform(0.15, 0.45), 0.004), surface, yaw, lean))
    return parts
