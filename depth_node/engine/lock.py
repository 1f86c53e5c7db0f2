"""One process builds, the others wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
import fcntl
from pathlib import Path
import time

from depth_node.engine.base import never
from depth_node.errors import CancelledError

_PAUSE = 0.1
"""Seconds between two looks at a lock that another process holds."""


@contextlib.contextmanager
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
            time.sleep(_PAUSE)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
