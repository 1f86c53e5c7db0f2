"""
OpenVINO's own cache of compiled networks, verified by hashes.

OpenVINO detects files of other versions, but not files that a failing disk has changed: a flipped
bit was observed to change the depth silently. Therefore the hash of each file is stored, and a
file with another hash, or none, is removed and compiled again.
"""

from __future__ import annotations

from collections.abc import Iterable
import contextlib
from pathlib import Path
import re

from depth_node.errors import DataError, ModelError
from depth_node.files import read_text, replacing
from depth_node.image.size import Size
from depth_node.model.hashes import hash_of

KEPT_PER_NETWORK = 4
"""Compiled forms of one network at one size: its precisions, and a version before the last."""
KEPT_IN_ALL = 32
_BLOBS = '*.blob'
_HASH = '.sha256'


def prepared(cache: Path, name: str, size: Size) -> Path | None:
    """
    Return the cache folder of a network, after removing files that fail verification.

    :param cache: the cache folder.
    :param name: name of the model.
    :param size: its size (pixels).
    :returns: the folder; None if it cannot be created.
    """
    folder = cache / re.sub(r'[^A-Za-z0-9._-]+', '_', f'{name}_{size}')
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for blob in folder.glob(_BLOBS):
            if not _is_whole(blob):
                blob.unlink(missing_ok=True)
                _beside(blob).unlink(missing_ok=True)
    except OSError:
        return None
    return folder


def remember(folder: Path) -> None:
    """
    Store the hashes of the compiled files.

    :param folder: folder of the network. If it is not writable, it is compiled again next time.
    """
    for blob in folder.glob(_BLOBS):
        if not _beside(blob).exists():
            with contextlib.suppress(DataError, ModelError), replacing(_beside(blob)) as temporary:
                temporary.write_text(hash_of(blob), encoding='ascii')
    prune(folder.glob(_BLOBS), KEPT_PER_NETWORK)
    prune(folder.parent.glob(f'*/{_BLOBS}'), KEPT_IN_ALL)


def forget(folder: Path) -> None:
    """
    Remove all compiled forms of a network.

    :param folder: folder of the network.
    """
    prune(folder.glob(_BLOBS), 0)


def prune(blobs: Iterable[Path], kept: int) -> None:
    """
    Remove the compiled networks that were written first.

    Retrained weights, other versions of OpenVINO and other sizes leave theirs behind. One that
    is removed too early is only compiled again.

    :param blobs: candidates; those that another process removes meanwhile are passed over.
    :param kept: how many to keep.
    """
    written: list[tuple[float, Path]] = []
    for blob in blobs:
        with contextlib.suppress(OSError):
            written.append((blob.stat().st_mtime, blob))
    for _, blob in sorted(written, reverse=True)[kept:]:
        with contextlib.suppress(OSError):
            blob.unlink(missing_ok=True)
            _beside(blob).unlink(missing_ok=True)


def _is_whole(blob: Path) -> bool:
    try:
        return read_text(_beside(blob)).strip() == hash_of(blob)
    except (OSError, ValueError, DataError, ModelError):
        return False


def _beside(blob: Path) -> Path:
    return blob.with_name(blob.name + _HASH)
