from __future__ import annotations

import numpy as np
import pytest

from depth_node.engine import verify
from depth_node.model.prediction import Prediction

FRAMES = [np.full((20, 30, 3), n, np.uint8) for n in (10, 90, 200)]


class Saying:
    """An engine that says what a function makes of the frame."""

    def __init__(self, says, sky=None):
        self.says, self.sky = says, sky

    def buffers(self, height, width):
        return Prediction.empty(height, width, sky=self.sky is not None)

    def infer(self, frame, out):
        out.values[:] = self.says(frame[:, :, 0].astype(np.float32) + 1)
        if self.sky is not None:
            out.sky[:] = self.sky


def verdict(says, **options):
    return verify.compare(Saying(says, **options), Saying(lambda d: d, **options), FRAMES)


def test_the_same_is_good():
    found = verdict(lambda d: d)
    assert found.good
    assert (found.frames, found.median, found.p99) == (3, 0, 0)


def test_errors_are_what_they_are():
    found = verdict(lambda d: d * 1.004)
    assert found.good
    assert found.median == pytest.approx(0.004, rel=1e-3)
    assert found.p99 == pytest.approx(0.004, rel=1e-3)
    assert found.as_facts('fp16')['good'] is True


def test_a_scale_that_jumps_in_one_frame_is_seen():
    """As NVIDIA/TensorRT #4723 looks: right on most frames."""
    found = verdict(lambda d: d * (1.2 if d[0, 0] > 150 else 1))
    assert not found.good
    assert 'relative error 20.00% (median)' in found.reason


def test_a_corner_gone_wrong_is_seen_in_the_tail():
    def spoiled(depth):
        depth[:4, :4] *= 3
        return depth

    found = verdict(spoiled)
    assert found.median == 0
    assert not found.good


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_one_nan_is_a_failure(bad):
    def one(depth):
        depth[3, 3] = bad
        return depth

    assert 'not a number in frame 1' in verdict(one).reason


def test_what_the_network_does_not_see_is_nan_in_both():
    def cropped(depth):
        depth[:, :5] = np.nan
        return depth

    both = verify.compare(Saying(cropped), Saying(cropped), FRAMES)
    assert both.good
    assert not verify.compare(Saying(lambda d: d), Saying(cropped), FRAMES).good


def test_the_sky_counts_too():
    other = verify.compare(Saying(lambda d: d, sky=0.9), Saying(lambda d: d, sky=0.1), FRAMES)
    assert not other.good


def test_noise_around_zero_is_not_an_error():
    """Disparity of a far wall: 1e-6 instead of 0, where near things have 1."""
    expected = np.linspace(0, 1, 100, dtype=np.float32)
    assert verify.relative_error(expected + 1e-6, expected).max() < 1e-3


def test_frames_look_like_something_and_never_change():
    own = np.zeros((4, 4, 3), np.uint8)
    frames = verify.sample_frames([own])
    assert frames[0] is own
    assert len({frame.shape for frame in frames[1:]}) == 2
    assert all(frame.std() > 10 for frame in frames[1:])
    for one, again in zip(frames, verify.sample_frames([own]), strict=True):
        np.testing.assert_array_equal(one, again)


def test_an_engine_that_answers_the_same_frame_in_two_ways_is_not_good():
    """Also where each answer is within what one look allows."""
    calls = []

    def varying(depth):
        calls.append(1)
        return depth * (1.008 if len(calls) % 2 else 1.0)

    expected = verify.answers(Saying(lambda d: d), FRAMES)
    assert verify.check(Saying(varying), FRAMES, expected).good
    found = verify.check(Saying(varying), FRAMES, expected, rounds=4)
    assert not found.good
    assert 'from one run to the next' in found.reason
    assert found.spread == pytest.approx(0.008, rel=0.1)
    assert found.rounds == 4


def test_frames_are_looked_at_in_turns():
    seen, steps = [], []
    engine = Saying(lambda d: seen.append(float(d.flat[0])) or d)
    expected = verify.answers(Saying(lambda d: d), FRAMES)
    verify.check(
        engine, FRAMES, expected, rounds=2, step=lambda done, total: steps.append((done, total))
    )
    assert seen == [11, 91, 201, 11, 91, 201]
    assert steps == [(n, 6) for n in range(6)]


def test_not_a_number_now_and_then_is_not_good():
    calls = []

    def now_and_then(depth):
        calls.append(1)
        if len(calls) == 5:
            depth[0, 0] = np.nan
        return depth

    expected = verify.answers(Saying(lambda d: d), FRAMES)
    assert not verify.check(Saying(now_and_then), FRAMES, expected, rounds=3).good


@pytest.mark.parametrize('facts', [
    {}, {'board': None, 'advisories': None}, {'board': [1], 'advisories': 'x'}, {'board': {}},
])
def test_circumstances_that_are_not_known_are_left_out(facts):
    assert verify.circumstances(facts) == {}


def test_circumstances_of_a_build():
    found = verify.circumstances({
        'board': {'board': 'Jetson Orin NX', 'power mode': '3 (25W)'},
        'advisories': ['TensorRT 10.3: wrong (address)'],
    })
    assert found == {
        'engine built on': 'board: Jetson Orin NX, power mode: 3 (25W)',
        'engine reports': 'TensorRT 10.3: wrong (address)',
    }
