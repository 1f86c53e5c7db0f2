"""The cache of the Hugging Face Hub on this machine."""

from __future__ import annotations

import os
from pathlib import Path
import re

from depth_node.catalogue.entry import HubFile
from depth_node.errors import DataError
from depth_node.files import read_text

_COMMIT = re.compile(r'[0-9a-f]{40}')


def cached(file: HubFile) -> Path | None:
    """
    Return a file in the cache of the Hugging Face Hub.

    The cache is $HF_HUB_CACHE, or ``hub`` in $HF_HOME, or in ``huggingface`` in the user's cache
    folder (documentation of huggingface_hub, "Understand caching").

    :param file: the file.
    :returns: its path, without verification, or None.
    """
    repository = _root() / f'models--{file.repo.replace("/", "--")}'
    commit = file.revision
    try:
        if not _COMMIT.fullmatch(commit):
            commit = read_text(repository / 'refs' / commit).strip()
        path = repository / 'snapshots' / commit / file.path
        return path if _COMMIT.fullmatch(commit) and path.is_file() else None
    except (OSError, ValueError, DataError):
        return None


def token() -> str:
    """
    Return the access token of the user, for files that require registration.

    :returns: $HF_TOKEN, or an empty string.
    """
    return os.environ.get('HF_TOKEN', '').strip()


def _root() -> Path:
    if chosen := os.environ.get('HF_HUB_CACHE'):
        return Path(chosen).expanduser()
    if home := os.environ.get('HF_HOME'):
        return Path(home).expanduser() / 'hub'
    base = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
    return Path(os.path.expanduser(base)) / 'huggingface' / 'hub'  # noqa: PTH111  no home is no error
