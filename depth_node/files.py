"""Writing files whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import tempfile

from depth_node.errors import DataError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """
    Give a name to write under; on success the file takes the place of another.

    :param path: where the file shall be.
    :returns: a name in the same folder with the same ending.
    :raises DataError: the folder cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(path.suffix, f'.{path.stem}-', path.parent)
    except OSError as error:
        raise DataError(f'{path.parent}: cannot be written ({error.strerror}).') from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp gives nobody else a look
        temporary.replace(path)
    except OSError as error:
        raise DataError(f'{path}: cannot be written ({error.strerror}).') from error
    finally:
        temporary.unlink(missing_ok=True)
