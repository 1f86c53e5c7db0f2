"""What other programs have fetched from the Hugging Face Hub already."""

from __future__ import annotations

import os
from pathlib import Path
import re

from depth_node.catalogue.entry import HubFile

_COMMIT = re.compile(r'[0-9a-f]{40}')


def cached(file: HubFile) -> Path | None:
    """
    Look for a file in the cache that programs of Hugging Face share.

    $HF_HUB_CACHE names it, or it is ``hub`` in $HF_HOME, or in ``huggingface`` in the user's cache
    (huggingface_hub's documentation, "Understand caching").

    :param file: the file.
    :returns: its path, right or damaged, or None.
    """
    repository = _root() / f'models--{file.repo.replace("/", "--")}'
    commit = file.revision
    try:
        if not _COMMIT.fullmatch(commit):
            commit = (repository / 'refs' / commit).read_text(encoding='ascii').strip()
        path = repository / 'snapshots' / commit / file.path
        return path if _COMMIT.fullmatch(commit) and path.is_file() else None
    except (OSError, ValueError):
        return None


def token() -> str:
    """
    Return what shows the Hub who asks, for files whose owners want to know.

    :returns: $HF_TOKEN, or nothing.
    """
    return os.environ.get('HF_TOKEN', '').strip()


def _root() -> Path:
    if chosen := os.environ.get('HF_HUB_CACHE'):
        return Path(chosen).expanduser()
    if home := os.environ.get('HF_HOME'):
        return Path(home).expanduser() / 'hub'
    base = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
    return Path(os.path.expanduser(base)) / 'huggingface' / 'hub'  # noqa: PTH111  no home is no error
