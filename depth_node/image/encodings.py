"""
Image encodings: array views on raw bytes, and their conversion to rgb or metres.

The names are those of ROS (sensor_msgs/image_encodings), but this module does not need ROS.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from depth_node.errors import DataError
from depth_node.image.data import bytes_of

Image: TypeAlias = NDArray[Any]

MAX_SIDE = 16384
"""Maximum width and height (pixels)."""
MAX_PIXELS = 2**26
"""Maximum number of pixels, twice that of an 8192 x 4096 camera; bounds forged headers."""

_BITS = (8, 10, 12, 14, 16)
"""Bits of a camera's values, of which those that are not used are empty."""

DEPTH_ENCODINGS = ('32FC1', '16UC1')
"""Encodings of REP-118 depth images: metres, or millimetres with 0 for invalid."""
_SATURATED = 65535


class _Packing(Enum):
    """How pixels are arranged, and what that requires of the size W x H."""

    PIXELS = 'whole pixels, any size'
    PAIRS = 'two pixels share their chroma: W is even'
    MOSAIC = 'a 2 x 2 colour filter: W and H are at least 2'
    PLANES = 'H rows of luma, then H / 2 rows of interleaved chroma: W and H are even'


@dataclass(frozen=True)
class _Encoding:
    """
    One encoding.

    :param dtype: of one channel, little-endian or single byte.
    :param channels: values per pixel as they lie in a row.
    :param convert: OpenCV's conversion code to rgb, or None if no conversion is needed.
    :param packing: how pixels are arranged.
    """

    dtype: str
    channels: int
    convert: int | None
    packing: _Packing = _Packing.PIXELS


# OpenCV names a Bayer pattern after its second row, second column: its BG is ROS's rggb
_BAYER = {
    'rggb': cv2.COLOR_BayerBG2RGB,
    'bggr': cv2.COLOR_BayerRG2RGB,
    'gbrg': cv2.COLOR_BayerGR2RGB,
    'grbg': cv2.COLOR_BayerGB2RGB,
}
_UYVY = _Encoding('u1', 2, cv2.COLOR_YUV2RGB_UYVY, _Packing.PAIRS)
_YUYV = _Encoding('u1', 2, cv2.COLOR_YUV2RGB_YUY2, _Packing.PAIRS)

_ENCODINGS = {
    'rgb8': _Encoding('u1', 3, None),
    'bgr8': _Encoding('u1', 3, cv2.COLOR_BGR2RGB),
    'rgba8': _Encoding('u1', 4, cv2.COLOR_RGBA2RGB),
    'bgra8': _Encoding('u1', 4, cv2.COLOR_BGRA2RGB),
    'mono8': _Encoding('u1', 1, cv2.COLOR_GRAY2RGB),
    'rgb16': _Encoding('u2', 3, None),
    'bgr16': _Encoding('u2', 3, cv2.COLOR_BGR2RGB),
    'rgba16': _Encoding('u2', 4, cv2.COLOR_RGBA2RGB),
    'bgra16': _Encoding('u2', 4, cv2.COLOR_BGRA2RGB),
    'mono16': _Encoding('u2', 1, cv2.COLOR_GRAY2RGB),
    # without a colour order: that of OpenCV, whose matrices such drivers send
    '8UC1': _Encoding('u1', 1, cv2.COLOR_GRAY2RGB),
    '8UC3': _Encoding('u1', 3, cv2.COLOR_BGR2RGB),
    '8UC4': _Encoding('u1', 4, cv2.COLOR_BGRA2RGB),
    '16UC1': _Encoding('u2', 1, cv2.COLOR_GRAY2RGB),
    '32FC1': _Encoding('f4', 1, None),
    'uyvy': _UYVY,
    'yuv422': _UYVY,
    'yuyv': _YUYV,
    'yuv422_yuy2': _YUYV,
    'nv12': _Encoding('u1', 1, cv2.COLOR_YUV2RGB_NV12, _Packing.PLANES),
    'nv21': _Encoding('u1', 1, cv2.COLOR_YUV2RGB_NV21, _Packing.PLANES),
    **{
        f'bayer_{pattern}{bits}': _Encoding(dtype, 1, code, _Packing.MOSAIC)
        for pattern, code in _BAYER.items()
        for bits, dtype in ((8, 'u1'), (16, 'u2'))
    },
}

COLOR_ENCODINGS = tuple(name for name in _ENCODINGS if name not in DEPTH_ENCODINGS)
"""Encodings that :func:`to_rgb` accepts."""


def image_view(  # noqa: PLR0917 - the fields of the message in their order
    encoding: str, height: int, width: int, step: int, is_bigendian: bool, data: Any
) -> Image:
    """
    Return an array view on the bytes of an image, without copying.

    :param encoding: a name among :data:`COLOR_ENCODINGS` or :data:`DEPTH_ENCODINGS`.
    :param height: rows of the image (pixels).
    :param width: columns of the image (pixels).
    :param step: distance between the starts of two rows (bytes), padding included.
    :param is_bigendian: byte order of encodings with more than one byte per value.
    :param data: the bytes, row by row, as :func:`depth_node.image.data.bytes_of` takes them;
        more than needed is ignored.
    :returns: a view: (H, W) for one channel and mosaics, (H, W, C) for more, (H, W, 2) for
        yuv422, (H * 3 / 2, W) for nv12 and nv21; read-only where `data` is.
    :raises DataError: unknown encoding; a size that is zero, above :data:`MAX_SIDE` or
        :data:`MAX_PIXELS`, or odd where the encoding needs pairs; a step shorter than a row;
        fewer bytes than the header declares. Nothing is allocated before these checks.
    """
    found = _encoding(encoding)
    _check_size(encoding, found.packing, height, width)
    dtype = np.dtype(found.dtype).newbyteorder('>' if is_bigendian else '<')
    row = width * found.channels * dtype.itemsize
    raw = bytes_of(data)
    rows = height
    if found.packing is _Packing.PLANES:
        rows = height * 3 // 2
        if step * 2 == width * 3 and raw.size == height * step:
            step = width  # the driver counted the chroma into its rows; the planes are tight
    if step < row:
        raise DataError(
            f'{encoding} image {width}x{height}: step is {step} bytes, expected at least {row}.'
        )
    needed = (rows - 1) * step + row  # drivers differ on whether the last row is padded
    if raw.size < needed:
        raise DataError(
            f'{encoding} image {width}x{height} with step {step}: found {raw.size} bytes of '
            f'data, expected {needed}.'
        )
    if found.channels == 1:
        return np.ndarray((rows, width), dtype, raw, 0, (step, dtype.itemsize))
    strides = (step, found.channels * dtype.itemsize, dtype.itemsize)
    return np.ndarray((rows, width, found.channels), dtype, raw, 0, strides)


def to_rgb(
    view: Image, encoding: str, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """
    Convert a view to 8-bit rgb.

    16-bit values are scaled as :func:`to_8_bits` describes. YUV is ITU-R BT.601
    with limited range, as in OpenCV and V4L2. Alpha is dropped.

    :param view: what :func:`image_view` returned for this encoding.
    :param encoding: a name among :data:`COLOR_ENCODINGS`.
    :param out: uint8 (H, W, 3), contiguous, to write the result to; not used if no conversion
        is needed or if its shape differs.
    :returns: uint8 (H, W, 3), contiguous: `out`, a new array, or `view` itself.
    :raises DataError: the encoding has no color, or `view` is not of this encoding.
    """
    found = _encoding(encoding)
    if encoding not in COLOR_ENCODINGS:
        raise DataError(f'{encoding} is a depth image, expected a color image.')
    _check_view(view, encoding, found)
    if not view.dtype.isnative or not view.flags.aligned:
        view = view.astype(view.dtype.newbyteorder('='))
    height, width = view.shape[:2]
    if found.packing is _Packing.PLANES:
        height = height * 2 // 3
    if out is not None and (out.shape != (height, width, 3) or not out.flags.c_contiguous):
        out = None
    eight_bit = view.dtype.itemsize == 1
    if found.convert is None:
        if eight_bit:
            return _contiguous(view, out)
    elif eight_bit:
        return cv2.cvtColor(view, found.convert, dst=out)
    else:
        view = cv2.cvtColor(view, found.convert)
    return to_8_bits(view, out)


def to_8_bits(image: Image, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """
    Convert 16-bit values to 8 bits.

    Cameras of 10, 12 and 14 bits often leave the upper bits empty, and neither a message nor a
    PNG says so. The smallest of these widths that holds every value is taken for the full range;
    taken for 16 bits, the image of a 12-bit camera is all but black.

    :param image: uint16 of any shape.
    :param out: uint8 of the same shape to write the result to, or None.
    :returns: uint8 of the same shape.
    """
    largest = int(image.max(initial=0))
    bits = next(bits for bits in _BITS if largest < 2**bits)
    return cv2.convertScaleAbs(image, dst=out, alpha=255 / (2**bits - 1))


def to_metres(
    view: Image, encoding: str, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """
    Convert a view of a depth image (REP-118) to metres.

    :param view: what :func:`image_view` returned for this encoding.
    :param encoding: ``32FC1`` (metres) or ``16UC1`` (millimetres; 0 is invalid, and so is the
        largest number, which drivers write where they know nothing or more).
    :param out: float32 (H, W) to write the result to; None: a new array.
    :returns: float32 (H, W), z-depth (m), NaN where 16UC1 is invalid; infinities of 32FC1 are
        kept.
    :raises DataError: another encoding, or `view` is not of this encoding.
    """
    if encoding not in DEPTH_ENCODINGS:
        raise DataError(
            f'{encoding[:40]!r} is not a depth image, expected {" or ".join(DEPTH_ENCODINGS)}.'
        )
    _check_view(view, encoding, _encoding(encoding))
    if out is None or out.shape != view.shape:
        out = np.empty(view.shape, np.float32)
    if encoding == '32FC1':
        np.copyto(out, view)
    else:
        np.multiply(view, np.float32(0.001), out=out)
        out[(view == 0) | (view == _SATURATED)] = np.nan
    return out


def to_millimetres(
    metres: NDArray[np.float32], out: NDArray[np.uint16] | None = None
) -> NDArray[np.uint16]:
    """
    Convert metres to the 16-bit millimetres of REP-118.

    :param metres: float32 (H, W), z-depth (m); NaN, infinities, and values that are not positive
        or do not fit into 16 bits (65.535 m) are invalid.
    :param out: uint16 (H, W) to write the result to; None: a new array.
    :returns: uint16 (H, W) (mm), rounded, 0 for invalid.
    """
    if out is None or out.shape != metres.shape:
        out = np.empty(metres.shape, np.uint16)
    with np.errstate(over='ignore'):
        millimetres = np.multiply(metres, np.float32(1000))
    np.rint(millimetres, out=millimetres)
    cv2.threshold(millimetres, 65535, 0, cv2.THRESH_TOZERO_INV, dst=millimetres)
    np.fmax(millimetres, np.float32(0), out=millimetres)  # NaN becomes 0 too
    np.copyto(out, millimetres, casting='unsafe')
    return out


def _encoding(name: str) -> _Encoding:
    found = _ENCODINGS.get(name)
    if found is None:
        raise DataError(
            f'image encoding {name[:40]!r} is not known, expected one of '
            f'{", ".join(_ENCODINGS)}.'
        )
    return found


def _check_size(encoding: str, packing: _Packing, height: int, width: int) -> None:
    """Check the size before any memory is allocated."""
    # OpenCV 4.5, which Humble has, cannot take a single pixel
    if width <= 0 or height <= 0 or width * height < 2:
        raise DataError(f'image size is {width}x{height}, expected at least two pixels.')
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise DataError(
            f'image size is {width}x{height}, expected at most {MAX_SIDE} per side and '
            f'{MAX_PIXELS} pixels.'
        )
    match packing:
        case _Packing.PIXELS:
            fits = True
        case _Packing.PAIRS:
            fits = width % 2 == 0
        case _Packing.MOSAIC:
            fits = width >= 2 and height >= 2
        case _Packing.PLANES:
            fits = width % 2 == 0 and height % 2 == 0
        case _:
            assert_never(packing)
    if not fits:
        raise DataError(f'{encoding} image {width}x{height}: expected {packing.value}.')


def _check_view(view: Image, encoding: str, found: _Encoding) -> None:
    channels = view.shape[2] if view.ndim == 3 else 1
    dtype = np.dtype(found.dtype)
    expected = 2 if found.channels == 1 else 3
    same_type = (view.dtype.kind, view.dtype.itemsize) == (dtype.kind, dtype.itemsize)
    if view.ndim != expected or channels != found.channels or not same_type or view.size == 0:
        raise DataError(
            f'an array of shape {view.shape} and type {view.dtype} is not a {encoding} image, '
            f'expected {found.channels} channel(s) of {dtype}.'
        )


def _contiguous(view: Image, out: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    if view.flags.c_contiguous:
        return view
    if out is None:
        return np.ascontiguousarray(view)
    np.copyto(out, view)
    return out
