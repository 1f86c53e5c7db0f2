"""Encodings against formulas written out per pixel, and against every way to be wrong."""

from __future__ import annotations

import array

from hypothesis import assume, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from depth_node.errors import DataError
from depth_node.image.encodings import (
    COLOR_ENCODINGS,
    DEPTH_ENCODINGS,
    image_view,
    MAX_SIDE,
    to_metres,
    to_millimetres,
    to_rgb,
)

EVERY = COLOR_ENCODINGS + DEPTH_ENCODINGS
CHANNELS = {
    'rgb8': 'rgb', 'bgr8': 'bgr', 'rgba8': 'rgba', 'bgra8': 'bgra', '8UC3': 'bgr', '8UC4': 'bgra',
    'rgb16': 'rgb', 'bgr16': 'bgr', 'rgba16': 'rgba', 'bgra16': 'bgra',
}
GREY = {'mono8': np.uint8, '8UC1': np.uint8, 'mono16': np.uint16}
sides = st.integers(1, 9)
padding = st.integers(0, 5)
seeds = st.integers(0, 2**32 - 1)


def with_padding(rows: np.ndarray, pad: int, *, last: bool = True) -> tuple[bytes, int]:
    """Lay rows of bytes out with `pad` bytes of rubbish after each; the step as second."""
    if rows.shape[:2] == (1, 1):
        assume(False)  # refused, see below
    flat = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    padded = np.full((len(rows), flat.shape[1] + pad), 0xAB, np.uint8)
    padded[:, :flat.shape[1]] = flat
    data = padded.tobytes()
    return (data if last else data[:len(data) - pad]), padded.shape[1]


def yuv_to_rgb(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Convert as ITU-R BT.601 says: luma 16 to 235, chroma 16 to 240 around 128."""
    y, u, v = (np.asarray(plane, float) for plane in (y, u, v))
    luma = 255 / 219 * (y - 16)
    red = luma + 255 / 112 * 0.701 * (v - 128)
    blue = luma + 255 / 112 * 0.886 * (u - 128)
    green = (
        luma
        - 255 / 112 * 0.886 * 0.114 / 0.587 * (u - 128)
        - 255 / 112 * 0.701 * 0.299 / 0.587 * (v - 128)
    )
    return np.clip(np.stack([red, green, blue], -1), 0, 255)


@given(st.sampled_from(sorted(CHANNELS)), sides, sides, padding, st.booleans(), seeds)
def test_colors_are_reordered(encoding, height, width, pad, big, seed):
    wide = encoding.endswith('16')
    pad += pad % 2 if wide else 0
    order = CHANNELS[encoding]
    dtype = ('>u2' if big else '<u2') if wide else np.uint8
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 65536 if wide else 256, (height, width, len(order)))
    data, step = with_padding(values.astype(dtype), pad, last=bool(seed % 2))
    view = image_view(encoding, height, width, step, big, data)
    expected = np.stack([values[..., order.index(c)] for c in 'rgb'], -1)
    expected = np.rint(expected / 257) if wide else expected
    rgb = to_rgb(view, encoding)
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous
    np.testing.assert_array_equal(rgb, expected)


@given(st.sampled_from(sorted(GREY)), sides, sides, padding, st.booleans(), seeds)
def test_grey_is_repeated(encoding, height, width, pad, big, seed):
    dtype = np.dtype(GREY[encoding]).newbyteorder('>' if big else '<')
    values = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (height, width))
    data, step = with_padding(values.astype(dtype), pad)  # an odd step misaligns 16 bits
    rgb = to_rgb(image_view(encoding, height, width, step, big, data), encoding)
    expected = values if dtype.itemsize == 1 else np.rint(values / 257)
    np.testing.assert_array_equal(rgb, np.repeat(expected[..., None], 3, 2))


@given(
    st.sampled_from([('uyvy', 'uyvy'), ('yuv422', 'uyvy'), ('yuyv', 'yuyv'),
                     ('yuv422_yuy2', 'yuyv')]),
    sides, st.integers(1, 5), padding, seeds,
)
def test_packed_yuv(names, height, pairs, pad, seed):
    encoding, order = names
    quads = np.random.default_rng(seed).integers(0, 256, (height, pairs, 4), np.uint8)
    quads[..., [i for i, c in enumerate(order) if c == 'y']] |= 16  # below 16 is no luma
    data, step = with_padding(quads.reshape(height, -1), pad)
    rgb = to_rgb(image_view(encoding, height, pairs * 2, step, False, data), encoding)
    luma = quads[..., [i for i, c in enumerate(order) if c == 'y']].reshape(height, -1)
    u, v = (np.repeat(quads[..., order.index(c)], 2, 1) for c in 'uv')
    assert np.abs(rgb - yuv_to_rgb(luma, u, v)).max() <= 2


@given(st.sampled_from(['nv12', 'nv21']), sides, sides, padding, st.booleans(), seeds)
def test_planar_yuv(encoding, half_height, half_width, pad, chroma_in_step, seed):
    height, width = 2 * half_height, 2 * half_width
    rng = np.random.default_rng(seed)
    luma = rng.integers(16, 256, (height, width), np.uint8)  # below 16 is no luma
    chroma = rng.integers(0, 256, (half_height, half_width, 2), np.uint8)
    planes = np.concatenate([luma, chroma.reshape(half_height, width)])
    if chroma_in_step:
        data, step = planes.tobytes(), width * 3 // 2
    else:
        data, step = with_padding(planes, pad)
    rgb = to_rgb(image_view(encoding, height, width, step, False, data), encoding)
    first, second = (np.kron(chroma[..., i], np.ones((2, 2))) for i in (0, 1))
    u, v = (first, second) if encoding == 'nv12' else (second, first)
    assert np.abs(rgb - yuv_to_rgb(luma, u, v)).max() <= 2


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('bits', [8, 16])
def test_bayer_gives_back_a_smooth_picture(pattern, bits):
    y, x = np.mgrid[0:40, 0:60]
    truth = np.stack([40 + 2 * x, 90 + x + y, 200 - 2 * y], -1)
    mosaic = np.empty(x.shape)
    for place, channel in enumerate(pattern):
        row, column = divmod(place, 2)
        mosaic[row::2, column::2] = truth[row::2, column::2, 'rgb'.index(channel)]
    values = mosaic.astype(np.uint8) if bits == 8 else (mosaic * 257).astype('>u2')
    data, step = with_padding(values, 6)
    encoding = f'bayer_{pattern}{bits}'
    rgb = to_rgb(image_view(encoding, 40, 60, step, bits == 16, data), encoding)
    # bilinear interpolation of a plane is exact but for rounding; the border repeats
    assert np.abs(rgb[2:-2, 2:-2].astype(int) - truth[2:-2, 2:-2]).max() <= 1


@given(sides, sides, padding, st.booleans(), seeds)
def test_metres(height, width, pad, big, seed):
    order = '>' if big else '<'
    rng = np.random.default_rng(seed)
    metres = rng.uniform(-1, 50, (height, width)).astype(np.float32)
    metres.flat[rng.integers(metres.size)] = rng.choice([np.nan, np.inf, -np.inf])
    data, step = with_padding(metres.astype(order + 'f4'), pad)
    view = image_view('32FC1', height, width, step, big, data)
    np.testing.assert_array_equal(to_metres(view, '32FC1'), metres)

    millimetres = rng.integers(0, 65536, (height, width)) * rng.integers(0, 2, (height, width))
    data, step = with_padding(millimetres.astype(order + 'u2'), pad)
    out = np.empty((height, width), np.float32)
    got = to_metres(image_view('16UC1', height, width, step, big, data), '16UC1', out)
    assert got is out
    expected = [[v / 1000 if v else np.nan for v in row] for row in millimetres.tolist()]
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_millimetres():
    metres = np.float32([
        [0.0004, 0.0006, 1.2344, 65.535], [65.5356, 3e38, -1, 0], [np.nan, np.inf, -np.inf, 2],
    ])
    expected = [[0, 1, 1234, 65535], [0, 0, 0, 0], [0, 0, 0, 2000]]
    out = np.empty((3, 4), np.uint16)
    with np.errstate(all='raise'):
        assert to_millimetres(metres, out) is out
    np.testing.assert_array_equal(out, expected)
    expected[0][3] = 0  # the largest number is unknown to readers
    np.testing.assert_array_equal(to_millimetres(to_metres(out, '16UC1')), expected)


@pytest.mark.parametrize('data', [
    bytes(24), bytearray(24), memoryview(bytes(24)), array.array('B', bytes(24)),
], ids=lambda data: type(data).__name__)
def test_view_shares_the_bytes(data):
    view = image_view('rgb8', 2, 4, 12, False, data)
    assert np.shares_memory(view, np.frombuffer(data, np.uint8))
    assert to_rgb(view, 'rgb8', np.zeros((2, 4, 3), np.uint8)) is view


def test_padded_rgb_is_made_contiguous_in_the_buffer():
    values = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    data, step = with_padding(values, 4)
    out = np.empty((2, 4, 3), np.uint8)
    assert to_rgb(image_view('rgb8', 2, 4, step, False, data), 'rgb8', out) is out
    np.testing.assert_array_equal(out, values)


@pytest.mark.parametrize('encoding', [name for name in COLOR_ENCODINGS if name != 'rgb8'])
def test_buffer_is_filled_where_it_fits(encoding):
    data = np.random.default_rng(1).integers(0, 256, 6 * 4 * 8, np.uint8).tobytes()
    view = image_view(encoding, 4, 6, 48, False, data) if not encoding.startswith('nv') else (
        image_view(encoding, 4, 6, 6, False, data))
    fresh = to_rgb(view, encoding)
    out = np.zeros((4, 6, 3), np.uint8)
    assert to_rgb(view, encoding, out) is out
    np.testing.assert_array_equal(out, fresh)
    small = np.zeros((2, 6, 3), np.uint8)
    assert to_rgb(view, encoding, small).shape == (4, 6, 3)
    assert not small.any()


@pytest.mark.parametrize(('encoding', 'height', 'width', 'step', 'size', 'words'), [
    ('rgb7', 2, 2, 6, 12, "'rgb7' is not known, expected one of rgb8"),
    ('', 2, 2, 6, 12, "'' is not known"),
    ('rgb8', 0, 2, 6, 12, 'size is 2x0, expected at least two pixels'),
    ('rgb8', 1, 1, 3, 3, 'size is 1x1, expected at least two pixels'),
    ('rgb8', 2, -1, 6, 12, 'size is -1x2'),
    ('rgb8', 100_000, 100_000, 300_000, 12, f'expected at most {MAX_SIDE} per side'),
    ('mono8', MAX_SIDE, MAX_SIDE, MAX_SIDE, 12, 'pixels'),
    ('rgb8', 2, 2, 5, 12, 'step is 5 bytes, expected at least 6'),
    ('rgb8', 2, 2, 0, 12, 'step is 0 bytes'),
    ('rgb8', 2, 2, 6, 11, 'found 11 bytes of data, expected 12'),
    ('rgb8', 2, 2, 2**31, 12, f'expected {2**31 + 6}'),
    ('32FC1', 2, 2, 8, 0, 'found 0 bytes'),
    ('yuyv', 2, 3, 6, 12, 'W is even'),
    ('nv12', 3, 2, 2, 12, 'W and H are even'),
    ('bayer_rggb8', 1, 2, 2, 12, 'at least 2'),
])
def test_refused(encoding, height, width, step, size, words):
    with pytest.raises(DataError) as caught:
        image_view(encoding, height, width, step, False, bytes(size))
    assert words in str(caught.value)


def test_a_view_of_another_encoding_is_refused():
    view = image_view('rgb8', 2, 2, 6, False, bytes(12))
    for encoding in ('mono8', 'rgba8', 'rgb16', 'yuyv', 'nv12'):
        with pytest.raises(DataError, match='is not a '):
            to_rgb(view, encoding)
    with pytest.raises(DataError, match='expected a color image'):
        to_rgb(np.zeros((2, 2), np.float32), '32FC1')
    with pytest.raises(DataError, match='not a depth image'):
        to_metres(view, 'rgb8')
    with pytest.raises(DataError, match='is not a 32FC1'):
        to_metres(view, '32FC1')


@settings(max_examples=300)
@given(
    st.sampled_from(EVERY) | st.text(max_size=12),
    st.integers(-2, 40) | st.integers(0, 2**32 - 1),
    st.integers(-2, 40) | st.integers(0, 2**32 - 1),
    st.integers(-2, 200) | st.integers(0, 2**32 - 1),
    st.booleans(),
    st.binary(max_size=2000),
)
def test_any_header_gives_a_view_within_the_bytes_or_an_error(
    encoding, height, width, step, big, data,
):
    try:
        view = image_view(encoding, height, width, step, big, data)
    except DataError:
        return
    assert view.size * view.itemsize <= len(data)
    if encoding in DEPTH_ENCODINGS:
        assert to_metres(view, encoding).shape == (height, width)
    if encoding in COLOR_ENCODINGS:
        rgb = to_rgb(view, encoding)
        assert rgb.shape == (height, width, 3)
        assert rgb.dtype == np.uint8
