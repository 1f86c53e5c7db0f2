"""Readers for point clouds of other programs."""

from __future__ import annotations

from collections.abc import Callable
import io
from pathlib import Path
from typing import Any
import warnings

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.files import read_regular
from depth_node.sources.arrays import npy_array

Points = NDArray[np.float64]
_LARGEST_FILE = 2**30
_HEADER = 2**16
"""Bytes in which a header ends."""
_UNREADABLE = (
    ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError, MemoryError
)
_LARGEST_ROW = 2**16
"""Bytes of a point."""
_PLY_TYPES = {
    'char': 'i1', 'uchar': 'u1', 'short': 'i2', 'ushort': 'u2', 'int': 'i4', 'uint': 'u4',
    'float': 'f4', 'double': 'f8', 'int8': 'i1', 'uint8': 'u1', 'int16': 'i2', 'uint16': 'u2',
    'int32': 'i4', 'uint32': 'u4', 'float32': 'f4', 'float64': 'f8',
}
_PLY_FORMATS = {'ascii': '', 'binary_little_endian': '<', 'binary_big_endian': '>'}
_PCD_TYPES = {'I': 'i', 'U': 'u', 'F': 'f'}
_PCD_DATA = ('ascii', 'binary', 'binary_compressed')
_MATCH = 32
"""From this value on, a control byte of LZF is a match."""


def read_points(path: Path) -> Points:
    """
    Read points.

    :param path: .npy (N, 3 or more), .bin (float32 in fours), .ply or .pcd (ASCII or binary), or
        .txt or .xyz with x y z in each line.
    :returns: float64 (N, 3) (m); NaN where the file has NaN.
    :raises DataError: unreadable, or no points.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f'{path}: expected points as {", ".join(READERS)}.')
    content = read_regular(path, _LARGEST_FILE)
    try:
        points = np.asarray(reader(content), np.float64)
    except _UNREADABLE as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f'{path}: cannot be read as points ({line}).') from error
    if points.ndim != 2 or points.shape[1] < 3 or not len(points):
        raise DataError(f'{path}: has shape {points.shape}, expected (N, 3) with x, y, z (m).')
    return points[:, :3]


def _kitti(content: bytes) -> NDArray[Any]:
    return np.frombuffer(content, '<f4').reshape(-1, 4)


def _text(content: bytes) -> NDArray[Any]:
    return _numbers(content)


def _numbers(content: bytes, **options: Any) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)  # no lines: reported as no points
        return np.loadtxt(io.StringIO(content.decode('ascii')), ndmin=2, **options)


def _ply(content: bytes) -> NDArray[Any]:
    """Read PLY (Turk, The PLY polygon file format, 1994)."""
    lines, body = _header(content, 'end_header')
    if lines[0] != ['ply']:
        raise ValueError('it does not begin with ply')
    order = next((_PLY_FORMATS[words[1]] for words in lines if words[0] == 'format'), None)
    elements = _elements(lines)
    place = next((i for i, one in enumerate(elements) if one[0] == 'vertex'), -1)
    if order is None or place < 0:
        raise ValueError('no format or no vertices are declared')
    _, count, fields = elements[place]
    before = elements[:place]
    # lines hold any list, but the place of a number in a line is known without one only
    if any(kind == 'list' for one in elements[place if not order else 0:place + 1]
           for _, kind in one[2]):
        raise ValueError('there are lists before or in the vertices')
    if not order:
        return _rows(body, [name for name, _ in fields], sum(one[1] for one in before), count)
    skipped = sum(
        number * sum(np.dtype(kind).itemsize for _, kind in some) for _, number, some in before
    )
    return _columns(body[skipped:], [(name, order + kind) for name, kind in fields], count)


def _elements(lines: list[list[str]]) -> list[tuple[str, int, list[tuple[str, str]]]]:
    """Return name, number, and names and types of the properties of each element of a PLY file."""
    found: list[tuple[str, int, list[tuple[str, str]]]] = []
    for words in lines:
        if words[0] == 'element':
            found.append((words[1], _count(words[2]), []))
        elif words[0] == 'property':
            kind = 'list' if words[1] == 'list' else _PLY_TYPES[words[1]]
            found[-1][2].append((words[-1], kind))
    return found


def _pcd(content: bytes) -> NDArray[Any]:
    """Read PCD 0.7 (Point Cloud Library, The PCD file format)."""
    lines, body = _header(content, 'DATA')
    header = {words[0]: words[1:] for words in lines}
    names, sizes, types = header['FIELDS'], header['SIZE'], header['TYPE']
    repeats = [_count(text) for text in header.get('COUNT', ['1'] * len(names))]
    count = _count(header['POINTS'][0]) if 'POINTS' in header else (
        _count(header['WIDTH'][0]) * _count(header['HEIGHT'][0])
    )
    data = header['DATA'][0]
    if data not in _PCD_DATA:
        raise ValueError(f'DATA is {data}, expected {", ".join(_PCD_DATA)}')
    if not len(names) == len(sizes) == len(types) == len(repeats):
        raise ValueError('FIELDS, SIZE, TYPE and COUNT have different lengths')
    if data == 'ascii':
        spread = [name for name, number in zip(names, repeats, strict=True)
                  for name in [name] * number]
        return _rows(body, spread, 0, count)
    fields = [
        (name, f'({number},)<{_PCD_TYPES[kind]}{_count(size)}' if number != 1
         else f'<{_PCD_TYPES[kind]}{_count(size)}')
        for name, kind, size, number in zip(names, types, sizes, repeats, strict=True)
    ]
    if data == 'binary':
        return _columns(body, fields, count)
    packed, size = (int(n) for n in np.frombuffer(body[:8], '<u4'))
    row = sum(np.dtype(kind).itemsize for _, kind in fields)
    if size != row * count or size > _LARGEST_FILE or len(body) < 8 + packed:
        raise ValueError(f'{count} points of {row} bytes are not the {size} that are declared')
    plain, columns, at = _lzf(body[8:8 + packed], size), [], 0
    for name, kind in fields:
        length = np.dtype(kind).itemsize * count
        if name in 'xyz':
            columns.append((name, np.frombuffer(plain[at:at + length], kind)))
        at += length
    return np.column_stack([dict(columns)[axis] for axis in 'xyz'])


def _header(content: bytes, last: str) -> tuple[list[list[str]], bytes]:
    """Return the words of the lines of a header, and what follows its last line."""
    lines: list[list[str]] = []
    at = 0
    while at < _HEADER:
        end = content.find(b'\n', at, _HEADER)
        if end < 0:
            break
        words = content[at:end].decode('latin-1').split()
        at = end + 1
        if words and words[0] not in {'comment', 'obj_info'} and words[0][0] != '#':
            lines.append(words)
            if words[0] == last:
                return lines, content[at:]
    raise ValueError(f'its header has no line {last}')


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= _LARGEST_FILE:
        raise ValueError(f'{number} of something')
    return number


def _rows(body: bytes, names: list[str], skipped: int, count: int) -> NDArray[Any]:
    """Read lines of numbers."""
    if count == 0:
        return np.zeros((0, 3))
    places = [names.index(axis) for axis in 'xyz']
    points = _numbers(body, skiprows=skipped, max_rows=count, usecols=places)
    if len(points) != count:
        raise ValueError(f'it has {len(points)} of {count} points')
    return points


def _columns(body: bytes, fields: list[tuple[str, str]], count: int) -> NDArray[Any]:
    """Read rows of binary numbers."""
    # names may repeat, as those of padding do
    layout = np.dtype([
        (name if name in {'x', 'y', 'z'} else f'_{place}', kind)
        for place, (name, kind) in enumerate(fields)
    ])
    if not 0 < layout.itemsize <= _LARGEST_ROW or len(body) < count * layout.itemsize:
        raise ValueError(
            f'{count} points of {layout.itemsize} bytes are not in {len(body)} bytes'
        )
    rows = np.frombuffer(body, layout, count)
    return np.column_stack([rows[axis].astype(np.float64) for axis in 'xyz'])


def _lzf(packed: bytes, size: int) -> bytes:
    """
    Unpack LZF (Lehmann, LibLZF), which PCD uses.

    A control byte below 32 is followed by one more byte than it says. Otherwise its upper three
    bits, and the next byte where these are 7, are the length less 2 of a match, and its lower
    five bits and one more byte the distance less 1.
    """
    out = bytearray()
    at = 0
    while at < len(packed):
        control = packed[at]
        at += 1
        if control < _MATCH:
            out += packed[at:at + control + 1]
            at += control + 1
        else:
            length = control >> 5
            if length == 7:
                length += packed[at]
                at += 1
            begin = len(out) - ((control & 31) << 8) - packed[at] - 1
            at += 1
            if begin < 0:
                raise ValueError('a match before the beginning')
            length += 2
            piece = bytes(out[begin:begin + length])
            out += (piece * (length // len(piece) + 1))[:length]  # a match may overlap itself
        if len(out) > size:
            raise ValueError('more bytes than are declared')
    if len(out) != size:
        raise ValueError(f'{len(out)} of {size} bytes')
    return bytes(out)


READERS: dict[str, Callable[[bytes], NDArray[Any]]] = {
    '.npy': npy_array, '.bin': _kitti, '.ply': _ply, '.pcd': _pcd, '.txt': _text, '.xyz': _text,
}
"""The formats by their endings."""
