"""
Safe reading and atomic writing of files.

Reading: only regular files of limited size, because a FIFO would block forever and a device never
ends. Writing: atomic, even if the process is killed or the disk is full.
"""

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
import stat
import tempfile
import time
from typing import Any, BinaryIO
from urllib.parse import unquote

from depth_node.errors import CancelledError, DataError, DepthNodeError
from depth_node.process import never

PART = '.part'
"""Suffix of unfinished files, which readers ignore."""
TEXT_BYTES = 2**20
"""Maximum size of text files such as calibrations, sidecars and lists (bytes)."""
_LOCK_PAUSE_S = 0.1
"""Interval of checks of a lock that another process holds (s)."""
_YOUNG_S = 60.0
"""Minimum age of leftovers (s): the writer of a younger file may not have locked it yet."""


def local_path(text: str) -> Path:
    """
    Return the path of a text or file URL.

    :param text: a path, with ``~`` or without, or a ``file://`` URL like camera_info_url.
    :returns: the path.
    :raises DataError: another URL, one of another machine, an unknown user, or no path.
    """
    scheme, mark, rest = text.partition('://')
    if mark and scheme.isalpha():
        host, slash, tail = rest.partition('/')
        if scheme.lower() != 'file' or host not in {'', 'localhost'} or not slash:
            raise DataError(
                f'{text:.200} is a URL, expected a path.',
                'Use the path of a file on this machine; file:///path is accepted, too.',
            )
        text = '/' + unquote(tail)
    if not text or '\0' in text:
        raise DataError(f'{text!r:.200} is not a path.')
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise DataError(f'{text:.200}: {error}') from error


@contextmanager
def open_regular(
    path: Path | str, largest: int | None = None, *, raised: type[DepthNodeError] = DataError
) -> Iterator[BinaryIO]:
    """
    Open a regular file for reading, without ever blocking.

    :param path: the file.
    :param largest: its maximum size (bytes), or None for any size.
    :param raised: the class of the error.
    :returns: the open file.
    :raises DataError: or `raised`: it cannot be opened, is not a regular file, or is larger.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise raised(f'{path}: cannot be read ({reason(error)}).') from error
    try:
        _check_kind(path, os.fstat(handle), largest, raised)
        file = os.fdopen(handle, 'rb')
    except BaseException:
        os.close(handle)
        raise
    with file:
        yield file


def check_regular(
    path: Path | str, largest: int | None = None, *, raised: type[DepthNodeError] = DataError
) -> None:
    """
    Check a file that a library opens itself.

    :param path: the file.
    :param largest: its maximum size (bytes), or None for any size.
    :param raised: the class of the error.
    :raises DataError: or `raised`: it is missing, not a regular file, or larger.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError) as error:
        raise raised(f'{path}: cannot be read ({reason(error)}).') from error
    _check_kind(path, status, largest, raised)


def read_regular(
    path: Path | str, largest: int, *, raised: type[DepthNodeError] = DataError
) -> bytes:
    """
    Read a regular file.

    :param path: the file.
    :param largest: its maximum size (bytes).
    :param raised: the class of the error.
    :returns: its content.
    :raises DataError: or `raised`: it cannot be read, is not a regular file, or is larger.
    """
    with open_regular(path, largest, raised=raised) as file:
        try:
            content = file.read(largest + 1)
        except OSError as error:
            raise raised(f'{path}: cannot be read ({reason(error)}).') from error
    if content is None:  # a file of the kernel that has nothing to say yet
        raise raised(f'{path}: cannot be read without waiting.')
    if len(content) > largest:  # those of the kernel have a size of 0
        raise _too_large(path, largest, raised)
    return content


def read_text(
    path: Path | str, largest: int = TEXT_BYTES, *, raised: type[DepthNodeError] = DataError
) -> str:
    """
    Read a text file.

    :param path: the file.
    :param largest: its maximum size (bytes).
    :param raised: the class of the error.
    :returns: its content.
    :raises DataError: or `raised`: it cannot be read, is no regular file, is larger, or is no
        UTF-8.
    """
    try:
        return read_regular(path, largest, raised=raised).decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise raised(f'{path}: byte {error.start} is no UTF-8: not a text file.') from error


def read_yaml(path: Path | str, *, raised: type[DepthNodeError] = DataError) -> object:
    """
    Read a YAML file.

    :param path: the file.
    :param raised: the class of the error.
    :returns: its content; None if it is empty.
    :raises DataError: or `raised`: unreadable, not YAML, or a key is there twice. The error gives
        line and column and quotes nothing: the path may name any file, and errors are published.
    """
    import yaml

    text = read_text(path, raised=raised)
    try:
        content = yaml.safe_load(text)
        twice = _repeated(yaml.compose(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f', line {mark.line + 1}, column {mark.column + 1}' if mark else ''
        raise raised(f'{path}: is not YAML (syntax error{place}).') from None
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise raised(f'{path}: is not YAML.') from None
    if twice:
        raise raised(f'{path}: has a key twice, the second time in line {twice}.', 'Remove one.')
    return content


def _repeated(root: Any) -> int:
    """Return the line in which a key is repeated in a composed YAML document; 0: none is."""
    ahead, seen = [root], set()
    while ahead:
        node = ahead.pop()
        if node is None or id(node) in seen:  # an alias may be there many times
            continue
        seen.add(id(node))
        if node.id == 'sequence':
            ahead.extend(node.value)
        elif node.id == 'mapping':
            keys = set()
            for key, value in node.value:
                if key.id == 'scalar' and (key.tag, key.value) in keys:
                    return int(key.start_mark.line) + 1
                if key.id == 'scalar':
                    keys.add((key.tag, key.value))
                ahead.append(value)
    return 0


def reason(error: Exception) -> str:
    """
    Return why a file cannot be used, without its name.

    :param error: an OSError or ValueError of the file system.
    :returns: a few words.
    """
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _check_kind(
    path: Path | str, status: os.stat_result, largest: int | None, raised: type[DepthNodeError]
) -> None:
    if not stat.S_ISREG(status.st_mode):
        kinds = (
            (stat.S_ISDIR, 'a folder'), (stat.S_ISFIFO, 'a FIFO'), (stat.S_ISSOCK, 'a socket'),
        )
        kind = next((name for check, name in kinds if check(status.st_mode)), 'a device')
        raise raised(f'{path}: is {kind}, expected a regular file.')
    if largest is not None and status.st_size > largest:
        raise _too_large(path, largest, raised)


def _too_large(
    path: Path | str, largest: int, raised: type[DepthNodeError]
) -> DepthNodeError:
    size = f'{largest / 2**20:g} MiB' if largest >= 2**20 else f'{largest} bytes'
    return raised(f'{path}: is larger than {size}, expected a smaller file.')


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """
    Return a temporary path to write to; on success the file replaces another.

    A process that is killed leaves a hidden ``.NAME-xxxxxxxx.part``, which the next writer of the
    same file removes.

    :param path: the final path of the file.
    :param durable: whether it must survive a power failure.
    :returns: a path in the same folder.
    :raises DataError: no file can be written there; a device, which root could replace, is there.
    """
    try:
        if path.exists():
            check_regular(path)
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
        temporary.chmod(0o666 & ~umask)  # mkstemp lets no other user read it
        temporary.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        os.close(handle)


def sweep(path: Path) -> None:
    """
    Remove leftovers of killed writers of a file or folder.

    :param path: the file. Leftovers ``.NAME-*.part`` that a living process has locked stay.
    """
    for leftover in path.parent.glob(f'.{glob.escape(path.name)}-*{PART}'):
        remove_abandoned(leftover)


def remove_abandoned(leftover: Path) -> bool:
    """
    Remove an unfinished file or folder, unless another process may still be writing it.

    :param leftover: a file or folder whose name ends in `PART`.
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
    Return the error for a file that cannot be written.

    :param path: the file or folder.
    :param error: the error of the system.
    :returns: the error to raise.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = 'Free some space on that disk, or write somewhere else.'
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = 'Correct its permissions, or write somewhere else.'
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
    Hold a lock file, which the system releases when the process ends.

    :param path: the lock file, left behind empty.
    :param cancelled: called while waiting; returns whether to cancel.
    :param waiting: called once if another process holds it.
    :raises CancelledError: it was cancelled.
    :raises OSError: the file cannot be created.
    """
    with path.open('ab') as file:
        called = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not called:
                    waiting()
                    called = True
            if cancelled():
                raise CancelledError('Waiting for another process was cancelled.')
            time.sleep(_LOCK_PAUSE_S)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
