"""Opening a rosbag with the rosbags library, also one whose recorder was killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, ExitStack
import heapq
import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from depth_node.errors import DataError, DepthNodeError
from depth_node.files import check_regular
from depth_node.sources.rosbag_compression import message_bytes, SUFFIX, unpacked
from depth_node.sources.rosbag_tables import cut_database, is_cut_database

SUFFIXES = ('.mcap', '.db3', '.bag')
_MAGIC = b'\x89MCAP0\r\n'
_FOOTER, _CHUNK = 2, 6
# an end without a summary: the reader scans the file
_END = bytes([_FOOTER, 20]) + bytes(27) + _MAGIC
_PREFIX = 9
"""Bytes of a record of MCAP before its content: kind and length."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """
    Open a bag for as long as the context lasts.

    :param path: a folder with or without metadata.yaml, or an .mcap, .db3 or .bag file.
    :returns: the AnyReader of rosbags; its attribute ``truncated`` says whether the file has no
        end, so that it is read as far as it goes.
    :raises DataError: rosbags is missing, or this is not a bag.
    """
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import get_typestore, Stores
    except ImportError as error:
        raise DataError(
            f'{path}: reading a rosbag requires the package rosbags.',
            "Install it: pip install 'depth_node[frames]'.",
        ) from error
    files = _files(path)
    try:
        with ExitStack() as stack:
            if any(file.suffix == SUFFIX for file in files):
                folder = Path(stack.enter_context(TemporaryDirectory(prefix='depth_node_bag_')))
                files = [unpacked(f, folder) if f.suffix == SUFFIX else f for f in files]
            truncated = any(map(_is_cut, files))
            if truncated and files[0].suffix == '.db3':
                yield stack.enter_context(cut_database(files))
                return
            places = [_Mended(f) if f.suffix == '.mcap' and _is_cut(f) else f for f in files]
            reader = stack.enter_context(
                AnyReader(places, default_typestore=get_typestore(Stores.ROS2_HUMBLE))
            )
            reader.truncated = truncated
            yield reader
    except DepthNodeError:
        raise
    except Exception as error:
        # for a damaged bag, rosbags raises any exception of its parsers, including MemoryError
        raise damaged(path, error) from error


def raw_messages(reader: Any, connections: list[Any]) -> Iterator[tuple[Any, int, bytes]]:
    """
    Iterate over messages.

    :param reader: of :func:`opened`.
    :param connections: those wanted.
    :returns: connection, when it was recorded (ns) and serialized message, in the order of time;
        of a file without an end, and therefore without an index, in its own order.
    """
    if not connections:
        return
    for connection, when, raw in _stored(reader, connections):
        yield connection, when, message_bytes(raw)


def _stored(reader: Any, connections: list[Any]) -> Iterator[tuple[Any, int, bytes]]:
    if not reader.truncated:
        yield from reader.messages(connections)
        return
    # by time, since bag_10 comes before bag_2 by name
    parts = [
        (part, [c for c in connections if c in part.connections]) for part in reader.readers
    ]
    yield from heapq.merge(
        *(part.storage.messages_scan(mine) for part, mine in parts if mine),
        key=lambda row: row[1],
    )


def is_bag_file(path: Path) -> bool:
    """
    Return whether a file is named like one of a bag.

    :param path: the file, which may be compressed.
    :returns: whether its suffix is one of bags.
    """
    return Path(path.name.removesuffix(SUFFIX)).suffix.lower() in SUFFIXES


def damaged(path: Path, error: Exception) -> DataError:
    """
    Say that a bag cannot be read, and what to do.

    :param path: the bag.
    :param error: what rosbags raised.
    :returns: to be raised.
    """
    what = f'{type(error).__name__}: {error}' if str(error) else type(error).__name__
    remedy = {
        '.mcap': 'Try `mcap recover FILE`.', '.bag': 'Try `rosbag reindex FILE`.',
        '.db3': 'Try `sqlite3 FILE .recover` and `ros2 bag reindex FOLDER`.',
    }.get(path.suffix, 'Try `ros2 bag reindex FOLDER`.')
    return DataError(f'{path}: not a readable rosbag ({what}).', remedy)


def _files(path: Path) -> list[Path]:
    """Return what rosbags has to open: the folder, or its files if it was not closed."""
    if path.is_file():
        check_regular(path)
        return [path]
    if (path / 'metadata.yaml').is_file() and not any(
        _is_cut(file) or (file.suffix == SUFFIX and is_bag_file(file)) for file in path.iterdir()
    ):
        return [path]
    for suffix in SUFFIXES:
        found = sorted(
            file for file in path.iterdir() if file.name.removesuffix(SUFFIX).endswith(suffix)
            and not file.name.startswith('.')
        )
        if found:
            for file in found:
                check_regular(file)
            return found
    raise DataError(f'{path}: holds no rosbag ({", ".join(SUFFIXES)}).')


def _is_cut(path: Path) -> bool:
    """Return whether a file of a bag is shorter than it was meant to be."""
    if path.suffix not in {'.mcap', '.db3'} or not path.is_file():
        return False
    with path.open('rb') as file:
        if path.suffix == '.db3':
            return is_cut_database(file.read(100), path.stat().st_size)
        if file.read(len(_MAGIC)) != _MAGIC or path.stat().st_size < 2 * len(_MAGIC):
            return False  # no MCAP file at all: rosbags says so
        file.seek(-len(_MAGIC), io.SEEK_END)
        return file.read() != _MAGIC


class _Mended(type(Path())):  # type: ignore[misc]  # the class of this system's paths
    """An MCAP file without an end, which opens with one."""

    def open(self, *_: Any, **__: Any) -> Any:
        """Open the whole records of the file, and an end."""
        return io.BufferedReader(_Pieces(Path(self)))


class _Pieces(io.RawIOBase):
    """
    The whole records of a file, the whole records of its last, uncompressed chunk, and an end.

    :param path: an MCAP file without an end.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open('rb')
        size = path.stat().st_size
        end, last = self._walk(len(_MAGIC), size)
        self._parts = [(0, end)]
        if last == _CHUNK:
            inner = self._inside(end, size)
            if inner is not None:
                self._parts.append((inner, self._walk(inner, size)[0]))
        self._length = sum(b - a for a, b in self._parts) + len(_END)
        self._at = 0

    def _walk(self, at: int, size: int) -> tuple[int, int | None]:
        """Walk over the whole records; return where they end, and the kind of the next one."""
        while at + _PREFIX <= size:
            self._file.seek(at)
            head = self._file.read(_PREFIX)
            after = at + _PREFIX + int.from_bytes(head[1:], 'little')
            if after > size or head[0] == _FOOTER:
                return at, head[0]
            at = after
        return at, None

    def _inside(self, at: int, size: int) -> int | None:
        """Return where the records of a chunk begin, or None if they are compressed."""
        # start, end, uncompressed size (8 each), checksum (4), name of the compression, size (8)
        self._file.seek(at + _PREFIX + 28)
        name = int.from_bytes(self._file.read(4), 'little')
        begin = at + _PREFIX + 40
        return begin if name == 0 and begin < size else None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read from one part; the buffered reader asks again for more."""
        start = 0
        for first, last in self._parts:
            if self._at < start + last - first:
                self._file.seek(first + self._at - start)
                data = self._file.read(min(len(buffer), start + last - first - self._at))
                break
            start += last - first
        else:
            data = _END[self._at - start:][:len(buffer)]
        buffer[:len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
