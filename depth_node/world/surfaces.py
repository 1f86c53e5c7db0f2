"""
Patterns of lived-in rooms: quiet surfaces, grains and weaves, prints and screens.

What :mod:`depth_node.world.patterns` has is loud and says how large it is. These are what real
rooms are mostly made of; materials draw them larger or smaller than they are here.
"""

from __future__ import annotations

import numpy as np

from depth_node.world.drawing import cells, edge, noise, Pattern, Plane, rows, streaks


def _plain(_u: Plane, _v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    return np.clip(0.5 + 0.2 * noise(rng, 1.6), 0, 1), 0.96 + 0.012 * noise(rng, 0.6)


def _wood(_u: Plane, _v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    grain = 0.6 * streaks(rng, (63, 3)) + 0.4 * noise(rng, 1.5)
    return np.clip(0.5 + 0.28 * grain, 0, 1), 0.9 + 0.04 * streaks(rng, (63, 1))


def _parquet(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    joints, each = rows(u, v, rng, brick=(0.6, 0.1), joint=0.0008, across=2)
    grain = 0.5 * each + 0.25 + 0.12 * streaks(rng, (63, 3))
    return np.clip(grain, 0, 1), 0.92 + 0.03 * streaks(rng, (31, 1)) - 0.35 * joints


def _wool(_u: Plane, _v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    return np.clip(0.5 + 0.25 * noise(rng, 0.15), 0, 1), 0.86 + 0.06 * noise(rng, 0.9)


def _fabric(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    weave = np.sin(2 * np.pi * u / 0.008) * np.sin(2 * np.pi * v / 0.008)
    return np.clip(0.5 + 0.25 * weave + 0.1 * noise(rng, 0.3), 0, 1), 0.9 + 0.04 * noise(rng, 1.3)


def _folds(u: Plane, _v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    turns = 2 * np.pi * u / 1.2
    wave = np.sin(9 * turns) + 0.6 * np.sin(14 * turns + 1) + 0.4 * np.sin(5 * turns + 2)
    return np.clip(0.5 + 0.1 * noise(rng, 0.4), 0, 1), 0.72 + 0.13 * wave


def _floor_tiles(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    joints = np.maximum(edge(u, 0.3, 0.002), edge(v, 0.3, 0.002))
    each = cells(np.floor(u / 0.3 + 1e-4), np.floor(v / 0.3 + 1e-4), rng)
    body = 0.35 + 0.3 * each + 0.1 * noise(rng, 1.1)
    return np.clip(body * (1 - joints), 0, 1), 0.94 + 0.02 * noise(rng, 0.5) - 0.25 * joints


def _marble(_u: Plane, _v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    veins = np.exp(-np.abs(noise(rng, 1.35)) * 7)
    return np.clip(0.75 - 0.6 * veins + 0.1 * noise(rng, 1.5), 0, 1), 0.95 + 0.01 * noise(rng, 0.5)


def _terrazzo(_u: Plane, _v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    chips = (noise(rng, 0.8) > 0.9).astype(np.float32)
    return np.clip(chips + 0.2 * noise(rng, 1.2), 0, 1), 0.92 + 0.03 * noise(rng, 0.6)


def _text(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    line = np.floor(v / 0.0099 + 1e-4)
    words = cells(np.floor(u / 0.007 + 1e-4), line, rng) > 0.25
    inked = words & (v % 0.0099 < 0.005) & (u > 0.025) & (u < 0.185)
    inked &= (v > 0.03) & (v < 0.27) & (noise(rng, 0.05) > -0.8)
    return 1 - inked.astype(np.float32), 0.97 + 0.01 * noise(rng, 0.5)


def _screen(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    mix, shade = np.full_like(u, 0.25), np.full_like(u, 0.6)
    for _ in range(4):
        x, y = rng.uniform(0.01, 0.25), rng.uniform(0.02, 0.14)
        w, h = rng.uniform(0.12, 0.22), rng.uniform(0.08, 0.14)
        inside = (u > x) & (u < x + w) & (v > y) & (v < y + h)
        text = inside & (v % 0.01 < 0.004) & (u < x + w * 0.8) & (noise(rng, 0.05) > -0.3)
        mix = np.where(inside, rng.uniform(0.4, 1), mix)
        shade = np.where(inside, 1.0, shade)
        mix = np.where(text, 0.1, mix)
    return mix.astype(np.float32), shade.astype(np.float32)


def _keys(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    gaps = np.maximum(edge(u, 0.019, 0.002), edge(v, 0.019, 0.002))
    mark = (np.abs(u % 0.019 - 0.008) < 0.003) & (np.abs(v % 0.019 - 0.011) < 0.003)
    return mark.astype(np.float32) * (1 - gaps), 0.9 - 0.5 * gaps + 0.02 * noise(rng, 0.5)


def _leaf(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    veins = np.maximum(edge(u, 0.1, 0.002), edge((v + abs((u % 0.1) - 0.05)) % 0.1, 0.02, 0.001))
    return np.clip(0.45 + 0.25 * noise(rng, 1.1), 0, 1), 0.85 + 0.12 * veins


def _ribs(u: Plane, _v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    wave = np.cos(2 * np.pi * u / 0.05)
    return np.clip(0.5 + 0.1 * noise(rng, 0.5), 0, 1), 0.8 + 0.17 * wave


def _slats(_u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    return np.clip(0.5 + 0.1 * noise(rng, 0.8), 0, 1), 0.65 + 0.3 * (v % 0.04) / 0.04


def _photo(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    mix = 0.5 + 0.35 * noise(rng, 1.7)
    shade = 0.75 + 0.15 * noise(rng, 1.3)
    for _ in range(7):
        x, y, r = rng.uniform(0.1, 0.5), rng.uniform(0.1, 0.5), rng.uniform(0.03, 0.1)
        if rng.random() < 0.5:
            inside = np.hypot(u - x, v - y) < r
        else:
            inside = (abs(u - x) < r) & (abs(v - y) < 2 * r * rng.uniform(0.2, 1))
        mix = np.where(inside, rng.random(), mix)
        shade = np.where(inside, rng.uniform(0.4, 1), shade)
    return np.clip(mix, 0, 1).astype(np.float32), shade.astype(np.float32)


def _linen(u: Plane, v: Plane, rng: np.random.Generator) -> tuple[Plane, Plane]:
    flower = np.hypot(u % 0.2 - 0.1, v % 0.2 - 0.1)
    petals = (flower < 0.05 + 0.02 * np.sin(5 * np.arctan2(v % 0.2 - 0.1, u % 0.2 - 0.1)))
    stem = np.clip(0.35 + 0.3 * noise(rng, 1.1), 0, 1)
    return np.where(petals, 0.9, stem).astype(np.float32), 0.88 + 0.05 * noise(rng, 0.4)


SURFACES: dict[str, Pattern] = {
    'plain': Pattern((1.5, 1.5), _plain),
    'wood': Pattern((1.2, 1.2), _wood),
    'parquet': Pattern((1.2, 1.2), _parquet),
    'wool': Pattern((1.0, 1.0), _wool),
    'fabric': Pattern((0.4, 0.4), _fabric),
    'folds': Pattern((1.2, 1.2), _folds),
    'floor_tiles': Pattern((1.2, 1.2), _floor_tiles),
    'marble': Pattern((1.5, 1.5), _marble),
    'terrazzo': Pattern((0.6, 0.6), _terrazzo),
    'text': Pattern((0.21, 0.297), _text),
    'screen': Pattern((0.5, 0.3), _screen),
    'keys': Pattern((0.38, 0.152), _keys),
    'leaf': Pattern((0.1, 0.1), _leaf),
    'ribs': Pattern((0.5, 0.5), _ribs),
    'slats': Pattern((0.4, 0.4), _slats),
    'photo': Pattern((0.6, 0.6), _photo),
    'linen': Pattern((0.6, 0.6), _linen),
}
