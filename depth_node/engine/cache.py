"""Where compiled engines are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

from depth_node.errors import EngineError


def cache_root(configured: str = '') -> Path:
    """
    Find the folder compiled engines are kept in; it need not exist yet.

    :param configured: ``engine.cache_dir``; empty: ``depth_node`` under ``$XDG_CACHE_HOME``, or
        under ``~/.cache``.
    :returns: the folder.
    """
    if configured:
        return Path(configured).expanduser()
    # the XDG specification: relative values are to be ignored
    home = os.environ.get('XDG_CACHE_HOME', '')
    base = Path(home) if Path(home).is_absolute() else Path('~/.cache').expanduser()
    return base / 'depth_node'


def writable(folder: Path) -> Path:
    """
    Make a folder, and say clearly when it cannot be written.

    :param folder: wanted.
    :returns: `folder`, existing.
    :raises EngineError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f'.probe-{os.getpid()}'
        probe.write_bytes(b'')
        probe.unlink()
    except OSError as error:
        raise EngineError(
            f'The cache folder {folder} cannot be written ({error.strerror}).',
            'Set engine.cache_dir to one that can.',
        ) from error
    return folder
