"""
JPEG files: their structure, and whether their data is whole.

Decoders complete what is missing: from a frame that a camera or a network has truncated or
damaged, libjpeg makes an image of the right size, and depth would be predicted from invented
pixels. OpenCV reports nothing of it. Checked here are the end of the file, the order of the
restart markers, gaps filled with zeros, and whether the last blocks were decoded at all; and
:mod:`depth_node.image.jpeg_data` checks that the data lasts for exactly the blocks of the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import re

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.image.jpeg_data import Component, Header, lasts
from depth_node.image.size import Size

START = b'\xff\xd8'
_END, _SCAN, _RESTART, _TABLES = 0xD9, 0xDA, 0xDD, 0xC4
# start-of-frame markers: C0 to CF without DHT (C4), JPG (C8) and DAC (CC)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# markers without a length: TEM, RST0 to RST7, SOI
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
# in the data, FF 00 is a byte, FF FF is fill, and FF D0 to FF D7 separate intervals
_MARKER = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]')
SEPARATOR = re.compile(rb'\xff([\xd0-\xd7])')
_GAP = bytes(16)
"""Zeros that no data contains, unless a table gives zero bits to empty blocks."""
_GRAY = 128
"""Level of every pixel of a block for which there was no data."""
_PROGRESSIVE = 0xC2
"""Frames whose data is several passes over the blocks."""
_SCAN_HEADER = 8
"""Bytes of a scan's header with its marker, without two for each component."""


@dataclass(frozen=True)
class Jpeg:
    """
    A JPEG file whose structure is whole.

    :param data: the file's bytes, up to and including an end marker.
    :param size: of the image (pixels).
    :param block: width and height of a block (MCU; pixels).
    :param ended: whether the file had an end marker; otherwise it was added.
    """

    data: bytes
    size: Size
    block: tuple[int, int]
    ended: bool


def jpeg_size(data: bytes) -> Size:
    """
    Return the size that a JPEG file declares (ITU-T T.81 B.2.2).

    :param data: the file's bytes.
    :returns: the size (pixels).
    :raises DataError: no markers where they belong, or truncated before the size.
    """
    for marker, at in _segments(data):
        if marker in _FRAMES:
            if at + 9 > len(data):
                break
            return _size(data, at)
    raise DataError('JPEG image: truncated before its size.')


def count_scans(data: bytes) -> int:
    """
    Count what may be scans of an image.

    :param data: the file's bytes.
    :returns: the number of start-of-scan markers.
    """
    return data.count(bytes([0xFF, _SCAN]))


def segment_of(data: bytes, marker: int, start: bytes) -> bytes:
    """
    Return a segment of a JPEG file.

    :param data: the file's bytes.
    :param marker: its second byte.
    :param start: what the segment begins with.
    :returns: what follows `start`, or nothing.
    :raises DataError: no markers where they belong.
    """
    for found, at in _segments(data):
        content = data[at + 4:at + 2 + _word(data, at + 2)]
        if found == marker and content.startswith(start):
            return content[len(start):]
    return b''


def checked_jpeg(data: bytes) -> Jpeg:
    """
    Check the structure of a JPEG file, up to its end.

    :param data: the file's bytes; what follows the image is ignored.
    :returns: the image. Without an end marker, only :func:`check_decoded` can say whether the
        data is complete: some cameras do not send one.
    :raises DataError: truncated before the data, or damaged inside.
    """
    header = _header(data)
    end = _image_end(data, header.start)
    if header.sequential:
        found = _MARKER.search(data, header.start)
        content = data[header.start:found.start() if found else len(data)]
        _check_data(data[:header.start], header, content, end is not None)
    elif end is None:
        raise _lost(header.size, 'it is truncated')
    elif header.kind == _PROGRESSIVE and not _is_fully_scanned(data[:end], header):
        raise _lost(header.size, 'scans are missing')
    whole = data[:end] if end is not None else data + bytes([0xFF, _END])
    return Jpeg(whole, header.size, header.block, end is not None)


def _is_fully_scanned(data: bytes, header: Header) -> bool:
    """
    Return whether the scans of a progressive image bring every coefficient to its last bit.

    A scan has components, the coefficients from Ss to Se, and Al, the bits that are still missing
    (ITU-T T.81 B.2.3 and G.1.1.1).
    """
    complete: dict[int, set[int]] = {}
    at = header.start - _SCAN_HEADER - 2 * len(header.components)
    while at >= 0:
        count = data[at + 4] if at + 4 < len(data) else 0
        last = data[at + 5 + 2 * count:at + 8 + 2 * count]
        if len(last) == 3 and not last[2] & 15:
            for component in data[at + 5:at + 5 + 2 * count:2]:
                complete.setdefault(component, set()).update(range(last[0], last[1] + 1))
        at = data.find(bytes([0xFF, _SCAN]), at + 2)
    full = sum(found >= set(range(64)) for found in complete.values())
    return full >= header.planes


def _check_data(before: bytes, header: Header, content: bytes, ended: bool) -> None:
    columns, rows = header.blocks
    intervals = SEPARATOR.split(content)
    # the markers count 0 to 7 again and again
    marks = [mark[0] & 7 for mark in intervals[1::2]]
    expected = -(-columns * rows // header.interval) if header.interval else 1
    if marks != [number % 8 for number in range(expected - 1)]:
        raise _lost(header.size, 'restart markers are missing or out of order')
    if _GAP in content and not all(
        table[16:17] == b'\0' for number, table in header.tables.items() if number >> 4
    ):
        raise _lost(header.size, 'there is a gap in its data')
    # each block has at least two codes of at least one bit
    least = 2 * columns * rows * sum(c.h * c.v for c in header.components)
    if 8 * len(content) < least or not lasts(before, header, intervals[::2]):
        raise _lost(header.size, 'its data does not fit its size' if ended else 'it is truncated')


def check_decoded(jpeg: Jpeg, image: NDArray[np.uint8]) -> None:
    """
    Check that the data of an image lasted to its last block.

    :param jpeg: what was decoded.
    :param image: uint8 (H, W, 3) or (H, W), not turned.
    :raises DataError: the last two blocks are the gray of blocks without data. An image with an
        end marker that is this gray all over is accepted.
    """
    width, height = jpeg.block
    row = (len(image) - 1) // height * height
    column = (image.shape[1] - 1) // width * width
    # colors of the blocks above and on the left reach one pixel into a block
    last = image[row + 1:, max(column - width, 0) + 1:]
    if not last.size or (last != _GRAY).any():
        return
    if jpeg.ended and (image == _GRAY).all():
        return
    raise _lost(jpeg.size, 'its data ends early' if jpeg.ended else 'it is truncated')


def _lost(size: Size, what: str) -> DataError:
    return DataError(
        f'JPEG image {size.width}x{size.height} is damaged: {what}.',
        'If this happens often, check the cable, the USB bandwidth or the network of the camera.',
    )


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Walk from marker to marker, up to the first scan; every step moves on, so this ends."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise DataError(f'JPEG image: byte {at} is {data[at]:#04x}, expected a marker.')
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _BARE:
            at += 2
            continue
        yield marker, at
        if marker in {_SCAN, _END}:
            return
        at += 2 + max(2, _word(data, at + 2))


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at:at + 2], 'big')


def _size(data: bytes, at: int) -> Size:
    return Size(width=_word(data, at + 7), height=_word(data, at + 5))


def _header(data: bytes) -> Header:
    """Read the segments up to the first scan."""
    frame = interval = interval_at = 0
    tables: dict[int, bytes] = {}
    for marker, at in _segments(data):
        after = at + 2 + _word(data, at + 2)
        if marker in _FRAMES:
            frame = at
        elif marker == _RESTART:
            interval, interval_at = _word(data, at + 4), at + 4
        elif marker == _TABLES:
            tables |= _tables(data[at + 4:after])
        elif marker == _SCAN and frame:
            components, planes = _components(data, frame, at)
            if not components or not all(c.h and c.v for c in components):
                break
            return Header(
                data[frame + 1], frame, _size(data, frame), components, planes, interval,
                interval_at, tables, after,
            )
    raise DataError('JPEG image: has no image data.')


def _components(data: bytes, frame: int, scan: int) -> tuple[tuple[Component, ...], int]:
    """Read the components of a scan, and the number of those of the image."""
    if max(frame + 9, scan + 4) >= len(data):
        return (), 0
    planes, count = data[frame + 9], data[scan + 4]
    known = {
        data[at]: data[at + 1] for at in range(frame + 10, frame + 10 + 3 * planes, 3)
        if at + 1 < len(data)
    }
    components = []
    for at in range(scan + 5, scan + 5 + 2 * count, 2):
        if at + 1 >= len(data) or data[at] not in known:
            return (), 0
        factors, selected = known[data[at]], data[at + 1]
        # alone in its scan, a component comes block by block, whatever its factors say
        h, v = (factors >> 4, factors & 15) if count > 1 else (1, 1)
        components.append(Component(h, v, selected >> 4, selected & 15))
    return tuple(components), planes


def _tables(segment: bytes) -> dict[int, bytes]:
    """Split the Huffman tables of a segment."""
    tables, at = {}, 0
    while at + 17 <= len(segment):
        end = at + 17 + sum(segment[at + 1:at + 17])
        tables[segment[at]] = segment[at + 1:end]
        at = end
    return tables


def _image_end(data: bytes, start: int) -> int | None:
    """Return where the image ends, behind its end marker, or None if there is none."""
    at = start
    while (found := _MARKER.search(data, at)) is not None:
        at = found.end()
        marker = data[at - 1]
        if marker == _END:
            return at
        if marker not in _BARE:
            at += _word(data, at)
    return None
