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
from depth_node.image import rvl
from depth_node.image.compressed_depth import decode_depth, encode_depth, format_of

FARTHEST, STEPS = 10.0, 100.0


def rvl_restated(data: bytes) -> np.ndarray:
    """Read width, height and RVL nibble by nibble, as Wilson's paper describes it."""
    width, height = struct.unpack('<II', data[:8])
    nibbles = [
        word >> shift & 15 for (word,) in struct.iter_unpack('<I', data[8:])
        for shift in range(28, -1, -4)
    ]
    nibbles.reverse()

    def number() -> int:
        value = shift = 0
        while True:
            nibble = nibbles.pop()
            value |= (nibble & 7) << shift
            shift += 3
            if not nibble & 8:
                return value

    out: list[int] = []
    last = 0
    while len(out) < width * height:
        out += [0] * number()
        for _ in range(number()):
            step = number()
            last += -(step + 1) // 2 if step & 1 else step // 2
            out.append(last)
    assert len(out) == width * height
    assert not any(nibbles)
    assert len(nibbles) < 8
    return np.array(out).reshape(height, width)


def restated(data: bytes, encoding: str, codec: str = 'png') -> np.ndarray:
    """Read the format with struct and Pillow: 12 bytes, then an image of a / z + b."""
    kind, a, b = struct.unpack('<iff', data[:12])
    assert kind == 0
    codes = rvl_restated(data[12:]) if codec == 'rvl' else np.asarray(
        Image.open(io.BytesIO(data[12:]))
    )
    codes = codes.astype(np.float64)
    if encoding == '16UC1':
        return np.where(codes > 0, codes / 1000, np.nan)
    return np.where(codes > 0, a / np.where(codes > 0, codes - b, 1), np.nan)


NOT_SENT = (np.nan, np.inf, -np.inf, 0.0, 11.0)
DEPTHS = arrays.arrays(
    np.float32, (6, 5),
    elements=st.floats(0.25, 9.75, width=32) | st.sampled_from(NOT_SENT),
)


@pytest.mark.parametrize('codec', ['png', 'rvl'])
@settings(max_examples=100, deadline=None)
@given(DEPTHS)
def test_floats_come_back_within_the_quantisation(codec: str, metres: np.ndarray) -> None:
    data = encode_depth(metres, '32FC1', FARTHEST, STEPS, codec)
    back = restated(data, '32FC1', codec)
    own = decode_depth(data, format_of('32FC1', codec))
    known = np.isfinite(metres) & (metres > 0) & (metres < FARTHEST)
    assert np.array_equal(np.isfinite(back), known)
    error = np.abs(back[known] - metres[known])
    step = np.square(metres[known].astype(float)) / (STEPS * (STEPS + 1))
    assert (error <= 1.02 * step + 1e-5).all()
    np.testing.assert_allclose(own[known], back[known], rtol=1e-5)
    assert np.array_equal(np.isfinite(own), known)


@pytest.mark.parametrize('codec', ['png', 'rvl'])
def test_millimetres_come_back_exactly(codec: str) -> None:
    metres = np.array([[0.5, 1.234, np.nan], [np.inf, 65.0, 0.0]], np.float32)
    data = encode_depth(metres, '16UC1', codec=codec)
    expected = np.array([[0.5, 1.234, np.nan], [np.nan, 65.0, np.nan]])
    np.testing.assert_allclose(restated(data, '16UC1', codec), expected)
    np.testing.assert_allclose(
        decode_depth(data, format_of('16UC1', codec)), expected, rtol=1e-6
    )


def test_rvl_by_hand() -> None:
    """No zeros, two pixels: 5 (as 10: 2 and 1), -1 (as 1); one zero, none: 0 2 A 1 1 1 0."""
    assert rvl.compress(np.array([5, 4, 0], np.uint16)) == bytes.fromhex('02a11100')[::-1]
    assert rvl.compress(np.zeros(9, np.uint16)) == bytes.fromhex('91000000')[::-1]


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=(
    st.just(0) | st.integers(100, 104) | st.integers(0, 65535)
)))
def test_rvl_is_lossless(codes: np.ndarray) -> None:
    data = rvl.compress(codes)
    size = struct.pack('<II', codes.shape[1], codes.shape[0])
    assert np.array_equal(rvl_restated(size + data), codes)
    assert np.array_equal(rvl.decompress(data, codes.size).reshape(codes.shape), codes)


def test_rvl_of_long_runs() -> None:
    codes = np.zeros(3_000_000, np.uint16)
    codes[2_500_000:2_999_000] = 65535
    assert np.array_equal(rvl.decompress(rvl.compress(codes), codes.size), codes)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.integers(1, 40))
def test_rvl_of_anything_is_read_or_refused(data: bytes, count: int) -> None:
    try:
        codes = rvl.decompress(data, count)
    except DataError:
        return
    assert codes.shape == (count,)


@pytest.mark.parametrize(('a', 'b'), [
    (10100.0, 100.0), (-5.0, 0.0), (0.0, 0.0), (np.inf, 0.0), (np.nan, 0.0), (10100.0, np.nan),
])
def test_impossible_coefficients_give_no_depth(a: float, b: float) -> None:
    """Never metres that are negative, zero or infinite."""
    data = bytearray(encode_depth(np.array([[0.2, 2.0, 9.0]], np.float32), '32FC1'))
    data[4:12] = struct.pack('<ff', a, b)
    depth = decode_depth(bytes(data), format_of('32FC1'))
    known = depth[~np.isnan(depth)]
    assert (np.isfinite(known) & (known > 0)).all()


def test_what_is_too_near_for_a_code_is_unknown_and_does_not_wrap_round() -> None:
    """10,100 / 0.1 is 101,000, which 16 bits would make 35,464: 0.28 m."""
    data = encode_depth(np.full((4, 4), 0.1, np.float32), '32FC1', FARTHEST, STEPS)
    assert np.isnan(restated(data, '32FC1')).all()


@pytest.mark.parametrize(('data', 'form', 'match'), [
    (b'', '32FC1; compressedDepth png', 'of 0 bytes'),
    (bytes(12) + b'no png', '32FC1; compressedDepth png', 'no 16-bit gray PNG'),
    (bytes(40), '32FC1; compressedDepth rvl', '0x0 pixels'),
    (bytes(14), '32FC1; compressedDepth rvl', 'of 14 bytes'),
    (bytes(12) + b'\xff' * 40, '32FC1; compressedDepth rvl', 'x4294967295 pixels'),
    (bytes(12) + struct.pack('<II', 4, 4) + bytes(4), '32FC1; compressedDepth rvl', 'RVL data'),
    (bytes(40), '32FC1; compressedDepth jp2', 'not a depth image'),
    (bytes(40), 'rgb8; jpeg compressed bgr8', 'not a depth image'),
])
def test_other_bytes_are_refused(data: bytes, form: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        decode_depth(data, form)
