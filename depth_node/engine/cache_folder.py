"""The folder in which engines are cached."""

from __future__ import annotations

import os
from pathlib import Path
import tempfile

from depth_node.errors import EngineError


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
