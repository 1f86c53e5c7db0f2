"""Confidence: sorted as the errors are, with a meaning, and without doubt of what comes nearer."""

from __future__ import annotations

from pathlib import Path
import sys
import time

import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.depth.confidence import Confidence
from depth_node.world import World

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'bench'))
import confidence as bench

DATA = Path(__file__).resolve().parents[2] / '../shared/data'
FLOOR = (1 / np.linspace(0.2, 1.5, 240)[:, None] * np.ones((1, 320))).astype(np.float32)


def test_a_plane_is_certain_and_every_term_has_its_meaning() -> None:
    judge = Confidence().judge
    assert judge(FLOOR).min() > 0.9
    assert np.median(judge(FLOOR)) > 0.995
    np.testing.assert_allclose(judge(FLOOR, sigma=0.1), 0.5, atol=0.02)
    np.testing.assert_allclose(judge(FLOOR, sigma=0.2), 0.2, atol=0.01)
    anchors = np.full((30, 40), 0.1, np.float32)
    anchors[:, 20:] = 0.2
    got = judge(FLOOR, anchors=anchors)
    np.testing.assert_allclose(got[:, :140], 0.5, atol=0.03)
    np.testing.assert_allclose(got[:, 180:], 0.2, atol=0.03)
    np.testing.assert_allclose(judge(FLOOR, sigma=0.1, anchors=anchors)[:, :140], 1 / 3, atol=0.03)


def test_the_head_of_a_network_is_relative_to_its_frame() -> None:
    head = np.full(FLOOR.shape, 7.0, np.float32)
    head[:10], head[10:20], head[20:22], head[22:24] = 3.5, 14.0, 0.0, np.nan
    got = Confidence().judge(FLOOR, head=head)
    for rows, expected in ((slice(30, 200), 0.5), (slice(0, 10), 0.2), (slice(10, 20), 0.8)):
        np.testing.assert_allclose(got[rows], expected, atol=1e-5)
    assert (got[20:24] == 0).all()


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 0.0, -1.0])
def test_no_depth_is_no_confidence(value) -> None:
    depth = FLOOR.copy()
    depth[100:110, 50:60] = value
    got = Confidence().judge(depth)
    assert ((got >= 0) & (got <= 1)).all()
    if value != np.inf:
        assert (got[100:110, 50:60] == 0).all()
    assert (Confidence().judge(np.full((20, 30), value, np.float32)) >= 0).all()


def test_edges_and_clutter_are_less_certain_than_planes() -> None:
    depth = FLOOR.copy()
    depth[:100, 200:] = np.random.default_rng(0).uniform(1, 3, (100, 120))
    depth[120:, :60] = 0.5
    got = Confidence().judge(depth)
    assert got[50, 260] < 0.1
    assert got[200, 60] < 0.6
    assert got[200, 250] > 0.95


def test_flicker_is_doubted_but_not_what_comes_nearer() -> None:
    random = np.random.default_rng(0)
    steady, flicker = Confidence(), Confidence()
    for frame in range(6):
        common = np.float32(np.exp(0.2 * random.standard_normal()))  # that is the scale's
        near = FLOOR.copy()
        near[:, 100:200] = 3 * 0.9**frame  # 1 m/s at 10 Hz
        calm = steady.judge(common * near, stamp=frame / 10).copy()
        wild = FLOOR.copy()
        wild[160:] *= np.float32(np.exp(0.1 * random.standard_normal()))
        doubted = flicker.judge(wild, stamp=frame / 10).copy()
    still = Confidence().judge(near)
    assert np.abs(calm - still)[:, 120:180].max() < 0.05
    assert Confidence().judge(wild)[220, 160] > 0.95
    assert doubted[220, 160] < 0.9


@pytest.mark.parametrize('stamps', [
    (0.0, 0.1, 5.0), (0.0, 0.1, 0.1), (0.2, 0.1, 0.0), (None, None, None)
])
def test_frames_that_do_not_follow_each_other_are_not_compared(stamps) -> None:
    judge, random = Confidence(), np.random.default_rng(0)
    for stamp in stamps:
        depth = FLOOR * np.exp(0.3 * random.standard_normal((240, 1))).astype(np.float32)
        got = judge.judge(depth, stamp=stamp)
    np.testing.assert_array_equal(got, Confidence().judge(depth))


@pytest.mark.parametrize('shape', [(1, 1), (3, 500), (48, 64), (375, 1242), (1080, 1920)])
def test_any_size(shape) -> None:
    got = Confidence().judge(np.full(shape, 2.0, np.float32), sigma=0.1)
    assert got.shape == shape
    np.testing.assert_allclose(got, 0.5, atol=0.01)


def test_the_embedded_network_is_wrong_where_it_is_uncertain() -> None:
    """A network's own mistakes in rooms it does not know: the least certain fifth is worse."""
    gains = [bench.sparsified(*frame)[1] for frame in bench.rooms(range(300, 306))]
    assert np.mean(gains) < -0.1


@pytest.mark.skipif(not DATA.exists(), reason='no ../shared/data')
def test_on_kitti_the_least_certain_fifth_carries_a_fifth_of_the_error() -> None:
    mean, gain, perfect = bench.sparsified(*bench.kitti_frame(DATA, 'm'))
    assert 0.1 < mean < 0.15
    assert perfect < -0.3
    assert gain < -0.2


@pytest.mark.skipif(not DATA.exists(), reason='no ../shared/data')
def test_on_kitti_what_a_sensor_corrects_is_known_better() -> None:
    """The distance to the anchors counts: none of them is judged."""
    frame = bench.kitti_frame(DATA, 'm')
    mean, gain, _ = bench.sparsified(*bench.corrected(frame, 0.02))
    assert mean < 0.055
    assert gain < -0.27
    assert bench.sparsified(*bench.corrected(frame, 0.02, left=True))[1] < -0.25


def test_it_costs_about_a_millisecond() -> None:
    world = World(0)
    depth = world.render(Camera.from_hfov(640, 480, 75), world.pose(2.0))[1]
    judge, times = Confidence(), []
    for frame in range(30):
        start = time.thread_time()
        judge.judge(depth, stamp=frame / 30)
        times.append(time.thread_time() - start)
    assert min(times) < 0.003  # 0.7 ms where nothing else runs
