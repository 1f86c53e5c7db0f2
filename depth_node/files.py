"""Writing files whole or not at all, also when the process is killed or the disk is full."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
from contextlib import contextmanager
import errno
import fcntl
import glob
import os
from pathlib import Path
import shutil
import tempfile
import time

from depth_node.errors import CancelledError, DataError
from depth_node.process import never

PART = '.part'
"""How the names of unfinished files end: no reader takes such a file for one of its own."""
_LOCK_PAUSE_S = 0.1
"""Seconds between two looks at a lock that another process holds."""
_YOUNG_S = 60.0
"""What is younger is left alone: its writer may not have locked it yet."""


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """
    Give a name to write under; on success the file takes the place of another.

    A process that is killed meanwhile leaves a hidden ``.NAME-xxxxxxxx.part``, which the next
    writer of the same file removes.

    :param path: where the file shall be.
    :param durable: whether it must also survive a power cut.
    :returns: a name in the same folder.
    :raises DataError: the folder cannot be written, or the disk is full.
    """
    try:
        handle, name = tempfile.mkstemp(PART, f'.{path.name}-', path.parent)
    except OSError as error:
        raise write_error(path.parent, error) from error
    temporary = Path(name)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sweep(path)
        yield temporary
        if durable:
            os.fsync(handle)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp gives nobody else a look
        temporary.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        os.close(handle)


def sweep(path: Path) -> None:
    """
    Remove what killed writers of a file or folder have left beside it.

    :param path: the file; leftovers are named ``.NAME-*.part``. Those that a living process
        has locked (flock) stay, whichever container it lives in.
    """
    for leftover in path.parent.glob(f'.{glob.escape(path.name)}-*{PART}'):
        remove_abandoned(leftover)


def remove_abandoned(leftover: Path) -> bool:
    """
    Remove an unfinished file or folder, unless somebody may still be writing it.

    :param leftover: its name ends in `PART`.
    :returns: whether it is gone.
    """
    with contextlib.suppress(OSError):
        if time.time() - leftover.stat().st_mtime < _YOUNG_S:
            return False
        handle = os.open(leftover, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
        finally:
            os.close(handle)
        return True
    return False


def write_error(path: Path, error: OSError) -> DataError:
    """
    Say what keeps a file from being written, and what to do.

    :param path: the file or folder.
    :param error: what the system said.
    :returns: to be raised.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = 'Free some room on that disk, or write somewhere else.'
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = 'Mend its permissions, or write somewhere else.'
    else:
        remedy = ''
    return DataError(f'{path}: cannot be written ({error.strerror}).', remedy)


@contextmanager
def locked(
    path: Path,
    *,
    cancelled: Callable[[], bool] = never,
    waiting: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """
    Hold a lock file; the system releases it when the process ends, however it ends.

    :param path: the lock file, left behind empty.
    :param cancelled: asked while waiting.
    :param waiting: called once when another process holds it.
    :raises CancelledError: `cancelled` said so.
    :raises OSError: the file cannot be made.
    """
    with path.open('ab') as file:
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    waiting()
                    told = True
            if cancelled():
                raise CancelledError('Waiting for another process to build was cancelled.')
            time.sleep(_LOCK_PAUSE_S)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
