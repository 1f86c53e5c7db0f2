"""Wood of lived-in rooms: boards of true widths, each with rings, pores and knots of its own."""

from __future__ import annotations

import numpy as np

from depth_node.world.drawing import (
    cells,
    dead_leaves,
    edge,
    grain,
    noise,
    Pattern,
    Plane,
    taken,
    TEXELS,
    unit,
)

_Planes = tuple[Plane, Plane]


def _boards(
    u: Plane, v: Plane, rng: np.random.Generator, figure: Plane, *,
    size: tuple[float, float], across: int, gap: float,
) -> _Planes:
    """Lay boards of which each has a figure of its own, the ends at random places."""
    row = np.floor(v / size[1] + 1e-4)
    ends = cells(np.zeros_like(row), row, rng) * size[0]
    shifted = (u + ends) % (across * size[0])
    board = np.floor(shifted / size[0] + 1e-4) % across
    joints = np.maximum(edge(shifted, size[0], gap), edge(v, size[1], gap))
    each, right, down = (cells(board, row, rng) for _ in range(3))
    own = taken(figure, right * TEXELS, down * TEXELS)
    mix = 0.5 + 0.5 * (each - 0.5) + 0.17 * own
    return np.clip(mix, 0, 1), 0.86 + 0.1 * (each - 0.5) + 0.05 * own - 0.4 * joints


def _figure(rng: np.random.Generator, rings: float, knots: float) -> Plane:
    """Draw the growth rings of a long board, along u, with knots and pores."""
    bent = 0.35 * grain(rng, 2.0, 10.0)
    knot = np.clip(grain(rng, 1.6, 2.0) - 2.6, 0, None) * knots
    across = np.arange(TEXELS)[:, None] / TEXELS
    lines = np.sin(2 * np.pi * (rings * across + 3 * bent + 4 * knot))
    pores = grain(rng, 0.5, 30.0)
    plane = 0.5 * lines + 0.5 * pores + 0.4 * grain(rng, 1.3, 14.0) - 2.5 * np.clip(knot, 0, 1)
    return plane / plane.std()


def _oak(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    return _boards(u, v, rng, _figure(rng, 14, 0.0), size=(1.2, 0.14), across=2, gap=0.0008)


def _pine(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    return _boards(u, v, rng, _figure(rng, 30, 1.0), size=(2.0, 0.2), across=1, gap=0.0025)


def _strips(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    return _boards(u, v, rng, _figure(rng, 24, 0.0), size=(0.4, 0.07), across=3, gap=0.0006)


def _chevron(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    column = np.floor(u / 0.45 + 1e-4)
    slope = np.where(column % 2 > 0, 0.45 - u % 0.45, u % 0.45)
    along = (v + slope) % 0.9
    stave = np.floor(along / 0.09 + 1e-4) % 10
    joints = np.maximum(edge(along, 0.09, 0.001), edge(u, 0.45, 0.001))
    each, right = cells(stave, column, rng), cells(stave, column, rng)
    own = taken(grain(rng, 0.7, 20.0), right * TEXELS, slope / 0.9 * TEXELS)
    return unit(0.55 * (each - 0.5) + 0.14 * own, 1.0), 0.86 + 0.04 * own - 0.35 * joints


def _basket(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    column, row = np.floor(u / 0.3 + 1e-4), np.floor(v / 0.3 + 1e-4)
    turned = (column + row) % 2 > 0
    across, width = np.where(turned, u, v), 0.06
    stave = np.floor(across % 0.3 / width + 1e-4)
    each = cells(column * 5 + stave, row, rng)
    own = np.where(turned, grain(rng, 0.7, 1 / 20), grain(rng, 0.7, 20.0))
    joints = np.maximum.reduce([edge(across, width, 0.0006), edge(u, 0.3, 0.001),
                                edge(v, 0.3, 0.001)])
    return unit(0.5 * (each - 0.5) + 0.14 * own, 1.0), 0.87 + 0.04 * own - 0.35 * joints


def _veneer(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    figure = _figure(rng, 9, 0.0)
    return unit(figure, 0.2), 0.92 + 0.02 * grain(rng, 0.6, 30.0)


def _upright(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    figure = _figure(rng, 11, 0.0).T
    return unit(figure, 0.2), 0.92 + 0.02 * grain(rng, 0.6, 1 / 30)


def _knotty(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    figure = _figure(rng, 16, 1.5).T
    return unit(figure, 0.22), 0.9 + 0.03 * grain(rng, 0.6, 1 / 30)


def _chipboard(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    mix, shade = dead_leaves(rng, (18, 50), (9,), count=900, flat=0.25)
    return unit(mix - 0.5, 0.7), 0.75 + 0.2 * shade + 0.04 * noise(rng, 0.5)


WOODS: dict[str, Pattern] = {
    'oak': Pattern((2.4, 1.4), _oak),
    'pine': Pattern((2.0, 2.0), _pine),
    'strips': Pattern((1.2, 1.12), _strips),
    'chevron': Pattern((0.9, 0.9), _chevron),
    'basket': Pattern((1.2, 1.2), _basket),
    'veneer': Pattern((1.6, 0.8), _veneer),
    'upright': Pattern((0.8, 1.6), _upright),
    'knotty': Pattern((0.8, 1.6), _knotty),
    'chipboard': Pattern((0.8, 0.8), _chipboard),
}
