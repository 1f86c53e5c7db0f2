"""
Patterns of fixed metric size: what the surfaces of the world look like.

A pattern says two things at every place: which of the surface's two colours it shows (mix) and
how bright it is (shade). The colours are the surface's; the sizes are the same in every world,
so that an image shows a network how large things are. Every pattern repeats without a seam.
"""

from __future__ import annotations

import numpy as np

from depth_node.world.drawing import cells, edge, noise, Pattern, Plane, rows, streaks
from depth_node.world.finishes import FINISHES
from depth_node.world.prints import PRINTS
from depth_node.world.surfaces import SURFACES
from depth_node.world.woods import WOODS


def _tiles(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    joints = np.maximum(edge(u, 0.4, 0.004), edge(v, 0.4, 0.004))
    each = cells(np.floor(u / 0.4 + 1e-4), np.floor(v / 0.4 + 1e-4), rng)
    marble = 0.05 * noise(rng, 1.2) + 0.03 * noise(rng, 0.6)
    return 1 - joints, 0.72 + 0.18 * each + marble - 0.15 * joints


def _checker(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    odd = (np.floor(u / 0.3 + 1e-4) + np.floor(v / 0.3 + 1e-4)) % 2
    return odd, 0.8 + 0.05 * noise(rng, 0.8) + 0.05 * noise(rng, 1.5)


def _planks(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    joints, each = rows(u, v, rng, brick=(1.2, 0.15), joint=0.002, across=2)
    along = streaks(rng, (63, 1))
    grain = 0.09 * along
    return each, 0.75 + grain + 0.04 * noise(rng, 0.7) - 0.4 * joints


def _carpet(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    diamonds = (abs((u % 0.5) - 0.25) + abs((v % 0.5) - 0.25) < 0.17).astype(np.float32)
    rings = (abs(np.hypot((u % 0.5) - 0.25, (v % 0.5) - 0.25) - 0.2) < 0.012).astype(np.float32)
    return 0.7 * diamonds + 0.3 * rings, 0.75 + 0.1 * noise(rng, 0.2) + 0.06 * noise(rng, 1.2)


def _concrete(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    joints = np.maximum(edge(u, 1.0, 0.006), edge(v, 1.0, 0.006))
    spots = (noise(rng, 0.6) > 1.9).astype(np.float32)
    mix = np.clip(0.5 + 0.25 * noise(rng, 1.3), 0, 1) * (1 - spots)
    return mix, 0.75 + 0.06 * noise(rng, 0.5) - 0.4 * joints


def _bricks(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    joints, each = rows(u, v, rng, brick=(0.25, 0.075), joint=0.005, across=8)
    return 1 - joints, 0.6 + 0.3 * each + 0.07 * noise(rng, 0.6) + 0.1 * joints


def _blocks(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    joints, each = rows(u, v, rng, brick=(0.4, 0.2), joint=0.006, across=4)
    return 1 - joints, 0.7 + 0.14 * each + 0.08 * noise(rng, 0.4) - 0.1 * joints


def _stripes(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    bands = (u % 0.2 < 0.1).astype(np.float32)
    dots = (np.hypot((u % 0.2) - 0.05, (v % 0.2) - 0.1) < 0.02).astype(np.float32)
    return abs(bands - dots), 0.8 + 0.04 * noise(rng, 0.5) + 0.04 * noise(rng, 1.5)


def _plaster(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    mix = np.clip(0.5 + 0.3 * noise(rng, 1.4), 0, 1)
    seams = np.maximum(edge(u, 1.2, 0.004), edge(v, 2.4, 0.004))
    return mix, 0.8 + 0.07 * noise(rng, 0.7) - 0.2 * seams


def _boards(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    gaps = edge(u, 0.1, 0.004)
    each = cells(np.floor(u / 0.1 + 1e-4), np.zeros_like(v), rng)
    along = streaks(rng, (1, 63))
    knots = (noise(rng, 0.9) > 2.4).astype(np.float32)
    return each * (1 - knots), 0.75 + 0.1 * along - 0.4 * gaps


def _panels(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    joints = np.maximum(edge(u, 0.6, 0.008), edge(v, 0.6, 0.008))
    holes = (noise(rng, 0.35) > 1.4).astype(np.float32)
    return 1 - joints, 0.85 + 0.04 * noise(rng, 1.0) - 0.25 * holes * (1 - joints)


def _carton(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    tape = (abs(u - 0.3) < 0.03).astype(np.float32)
    label = ((u > 0.38) & (u < 0.53) & (v > 0.1) & (v < 0.2)).astype(np.float32)
    print_ = label * (noise(rng, 0.2) > 0.4) * (v % 0.02 < 0.012)
    return np.maximum(0.6 * tape, label), 0.7 + 0.05 * noise(rng, 0.6) - 0.4 * print_


def _crate(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    slats = edge(v, 0.12, 0.012)
    posts = (abs((u % 0.6) - 0.3) > 0.25).astype(np.float32)
    along = streaks(rng, (63, 1))
    return posts, 0.72 + 0.12 * along - 0.5 * slats * (1 - posts)


def _plaid(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    across = (u % 0.2 < 0.06).astype(np.float32) + (abs(u % 0.2 - 0.14) < 0.006)
    along = (v % 0.2 < 0.06).astype(np.float32) + (abs(v % 0.2 - 0.14) < 0.006)
    return 0.5 * np.clip(across, 0, 1) + 0.5 * np.clip(along, 0, 1), 0.8 + 0.08 * noise(rng, 0.2)


def _metal(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    rivets = (np.hypot((u % 0.1) - 0.05, (v % 0.1) - 0.05) < 0.012).astype(np.float32)
    seams = np.maximum(edge(u, 0.4, 0.004), edge(v, 0.4, 0.004))
    return rivets, 0.75 + 0.08 * noise(rng, 1.1) - 0.3 * seams


def _hazard(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    return ((u + v) % 0.2 < 0.1).astype(np.float32), 0.8 + 0.06 * noise(rng, 0.8)


def _rings(_u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    return (v % 0.5 < 0.25).astype(np.float32), 0.82 + 0.06 * noise(rng, 0.7)


def _door(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    x, y = abs(u - 0.5), abs((v % 1.0) - 0.5)
    frame = ((u < 0.05) | (u > 0.95) | (v > 1.95)).astype(np.float32)
    fields = (abs(np.maximum(x + 0.12, y) - 0.38) < 0.012).astype(np.float32)
    handle = ((abs(u - 0.86) < 0.05) & (abs(v - 1.02) < 0.012)).astype(np.float32)
    return np.maximum(frame, handle), 0.75 + 0.04 * noise(rng, 0.6) - 0.3 * fields


def _books(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    shelf = (v % 0.4 < 0.03).astype(np.float32)
    row = np.floor(v / 0.4 + 1e-4)
    spine = np.floor(u / 0.04 + 1e-4) % 25
    each, tall = cells(spine, row, rng), cells(spine, row, rng)
    above = ((v % 0.4) > 0.25 + 0.1 * tall).astype(np.float32)
    gaps = edge(u, 0.04, 0.003)
    shade = (0.75 + 0.04 * noise(rng, 0.6) - 0.3 * gaps) * (1 - 0.75 * above)
    return np.maximum(each, shelf), np.where(shelf > 0, 0.6, shade).astype(np.float32)


def _poster(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    rim = ((u < 0.03) | (u > 0.57) | (v < 0.03) | (v > 0.77)).astype(np.float32)
    picture = np.clip(0.5 + 0.5 * noise(rng, 1.6), 0, 1)
    sun = (np.hypot(u - 0.4, v - 0.55) < 0.09).astype(np.float32)
    return np.where(rim > 0, 0, np.maximum(picture, sun)).astype(np.float32), 0.85 - 0.6 * rim


def _paint(_u: Plane, _v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    return np.clip(0.5 + 0.2 * noise(rng, 1.2), 0, 1), 0.8 + 0.06 * noise(rng, 0.5)


_LOUD: dict[str, Pattern] = {
    'tiles': Pattern((2.0, 2.0), _tiles),
    'checker': Pattern((2.4, 2.4), _checker),
    'planks': Pattern((2.4, 1.5), _planks),
    'carpet': Pattern((2.0, 2.0), _carpet),
    'concrete': Pattern((2.0, 2.0), _concrete),
    'bricks': Pattern((2.0, 1.5), _bricks),
    'blocks': Pattern((1.6, 1.6), _blocks),
    'stripes': Pattern((1.6, 1.6), _stripes),
    'plaster': Pattern((2.4, 2.4), _plaster),
    'boards': Pattern((1.2, 2.4), _boards),
    'panels': Pattern((1.8, 1.8), _panels),
    'carton': Pattern((0.6, 0.6), _carton),
    'crate': Pattern((0.6, 0.6), _crate),
    'plaid': Pattern((1.0, 1.0), _plaid),
    'metal': Pattern((0.8, 0.8), _metal),
    'hazard': Pattern((0.8, 0.8), _hazard),
    'rings': Pattern((1.0, 1.0), _rings),
    'door': Pattern((1.0, 2.0), _door),
    'books': Pattern((1.0, 2.0), _books),
    'poster': Pattern((0.6, 0.8), _poster),
    'paint': Pattern((1.0, 1.0), _paint),
}
LOUD = len(_LOUD)
"""How many patterns plain rooms have; the rest are those of lived-in ones."""
PATTERNS: dict[str, Pattern] = {
    **_LOUD,
    **SURFACES,
    **FINISHES,
    **WOODS,
    **PRINTS,
}
NAMES = tuple(PATTERNS)
