"""The shape error: what it does to a fit, against random fields; the factor of frames."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import simple_scene as scene

from depth_node.model import OutputKind
from depth_node.scale import Measurement, NotObservable
from depth_node.scale.frames import FRAME_PRIOR, measure_together
from depth_node.scale.measurement import measure, relative_sigma
from depth_node.scale.pixels import pixels_at
from depth_node.scale.shape import CORRELATION, COUNT, moved, PATCHES, PRIOR, shape_sigma, shares

ROOT = np.linalg.cholesky(CORRELATION + 1e-9 * np.eye(COUNT))
EVERYWHERE = np.repeat(np.arange(COUNT), 20)
RING = np.repeat(np.arange(3 * PATCHES[1], 4 * PATCHES[1]), 20)


def field(random, sigma):
    return sigma * ROOT @ random.standard_normal(COUNT)


def test_a_view_of_all_of_the_frame_shows_its_shape_error():
    random = np.random.default_rng(0)
    found = [shape_sigma(field(random, 0.15)[EVERYWHERE], EVERYWHERE) for _ in range(300)]
    assert np.mean(np.square(found)) ** 0.5 == pytest.approx(0.152, rel=0.05)


def test_a_planar_scan_shows_it_too_though_its_patches_are_alike():
    random = np.random.default_rng(1)
    found = []
    for _ in range(500):
        rest = field(random, 0.15)[RING]
        found.append(shape_sigma(rest - np.median(rest), RING))
    assert 0.15 < np.mean(np.square(found)) ** 0.5 < 0.19  # so few may be alike by chance


def test_one_patch_shows_nothing_and_the_prior_stands():
    assert shape_sigma(np.zeros(30), np.full(30, 17)) == pytest.approx(1.22 * PRIOR, rel=0.01)


@pytest.mark.parametrize('patch', [EVERYWHERE, RING, np.full(9, 20), np.arange(8)])
def test_the_error_of_a_part_against_the_whole_is_what_fields_give(patch):
    random = np.random.default_rng(2)
    response = (shares(patch) - 1 / COUNT)[None]
    errors = []
    for _ in range(4000):
        one = field(random, 0.1)
        errors.append(one[patch].mean() - one.mean())
    claimed = math.sqrt(moved(response, 0.1)[0, 0])
    assert np.std(errors) == pytest.approx(claimed, rel=0.05, abs=1e-9)


def spoilt(kind, random, sigma, rows, columns, factor=0.0):
    """Return a frame of a network with a shape error, its pixels, and its own true factor."""
    error = field(random, sigma).reshape(PATCHES) + factor
    z = scene.depth()
    wide = np.repeat(np.repeat(error, 40, axis=0), 40, axis=1)
    frame = scene.frame(kind, z * np.exp(wide))
    noise = np.exp(0.01 * random.standard_normal(rows.size))
    return frame, pixels_at(frame, rows, columns, z[rows, columns] * noise), wide


@pytest.mark.parametrize(('kind', 'lines', 'across'), [
    (OutputKind.METRIC_DEPTH, range(240), range(320)),
    (OutputKind.METRIC_DEPTH, range(130, 140), range(320)),
    (OutputKind.METRIC_DEPTH, range(200, 240), range(40)),
    (OutputKind.RELATIVE_DISPARITY, range(240), range(320)),
    (OutputKind.RELATIVE_DISPARITY, range(240), range(100, 220)),
    (OutputKind.RELATIVE_DEPTH, range(240), range(320)),
    (OutputKind.RELATIVE_DEPTH, range(240), range(100, 220)),
])
def test_sigma_is_true_for_a_network_whose_shape_is_wrong(kind, lines, across):
    """Pixels all over the frame, a band, a corner: the median error of the frame and sigma."""
    errors, sigmas = [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        rows = random.choice(np.array(lines), 1500)
        columns = random.choice(np.array(across), 1500)
        frame, pixels, _ = spoilt(kind, random, 0.06, rows, columns)
        outcome = measure(kind, pixels)
        if isinstance(outcome, NotObservable):
            continue
        found = outcome[0]
        scale, shift = math.exp(found.value[0]), float([*found.value, 0][1])
        x = frame.values.astype(float)
        metres = scale * x + (shift if kind.has_shift else 0)
        if kind is OutputKind.RELATIVE_DISPARITY:
            metres = 1 / np.where(metres > 0, metres, np.nan)
        errors.append(np.nanmedian(np.log(metres / scene.depth())))
        sigmas.append(relative_sigma(found.value, found.covariance + found.bias, found.typical))
    assert len(errors) > 40
    assert np.mean(np.abs(errors) < 2 * np.array(sigmas)) >= 0.9
    assert np.mean(sigmas) < 2.5 * np.sqrt(np.mean(np.square(errors)))


@pytest.mark.parametrize('kind', [OutputKind.METRIC_DEPTH, OutputKind.RELATIVE_DISPARITY])
@pytest.mark.parametrize('spread', [0.03, 0.12])
def test_leave_one_out_is_within_two_sigma(kind, spread):
    """Sets of five frames, each with a factor of its own."""
    random = np.random.default_rng(5)
    errors, sigmas = [], []
    for _ in range(12):
        factors = spread * random.standard_normal(5)
        rows, columns = random.integers(0, 240, 500), random.integers(0, 320, 500)
        parts = [spoilt(kind, random, 0.03, rows, columns, f)[1] for f in factors]
        for out in range(5):
            found = measure_together(kind, [p for i, p in enumerate(parts) if i != out])
            assert isinstance(found, Measurement)
            metres = math.exp(found.value[0]) * parts[out].x + float([*found.value, 0][1]) * (
                kind.has_shift)
            if kind is OutputKind.RELATIVE_DISPARITY:
                metres = 1 / metres
            errors.append(np.median(np.log(metres / parts[out].z)))
            sigmas.append(
                relative_sigma(found.value, found.covariance + found.bias, found.typical)
            )
    assert np.mean(np.abs(errors) < 2 * np.array(sigmas)) >= 0.9
    assert np.mean(sigmas) < 2.5 * np.std(errors)


def test_one_frame_has_the_prior():
    random = np.random.default_rng(6)
    rows, columns = random.integers(0, 240, 500), random.integers(0, 320, 500)
    part = spoilt(OutputKind.METRIC_DEPTH, random, 0.0, rows, columns)[1]
    found = measure_together(OutputKind.METRIC_DEPTH, [part])
    assert isinstance(found, Measurement)
    sigma = relative_sigma(found.value, found.covariance + found.bias, found.typical)
    assert FRAME_PRIOR < sigma < 2 * FRAME_PRIOR


def test_frames_count_alike_however_many_pixels_each_has():
    """One frame of a lidar with 128 rings among those of one with 16."""
    random = np.random.default_rng(7)
    kind = OutputKind.METRIC_DEPTH
    parts = []
    for count, factor in ((3000, 0.1), (300, -0.1), (300, -0.1), (300, -0.1)):
        rows, columns = random.integers(0, 240, count), random.integers(0, 320, count)
        parts.append(spoilt(kind, random, 0.0, rows, columns, factor)[1])
    found = measure_together(kind, parts)
    assert isinstance(found, Measurement)
    assert found.value[0] == pytest.approx(math.log(1.2) + 0.05, abs=0.02)
    assert dataclasses.replace(found).misfit > 0
