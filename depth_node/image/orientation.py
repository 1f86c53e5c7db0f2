"""
The orientation that a photo declares (EXIF 4.6.5, tag 0x0112).

A phone stores the rows of its sensor and writes how to turn them for people. A network wants the
upright image; what is known about the sensor's rows has to be turned in the same way.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.image import jpeg, png

_TAG = 0x0112
_MOST_ENTRIES = 512
_APP1 = 0xE1
_Pixel = TypeVar('_Pixel', bound=np.generic)


class Turn(NamedTuple):
    """
    What makes stored rows upright.

    :param mirrored: whether left and right are exchanged first.
    :param quarters: how many quarter turns clockwise follow.
    """

    mirrored: bool
    quarters: int


UPRIGHT = Turn(mirrored=False, quarters=0)
# the eight values of the tag
_TURNS = {
    1: UPRIGHT, 2: Turn(True, 0), 3: Turn(False, 2), 4: Turn(True, 2),
    5: Turn(True, 3), 6: Turn(False, 1), 7: Turn(True, 1), 8: Turn(False, 3),
}


def orientation_of(data: bytes) -> Turn:
    """
    Read the orientation of an image file.

    :param data: the file's bytes.
    :returns: how to turn the image; upright where a JPEG, PNG or WebP says nothing else, and for
        other formats.
    """
    try:
        if data.startswith(jpeg.START):
            return _of_tiff(jpeg.segment_of(data, _APP1, b'Exif\0\0'))
        if data.startswith(png.START):
            return _of_tiff(png.png_exif(data))
    except DataError:
        return UPRIGHT  # the decoder says what is wrong
    if data[:4] == b'RIFF' and data[8:12] == b'WEBP':
        return _of_tiff(_webp_exif(data))
    return UPRIGHT


def turned(image: NDArray[_Pixel], turn: Turn) -> NDArray[_Pixel]:
    """
    Turn an image.

    :param image: (H, W, ...).
    :param turn: as :func:`orientation_of` returns it.
    :returns: the upright image, contiguous.
    """
    if turn.mirrored:
        image = image[:, ::-1]
    return np.ascontiguousarray(np.rot90(image, -turn.quarters))


def _webp_exif(data: bytes) -> bytes:
    """Find the EXIF chunk of a RIFF file."""
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4:at + 8], 'little')
        if data[at:at + 4] == b'EXIF':
            return data[at + 8:at + 8 + length].removeprefix(b'Exif\0\0')
        at += 8 + length + length % 2
    return b''


def _of_tiff(data: bytes) -> Turn:
    """Read the tag in the first directory of a TIFF structure."""
    order: Any = {b'II': 'little', b'MM': 'big'}.get(data[:2])
    if order is None:
        return UPRIGHT

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at:at + size], order)

    start = number(4, 4)
    for entry in range(min(number(start, 2), _MOST_ENTRIES)):
        at = start + 2 + 12 * entry
        if number(at, 2) == _TAG:
            return _TURNS.get(number(at + 8, 2), UPRIGHT)
    return UPRIGHT
