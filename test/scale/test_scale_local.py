"""The local correction: what it takes out, what it must never touch, and when it is silent."""

from __future__ import annotations

from pathlib import Path

import local as bench
import numpy as np
import pytest
import simple_scene as scene

from depth_node.config import Config
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale import PointsReading, ScaleKeeper
from depth_node.scale.local import Anchors, fit_field

SHAPE = (240, 320)


def anchored(truth, metres, count=800, seed=0, until=SHAPE[1]):
    """Return the field of random anchors, which know the truth."""
    random = np.random.default_rng(seed)
    rows, columns = random.integers(0, SHAPE[0], count), random.integers(0, SHAPE[1], count)
    rows, columns = rows[columns < until], columns[columns < until]
    anchors = Anchors(rows, columns, truth[rows, columns].astype(np.float64), SHAPE)
    return fit_field(anchors, metres[rows, columns].astype(np.float64), hold_out=True)


def bent(truth):
    """Return what a network says that takes the left for nearer and the right for farther."""
    slope = np.linspace(-0.2, 0.2, SHAPE[1], dtype=np.float32)
    return (truth * np.exp(slope)).astype(np.float32)


def test_a_bent_world_is_straightened():
    truth = scene.depth().astype(np.float32)
    metres = bent(truth)
    field = anchored(truth, metres)
    assert field.gain > 0.8
    corrected = field.apply(metres.copy())
    assert np.abs(np.log(metres / truth)).mean() > 0.09
    assert np.abs(np.log(corrected / truth)).mean() < 0.015


def test_a_perfect_network_is_left_alone():
    truth = scene.depth().astype(np.float32)
    random = np.random.default_rng(1)
    noisy = truth * np.exp(0.02 * random.standard_normal(SHAPE)).astype(np.float32)
    field = anchored(noisy, truth)
    if field is not None:  # a gain by chance
        assert np.abs(np.log(field.apply(truth.copy()) / truth)).mean() < 0.01


def test_far_from_anchors_it_fades_to_the_global_fit():
    truth = scene.depth().astype(np.float32)
    metres = (1.3 * truth).astype(np.float32)
    metres[:, 160:] = truth[:, 160:]
    field = anchored(truth, metres, until=80)
    corrected = field.apply(metres.copy())
    assert np.abs(np.log(corrected / truth))[:, :60].mean() < 0.02
    np.testing.assert_allclose(corrected[:, 200:], truth[:, 200:], rtol=0.01)
    assert field.support[:, -1].max() < 0.01
    assert field.support[:, 0].min() > 0.9


def test_a_wall_behind_does_not_push_a_near_thing():
    """Anchors on the wall say that it is too near; those on the pole, that it is right."""
    truth = np.full(SHAPE, 6.0, np.float32)
    truth[:, 150:170] = 1.0
    metres = truth.copy()
    metres[truth > 2] = 4.5
    corrected = anchored(truth, metres).apply(metres.copy())
    assert np.median(corrected[:, 155:165]) == pytest.approx(1.0, rel=0.02)
    assert np.median(corrected[:, :140]) == pytest.approx(6.0, rel=0.02)


def test_wrong_anchors_are_outvoted():
    truth = scene.depth().astype(np.float32)
    metres = bent(truth)
    random = np.random.default_rng(2)
    rows, columns = random.integers(0, 240, 1500), random.integers(0, 320, 1500)
    z = truth[rows, columns].astype(np.float64)
    wrong = random.random(1500) < 0.2
    z[wrong] *= np.where(random.random(wrong.sum()) < 0.5, 3, 0.3)
    field = fit_field(
        Anchors(rows, columns, z, SHAPE), metres[rows, columns].astype(np.float64), hold_out=True
    )
    assert field.anchors == pytest.approx(1200, abs=60)
    assert np.abs(np.log(field.apply(metres.copy()) / truth)).mean() < 0.02


def test_a_window_that_a_lidar_sees_through_is_no_correction_of_its_frame():
    """A fifth of the picture is glass: all anchors there are behind it."""
    truth = np.full(SHAPE, 3.0, np.float32)
    random = np.random.default_rng(3)
    rows, columns = random.integers(0, 240, 1500), random.integers(0, 320, 1500)
    z = np.full(1500, 3.0)
    glass = (np.abs(rows - 120) < 50) & (np.abs(columns - 160) < 60)
    z[glass] = random.uniform(5, 30, int(glass.sum()))
    field = fit_field(Anchors(rows, columns, z, SHAPE), np.full(1500, 3.0), hold_out=True)
    if field is None:
        return  # silence is right, too
    corrected = field.apply(truth.copy())
    outside = corrected[:, :60]
    np.testing.assert_allclose(outside, 3.0, rtol=0.03)


def test_what_is_not_finite_stays_so():
    truth = scene.depth().astype(np.float32)
    metres = bent(truth)
    field = anchored(truth, metres)
    metres[:20], metres[20:40], metres[40:60] = np.nan, np.inf, -np.inf
    corrected = field.apply(metres.copy())
    assert np.isnan(corrected[:20]).all()
    assert np.isposinf(corrected[20:40]).all()
    assert np.isneginf(corrected[40:60]).all()
    assert np.isfinite(corrected[64:]).all()


@pytest.mark.parametrize('count', [0, 5, 19])
def test_few_anchors_correct_nothing(count):
    truth = scene.depth().astype(np.float32)
    assert anchored(truth, bent(truth), count) is None


@pytest.mark.parametrize('shape', [(1, 1), (3, 2), (8, 2000), (720, 1280)])
def test_any_size_of_image(shape):
    random = np.random.default_rng(4)
    depth = random.uniform(1, 5, shape).astype(np.float32)
    rows, columns = random.integers(0, shape[0], 300), random.integers(0, shape[1], 300)
    z = depth[rows, columns].astype(np.float64)
    field = fit_field(Anchors(rows, columns, 1.2 * z, shape), z, hold_out=False)
    corrected = field.apply(depth.copy())
    assert corrected.shape == shape
    assert np.isfinite(corrected).all()


def test_its_uncertainty_is_the_misfit_away_from_anchors_and_less_near_them():
    truth = scene.depth().astype(np.float32)
    field = anchored(truth, bent(truth), until=100)
    sigma = field.sigma(0.2, SHAPE)
    assert sigma.shape == SHAPE
    assert sigma[:, :60].max() < 0.05
    assert sigma[:, 250:].min() == pytest.approx(0.2, rel=0.02)


@pytest.mark.parametrize('name', ['ms', 'm'])
def test_kitti(shared_data: Path, name: str):
    """The anchors are never judged; Garg's crop, cap 80 m; five draws."""
    (frame,) = bench.kitti(shared_data)[f'KITTI, RT-MonoDepth-S {name}']

    def draws(**options):
        return np.array([bench.judged(frame, seed=seed, **options) for seed in range(5)])

    assert draws(share=0.1)[:, 1].mean() <= 0.052
    assert draws(share=0.02)[:, 1].mean() <= 0.063
    assert draws(share=0.005)[:, 1].mean() <= 0.080
    assert draws(share=0.1, spoilt=0.2)[:, 1].mean() <= 0.065
    half = draws(share=0.1, left=True)
    assert (half[:, 1] <= 1.01 * half[:, 0]).all()


def keeper(**changes):
    config = Config().replaced({
        'scale.source': 'points', 'scale.max_misfit': 1.0,
        **{key.replace('__', '.'): value for key, value in changes.items()},
    })
    return ScaleKeeper(config, ModelSpec('n', OutputKind.METRIC_DEPTH))


def driven(it, frames=12, late=0):
    """Run over frames of a bent world with points, the last `late` of them still on their way."""
    truth = scene.depth()
    seen = scene.frame(OutputKind.METRIC_DEPTH, bent(truth).astype(np.float64))
    for index in range(frames):
        random = np.random.default_rng(index)
        rows, columns = random.integers(0, 240, 800), random.integers(0, 320, 800)
        z = truth[rows, columns]
        rays = scene.RAYS[rows, columns].astype(float)
        reading = PointsReading(np.column_stack([rays * z[:, None], z]), np.eye(4))
        it.add((index - late) / 10 + 0.001, reading)
        state = it.update(scene.at(index / 10, seen))
    metres = (state.value * seen.values).astype(np.float32)
    return state, metres, truth


@pytest.mark.parametrize('late', [0, 1])
def test_the_keeper_brings_the_field_along(late):
    state, metres, truth = driven(keeper(), late=late)
    assert state.usable
    before = np.abs(np.log(metres / truth)).mean()
    after = np.abs(np.log(state.field.apply(metres) / truth)).mean()
    assert after < 0.25 * before
    assert state.field.gain > 0.5
    assert state.misfit < 0.06  # of pixels after the correction


def test_it_can_be_switched_off_while_running():
    it = keeper()
    assert driven(it)[0].field is not None
    config = Config().replaced({
        'scale.source': 'points', 'scale.local': 'false', 'scale.max_misfit': 1.0
    })
    it.configure(config)
    assert driven(it, 3)[0].field is None


def test_a_field_outlives_its_sensor_only_for_a_moment():
    it = keeper()
    driven(it)
    seen = scene.frame(OutputKind.METRIC_DEPTH, bent(scene.depth()).astype(np.float64))
    assert it.update(scene.at(1.3, seen)).field is not None
    assert it.update(scene.at(1.5, seen)).field is None


@pytest.mark.parametrize('late', [0, 1], ids=['at once', 'a frame late'])
def test_a_standing_camera_collects_the_anchors_of_the_last_moment(late):
    """Thirty points a frame are few; those of half a second are five times as many."""
    truth = scene.depth()
    seen = scene.frame(OutputKind.METRIC_DEPTH, bent(truth).astype(np.float64))
    counts = {}
    for stands in (True, False):
        it = keeper(scale__max_sigma=1.0)
        for index in range(12):
            random = np.random.default_rng(index)
            rows, columns = random.integers(0, 240, 60), random.integers(0, 320, 60)
            z = truth[rows, columns]
            rays = scene.RAYS[rows, columns].astype(float)
            it.add((index - late) / 10, PointsReading(
                np.column_stack([rays * z[:, None], z]), np.eye(4)
            ))
            picture = np.random.default_rng(0 if stands else index).integers(
                0, 255, (240, 320, 3), np.uint8
            )
            state = it.update(scene.at(index / 10, scene.with_image(seen, picture)))
        counts[stands] = state.field.anchors if state.field else 0
    assert counts[True] > 3 * counts[False]


def test_anchors_of_what_has_moved_are_not_used_again():
    """The camera stands, and a box comes nearer: its old distances are of the past."""
    it = keeper(scale__max_sigma=1.0)
    for index in range(10):
        truth = np.full((240, 320), 4.0)
        near = 2.0 - 0.1 * index
        truth[60:180, 100:220] = near
        seen = scene.frame(OutputKind.METRIC_DEPTH, 1.1 * truth)
        random = np.random.default_rng(index)
        rows, columns = random.integers(0, 240, 400), random.integers(0, 320, 400)
        z = truth[rows, columns]
        rays = scene.RAYS[rows, columns].astype(float)
        it.add(index / 10, PointsReading(np.column_stack([rays * z[:, None], z]), np.eye(4)))
        state = it.update(scene.at(index / 10, seen))
    metres = (state.value * seen.values).astype(np.float32)
    if state.field is not None:
        metres = state.field.apply(metres)
    assert np.median(metres[90:150, 130:190]) <= 1.02 * near
