"""Whether the files of a network are still those that were verified."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import hashlib
from pathlib import Path

from depth_node.errors import ChangedError, DataError
from depth_node.files import read_regular, TEXT_BYTES


@dataclass(frozen=True)
class FileState:
    """
    One file at one time.

    :param path: the file.
    :param version: changes with the file; empty if it cannot be read.
    :param by_content: whether only its content counts, not its dates.
    """

    path: Path
    version: tuple[int | str, ...]
    by_content: bool = False


def state_of(path: Path) -> FileState:
    """
    Return the state of a file of any size, which is not read.

    The dates include that of the last change of the inode, which no copying tool can set.

    :param path: the file; links are followed.
    :returns: its inode, size (bytes) and dates of change (ns).
    """
    try:
        found = path.stat()
    except (OSError, ValueError):
        return FileState(path, ())
    return FileState(
        path, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    )


def content_of(path: Path) -> FileState:
    """
    Return the state of a text file, which does not depend on dates.

    :param path: the file, which may be missing.
    :returns: the SHA-256 of its content.
    """
    try:
        content = read_regular(path, TEXT_BYTES)
    except DataError:
        return FileState(path, (), by_content=True)
    return FileState(path, (hashlib.sha256(content).hexdigest(),), by_content=True)


def check_unchanged(files: Iterable[FileState]) -> None:
    """
    Compare files with earlier states.

    :param files: the states.
    :raises ChangedError: a file is another one, was written to, was touched or is gone.
    """
    for state in files:
        now = content_of(state.path) if state.by_content else state_of(state.path)
        if now != state:
            what = 'changed' if now.version else 'was removed'
            raise ChangedError(
                f'{state.path}: {what} after it was verified, so that what was verified '
                'may not be what is run.',
                'Start again when nothing is being copied there any more; a node that stays '
                'must be cleaned up and configured again.',
            )
