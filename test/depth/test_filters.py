"""Check the filters on exact scenes, smeared as networks and resizing smear them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.config import Config
from depth_node.depth.filters import drop_edges, drop_unsteady, drop_unsure, Filters
from depth_node.world import World

THRESHOLD = Config().filter.edge_threshold


def blurred(depth: np.ndarray) -> np.ndarray:
    """Smear as a network does that is unsure where the edge is."""
    return cv2.GaussianBlur(depth, (0, 0), 2.0)


def resized(depth: np.ndarray) -> np.ndarray:
    """Smear as a small network does."""
    small = cv2.resize(depth, (160, 120), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, depth.shape[::-1], interpolation=cv2.INTER_LINEAR)


@pytest.mark.parametrize(('smear', 'width', 'height'), [
    (blurred, 640, 480), (resized, 640, 480), (resized, 960, 720), (resized, 321, 241),
])
def test_flying_pixels_go_and_good_ones_stay(smear, width, height) -> None:
    """Issue 5: of points more than 5 % off any surface 95 % go, of the others under 3 %."""
    camera = Camera.from_hfov(width, height, 70)
    rays = np.concatenate([camera.rays(), np.ones((height, width, 1))], -1)
    flying_gone = flying = good_gone = good = 0
    for seed, time in ((0, 0.0), (2, 9.0)):
        world = World(seed)
        pose = world.pose(time)
        depth = smear(world.render(camera, pose)[1])
        points = rays * depth[..., None]
        off = np.abs(world.distance(points @ pose[:3, :3].T + pose[:3, 3])) / depth > 0.05
        gone = np.isnan(drop_edges(depth, THRESHOLD))
        flying, flying_gone = flying + off.sum(), flying_gone + (gone & off).sum()
        good, good_gone = good + (~off).sum(), good_gone + (gone & ~off).sum()
    assert flying > 300
    assert flying_gone >= 0.95 * flying
    assert good_gone < 0.03 * good


def test_floor_running_away_is_no_edge() -> None:
    v, u = np.mgrid[0:240, 0:320]
    for camera_height in (0.3, 1.5):
        floor = (camera_height * 250 / (v + 3.0)).astype(np.float32)
        assert np.isfinite(drop_edges(floor, THRESHOLD)).all()
    wall = (1 / (0.1 + 0.002 * u)).astype(np.float32)
    assert np.isfinite(drop_edges(wall, THRESHOLD)).all()


def test_small_steps_stay_and_large_ones_go() -> None:
    step = np.full((40, 60), 4.0, np.float32)
    step[:, 30:] = 4.1
    assert np.isfinite(drop_edges(step.copy(), THRESHOLD)).all()
    step[:, 30:] = 6.0
    gone = np.isnan(drop_edges(step, THRESHOLD))
    assert gone[:, 29:31].all()
    assert not gone[:, :26].any()
    assert not gone[:, 34:].any()


@pytest.mark.parametrize('shape', [(41, 61), (1, 1), (2, 3), (480, 1)])
def test_any_shape(shape) -> None:
    depth = np.full(shape, 2.0, np.float32)
    assert np.isfinite(drop_edges(depth, 0.1)).all()
    assert not drop_unsteady(depth, depth.copy(), 0.1).any()
    assert np.isfinite(depth).all()


def test_beside_what_is_not_known_nothing_is_sure() -> None:
    depth = np.full((40, 60), 2.0, np.float32)
    depth[10:20, 10:20] = np.nan
    depth[:5] = np.inf
    drop_edges(depth, THRESHOLD)
    assert np.isnan(depth[10:20, 10:20]).all()
    assert np.isinf(depth[0]).all()
    assert np.isfinite(depth[30:]).all()


def test_pixels_of_low_confidence_go() -> None:
    depth = np.full((64, 64), 2.0, np.float32)
    confidence = np.full((64, 64), 0.7, np.float32)
    confidence[5, 6], confidence[7, 8], confidence[9, 9] = 0.34, 0.36, np.nan
    drop_unsure(depth, confidence, 0.35)
    assert np.isnan(depth[5, 6])
    assert np.isnan(depth[9, 9])
    assert np.isfinite(depth).sum() == 64 * 64 - 2


def test_confidence_gates_by_default_where_the_network_predicts_it() -> None:
    def bars(**changes):
        filters = Filters(Config().replaced(changes).filter)
        return filters.bar(head=True), filters.bar(head=False)

    assert bars() == (0.2, 0.0)
    assert bars(**{'filter.min_confidence': 0.0}) == (0.0, 0.0)
    assert bars(**{'filter.min_confidence': 0.4}) == (0.4, 0.4)


def test_flicker_goes_and_motion_stays() -> None:
    u = np.mgrid[0:80, 0:120][1]
    before = np.where(u < 60, 2.0, 4.0).astype(np.float32)
    after = np.where(u < 62, 2.0, 4.0).astype(np.float32)
    after[20:30, 20:30] = 3.0
    drop_unsteady(after, before, 0.2)
    assert np.isnan(after[20:30, 20:30]).all()
    assert np.isfinite(after).sum() == 80 * 120 - 100


def test_the_largest_numbers_cause_no_warning() -> None:
    with np.errstate(over='raise', divide='raise', invalid='raise'):
        far = np.full((40, 60), 3e38, np.float32)
        near = far.copy()
        drop_unsteady(near, far, 9.0)
        assert np.isfinite(near).all()
        assert np.isfinite(drop_edges(far, THRESHOLD)).all()


def test_what_appears_is_back_after_one_frame() -> None:
    config = Config().replaced(
        {'filter.temporal_threshold': 0.2, 'filter.edge_threshold': 0.0}
    ).filter
    filters = Filters(config)
    wall = np.full((80, 120), 4.0, np.float32)
    person = wall.copy()
    person[20:60, 40:80] = 2.0
    assert np.isfinite(filters.apply(wall)).all()
    assert np.isnan(filters.apply(person.copy())[40, 60])
    assert np.isfinite(filters.apply(person.copy())).all()


@pytest.mark.parametrize('step', [0.3, 0.6, 0.9])
def test_what_comes_nearer_fast_is_not_missing_from_every_frame(step) -> None:
    """By more than the threshold in every frame, as at 2 m/s and 5 Hz."""
    filters = Filters(Config().replaced({'filter.temporal_threshold': 0.1}).filter)
    missing = []
    for frame in range(6):
        depth = np.full((80, 120), 6.0, np.float32)
        depth[20:60, 40:80] = 5.0 - step * frame
        filters.apply(depth)
        missing.append(bool(np.isnan(depth[40, 60])))
    assert not any(missing[2:])


def test_every_filter_can_be_switched_off() -> None:
    rng = np.random.default_rng(0)
    noise = rng.uniform(1, 9, (50, 50)).astype(np.float32)
    off = Config().replaced({
        'filter.edge_threshold': 0.0, 'filter.min_confidence': 0.0,
        'filter.temporal_threshold': 0.0,
    }).filter
    filters = Filters(off)
    for _ in range(2):
        same = filters.apply(noise.copy(), rng.uniform(0, 1, (50, 50)).astype(np.float32))
        np.testing.assert_array_equal(same, noise)
    on = Filters(Config().filter).apply(noise.copy())
    assert np.isnan(on).mean() > 0.5
