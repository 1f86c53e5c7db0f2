"""Files of torch.save: a zip since torch 1.6, a stream of pickles and storages before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import io
from pathlib import Path
import struct
from typing import Any, BinaryIO
import zipfile
import zlib

import numpy as np
from numpy.typing import NDArray

from depth_node.catalogue.checkpoints.pickles import (
    LARGEST_PICKLE,
    read_pickle,
    RefusedError,
    Storage,
    Tensor,
)
from depth_node.catalogue.checkpoints.tensor import ITEM_SIZES, Region, StoredTensor
from depth_node.errors import ModelError

_STREAM_MAGIC = 0x1950A86A20F9469CFC6C
_STREAM_PROTOCOL = 1001
_LOCAL_HEADER = struct.Struct('<4s22xHH')
_LOCAL_SIGNATURE = b'PK\x03\x04'
_DEEPEST = 4
"""Maximum depth of nested dictionaries that are searched."""


def looks_like_zip(data: NDArray[np.uint8]) -> bool:
    """
    Return whether a file looks like a zip.

    :param data: uint8 (n,), its bytes.
    :returns: whether it starts with the signature of a zip.
    """
    return data[:4].tobytes() == _LOCAL_SIGNATURE


def read_zip(path: Path | None, data: NDArray[np.uint8]) -> Any:
    """
    Read a checkpoint of torch 1.6 or later.

    :param path: the file, or None if the bytes are not from a file.
    :param data: uint8 (n,), its bytes.
    :returns: the saved object, with a :class:`StoredTensor` for each tensor.
    :raises ModelError: damaged, or not plain weights.
    """
    try:
        with zipfile.ZipFile(_opened(data)) as archive:
            entries = {info.filename: info for info in archive.infolist()}
            pickles = [name for name in entries if name.rpartition('/')[2] == 'data.pkl']
            if len(pickles) != 1:
                raise ModelError(f'it has {len(pickles)} files called data.pkl, expected one')
            folder = pickles[0].removesuffix('data.pkl')
            order = entries.get(f'{folder}byteorder')
            if order is not None and archive.read(order) != b'little':
                raise ModelError('its numbers are not little-endian')
            if entries[pickles[0]].file_size > LARGEST_PICKLE:
                raise ModelError('its pickle is too long')
            value = _unpickled(io.BytesIO(archive.read(pickles[0])))
            regions: dict[str, Region] = {}

            def region(storage: Storage) -> Region:
                if storage.key not in regions:
                    info = entries.get(f'{folder}data/{storage.key}')
                    if info is None:
                        raise ModelError(f'its storage {storage.key!s:.40} is missing')
                    regions[storage.key] = _entry(archive, info, path, data)
                return regions[storage.key]

            return _with_regions(value, region)
    except (
        OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error,
    ) as error:
        # RuntimeError: encrypted, or packed in a way that zipfile does not know
        raise ModelError(f'it is a zip that cannot be read ({error!s:.80})') from error


def read_stream(path: Path | None, data: NDArray[np.uint8]) -> Any:
    """
    Read a checkpoint of torch before 1.6.

    :param path: the file, or None if the bytes are not from a file.
    :param data: uint8 (n,), its bytes.
    :returns: the saved object, with a :class:`StoredTensor` for each tensor.
    :raises ModelError: damaged, or not plain weights.
    """
    file = _opened(data)
    if _unpickled(file) != _STREAM_MAGIC:
        raise ModelError('it is neither safetensors nor a file of torch.save')
    if _unpickled(file) != _STREAM_PROTOCOL:
        raise ModelError('it has an unknown version of torch.save')
    system = _unpickled(file)
    if not (isinstance(system, dict) and system.get('little_endian') is True):
        raise ModelError('its numbers are not little-endian')
    value = _unpickled(file)
    keys = _unpickled(file)
    if not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
        raise ModelError('its list of storages is damaged')
    sizes = {storage.key: ITEM_SIZES[storage.dtype] for storage in _storages(value)}
    regions = {}
    place = file.tell()
    for key in keys:
        # the number of elements, then the elements
        count = int.from_bytes(data[place:place + 8].tobytes(), 'little')
        place += 8
        length = count * sizes.get(key, 1)
        if length > data.size - place:
            raise ModelError(f'its storage {key:.40} extends beyond the end of the file')
        regions[key] = Region(data[place:place + length], path, place)
        place += length

    def region(storage: Storage) -> Region:
        if storage.key not in regions:
            raise ModelError(f'its storage {storage.key:.40} is missing')
        return regions[storage.key]

    return _with_regions(value, region)


class _Bytes(io.RawIOBase):
    """An array of bytes as a file, without a copy."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        super().__init__()
        self._data = data
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._data.size}[whence]
        if base + offset < 0:
            raise ValueError('it points to a place before its beginning')
        self._place = base + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        found = self._data[self._place:self._place + len(buffer)]
        buffer[:found.size] = found.tobytes()
        self._place += found.size
        return found.size


def _opened(data: NDArray[np.uint8]) -> BinaryIO:
    return io.BufferedReader(_Bytes(data))


def _entry(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path | None,
    data: NDArray[np.uint8],
) -> Region:
    """Return the bytes of one file of a zip, verified with its CRC."""
    if info.compress_type != zipfile.ZIP_STORED:
        if info.file_size > data.size * 1100:  # deflate's best
            raise ModelError(f'its file {info.filename:.60} declares {info.file_size} bytes')
        return Region(np.frombuffer(archive.read(info), np.uint8))
    begin = info.header_offset
    header = data[begin:begin + _LOCAL_HEADER.size].tobytes()
    if len(header) < _LOCAL_HEADER.size or info.flag_bits & 1:
        raise ModelError(f'its file {info.filename:.60} cannot be read')
    signature, name, extra = _LOCAL_HEADER.unpack(header)
    begin += _LOCAL_HEADER.size + name + extra
    content = data[begin:begin + info.file_size]
    if signature != _LOCAL_SIGNATURE or content.size != info.file_size:
        raise ModelError(f'its file {info.filename:.60} extends beyond the end')
    if zlib.crc32(content.data) != info.CRC:
        raise ModelError(f'its file {info.filename:.60} is damaged (its checksum differs)')
    return Region(content, path, begin)


def _unpickled(file: BinaryIO) -> Any:
    try:
        return read_pickle(file)
    except RefusedError as error:
        raise ModelError(f'{error}; files that run code are refused') from error


def _storages(value: Any, depth: int = _DEEPEST) -> Iterator[Storage]:
    """Iterate over the storages of tensors."""
    if isinstance(value, Tensor):
        yield value.storage
    elif isinstance(value, dict) and depth:
        for inner in value.values():
            yield from _storages(inner, depth - 1)


def _with_regions(
    value: Any, region: Callable[[Storage], Region], depth: int = _DEEPEST
) -> Any:
    """Replace the tensors of the pickle by StoredTensor objects."""
    if isinstance(value, Tensor):
        return StoredTensor(
            region(value.storage), value.storage.dtype, value.shape, value.strides, value.start
        )
    if isinstance(value, dict) and depth:
        return {key: _with_regions(inner, region, depth - 1) for key, inner in value.items()}
    return value
