"""The filter of the scale: convergence, honesty, outliers, jumps and forgetting."""

from __future__ import annotations

import math

import numpy as np
import pytest

from depth_node.scale import Belief, Measurement, ScaleTracker
from depth_node.scale.tracker import FIRST, REFUSALS


def measurement(log_scale, sigma=0.01, bias=0.0):
    return Measurement(
        np.array([log_scale]), np.array([[sigma**2]]), np.array([[bias**2]]), 1.0, 100, 120
    )


def two(log_scale, shift, covariance):
    return Measurement(
        np.array([log_scale, shift]), covariance, np.zeros((2, 2)), 10.0, 100, 120
    )


def test_says_nothing_before_the_first_few():
    tracker = ScaleTracker(0.01)
    for index in range(FIRST - 1):
        tracker.update(0.1 * index, measurement(0.0))
        assert tracker.belief(1.0) is None
        assert tracker.collecting == FIRST - 1 - index
    assert tracker.update(0.5, measurement(0.0))
    assert tracker.belief(0.5) is not None


def test_constant_scale_is_averaged_and_the_claim_is_true():
    pulls, sigmas = [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        tracker = ScaleTracker(0.01)
        for index in range(30):
            tracker.update(index / 10, measurement(0.7 + 0.01 * random.standard_normal()))
        belief = tracker.belief(3.0)
        pulls.append((belief.value[0] - 0.7) / belief.sigma)
        sigmas.append(belief.sigma)
    assert np.std(pulls) == pytest.approx(1, abs=0.4)
    assert np.mean(sigmas) < 0.006


def test_a_scale_that_drifts_is_followed():
    random = np.random.default_rng(1)
    tracker, truth, errors, claims = ScaleTracker(0.05), 0.0, [], []
    for index in range(300):
        truth += 0.05 * math.sqrt(0.1) * random.standard_normal()
        tracker.update(index / 10, measurement(truth + 0.003 * random.standard_normal(), 0.003))
        if index > 30:
            errors.append(tracker.belief(index / 10).value[0] - truth)
            claims.append(tracker.belief(index / 10).sigma)
    assert np.std(errors) < 0.006
    assert np.mean(np.abs(errors) < 3 * np.array(claims)) > 0.95


def test_every_fifth_measurement_wrong_changes_nothing():
    random = np.random.default_rng(2)
    tracker = ScaleTracker(0.01)
    for index in range(50):
        wrong = index % 5 == 0  # also the very first
        value = random.uniform(-1, 1) if wrong else 0.3 + 0.01 * random.standard_normal()
        tracker.update(index / 10, measurement(value))
    assert tracker.belief(5.0).value[0] == pytest.approx(0.3, abs=0.012)


def test_a_jump_is_refused_then_believed():
    tracker = ScaleTracker(0.01)
    for index in range(20):
        tracker.update(index / 10, measurement(0.001 * (-1) ** index))
    for index in range(REFUSALS - 1):
        assert not tracker.update(2 + index / 10, measurement(1.0))
        assert abs(tracker.belief(3.0).value[0]) < 0.01
    tracker.update(3.0, measurement(1.0))
    assert tracker.belief(3.0) is None  # neither the old nor the new is known now
    for index in range(FIRST):
        tracker.update(3.1 + index / 10, measurement(1.0))
    assert tracker.belief(4.0).value[0] == pytest.approx(1.0, abs=0.01)


def test_uncertainty_grows_while_nothing_is_measured():
    tracker = ScaleTracker(0.02)
    for index in range(20):
        tracker.update(index / 10, measurement(0.0, 0.001))
    at_once, later = tracker.belief(2.0), tracker.belief(102.0)
    assert at_once.sigma < 0.01
    assert later.sigma == pytest.approx(0.02 * math.sqrt(100), rel=0.05)
    assert later.age == pytest.approx(100.1)


def test_shared_error_is_never_averaged_away():
    tracker = ScaleTracker(0.001)
    for index in range(100):
        tracker.update(index / 10, measurement(0.0, 0.001, bias=0.04))
    assert tracker.belief(10.0).sigma == pytest.approx(0.04, rel=0.05)


def test_scatter_beyond_the_claim_widens_it():
    random = np.random.default_rng(3)
    tracker = ScaleTracker(0.0001)
    for index in range(60):
        tracker.update(index / 10, measurement(0.05 * random.standard_normal(), 0.002))
    belief = tracker.belief(6.0)
    assert abs(belief.value[0]) < 3 * belief.sigma
    assert belief.sigma > 0.004


def test_scale_and_shift_together():
    random = np.random.default_rng(4)
    covariance = np.array([[4e-4, -1e-4], [-1e-4, 1e-4]])
    root = np.linalg.cholesky(covariance)
    tracker = ScaleTracker(0.001)
    for index in range(100):
        noise = root @ random.standard_normal(2)
        tracker.update(index / 10, two(-4 + noise[0], 0.05 + noise[1], covariance))
    belief = tracker.belief(10.0)
    error = belief.value - (-4, 0.05)
    assert error @ np.linalg.solve(belief.covariance, error) < 14
    assert np.sqrt(np.diag(belief.covariance)).max() < 0.01


def test_starts_from_a_calibration_and_can_forget_it():
    tracker = ScaleTracker(0.01)
    known = Belief(np.array([0.2]), np.array([[1e-4]]), 1.0, 0.0, 0)
    tracker.start(5.0, known)
    assert tracker.belief(5.0).value[0] == 0.2
    assert tracker.update(5.1, measurement(0.21))
    tracker.reset()
    assert tracker.belief(6.0) is None
