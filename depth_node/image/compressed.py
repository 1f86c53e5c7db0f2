"""
Decoding of JPEG and PNG frames; their size is checked before a decoder runs.

A decoder allocates what the header declares, and a header is 20 bytes from an untrusted source.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.image import jpeg, png
from depth_node.image.data import bytes_of
from depth_node.image.encodings import MAX_PIXELS, MAX_SIDE, to_8_bits, to_rgb
from depth_node.image.size import Size

# A black image is the smallest: 170 pixels per byte as progressive JPEG, 1020 as grey PNG
_MOST_PIXELS_PER_BYTE = {jpeg.START: 512, png.START[:2]: 2048}
# Every scan of a progressive JPEG goes over the whole image again; ten are usual
_MOST_SCANNED_PIXELS = 2**29


def compressed_size(data: Any) -> Size:
    """
    Return the size in the header of a JPEG or PNG file (ITU-T T.81 B.2.2, PNG 11.2.2).

    :param data: the file's bytes.
    :returns: the declared size (pixels).
    :raises DataError: neither JPEG nor PNG, or truncated before the size.
    """
    return _declared_size(bytes_of(data).tobytes())


def _declared_size(data: bytes) -> Size:
    if data.startswith(png.START):
        return png.png_size(data)
    if data.startswith(jpeg.START):
        return jpeg.jpeg_size(data)
    start = data[:8].hex(' ')
    raise DataError(f'compressed image starts with {start}, expected JPEG or PNG.')


def decode_message(data: Any, form: str) -> NDArray[np.uint8]:
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


def decode_rgb(data: Any, encoding: str = '') -> NDArray[np.uint8]:
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
    raw = bytes_of(data).tobytes()
    _check_effort(_declared_size(raw), raw)
    mosaic = encoding.startswith('bayer_') and encoding.endswith('8')
    flags = cv2.IMREAD_GRAYSCALE if mosaic else cv2.IMREAD_COLOR
    if raw.startswith(png.START):
        if png.has_16_bits(raw):
            flags |= cv2.IMREAD_ANYDEPTH
        image = decoded(png.checked_png(raw), flags)
    else:
        whole = jpeg.checked_jpeg(raw)
        image = decoded(whole.data, flags)
        jpeg.check_decoded(whole, image)
    if image.dtype != np.uint8:
        image = to_8_bits(image)
    rgb: NDArray[np.uint8] = (
        to_rgb(image, encoding) if mosaic else cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
    )
    return rgb


def decoded(data: bytes, flags: int) -> NDArray[Any]:
    """
    Run OpenCV's decoder.

    :param data: the bytes of an image file.
    :param flags: of ``cv2.imdecode``; the orientation is not applied.
    :returns: the image, in OpenCV's channel order.
    :raises DataError: it cannot be decoded.
    """
    try:
        image: NDArray[Any] | None = cv2.imdecode(
            np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION
        )
    except cv2.error as error:
        raise DataError(f'compressed image cannot be decoded: {error.err}.') from error
    if image is None:
        raise DataError('compressed image cannot be decoded.')
    return image


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


def _check_effort(size: Size, data: bytes) -> None:
    """Check by header and number of bytes that decoding does not take long."""
    pixels = size.width * size.height
    if max(size) > MAX_SIDE or not 2 <= pixels <= MAX_PIXELS:
        raise DataError(
            f'compressed image size is {size.width}x{size.height}, expected 1 to {MAX_SIDE} per '
            f'side and 2 to {MAX_PIXELS} pixels.'
        )
    if pixels > _MOST_PIXELS_PER_BYTE[data[:2]] * len(data):
        raise DataError(
            f'compressed image declares {size.width}x{size.height} in {len(data)} bytes, which '
            'are too few for any image.'
        )
    if data.startswith(jpeg.START):
        scans = jpeg.count_scans(data)
        if pixels * scans > _MOST_SCANNED_PIXELS:
            raise DataError(f'compressed image {size}: {scans} scans are too many.')
