"""
Files cut into parts that are small enough to be carried one at a time, and joined again.

The files of a group follow each other as one stream of bytes, which is cut into parts of at most
`PART_BYTES`. A manifest names the groups, files and parts with their sizes and SHA-256. Parts may
arrive in any order, over several visits and more than once; a group is joined as soon as all its
parts are there. Needs nothing but Python's standard library.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
import hashlib
import json
from pathlib import Path
import shutil
from typing import BinaryIO

from depth_node.errors import DataError
from depth_node.files import open_regular, read_regular, replacing, TEXT_BYTES

PART_BYTES = 50 * 2**20
"""Size of a part: with the repository next to it, a call that carries 64 MiB has room for one."""
MANIFEST = 'manifest.json'
_FORMAT = 1
_CHUNK = 2**20


@dataclass(frozen=True)
class Piece:
    """
    A file or a part.

    :param name: its file name.
    :param size: bytes.
    :param sha256: of its content.
    """

    name: str
    size: int
    sha256: str

    def __post_init__(self) -> None:
        """Refuse a name that is a path: a manifest comes from elsewhere."""
        if self.name != Path(self.name).name or self.name in {'', '.', '..', MANIFEST}:
            raise DataError(f'The manifest names {self.name!r}, expected a file name.')


@dataclass(frozen=True)
class Group:
    """
    Files that are of use together.

    :param name: its name.
    :param files: the files, in the order of the stream.
    :param parts: the parts, in order.
    """

    name: str
    files: tuple[Piece, ...]
    parts: tuple[Piece, ...]

    def __post_init__(self) -> None:
        """Check that files and parts are the same number of bytes."""
        files, parts = (sum(p.size for p in pieces) for pieces in (self.files, self.parts))
        if files != parts:
            raise DataError(
                f'The manifest is wrong: {self.name} has {files} bytes in files and {parts} bytes '
                'in parts.', 'Make the pack again.',
            )


@dataclass(frozen=True)
class Arrival:
    """
    What is there of a pack.

    :param complete: names of groups whose files are joined.
    :param missing: parts that have not arrived, by group.
    """

    complete: tuple[str, ...]
    missing: Mapping[str, tuple[str, ...]]


def write_pack(
    groups: Mapping[str, Sequence[Path]], folder: Path, *, part_bytes: int = PART_BYTES
) -> tuple[Group, ...]:
    """
    Cut files into parts and write the manifest; parts of an earlier pack are removed.

    :param groups: name to files, whose names are unique in a group.
    :param folder: the output folder, which is created.
    :param part_bytes: largest size of a part (bytes).
    :returns: the groups.
    :raises DataError: a file cannot be read or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    for old in folder.glob('*.part??'):
        old.unlink()
    found = tuple(
        _cut(name, files, folder, part_bytes) for name, files in groups.items()
    )
    content = {'format': _FORMAT, 'groups': [asdict(group) for group in found]}
    with replacing(folder / MANIFEST) as target:
        target.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
    return found


def read_manifest(folder: Path) -> tuple[Group, ...]:
    """
    Read the manifest of a pack.

    :param folder: where it lies.
    :returns: the groups.
    :raises DataError: there is none, or it is damaged.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(read_regular(path, TEXT_BYTES))
        if content['format'] != _FORMAT:
            raise DataError(f'{path}: has format {content["format"]}, expected {_FORMAT}.')
        return tuple(
            Group(
                str(group['name']),
                *(
                    tuple(Piece(str(p['name']), int(p['size']), str(p['sha256'])) for p in pieces)
                    for pieces in (group['files'], group['parts'])
                ),
            )
            for group in content['groups']
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f'{path}: is damaged ({error}).', 'Make the pack again.') from error


def receive(source: Path, kept: Path) -> Arrival:
    """
    Check the parts that have come, keep them, and join the groups that are complete.

    Parts that are kept already, and groups that are joined, cost a look at their size. The parts
    of a joined group are removed from `kept`.

    :param source: folder with the manifest and any number of parts.
    :param kept: folder that stays between visits; files are joined in a folder per group.
    :returns: what is there and what is missing.
    :raises DataError: a part is damaged (nothing of it is kept), or another pack was kept.
    """
    groups = read_manifest(source)
    kept.mkdir(parents=True, exist_ok=True)
    _agree(source, kept)
    missing: dict[str, tuple[str, ...]] = {}
    complete = []
    damaged = []
    for group in groups:
        if not is_joined(group, kept):
            for part in group.parts:
                if not _has_size(kept / part.name, part) and (source / part.name).exists():
                    try:
                        _copy(source / part.name, kept / part.name, part)
                    except DataError as error:
                        damaged.append(str(error))
            absent = [p.name for p in group.parts if not _has_size(kept / p.name, p)]
            if absent:
                missing[group.name] = tuple(absent)
                continue
            _join(group, kept)
        complete.append(group.name)
    if damaged:
        raise DataError(' '.join(damaged), 'Carry these parts again.')
    return Arrival(tuple(complete), missing)


def is_joined(group: Group, kept: Path) -> bool:
    """
    Return whether the files of a group are there.

    :param group: the group.
    :param kept: folder of :func:`receive`.
    :returns: whether all files have their size; they were checked when they were joined.
    """
    return all(_has_size(kept / group.name / file.name, file) for file in group.files)


def _agree(source: Path, kept: Path) -> None:
    """Refuse to mix two packs."""
    new, old = source / MANIFEST, kept / MANIFEST
    content = read_regular(new, TEXT_BYTES)
    if not old.exists():
        with replacing(old) as target:
            target.write_bytes(content)
    elif read_regular(old, TEXT_BYTES) != content:
        raise DataError(
            f'{old}: is the manifest of another pack than {new}.', f'Remove {kept}, and carry '
            'all parts of one pack.',
        )


def _cut(name: str, files: Sequence[Path], folder: Path, part_bytes: int) -> Group:
    cutter = _Cutter(folder, name, part_bytes)
    pieces = []
    try:
        for file in files:
            with open_regular(file) as stream:
                found = _hashed(iter(lambda: stream.read(_CHUNK), b''), cutter)
            pieces.append(Piece(file.name, *found))
    finally:
        cutter.close()
    return Group(name, tuple(pieces), tuple(cutter.parts))


class _Cutter:
    """Writes a stream of bytes as parts."""

    def __init__(self, folder: Path, name: str, part_bytes: int) -> None:
        self.parts: list[Piece] = []
        self._folder, self._name, self._part_bytes = folder, name, part_bytes
        self._out: BinaryIO | None = None
        self._digest, self._size = hashlib.sha256(), 0

    def write(self, block: bytes) -> None:
        while block:
            if self._out is None:
                name = f'{self._name}.part{len(self.parts) + 1:02}'
                self._out = (self._folder / name).open('wb')
                self._digest, self._size = hashlib.sha256(), 0
            room = self._part_bytes - self._size
            piece, block = block[:room], block[room:]
            self._out.write(piece)
            self._digest.update(piece)
            self._size += len(piece)
            if self._size == self._part_bytes:
                self.close()

    def close(self) -> None:
        """End the current part."""
        if self._out is not None:
            self._out.close()
            self._out = None
            name = f'{self._name}.part{len(self.parts) + 1:02}'
            self.parts.append(Piece(name, self._size, self._digest.hexdigest()))


def _has_size(path: Path, piece: Piece) -> bool:
    return path.is_file() and path.stat().st_size == piece.size


def _copy(source: Path, target: Path, piece: Piece) -> None:
    """Copy a part, unless it is damaged."""
    with open_regular(source) as stream, replacing(target) as temporary:
        with temporary.open('wb') as out:
            found = _hashed(iter(lambda: stream.read(_CHUNK), b''), out)
        if found != (piece.size, piece.sha256):
            raise DataError(
                f'{source}: is damaged ({found[0]} bytes, SHA-256 {found[1][:12]}..., expected '
                f'{piece.size}, {piece.sha256[:12]}...).'
            )


def _hashed(blocks: Iterable[bytes], out: BinaryIO | _Cutter) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    for block in blocks:
        out.write(block)
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()


def _join(group: Group, kept: Path) -> None:
    """Write the files of a group from its parts, all or none."""
    folder = kept / group.name
    work = kept / f'.{group.name}.joining'
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        stream = _Stream([kept / part.name for part in group.parts])
        for file in group.files:
            with (work / file.name).open('wb') as out:
                found = _hashed(stream.blocks(file.size), out)
            if found != (file.size, file.sha256):
                raise DataError(
                    f'{file.name}: is damaged after joining (SHA-256 {found[1][:12]}..., expected '
                    f'{file.sha256[:12]}...).', f'Remove {kept}, and carry all parts again.',
                )
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for part in group.parts:
        (kept / part.name).unlink()


class _Stream:
    """The parts as one stream of bytes."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._blocks = self._read(paths)
        self._rest = b''

    @staticmethod
    def _read(paths: Sequence[Path]) -> Iterator[bytes]:
        for path in paths:
            with open_regular(path) as file:
                while block := file.read(_CHUNK):
                    yield block

    def blocks(self, count: int) -> Iterator[bytes]:
        """Return the next bytes, in blocks."""
        while count:
            block = self._rest or next(self._blocks, b'')
            if not block:
                return
            taken, self._rest = block[:count], block[count:]
            count -= len(taken)
            yield taken
