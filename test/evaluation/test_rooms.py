"""Sets of real frames against two guesses, on frames whose best guess is known."""

from __future__ import annotations

import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.evaluation.rooms import (
    compare,
    constant,
    floor_and_wall,
    strip,
    table,
    Truth,
)

CAMERA = Camera.from_hfov(160, 120, 75)


def truth(depth: np.ndarray, set_name: str = 'a') -> Truth:
    return Truth.thinned(set_name, '0', depth.astype(np.float32), CAMERA)


def test_a_set_counts_once_and_a_frame_once_within_its_set() -> None:
    flat = np.full((6, 8), 2.0, np.float32)
    frames = [
        compare(name, str(n), flat * off, flat, farthest=10)
        for n, (name, off) in enumerate([('a', 1.1), ('a', 1.3), ('b', 1.6)])
    ]
    rows = table(frames)
    assert list(rows) == ['a', 'b', 'mean']
    assert rows['a']['metric'] == pytest.approx(0.2)
    assert rows['b']['metric'] == pytest.approx(0.6)
    assert rows['mean']['metric'] == pytest.approx(0.4)
    assert rows['mean']['frames'] == 3
    # a common factor is what median scaling takes away
    assert rows['mean']['scaled'] == pytest.approx(0, abs=1e-6)
    assert rows['mean']['a1'] == 1


def test_the_constant_is_the_best_one() -> None:
    found, words = constant([truth(np.full((120, 160), 3.4))], 10)
    assert found[0].metric.abs_rel < 0.04
    assert words == 'one depth, 3.41 m'


def test_a_floor_and_a_wall_are_found() -> None:
    """Of a level camera 0.72 m above a floor, 3.8 m before a wall: within the grid's steps."""
    down = CAMERA.rays()[..., 1].astype(np.float64)
    depth = np.where(down > 0, np.minimum(0.72 / np.maximum(down, 1e-9), 3.8), 3.8)
    one, _ = floor_and_wall([truth(depth)], 10)
    other, _ = constant([truth(depth)], 10)
    assert one[0].metric.abs_rel < 0.12 < other[0].metric.abs_rel


def test_pixels_beyond_the_cap_or_without_truth_do_not_count() -> None:
    depth = np.full((120, 160), 1.9, np.float32)
    depth[:40], depth[40:80] = np.nan, 50.0
    found = compare('a', '0', np.full_like(depth, 1.9), depth, farthest=12)
    assert found.metric.abs_rel == 0
    guessed, _ = constant([truth(depth)], 12)
    assert guessed[0].metric.abs_rel < 0.1


def test_a_strip_has_four_pictures() -> None:
    depth = np.random.default_rng(0).uniform(1, 4, (120, 160)).astype(np.float32)
    picture = strip(np.zeros((120, 160, 3), np.uint8), depth, depth)
    assert picture.shape == (180, 960, 3)
    assert (picture[:, :240] == 0).all()
    np.testing.assert_array_equal(picture[:, 240:480], picture[:, 480:720])
    assert picture[:, 720:].mean() > 250
