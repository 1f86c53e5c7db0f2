"""Things in lived-in rooms: as large as in life, and on what carries them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from depth_node.world import devices, equipment, fixtures, goods, parcels, people, workplaces
from depth_node.world.clutter import clutter, KINDS
from depth_node.world.homes import furnish_home
from depth_node.world.parts import Parts, Piece
from depth_node.world.pieces import AT_WALLS, FREE, Maker


def extent(parts: Parts) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest corner."""
    corners = np.concatenate([shape.corners() for shape, _ in parts], 1)
    return corners.min(1), corners.max(1)


def piece(
    make: Callable[[np.random.Generator], Piece]
) -> Callable[[np.random.Generator], tuple[Parts, float, float]]:
    """Return what makes furniture as things are made."""
    return lambda rng: (make(rng).parts, 0.0, 2.0)


# size along x, y and z: between which (m)
TRUE: dict[str, tuple[Callable[[np.random.Generator], tuple[Parts, float, float]], np.ndarray]] = {
    'keyboard': (devices.keyboard, np.array([(0.29, 0.47), (0.12, 0.16), (0.015, 0.03)])),
    'laptop': (devices.laptop, np.array([(0.29, 0.39), (0.19, 0.46), (0.15, 0.3)])),
    'mouse': (devices.mouse, np.array([(0.05, 0.07), (0.1, 0.125), (0.025, 0.055)])),
    'monitor': (devices.monitor, np.array([(0.4, 0.85), (0.15, 0.26), (0.3, 0.63)])),
    'tower': (devices.tower, np.array([(0.15, 0.22), (0.35, 0.5), (0.34, 0.48)])),
    'mug': (goods.mug, np.array([(0.09, 0.14), (0.07, 0.1), (0.08, 0.12)])),
    'bottle': (goods.bottle, np.array([(0.06, 0.1), (0.06, 0.1), (0.18, 0.36)])),
    'can': (goods.can, np.array([(0.066, 0.067), (0.066, 0.067), (0.115, 0.12)])),
    'shoes': (goods.shoes, np.array([(0.2, 0.36), (0.24, 0.45), (0.05, 0.2)])),
    'backpack': (goods.backpack, np.array([(0.28, 0.32), (0.15, 0.3), (0.38, 0.58)])),
    'washer': (piece(equipment.washer), np.array([(0.59, 0.61), (0.57, 0.66), (0.84, 0.86)])),
    'pallet': (piece(equipment.pallet), np.array([(1.2, 1.3), (0.8, 0.95), (0.14, 1.5)])),
    'copier': (piece(equipment.copier), np.array([(0.55, 0.75), (0.5, 0.85), (0.8, 1.25)])),
    'binders': (goods.binders, np.array([(0.05, 0.42), (0.28, 0.3), (0.31, 0.33)])),
}


@pytest.mark.parametrize('name', TRUE)
def test_things_are_as_large_as_in_life_and_within_what_they_say(name: str) -> None:
    make, spans = TRUE[name]
    for seed in range(40):
        parts, _, tall = make(np.random.default_rng(seed))
        low, high = extent(parts)
        assert (high - low >= spans[:, 0]).all(), high - low
        assert (high - low <= spans[:, 1]).all(), high - low
        assert high[2] <= tall + 0.06


def test_keys_are_as_far_apart_on_every_keyboard() -> None:
    for make in (devices.keyboard, devices.laptop, devices.telephone, devices.remote):
        for seed in range(10):
            parts, _, _ = make(np.random.default_rng(seed))
            assert {m.scale for _, m in parts if m.pattern in ('keys', 'keyboard')} == {1.0}


@pytest.mark.parametrize('kind', KINDS)
def test_everything_stands_on_its_surface(kind: str) -> None:
    for make, _ in KINDS[kind]:
        for seed in range(12):
            parts, _, _ = make(np.random.default_rng(seed))
            low, _ = extent(parts)
            assert -0.016 <= low[2] <= 0.012, (make, low)


@pytest.mark.parametrize('kind', KINDS)
def test_clutter_stays_on_its_table_and_apart_from_what_is_there(kind: str) -> None:
    taken = [(0.0, 0.4, 0.2)]
    for seed in range(12):
        parts = clutter(np.random.default_rng(seed), 1.6, 0.8, 0.75, 10, kind=kind, taken=taken)
        assert parts
        low, high = extent(parts)
        assert low[2] > 0.73
        # open flaps, cables and handles may reach over
        centers = np.array([shape.center for shape, _ in parts])
        assert (np.abs(centers[:, 0]) < 0.95).all()
        assert high[2] < 0.75 + 0.6


def test_cartons_are_those_that_are_sold() -> None:
    sold = np.array(parcels.SIZES)
    for seed in range(40):
        parts, _, tall = parcels.carton(np.random.default_rng(seed), 0.5)
        body = max((shape.size for shape, _ in parts), key=lambda size: size[0])
        assert body[0] <= 0.5 * 1.08
        assert (np.abs(sold[:, 2] / tall - 1) < 0.08).any()


def test_sockets_and_switches_are_81_mm_tall_before_the_wall() -> None:
    for seed in range(20):
        parts, wide = fixtures.sockets(np.random.default_rng(seed))
        low, high = extent(parts)
        assert high[2] - low[2] == pytest.approx(0.081)
        assert high[0] - low[0] == pytest.approx(wide)
        assert low[1] >= -1e-9
        assert high[1] < 0.08


def test_people_have_the_size_of_people() -> None:
    for seed in range(30):
        low, high = extent(people.standing(np.random.default_rng(seed)))
        assert 1.45 < high[2] < 2.05
        assert low[2] == pytest.approx(0, abs=0.03)
        assert 0.4 < high[0] - low[0] < 0.75
        low, high = extent(people.sitting(np.random.default_rng(seed), 0.47))
        assert 1.15 < high[2] < 1.5
        assert low[2] == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize('make', [maker for maker, _ in (*AT_WALLS, *FREE)])
def test_furniture_stands_on_the_floor_and_within_its_footprint(make: Maker) -> None:
    for seed in range(8):
        made = make(np.random.default_rng(seed))
        low, high = extent(made.parts)
        assert low[2] == pytest.approx(0, abs=0.02)
        assert high[0] - low[0] < made.width + 0.8
        assert high[1] - low[1] < made.depth + 0.9


def test_what_is_on_a_desk_stands_on_it() -> None:
    for seed in range(12):
        parts = workplaces.desk(np.random.default_rng(seed)).parts
        top = next(s for s, _ in parts if np.ptp(s.corners()[0]) > 1.0)
        level = top.corners()[2].max()
        assert 0.69 < level < 0.77
        boards = [s for s, m in parts if m.pattern in ('keys', 'keyboard') and s.center[2] > level]
        for board in boards:
            assert board.corners()[2].min() < level + 0.07


def test_there_are_halls_of_desks_and_bare_floors_and_none_is_too_full() -> None:
    counts, floors, standing = [], [], []
    for seed in range(40):
        scene = furnish_home(seed)
        counts.append(len(scene.solids))
        standing.append(sum(solid.obstacle for solid in scene.solids))
        floors.append(scene.room.size[0] * scene.room.size[1])
        assert scene == furnish_home(seed)
    counts_, floors_ = np.array(counts), np.array(floors)
    assert counts_.max() < 900
    assert ((floors_ > 60) & (counts_ > 400)).any()
    assert ((floors_ > 20) & (np.array(standing) < 60)).any()
