"""
Decoding of JPEG and PNG frames; their size is checked before a decoder runs.

A decoder allocates what the header declares, and a header is 20 bytes from an untrusted source.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.image.encodings import Buffer, MAX_PIXELS, MAX_SIDE, to_rgb
from depth_node.image.size import Size

_PNG = b'\x89PNG\r\n\x1a\n'
_JPEG = b'\xff\xd8'
# start-of-frame markers: C0 to CF without DHT (C4), JPG (C8) and DAC (CC)
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# markers without a length: TEM, RST0 to RST7, SOI
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
# A black image is the smallest: 170 pixels per byte as progressive JPEG, 1020 as grey PNG
_MOST_PIXELS_PER_BYTE = {_JPEG: 512, _PNG[:2]: 2048}
# Every scan of a progressive JPEG goes over the whole image again; ten are usual
_MOST_SCANNED_PIXELS = 2**29
_ANIMATION = (b'acTL', b'fcTL', b'fdAT')
_SCAN = b'\xff\xda'


def compressed_size(data: Buffer) -> Size:
    """
    Return the size in the header of a JPEG or PNG file (ITU-T T.81 B.2.2, PNG 11.2.2).

    :param data: the file's bytes.
    :returns: the declared size (pixels).
    :raises DataError: neither JPEG nor PNG, or truncated before the size.
    """
    raw = np.frombuffer(data, np.uint8)
    start = raw[:8].tobytes()
    if start == _PNG:
        if len(raw) < 24:
            raise DataError('PNG image: truncated before its size.')
        return Size(_number(raw[16:20]), _number(raw[20:24]))
    if start[:2] == _JPEG:
        return _jpeg_size(raw)
    raise DataError(f'compressed image starts with {start.hex(" ")}, expected JPEG or PNG.')


def decode_message(data: Buffer, form: str) -> NDArray[np.uint8]:
    """
    Decode the data of a CompressedImage.

    compressed_image_transport writes its ``format`` as ``rgb8; jpeg compressed bgr8``, others
    just ``jpeg``. It shows whether a Bayer mosaic was compressed unchanged
    (``bayer_rggb8; jpeg compressed``) or converted to color before (``... compressed bgr8``).

    :param data: the file's bytes.
    :param form: the message's ``format``.
    :returns: uint8 (H, W, 3).
    :raises DataError: a depth image, or as :func:`decode_rgb`.
    """
    encoding, semicolon, rest = form.partition(';')
    if 'compressedDepth' in rest:
        raise DataError(
            f'compressed image of format {form[:60]!r} is a depth image, expected a color image.'
        )
    unchanged = semicolon and not rest.strip().endswith(('bgr8', 'rgb8'))
    return decode_rgb(data, encoding.strip() if unchanged else '')


def decode_rgb(data: Buffer, encoding: str = '') -> NDArray[np.uint8]:
    """
    Decode a JPEG or PNG frame to rgb.

    The EXIF orientation is not applied, because the calibration is that of the sensor.

    :param data: the file's bytes.
    :param encoding: the original encoding, if it is ``bayer_*8``: such a mosaic is sent as a
        gray image and demosaiced here.
    :returns: uint8 (H, W, 3).
    :raises DataError: neither JPEG nor PNG, too large, larger than its bytes can encode, or
        damaged.
    """
    raw = np.frombuffer(data, np.uint8)
    _check_effort(compressed_size(data), raw)
    mosaic = encoding.startswith('bayer_') and encoding.endswith('8')
    flags = cv2.IMREAD_GRAYSCALE if mosaic else cv2.IMREAD_COLOR
    try:
        image = cv2.imdecode(raw, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise DataError(f'compressed image cannot be decoded: {error.err}.') from error
    if image is None:
        raise DataError('compressed image cannot be decoded.')
    rgb: NDArray[np.uint8] = (
        to_rgb(image, encoding) if mosaic else cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
    )
    return rgb


def encode_jpeg(rgb: NDArray[np.uint8], quality: int = 90) -> bytes:
    """
    Compress a frame as JPEG.

    :param rgb: uint8 (H, W, 3).
    :param quality: 1 to 100.
    :returns: the file's bytes.
    """
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(data)


def _check_effort(size: Size, raw: NDArray[np.uint8]) -> None:
    """Check by header and number of bytes that decoding does not take long."""
    pixels = size.width * size.height
    if max(size) > MAX_SIDE or not 2 <= pixels <= MAX_PIXELS:
        raise DataError(
            f'compressed image size is {size.width}x{size.height}, expected 1 to {MAX_SIDE} per '
            f'side and 2 to {MAX_PIXELS} pixels.'
        )
    data = raw.tobytes()
    if data.startswith(_PNG):
        _check_chunks(data)
    if pixels > _MOST_PIXELS_PER_BYTE[data[:2]] * len(data):
        raise DataError(
            f'compressed image declares {size.width}x{size.height} in {len(data)} bytes, which '
            'are too few for any image.'
        )
    scans = data.count(_SCAN)
    if pixels * scans > _MOST_SCANNED_PIXELS:
        raise DataError(f'compressed image {size}: {scans} scans are too many.')


def _check_chunks(data: bytes) -> None:
    """
    Check that the chunks of a PNG lie inside the file and that it is not animated.

    A decoder may allocate the length of a chunk before reading it: 4 GB for four forged bytes.
    """
    at = len(_PNG)
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at:at + 4], 'big'), data[at + 4:at + 8]
        if length > len(data) - at - 12:
            raise DataError(f'PNG image: chunk {kind!r} of {length} bytes is truncated.')
        if kind in _ANIMATION:
            raise DataError('PNG image: is animated, expected a single image.')
        if kind == b'IEND':
            return
        at += 12 + length
    raise DataError('PNG image: has no IEND chunk.')


def _jpeg_size(raw: NDArray[np.uint8]) -> Size:
    """Find the frame header; every step advances, so this ends with the data."""
    at = 2
    while at + 9 <= len(raw):
        if raw[at] != 0xFF:
            raise DataError(f'JPEG image: byte {at} is {raw[at]:#04x}, expected a marker.')
        marker = int(raw[at + 1])
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _JPEG_BARE:
            at += 2
        elif marker in _JPEG_FRAMES:
            return Size(width=_number(raw[at + 7:at + 9]), height=_number(raw[at + 5:at + 7]))
        else:
            at += 2 + max(2, _number(raw[at + 2:at + 4]))
    raise DataError('JPEG image: truncated before its size.')


def _number(raw: NDArray[np.uint8]) -> int:
    return int.from_bytes(raw.tobytes(), 'big')
