"""Bags compressed with zstd: whole files, also ones that were cut, and single messages."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path
import shutil
from typing import Any

from depth_node.errors import DataError

SUFFIX = '.zstd'
_MAGIC = b'\x28\xb5\x2f\xfd'


def unpacked(path: Path, folder: Path) -> Path:
    """
    Decompress a file of a bag, as far as it goes.

    :param path: a file as rosbag2 names it, such as ``bag_0.db3.zstd``.
    :param folder: where the decompressed file is written.
    :returns: that file; the end is missing where `path` was cut.
    :raises DataError: zstd is missing, or the file cannot be read.
    """
    found = folder / path.name.removesuffix(SUFFIX)
    with _zstd().open(path, 'rb') as packed, found.open('wb') as file:
        try:
            shutil.copyfileobj(packed, file)
        except EOFError:
            pass  # cut: the reader of the file finds that it has no end
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of the disk
            raise DataError(f'{path}: cannot be decompressed ({error}).') from error
    return found


def message_bytes(raw: bytes) -> bytes:
    """
    Decompress a message, if it is compressed.

    Without the metadata of a bag nothing else says so; a message in CDR starts with a zero.

    :param raw: a message of a bag of ROS 2, as it was stored.
    :returns: the serialized message.
    :raises DataError: zstd is missing, or the message is damaged.
    """
    if raw[:4] != _MAGIC:
        return raw
    try:
        return bytes(_zstd().decompress(raw))
    except DataError:
        raise
    except Exception as error:
        raise DataError(f'a message cannot be decompressed ({error}).') from error


def _zstd() -> Any:
    """Return the module of zstd that rosbags brings: it depends on its version and Python's."""
    for name in ('compression.zstd', 'backports.zstd', 'zstandard'):
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    raise DataError(
        'This bag is compressed with zstd, and no package for that is installed.',
        'Install it: pip install backports.zstd',
    )
