"""Check every formula against closed forms, and the ways of being invalid."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.depth.metres import (
    clip_range,
    focal_correction,
    mark_sky,
    network_focal,
    Scale,
    scale_of,
    to_metres,
)
from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.model import Aspect, ModelSpec, OutputKind
from depth_node.model.prediction import Prediction

NOT_FINITE = [math.nan, math.inf, -math.inf]


def metres(kind: OutputKind, values, scale=1.0, shift=0.0, focal=1.0, **fields) -> np.ndarray:
    prediction = Prediction(np.array([values], np.float32))
    out = np.full((1, len(values)), 99, np.float32)
    result = to_metres(
        prediction, ModelSpec('m', kind, **fields), Scale(scale, shift), focal, out
    )
    assert result is out
    return out[0]


def test_metric_depth_is_as_is_times_focal() -> None:
    np.testing.assert_allclose(metres(OutputKind.METRIC_DEPTH, [1, 2.5], focal=1.2), [1.2, 3])


def test_canonical_depth_is_at_300_pixels() -> None:
    spec = ModelSpec('da3', OutputKind.CANONICAL_DEPTH)
    factor, note = focal_correction(spec, 450.0, enabled=False)
    assert (factor, note) == (1.5, None)
    np.testing.assert_allclose(metres(OutputKind.CANONICAL_DEPTH, [2.0], focal=factor), [3.0])


def test_relative_depth_has_scale_and_shift() -> None:
    np.testing.assert_allclose(
        metres(OutputKind.RELATIVE_DEPTH, [0.0, 1.0, 2.0], scale=3, shift=0.5), [0.5, 3.5, 6.5]
    )


def test_sigmoid_disparity_spans_its_range() -> None:
    """Monodepth2's: 0 is farthest, 1 nearest, both times the scale."""
    depth = metres(OutputKind.SIGMOID_DISPARITY, [0.0, 1.0, 0.5], scale=5.4, focal=1.1)
    half = 1 / (0.5 * (1 / 100 + 1 / 0.1))
    np.testing.assert_allclose(depth, np.array([100, 0.1, half]) * 5.4 * 1.1, rtol=1e-5)


def test_relative_disparity_inverts_after_scaling() -> None:
    depth = metres(OutputKind.RELATIVE_DISPARITY, [0.0, 1.0, 3.0], scale=0.25, shift=0.25)
    np.testing.assert_allclose(depth, [4, 2, 1])
    assert metres(OutputKind.RELATIVE_DISPARITY, [0.0])[0] == np.inf


@pytest.mark.parametrize('kind', list(OutputKind))
def test_what_is_not_finite_or_not_positive_is_nan(kind: OutputKind) -> None:
    assert np.isnan(metres(kind, NOT_FINITE, scale=2.0, shift=0.1)).all()
    assert np.isnan(metres(kind, [-50.0], scale=2.0)).all()


def test_zero_depth_is_not_a_depth() -> None:
    assert np.isnan(metres(OutputKind.METRIC_DEPTH, [0.0])[0])


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(list(OutputKind)),
    st.lists(st.floats(width=32), min_size=1, max_size=20),
    st.floats(1e-3, 1e3), st.floats(-10, 10), st.floats(0.3, 3),
)
def test_never_zero_and_never_negative(kind, values, scale, shift, focal) -> None:
    depth = metres(kind, values, scale, shift, focal)
    assert (np.isnan(depth) | (depth > 0)).all()


def test_works_in_place_and_beyond_one_strip() -> None:
    values = np.random.default_rng(0).uniform(1, 9, (300, 400)).astype(np.float32)
    prediction = Prediction(values.copy())
    spec = ModelSpec('m', OutputKind.METRIC_DEPTH)
    to_metres(prediction, spec, Scale(2.0), 1.0, prediction.values)
    np.testing.assert_allclose(prediction.values, 2 * values)
    with pytest.raises(DataError, match='do not match'):
        to_metres(prediction, spec, Scale(), 1.0, np.empty((400, 300), np.float32))


def test_no_scale_no_metres() -> None:
    """The safety rule: only metric kinds and weights that say so have a scale by themselves."""
    assert scale_of(ModelSpec('m', OutputKind.METRIC_DEPTH)) == Scale(1.0)
    assert scale_of(ModelSpec('m', OutputKind.CANONICAL_DEPTH)) == Scale(1.0)
    assert scale_of(ModelSpec('m', OutputKind.SIGMOID_DISPARITY, scale=5.4)) == Scale(5.4)
    assert scale_of(ModelSpec('m', OutputKind.SIGMOID_DISPARITY)) is None
    assert scale_of(ModelSpec('m', OutputKind.RELATIVE_DEPTH)) is None
    assert scale_of(ModelSpec('m', OutputKind.RELATIVE_DISPARITY, scale=2.0)) is None


def test_focal_correction_is_the_ratio_and_warns() -> None:
    spec = ModelSpec('kitti', OutputKind.SIGMOID_DISPARITY, scale=5.4, train_focal=370.0)
    assert focal_correction(spec, 370.0) == (1.0, None)
    factor, note = focal_correction(spec, 740.0)
    assert factor == 2.0
    assert note is not None
    assert '2.00' in note
    assert focal_correction(spec, 740.0, enabled=False) == (1.0, None)
    factor, note = focal_correction(ModelSpec('new', OutputKind.METRIC_DEPTH), 500.0)
    assert factor == 1.0
    assert note is not None
    relative = ModelSpec('r', OutputKind.RELATIVE_DISPARITY)
    assert focal_correction(relative, 500.0) == (1.0, None)


def test_focal_at_network_size() -> None:
    camera = Camera(1242, 375, 721.5, 721.5, 609.0, 172.0)
    network = Size(640, 192)
    assert network_focal(camera, Aspect.SQUASH, network) == pytest.approx(721.5 * 192 / 375)
    assert network_focal(camera, Aspect.CROP, network) == pytest.approx(721.5 * 640 / 1242)


def test_range_is_clipped_as_rep_117() -> None:
    depth = np.array([[0.05, 0.1, 5, 20, 20.01, *NOT_FINITE]], np.float32)
    assert clip_range(depth, 0.1, 20.0) is depth
    np.testing.assert_array_equal(
        depth, np.array([[-np.inf, 0.1, 5, 20, np.inf, *NOT_FINITE]], np.float32)
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(width=32), min_size=1, max_size=40),
    st.floats(0, 10), st.floats(10.5, 100),
)
def test_what_remains_finite_is_inside(values, nearest, farthest) -> None:
    before = np.array([values], np.float32)
    after = clip_range(before.copy(), nearest, farthest)
    near, far = before < np.float32(nearest), before > farthest
    np.testing.assert_array_equal(after[near & np.isfinite(before)], -np.inf)
    np.testing.assert_array_equal(after[far & np.isfinite(before)], np.inf)
    np.testing.assert_array_equal(after[~near & ~far], before[~near & ~far])


@pytest.mark.parametrize('value', [np.inf, np.nan])
def test_sky_has_its_own_value(value: float) -> None:
    depth = np.full((1, 3), 5, np.float32)
    sky = np.array([[0.1, 0.3, 0.9]], np.float32)
    np.testing.assert_array_equal(mark_sky(depth, sky, 0.3, value), [[5, value, value]])
