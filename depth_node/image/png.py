"""PNG files: what a decoder needs of them, and whether it is whole."""

from __future__ import annotations

from collections.abc import Iterator
import zlib

from depth_node.errors import DataError
from depth_node.image.size import Size

START = b'\x89PNG\r\n\x1a\n'
_ANIMATION = frozenset({b'acTL', b'fcTL', b'fdAT'})
_TRANSPARENCY = b'tRNS'


def png_size(data: bytes) -> Size:
    """
    Return the size that a PNG file declares (PNG 11.2.2).

    :param data: the file's bytes.
    :returns: the size (pixels).
    :raises DataError: truncated before the size.
    """
    if len(data) < 25:
        raise DataError('PNG image: truncated before its size.')
    return Size(int.from_bytes(data[16:20], 'big'), int.from_bytes(data[20:24], 'big'))


def has_16_bits(data: bytes) -> bool:
    """
    Return whether the values of a PNG file have 16 bits.

    :param data: the file's bytes, long enough for :func:`png_size`.
    :returns: whether they have.
    """
    return data[24] == 16


def png_exif(data: bytes) -> bytes:
    """
    Return the EXIF data of a PNG file.

    :param data: the file's bytes.
    :returns: the content of its eXIf chunk (a TIFF structure), or nothing.
    :raises DataError: a chunk does not lie inside the file.
    """
    return next((data[at + 8:end - 4] for kind, at, end in _chunks(data) if kind == b'eXIf'), b'')


def checked_png(data: bytes) -> bytes:
    """
    Check the chunks of a PNG file, and leave out those that are not the image.

    Text and color profiles are compressed: 900 text chunks of a small image keep a decoder busy
    for a minute. The length of a chunk may be allocated before it is read: 4 GB for four forged
    bytes.

    :param data: the file's bytes.
    :returns: the same image.
    :raises DataError: truncated, animated, or a checksum does not fit.
    """
    kept = [START]
    for kind, at, end in _chunks(data):
        if kind in _ANIMATION:
            raise DataError('PNG image: is animated, expected a single image.')
        critical = not kind[0] & 0x20
        if not critical and kind != _TRANSPARENCY:
            continue
        if zlib.crc32(data[at + 4:end - 4]) != int.from_bytes(data[end - 4:end], 'big'):
            raise DataError(f'PNG image: chunk {_name(kind)} is damaged (checksum).')
        kept.append(data[at:end])
    return b''.join(kept)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Walk over the chunks up to IEND: kind, first byte and the byte behind the last."""
    at = len(START)
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at:at + 4], 'big'), data[at + 4:at + 8]
        if length > len(data) - at - 12:
            raise DataError(f'PNG image: chunk {_name(kind)} of {length} bytes is truncated.')
        yield kind, at, at + 12 + length
        if kind == b'IEND':
            return
        at += 12 + length
    raise DataError('PNG image: has no IEND chunk.')


def _name(kind: bytes) -> str:
    return kind.decode('ascii', 'backslashreplace')
