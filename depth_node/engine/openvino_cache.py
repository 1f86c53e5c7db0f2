"""
OpenVINO's own cache of compiled networks, held to what was written.

OpenVINO recognizes a file of another version, not one that a failing disk has changed: a flipped
bit in it was seen to give another depth without a word. So the hash of each file is kept beside
it, and a file that has another one, or none, is removed and compiled again.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
import re

from depth_node.errors import DataError, ModelError
from depth_node.files import replacing
from depth_node.image.size import Size
from depth_node.model.hashes import hash_of

_BLOBS = '*.blob'
_HASH = '.sha256'


def prepared(cache: Path, name: str, size: Size) -> Path | None:
    """
    Give the folder for one network, with nothing in it that is not believed.

    :param cache: the folder of all of them.
    :param name: of the model.
    :param size: the size it runs at (pixels).
    :returns: the folder; None where there can be none.
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
    Write down the hash of what was compiled just now.

    :param folder: of one network. Where it cannot be written, it is compiled again next time.
    """
    for blob in folder.glob(_BLOBS):
        if not _beside(blob).exists():
            with contextlib.suppress(DataError, ModelError), replacing(_beside(blob)) as temporary:
                temporary.write_text(hash_of(blob), encoding='ascii')


def _is_whole(blob: Path) -> bool:
    try:
        return _beside(blob).read_text(encoding='ascii').strip() == hash_of(blob)
    except (OSError, ValueError, ModelError):
        return False


def _beside(blob: Path) -> Path:
    return blob.with_name(blob.name + _HASH)
