"""Compressed frames: what OpenCV wrote comes back, and no header makes the decoder allocate."""

from __future__ import annotations

import cv2
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from depth_node.errors import DataError
from depth_node.image.compressed import compressed_size, decode_message, decode_rgb, encode_jpeg


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 200 // width, y * 200 // height, 250 - x * 200 // width], -1).astype(
        np.uint8)


def written(suffix: str, rgb: np.ndarray, *flags: int) -> bytes:
    return cv2.imencode(suffix, rgb[..., ::-1] if rgb.ndim == 3 else rgb, flags)[1].tobytes()


@settings(max_examples=30)
@given(st.integers(1, 70), st.integers(1, 70), st.booleans())
def test_size_is_that_of_the_decoded_picture(height, width, progressive):
    assume(height * width > 1)
    rgb = smooth(height, width)
    jpeg = written('.jpg', rgb, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive))
    for data in (jpeg, written('.png', rgb)):
        assert compressed_size(data) == (width, height)
        assert decode_rgb(data).shape == (height, width, 3)


def test_png_comes_back_exactly_and_jpeg_nearly():
    rgb = smooth(48, 64)
    np.testing.assert_array_equal(decode_rgb(written('.png', rgb)), rgb)
    assert np.abs(decode_rgb(encode_jpeg(rgb, 95)).astype(int) - rgb).mean() < 2


def test_grey_and_16_bit_png_become_rgb():
    grey = smooth(8, 8)[..., 0]
    expected = np.repeat(grey[..., None], 3, 2)
    np.testing.assert_array_equal(decode_rgb(written('.png', grey)), expected)
    wide = grey.astype(np.uint16) * 257
    np.testing.assert_array_equal(decode_rgb(written('.png', wide)), expected)


def test_mosaic_is_demosaiced():
    rgb = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    mosaic = np.full((16, 16), 100, np.uint8)
    mosaic[0::2, 0::2] = 200
    mosaic[1::2, 1::2] = 50
    data = written('.png', mosaic)
    np.testing.assert_array_equal(decode_rgb(data, 'bayer_rggb8'), rgb)
    np.testing.assert_array_equal(decode_rgb(data, 'rgb8')[..., 0], mosaic)


@pytest.mark.parametrize(('form', 'is_mosaic'), [
    ('bayer_rggb8; jpeg compressed ', True), ('bayer_rggb8; png compressed', True),
    ('bayer_rggb8; jpeg compressed bgr8', False), ('rgb8; png compressed bgr8', False),
    ('png', False), ('bgr8;png', False), ('', False),
])
def test_format_tells_a_mosaic_from_colors_made_of_one(form, is_mosaic):
    """Colors that were made before compressing are not made again."""
    mosaic = np.full((16, 16), 100, np.uint8)
    mosaic[0::2, 0::2] = 200
    mosaic[1::2, 1::2] = 50
    if is_mosaic:
        found = decode_message(written('.png', mosaic), form)
        np.testing.assert_array_equal(found, np.full((16, 16, 3), (200, 100, 50)))
    else:
        rgb = smooth(16, 16)
        np.testing.assert_array_equal(decode_message(written('.png', rgb), form), rgb)


def test_orientation_of_exif_is_not_applied():
    jpeg = written('.jpg', smooth(40, 64))
    tiff = bytes.fromhex('4d4d002a 00000008 0001 0112 0003 00000001 0006 0000 00000000')
    body = b'Exif\x00\x00' + tiff
    turned = jpeg[:2] + b'\xff\xe1' + (len(body) + 2).to_bytes(2, 'big') + body + jpeg[2:]
    # the tag works: OpenCV turns the picture when it is let
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (64, 40, 3)
    assert compressed_size(turned) == (64, 40)
    np.testing.assert_array_equal(decode_rgb(turned), decode_rgb(jpeg))


def with_size(data: bytes, width: int, height: int) -> bytes:
    """Forge the size in a header that OpenCV wrote."""
    if data.startswith(b'\x89PNG'):
        return data[:16] + width.to_bytes(4, 'big') + height.to_bytes(4, 'big') + data[24:]
    at = data.index(b'\xff\xc0')
    return data[:at + 5] + height.to_bytes(2, 'big') + width.to_bytes(2, 'big') + data[at + 9:]


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
@pytest.mark.parametrize(
    'size', [(60_000, 60_000), (16_384, 16_384), (0, 8), (8, 0), (4096, 4096)]
)
def test_a_forged_size_is_refused_before_decoding(suffix, size, monkeypatch):
    data = with_size(written(suffix, smooth(8, 8)), *size)
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: pytest.fail('the decoder was called'))
    with pytest.raises(DataError, match=f'{size[0]}x{size[1]}'):
        decode_rgb(data)


@pytest.mark.parametrize('shape', [(1080, 1920, 3), (480, 640)])
@pytest.mark.parametrize(('suffix', 'flags'), [
    ('.jpg', (cv2.IMWRITE_JPEG_QUALITY, 1)),
    ('.jpg', (cv2.IMWRITE_JPEG_QUALITY, 1, cv2.IMWRITE_JPEG_PROGRESSIVE, 1,
              cv2.IMWRITE_JPEG_OPTIMIZE, 1)),
    ('.png', (cv2.IMWRITE_PNG_COMPRESSION, 9)),
])
def test_a_covered_lens_is_a_picture(shape, suffix, flags):
    """The smallest files there are: black."""
    data = written(suffix, np.zeros(shape, np.uint8), *flags)
    assert decode_rgb(data).shape[:2] == shape[:2]


def test_a_picture_scanned_over_and_over_is_refused():
    jpeg = written('.jpg', smooth(1080, 1920), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    assert decode_rgb(jpeg).shape == (1080, 1920, 3)
    start = jpeg.rindex(b'\xff\xda')
    with pytest.raises(DataError, match='scans'):
        decode_rgb(jpeg[:-2] + jpeg[start:-2] * 300 + jpeg[-2:])


@pytest.mark.parametrize(('data', 'words'), [
    (b'', 'starts with , expected JPEG or PNG'),
    (b'GIF89a\x01\x00', 'expected JPEG or PNG'),
    (b'\x89PNG\r\n\x1a\n\x00\x00', 'PNG image: truncated'),
    (b'\xff\xd8\xff\xe0', 'JPEG image: truncated'),
    (b'\xff\xd8' + bytes(20), 'byte 2 is 0x00, expected a marker'),
    (written('.png', smooth(8, 8))[:60], 'is truncated'),
    (written('.png', smooth(8, 8))[:-12], 'has no IEND'),
    (written('.png', smooth(8, 8)).replace(b'IDAT', b'IDOT'), 'IDOT is damaged'),
    (written('.png', smooth(8, 8)).replace(b'IDAT', b'acTL'), 'is animated'),
])
def test_refused(data, words):
    with pytest.raises(DataError) as caught:
        decode_rgb(data)
    assert words in str(caught.value)


def test_a_forged_chunk_does_not_make_the_decoder_allocate(monkeypatch):
    data = bytearray(written('.png', smooth(8, 8)))
    data[33:37] = b'\xf6\0\0\0'  # the length of the first IDAT: 4 GB
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: pytest.fail('the decoder was called'))
    with pytest.raises(DataError, match='IDAT'):
        decode_rgb(bytes(data))


@settings(max_examples=300)
@given(st.binary(max_size=200), st.sampled_from([b'', b'\xff\xd8', b'\x89PNG\r\n\x1a\n']))
@example(b'\xff' * 200, b'\xff\xd8')
@example(b'\xff\xe0\x00\x00' * 40, b'\xff\xd8')
def test_any_bytes_give_a_picture_or_an_error(data, start):
    try:
        rgb = decode_rgb(start + data)
    except DataError:
        return
    assert rgb.ndim == 3


@settings(max_examples=200)
@given(st.integers(0, 2000), st.integers(0, 255), st.sampled_from(['.jpg', '.png']))
def test_one_wrong_byte_gives_a_picture_or_an_error(at, value, suffix):
    data = bytearray(written(suffix, smooth(16, 16)))
    data[at % len(data)] = value
    try:
        rgb = decode_rgb(bytes(data))
    except DataError:
        return
    assert rgb.dtype == np.uint8
    assert rgb.shape == (compressed_size(data).height, compressed_size(data).width, 3)
