"""
Whether the data of a JPEG image lasts for exactly its blocks.

After damage a decoder reads other codes, so that it reaches the last block too early or too
late. To see this without decoding Huffman codes here, a copy of the image is extended by flat
blocks, in its data and in its header alike, and decoded at an eighth of its size: if the blocks
behind the image are flat, its data ended where it should. An intact image makes libjpeg say
nothing on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.image.size import Size

_SEQUENTIAL = frozenset({0xC0, 0xC1})
"""Frames whose data is one pass over the blocks, with Huffman codes."""
_EXTRA = 4
"""Flat blocks (MCU) behind an interval, at least."""
_MOST_INTERVALS = 256
"""Shorter intervals are not checked: damage ends with them, and each takes its time."""
_LONGEST_SIDE = 65500
"""Pixels; libjpeg's limit."""
_PADDING = 7
"""Most bits that an encoder adds to complete a byte; they are ones (ITU-T T.81 F.1.2.3)."""


@dataclass(frozen=True)
class Component:
    """
    One plane of an image: luma, or one of chroma.

    :param h: blocks of eight pixels side by side in an MCU.
    :param v: blocks of eight pixels above each other in an MCU.
    :param dc: number of its table for the mean of a block.
    :param ac: number of its table for the rest of a block.
    """

    h: int
    v: int
    dc: int
    ac: int


@dataclass(frozen=True)
class Header:
    """
    What precedes the data of the first scan.

    :param kind: the start-of-frame marker.
    :param frame: where its segment begins.
    :param size: of the image (pixels).
    :param components: those of the first scan.
    :param planes: number of components of the image.
    :param interval: blocks (MCU) between two restart markers, 0 for none.
    :param interval_at: where that number stands.
    :param tables: Huffman tables by class and number, as in the file: 16 counts, then symbols.
    :param start: where the data begins.
    """

    kind: int
    frame: int
    size: Size
    components: tuple[Component, ...]
    planes: int
    interval: int
    interval_at: int
    tables: dict[int, bytes]
    start: int

    @property
    def block(self) -> tuple[int, int]:
        """Width and height of a block (MCU; pixels)."""
        return 8 * max(c.h for c in self.components), 8 * max(c.v for c in self.components)

    @property
    def blocks(self) -> tuple[int, int]:
        """Blocks (MCU) in a row and in a column."""
        width, height = self.block
        return -(-self.size.width // width), -(-self.size.height // height)

    @property
    def sequential(self) -> bool:
        """Whether the first scan is the whole image."""
        return self.kind in _SEQUENTIAL and len(self.components) == self.planes


def lasts(before: bytes, header: Header, intervals: Sequence[bytes]) -> bool:
    """
    Return whether every interval of an image has data for exactly its blocks.

    :param before: the file up to its data.
    :param header: what it says.
    :param intervals: the data between the restart markers.
    :returns: False if the image is damaged; True if it is intact, or if its tables have no codes
        for flat blocks, or intervals so short that nothing need be said.
    """
    if len(intervals) > _MOST_INTERVALS:
        return True
    flat = _flat_block(header)
    columns, rows = header.blocks
    total = columns * rows
    if header.interval:
        layout = header.interval + _EXTRA, len(intervals)
        sizes = [header.interval] * (len(intervals) - 1)
        sizes.append(total - header.interval * len(sizes))
        extra = [layout[0] - size for size in sizes]
    else:
        layout = columns, rows + -(-_EXTRA // columns)
        sizes, extra = [total], [layout[0] * layout[1] - total]
    too_large = any(
        blocks * pixels > _LONGEST_SIDE
        for blocks, pixels in zip(layout, header.block, strict=True)
    )
    if flat is None or too_large or min(sizes) <= 0:
        return True
    # how many of the ones at the end are padding is not written anywhere; mostly all
    padding = [_trailing_ones(interval) for interval in intervals]
    for _ in range(_PADDING + 1):
        longer = [
            _extended(interval, bits, flat * more)
            for interval, bits, more in zip(intervals, padding, extra, strict=True)
        ]
        good = _flat_behind(_copy(before, header, layout, longer), header, layout, sizes)
        if good.all():
            return True
        if any(bits == 0 for bits, fits in zip(padding, good, strict=True) if not fits):
            return False
        padding = [bits - (not fits) for bits, fits in zip(padding, good, strict=True)]
    return False


def _flat_block(header: Header) -> str | None:
    """Return the bits of a block (MCU) like its predecessor, or None if there is no such code."""
    bits = ''
    for component in header.components:
        mean = _code(header.tables.get(component.dc), 0)
        rest = _code(header.tables.get(0x10 | component.ac), 0)
        if mean is None or rest is None:
            return None
        bits += (mean + rest) * component.h * component.v
    return bits


def _code(table: bytes | None, symbol: int) -> str | None:
    """Return the code of a symbol in a Huffman table (ITU-T T.81 C.2)."""
    if table is None:
        return None
    code, at = 0, 16
    for length in range(1, 17):
        for _ in range(table[length - 1]):
            if at < len(table) and table[at] == symbol:
                return f'{code:0{length}b}'
            code += 1
            at += 1
        code <<= 1
    return None


def _trailing_ones(interval: bytes) -> int:
    last = interval[-2] if interval.endswith(b'\xff\0') else interval[-1] if interval else 0
    ones = 0
    while ones < _PADDING and last >> ones & 1:
        ones += 1
    return ones


def _extended(interval: bytes, padding: int, bits: str) -> bytes:
    """Replace the padding of an interval by more data."""
    interval = interval.removesuffix(b'\xff\0') + b'\xff' if interval.endswith(b'\xff\0') \
        else interval
    kept, last = interval[:-1], interval[-1:] or b'\0'
    bits = f'{last[0]:08b}'[:8 - padding] + bits
    bits += '1' * (-len(bits) % 8)
    tail = int(bits, 2).to_bytes(len(bits) // 8, 'big')
    return kept + tail.replace(b'\xff', b'\xff\0')


def _copy(
    before: bytes, header: Header, layout: tuple[int, int], intervals: Sequence[bytes]
) -> bytes:
    """Return the file with another size (blocks) and other data."""
    changed = bytearray(before)
    width, height = (blocks * p for blocks, p in zip(layout, header.block, strict=True))
    at = header.frame + 5
    changed[at:at + 4] = height.to_bytes(2, 'big') + width.to_bytes(2, 'big')
    if header.interval:
        at = header.interval_at
        changed[at:at + 2] = layout[0].to_bytes(2, 'big')
    parts = [bytes(changed)]
    for number, interval in enumerate(intervals):
        if number:
            parts.append(bytes([0xFF, 0xD0 | (number - 1) & 7]))
        parts.append(interval)
    return b''.join([*parts, b'\xff\xd9'])


def _flat_behind(
    data: bytes, header: Header, layout: tuple[int, int], sizes: Sequence[int]
) -> NDArray[np.bool_]:
    """Return of each interval whether everything behind its blocks is as its last block."""
    try:
        small = cv2.imdecode(
            np.frombuffer(data, np.uint8),
            cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_IGNORE_ORIENTATION,
        )
    except cv2.error:
        small = None
    h, v = (pixels // 8 for pixels in header.block)
    if small is None or small.shape != (layout[1] * v, layout[0] * h):
        return np.zeros(len(sizes), np.bool_)
    # (interval, block, pixels of a block); the last pixel of a block is coded last
    blocks = small.reshape(layout[1], v, layout[0], h).transpose(0, 2, 1, 3)
    blocks = blocks.reshape(len(sizes), -1, v * h)
    return np.array([
        (row[size:] == row[size - 1, -1]).all() for row, size in zip(blocks, sizes, strict=True)
    ])
