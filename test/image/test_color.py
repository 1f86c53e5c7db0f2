"""Check that one color means one distance."""

from __future__ import annotations

import cv2
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from depth_node.image.color import bar_height, colorize, INVALID, round_marks, scale_bar


def luminance(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_BGR2LAB)[..., 0].astype(int)


def test_near_is_bright_and_steps_are_even() -> None:
    ramp = np.linspace(0.5, 10.5, 21, dtype=np.float32)[None]
    light = luminance(colorize(ramp, 0.5, 10.5))[0]
    steps = -np.diff(light)
    assert (steps > 0).all()
    assert steps.max() <= 1.6 * np.median(steps)


def test_invalid_is_gray_and_infinities_are_the_ends() -> None:
    depth = np.array([[np.nan, np.inf, 99, 10, -np.inf, 0.01, 1]], np.float32)
    picture = colorize(depth, 1.0, 10.0)[0]
    assert (picture[0] == INVALID).all()
    assert (picture[1] == picture[3]).all()
    assert (picture[2] == picture[3]).all()
    assert (picture[4] == picture[6]).all()
    assert (picture[5] == picture[6]).all()
    light = luminance(picture[None])[0]
    assert light[3] < 10
    assert light[6] > 240


def test_color_does_not_depend_on_the_frame() -> None:
    near = np.array([[2.0, 3.0]], np.float32)
    far = np.array([[3.0, 9.0]], np.float32)
    assert (colorize(near, 0, 10)[0, 1] == colorize(far, 0, 10)[0, 0]).all()


def test_writes_into_the_buffer_it_is_given() -> None:
    out = np.zeros((4, 5, 3), np.uint8)
    assert colorize(np.ones((4, 5), np.float32), 0.5, 2, out=out) is out
    assert out.any()


def test_scale_bar_is_added_below() -> None:
    depth = np.full((240, 320), 2.0, np.float32)
    plain = colorize(depth, 0.5, 10)
    barred = colorize(depth, 0.5, 10, bar=True)
    assert barred.shape == (240 + bar_height(240), 320, 3)
    np.testing.assert_array_equal(barred[:240], plain)
    light = luminance(barred[240:243])[1]
    assert light[0] > 230
    assert light[-1] < 30
    assert (barred[252:] == 255).any()  # the distances


@pytest.mark.parametrize(('ends', 'marks'), [
    ((0.3, 10.0), [2, 4, 6, 8, 10]),
    ((0.0, 20.0), [0, 5, 10, 15, 20]),
    ((0.3, 80.0), [20, 40, 60, 80]),
    ((0.2, 1.0), [0.2, 0.4, 0.6, 0.8, 1.0]),
    ((1.0, 1.004), [1.0, 1.001, 1.002, 1.003, 1.004]),
])
def test_marks_are_round_numbers(ends: tuple[float, float], marks: list[float]) -> None:
    assert round_marks(*ends, 6) == pytest.approx(marks, abs=1e-12)


@given(st.floats(0, 1000), st.floats(0.01, 1000), st.integers(0, 20))
def test_any_range_has_some_marks_within_it(nearest: float, span: float, most: int) -> None:
    marks = round_marks(nearest, nearest + span, most)
    assert 1 <= len(marks) <= max(most, 2)
    assert marks == sorted(marks)
    assert nearest - 1e-6 <= marks[0] <= marks[-1] <= nearest + span + 1e-6


def test_a_mark_stands_below_its_color() -> None:
    bar = scale_bar(640, 40, 0.3, 10.0)
    ticks = np.flatnonzero((bar[21] == 255).all(-1))
    assert len(ticks) == 5
    np.testing.assert_allclose(0.3 + ticks / 639 * 9.7, [2, 4, 6, 8, 10], atol=0.02)


@pytest.mark.parametrize('width', [1, 8, 64, 320, 1920])
def test_the_scale_is_drawn_at_any_width(width: int) -> None:
    assert scale_bar(width, 20, 0.3, 10.0).shape == (20, width, 3)


def test_a_disparity_is_brightest_where_it_is_largest():
    """The nearest value may be the larger one; it was one single color."""
    ramp = np.linspace(0, 5, 50, dtype=np.float32)[None]
    light = luminance(colorize(ramp, 5.0, 0.0))[0]
    assert (np.diff(light) >= 0).all()
    assert light[-1] > light[0] + 100
    np.testing.assert_array_equal(colorize(ramp, 5.0, 0.0)[:, ::-1], colorize(ramp, 0.0, 5.0))
