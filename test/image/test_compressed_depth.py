"""compressedDepth, read back by an implementation restated from the description of the format."""

from __future__ import annotations

import io
import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
import numpy as np
from PIL import Image
import pytest

from depth_node.errors import DataError
from depth_node.image.compressed_depth import decode_depth, encode_depth, format_of

FARTHEST, STEPS = 10.0, 100.0


def restated(data: bytes, encoding: str) -> np.ndarray:
    """Read the format with struct and Pillow: 12 bytes, then a PNG of a / z + b."""
    kind, a, b = struct.unpack('<iff', data[:12])
    assert kind == 0
    codes = np.asarray(Image.open(io.BytesIO(data[12:]))).astype(np.float64)
    if encoding == '16UC1':
        return np.where(codes > 0, codes / 1000, np.nan)
    return np.where(codes > 0, a / np.where(codes > 0, codes - b, 1), np.nan)


NOT_SENT = (np.nan, np.inf, -np.inf, 0.0, 11.0)
DEPTHS = arrays.arrays(
    np.float32, (6, 5),
    elements=st.floats(0.25, 9.75, width=32) | st.sampled_from(NOT_SENT),
)


@settings(max_examples=100, deadline=None)
@given(DEPTHS)
def test_floats_come_back_within_the_quantisation(metres: np.ndarray) -> None:
    data = encode_depth(metres, '32FC1', FARTHEST, STEPS)
    back, own = restated(data, '32FC1'), decode_depth(data, format_of('32FC1'))
    known = np.isfinite(metres) & (metres > 0) & (metres < FARTHEST)
    assert np.array_equal(np.isfinite(back), known)
    error = np.abs(back[known] - metres[known])
    step = np.square(metres[known].astype(float)) / (STEPS * (STEPS + 1))
    assert (error <= 1.02 * step + 1e-5).all()
    np.testing.assert_allclose(own[known], back[known], rtol=1e-5)
    assert np.array_equal(np.isfinite(own), known)


def test_millimetres_come_back_exactly() -> None:
    metres = np.array([[0.5, 1.234, np.nan], [np.inf, 65.0, 0.0]], np.float32)
    data = encode_depth(metres, '16UC1')
    expected = np.array([[0.5, 1.234, np.nan], [np.nan, 65.0, np.nan]])
    np.testing.assert_allclose(restated(data, '16UC1'), expected)
    np.testing.assert_allclose(decode_depth(data, format_of('16UC1')), expected, rtol=1e-6)


def test_what_is_too_near_for_a_code_is_unknown_and_does_not_wrap_round() -> None:
    """10,100 / 0.1 is 101,000, which 16 bits would make 35,464: 0.28 m."""
    data = encode_depth(np.full((4, 4), 0.1, np.float32), '32FC1', FARTHEST, STEPS)
    assert np.isnan(restated(data, '32FC1')).all()


@pytest.mark.parametrize(('data', 'form', 'match'), [
    (b'', '32FC1; compressedDepth png', 'of 0 bytes'),
    (bytes(12) + b'no png', '32FC1; compressedDepth png', 'no 16-bit gray PNG'),
    (bytes(40), '32FC1; compressedDepth rvl', 'not a depth image'),
    (bytes(40), 'rgb8; jpeg compressed bgr8', 'not a depth image'),
])
def test_other_bytes_are_refused(data: bytes, form: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        decode_depth(data, form)
