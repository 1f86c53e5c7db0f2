"""Steadying: what flickers is steadied, what moves, changes or is steady is left alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from depth_node.config import Config
from depth_node.depth.steadying import relation, Steadier
from depth_node.model import ModelSpec, OutputKind

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'bench'))
import approach
import flicker as flickering

CONFIG = Config().replaced({'temporal.enabled': True}).temporal
AFFINE = ModelSpec('affine', OutputKind.RELATIVE_DISPARITY)
METRIC = ModelSpec('metric', OutputKind.METRIC_DEPTH)
SCENE = np.random.default_rng(0).uniform(1, 5, (120, 160)).astype(np.float32)
IMAGE = np.random.default_rng(1).integers(0, 255, (120, 160, 3), np.uint8)


def steadied(steadier, frames, image=IMAGE, start=0.0):
    """Steady copies of frames, 30 a second."""
    out = []
    for index, values in enumerate(frames):
        out.append(values.astype(np.float32).copy())
        picture = image(index) if callable(image) else image
        steadier.steady(out[-1], picture, start + index / 30)
    return out


def shaken(count=60, jitter=0.1, seed=2):
    random = np.random.default_rng(seed)
    return [
        SCENE * np.exp(jitter * random.standard_normal()) + jitter * random.standard_normal()
        for _ in range(count)
    ]


def flicker(frames):
    return np.median(np.abs(np.diff(np.log(np.array(frames)), axis=0)))


def test_standing_camera_flickers_five_times_less():
    frames = shaken()
    assert flicker(steadied(Steadier(CONFIG, AFFINE), frames)) < flicker(frames) / 5


@pytest.mark.parametrize('kind', list(OutputKind))
def test_five_times_less_in_the_world_and_no_less_accurate_when_moving(kind):
    standing = flickering.run(kind, moving=False, jitter=0.1, frames=20)
    assert standing['times_less'] > 5
    moving = flickering.run(kind, moving=True, jitter=0.1, frames=20)
    assert moving['abs_rel_steadied'] <= moving['abs_rel_raw']


@pytest.mark.parametrize('rate', [5.0, 30.0])
@pytest.mark.parametrize('kind', list(OutputKind))
def test_a_standing_camera_flickers_five_times_less_at_any_rate(kind, rate):
    assert approach.standing(1, rate, kind, 0.1) > 5


@pytest.mark.parametrize(('way', 'speed', 'rate'), [
    (approach.drive, 0.2, 5.0), (approach.drive, 1.0, 10.0), (approach.drive, 2.0, 30.0),
    (approach.visit, 0.5, 10.0),
])
def test_what_comes_nearer_is_not_kept_away(way, speed, rate):
    """The camera drives at things, stops and goes on, or a person comes up to it."""
    found = approach.measure([(way, 1, speed, rate)], (0.0, 0.1))
    assert len(found) == 2 * len(OutputKind) + 1
    assert {name: worst for name, worst in found.items() if max(worst) > 1.02} == {}


@pytest.mark.parametrize('picture', ['plain', 'never changes'])
@pytest.mark.parametrize('kind', list(OutputKind))
@pytest.mark.parametrize(('speed', 'rate'), [(0.2, 5), (0.2, 30), (0.5, 10), (1, 15), (2, 30)])
def test_a_wall_that_comes_nearer_unseen_is_not_kept_away(speed, rate, kind, picture):
    """Not even where the picture shows nothing of it, after a long pause."""
    random = np.random.default_rng(4)
    steadier = Steadier(CONFIG, flickering.spec_of(kind))
    image = np.full_like(IMAGE, 200) if picture == 'plain' else IMAGE
    things = np.float32(3) + SCENE / 2
    for index in range(2 * rate + round(3 * rate / speed)):
        distance = things - np.float32(max(0, index - 2 * rate) * speed / rate)
        if distance.min() < 0.3:
            break
        values = flickering.values_of(kind, distance)
        values *= 1 + np.float32(0.005) * random.standard_normal(values.shape, np.float32)
        raw = flickering.metres(kind, values)
        steadier.steady(values, image, index / rate)
        assert np.nanmax(flickering.metres(kind, values) / raw) < 1.02
    assert distance.min() < 1


def test_a_part_that_comes_nearer_unseen_is_not_kept_away():
    """A plain thing, hardly to be told from what is behind it, while the network jitters."""
    steadier, frames = Steadier(CONFIG, AFFINE), shaken(120, jitter=0.03)
    part = (slice(30, 90), slice(40, 120))
    for index, frame in enumerate(frames):
        values = frame.astype(np.float32)
        if index >= 40:  # disparity: nearer is larger
            values[part] *= np.float32(1 + 0.02 * (index - 39))
        raw = values.copy()
        steadier.steady(values, IMAGE, index / 30)
        if index >= 45:
            assert (values[part] >= raw[part] / 1.02).all()


def test_odometry_that_moves_is_believed():
    steadier, frames = Steadier(CONFIG, AFFINE), shaken(30)
    for index, frame in enumerate(frames):
        values = frame.astype(np.float32)
        raw = values.copy()
        steadier.steady(values, IMAGE, index / 30, moving=True)
        assert np.array_equal(values, raw)


def test_nothing_is_corrected_while_a_thing_moves_through_the_picture():
    frames, images = shaken(40), []
    for index in range(40):
        images.append(IMAGE.copy())
        images[-1][20:60, 2 * index:2 * index + 40] = 30
    out = steadied(Steadier(CONFIG, AFFINE), frames, lambda k: images[k])
    assert np.array_equal(out, np.array(frames, np.float32))


def test_a_drift_to_one_side_ends_the_pause_for_a_while():
    """The network jitters, and then moves on without a picture that shows it."""
    trend = [1.0] * 60 + [0.97**k for k in range(1, 60)]
    random = np.random.default_rng(8)
    steadier = Steadier(CONFIG, METRIC)
    ratios = []
    for index, factor in enumerate(trend):
        values = np.float32(SCENE * factor * np.exp(0.02 * random.standard_normal()))
        raw = values.copy()
        steadier.steady(values, IMAGE, index / 30)
        ratios.append(float(np.median(values / raw)))
    assert max(ratios[:60]) > 1.03
    assert max(ratios[60:]) < 1.15
    assert ratios[75:] == [1.0] * len(ratios[75:])


def test_off_changes_nothing():
    config = dataclasses.replace(CONFIG, enabled=False)
    frames = shaken(5)
    assert np.array_equal(
        steadied(Steadier(config, AFFINE), frames), np.array(frames, np.float32)
    )


def test_steady_predictions_are_left_alone():
    frames = [SCENE] * 10
    assert np.array_equal(steadied(Steadier(CONFIG, AFFINE), frames), frames)


def test_first_frame_has_no_past_and_no_delay():
    frames = shaken(2)
    out = steadied(Steadier(CONFIG, AFFINE), frames)
    assert np.array_equal(out[0], np.float32(frames[0]))


def test_a_cut_forgets():
    other = np.random.default_rng(9).integers(0, 255, IMAGE.shape, np.uint8)
    frames = shaken(11)
    out = steadied(Steadier(CONFIG, AFFINE), frames, lambda k: IMAGE if k < 10 else other)
    assert np.array_equal(out[10], np.float32(frames[10]))
    assert not np.array_equal(out[9], np.float32(frames[9]))


@pytest.mark.parametrize('later', [2.0, -5.0])
def test_a_gap_or_a_clock_that_jumps_back_forgets(later):
    steadier, frames = Steadier(CONFIG, AFFINE), shaken(10)
    steadied(steadier, frames)
    assert np.array_equal(
        steadied(steadier, frames[:1], start=later + 0.3)[0], np.float32(frames[0])
    )


def test_another_size_forgets():
    steadier = Steadier(CONFIG, AFFINE)
    steadied(steadier, shaken(5))
    small = SCENE[:60, :80].copy()
    steadier.steady(small, np.ascontiguousarray(IMAGE[:60, :80]), 0.2)
    assert np.array_equal(small, SCENE[:60, :80])


def test_light_that_changes_is_no_motion():
    dim = [np.clip(IMAGE * 0.5 + 20 * (k % 2), 0, 255).astype(np.uint8) for k in range(40)]
    frames = shaken(40)
    out = steadied(Steadier(CONFIG, AFFINE), frames, lambda k: dim[k])
    assert flicker(out) < flicker(frames) / 4


def test_what_lasts_comes_through():
    """A scale that changes for good is not held back for longer than the time constant says."""
    gains = np.exp(0.1 * np.random.default_rng(6).standard_normal(160))
    frames = [SCENE * gain * (1 if index < 60 else 1.15) for index, gain in enumerate(gains)]
    config = dataclasses.replace(CONFIG, time_constant=0.5)
    out = steadied(Steadier(config, METRIC), frames)
    ratios = [float(np.median(one / SCENE)) for one in out]
    assert np.std(ratios[10:60]) < np.std(gains[10:60]) / 3
    assert ratios[60] < 1.1
    assert np.mean(ratios[-60:]) == pytest.approx(1.15 * np.mean(gains[-60:]), rel=0.03)


def test_smoothing_calms_noise_but_not_what_moves():
    random = np.random.default_rng(3)
    frames = [
        (SCENE + 0.02 * random.standard_normal(SCENE.shape)).astype(np.float32)
        for _ in range(30)
    ]
    config = dataclasses.replace(CONFIG, smoothing=0.8)
    out = steadied(Steadier(config, AFFINE), frames)
    assert np.std(out[-1] - SCENE) < 0.6 * np.std(frames[-1] - SCENE)
    images = []
    for index in range(30):
        images.append(IMAGE.copy())
        images[-1][40:80, 3 * index:3 * index + 60] += np.uint8((40 + 50 * index) % 256)
    moving = steadied(Steadier(config, AFFINE), frames, lambda index: images[index])
    assert np.array_equal(moving, frames)


def test_values_that_are_not_finite_stay_where_they_are():
    config = dataclasses.replace(CONFIG, smoothing=0.8)
    frames = shaken(6)
    frames[2][10:20], frames[3][50:60] = np.nan, np.inf
    out = steadied(Steadier(config, AFFINE), frames)
    for given_, result in zip(frames, out, strict=True):
        assert np.array_equal(np.isfinite(given_), np.isfinite(result))


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0.5, 2), st.floats(-3, 3), st.floats(0, 0.25), st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_relation_finds_gain_and_offset_among_outliers(gain, offset, wrong, seed, affine):
    random = np.random.default_rng(seed)
    now = random.uniform(1, 10, 2000)
    then = gain * now + (offset if affine else 0)
    off = random.random(2000) < wrong
    then[off] += random.uniform(-3, 3, off.sum())
    found = relation(now, then, affine=affine)
    assert found[0] == pytest.approx(gain, rel=0.02)
    assert found[1] == pytest.approx(offset if affine else 0, abs=0.1)


def test_unrelated_or_few_values_have_no_relation():
    assert relation(np.ones(10), np.ones(10), affine=True) is None
    random = np.random.default_rng(5)
    assert relation(random.normal(size=500), random.normal(size=500), affine=False) is None

