"""
RVL: lossless compression of 16-bit depth images, in whole arrays.

A. D. Wilson, "Fast Lossless Depth Image Compression", ISS 2017. The pixels in rows are runs: a
number of zeros, a number of pixels that are not zero, and for each of these the difference from
the one before it (from 0 for the first), as 2 d or -2 d - 1. All these numbers are written three
bits at a time, the lowest first, in nibbles whose highest bit says that more follow; eight
nibbles, the first one highest, are a little-endian 32-bit word.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError

_MORE, _BITS, _NIBBLES = 8, 3, 8
_LONGEST = 10
"""Nibbles of a number: 30 bits."""


def compress(codes: NDArray[np.uint16]) -> bytes:
    """
    Compress an image.

    :param codes: uint16, of any shape.
    :returns: the words.
    """
    flat = codes.reshape(-1)
    if not flat.size:
        return b''
    there = flat != 0
    steps = np.diff(flat[there].astype(np.int32), prepend=np.int32(0))
    ends = np.flatnonzero(there[1:] != there[:-1]) + 1
    runs = np.diff(ends, prepend=0, append=flat.size)
    # a run of zeros first and a run of others last, of length 0 if need be
    runs = np.pad(runs, (int(there[0]), int(not there[-1])))
    counts = runs[1::2]
    heads = np.cumsum(counts) - counts + 2 * np.arange(len(counts))
    values = np.empty(len(steps) + len(runs), np.uint32)
    if len(counts) == 1:
        values[2:] = (steps << 1) ^ (steps >> 31)
    else:
        pixels = np.ones(len(values), np.bool_)
        pixels[heads] = pixels[heads + 1] = False
        values[pixels] = (steps << 1) ^ (steps >> 31)
    values[heads], values[heads + 1] = runs[::2], counts
    return _packed(values)


def _packed(values: NDArray[np.uint32]) -> bytes:
    long = np.flatnonzero(values >= _MORE)
    rest = values[long] >> _BITS
    lengths = np.ones(len(values), np.uint8)
    extra = np.ones(len(long), np.uint8)
    for i in range(2, _LONGEST):
        more = rest >= 1 << _BITS * (i - 1)
        if not more.any():
            break
        extra += more
    lengths[long] += extra
    after = np.cumsum(lengths, dtype=np.int64)
    first = after - lengths
    nibbles = np.zeros(-(-int(after[-1]) // _NIBBLES) * _NIBBLES, np.uint8)
    nibbles[first] = values & (_MORE - 1)
    at = first[long]
    while len(at):
        nibbles[at] |= _MORE
        at += 1
        nibbles[at] = rest & (_MORE - 1)
        rest >>= _BITS
        more = rest > 0
        at, rest = at[more], rest[more]
    pairs = nibbles[0::2] << 4 | nibbles[1::2]
    return pairs.reshape(-1, 4)[:, ::-1].tobytes()


def decompress(data: bytes | memoryview, count: int) -> NDArray[np.uint16]:
    """
    Decompress an image.

    :param data: the words.
    :param count: number of pixels.
    :returns: uint16 (count,).
    :raises DataError: cut or damaged.
    """
    pairs = np.frombuffer(data, np.uint8, len(data) // 4 * 4).reshape(-1, 4)[:, ::-1].reshape(-1)
    values = _unpacked(np.stack([pairs >> 4, pairs & 15], 1).reshape(-1))
    out = np.zeros(count, np.uint16)
    places, parts, filled, at = [], [], 0, 0
    while filled < count:
        if at + 2 > len(values):
            raise DataError(f'RVL data ends after {filled} of {count} pixels.')
        zeros, pixels = int(values[at]), int(values[at + 1])
        start, filled, at = filled + zeros, filled + zeros + pixels, at + 2
        if filled > count or at + pixels > len(values) or not zeros + pixels:
            raise DataError(f'RVL data does not fit {count} pixels.')
        places.append(np.arange(start, filled))
        parts.append(values[at:at + pixels])
        at += pixels
    if parts:
        steps = np.concatenate(parts)
        pixels_there = np.cumsum((steps >> 1) ^ -(steps & 1))
        if len(pixels_there) and not 0 < pixels_there.min() <= pixels_there.max() < 1 << 16:
            raise DataError('RVL data holds depths that do not fit 16 bits.')
        out[np.concatenate(places)] = pixels_there
    return out


def _unpacked(nibbles: NDArray[np.uint8]) -> NDArray[np.int64]:
    ends = np.flatnonzero(nibbles < _MORE)
    first = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    lengths = ends - first + 1
    if len(lengths) and lengths.max() > _LONGEST:
        raise DataError('RVL data holds a number of more than 30 bits.')
    values = (nibbles[first] & (_MORE - 1)).astype(np.int64)
    for i in range(1, int(lengths.max(initial=1))):
        longer = np.flatnonzero(lengths > i)
        part = (nibbles[first[longer] + i] & (_MORE - 1)).astype(np.int64)
        values[longer] |= part << _BITS * i
    return values
