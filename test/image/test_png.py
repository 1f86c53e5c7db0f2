"""PNG files: only the image reaches the decoder, and only if it is whole."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from depth_node.errors import DataError
from depth_node.image.compressed import decode_rgb
from depth_node.image.png import checked_png

RGB = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)


def written(image: np.ndarray) -> bytes:
    return cv2.imencode('.png', image)[1].tobytes()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack('>I', len(content)) + kind + content + struct.pack(
        '>I', zlib.crc32(kind + content)
    )


def with_chunk(data: bytes, added: bytes) -> bytes:
    """Insert chunks behind the header."""
    return data[:33] + added + data[33:]


@pytest.mark.parametrize(('kind', 'content'), [
    (b'zTXt', b'k\0\0'), (b'iTXt', b'k\0\1\0\0\0'), (b'iCCP', b'k\0\0'),
])
def test_compressed_chunks_never_reach_the_decoder(kind: bytes, content: bytes) -> None:
    """900 texts of 7 MB, 7 kB each, kept the decoder busy beyond engine.timeout."""
    data = written(RGB[..., ::-1])
    bomb = chunk(kind, content + zlib.compress(bytes(7_000_000), 9))
    assert checked_png(with_chunk(data, bomb * 900)) == data
    np.testing.assert_array_equal(decode_rgb(with_chunk(data, bomb * 3)), RGB)


def test_damage_inside_is_refused() -> None:
    """OpenCV gives what it has up to there."""
    data = bytearray(written(RGB))
    middle = data.index(b'IDAT') + 800
    data[middle] ^= 1
    with pytest.raises(DataError, match='IDAT is damaged'):
        decode_rgb(bytes(data))


@pytest.mark.parametrize('bits', [8, 10, 12, 14, 16])
def test_16_bits_of_which_a_camera_uses_fewer(bits: int) -> None:
    """A 12-bit image in a 16-bit file was all but black."""
    ramp = np.linspace(0, 2**bits - 1, 32 * 24).reshape(24, 32)
    expected = np.rint(ramp * 255 / (2**bits - 1))
    gray = decode_rgb(written(np.rint(ramp).astype(np.uint16)))
    assert abs(gray[..., 1] - expected).max() <= 1
    color = np.rint(np.dstack([ramp, ramp / 2, ramp / 4])).astype(np.uint16)
    found = decode_rgb(written(color))
    assert abs(found[..., 2] - expected).max() <= 1
    assert abs(found[..., 0] - expected / 4).max() <= 1
