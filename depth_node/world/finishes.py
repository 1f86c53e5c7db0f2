"""
Finishes of lived-in rooms: carpets, stone, walls, cloth, with grain of several sizes.

Sizes are true: loops, tiles and stitches are as large as in life. What has no size of
its own varies as natural surfaces do, over all scales.
"""

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
    relief,
    rows,
    streaks,
    taken,
    TEXELS,
    unit,
)

_Planes = tuple[Plane, Plane]


def _loops(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    row = np.floor(v / 0.005 + 1e-4)
    bump = np.sin(np.pi * ((u + 0.0025 * (row % 2)) / 0.005)) ** 2 * np.sin(np.pi * v / 0.005) ** 2
    yarn = cells(np.floor(u / 0.005 + 1e-4) % 100, row % 100, rng)
    return unit(0.5 * (yarn - 0.5) + 0.12 * noise(rng, 1.0), 1.0), (
        0.62 + 0.3 * bump + 0.05 * noise(rng, 0.4) + 0.02 * noise(rng, 1.3))


def _pile(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    brushed = np.tanh(1.5 * noise(rng, 1.8))
    return unit(noise(rng, 0.4), 0.22), 0.8 + 0.07 * noise(rng, 0.3) + 0.06 * brushed


def _speckled(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    flecks = noise(rng, 0.5)
    mix = 0.35 + 0.12 * noise(rng, 0.8) + 0.6 * (flecks > 1.8) - 0.35 * (flecks < -1.5)
    return np.clip(mix, 0, 1), 0.82 + 0.07 * noise(rng, 0.2)


def _carpet_tiles(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    column, row = np.floor(u / 0.5 + 1e-4), np.floor(v / 0.5 + 1e-4)
    each = cells(column, row, rng)
    turned = (column + row) % 2 > 0
    ribs = np.where(turned, grain(rng, 0.6, 12.0), grain(rng, 0.6, 1 / 12))
    seams = np.maximum(edge(u, 0.5, 0.0005), edge(v, 0.5, 0.0005))
    return unit(0.3 * ribs + 0.5 * (each - 0.5) + 0.1 * noise(rng, 0.3), 1.0), (
        0.78 + 0.1 * (each - 0.5) + 0.05 * noise(rng, 0.2) + 0.04 * turned - 0.25 * seams)


def _blocks_of_yarn(u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    first, _ = dead_leaves(rng, (14, 90), (0,), count=600, flat=0.3)
    threads = 0.08 * noise(rng, 0.3) + 0.05 * np.sin(2 * np.pi * u / 0.01)
    return unit(first - 0.5 + threads, 1.0), 0.8 + 0.06 * noise(rng, 0.2) + 0.03 * noise(rng, 1.4)


def _folded(plane: Plane, parts: int) -> Plane:
    """Mirror a part of a plane so that it is symmetric, `parts` times each way."""
    side = TEXELS // parts
    half = plane[:side // 2, :side // 2]
    whole = np.block([[half, half[:, ::-1]], [half[::-1], half[::-1, ::-1]]])
    return np.tile(whole, (parts, parts))


def _oriental(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    motif = _folded(noise(rng, 1.5), 2)
    motif = np.floor(2.5 * (motif + motif.T[::-1, ::-1])) % 4 / 3
    border = _folded(noise(rng, 1.0), 16) > 0.4
    return np.clip(0.75 * motif + 0.25 * border + 0.08 * noise(rng, 0.3), 0, 1), (
        0.8 + 0.07 * noise(rng, 0.3))


def _small_tiles(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    joints = np.maximum(edge(u, 0.1, 0.0015), edge(v, 0.1, 0.0015))
    each = cells(np.floor(u / 0.1 + 1e-4), np.floor(v / 0.1 + 1e-4), rng)
    return np.clip((0.6 + 0.4 * (each - 0.5) + 0.05 * noise(rng, 1.0)) * (1 - joints), 0, 1), (
        0.93 + 0.02 * noise(rng, 1.2) - 0.15 * joints)


def _metro(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    joints, each = rows(u, v, rng, brick=(0.2, 0.1), joint=0.0015, across=6)
    bevel = 0.06 * (edge(v, 0.1, 0.012) - joints)
    return np.clip((0.75 + 0.2 * (each - 0.5)) * (1 - joints), 0, 1), (
        0.9 + bevel + 0.015 * noise(rng, 1.0) - 0.1 * joints)


def _mosaic(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    joints = np.maximum(edge(u, 0.025, 0.001), edge(v, 0.025, 0.001))
    each = cells(np.floor(u / 0.025 + 1e-4), np.floor(v / 0.025 + 1e-4), rng)
    return np.clip(each * (1 - joints), 0, 1), 0.9 + 0.03 * noise(rng, 0.5) - 0.2 * joints


def _large_tiles(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    column, row = np.floor(u / 0.6 + 1e-4), np.floor(v / 0.6 + 1e-4)
    joints = np.maximum(edge(u, 0.6, 0.001), edge(v, 0.6, 0.001))
    each, right, down = (cells(column, row, rng) for _ in range(3))
    own = taken(noise(rng, 1.4), right * TEXELS, down * TEXELS)
    return unit(0.2 * own + 0.2 * (each - 0.5), 1.0), (
        0.92 + 0.03 * (each - 0.5) + 0.015 * noise(rng, 0.5) - 0.3 * joints)


def _granite(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    mix, shade = dead_leaves(rng, (5, 14), (5, 6, 7), count=2200)
    tones = np.floor(mix * 3) / 2
    return unit(0.8 * (tones - 0.5) + 0.1 * noise(rng, 1.2), 1.0), 0.85 + 0.12 * (shade - 0.5)


def _slate(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    layers = np.floor(3 * noise(rng, 1.7)) / 3
    return unit(0.2 * noise(rng, 1.3), 1.0), 0.8 + 0.05 * relief(layers) + 0.05 * noise(rng, 0.9)


def _lino(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    veins = np.sin(4 * noise(rng, 1.5) + 3 * grain(rng, 1.2, 4.0))
    return unit(0.25 * veins + 0.1 * noise(rng, 0.6), 1.0), 0.93 + 0.02 * noise(rng, 1.2)


def _screed(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    cloud = noise(rng, 1.6)
    cracks = np.exp(-np.abs(noise(rng, 1.5)) * 90) * (noise(rng, 1.8) > 0.3)
    spots = np.clip(noise(rng, 1.2) - 2.2, 0, 1)
    scratches = np.clip(grain(rng, 0.6, 40.0) - 2.8, 0, 1) + np.clip(
        grain(rng, 0.6, 1 / 40) - 3, 0, 1)
    return unit(0.22 * cloud + 0.4 * scratches, 1.0), (
        0.82 + 0.05 * noise(rng, 0.7) - 0.35 * cracks - 0.35 * spots + 0.02 * cloud)


def _inlaid(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    strip = (np.abs(u % 2.0 - 0.6) < 0.045) | (np.abs(v % 2.0 - 1.4) < 0.02)
    field = (v % 2.0 > 1.42) & ~strip
    body = 0.15 + 0.05 * noise(rng, 1.2) + 0.3 * field
    return np.clip(np.where(strip, 0.9, body), 0, 1), 0.86 + 0.05 * noise(rng, 0.4)


def _worn(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    cloud = noise(rng, 1.8)
    stains = np.clip(noise(rng, 1.7) - 1.6, 0, 0.6)
    scuffs = np.clip(grain(rng, 0.9, 6.0) - 2.9, 0, 1)
    return unit(0.2 * cloud + 0.5 * scuffs, 1.0), (
        0.94 + 0.018 * cloud + 0.008 * noise(rng, 0.2) - 0.12 * stains - 0.15 * scuffs)


def _rolled(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    peel = relief(noise(rng, 0.9))
    return unit(0.15 * noise(rng, 1.5), 1.0), 0.93 + 0.018 * peel + 0.012 * noise(rng, 1.6)


def _woodchip(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    chips = np.clip(grain(rng, 0.8, 1 / 2) - 1.2, 0, 1)
    return unit(0.15 * noise(rng, 1.4), 1.0), 0.9 + 0.04 * relief(chips) + 0.01 * noise(rng, 1.5)


def _trowelled(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    height = noise(rng, 1.3) + 0.7 * grain(rng, 1.2, 5.0)
    return unit(0.2 * noise(rng, 1.3), 1.0), 0.85 + 0.055 * relief(height)


def _peeling(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    height = noise(rng, 1.5)
    bare = (height > 1.1).astype(np.float32)
    rim = np.clip(relief(bare), -1, 1)
    return np.clip(0.15 * noise(rng, 1.2) + 0.15 + 0.75 * bare, 0, 1), 0.86 + 0.1 * rim


def _damask(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    motif = _folded(noise(rng, 1.8), 2) > 0.25
    small = _folded(noise(rng, 1.2), 4) > 0.9
    return np.clip(0.7 * motif + 0.3 * small + 0.06 * noise(rng, 0.4), 0, 1), (
        0.92 + 0.015 * noise(rng, 1.2))


def _pinstripes(u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    lines = edge(u, 0.06, 0.003) + (np.abs(u % 0.12 - 0.09) < 0.012)
    return np.clip(0.8 * lines + 0.05 * noise(rng, 0.8), 0, 1), 0.92 + 0.015 * noise(rng, 1.3)


def _masonry(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    joints, each = rows(u, v, rng, brick=(0.25, 0.075), joint=0.006, across=8)
    rough = noise(rng, 1.0)
    joints = np.clip(joints + 0.5 * np.clip(rough - 1.2, 0, 1), 0, 1)
    return np.clip((0.35 + 0.5 * each + 0.15 * rough) * (1 - joints) + joints, 0, 1), (
        0.75 + 0.05 * relief(rough) + 0.2 * (each - 0.5) * (1 - joints))


def _perforated(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    joints = np.maximum(edge(u, 0.6, 0.006), edge(v, 0.6, 0.006))
    holes = (noise(rng, 0.3) > 1.9) | (grain(rng, 0.7, 3.0) > 2.3)
    return 1 - joints, 0.93 - 0.35 * holes * (1 - joints) + 0.015 * noise(rng, 1.4)


def _brushed(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    lines = streaks(rng, (63, 1))
    return unit(0.15 * lines + 0.2 * noise(rng, 2.0), 1.0), 0.88 + 0.03 * lines


def _laminate(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    specks = noise(rng, 0.4)
    return np.clip(0.4 + 0.5 * (specks > 2.2) - 0.35 * (specks < -2.1), 0, 1), (
        0.95 + 0.008 * noise(rng, 1.6))


def _matte(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    dust = np.clip(noise(rng, 0.9) - 2.6, 0, 0.5)
    return unit(0.15 * noise(rng, 1.9) + dust, 1.0), (
        0.94 + 0.012 * noise(rng, 0.3) + 0.02 * noise(rng, 1.9))


def _knit(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    leg = np.abs(u % 0.01 - 0.005)
    stitch = np.sin(2 * np.pi * (v + leg) / 0.008)
    return unit(0.1 * noise(rng, 1.2) + 0.1 * stitch, 1.0), (
        0.75 + 0.14 * stitch - 0.15 * edge(u, 0.01, 0.0005) + 0.04 * noise(rng, 0.2))


def _twill(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    rib = np.sin(2 * np.pi * (u + v) / 0.004)
    faded = noise(rng, 1.7)
    return unit(0.15 * rib + 0.12 * noise(rng, 0.3) + 0.15 * faded, 1.0), (
        0.85 + 0.06 * rib + 0.03 * faded)


def _tweed(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    threads = grain(rng, 0.3, 6.0) + grain(rng, 0.3, 1 / 6)
    return unit(0.2 * threads, 1.0), 0.85 + 0.05 * noise(rng, 0.2) + 0.03 * noise(rng, 1.5)


def _leather(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    cells_ = -np.exp(-np.abs(noise(rng, 0.8)) * 3)
    creases = -np.exp(-np.abs(noise(rng, 1.5)) * 25)
    return unit(0.2 * noise(rng, 1.4), 1.0), 0.88 + 0.12 * creases + 0.1 * cells_ + 0.05


def _creased(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    height = np.abs(noise(rng, 1.9)) + 0.6 * np.abs(grain(rng, 1.8, 1 / 3))
    return unit(0.12 * noise(rng, 0.5), 1.0), 0.8 + 0.07 * relief(height) + 0.06 * noise(rng, 1.9)


def _flowers(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    mix, shade = dead_leaves(rng, (7, 40), (5, 6, 9, 12), count=260, flat=0.7)
    return unit(mix - 0.5, 1.0), 0.8 + 0.15 * shade + 0.03 * noise(rng, 0.3)


FINISHES: dict[str, Pattern] = {
    'loops': Pattern((0.5, 0.5), _loops),
    'pile': Pattern((0.8, 0.8), _pile),
    'speckled': Pattern((0.8, 0.8), _speckled),
    'carpet_tiles': Pattern((2.0, 2.0), _carpet_tiles),
    'yarn': Pattern((1.5, 1.5), _blocks_of_yarn),
    'oriental': Pattern((1.6, 1.6), _oriental),
    'small_tiles': Pattern((1.0, 1.0), _small_tiles),
    'metro': Pattern((1.2, 1.2), _metro),
    'mosaic': Pattern((0.5, 0.5), _mosaic),
    'large_tiles': Pattern((2.4, 2.4), _large_tiles),
    'granite': Pattern((0.5, 0.5), _granite),
    'slate': Pattern((1.0, 1.0), _slate),
    'lino': Pattern((1.6, 1.6), _lino),
    'screed': Pattern((2.5, 2.5), _screed),
    'inlaid': Pattern((2.0, 2.0), _inlaid),
    'worn': Pattern((2.2, 2.2), _worn),
    'rolled': Pattern((0.7, 0.7), _rolled),
    'woodchip': Pattern((0.9, 0.9), _woodchip),
    'trowelled': Pattern((1.4, 1.4), _trowelled),
    'peeling': Pattern((2.0, 2.0), _peeling),
    'damask': Pattern((1.06, 1.06), _damask),
    'pinstripes': Pattern((0.6, 0.6), _pinstripes),
    'masonry': Pattern((2.0, 1.5), _masonry),
    'perforated': Pattern((1.2, 1.2), _perforated),
    'brushed': Pattern((0.6, 0.3), _brushed),
    'laminate': Pattern((0.5, 0.5), _laminate),
    'matte': Pattern((0.7, 0.7), _matte),
    'knit': Pattern((0.2, 0.2), _knit),
    'twill': Pattern((0.2, 0.2), _twill),
    'tweed': Pattern((0.4, 0.4), _tweed),
    'leather': Pattern((0.6, 0.6), _leather),
    'creased': Pattern((0.9, 0.9), _creased),
    'flowers': Pattern((0.7, 0.7), _flowers),
}
