"""The folder in which engines are cached."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import fcntl
import os
from pathlib import Path
import tempfile

from depth_node.errors import EngineError
from depth_node.files import PART, sweep


def engine_cache_root(configured: str = '') -> Path:
    """
    Return the folder for compiled engines, which may not exist yet.

    :param configured: ``engine.cache_dir``; empty: ``depth_node`` under ``$XDG_CACHE_HOME``, or
        under ``~/.cache``.
    :returns: the folder.
    :raises EngineError: there is no home folder.
    """
    if configured:
        return Path(configured).expanduser()
    # the XDG specification: relative values are to be ignored
    home = os.environ.get('XDG_CACHE_HOME', '')
    try:
        base = Path(home) if Path(home).is_absolute() else Path('~/.cache').expanduser()
    except RuntimeError as error:  # a user without a home, as containers have them
        raise EngineError(
            'The user has no home folder for the cache of engines.',
            'Set engine.cache_dir, HOME or XDG_CACHE_HOME.',
        ) from error
    return base / 'depth_node'


def writable(folder: Path) -> Path:
    """
    Create a folder, and check that it is writable.

    :param folder: the folder.
    :returns: the folder.
    :raises EngineError: it cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # without a name that another thread, or another container's process, could have too
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise EngineError(
            f'The cache folder {folder} cannot be written ({error.strerror}).',
            'Set engine.cache_dir to a writable folder.',
        ) from error
    return folder


@contextlib.contextmanager
def scratch(cache: Path) -> Iterator[Path]:
    """
    Make a folder for the files of a build in a cache, because /tmp may be in memory.

    :param cache: the cache folder; if it cannot be written, the system's temporary folder is used.
    :returns: the folder, which is removed at the end.
    """
    try:
        root: Path | None = writable(cache)
    except EngineError:
        root = None
    else:
        sweep(cache / 'build')  # of builds whose process was killed
    with (
        tempfile.TemporaryDirectory(PART, '.build-', root) as folder,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(os.close, handle := os.open(folder, os.O_RDONLY))
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield Path(folder)
