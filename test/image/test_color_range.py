"""The range of the colors: round ends around nearly all of the depth, one for a video."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from depth_node.image.color import colorize
from depth_node.image.color_range import color_range, ColorRange, NOTHING


def ramp(low: float, high: float) -> np.ndarray:
    """Depths spread evenly."""
    return np.linspace(low, high, 400, dtype=np.float32).reshape(20, 20)


@pytest.mark.parametrize(('depths', 'ends'), [
    ((0.6, 4.7), (0.5, 5.0)),
    ((3.21, 3.86), (3.2, 3.9)),
    ((4.0, 76.0), (0.0, 80.0)),
    ((0.02, 0.3), (0.0, 0.3)),
])
def test_the_ends_are_round_numbers(
    depths: tuple[float, float], ends: tuple[float, float]
) -> None:
    assert color_range(ramp(*depths)) == pytest.approx(ends)


@given(st.floats(1e-3, 500), st.floats(0, 500))
def test_nearly_all_depth_has_its_own_color(low: float, span: float) -> None:
    depth = ramp(low, low + span)
    near, far = color_range(depth)
    assert 0 <= near < far
    inside = (depth >= near - 1e-5) & (depth <= far + 1e-5)
    assert inside.mean() >= 0.94
    assert far - near <= max(1.8 * span, 0.05 * far + 1e-5)
    colorize(depth, near, far, bar=True)


def test_a_few_wild_pixels_and_the_sky_do_not_count() -> None:
    depth = ramp(1.0, 3.0)
    plain = color_range(depth)
    depth[0, :5] = 900.0
    depth[1] = np.inf
    depth[2] = np.nan
    depth[3, 0] = -np.inf
    assert color_range(depth) == pytest.approx(plain, abs=0.3)


def test_nothing_to_see_still_has_a_range() -> None:
    assert color_range(np.full((4, 5), np.nan, np.float32)) == NOTHING


def test_one_range_holds_depth_and_truth() -> None:
    near, far = color_range(ramp(1.0, 2.0), ramp(2.0, 6.0))
    assert near <= 1.1
    assert far >= 5.8


def test_a_recording_keeps_the_range_of_its_first_frame_with_depth() -> None:
    kept, free = ColorRange(kept=True), ColorRange()
    empty = np.full((4, 5), np.nan, np.float32)
    assert kept.metres(empty) == NOTHING
    first, second = ramp(1.0, 2.0), ramp(3.0, 9.0)
    assert kept.metres(first) == kept.metres(second) == kept.metres(empty) == color_range(first)
    assert free.metres(first) != free.metres(second) == color_range(second)
    assert kept.relative(first, (5.0, 1.0)) == kept.relative(second, (9.0, 2.0)) == (5.0, 1.0)
    fixed = ColorRange((0.5, 4.0), kept=True)
    assert fixed.metres(second) == (0.5, 4.0)
    assert fixed.relative(first, (5.0, 1.0)) == (5.0, 1.0)
