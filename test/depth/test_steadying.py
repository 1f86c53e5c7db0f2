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

CONFIG = Config().replaced({'temporal.enabled': True}).temporal
AFFINE = ModelSpec('affine', OutputKind.RELATIVE_DISPARITY)
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
    import flicker as bench

    standing = bench.run(kind, moving=False, jitter=0.1, frames=20)
    assert standing['times_less'] > 5
    moving = bench.run(kind, moving=True, jitter=0.1, frames=20)
    assert moving['abs_rel_steadied'] <= moving['abs_rel_raw']


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
    frames = [SCENE] * 10 + [SCENE * 1.3] * 90
    out = steadied(Steadier(CONFIG, AFFINE), frames)
    assert np.median(out[10] / frames[10]) < 0.85
    assert np.median(out[-1] / frames[-1]) == pytest.approx(1, abs=0.01)


def test_smoothing_calms_noise_but_not_what_moves():
    random = np.random.default_rng(3)
    frames = [SCENE + 0.02 * random.standard_normal(SCENE.shape) for _ in range(30)]
    config = dataclasses.replace(CONFIG, smoothing=0.8)
    images = []
    for index, values in enumerate(frames):
        thing = (slice(40, 80), slice(3 * index, 3 * index + 60))
        images.append(IMAGE.copy())
        images[-1][thing] += np.uint8((40 + 50 * index) % 256)
        values[thing] -= 0.5
    out = steadied(Steadier(config, AFFINE), frames, lambda index: images[index])
    still = (slice(0, 30), slice(None))
    assert np.std(out[-1][still] - SCENE[still]) < 0.6 * np.std(frames[-1][still] - SCENE[still])
    inside = (slice(45, 75), slice(95, 140))
    assert np.abs(out[-1][inside] - frames[-1][inside]).max() < 0.02


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


def test_relation_of_unrelated_or_few_values_is_none_or_finite():
    assert relation(np.ones(10), np.ones(10), affine=True) is None
    random = np.random.default_rng(5)
    found = relation(random.normal(size=500), random.normal(size=500), affine=False)
    assert found is None or np.isfinite(found).all()

