"""Small things that lie and stand about, on tables, on shelves and on the floor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
import math

import numpy as np

from depth_node.world import devices, goods, palette, parcels
from depth_node.world.devices import Thing
from depth_node.world.parts import ball, box, moved, Parts, rod

Maker = Callable[[np.random.Generator], Thing]
Spot = tuple[float, float, float]
"""x, y and radius of what stands on a surface (m)."""


def clutter(
    rng: np.random.Generator, width: float, depth: float, z: float, count: int, *,
    height: float = 0.45, kind: str = 'desk', taken: Iterable[Spot] = (),
) -> Parts:
    """
    Strew things over a rectangle.

    :param rng: random generator.
    :param width: along x, its middle at 0 (m).
    :param depth: along y, from 0 (m).
    :param z: of the surface (m).
    :param count: how many to try to place.
    :param height: the most they may have (m).
    :param kind: of place, one of KINDS.
    :param taken: where something stands already.
    :returns: their parts.
    """
    found: Parts = []
    occupied = list(taken)
    shares = np.array([share for _, share in KINDS[kind]])
    for _ in range(count):
        make = KINDS[kind][int(rng.choice(len(shares), p=shares / shares.sum()))][0]
        parts, radius, tall = make(rng)
        if tall > height or 2 * radius > 1.1 * depth or 2 * radius > width:
            continue
        room = max(width / 2 - radius, 0), max(depth - 2 * radius, 0)
        x, y = rng.uniform(-room[0], room[0]), radius + rng.uniform(0, room[1])
        if any(math.hypot(x - a, y - b) < 0.8 * (radius + r) for a, b, r in occupied):
            continue
        occupied.append((x, y, radius))
        # on desks most things look to who sits there
        turn = rng.uniform(-math.pi, math.pi) if kind == 'floor' or rng.random() < 0.3 else (
            rng.normal(0, 0.35))
        found += moved(parts, x, y, z, float(turn))
    return found


def _bag(rng: np.random.Generator) -> Thing:
    size = rng.uniform(0.12, 0.24)
    surface = palette.cloth(rng)
    parts = [
        ball((0, 0, size * 0.8), (size, size * 0.7, size * 0.8), surface),
        ball((size * 0.3, 0, size * 0.5), (size * 0.8, size * 0.6, size * 0.5), surface),
        box((0, 0, size * 1.4), (size * 0.5, 0.03, size * 0.4), palette.cloth(rng)),
    ]
    return parts, size, 1.8 * size


def _pot(rng: np.random.Generator) -> Thing:
    parts = leaves(rng, 0.1, 0.12, 9)
    return [
        rod((0, 0, 0), 0.06, 0.1, palette.plastic(rng)),
        rod((0, 0, 0.1), 0.054, 0.0008, devices.gray(0.15, 0.07, 0.5)),
        *moved(parts, 0, 0, 0.1),
    ], 0.13, 0.3


def _lamp(rng: np.random.Generator) -> Thing:
    height, surface = rng.uniform(0.3, 0.45), palette.metal(rng)
    return [
        rod((0, 0, 0), 0.08, 0.02, surface), rod((0, 0, 0), 0.008, height, surface),
        rod((0, 0, height), rng.uniform(0.07, 0.12), 0.14, palette.plastic(rng)),
    ], 0.12, height + 0.14


def _small_carton(rng: np.random.Generator) -> Thing:
    return parcels.carton(rng, 0.36)


_DESK: tuple[tuple[Maker, float], ...] = (
    (goods.mug, 3), (goods.glass, 1), (goods.bottle, 2), (goods.can, 1), (goods.pages, 3),
    (goods.note, 1), (goods.books, 2), (goods.upright, 1), (goods.binders, 1), (goods.pen, 2),
    (goods.pens, 1), (goods.stapler, 1), (goods.bowl, 1), (goods.groceries, 1),
    (goods.sphere, 0.3), (_bag, 0.3), (_pot, 1), (_lamp, 1), (_small_carton, 1.5),
    (goods.dinosaur, 0.5),
    (devices.laptop, 2.5), (devices.closed_laptop, 1), (devices.telephone_in_hand, 1),
    (devices.telephone, 0.7), (devices.remote, 0.7), (devices.cable, 1), (devices.keyboard, 0.7),
    (devices.mouse, 0.7), (goods.plate, 0.5), (devices.printer, 0.3),
)
_KITCHEN: tuple[tuple[Maker, float], ...] = (
    (goods.mug, 2), (goods.glass, 2), (goods.bottle, 3), (goods.can, 1), (goods.bowl, 2),
    (goods.plate, 2), (goods.pan, 2), (goods.kettle, 1.5), (goods.appliance, 2),
    (goods.groceries, 3), (_pot, 0.5),
)
_FLOOR: tuple[tuple[Maker, float], ...] = (
    (parcels.carton, 4), (_small_carton, 2), (parcels.crate, 0.7), (goods.shoes, 2),
    (goods.backpack, 2), (_bag, 1), (goods.sphere, 1), (devices.cable, 1.5),
    (devices.power_strip, 1), (devices.tower, 1), (goods.books, 0.7), (goods.bottle, 1),
    (devices.laptop, 1.2), (devices.keyboard, 0.3), (devices.printer, 0.2),
    (goods.dinosaur, 0.7), (goods.binders, 0.4), (goods.pages, 0.5), (_pot, 0.5), (goods.can, 0.3),
)
KINDS = {'desk': _DESK, 'kitchen': _KITCHEN, 'floor': _FLOOR}
"""What lies on desks and tables, in kitchens and on floors, and how often."""


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
