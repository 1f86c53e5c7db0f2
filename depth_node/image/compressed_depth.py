"""
Depth images in the format of ROS's compressed_depth_image_transport.

The data of such a CompressedImage are 12 bytes (little-endian int32 0, then two float32, the
coefficients a and b) and a 16-bit gray image: a PNG, or its width and height (little-endian
uint32) and RVL. For 32FC1 the image holds a / depth + b, rounded down, with 0 for what is not
known; for 16UC1 it holds the millimetres themselves and a, b are 0.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.image import rvl
from depth_node.image.data import bytes_of
from depth_node.image.encodings import to_millimetres

_HEADER = struct.Struct('<iff')
_SIZE = struct.Struct('<II')
_MOST_PIXELS = 1 << 28
_LEVEL = 1
"""PNG's fastest compression: level 9 takes 20 times as long for a tenth less."""


def format_of(encoding: str, codec: str = 'png') -> str:
    """
    Return the `format` of the message.

    :param encoding: of the depth image: ``32FC1`` or ``16UC1``.
    :param codec: ``png`` or ``rvl``.
    :returns: as compressed_depth_image_transport writes it.
    """
    return f'{encoding}; compressedDepth {codec}'


def encode_depth(
    metres: NDArray[np.float32], encoding: str, farthest: float = 10.0, steps: float = 100.0,
    codec: str = 'png',
) -> bytes:
    """
    Compress a depth image.

    One step of the codes is one step of 1/depth: at depth z the error is at most z^2 / a with
    a = steps (steps + 1), that is 0.01 % of 1 m and 0.1 % of 10 m with the default.

    :param metres: float32 (H, W), z-depth (m), NaN and infinities as in REP-117.
    :param encoding: ``32FC1`` or ``16UC1``: what the subscriber gets after decoding.
    :param farthest: with 32FC1, depth from which a pixel is sent as unknown (m).
    :param steps: with 32FC1, depth_quantization of the transport.
    :param codec: ``png`` or ``rvl``.
    :returns: the data of the message.
    """
    if encoding == '16UC1':
        a = b = 0.0
        codes = to_millimetres(metres)
    else:
        a = float(np.float32(steps * (steps + 1)))
        b = float(np.float32(1 - a / farthest))
        with np.errstate(divide='ignore', invalid='ignore'):
            inverse = a / metres + np.float32(b)
            # nearer than a code can hold is as unknown as farther than the range
            known = (metres > 0) & (metres < farthest) & (inverse < 65536)
            codes = np.where(known, inverse, 0).astype(np.uint16)
    header = _HEADER.pack(0, a, b)
    if codec == 'rvl':
        height, width = codes.shape
        return header + _SIZE.pack(width, height) + rvl.compress(codes)
    _, png = cv2.imencode('.png', codes, [cv2.IMWRITE_PNG_COMPRESSION, _LEVEL])
    return header + png.tobytes()


def decode_depth(data: Any, form: str) -> NDArray[np.float32]:
    """
    Decompress a depth image.

    :param data: the data of the message.
    :param form: its `format`.
    :returns: float32 (H, W), z-depth (m), NaN where unknown.
    :raises DataError: another format, or damaged.
    """
    data = bytes_of(data).tobytes()
    encoding, _, rest = form.partition(';')
    kind, _, codec = rest.strip().partition(' ')
    if (encoding not in ('32FC1', '16UC1') or kind != 'compressedDepth'
            or codec not in ('', 'png', 'rvl')):
        raise DataError(
            f'{form!r} is not a depth image that can be decompressed, expected 32FC1 or 16UC1 '
            'with compressedDepth png or rvl.'
        )
    if len(data) <= _HEADER.size:
        raise DataError(f'compressed depth image of {len(data)} bytes, expected more than 12.')
    _, a, b = _HEADER.unpack_from(data)
    codes = (_from_rvl if codec == 'rvl' else _from_png)(data)
    known = codes > 0
    out = np.full(codes.shape, np.nan, np.float32)
    with np.errstate(divide='ignore', invalid='ignore'):
        out[known] = codes[known] / 1000 if encoding == '16UC1' else a / (codes[known] - b)
    # what impossible coefficients give is no depth
    out[~(np.isfinite(out) & (out > 0))] = np.nan
    return out


def _from_rvl(data: bytes) -> NDArray[np.uint16]:
    start = _HEADER.size + _SIZE.size
    if len(data) < start:
        raise DataError(f'compressed depth image of {len(data)} bytes, expected more than 20.')
    width, height = _SIZE.unpack_from(data, _HEADER.size)
    if not 0 < width * height <= _MOST_PIXELS:
        raise DataError(f'compressed depth image of {width}x{height} pixels.')
    return rvl.decompress(memoryview(data)[start:], width * height).reshape(height, width)


def _from_png(data: bytes) -> NDArray[np.uint16]:
    try:
        codes = cv2.imdecode(
            np.frombuffer(data, np.uint8, offset=_HEADER.size), cv2.IMREAD_UNCHANGED
        )
    except cv2.error:
        codes = None
    if codes is None or codes.dtype != np.uint16 or codes.ndim != 2:
        raise DataError('compressed depth image holds no 16-bit gray PNG.')
    return codes
